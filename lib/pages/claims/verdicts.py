"""What may be said of a claim, and when a ratio says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lib.stats import Interval
from lib.text import Text

Verdict = Literal["holds", "fails", "unknown", "unmeasured"]
VERDICTS: tuple[Verdict, ...] = ("fails", "holds", "unknown", "unmeasured")
NOTHING = Text("", "")


@dataclass(frozen=True)
class Answer:
    """What may be said of a claim. why: in words; ours: our number with its interval; times: the same where it is a ratio."""

    verdict: Verdict
    why: Text
    ours: Text = NOTHING
    times: Interval | None = None


def judged(ours: Interval, claimed: float | None, tolerance: float) -> tuple[Verdict, str]:
    """(verdict, key of `why`): a claim holds where our whole interval lies around the claimed ratio, within the tolerance, and fails
    where none of it does. claimed: None for any ratio above 1."""
    low, high = ours[1:]
    least, most = (1.0, math.inf) if claimed is None else (claimed / (1 + tolerance), claimed * (1 + tolerance))
    if claimed is None and low <= 1 <= high:
        return "unknown", "straddles"
    if least <= low and high <= most:
        return "holds", "more_than" if claimed is None else "around"
    if least <= high and low <= most:
        return "unknown", "straddles"
    return "fails", "beyond" if low > most else "reverse" if high < 1 else "less" if low > 1 else "no_difference"


def ratio(value: Interval, digits: int = 2) -> Text:
    """A ratio as tables have it: without ends where it has none."""
    said = f"{value.value:.{digits}f}×" + (f" [{value.low:.{digits}f}, {value.high:.{digits}f}]" if value.low != value.high else "")
    return Text(said, said)
