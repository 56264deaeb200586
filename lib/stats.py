"""Intervals and tests of the report: what a difference between two accuracies or two times is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class McNemar(NamedTuple):
    """Two classifiers on the same images. only_a, only_b: images that only the one or only the other has right;
    p_value: of the hypothesis that either is as likely to be the one that is right."""

    only_a: int
    only_b: int
    p_value: float


class Interval(NamedTuple):
    """An estimate and its confidence interval, in the unit of the estimate."""

    value: float
    low: float
    high: float


def wilson(correct: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """(low, high) of the share correct / total, from 0 to 1. Raises ValueError unless 0 <= correct <= total, total >= 1.

    Source: Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference; computed by
    scipy.stats.binomtest(…).proportion_ci(method="wilson"), which has no continuity correction.
    """
    from scipy.stats import binomtest

    low, high = binomtest(int(correct), int(total)).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def at_chance(correct: int, total: int, classes: int, confidence: float = CONFIDENCE) -> bool:
    """Whether an accuracy cannot be told from guessing, or is worse: its Wilson interval reaches down to 1 / classes.

    A classifier at chance level makes every comparison of precisions empty: it has nothing that could be lost.
    """
    return wilson(correct, total, confidence)[0] <= 1 / classes


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> McNemar:
    """McNemar's test of two bool (N,) arrays: which images classifier a and which classifier b has right.

    Exact for every number of discordant pairs: a two-sided binomial test of one half (scipy.stats.binomtest);
    p_value is 1 where no image tells them apart. Raises ValueError for arrays of another shape or type.
    Source: McNemar (1947), Note on the Sampling Error of the Difference Between Correlated Proportions.
    """
    from scipy.stats import binomtest

    only_a, only_b = _discordant(correct_a, correct_b)
    return McNemar(only_a, only_b, float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the order given: several tests together keep the level of one.

    Source: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[k]))
        adjusted[k] = largest
    return adjusted


def paired_difference(correct_a: np.ndarray, correct_b: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """Accuracy of b minus accuracy of a on the same images (bool arrays (N,)), from -1 to 1, with its interval.

    Says how large a loss the images do not rule out, which a p-value does not. value is the plain difference;
    the interval is the adjusted Wald interval of Bonett & Price (2012), Adjusted Wald Confidence Interval for a
    Difference of Binomial Proportions Based on Paired Data, which holds its level with few discordant pairs too.
    """
    from scipy.stats import norm

    only_a, only_b = _discordant(correct_a, correct_b)
    total = len(correct_a)
    a, b = (only_a + 1) / (total + 2), (only_b + 1) / (total + 2)
    half = norm.ppf((1 + confidence) / 2) * np.sqrt((a + b - (b - a) ** 2) / (total + 2))
    return Interval((only_b - only_a) / total, float(max(-1, b - a - half)), float(min(1, b - a + half)))


def _discordant(correct_a: np.ndarray, correct_b: np.ndarray) -> tuple[int, int]:
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"two bool arrays of one length >= 1 are needed, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
    return int((a & ~b).sum()), int((b & ~a).sum())
