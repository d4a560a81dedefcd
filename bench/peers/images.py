"""The images of the comparison: the committed slices of real MRI, prepared once as the bundled model would, so that every server gets the
same numbers and none has to prepare anything."""

import pathlib

import numpy as np
from PIL import Image

SIDE = 256


def load(folder):
    """Every slice of a folder: `[1, 256, 256]` float32, zeros around it, cut at the percentiles 0.5 and 99.5, z-scored."""
    paths = sorted(pathlib.Path(folder).glob("*.png"))
    if not paths:
        raise SystemExit(f"no images in {folder}")
    return [prepared(np.asarray(Image.open(path), np.float64)) for path in paths]


def prepared(pixels):
    height, width = pixels.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    padded = np.zeros((SIDE, SIDE))
    padded[top : top + height, left : left + width] = pixels
    clipped = np.clip(padded, *np.percentile(padded, [0.5, 99.5]))
    return ((clipped - clipped.mean()) / clipped.std()).astype(np.float32)[None]
