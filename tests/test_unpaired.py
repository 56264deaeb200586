"""Which candidates may be the fastest where each went through rounds of its own."""

from __future__ import annotations

import numpy as np
import pytest

from lib.verdict import unpaired


def timed(
    ms: float, draw: np.random.Generator, builds: int = 5, rounds: int = 6, spread: float = 0.03, noise: float = 0.02
) -> list[list[float]]:
    """Round means (ms) of builds that differ, in rounds that all builds share."""
    shared = draw.normal(0, noise, rounds)
    return [(ms * np.exp(draw.normal(0, spread) + shared + draw.normal(0, noise, rounds))).tolist() for _ in range(builds)]


def test_what_is_far_behind_is_left_out_and_the_others_stand_the_fastest_first() -> None:
    draw = np.random.default_rng(1)
    every = {"fp32": timed(0.45, draw), "fp16": timed(0.175, draw), "int8": timed(0.17, draw)}
    assert unpaired.best(every, 0.05) == ["int8", "fp16"]
    assert unpaired.best({"int8": every["int8"]}, 0.05) == ["int8"]
    assert unpaired.best({}, 0.05) == []


def test_the_margin_is_what_the_machine_may_have_changed_by() -> None:
    slow, fast = [[1.1] * 4] * 3, [[1.0] * 4] * 3  # nothing scatters
    assert unpaired.best({"a": slow, "b": fast}, 0.05) == ["b"]
    assert unpaired.best({"a": slow, "b": fast}, 0.11) == ["b", "a"]


@pytest.mark.parametrize(("builds", "rounds"), [(1, 6), (5, 2)])
def test_one_build_or_few_rounds_leave_nothing_out(builds: int, rounds: int) -> None:
    draw = np.random.default_rng(2)
    every = {"a": timed(9.0, draw, builds, rounds), "b": timed(1.0, draw)}
    assert unpaired.best(every, 0.05) == ["b", "a"]


def test_builds_of_one_candidate_share_their_rounds() -> None:
    with pytest.raises(ValueError, match="same rounds"):
        unpaired.best({"a": [[1.0, 1.0], [1.0]], "b": [[1.0, 1.0]] * 2}, 0.05)


def test_the_true_best_is_seldom_left_out() -> None:
    draw = np.random.default_rng(3)
    lost = sum("a" not in unpaired.best({key: timed(1.0, draw, builds=3) for key in "abcd"}, 0.0) for _ in range(300))
    assert lost <= 15  # 5 %
