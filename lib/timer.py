"""Calls of one thing, one right after the other, each timed: what rounds are made of, in this process or in another one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

Clock = Callable[[], int]  # nanoseconds, never going back

CALLS = 4000  # a slice ends after so many calls too: what takes microseconds needs no more, and all are kept


class Slice(NamedTuple):
    """Calls of one candidate one right after the other: how long each took, ms, float64 (n,); gpu_ms: the same on the GPU, of calls
    of their own, None where that is not told."""

    latencies_ms: np.ndarray
    gpu_ms: np.ndarray | None = None


Timer = Callable[[float], Slice]  # makes calls for about so many seconds, at least one, and tells how long each took


@contextmanager
def uncollected() -> Iterator[None]:
    """Garbage collection rests meanwhile, as in timeit, and is then what it was."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def timer(call: Callable[[], Any], gpu_ms: Callable[[], float] | None = None, clock: Clock = time.perf_counter_ns) -> Timer:
    """The Timer of a call within this process. gpu_ms: makes a call and tells its time on the GPU, ms.

    A slice is one call that is not measured, then calls until the seconds are over (1 to CALLS of them), then the same of gpu_ms.
    """

    def timed(seconds: float) -> Slice:
        call()
        latencies_ms = _calls(call, seconds, clock)
        if gpu_ms is None:
            return Slice(latencies_ms)
        told: list[float] = []
        gpu_ms()
        _calls(lambda: told.append(gpu_ms()), seconds, clock)
        return Slice(latencies_ms, np.array(told))

    return timed


def rested(timed: Timer, seconds: float) -> Timer:
    """The same Timer, after each of whose slices nothing runs for so many seconds: threads that wait busily would take the next one's."""

    def slice_of(length_s: float) -> Slice:
        try:
            return timed(length_s)
        finally:
            time.sleep(seconds)

    return slice_of


def _calls(call: Callable[[], Any], seconds: float, clock: Clock) -> np.ndarray:
    """How long calls took, one right after the other, ms: float64 (n,)."""
    ends = [clock()]
    until = ends[0] + round(seconds * 1e9)
    while len(ends) == 1 or (ends[-1] < until and len(ends) <= CALLS):
        call()
        ends.append(clock())
    return np.diff(np.array(ends)) / 1e6
