"""What the peers serve: images to answers, in PyTorch or in ONNX Runtime, without or with the published quality control.

An answer is mu (float64, NaN without quality control) and the mask, a bit a pixel: the bytes that the peers without an own tensor format send.
"""

import struct

import numpy as np

MAX_BATCH = 4
SIDE = 256
MASK_BYTES = SIDE * SIDE // 8


def pack(mask, mu):
    """An answer as bytes."""
    return struct.pack("<d", mu) + np.packbits(mask).tobytes()


def arguments(parser):
    """Arguments of every server."""
    parser.add_argument("--weights", required=True, help="weights.safetensors of a model, or its ONNX graph")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--qc", choices=["none", "published", "compared"], required=True)
    parser.add_argument("--form", choices=["eager", "frozen"], default="frozen", help="of the network, in PyTorch")
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of each instance")


class Torch:
    """The network in PyTorch: as a module, or traced, frozen (which folds batch norm) and with its channels last."""

    def __init__(self, arguments):
        import torch

        import network
        import qc_torch

        self.torch, self.mu, self.qc = torch, qc_torch.mu, arguments.qc
        torch.set_num_threads(arguments.threads)
        self.network = network.load(arguments.weights)
        self.layout = torch.contiguous_format
        if arguments.form == "frozen":
            self.layout = torch.channels_last
            example = torch.zeros(1, 1, SIDE, SIDE).contiguous(memory_format=self.layout)
            with torch.no_grad():
                traced = torch.jit.trace(self.network.to(memory_format=self.layout), example)
                self.network = torch.jit.freeze(traced)
        # TorchScript settles on its plan in the first calls.
        with torch.inference_mode():
            for batch in [1, 1, MAX_BATCH]:
                self.network(torch.zeros(batch, 1, SIDE, SIDE).contiguous(memory_format=self.layout))

    def masks_and_mus(self, images):
        """`[B, 1, H, W]` float32 to `[B, H, W]` bool and a list of mu."""
        torch = self.torch
        with torch.inference_mode():
            images = torch.from_numpy(images).contiguous(memory_format=self.layout)
            probability, *taps = self.network(images)
            masks = probability[:, 0] > 0.5
            if self.qc == "none":
                return masks.numpy(), [float("nan")] * len(masks)
            taps = [tap.contiguous() for tap in taps]
            mus = [self.mu([tap[index] for tap in taps], mask, self.qc) for index, mask in enumerate(masks)]
            return masks.numpy(), mus


class Onnx:
    """The network in ONNX Runtime, whose graph gives the two feature maps only where something needs them."""

    def __init__(self, arguments):
        import onnxruntime

        import qc_numpy

        self.mu, self.qc = qc_numpy.mu, arguments.qc
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
        self.session = onnxruntime.InferenceSession(arguments.weights, options, providers=["CPUExecutionProvider"])
        self.masks_and_mus(np.zeros((1, 1, SIDE, SIDE), np.float32))

    def masks_and_mus(self, images):
        """`[B, 1, H, W]` float32 to `[B, H, W]` bool and a list of mu."""
        probability, *taps = self.session.run(None, {"image": images})
        masks = probability[:, 0] > 0.5
        if self.qc == "none":
            return masks, [float("nan")] * len(masks)
        return masks, [self.mu([tap[index] for tap in taps], mask, self.qc) for index, mask in enumerate(masks)]


def answers(segmenter, bodies):
    """Raw images, `H x W` float32 each, to answers as bytes, in one batch."""
    images = np.stack([np.frombuffer(body, np.float32).reshape(1, SIDE, SIDE) for body in bodies])
    masks, mus = segmenter.masks_and_mus(images)
    return [pack(mask, mu) for mask, mu in zip(masks, mus)]
