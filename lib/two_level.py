"""What several builds a version say: how far builds spread, and what can be told apart beyond that. Two levels: builds, and rounds.

Pure functions. `builds` are the mean latencies (ms) of each build of a version, one a round: (build, round). All builds of all versions
that meet here went through the same rounds: what slows the machine down for a while slows all of them and falls out. Which engine a
build turns out to be is chance, so the build is the unit; rounds only say how well each is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lib import stats
from lib.stats import CONFIDENCE, LEAST_ROUNDS, Compared, Interval

Builds = Sequence[Sequence[float]]
POWER = 0.9  # how often `findable` is to be found


def built(a: Builds, b: Builds) -> Interval:
    """How many times as fast version a is as b (2 is half the time for a call), whichever builds come; one build or round gives [0, inf].

    The interval has two parts, their halves on logarithms added as squares: Welch's t over the means of the builds (`stats.ratio`: the
    versions need not spread alike), and Student's t over the rounds of the versions' means (`stats.speedup`: a machine that changes may
    meet one version's engines harder, which no number of builds would show). Raises ValueError for another number of rounds.
    Sources: Kalibera & Jones (2013), Rigorous Benchmarking in Reasonable Time (the highest level is the unit); Welch (1947); Zou & Donner
    (2008), Construction of Confidence Limits About Effect Measures: A General Approach (squares of the halves).
    """
    logs = stats.together([*a, *b])
    sides = logs[: len(a)], logs[len(a) :]
    over_builds = stats.ratio(*(np.exp(side.mean(axis=1)).tolist() for side in sides))
    over_rounds = stats.speedup(*(np.exp(side.mean(axis=0)).tolist() for side in sides))
    half = math.hypot(*(math.log(one.high / one.value) for one in (over_builds, over_rounds)))
    return Interval.of_logs(math.log(over_builds.value), half)


class Told(NamedTuple):
    """What is told of two versions. ratio: of `built`; said: what may be claimed of it."""

    ratio: Interval
    said: Compared


def compared_builds(a: Builds, b: Builds, least_ratio: float) -> Told:
    """`built`, and what `stats.claim` says of it; with fewer than two builds a side or LEAST_ROUNDS rounds "undecided"."""
    ratio = built(a, b)
    return Told(ratio, stats.claim(ratio, least_ratio) if len(a[0]) >= LEAST_ROUNDS else "undecided")


def spread(builds: Builds) -> Interval:
    """Standard deviation between the builds of one version, of logarithms (0.02 is 2 % of the time), beyond what their rounds explain.

    `low` is above 0 only where the builds differ beyond their rounds: an F test at level (1 - CONFIDENCE) / 2. An analysis of variance with
    builds and rounds. With three builds `high` is many times the value: so few say little. Raises ValueError for fewer than two builds
    or rounds, or another number of rounds.
    Sources: Searle, Casella & McCulloch (1992), Variance Components; Williams (1962), A Confidence Interval for Variance Components.
    """
    from scipy.stats import chi2, f

    logs = stats.together(builds)
    count, rounds = logs.shape
    if min(count, rounds) < 2:
        raise ValueError(f"at least two builds and two rounds are needed, got {count} and {rounds}")
    logs = logs - logs[0]  # what all share in a round falls out, and builds that are equal are so to the bit
    own = logs.mean(axis=1)
    rest = logs - own[:, None] - logs.mean(axis=0) + logs.mean()
    free = count - 1
    left = free * (rounds - 1)
    between, noise = rounds * float(own.var(ddof=1)), float((rest**2).sum()) / left  # mean squares

    def beyond(of_f: float, of_chi2: float) -> float:
        return math.sqrt(max(0.0, between - of_f * noise) / rounds / of_chi2)

    low, high = (beyond(float(f.ppf(p, free, left)), float(chi2.ppf(p, free)) / free) for p in ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2))
    return Interval(beyond(1, 1), low, high)


def findable(builds: int, deviation: float, least_ratio: float) -> float:
    """The smallest true difference that `compared_builds` finds in POWER of all runs with so many builds a side, a fraction (0.05 is 5 %).

    deviation: between the builds of either version, as `spread` tells it. Infinite with fewer than two builds.
    Welch's t with as many builds a side is Student's but for its degrees of freedom: they hang on how the observed variance is shared
    between the sides, and that share is beta distributed. What the rounds add to `built` is left out.
    """
    from scipy.optimize import brentq
    from scipy.stats import beta, nct, t

    if builds < 2:
        return math.inf
    free = builds - 1
    share = beta.ppf((np.arange(100) + 0.5) / 100, free / 2, free / 2)
    needed = t.ppf((1 + CONFIDENCE) / 2, free / (share**2 + (1 - share) ** 2))
    far = brentq(lambda errors: float(nct.sf(needed, 2 * free, errors).mean()) - POWER, 0, 2 * needed.max())
    return (1 + least_ratio) * math.exp(far * deviation * math.sqrt(2 / builds)) - 1
