"""Timing in rounds: every candidate once a round, in an order drawn anew each round, so that what changes on the machine meets all.

The mean of a candidate's slice in each round is what lib/stats.py decides from. Two scopes, never mixed: `end_to_end`, from an array in
host memory to an array in host memory by the wall clock, and `gpu_compute`, which what is timed tells itself (CUDA events).
Source: asv's --interleave-rounds, which interleaves for the same reason.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lib import progress
from lib.errors import ReportError
from lib.experiment.profile import Measuring
from lib.stats import LEAST_ROUNDS, PERCENTILES, needed
from lib.timer import CALLS, Clock, Slice, Timer, uncollected

K = TypeVar("K")
PARTS = [0.8**n for n in range(40)] + [0.0]  # of a slice, down to a single call


class Series(NamedTuple):
    """A candidate's rounds: the mean of each (ms, in order) and all latencies (ms, float64 (n,)), end to end and on the GPU (or None)."""

    rounds_ms: list[float]
    latencies_ms: np.ndarray
    gpu_rounds_ms: list[float] | None = None
    gpu_latencies_ms: np.ndarray | None = None


class Cost(NamedTuple):
    """What a slice takes, ms, twice with the GPU's: its calls, and one of them."""

    calls_ms: float
    call_ms: float

    def slice_ms(self, part: float) -> float:
        """What a part of such a slice takes at the most, ms: its last call may begin just before its end; and the call before it."""
        return min(part * self.calls_ms + self.call_ms, self.calls_ms) + self.call_ms


def run(
    timers: Mapping[K, Timer],
    settings: Measuring,
    seed: str,
    clock: Clock = time.perf_counter_ns,
    ended: Callable[[], None] = lambda: None,
    seconds: float = math.inf,
) -> tuple[dict[K, Series], dict[K, ReportError]]:
    """Time all candidates: what each took, and why those failed that did, both in the order of `timers`.

    Each is warmed up once, by slices as those that count, until `warmup_s` is over (at least one slice); then come `rounds` rounds of
    one slice of `slice_s` each, in an order drawn from `seed` for every round. Garbage collection rests during slices, as in timeit, and
    is then what it was. `ended` is called after each round. seconds: that the rounds may take; where they would take longer, slices are
    shorter, and where single calls are too long for that, rounds are fewer, at least LEAST_ROUNDS.
    One that raises ReportError, or tells a time that is not above 0, is dropped with that error and the others go on.
    """
    taken: dict[K, list[Slice]] = {key: [] for key in timers}
    failed: dict[K, ReportError] = {}

    def take(key: K, slice_s: float) -> Slice | None:
        try:
            with uncollected():
                return _checked(timers[key](slice_s))
        except ReportError as error:
            failed[key] = error
            return None

    costs = _warmed_up(timers, lambda key: take(key, settings.slice_s), round(settings.warmup_s * 1e9), clock)
    order, shuffled = list(timers), random.Random(seed)
    count, part = _fitted(list(costs.values()), settings.rounds, 1e3 * seconds)
    steps = {key: max(1, round(cost.slice_ms(part))) for key, cost in costs.items()}  # of the bar, which ends with their sum
    began = clock()
    with progress.bar(float(count * sum(steps.values())), f"timing in {count} rounds") as bar:
        for number in range(1, count + 1):
            shuffled.shuffle(order)
            for key in order:
                if key not in failed and (one := take(key, part * settings.slice_s)) is not None:
                    taken[key].append(one)
                bar.update(steps.get(key, 0))
            ended()
            if number >= LEAST_ROUNDS and clock() - began > 1e9 * seconds * number / (number + 1):
                break  # another one would end too late: slices cannot be as short as was thought, or the machine is slower now
    return {key: _series(taken[key]) for key in timers if key not in failed}, {key: failed[key] for key in timers if key in failed}


def _warmed_up(keys: Collection[K], take: Callable[[K], Slice | None], warmup_ns: int, clock: Clock) -> dict[K, Cost]:
    """What a slice takes of each that did not fail, once it was taken for so long."""
    costs: dict[K, Cost] = {}
    for key in progress.each(keys, len(keys), "warming up"):
        until = clock() + warmup_ns
        while (one := take(key)) is not None:
            costs[key] = _cost(one)
            if clock() >= until:
                break
        else:
            costs.pop(key, None)
    return costs


def _fitted(costs: Sequence[Cost], rounds: int, most_ms: float) -> tuple[int, float]:
    """How many rounds there are in `most_ms`, and of what part of a slice: as many as there can be, and of these the longest slices.

    For LEAST_ROUNDS it may be more: a tenth more than these take at the shortest, so that what is fast is not timed less for nothing.
    """

    def round_ms(part: float) -> float:
        return max(1.0, sum(cost.slice_ms(part) for cost in costs))

    most_ms = max(most_ms, 1.1 * LEAST_ROUNDS * round_ms(0.0))
    return max((int(min(rounds, most_ms / round_ms(part))), part) for part in PARTS)


def percentiles(latencies: np.ndarray) -> dict[str, float | None]:
    """{"p50": …, "p90": …, "p95": …, "p99": …} of samples (n,), n >= 1, in their unit; None where n does not carry it."""
    carried = {name: int(name[1:]) for name in PERCENTILES}
    return {name: float(np.percentile(latencies, q)) if len(latencies) >= needed(q) else None for name, q in carried.items()}


def _checked(one: Slice) -> Slice:
    """The slice with float64 arrays of at most CALLS calls. Raises ReportError for one without calls and for one that took no time."""
    if one.gpu_ms is None:
        return Slice(_times(one.latencies_ms, "a call"))
    gpu_ms = _times(one.gpu_ms, "a call on the GPU")
    if not gpu_ms.min() > 0:
        raise ReportError(f"a time on the GPU of {gpu_ms.min()} ms: nothing ran; look at the messages above")
    return Slice(_times(one.latencies_ms, "a call"), gpu_ms)


def _times(values: np.ndarray, what: str) -> np.ndarray:
    times = np.asarray(values, np.float64)[:CALLS]
    if not times.size or not np.isfinite(times).all() or not times.mean() > 0:  # single calls may be shorter than the clock's step
        raise ReportError(f"{what} took no time: nothing ran; look at the messages above")
    return times


def _cost(one: Slice) -> Cost:
    """Of such a slice: from its calls, as the first slice also opens things."""
    times = 1 if one.gpu_ms is None else 2
    return Cost(times * float(one.latencies_ms.sum()), times * float(one.latencies_ms.mean()))


def _series(slices: list[Slice]) -> Series:
    told: list[Any] = []
    for scope in ([one.latencies_ms for one in slices], [one.gpu_ms for one in slices if one.gpu_ms is not None]):
        if scope:
            told += [float(values.mean()) for values in scope], np.concatenate(scope)
    return Series(*told)
