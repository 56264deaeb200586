"""What to run: of this project's arms whose answers were checked, the one with the lowest latency, with the highest throughput, and with
the highest that keeps a latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lib import stats
from lib.pages.fast.arms import Arm, Fast, W
from lib.text import Text

GOALS = ("latency", "throughput", "within")
CLOSE = 1.05  # times as good as another by the best estimate: from here on that one is no tie, however little its rounds tell


class Choice(NamedTuple):
    """The arm for a goal (of GOALS), and the others that are CLOSE to it and not surely worse, the simplest first."""

    goal: str
    arm: Arm
    ties: list[Arm]


def choices(found: Fast) -> list[Choice]:
    """One for each goal that something reaches, in the order of GOALS."""
    arms = [arm for arm in found.ours if found.sure(arm)]
    soon = [arm for arm in arms if arm.latency.high <= found.run.profile.fast.limit_ms]
    made = [(goal, _first(goal, those)) for goal, those in zip(GOALS, (arms, arms, soon), strict=True) if those]
    among = {"latency": arms, "throughput": arms, "within": soon}
    return [Choice(goal, arm, _ties(found, goal, arm, among[goal])) for goal, arm in made]


def tied(found: Fast, choice: Choice) -> Text:
    """A sentence on the ties of a choice, a space before it; nothing where there is nothing."""
    return W("parts.ties", close=CLOSE - 1, count=len(choice.ties), first=found.sized(choice.ties[0])) if choice.ties else Text("", "")


def _first(goal: str, arms: Sequence[Arm]) -> Arm:
    return min(arms, key=lambda arm: arm.latency.value) if goal == "latency" else max(arms, key=lambda arm: arm.rate.value)


def _ties(found: Fast, goal: str, first: Arm, arms: Sequence[Arm]) -> list[Arm]:
    """Those that are close to `first` and that it does not surely beat: by the rounds that they share, else by how the rounds of each
    scatter."""

    def costs(arm: Arm) -> list[float]:
        factor = arm.in_flight if goal == "latency" else 1 / arm.batch
        return [factor * ms for ms in arm.record.samples]

    def beaten(arm: Arm) -> bool:
        together = arm.block == first.block and len(arm.record.samples) == len(first.record.samples)
        times = (stats.speedup if together else stats.ratio)(costs(first), costs(arm))
        return times.value > CLOSE or stats.claim(times, found.least_ratio) == "faster"

    ties = [arm for arm in arms if arm != first and not beaten(arm)]
    return sorted(ties, key=lambda arm: (arm.way.lanes, arm.batch, len(arm.way.key), arm.place))
