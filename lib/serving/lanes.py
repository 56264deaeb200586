"""Lanes: several executions of one model that run side by side, whatever runs them. What feeds them need not know.

On a GPU a lane is a context with a stream, pinned buffers and a graph of its own; on the CPU it is a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from typing import Protocol

import numpy as np

from lib.errors import ReportError

Infer = Callable[[np.ndarray], np.ndarray]
WARM_S = 0.2


class Lane(Protocol):
    """One execution. `submit` and `result` take turns, from one thread at a time.

    max_batch: images a call at most.
    """

    max_batch: int

    def submit(self, inputs: np.ndarray) -> None:
        """Start with model inputs (n, …), 1 <= n <= max_batch, which stay as they are until `result`; does not wait for the end where
        the lane runs by itself. Raises ReportError."""

    def result(self) -> np.ndarray:
        """Wait for what was submitted: its outputs, float32 (n, classes), valid until the next `submit`. Raises ReportError."""


class Direct:
    """A lane that calls `infer` in the thread that asks for the result: for one call after the other."""

    def __init__(self, infer: Infer, max_batch: int) -> None:
        self._infer, self.max_batch = infer, max_batch

    def submit(self, inputs: np.ndarray) -> None:
        """See Lane."""
        self._inputs = inputs

    def result(self) -> np.ndarray:
        """See Lane."""
        return self._infer(self._inputs)


class Threaded:
    """A lane that calls `infer` in a thread of its own, so that several compute at the same time. To be closed."""

    def __init__(self, infer: Infer, max_batch: int) -> None:
        self._infer, self.max_batch = infer, max_batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._running: Future[np.ndarray] | None = None

    def submit(self, inputs: np.ndarray) -> None:
        """See Lane."""
        self._running = self._thread.submit(self._infer, inputs)

    def result(self) -> np.ndarray:
        """See Lane."""
        running, self._running = self._running, None
        if running is None:
            raise ReportError("a lane was asked for a result, and nothing was submitted")
        return running.result()

    def close(self) -> None:
        """Wait for what still runs and end the thread."""
        self._thread.shutdown()


@contextmanager
def threaded(infer: Infer, count: int, max_batch: int) -> Iterator[list[Lane]]:
    """`count` lanes of a function that several threads may call; their threads end with the block."""
    with ExitStack() as stack:
        made: list[Lane] = []
        for _ in range(count):
            lane = Threaded(infer, max_batch)
            stack.callback(lane.close)
            made.append(lane)
        yield made


def call(lane: Lane, inputs: np.ndarray) -> np.ndarray:
    """One batch through a lane, from its beginning to its end."""
    lane.submit(inputs)
    return lane.result()


def warmed_s(work: Callable[[], object]) -> list[float]:
    """Call something for WARM_S, four times at least: seconds of each call but the first."""
    work()
    ends = [time.perf_counter()]
    while ends[-1] < ends[0] + WARM_S or len(ends) < 4:
        work()
        ends.append(time.perf_counter())
    return [after - before for before, after in pairwise(ends)]


def drain(running: Iterable[Lane]) -> None:
    """Wait for lanes that were given something; what they say is of no more interest."""
    for lane in running:
        with suppress(Exception):
            lane.result()
