"""How long one call takes: warm-up, windows until they agree, percentiles the samples carry, throughput with its interval.

Scope `end_to_end`: from an array in host memory to an array in host memory, wall clock (time.perf_counter_ns).
Scope `gpu_compute`: what the GPU computes, without copies, between two CUDA events.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lib.errors import ReportError
from lib.experiment.profile import Measuring
from lib.stats import CONFIDENCE, Interval
from lib.text import Text

Clock = Callable[[], int]  # nanoseconds, never going back

PERCENTILES = (50, 90, 95, 99)
BEYOND = 10  # samples that must lie beyond a percentile above the median
WINDOW_CALLS = 4000  # a window ends after so many calls too: what takes microseconds needs no more, and all are kept
BLOCKS = 20  # of consecutive samples, for the interval of the mean
SUM_TOLERANCE = 0.05  # probabilities add up to 1 within this: INT8 rounds each of ten by up to 1/512


@dataclass(frozen=True)
class Timing:
    """What timing one configuration gave.

    windows_ms: latencies of the windows that count, in ms, one array a window: the last `stable_windows` where these
    agree, else all. stable: whether they agree within `tolerance`. output: the last result of the call, to be checked.
    """

    windows_ms: list[np.ndarray]
    stable: bool
    output: Any

    @property
    def samples_ms(self) -> np.ndarray:
        """All latencies that count, float64 (n,), ms, in the order they were taken."""
        return np.concatenate(self.windows_ms)


def time_call(call: Callable[[], Any], settings: Measuring, clock: Clock = time.perf_counter_ns) -> Timing:
    """Call for `warmup_s`, then in windows of `window_s` until `stable_windows` in a row agree or `limit_s` is over.

    Windows agree when the largest and the smallest of their mean latencies differ by at most `tolerance` of the
    smallest. Every window holds at least one call. Garbage collection rests meanwhile, as in timeit.
    Source: the stability rule of Triton's Performance Analyzer (--measurement-interval, --stability-percentage).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _until_stable(call, settings, clock)
    finally:
        if collecting:
            gc.enable()


def time_on_gpu(gpu_ms: Callable[[], float], settings: Measuring) -> Timing:
    """`time_call` for what tells its own time: latencies, warm-up and windows are all of the ms that `gpu_ms` gives, not the clock's.

    Raises ReportError for a time that is not above 0: by such a clock no window would end.
    """
    elapsed_ns = 0

    def call() -> None:
        nonlocal elapsed_ns
        took_ms = gpu_ms()
        if not took_ms > 0:
            raise ReportError(f"a time on the GPU of {took_ms} ms: nothing ran")
        elapsed_ns += round(1e6 * took_ms)

    return time_call(call, settings, lambda: elapsed_ns)


def agree(means: Sequence[float], tolerance: float) -> bool:
    """Whether positive numbers lie within `tolerance` (a fraction) of the smallest."""
    return max(means) - min(means) <= tolerance * min(means)


def needed(percentile: float) -> int:
    """How many samples carry a percentile: the median one, another so many that ten lie beyond it (p99: 1,000).

    Source: the success-failure condition of the normal approximation to a binomial count, n (1 - p) >= 10
    (Diez, Çetinkaya-Rundel & Barr, OpenIntro Statistics, 4th ed., section 6.1).
    """
    return 1 if percentile <= 50 else math.ceil(100 * BEYOND / (100 - percentile))


def percentiles(samples: np.ndarray) -> dict[str, float | None]:
    """{"p50": …, "p90": …, "p95": …, "p99": …} of samples (n,), n >= 1, in their unit; None where n does not carry it."""
    return {f"p{q}": float(np.percentile(samples, q)) if len(samples) >= needed(q) else None for q in PERCENTILES}


def throughput(samples_ms: np.ndarray, batch_size: int) -> tuple[float, float | None, float | None]:
    """(value, low, high) in images/s of latencies (n,) in ms: batch size over the mean latency, with a 95 % interval.

    The interval is that of the mean by batch means: the samples in up to 20 blocks of consecutive ones, whose means
    depend on each other far less than neighbouring calls do, and Student's t (Law, Simulation Modeling and Analysis,
    5th ed., section 9.5.3). It covers the noise within these windows, not what another run would give.
    low and high are None where there are fewer than three samples or they scatter too much for an upper end.
    """
    mean = float(samples_ms.mean())
    value = 1e3 * batch_size / mean
    if len(samples_ms) < 3:
        return value, None, None
    from scipy.stats import t

    blocks = np.array([block.mean() for block in np.array_split(samples_ms, min(BLOCKS, len(samples_ms)))])
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(blocks) - 1) * blocks.std(ddof=1) / math.sqrt(len(blocks)))
    if half >= mean:
        return value, None, None
    return value, 1e3 * batch_size / (mean + half), 1e3 * batch_size / (mean - half)


def ratio(a: Interval, b: Interval) -> Interval:
    """a / b of two independent positive estimates with their intervals.

    Source: MOVER on the logarithms (Zou & Donner, 2008, Construction of confidence limits about effect measures).
    """
    value, low, high = (math.log(x / y) for x, y in ((a.value, b.value), (a.low, b.high), (a.high, b.low)))
    below = math.hypot(math.log(a.value / a.low), math.log(b.high / b.value))
    above = math.hypot(math.log(a.high / a.value), math.log(b.value / b.low))
    return Interval(math.exp(value), math.exp(max(low, value - below)), math.exp(min(high, value + above)))


def wrong_output(output: Any, batch_size: int, classes: int) -> Text | None:
    """What is wrong with probabilities that should be finite float32 (batch_size, classes), rows adding up to 1; or None.

    Checked after every timing, because what fails is fast.
    """
    shape = getattr(output, "shape", None)
    if shape != (batch_size, classes) or output.dtype != np.float32:
        got = f"{getattr(output, 'dtype', type(output).__name__)} {shape}"
        wanted = f"float32 ({batch_size}, {classes})"
        return Text(f"the output is wrong: {got}, not {wanted}", f"出力が誤っている：{wanted}でなく{got}である")
    if not np.isfinite(output).all():
        return Text("the output is wrong: not all values are finite", "出力が誤っている：有限でない値がある")
    if not np.allclose(output.sum(axis=1, dtype=np.float64), 1, atol=SUM_TOLERANCE):
        return Text("the output is wrong: probabilities do not add up to 1", "出力が誤っている：確率の和が1でない")
    return None


def _until_stable(call: Callable[[], Any], settings: Measuring, clock: Clock) -> Timing:
    _warm_up(call, settings.warmup_s, clock)
    started, windows = clock(), []
    while True:
        latencies_ns, output = _window(call, settings.window_s, clock)
        windows.append(np.array(latencies_ns) / 1e6)
        last = windows[-settings.stable_windows :]
        if len(last) == settings.stable_windows and agree([window.mean() for window in last], settings.tolerance):
            return Timing(last, True, output)
        if clock() - started >= settings.limit_s * 1e9 or len(windows) * settings.window_s >= settings.limit_s:
            return Timing(windows, False, output)


def _warm_up(call: Callable[[], Any], seconds: float, clock: Clock) -> None:
    """At least one call, then as many as begin within `seconds`."""
    until = clock() + int(seconds * 1e9)
    call()
    while clock() < until:
        call()


def _window(call: Callable[[], Any], seconds: float, clock: Clock) -> tuple[list[int], Any]:
    """Latencies in ns of calls one right after the other, and the last call's result."""
    ends = [clock()]
    until = ends[0] + int(seconds * 1e9)
    while (ends[-1] < until and len(ends) <= WINDOW_CALLS) or len(ends) == 1:
        output = call()
        ends.append(clock())
    return [later - earlier for earlier, later in pairwise(ends)], output
