"""Timing in rounds on a clock that the test moves, and how often its claims are wrong on a machine that drifts."""

from __future__ import annotations

import gc
import itertools

import numpy as np
import pytest
import simulate_drift as simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import stats, timer
from lib.errors import ReportError
from lib.experiment.profile import Measuring
from lib.measure import rounds

MS = 1_000_000


class Machine:
    """A clock that stands still but for calls; `taken` has the name of each."""

    def __init__(self) -> None:
        self.now, self.taken = 0, []

    def clock(self) -> int:
        return self.now

    def call(self, name, latency_ms):
        """A call that takes so long; latency_ms(n) may say so for the n-th."""
        count = itertools.count()

        def called() -> None:
            took = latency_ms(next(count)) if callable(latency_ms) else latency_ms
            self.now += round(took * MS)
            self.taken.append(name)

        return called

    def timer(self, name, latency_ms):
        return timer.timer(self.call(name, latency_ms), clock=self.clock)


def asked(**changes):
    return Measuring(**({"rounds": 4, "slice_s": 0.1, "warmup_s": 0.5} | changes))


@given(st.floats(1, 300), st.floats(0.001, 2))
def test_a_slice_is_calls_until_its_time_is_over_after_one_that_is_not_measured(latency, seconds):
    machine = Machine()
    latencies = timer.timer(machine.call("a", latency), clock=machine.clock)(seconds).latencies_ms
    assert latencies == pytest.approx(round(latency * MS) / MS)
    assert len(machine.taken) == len(latencies) + 1
    assert latencies.sum() >= 1e3 * seconds * (1 - 1e-9)
    assert latencies[:-1].sum() < 1e3 * seconds


def test_the_first_call_of_a_slice_does_not_count():
    latencies = Machine().timer("a", lambda n: 50 if n == 0 else 1)(0.001).latencies_ms
    assert len(latencies) == 1
    machine = Machine()
    assert machine.timer("a", lambda n: 50 if n == 0 else 1)(0.01).latencies_ms.max() == 1


@given(st.lists(st.floats(0.5, 500), min_size=2, max_size=5), st.floats(0.1, 100))
def test_in_so_many_seconds_slices_are_shorter_before_rounds_are_fewer(latencies, seconds):
    took_s, count = in_seconds(lambda machine: [machine.timer(n, ms) for n, ms in enumerate(latencies)], seconds)
    shortest_s = 2 * sum(latencies) / 1e3  # a round of one call each, and the one before it
    assert 3 <= count <= 16
    assert took_s <= max(seconds, 1.11 * 3 * shortest_s)
    if 16.01 * shortest_s < seconds:
        assert count == 16
        assert took_s > min(seconds / 2, 0.99 * 16 * 0.5 * len(latencies))  # time that there is, is used


def test_what_is_fast_is_not_timed_less_for_what_is_slow():
    took_s, count = in_seconds(lambda machine: [machine.timer("slow", 5000), machine.timer("fast", 1)], 40.0)
    assert count == 3
    assert 30 + 3 * 0.5 <= took_s <= 40


def test_lanes_whose_shortest_slice_is_long_are_timed_in_fewer_rounds():
    """Eight lanes of 20 ms, which a slice fills once and empties once, however short it is."""

    def lanes(machine):
        def timed(seconds):
            ends = max(8, round(seconds / 0.02))
            machine.now += (8 + ends) * 20 * MS
            return timer.Slice(np.full(ends, 20.0))

        return [timed] * 8

    took_s, count = in_seconds(lanes, 20.0)
    assert count < 16
    assert took_s <= 20.0


def in_seconds(timers, seconds):
    """How long rounds took, s, and how many there were, of slices of half a second in at most 16 rounds."""
    machine, ends = Machine(), list[int]()
    given, settings = dict(enumerate(timers(machine))), asked(rounds=16, slice_s=0.5, warmup_s=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "_fitted", lambda *args, real=rounds._fitted: (ends.append(machine.now), real(*args))[1])
        series, _ = rounds.run(given, settings, "s", machine.clock, lambda: ends.append(machine.now), seconds)
    assert {len(one.rounds_ms) for one in series.values()} == {len(ends) - 1}
    return (ends[-1] - ends[0]) / 1e9, len(ends) - 1


def test_microseconds_end_a_slice_by_its_number_of_calls():
    machine = Machine()
    assert len(machine.timer("a", 0.001)(10.0).latencies_ms) == timer.CALLS


def test_the_gpus_own_time_is_told_by_calls_of_its_own():
    machine, told = Machine(), itertools.count(1)
    wait = machine.call("gpu", 10)

    def gpu_ms():
        wait()
        return float(next(told))

    found = timer.timer(machine.call("a", 20), gpu_ms, machine.clock)(0.1)
    assert found.latencies_ms.tolist() == [20] * 5
    assert found.gpu_ms.tolist() == list(range(2, 12))  # for as long by the clock, the first not measured
    series, failed = rounds.run(
        {"a": timer.timer(machine.call("a", 20), lambda: wait() or 3.0, machine.clock)}, asked(), "s", machine.clock
    )
    assert series["a"].gpu_rounds_ms == [3.0] * 4
    assert set(series["a"].gpu_latencies_ms) == {3.0}
    assert not failed


def test_every_candidate_has_one_slice_a_round_in_an_order_drawn_from_the_seed():
    def order(seed):
        machine = Machine()
        rounds.run({name: machine.timer(name, 60) for name in "abc"}, asked(rounds=8, warmup_s=0.0), seed, machine.clock)
        assert machine.taken[:9] == list("aaabbbccc")  # warm-up: a slice each, of three calls
        assert machine.taken[9::3] == machine.taken[10::3] == machine.taken[11::3]
        return "".join(machine.taken[9::3])

    found = order("seed")
    each = [found[k : k + 3] for k in range(0, len(found), 3)]
    assert len(each) == 8
    assert all(sorted(turn) == ["a", "b", "c"] for turn in each)
    assert len(set(each)) > 1
    assert order("seed") == found
    assert order("other") != found


def test_warm_up_is_by_time_and_counts_nowhere():
    machine = Machine()
    series, _ = rounds.run({"a": machine.timer("a", lambda n: 100 if n < 6 else 1)}, asked(slice_s=0.01), "s", machine.clock)
    assert series["a"].latencies_ms.max() == 1
    assert series["a"].rounds_ms == [1.0] * 4
    quick = Machine()
    rounds.run({"a": quick.timer("a", 0.01)}, asked(rounds=3, slice_s=0.001), "s", quick.clock)
    assert 490 * MS < quick.now - 3 * MS < 520 * MS  # thousands of calls, and for as long as asked


def test_round_means_are_those_of_their_round():
    machine = Machine()
    one = iter([timer.Slice(np.array([9.0]))] + [timer.Slice(np.array([k, k + 2.0])) for k in (1.0, 2.0, 3.0, 4.0)])
    series, _ = rounds.run({"a": lambda seconds: next(one)}, asked(warmup_s=0.0), "s", machine.clock)
    assert series["a"].rounds_ms == [2.0, 3.0, 4.0, 5.0]
    assert series["a"].latencies_ms.tolist() == [1, 3, 2, 4, 3, 5, 4, 6]
    assert series["a"].gpu_rounds_ms is None


def test_one_that_fails_is_dropped_with_its_error_and_the_others_go_on():
    machine = Machine()

    def failing(after):
        count = itertools.count()

        def timed(seconds):
            if next(count) >= after:
                raise ReportError(f"broken after {after}")
            return timer.Slice(np.array([1.0]))

        return timed

    timers = {"warm": failing(0), "good": machine.timer("good", 10), "late": failing(3)}
    series, failed = rounds.run(timers, asked(warmup_s=0.0), "s", machine.clock)
    assert list(series) == ["good"]
    assert len(series["good"].rounds_ms) == 4
    assert {key: str(error) for key, error in failed.items()} == {"warm": "broken after 0", "late": "broken after 3"}


@pytest.mark.parametrize(
    "slice_",
    [
        timer.Slice(np.array([])),
        timer.Slice(np.array([0.0, 0.0])),
        timer.Slice(np.array([1.0, np.nan])),
        timer.Slice(np.array([1.0]), np.array([1.0, 0.0])),
        timer.Slice(np.array([1.0]), np.array([-1.0])),
        timer.Slice(np.array([1.0]), np.array([])),
    ],
)
def test_what_took_no_time_did_not_run(slice_):
    series, failed = rounds.run({"a": lambda seconds: slice_}, asked(warmup_s=0.0), "s")
    assert not series
    assert "nothing ran" in str(failed["a"])


def test_nothing_to_time_is_no_error():
    assert rounds.run({}, asked(), "s") == ({}, {})


def test_a_timer_of_its_own_cannot_fill_the_memory():
    series, _ = rounds.run({"a": lambda seconds: timer.Slice(np.ones(100_000))}, asked(warmup_s=0.0), "s")
    assert len(series["a"].latencies_ms) == 4 * timer.CALLS


def test_garbage_collection_rests_in_slices_and_comes_back_even_after_an_error():
    seen = []

    def timed(seconds):
        seen.append(gc.isenabled())
        if len(seen) > 3:
            raise ZeroDivisionError
        return timer.Slice(np.array([1.0]))

    with pytest.raises(ZeroDivisionError):
        rounds.run({"a": timed}, asked(warmup_s=0.0), "s")
    assert not any(seen)
    assert gc.isenabled()


def test_garbage_collection_that_was_off_stays_off():
    gc.disable()
    try:
        rounds.run({"a": lambda seconds: timer.Slice(np.array([1.0]))}, asked(warmup_s=0.0), "s")
        assert not gc.isenabled()
    finally:
        gc.enable()


@settings(max_examples=15)
@given(st.lists(st.floats(0.5, 700), min_size=2, max_size=12))
def test_the_bar_is_right_to_a_third(latencies):
    """What its pace promises, against what it then took: from the first slice on."""
    machine, bars = Machine(), []

    class Bar:
        def __init__(self, total, what):
            self.total, self.began, self.seen, self.done = total, machine.now, [], 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.end = machine.now

        def update(self, steps=1):
            self.done += steps
            self.seen.append((self.done, machine.now))

    timers = {k: machine.timer(k, lambda n, ms=ms: 900 if n == 0 else ms) for k, ms in enumerate(latencies)}  # the first opens things
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds.progress, "bar", Bar)
        rounds.run(timers, asked(warmup_s=0.0, rounds=5), "s", machine.clock)
    bar = bars[-1]
    assert bar.done == bar.total
    for done, now in bar.seen:
        promised = (now - bar.began) / done * bar.total
        assert promised == pytest.approx(bar.end - bar.began, rel=1 / 3)


def test_percentiles_need_samples_beyond_them():
    assert [stats.needed(q) for q in (50, 90, 95, 99)] == [1, 100, 200, 1000]
    carried = {n: [k for k, v in rounds.percentiles(np.ones(n)).items() if v is not None] for n in (1, 99, 100, 200, 999, 1000)}
    assert carried[1] == carried[99] == ["p50"]
    assert carried[100] == ["p50", "p90"]
    assert carried[200] == carried[999] == ["p50", "p90", "p95"]
    assert carried[1000] == ["p50", "p90", "p95", "p99"]


@given(st.integers(0, 2**32 - 1), st.integers(1000, 3000), st.floats(0.1, 3))
def test_percentiles_are_ordered_and_within_the_samples(seed, n, sigma):
    samples = np.random.default_rng(seed).lognormal(0, sigma, n)
    values = list(rounds.percentiles(samples).values())
    assert values == sorted(values)
    assert samples.min() <= values[0]
    assert values[-1] <= samples.max()
    assert (samples > values[-1]).sum() <= 0.01 * len(samples) + 1


@pytest.mark.parametrize("drift", simulation.DRIFTS.values(), ids=simulation.DRIFTS)
def test_a_drifting_machine_seldom_misleads_rounds(drift):
    for apart in (0.0, 0.01):  # both below the least ratio: any claim is wrong
        said = simulation.told("rounds", apart, 8, drift, runs=1000)
        assert sum(each in ("faster", "slower") for each in said) / len(said) <= 0.05


def test_a_drifting_machine_misleads_blocks():
    """What rounds are for: the simulation can fail."""
    said = simulation.told("blocks", 0.0, 8, simulation.ramp, runs=50)
    assert sum(each in ("faster", "slower") for each in said) / len(said) > 0.5


@pytest.mark.parametrize(("drift", "least"), [(simulation.ramp, 0.9), (simulation.wave, 0.5), (simulation.steps, 0.7)])
def test_a_difference_of_a_twentieth_is_found_on_a_drifting_machine(drift, least):
    said = simulation.told("rounds", 0.05, 12, drift, runs=200)
    assert said.count("faster") / len(said) >= least
    assert "slower" not in said


@pytest.mark.parametrize("drift", simulation.DRIFTS.values(), ids=simulation.DRIFTS)
@pytest.mark.parametrize("others", [[0.0], [0.0] * 7, [0.01, 0.05, 0.2]], ids=str)
def test_the_true_best_is_seldom_left_out(drift, others):
    assert simulation.beaten(others, 8, drift, runs=300) <= 0.05


def test_the_table_has_a_row_for_every_case():
    assert len(simulation.table(runs=2).splitlines()) == 2 + 2 * 3 * 3


def test_what_waits_busily_is_given_time_to_stop_after_each_slice_also_where_it_fails(monkeypatch):
    waited = []
    monkeypatch.setattr("lib.timer.time.sleep", waited.append)
    assert timer.rested(lambda seconds: seconds, 0.04)(0.1) == 0.1
    with pytest.raises(ReportError):
        timer.rested(fails, 0.04)(0.1)
    assert waited == [0.04, 0.04]


def fails(seconds):
    raise ReportError("it fails")
