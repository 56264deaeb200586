"""Dynamic batching: requests that come one by one wait in a queue of bounded length, and leave it as batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from threading import Condition
from typing import Generic, TypeVar

from lib.errors import ReportError

T = TypeVar("T")


class Batcher(Generic[T]):
    """A queue of at most `bound` requests. Whoever puts into a full one waits, so that overload costs time and no memory.

    A batch leaves it as soon as it is full or its oldest request has waited `max_wait_s`; with 0, as soon as somebody takes it: batches
    then grow by themselves while all who take are busy. Requests leave in the order in which they came.
    most: how many were in it at the most.
    """

    def __init__(self, bound: int, max_wait_s: float = 0.0) -> None:
        if bound < 1 or not max_wait_s >= 0:
            raise ReportError(f"a queue of {bound} requests that wait {max_wait_s} s; it needs at least one, and no negative time")
        self._bound, self._max_wait_s = bound, max_wait_s
        self._queue: deque[tuple[float, T]] = deque()
        self._changed = Condition()
        self._closed = self._hurried = False
        self.most = 0

    def put(self, requests: Iterable[T]) -> list[T]:
        """Add requests, waiting while there is no room. Returns those that it did not take: none, or the rest once it is closed."""
        left = deque(requests)
        with self._changed:
            while left:
                while len(self._queue) >= self._bound and not self._closed:
                    self._changed.wait()
                if self._closed:
                    break
                now = time.monotonic()
                for _ in range(min(len(left), self._bound - len(self._queue))):
                    self._queue.append((now, left.popleft()))
                self.most = max(self.most, len(self._queue))
                self._changed.notify_all()
        return list(left)

    def take(self, most: int) -> list[T]:
        """The next batch, of 1 to `most` requests; empty once the queue is closed and nothing is left in it."""
        with self._changed:
            while True:
                while not self._queue and not self._closed:
                    self._changed.wait()
                if not self._queue:
                    return []
                left_s = self._queue[0][0] + self._max_wait_s - time.monotonic()
                if len(self._queue) >= min(most, self._bound) or left_s <= 0 or self._closed or self._hurried:
                    break
                self._changed.wait(left_s)
            batch = [request for _, request in islice(self._queue, most)]
            for _ in batch:
                self._queue.popleft()
            self._changed.notify_all()
            return batch

    def hurry(self) -> None:
        """No more will come: nobody waits for a fuller batch."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def close(self) -> list[T]:
        """End it: who waits goes on, nothing is taken any more. Returns what was still in it."""
        with self._changed:
            self._closed = True
            rest = [request for _, request in self._queue]
            self._queue.clear()
            self._changed.notify_all()
            return rest
