"""Which candidates may be the fastest where each was built several times and timed in rounds of its own (notebook 08). Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TypeVar

import numpy as np

from lib import stats
from lib.two_level import Builds

K = TypeVar("K")


def best(every: Mapping[K, Builds], margin: float) -> list[K]:
    """The fastest candidate and all that are not surely slower than another, the fastest first.

    every: round means (ms) of each build of each candidate, (build, round), all with the same images a call. margin: 0.05 is 5 %; it must
    cover what the machine may have changed by between the rounds of two candidates, which no interval knows.
    One is left out only where some other is faster by over `margin`: a one-sided test at level (1 - CONFIDENCE) / (candidates - 1), so that
    the true best is left out in at most 5 % of runs. As in `two_level.built` builds and rounds are tested both, their halves added as
    squares, but by Welch's t both, for nothing is paired. With one build or fewer than LEAST_ROUNDS rounds on a side nothing is left out.
    Raises ValueError for builds of one candidate with different numbers of rounds.
    Sources: Hsu (1996), Multiple Comparisons: Theory and Methods, by Bonferroni as in `stats.best`; `two_level.built`.
    """
    level = (1 - stats.CONFIDENCE) / max(1, len(every) - 1)
    logs = {key: stats.together(builds) for key, builds in every.items()}
    beaten = set()
    for pair in combinations(logs, 2):
        better, worse = sorted(pair, key=lambda key: float(logs[key].mean()))
        if _ahead(logs[better], logs[worse], level) > math.log1p(margin):
            beaten.add(worse)
    return sorted((key for key in logs if key not in beaten), key=lambda key: float(logs[key].mean()))


def _ahead(better: np.ndarray, worse: np.ndarray, level: float) -> float:
    """The lower end of how much longer `worse` takes, on logarithms. better, worse: logarithms, float64 (builds, rounds)."""
    from scipy.stats import t

    if min(better.shape[1], worse.shape[1]) < stats.LEAST_ROUNDS:
        return -math.inf
    halves = []
    for axis in (1, 0):  # over builds, over rounds
        _, error, freedom = stats.welch(*(np.exp(side.mean(axis=axis)).tolist() for side in (better, worse)))
        halves.append(float(t.ppf(1 - level, freedom)) * error if 0 < error < math.inf else error)
    return float(worse.mean() - better.mean()) - math.hypot(*halves)
