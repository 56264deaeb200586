"""How often timings on a machine that drifts are told apart wrongly: `python tests/simulate_drift.py` prints the table.

Two candidates, a call of which takes 1 ms or a little more on a machine at rest, with 2 % of noise a call. The machine is up to 10 %
slower or faster over the run: as a ramp, a wave or in steps. The rule of this report times them in rounds (stats.compared); the other
rule times each in one block of the same number of calls and calls one faster where the 95 % intervals, by batch means within the blocks,
do not meet.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import stats

DRIFT, NOISE, CALLS, BLOCKS = 0.10, 0.02, 20, 20
LEAST_RATIO = 0.02
Drift = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # time from 0 to 1 -> how much slower the machine is


def ramp(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ever slower, or ever faster."""
    return 1 + DRIFT * rng.choice([-1, 1]) * (2 * at - 1)


def wave(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three waves over the run, beginning anywhere."""
    return 1 + DRIFT * np.sin(2 * np.pi * (rng.uniform(1, 3) * at + rng.random()))


def steps(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two to six times another speed, at any moment."""
    count = rng.integers(2, 7)
    return 1 + rng.uniform(-DRIFT, DRIFT, count + 1)[np.searchsorted(np.sort(rng.random(count)), at)]


DRIFTS: dict[str, Drift] = {"ramp": ramp, "wave": wave, "steps": steps}


def in_rounds(slower: list[float], rounds: int, drift: Drift, rng: np.random.Generator) -> list[np.ndarray]:
    """Round means (ms) of candidates that take `slower` times 1 ms, each once a round in an order drawn anew."""
    turns = np.argsort(rng.random((rounds, len(slower))), axis=1)  # when in its round each has its turn
    calls = np.arange(CALLS) / CALLS
    at = (np.arange(rounds)[:, None, None] + (turns[:, :, None] + calls) / len(slower)) / rounds
    latencies = drift(at, rng) * np.array(slower)[:, None] * rng.normal(1, NOISE, at.shape)
    return list(latencies.mean(axis=2).T)


def in_blocks(slower: list[float], calls: int, drift: Drift, rng: np.random.Generator) -> list[np.ndarray]:
    """Latencies (ms) of the same candidates, each timed in one go, in an order drawn once."""
    at = (rng.permutation(len(slower))[:, None] + np.arange(calls) / calls) / len(slower)
    return list(drift(at, rng) * np.array(slower)[:, None] * rng.normal(1, NOISE, at.shape))


def told_by_blocks(a: np.ndarray, b: np.ndarray) -> stats.Compared:
    """What disjoint intervals of the mean say, each by batch means within its block."""
    from scipy.stats import t

    ends = []
    for samples in (a, b):
        means = samples.reshape(BLOCKS, -1).mean(axis=1)
        half = t.ppf(0.975, BLOCKS - 1) * means.std(ddof=1) / math.sqrt(BLOCKS)
        ends.append((means.mean() - half, means.mean() + half))
    return "faster" if ends[0][1] < ends[1][0] else "slower" if ends[1][1] < ends[0][0] else "undecided"


def told(rule: str, apart: float, rounds: int, drift: Drift, runs: int, seed: int = 1) -> list[stats.Compared]:
    """What a rule, "rounds" or "blocks", says in each run of the first of two candidates, which is faster by `apart`."""
    rng, slower = np.random.default_rng(seed), [1.0, 1 + apart]
    if rule == "blocks":
        return [told_by_blocks(*in_blocks(slower, CALLS * rounds, drift, rng)) for _ in range(runs)]
    return [stats.compared(*in_rounds(slower, rounds, drift, rng), LEAST_RATIO) for _ in range(runs)]


def wrong(said: stats.Compared, apart: float) -> bool:
    """Whether a claim is false: one is called faster though both are equal, or though it is the slower one."""
    return said == "slower" or (said == "faster" and apart == 0)


def shares(said: list[stats.Compared], apart: float) -> list[str]:
    """How often what was said is wrong, and how often a difference was found, as the tables have it."""
    told = sum(wrong(each, apart) for each in said), said.count("faster")
    return [f"{count / len(said):.1%}" if apart or not place else "–" for place, count in enumerate(told)]


def beaten(apart: list[float], rounds: int, drift: Drift, runs: int, seed: int = 1) -> float:
    """Share of runs in which stats.best leaves out the first candidate, the best; the others are slower by `apart`."""
    rng = np.random.default_rng(seed)
    slower = [1.0, *(1 + each for each in apart)]
    return sum(0 not in stats.best(dict(enumerate(in_rounds(slower, rounds, drift, rng))), LEAST_RATIO) for _ in range(runs)) / runs


def table(runs: int = 1000) -> str:
    """The shares of runs, as Markdown."""
    rows = ["| rounds | drift | apart | rounds: wrong | rounds: found | blocks: wrong | blocks: found |", "|---|---|---|---|---|---|---|"]
    for rounds in (8, 12):
        for name, drift in DRIFTS.items():
            for apart in (0.0, 0.01, 0.05):
                cells = [rounds, name, f"{apart:.0%}"]
                for rule in ("rounds", "blocks"):
                    said = told(rule, apart, rounds, drift, runs)
                    cells += shares(said, apart)
                rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
