"""What counts and round means say: accuracies, losses and speeds with intervals, and what can be told apart.

Pure functions. Counts are numbers of images; `rounds_ms` are the mean latencies (ms) of one candidate, one a round, in the
order of the rounds (lib/measure/rounds.py). The claims about two candidates pair their rounds: what slows the machine down for
a while slows both. All intervals are two-sided at CONFIDENCE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

CONFIDENCE = 0.95
LEAST_ROUNDS = 3  # fewer decide nothing between two candidates
PERCENTILES = ("p50", "p90", "p95", "p99")  # of latencies
BEYOND = 10  # samples that must lie beyond a percentile above the median

K = TypeVar("K")
Loss = Literal["within", "over", "undecided"]
Compared = Literal["faster", "slower", "same", "undecided"]


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval, in the unit of the estimate; an open end is infinite or 0.

    A format counts for all three numbers: `f"{interval:.2f}"` is `1.23 [1.20, 1.26]`.
    """

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        value, low, high = (format(number, spec) for number in self)
        return f"{value} [{low}, {high}]"

    @classmethod
    def of_logs(cls, mean: float, half: float) -> Interval:
        """exp(mean), and the ends `half` (0 to infinite) below and above it on logarithms; an end past every number is infinite."""
        return cls(math.exp(mean), math.exp(mean - half), math.exp(mean + half) if mean + half < 700 else math.inf)


def needed(percentile: float) -> int:
    """How many samples carry a percentile: the median one, another so many that ten lie beyond it (p99: 1,000).

    Source: the success-failure condition of the normal approximation to a binomial count, n (1 - p) >= 10
    (Diez, Çetinkaya-Rundel & Barr, OpenIntro Statistics, 4th ed., section 6.1).
    """
    return 1 if percentile <= 50 else math.ceil(100 * BEYOND / (100 - percentile))


def wilson(correct: int, total: int) -> Interval:
    """The share correct / total, from 0 to 1, without continuity correction. Raises ValueError unless 0 <= correct <= total, total >= 1.

    Source: Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference.
    """
    from scipy.stats import binomtest

    if not 0 <= correct <= total or total < 1:  # which not every version of SciPy refuses
        raise ValueError(f"{correct} of {total} images is no share")
    low, high = binomtest(int(correct), int(total)).proportion_ci(CONFIDENCE, method="wilson")
    value = correct / total
    return Interval(value, float(min(low, value)), float(max(high, value)))  # rounding must not put the ends past the value


def chance_level(class_counts: Sequence[int]) -> float:
    """What guessing gets right: the larger of 1 / classes and the share of the largest class, which its majority guesser gets.

    class_counts: images of each class, 0 for a class without any. Raises ValueError where there are none at all.
    """
    if min(class_counts, default=0) < 0 or not sum(class_counts):
        raise ValueError(f"images are needed, got {list(class_counts)} a class")
    return max(1 / len(class_counts), max(class_counts) / sum(class_counts))


def at_chance(correct: int, total: int, chance: float) -> bool:
    """Whether an accuracy cannot be told from guessing (`chance_level`), or is worse: it then has nothing that could be lost."""
    return wilson(correct, total).low <= chance


def paired(only_a: int, only_b: int, total: int) -> Interval:
    """Accuracy of b minus accuracy of a on the same images, from -1 to 1.

    only_a, only_b: images that only a or only b has right. Raises ValueError for counts that do not fit into `total`.
    The interval holds its level with few such images too. Source: Bonett & Price (2012), Adjusted Wald Confidence Interval for a
    Difference of Binomial Proportions Based on Paired Data.
    """
    from scipy.special import ndtri

    if min(only_a, only_b) < 0 or total < 1 or only_a + only_b > total:
        raise ValueError(f"{only_a} and {only_b} of {total} images are no counts of images that one side alone has right")
    a, b = (only_a + 1) / (total + 2), (only_b + 1) / (total + 2)
    half = float(ndtri((1 + CONFIDENCE) / 2)) * math.sqrt((a + b - (b - a) ** 2) / (total + 2))
    return Interval((only_b - only_a) / total, max(-1.0, b - a - half), min(1.0, b - a + half))


def mcnemar(only_a: int, only_b: int) -> float:
    """p-value of the hypothesis that either classifier is as likely to be the one that is right; 1 where no image tells.

    Exact: a two-sided binomial test of one half (scipy.stats.binomtest). It says whether two can be told apart, `paired` how far.
    Source: McNemar (1947), Note on the Sampling Error of the Difference Between Correlated Proportions.
    """
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def loss(only_reference: int, only_candidate: int, total: int, margin: float) -> Loss:
    """Whether a candidate loses no more accuracy than `margin` (a share, 0.01 is one point) against the reference.

    "within" or "over" only where the whole paired interval says so: a test of non-inferiority (Tunes da Silva, Logan & Klein,
    2009, Methods for Equivalence and Noninferiority Testing). A loss of exactly the margin is never "over".
    """
    apart = paired(only_reference, only_candidate, total)
    if apart.low >= -margin:
        return "within"
    return "over" if apart.high < -margin else "undecided"


def difference(correct_a: int, total_a: int, correct_b: int, total_b: int) -> Interval:
    """Accuracy of b minus accuracy of a, from -1 to 1, where nobody knows which images each has right (other than `paired`).

    Source: Newcombe (1998), Interval Estimation for the Difference Between Independent Proportions, method 10 (from Wilson's).
    """
    a, b = wilson(correct_a, total_a), wilson(correct_b, total_b)
    apart = b.value - a.value
    low, high = math.hypot(b.value - b.low, a.high - a.value), math.hypot(b.high - b.value, a.value - a.low)
    return Interval(apart, apart - low, apart + high)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the order given: several tests together keep the level of one.

    Source: Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    order = np.argsort(p_values, kind="stable")
    times = np.arange(len(order), 0, -1) * np.asarray(p_values, np.float64)[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, times))
    return adjusted.tolist()


def time(rounds_ms: Sequence[float]) -> Interval:
    """Time of a call, ms: the geometric mean of the round means, Student's t on their logarithms; one round gives [0, inf].

    On logarithms times, rates and their ratios agree and no end passes 0. The interval covers how the rounds of this run scatter,
    not another build or machine. Raises ValueError for no rounds and for a time that is not above 0.
    Sources: Fleming & Wallace (1986), How Not to Lie with Statistics; Kalibera & Jones (2013), Rigorous Benchmarking in Reasonable Time.
    """
    return _interval(_logs(rounds_ms))


def rate(rounds_ms: Sequence[float], batch_size: float) -> Interval:
    """Images a second of calls with `batch_size` images one after the other: batch_size over `time`."""
    value, low, high = (1e3 * batch_size / ms if ms else math.inf for ms in time(rounds_ms))
    return Interval(value, high, low)


def speedup(a_ms: Sequence[float], b_ms: Sequence[float]) -> Interval:
    """How many times as fast a is as b (2 is half the time for a call): Student's t on the log ratios paired by round, so free
    of what both share in one. Raises ValueError for another number of rounds."""
    a, b = together([a_ms, b_ms])
    return _interval(b - a)


def ratio(a_ms: Sequence[float], b_ms: Sequence[float]) -> Interval:
    """`speedup` of a over b where the two were not measured in the same rounds, on two systems say: Welch's t on logarithms.

    Source: Welch (1947), The Generalization of Student's Problem when Several Different Population Variances Are Involved.
    """
    from scipy.special import stdtrit

    mean, error, freedom = welch(a_ms, b_ms)
    return Interval.of_logs(mean, float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error if 0 < error < math.inf else error)


def welch(a_ms: Sequence[float], b_ms: Sequence[float]) -> tuple[float, float, float]:
    """What `ratio` rests on, of logarithms: how much longer b takes, the standard error of that (infinite with one round on a side, 0
    where no round differs from its side's others) and Welch's degrees of freedom."""
    sides = _logs(a_ms), _logs(b_ms)
    mean, free = float(sides[1].mean() - sides[0].mean()), np.array([len(side) - 1 for side in sides])
    if not free.all():
        return mean, math.inf, math.inf
    squares = np.array([side.var(ddof=1) for side in sides]) / (free + 1)  # of the standard errors
    if not squares.any():
        return mean, 0.0, math.inf
    return mean, math.sqrt(squares.sum()), squares.sum() ** 2 / (squares**2 / free).sum()


def compared(a_ms: Sequence[float], b_ms: Sequence[float], least_ratio: float) -> Compared:
    """What `claim` says of `speedup`; with fewer than LEAST_ROUNDS rounds "undecided"."""
    said = claim(speedup(a_ms, b_ms), least_ratio)
    return said if len(a_ms) >= LEAST_ROUNDS else "undecided"


def claim(times_as_fast: Interval, least_ratio: float) -> Compared:
    """Whether a is faster or slower than b by more than `least_ratio` (0.02 is 2 %), or the same within it.

    times_as_fast: how many times as fast a is as b. Each only where the whole interval says so; else "undecided".
    """
    low, high = times_as_fast[1:]
    if low > 1 + least_ratio or high < 1 / (1 + least_ratio):
        return "faster" if low > 1 else "slower"
    return "same" if 1 / (1 + least_ratio) <= low and high <= 1 + least_ratio else "undecided"


def best(rounds: Mapping[K, Sequence[float]], least_ratio: float, work: Mapping[K, float] | None = None) -> list[K]:
    """The fastest candidate and all that cannot be told from it, the fastest first; none only where there is no candidate.

    rounds: round means (ms) of each, from the same rounds; work: images a call of each, where they differ.
    One is left out only where some other does more work a second by over `least_ratio`, by a one-sided paired t test on log
    rates at level (1 - CONFIDENCE) / (candidates - 1): the true best is left out in at most 5 % of runs; with fewer than
    LEAST_ROUNDS rounds nobody is. Raises ValueError for candidates with different numbers of rounds.
    Source: Hsu (1996), Multiple Comparisons: Theory and Methods (comparisons with the best), by Bonferroni as rounds are paired.
    """
    from scipy.special import stdtrit

    if not rounds:
        return []
    keys = list(rounds)
    rates = -together(list(rounds.values()))  # (candidates, rounds)
    if work is not None:
        rates += np.log([work[key] for key in keys])[:, None]
    order = np.argsort(-rates.mean(axis=1), kind="stable")
    count = rates.shape[1]
    if count < LEAST_ROUNDS or len(keys) == 1:
        return [keys[k] for k in order]
    far = float(stdtrit(count - 1, 1 - (1 - CONFIDENCE) / (len(keys) - 1))) / math.sqrt(count)
    ahead = rates[:, None] - rates[None]  # (better, worse, rounds)
    beaten = (ahead.mean(axis=2) - far * ahead.std(axis=2, ddof=1) > math.log1p(least_ratio)).any(axis=0)
    return [keys[k] for k in order if not beaten[k]]


def settled(rounds_ms: Sequence[float], tolerance: float) -> bool:
    """Whether both ends of the interval of `time` are within `tolerance` (a fraction of it); never with fewer than LEAST_ROUNDS rounds.

    Where not, the machine was busy, still warming up or changing its clocks.
    """
    value, low, high = time(rounds_ms)
    return len(rounds_ms) >= LEAST_ROUNDS and high <= value * (1 + tolerance) and low >= value * (1 - tolerance)


def together(every: Sequence[Sequence[float]]) -> np.ndarray:
    """Logarithms, float64 (candidates, rounds), of the round means of candidates that went through the same rounds.

    Raises ValueError for different numbers of rounds, and as `time` does.
    """
    if len(counts := {len(one) for one in every}) > 1:
        raise ValueError(f"candidates of the same rounds are needed, got {' and '.join(map(str, sorted(counts)))} rounds")
    return np.stack([_logs(one) for one in every])


def _interval(logs: np.ndarray) -> Interval:
    """The mean of logarithms (rounds,) and its t interval, as numbers again."""
    from scipy.special import stdtrit

    count = len(logs)
    half = math.inf if count == 1 else float(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * logs.std(ddof=1)) / math.sqrt(count)
    return Interval.of_logs(float(logs.mean()), half)


def _logs(rounds_ms: Sequence[float]) -> np.ndarray:
    values = np.asarray(rounds_ms, np.float64)
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"at least one round is needed, each a time above 0 ms, got {rounds_ms}")
    return np.log(values)
