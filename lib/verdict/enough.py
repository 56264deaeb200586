"""How much more would have to be measured until an interval no longer straddles a limit, if everything went on as it did."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lib import stats

MOST_IMAGES = 10_000_000
MOST_ROUNDS = 10_000


def images(decided: Callable[[int], bool], there: int) -> int | None:
    """Images that would decide, two digits of it; None where even MOST_IMAGES would not. decided: whether so many do; `there` do not."""
    return _least(decided, there, MOST_IMAGES)


def for_loss(only_reference: int, only_candidate: int, total: int, margin: float) -> int | None:
    """Images that would tell whether more accuracy than `margin` (a share) is lost, with as large a part of them changing sides."""

    def decided(n: int) -> bool:
        a, b = (round(count * n / total) for count in (only_reference, only_candidate))
        return stats.loss(a, b, n, margin) != "undecided"

    return images(decided, total)


def for_share(correct: int, total: int, limit: float) -> int | None:
    """Images that would tell on which side of `limit` a share lies, with as large a part of them correct."""

    def decided(n: int) -> bool:
        found = stats.wilson(round(correct * n / total), n)
        return found.low >= limit or found.high < limit

    return images(decided, total)


def for_time(rounds_ms: Sequence[float], ratio: float) -> int | None:
    """Rounds that would tell a time from one `ratio` times as long, with rounds that scatter as these do; None past MOST_ROUNDS."""
    from scipy.stats import t

    count = len(rounds_ms)
    if count < stats.LEAST_ROUNDS:
        return stats.LEAST_ROUNDS
    logs = stats.together([rounds_ms])[0]
    scatter, apart = float(logs.std(ddof=1)), abs(math.log(ratio))
    return _least(lambda n: float(t.ppf((1 + stats.CONFIDENCE) / 2, n - 1)) * scatter / math.sqrt(n) < apart, count, MOST_ROUNDS)


def _least(decided: Callable[[int], bool], there: int, most: int) -> int | None:
    low, high = there, there
    while not decided(high):
        if high >= most:
            return None
        low, high = high, min(most, math.ceil(high * 1.3))
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    step = 10 ** max(0, len(str(high)) - 2)
    return math.ceil(high / step) * step
