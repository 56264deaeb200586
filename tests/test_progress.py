"""Progress: a bar for people, lines for a log, and a time left that is right to a third or not said."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import progress

BATCHES = [0.1 + 0.01 * 2**size for size in range(9)]  # seconds that a call with 1 to 256 images takes


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setenv(progress.LINES, "lines")


def estimates(costs: Sequence[float], weights: Sequence[float] | None = None) -> list[tuple[float, float]]:
    """(seconds left as said, seconds that it took) after each step for which something was said."""
    weights, clock, said = weights or [1] * len(costs), Clock(), []
    bar = progress.bar(sum(weights), "work", clock)
    for cost, weight in zip(costs, weights, strict=True):
        clock.now += cost
        bar.update(weight)
        if (left := bar.left(clock.now)) is not None:
            said.append((left, clock.now))
    return [(left, clock.now - at) for left, at in said]


def noisy(costs: Sequence[float]) -> list[float]:
    chance = random.Random(1)
    return [cost * chance.lognormvariate(0, 0.2) for cost in costs]


@pytest.mark.parametrize(
    ("costs", "weights"),
    [
        ([1] * 100, None),
        (noisy([1] * 200), None),
        ([1 + step / 200 for step in range(200)], None),  # half as fast in the end
        ([60] + [1] * 100, None),  # a compilation at first
        (BATCHES * 12, [3 * cost for cost in BATCHES] * 12),
        (sorted(BATCHES * 12), sorted(BATCHES * 12)),
        (noisy(sorted(BATCHES * 12)), sorted(BATCHES * 12)),
        ([600] * 10, None),
    ],
    ids=["even", "noisy", "slowing", "slow at first", "weighted sweeps", "growing batches", "growing and noisy", "few long steps"],
)
def test_time_left_is_right_to_a_third(lines, costs, weights):
    said = estimates(costs, weights)
    assert len(said) >= len(costs) * 0.4
    late = sum(costs) * 0.03
    assert all(2 / 3 <= left / took <= 3 / 2 for left, took in said if took > late)


def test_nothing_is_said_of_what_cannot_be_told(lines):
    assert estimates([20, 20, 20] + [0.05] * 100)[:1] == []  # no "1267 s left" that is done 7 s later
    assert estimates([10] * 4) == []
    assert estimates([2**step for step in range(12)]) == []  # every step twice as long as the one before
    assert len(estimates([1] * 100)) == 95  # not in the first twentieth, not at the end


@given(costs=st.lists(st.floats(0, 1e6), max_size=60), total=st.floats(0, 100))
def test_no_clock_and_no_total_breaks_it(costs, total):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(progress.LINES, "lines")
        clock = Clock()
        with progress.bar(total, "work", clock) as bar:
            for cost in costs:
                clock.now += cost
                bar.update()
                left = bar.left(clock.now)
                assert left is None or 0 <= left < float("inf")


def test_a_million_steps_need_no_million_points(lines):
    clock = Clock()
    bar = progress.bar(100_000, "work", clock)
    for _ in range(50_000):
        clock.now += 0.001
        bar.update()
    assert len(bar._points) < 1500
    assert bar.left(clock.now) == pytest.approx(50, rel=0.01)


def test_say_is_one_line_on_standard_error(capsys):
    progress.say("half way")
    assert capsys.readouterr() == ("", "half way\n")


def test_log_gets_one_line_at_the_end(lines, capsys):
    with progress.bar(total=3, what="epoch 1/2") as bar:
        for _ in range(3):
            bar.update(loss=0.31234, accuracy=0.5)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"epoch 1/2: 3/3, \d+ s loss=0\.312 accuracy=0\.5\n", err)


def test_log_gets_a_line_now_and_then_with_the_time_left(lines, capsys):
    clock = Clock()
    with progress.bar(total=20, what="work", clock=clock) as bar:
        for _ in range(20):
            clock.now += 10
            bar.update()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "work: 2/20, 20 s"  # too early
    assert "work: 10/20, 1 min 40 s, about 1 min 40 s left" in said
    assert len(said) == 11
    assert said[-1] == "work: 20/20, 3 min 20 s"


@pytest.mark.parametrize(("total", "step"), [(10.5, 2.1), (40_000.0, 8000)])
def test_weights_are_told_in_per_cent(lines, capsys, total, step):
    with progress.bar(total=total, what="work") as bar:
        bar.update(step)
    assert capsys.readouterr().err == "work: 20 %, 0 s\n"


@pytest.mark.parametrize("total", [0, 0.0])
@pytest.mark.parametrize("shown", ["lines", ""])
def test_nothing_is_said_of_no_work(monkeypatch, capsys, total, shown):
    monkeypatch.setenv(progress.LINES, shown)
    with progress.bar(total, "warming up") as bar:
        bar.update(0)
    assert capsys.readouterr() == ("", "")


def test_terminal_gets_a_bar_with_the_same_time_left(monkeypatch, capsys):
    monkeypatch.delenv(progress.LINES, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = Clock()
    with progress.bar(total=20, what="work", clock=clock) as bar:
        for _ in range(10):
            clock.now += 10
            bar.update(loss=0.5)
        assert bar._tqdm.n == 10
        assert "about 1 min 40 s left loss=0.5" in str(bar._tqdm)
        assert "50%" in str(bar._tqdm)
    assert "work" in capsys.readouterr().err


def test_what_is_no_terminal_gets_lines(monkeypatch, capsys):
    monkeypatch.delenv(progress.LINES, raising=False)
    with progress.bar(total=2, what="work") as bar:
        bar.update(2)
    assert capsys.readouterr().err == "work: 2/2, 0 s\n"


def test_each_step_of_a_loop_moves_the_bar_and_it_ends_with_the_loop(monkeypatch, capsys):
    monkeypatch.setenv(progress.LINES, "lines")
    assert list(progress.each(iter("abc"), 3, "work")) == ["a", "b", "c"]
    assert capsys.readouterr().err == "work: 3/3, 0 s\n"
    with pytest.raises(ZeroDivisionError):
        [1 / one for one in progress.each([1, 0, 1], 3, "work")]
    assert capsys.readouterr().err == "work: 1/3, 0 s\n"


def test_bar_is_closed_when_the_work_fails(monkeypatch, capsys):
    monkeypatch.delenv(progress.LINES, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(RuntimeError), progress.bar(total=4, what="work") as bar:
        raise RuntimeError
    assert bar._tqdm.disable


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (3720, "1 h 02 min")])
def test_durations_are_said_in_words(seconds, said):
    assert progress.duration(seconds) == said
