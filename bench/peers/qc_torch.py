"""The published quality control in its usual Python form: ProtoSeg (Algorithm 1, eqs. 4 to 7) of every unit of the last two layers, each SAM's
Dice against the output (eq. 8), and their mean (eq. 12).

`published` takes the nearer prototype by argmin, as the paper does by argmax of a softmax (which float32 rounds; argmin of the distances
does not). `compared` is the same with `<` in its place: what somebody makes of it who has profiled it, as PyTorch's argmin is slow on a CPU.
"""

import torch


def protoseg(feature, mask, nearer):
    """The SAM of features `[N, 1, H, W]` under a binary mask `[1, 1, H, W]`: the nearer of two prototypes, a tie is background."""
    rest = 1 - mask
    of_object = (feature * mask).sum((2, 3), keepdim=True) / mask.sum()
    of_background = (feature * rest).sum((2, 3), keepdim=True) / rest.sum()
    return nearer(torch.pow(feature - of_background, 2), torch.pow(feature - of_object, 2))


def by_argmin(to_background, to_object):
    return torch.argmin(torch.cat([to_background, to_object], dim=1), dim=1, keepdim=True)


def by_comparison(to_background, to_object):
    return (to_object < to_background).float()


def dice(sam, mask):
    """`2 |S and B| / (|S| + |B|)` of each map of `[N, 1, H, W]`."""
    both = (sam * mask).sum((1, 2, 3))
    return 2 * both / (sam.sum((1, 2, 3)) + mask.sum())


NEARER = {"published": by_argmin, "compared": by_comparison}


def mu(taps, mask, form):
    """mu of one image: its feature maps `[C, H, W]` and its binary mask `[H, W]`. 0 where the mask is empty or full."""
    if not mask.any() or mask.all():
        return 0.0
    mask = mask[None, None].float()
    # One unit after the other: each fits the cache, and all at once is slower.
    units = (tap[None, unit : unit + 1] for tap in taps for unit in range(tap.shape[0]))
    scores = [dice(protoseg(unit, mask, NEARER[form]), mask) for unit in units]
    return torch.cat(scores).double().mean().item()
