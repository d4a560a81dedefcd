"""The metrics of failure detection by brute force, in exact fractions: what tests/gate/evaluation.rs compares with.

Reads a JSON list of {"scores": [...], "dice": [...]} and prints a list of {metric: value}. Where equal scores leave the order
open, every order of the images that the scores allow is tried and the mean is taken. Few images only.
"""

import itertools
import json
import math
import statistics
import sys
from fractions import Fraction


def orders(scores):
    """Every order of the images from the highest score to the lowest."""
    groups = [
        [i for i, score in enumerate(scores) if score == value] for value in sorted(set(scores), reverse=True)
    ]
    for parts in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [i for part in parts for i in part]


def mean_over_orders(scores, value):
    values = [value(order) for order in orders(scores)]
    return sum(values, Fraction(0)) / len(values)


def aurc(scores, risks):
    def of(order):
        total = Fraction(0)
        for k in range(1, len(order) + 1):
            total += sum((risks[i] for i in order[:k]), Fraction(0)) / k
        return total / len(order)

    return mean_over_orders(scores, of)


def augrc(scores, risks):
    n = len(scores)

    def of(order):
        curve = [sum((risks[i] for i in order[:k]), Fraction(0)) / n for k in range(n + 1)]
        return sum((curve[k] + curve[k + 1]) / 2 / n for k in range(n))

    return mean_over_orders(scores, of)


def zenk(scores, risks):
    """Points of the curve, then trapezoids, as the benchmark does it; equal scores in the order given."""
    n = len(scores)
    order = sorted(range(n), key=lambda i: scores[i])
    points, widths, width = [sum(risks) / n], [], 0
    for i in range(n - 1):
        rest = order[i + 1 :]
        width += 1
        if i == 0 or scores[order[i]] != scores[order[i - 1]]:
            points.append(sum((risks[j] for j in rest), Fraction(0)) / len(rest))
            widths.append(Fraction(width, n))
            width = 0
    if width:
        points.append(points[-1])
        widths.append(Fraction(width, n))
    return sum((a + b) / 2 * w for a, b, w in zip(points, points[1:], widths))


def auroc(scores, bad):
    pairs = [
        Fraction(1) if scores[g] > scores[b] else Fraction(1, 2) if scores[g] == scores[b] else Fraction(0)
        for g in range(len(scores))
        for b in range(len(scores))
        if not bad[g] and bad[b]
    ]
    return sum(pairs) / len(pairs) if pairs else None


def dice_at(scores, dice, coverage):
    kept = math.ceil(coverage * len(scores))
    return mean_over_orders(scores, lambda order: sum((dice[i] for i in order[:kept]), Fraction(0)) / kept)


def coverage_at(scores, risks, limit):
    best = Fraction(0)
    for threshold in set(scores):
        kept = [risks[i] for i in range(len(scores)) if scores[i] >= threshold]
        if sum(kept) / len(kept) <= limit:
            best = max(best, Fraction(len(kept), len(scores)))
    return best


def mean_ranks(values):
    return [
        Fraction(sum(other < value for other in values)) + Fraction(sum(other == value for other in values) - 1, 2)
        for value in values
    ]


def correlation(a, b):
    if len(set(a)) < 2 or len(set(b)) < 2:
        return None
    return statistics.correlation([float(x) for x in a], [float(x) for x in b])


def metrics(case):
    scores, dice = ([Fraction(x) for x in case[key]] for key in ("scores", "dice"))
    risks = [1 - x for x in dice]
    n = len(scores)
    optimal, random = aurc(dice, risks), sum(risks) / n
    lowest = sorted(dice)[math.ceil(Fraction(n, 10)) - 1]
    values = {
        "aurc": aurc(scores, risks),
        "optimal": optimal,
        "normalised_aurc": (aurc(scores, risks) - optimal) / (random - optimal) if len(set(dice)) > 1 else None,
        "zenk": zenk(scores, risks),
        "augrc": augrc(scores, risks),
        "spearman": correlation(mean_ranks(scores), mean_ranks(dice)),
        "pearson": correlation(scores, dice),
        "auroc_half": auroc(scores, [x < Fraction(1, 2) for x in dice]),
        "auroc_tenth": auroc(scores, [x <= lowest for x in dice]),
        "dice_at_70": dice_at(scores, dice, Fraction(7, 10)),
        "dice_at_50": dice_at(scores, dice, Fraction(1, 2)),
        "coverage_at_40": coverage_at(scores, risks, Fraction(2, 5)),
    }
    return {name: None if value is None else float(value) for name, value in values.items()}


json.dump([metrics(case) for case in json.load(sys.stdin)], sys.stdout)
