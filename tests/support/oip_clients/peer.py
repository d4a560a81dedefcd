"""What both clients' scripts share: the images, what sagate.v1 said of them, and a record of what was checked.

The folder that the caller names holds expected.json: a list of images, each with "shape" [height, width], "pixels" (a file of little-endian
float32), "png" (a file or null), "mask" (a file of uint8), "mu" and "threshold" (float.hex), "decision" and "reason".
"""

import json
import pathlib
import sys

import numpy


class Image:
    def __init__(self, folder, said):
        shape = tuple(said["shape"])
        self.pixels = numpy.fromfile(folder / said["pixels"], "<f4").reshape(shape)
        self.mask = numpy.fromfile(folder / said["mask"], "u1").reshape(shape)
        self.png = (folder / said["png"]).read_bytes()
        self.mu = float.fromhex(said["mu"])
        self.threshold = float.fromhex(said["threshold"])
        self.decision = said["decision"]
        self.reason = said["reason"]

    def same(self, what, mask, mu, decision=None, threshold=None, reason=None):
        """Mask and scores are those of sagate.v1, bit for bit."""
        assert mask.dtype == numpy.uint8 and mask.shape == self.mask.shape, (what, mask.dtype, mask.shape)
        assert numpy.array_equal(mask, self.mask), what
        assert numpy.float64(mu).tobytes() == numpy.float64(self.mu).tobytes(), (what, mu, self.mu)
        if decision is not None:
            text = lambda it: it.decode() if isinstance(it, bytes) else it
            assert text(decision) == self.decision, (what, decision)
            assert float(threshold) == self.threshold, (what, threshold)
            assert text(reason) == self.reason, (what, reason)


def arguments():
    """The addresses of gRPC and HTTP, and the images."""
    grpc, http, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    said = json.loads((folder / "expected.json").read_text())
    return grpc, http, [Image(folder, it) for it in said]


def done(what):
    print("same:", what, flush=True)
