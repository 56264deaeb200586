"""How fast bytes move on this card: within its memory, and over the bus from and to pinned memory of the host. In a worker, by CUDA events.

What it computes at most is told by engines that do nothing but products (lib/plans/ceiling.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import numpy as np

from lib import cuda
from lib.errors import WrongOutput

SIZE = 256 << 20  # bytes of each buffer: well over what any cache of today's cards holds
BLOCK = 1 << 20  # bytes that are drawn at random, anew for each call, so that no earlier copy is taken for this one's
AT_ONCE = 8  # copies between two events: one alone may take little longer than the events


def copies(seconds: float, size: int = SIZE) -> dict[str, np.ndarray]:
    """Milliseconds of a copy of `size` bytes (a multiple of BLOCK), float64 (n,), n >= 1, each the mean of AT_ONCE in a row: `within` the
    card (which reads and writes so many bytes each), `to_gpu` and `from_gpu`, each for about so many seconds.

    Raises CudaError where CUDA fails or memory does not suffice, WrongOutput where other bytes came back than were sent.
    """
    with ExitStack() as stack:
        host, stream = cuda.pinned((size,), np.uint8), cuda.Stream()
        first, second = (stack.enter_context(closing(cuda.DeviceMemory(size))) for _ in range(2))
        stack.callback(stream.synchronize)  # before any buffer is freed
        drawn = np.random.default_rng().integers(0, 256, BLOCK, dtype=np.uint8)
        host.reshape(-1, BLOCK)[:] = drawn
        found = {
            "to_gpu": _times(stream, lambda: stream.upload(host, first), seconds),
            "within": _times(stream, lambda: stream.copy(first, second), seconds),
        }
        host[:] = 0
        found["from_gpu"] = _times(stream, lambda: stream.download(second, host), seconds)
        if not (host.reshape(-1, BLOCK) == drawn).all():
            raise WrongOutput("copies on the GPU: other bytes came back than were sent")
        return found


def _times(stream: cuda.Stream, copy: Callable[[], None], seconds: float) -> np.ndarray:
    """Milliseconds of one copy, of several rows of them; the first row is not counted."""

    def row() -> None:
        for _ in range(AT_ONCE):
            copy()

    stream.timed(row)
    told: list[float] = []
    until = time.perf_counter() + seconds
    while not told or time.perf_counter() < until:
        told.append(stream.timed(row) / AT_ONCE)
    return np.array(told)
