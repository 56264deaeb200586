"""When the batches of lanes end that are launched in turn, and what calls tell of themselves: the loops that lie in what is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lib.timer import CALLS, Clock


def in_turn(turns: Sequence[tuple[Callable[[], None], Callable[[], None]]], seconds: float, clock: Clock) -> list[int]:
    """When batches ended, ns, all lanes (wait, launch) being busy: for `seconds`, whole turns, at least one and about CALLS batches."""
    for _, launch in turns:
        launch()
    ends: list[int] = []
    until: int | None = None
    while until is None or len(ends) == 1 or (ends[-1] < until and len(ends) + len(turns) <= CALLS + 1):
        for wait, launch in turns:
            wait()
            ends.append(clock())
            launch()
        if until is None:  # the first turn fills the lanes
            del ends[:-1]
            until = ends[0] + round(seconds * 1e9)
    return ends


def repeated(call: Callable[[], float], seconds: float, clock: Clock) -> np.ndarray:
    """What calls tell, float64 (n,), for `seconds`, at least one, at most CALLS; the first call is not counted."""
    call()
    told: list[float] = []
    until = clock() + round(seconds * 1e9)
    while not told or (clock() < until and len(told) < CALLS):
        told.append(call())
    return np.array(told)
