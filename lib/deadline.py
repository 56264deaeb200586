"""When a run has to stop: `make report MINUTES=9` tells its kernels, and long work asks wherever a stop loses nothing."""

from __future__ import annotations

import math
import os
import time

from lib.errors import ReportError

DEADLINE = "REPORT_DEADLINE"  # environment variable, set by a run for its kernels: when it stops, seconds since 1970 (time.time)
LIMIT = "REPORT_LIMIT_S"  # environment variable beside it: how many seconds the run has in all
AT_MOST = 0.5  # of that limit: what a step is taken to need, or one that is longer than the limit would never be begun


class OutOfTime(ReportError):
    """The minutes that a run was given are over. No failure: what is done is kept, and the same command goes on."""

    exit_code = 5


def left_s() -> float:
    """Seconds until the run has to stop: negative once that is past, infinite where it was given no limit.

    Raises ReportError where the variable holds no time.
    """
    return _seconds(DEADLINE, math.inf) - time.time()


def check(needed_s: float = 0) -> None:
    """Raise OutOfTime where less than `needed_s` seconds are left, or half of the run's limit where that is less. To be called between
    steps whose results are stored.

    Not inside a `try` that takes a ReportError for a reason why there is no number: a stop is no such reason.
    """
    if (left := left_s()) < min(needed_s, AT_MOST * _seconds(LIMIT, math.inf)):
        needs = f"the next step takes {needed_s:.0f} s and {left:.0f} s are left" if left > 0 else "the run's minutes are over"
        raise OutOfTime(f"{needs}; the same command goes on from here")


def _seconds(variable: str, otherwise: float) -> float:
    given = os.environ.get(variable, "")
    try:
        return float(given) if given else otherwise
    except ValueError:
        raise ReportError(f"{variable}={given}: no seconds; runs set it themselves (make report MINUTES=9), unset it") from None
