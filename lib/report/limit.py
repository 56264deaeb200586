"""How long a run may take: `make report MINUTES=9`."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from lib.deadline import DEADLINE, LIMIT
from lib.progress import duration

PAGES_S, PAGES = 30.0, 0.1  # of a limit that is left for the pages: seconds, and no more than this share
START_S = 10.0  # what a notebook takes at the least: a kernel starts, libraries are imported
ENOUGH_S = 60.0


@dataclass(frozen=True)
class Limit:
    """minutes: from now on, None for as long as it takes; begun: now, as time.time tells it."""

    minutes: float | None = None
    begun: float = field(default_factory=time.time)

    @property
    def until(self) -> float:
        """When measuring stops, as time.time tells it: somewhat before the end, for the pages are still to be written."""
        seconds = math.inf if self.minutes is None else 60 * self.minutes
        return self.begun + seconds - min(PAGES_S, PAGES * seconds)

    def variables(self) -> dict[str, str]:
        """What tells kernels (lib/deadline.py)."""
        return {DEADLINE: "", LIMIT: ""} if self.minutes is None else {DEADLINE: str(self.until), LIMIT: str(self.until - self.begun)}

    def too_late(self, took: float | None) -> bool:
        """Whether a notebook need not be begun any more. took: s, the last time, None where that is not known.

        One with long steps stops between them, so with ENOUGH_S left any is begun.
        """
        return self.until - time.time() < min(START_S if took is None else took, ENOUGH_S)

    def said(self) -> str:
        """How long the run has taken, and may take."""
        return duration(time.time() - self.begun) + ("" if self.minutes is None else f" (asked: {self.minutes:g} min)")
