"""The roofline: how fast a piece of work can be on a machine that computes and moves bytes at these rates, and what share of that it is.

Source: Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lib.errors import ReportError
from lib.measure.work import Layer

ARITHMETIC, MEMORY, LAUNCHES, COPIES = "arithmetic", "memory", "launches", "copies"
LAUNCHING = 0.8  # of the time that the GPU computes: from here on the host's enqueueing is what limits. Source: trtexec's warning


@dataclass(frozen=True)
class Ceiling:
    """What a machine was measured to reach at most: FLOP a second in products of large matrices, bytes a second in copies within it."""

    flop_s: float
    bytes_s: float

    def __post_init__(self) -> None:
        if not (self.flop_s > 0 and self.bytes_s > 0):
            raise ReportError(f"a ceiling of {self.flop_s} FLOP/s and {self.bytes_s} bytes/s is none; measure it again")

    @property
    def ridge(self) -> float:
        """FLOP a byte from which on arithmetic is what limits."""
        return self.flop_s / self.bytes_s

    def attainable(self, intensity: float) -> float:
        """FLOP a second at most, of work with so many FLOP a byte."""
        return min(self.flop_s, self.bytes_s * intensity)

    def least_s(self, work: Layer) -> float:
        """Seconds that a piece of work takes at least: those of its FLOP or those of its bytes, whichever are more."""
        return max(work.flop / self.flop_s, work.bytes / self.bytes_s)

    def limit(self, work: Layer) -> str:
        """What limits a piece of work: ARITHMETIC or MEMORY."""
        return ARITHMETIC if work.flop / self.flop_s >= work.bytes / self.bytes_s else MEMORY


@dataclass(frozen=True)
class Placed:
    """A piece of work that took so many seconds, under a ceiling."""

    work: Layer
    seconds: float
    ceiling: Ceiling

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ReportError(f"layer '{self.work.name}' took {self.seconds} s: nothing ran")

    @property
    def flop_s(self) -> float:
        """FLOP a second that it reached."""
        return self.work.flop / self.seconds

    @property
    def share(self) -> float:
        """Of the ceiling. Over 1: of a layer, its tensors stayed in a cache; of a whole network (`work.whole`), something was not run or
        not measured right, and the number must not be believed."""
        return self.ceiling.least_s(self.work) / self.seconds

    @property
    def lost_s(self) -> float:
        """Seconds that it took beyond what the ceiling asks for; which layers to look at first."""
        return max(0.0, self.seconds - self.ceiling.least_s(self.work))


def furthest(placed: Iterable[Placed]) -> list[Placed]:
    """Pieces of work by the time that they lose against the ceiling, most first."""
    return sorted(placed, key=lambda one: one.lost_s, reverse=True)


def least_s(layers: Iterable[Layer], ceiling: Ceiling) -> float:
    """Seconds of layers one after the other, each as fast as the ceiling lets it be: at least those of all of them as one piece."""
    return sum(map(ceiling.least_s, layers))


def held_back_by(layers: Iterable[Layer], ceiling: Ceiling, compute_s: float, enqueue_s: float = 0.0, copies_s: float = 0.0) -> str:
    """What holds a whole network back: LAUNCHES where the host takes over 0.8 of `compute_s` to enqueue a batch, COPIES where those to or
    from the GPU (the longer direction, `copies_s`) take as long as computing, else MEMORY or ARITHMETIC, whichever limits the layers
    for more of their least time. Source of the first two: trtexec's warnings (samples/common/sampleReporting.cpp)."""
    if enqueue_s > LAUNCHING * compute_s:
        return LAUNCHES
    if copies_s >= compute_s:
        return COPIES
    limited = dict.fromkeys((ARITHMETIC, MEMORY), 0.0)
    for layer in layers:
        limited[ceiling.limit(layer)] += ceiling.least_s(layer)
    return max(limited, key=lambda kind: limited[kind])
