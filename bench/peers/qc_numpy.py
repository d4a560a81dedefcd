"""The published quality control in NumPy, as `qc_torch`: for a server that has no PyTorch."""

import numpy as np


def protoseg(feature, mask, count, form):
    """The SAM of one unit `[H, W]` under a binary mask: the nearer of two prototypes, a tie is background."""
    of_object = (feature * mask).sum() / count
    of_background = (feature * (1 - mask)).sum() / (mask.size - count)
    to_background, to_object = np.square(feature - of_background), np.square(feature - of_object)
    if form == "published":
        return np.argmin(np.stack([to_background, to_object]), axis=0)
    return to_object < to_background


def mu(taps, mask, form):
    """mu of one image: its feature maps `[C, H, W]` and its binary mask `[H, W]`. 0 where the mask is empty or full."""
    count = int(mask.sum())
    if count in (0, mask.size):
        return 0.0
    weight, scores = mask.astype(np.float32), []
    for tap in taps:
        for feature in tap:
            sam = protoseg(feature, weight, count, form)
            scores.append(2 * int(sam[mask].sum()) / (int(sam.sum()) + count))
    return float(np.mean(scores))
