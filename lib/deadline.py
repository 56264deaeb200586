"""When a run has to stop: `make report MINUTES=9` tells its kernels, and long work asks wherever a stop loses nothing."""

from __future__ import annotations

import math
import os
import time

from lib.errors import ReportError

DEADLINE = "REPORT_DEADLINE"  # environment variable, set by a run for its kernels: when it stops, seconds since 1970 (time.time)


class OutOfTime(ReportError):
    """The minutes that a run was given are over. No failure: what is done is kept, and the same command goes on."""

    exit_code = 5


def left_s() -> float:
    """Seconds until the run has to stop: negative once that is past, infinite where it was given no limit.

    Raises ReportError where the variable holds no time.
    """
    given = os.environ.get(DEADLINE, "")
    try:
        return float(given) - time.time() if given else math.inf
    except ValueError:
        raise ReportError(f"{DEADLINE}={given}: no seconds since 1970; runs set it themselves (make report MINUTES=9), unset it") from None


def check(needed_s: float = 0) -> None:
    """Raise OutOfTime where less than `needed_s` seconds are left. To be called between steps whose results are stored.

    Not inside a `try` that takes a ReportError for a reason why there is no number: a stop is no such reason.
    """
    if (left := left_s()) < needed_s:
        needs = f"the next step takes {needed_s:.0f} s and {max(0, left):.0f} s are left" if left > 0 else "the run's minutes are over"
        raise OutOfTime(f"{needs}; the same command goes on from here")
