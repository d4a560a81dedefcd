"""The training in PyTorch, written plainly: the U-Net of Fig. 4, Adam, and the two losses of section 4.2 as Algorithm 1 has them (every
feature map upsampled to the image, distances to both prototypes, softmax).

    train.py steps START BATCHES OUT      trains on the batches of a safetensors file from the weights of another
    train.py time                         times steps on demand: a JSON line of sizes on stdin, then "offline" or "online" a line
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

EPSILON = 1e-6
LEFT_OUT = -100


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x, taps):
        x = F.relu(self.norm1(self.conv1(x)))
        taps.append(x)
        x = F.relu(self.norm2(self.conv2(x)))
        taps.append(x)
        return x


class UNet(nn.Module):
    def __init__(self, channels, classes, base):
        super().__init__()
        width = [base << level for level in range(5)]
        for level in range(4):
            self.add_module(f"encoder{level + 1}", Block(width[level - 1] if level else channels, width[level]))
        self.bottleneck = Block(width[3], width[4])
        for level in range(3, -1, -1):
            self.add_module(f"upconv{level + 1}", nn.ConvTranspose2d(width[level + 1], width[level], 2, stride=2))
            self.add_module(f"decoder{level + 1}", Block(2 * width[level], width[level]))
        self.head = nn.Conv2d(base, classes + 1, 1)

    def forward(self, x):
        taps, skips = [], []
        for level in range(4):
            x = getattr(self, f"encoder{level + 1}")(x, taps)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x, taps)
        for level in range(3, -1, -1):
            x = torch.cat([getattr(self, f"upconv{level + 1}")(x), skips[level]], 1)
            x = getattr(self, f"decoder{level + 1}")(x, taps)
        return self.head(x), taps


def online_loss(taps, probability, truth, valid):
    mask = torch.cat([1 - probability.sum(1, keepdim=True), probability], 1) * valid
    truth = truth * valid
    losses = []
    for tap in taps:
        feature = F.interpolate(tap, size=probability.shape[2:], mode="bilinear", align_corners=False)
        distances = []
        for index in range(mask.shape[1]):
            weight = mask[:, index : index + 1]
            mass = weight.sum((2, 3), keepdim=True).clamp_min(EPSILON)
            prototype = (feature * weight).sum((2, 3), keepdim=True) / mass
            distances.append(((feature - prototype) ** 2).sum(1))
        sam = torch.softmax(-torch.stack(distances, 1), 1)[:, 1:] * valid
        both, either = (sam * truth).sum((2, 3)), sam.sum((2, 3)) + truth.sum((2, 3))
        losses.append(1 - ((2 * both + EPSILON) / (either + EPSILON)).mean())
    return torch.stack(losses).mean()


def step(network, optimiser, pixels, labels, online):
    optimiser.zero_grad(set_to_none=True)
    logits, taps = network(pixels)
    loss = F.cross_entropy(logits, labels, ignore_index=LEFT_OUT)
    if online:
        probability = torch.softmax(logits, 1)[:, 1:]
        numbers = torch.arange(1, logits.shape[1]).view(1, -1, 1, 1)
        truth = (labels[:, None] == numbers).float()
        valid = (labels[:, None] != LEFT_OUT).float()
        loss = loss + online_loss(taps, probability, truth, valid)
    loss.backward()
    optimiser.step()
    return loss.item()


def steps(start, batches, out):
    batches = load_file(batches)
    start = load_file(start)
    pixels, labels = batches["pixels"], batches["labels"]
    classes, base = start["head.weight"].shape[:2]
    losses, weights = {}, {}
    for kind in ["offline", "online"]:
        network = UNet(pixels.shape[2], classes - 1, base)
        # A batch norm of ours counts no batches.
        missing = network.load_state_dict(start, strict=False)
        assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys), missing
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
        made = [step(network, optimiser, x, y, kind == "online") for x, y in zip(pixels, labels)]
        losses[kind] = torch.tensor(made, dtype=torch.float64)
        state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
        weights |= {f"{kind}.{name}": value.contiguous() for name, value in state.items()}
    save_file(weights | {f"{kind}.losses": value for kind, value in losses.items()}, out)


def timed():
    sizes = json.loads(sys.stdin.readline())
    torch.set_num_threads(sizes["threads"])
    torch.manual_seed(1)
    side, batch = sizes["size"], sizes["batch"]
    pixels = torch.randn(batch, 1, side, side)
    labels = (pixels[:, 0] > 0.5).long()
    networks = {}
    for kind in ["offline", "online"]:
        network = UNet(1, 1, sizes["base"])
        networks[kind] = network, torch.optim.Adam(network.parameters(), lr=1e-4)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        kind = line.strip()
        since = time.perf_counter()
        step(*networks[kind], pixels, labels, kind == "online")
        print(time.perf_counter() - since, flush=True)


if sys.argv[1] == "steps":
    steps(*sys.argv[2:])
else:
    timed()
