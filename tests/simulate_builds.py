"""How often versions are told apart wrongly where builds vary: `python tests/simulate_builds.py` prints the table.

Two versions, a call of the first of which takes 1 ms and of the second a little more; the builds of each spread around that by 2 %, or
by as much as said. All builds of both go through the same rounds, with 1 % of noise a round, on a machine that drifts by up to 10 % over
the run, within its rounds too (the ramp of simulate_drift.py). The rule of this report (two_level.compared_builds) beside comparing one
build a side by its rounds (stats.compared), which is right for two candidates and wrong for two versions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulate_drift import DRIFTS, shares

from lib import stats, two_level

SPREAD, NOISE, ROUNDS = 0.02, 0.01, 8
LEAST_RATIO = 0.02
Draw = Callable[[np.random.Generator, int], np.ndarray]  # logarithms (builds,) of what each build takes, around 0
Sides = tuple[np.ndarray, np.ndarray]


def normal(spread: float) -> Draw:
    """Builds that each come out a little different."""
    return lambda rng, count: rng.normal(0, spread, count)


def tactics(spread: float, share: float = 0.5) -> Draw:
    """Builds that are one of two engines, the slower with the probability `share`; equal ones take the same time."""
    return lambda rng, count: ((rng.random(count) < share) - share) * spread / np.sqrt(share * (1 - share))


def measured(apart: float, draws: tuple[Draw, Draw], counts: tuple[int, int], drift: str, rng: np.random.Generator) -> Sides:
    """Round means (ms) of the builds of both versions, each (build, round), the second version slower by `apart`."""
    each = np.concatenate([draws[0](rng, counts[0]), np.log1p(apart) + draws[1](rng, counts[1])])
    turns = np.argsort(rng.random((ROUNDS, len(each))), axis=1).T  # when in its round each has its turn
    at = (np.arange(ROUNDS) + (turns + 0.5) / len(each)) / ROUNDS
    machine = DRIFTS[drift](at, rng)
    ms = machine * np.exp(each[:, None] + rng.normal(0, NOISE, at.shape))
    return ms[: counts[0]], ms[counts[0] :]


def runs_of(count: int, apart: float, draws: tuple[Draw, Draw], counts: tuple[int, int], drift: str = "ramp", seed: int = 1) -> list[Sides]:
    """What `count` runs measure."""
    rng = np.random.default_rng(seed)
    return [measured(apart, draws, counts, drift, rng) for _ in range(count)]


def said_of(runs: list[Sides], least_ratio: float = LEAST_RATIO) -> list[stats.Compared]:
    """What the rule of this report says of the first version in each run."""
    return [two_level.compared_builds(a, b, least_ratio).said for a, b in runs]


def said_of_one_build(runs: list[Sides]) -> list[stats.Compared]:
    """What the rounds of the first build a side say, as if a version were one candidate."""
    return [stats.compared(a[0], b[0], LEAST_RATIO) for a, b in runs]


CASES = {  # how builds spread, and the differences between versions that the table has
    "2%": ((normal(SPREAD), normal(SPREAD)), (0.0, 0.02, 0.05)),
    "0% and 4%": ((normal(0), normal(2 * SPREAD)), (0.0,)),
    "2%, two engines": ((tactics(SPREAD), tactics(SPREAD)), (0.0,)),
    "0%": ((normal(0), normal(0)), (0.0,)),
}


def table(runs: int = 4000) -> str:
    """The shares of runs, as Markdown."""
    rules = ["any ratio", f"over {LEAST_RATIO:.0%}", f"one build, over {LEAST_RATIO:.0%}"]
    heads = ["builds a side", "they spread by", "apart", *(f"{rule}: {what}" for rule in rules for what in ("wrong", "found"))]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for count in (3, 5):
        for name, (draws, differences) in CASES.items():
            for apart in differences:
                drawn = runs_of(runs, apart, draws, (count, count))
                cells = [count, name, f"{apart:.0%}"]
                for said in (said_of(drawn, 0), said_of(drawn), said_of_one_build(drawn)):
                    cells += shares(said, apart)
                rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
