"""Warm-up and windows on a clock that the test moves, percentiles and intervals as properties, checks of outputs."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.experiment.profile import Measuring
from lib.measure import timing as measure
from lib.stats import Interval

MS = 1_000_000
LATENCIES = st.lists(st.floats(0.001, 1e4), min_size=1, max_size=60).map(np.array)


class Machine:
    """A clock that stands still but for its calls: the n-th takes `latency_ms(n)`."""

    def __init__(self, latency_ms) -> None:
        self.now, self.calls, self.latency_ms = 0, 0, latency_ms

    def clock(self) -> int:
        return self.now

    def call(self) -> int:
        self.now += round(self.latency_ms(self.calls) * MS)
        self.calls += 1
        return self.calls


def timed(latency_ms, **changes) -> tuple[measure.Timing, Machine]:
    machine = Machine(latency_ms)
    values = {"warmup_s": 0.1, "window_s": 0.1, "stable_windows": 3, "tolerance": 0.1, "limit_s": 1.0} | changes
    return measure.time_call(machine.call, Measuring(**values), machine.clock), machine


@settings(deadline=None, max_examples=30)
@given(latency=st.floats(1, 400), windows=st.integers(2, 5))
def test_constant_latency_is_stable_after_the_least_number_of_windows(latency: float, windows: int) -> None:
    timing, _ = timed(lambda n: latency, stable_windows=windows, limit_s=10.0)
    assert timing.stable
    assert len(timing.windows_ms) == windows
    assert timing.samples_ms == pytest.approx(round(latency * MS) / MS)


def test_warm_up_is_not_counted() -> None:
    timing, machine = timed(lambda n: 50 if n < 2 else 1)
    assert timing.stable
    assert timing.samples_ms.max() == 1
    assert machine.calls == 2 + len(timing.samples_ms)


def test_no_warm_up_time_is_still_one_call() -> None:
    timing, machine = timed(lambda n: 1000 if n == 0 else 1, warmup_s=0.0)
    assert timing.samples_ms.max() == 1
    assert machine.calls == 1 + len(timing.samples_ms)


def test_windows_before_the_stable_ones_are_dropped() -> None:
    timing, _ = timed(lambda n: 5 if n < 40 else 1)  # 0.1 s of warm-up and one window of slow calls
    assert timing.stable
    assert len(timing.windows_ms) == 3
    assert timing.samples_ms.max() == 1


def test_a_machine_that_does_not_settle_is_said_so_and_everything_kept() -> None:
    timing, machine = timed(lambda n: 1 + n / 100)
    assert not timing.stable
    assert 1e9 <= machine.now <= 1.4e9
    assert len(timing.windows_ms) > 3
    assert timing.output == machine.calls


def test_a_call_longer_than_the_limit_is_one_sample() -> None:
    timing, _ = timed(lambda n: 3000)
    assert not timing.stable
    assert timing.samples_ms.tolist() == [3000]


def test_microseconds_end_a_window_by_its_number_of_calls() -> None:
    timing, _ = timed(lambda n: 0.001)
    assert [len(window) for window in timing.windows_ms] == [measure.WINDOW_CALLS] * 3
    unsettled, _ = timed(lambda n: 0.001 * (1 + n // measure.WINDOW_CALLS % 2))
    assert not unsettled.stable
    assert len(unsettled.windows_ms) <= 10  # limit over window: not thousands of tiny windows


def test_what_tells_its_own_time_is_measured_by_that_time() -> None:
    with pytest.raises(ReportError, match="nothing ran"):
        measure.time_on_gpu(lambda: 0.0, Measuring(warmup_s=0.1, window_s=0.1, stable_windows=2, tolerance=0.1, limit_s=1.0))
    told = iter([9.0, 9.0] + [2.0, 4.0] * 1000)
    own = Measuring(warmup_s=0.018, window_s=0.006, stable_windows=2, tolerance=0.1, limit_s=1.0)
    timing = measure.time_on_gpu(lambda: next(told), own)
    assert timing.stable
    assert [window.tolist() for window in timing.windows_ms] == [[2.0, 4.0], [2.0, 4.0]]


@given(st.lists(st.floats(0.1, 1e3), min_size=2, max_size=6), st.floats(0.01, 0.9))
def test_windows_agree_when_none_is_further_than_the_tolerance_from_the_fastest(means: list[float], tolerance: float) -> None:
    assert measure.agree(means, tolerance) == all(mean - min(means) <= tolerance * min(means) for mean in means)


def test_garbage_collection_rests_and_comes_back_even_after_an_error() -> None:
    seen = []
    with pytest.raises(ZeroDivisionError):
        timed(lambda n: seen.append(gc.isenabled()) or (1 if n < 5 else 1 / 0))
    assert not any(seen)
    assert gc.isenabled()


def test_percentiles_need_samples_beyond_them() -> None:
    assert [measure.needed(q) for q in (50, 90, 95, 99)] == [1, 100, 200, 1000]
    carried = {n: [k for k, v in measure.percentiles(np.ones(n)).items() if v is not None] for n in (1, 99, 100, 200, 999, 1000)}
    assert carried[1] == carried[99] == ["p50"]
    assert carried[100] == ["p50", "p90"]
    assert carried[200] == carried[999] == ["p50", "p90", "p95"]
    assert carried[1000] == ["p50", "p90", "p95", "p99"]


@given(st.integers(0, 2**32 - 1), st.integers(1000, 3000), st.floats(0.1, 3))
@settings(max_examples=50, deadline=None)
def test_percentiles_are_ordered_and_within_the_samples(seed: int, n: int, sigma: float) -> None:
    samples = np.random.default_rng(seed).lognormal(0, sigma, n)
    values = list(measure.percentiles(samples).values())
    assert values == sorted(values)
    assert samples.min() <= values[0]
    assert values[-1] <= samples.max()
    assert (samples > values[-1]).sum() <= 0.01 * len(samples) + 1


@given(LATENCIES, st.integers(1, 256))
@settings(deadline=None, max_examples=40)
def test_throughput_lies_in_its_interval_and_grows_with_the_batch(samples: np.ndarray, batch: int) -> None:
    value, low, high = measure.throughput(samples, batch)
    assert value == pytest.approx(1e3 * batch * len(samples) / samples.sum())
    assert (low is None) == (high is None)
    if low is not None:
        assert low <= value <= high
    assert measure.throughput(samples, 2 * batch)[0] == pytest.approx(2 * value)
    if len(samples) < 3:
        assert low is None


def test_interval_of_the_throughput_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        _, low, high = measure.throughput(random.gamma(9, 1 / 9, 200), 1)  # mean latency 1 ms: 1,000 a second
        hits += low <= 1000 <= high
    assert 0.91 <= hits / 400 <= 0.98


def test_samples_that_depend_on_each_other_widen_the_interval() -> None:
    random = np.random.default_rng(2)
    alone = random.normal(1, 0.1, 400)
    slow = np.repeat(alone[:20], 20)  # the same scatter, but 20 neighbours share it
    widths = [high - low for _, low, high in (measure.throughput(samples, 1) for samples in (alone, slow))]
    assert widths[1] > 2 * widths[0]


@given(*[st.tuples(st.floats(0.1, 1e5), st.floats(0.01, 0.99), st.floats(1.01, 10)) for _ in range(2)])
def test_ratio_lies_in_its_interval_and_turns_round_with_its_arguments(a: tuple, b: tuple) -> None:
    x, y = (Interval(v, v * below, v * above) for v, below, above in (a, b))
    r, back = measure.ratio(x, y), measure.ratio(y, x)
    assert r.low <= r.value * (1 + 1e-9)
    assert r.value <= r.high * (1 + 1e-9)
    assert r.value == pytest.approx(x.value / y.value)
    assert r.low == pytest.approx(1 / back.high)
    assert r.high <= x.high / y.low * (1 + 1e-9)
    assert math.log(r.high / r.value) >= math.log(x.high / x.value) * (1 - 1e-9)


def test_right_outputs_pass_and_wrong_ones_are_named() -> None:
    right = np.full((4, 10), 0.1, np.float32)
    assert measure.wrong_output(right, 4, 10) is None
    nan, off = right.copy(), right.copy()
    nan[2, 3], off[1] = np.nan, 0.0
    double = right.astype(np.float64)
    for wrong, word in ((nan, "finite"), (off, "add up"), (right[:3], "(3, 10)"), (double, "float64"), (None, "NoneType")):
        reason = measure.wrong_output(wrong, 4, 10)
        assert reason is not None
        assert word in reason.en
