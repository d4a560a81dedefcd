"""The U-Net of Fig. 4 in PyTorch, as a clinic would serve it: the module with its checkpoint, in evaluation mode."""

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

LEVELS = 4


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        first = F.relu(self.norm1(self.conv1(x)))
        return first, F.relu(self.norm2(self.conv2(first)))


class UNet(nn.Module):
    """`[B, C, H, W]` to the object classes' probabilities `[B, K, H, W]` and the feature maps of layers 17 and 18."""

    def __init__(self, channels, classes, base):
        super().__init__()
        width = [base << level for level in range(LEVELS + 1)]
        for level in range(LEVELS):
            self.add_module(f"encoder{level + 1}", Block(width[level - 1] if level else channels, width[level]))
        self.bottleneck = Block(width[LEVELS - 1], width[LEVELS])
        for level in reversed(range(LEVELS)):
            self.add_module(f"upconv{level + 1}", nn.ConvTranspose2d(width[level + 1], width[level], 2, stride=2))
            self.add_module(f"decoder{level + 1}", Block(2 * width[level], width[level]))
        self.head = nn.Conv2d(base, classes + 1, 1)

    def forward(self, x):
        skips = []
        for level in range(LEVELS):
            _, x = getattr(self, f"encoder{level + 1}")(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        _, x = self.bottleneck(x)
        for level in reversed(range(LEVELS)):
            x = torch.cat([getattr(self, f"upconv{level + 1}")(x), skips[level]], 1)
            tap17, x = getattr(self, f"decoder{level + 1}")(x)
        return torch.softmax(self.head(x), 1)[:, 1:], tap17, x


def load(path):
    """The network of a checkpoint of ours."""
    weights = {name: value.float() for name, value in load_file(path).items()}
    base, channels = weights["encoder1.conv1.weight"].shape[:2]
    network = UNet(channels, weights["head.weight"].shape[0] - 1, base)
    # A batch norm of ours counts no batches.
    missing = network.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all("num_batches" in key for key in missing.missing_keys), missing
    return network.eval()
