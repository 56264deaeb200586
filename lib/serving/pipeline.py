"""A pipeline: a whole set of images from where they lie to their classes, through a ring of buffers and over lanes, all stages at once.

decode (files, or a slice of an array) → copy (into a buffer of the ring) → compute (a lane, with its copies to and from a GPU) → classes.
Reader threads do the first two, lanes the third, the caller's thread hands over and collects. Memory is the ring, however many images
there are; batches go to the lanes in turn and are collected in that order, so that answers are in the order of the images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, NamedTuple

import numpy as np

from lib.errors import ReportError
from lib.serving.answers import reported
from lib.serving.lanes import Lane, drain
from lib.timer import uncollected

Decode = Callable[[int, int], np.ndarray]  # (start, stop) -> model inputs (stop - start, …) of these images
Allocate = Callable[[tuple[int, ...], Any], np.ndarray]  # np.empty, or pinned memory
Answer = Callable[[np.ndarray], np.ndarray]
NAME = "pipeline"
SPENT = ("starved_s", "launched_s", "waited_s", "collected_s")  # of Ran: what the thread that feeds lanes did, one after the other


class Ran(NamedTuple):
    """One run. answers: (n, …), in the order of the images; seconds: from the first image to the last answer.

    busy_s: {"decode", "copy"}, of all readers together. What the caller's thread did, one after the other: starved_s, that lanes could
    have been given something and nothing was there; launched_s, handing batches to lanes; waited_s, for lanes to end; collected_s, keeping
    answers and giving buffers back. The largest of these is what holds it back; `seconds` less all four is Python between them.
    changed: answers of later passes over the images that are not those of the first one.
    """

    answers: np.ndarray
    seconds: float
    busy_s: dict[str, float]
    starved_s: float
    waited_s: float
    changed: int = 0
    launched_s: float = 0.0
    collected_s: float = 0.0


class Pipeline:
    """Lanes and a ring of buffers for them, allocated once. shape, dtype: of one image as the model takes it; readers: threads that
    decode and copy; buffers: in the ring, more than lanes (None: one for each lane and reader, and one more)."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        batch: int,
        shape: tuple[int, ...],
        dtype: Any = np.float32,
        *,
        readers: int = 1,
        buffers: int | None = None,
        allocate: Allocate = np.empty,
    ) -> None:
        count = len(lanes) + readers + 1 if buffers is None else buffers
        if not lanes or readers < 1 or count <= len(lanes):
            raise ReportError(
                f"{NAME}: {len(lanes)} lanes, {readers} readers, {count} buffers; at least one of each and more buffers than lanes"
            )
        if not 1 <= batch <= min(lane.max_batch for lane in lanes):
            raise ReportError(f"{NAME}: batches of {batch}; its lanes take 1 to {min(lane.max_batch for lane in lanes)}")
        self._lanes, self._batch, self._readers = list(lanes), batch, readers
        self._ring = [allocate((batch, *shape), dtype) for _ in range(count)]
        for buffer in self._ring:
            buffer.fill(0)  # memory that was never written is given when it is, which would be timed

    @property
    def ring_bytes(self) -> int:
        """Of all its buffers."""
        return sum(buffer.nbytes for buffer in self._ring)

    def run(self, decode: Decode, images: int, answer: Answer = lambda outputs: outputs.argmax(1), times: int = 1) -> Ran:
        """Answers for `images` images. answer: of outputs (n, classes), an array (n, …), for example themselves; times: all images so
        often, one pass right after the other, in batches that begin with the end of one and end with the beginning of the next.

        Whatever goes wrong in any stage ends it: everything that was begun is waited for, no thread stays, and ReportError says what it
        was; the pipeline can run again.
        """
        if images < 1 or times < 1:
            raise ReportError(f"{NAME}: {images} images, {times} times; there is nothing to do")
        work, found = _Reading(self._ring, self._batch, (images, times), decode), _Found(images, answer)
        readers = [Thread(target=work.read, name=f"{NAME}-{number}", daemon=True) for number in range(self._readers)]
        with uncollected(), reported(NAME):
            try:
                began = time.perf_counter()
                for reader in readers:
                    reader.start()
                spent = self._compute(work, found)
                seconds = time.perf_counter() - began
            finally:
                work.stop()
                for reader in readers:
                    if reader.ident is not None:
                        reader.join()
                work.forget()
        assert found.answers is not None
        return Ran(found.answers, seconds, work.busy_s, work.starved_s, spent.waited, found.changed, spent.launched, spent.collected)

    def _compute(self, work: _Reading, found: _Found) -> _Spent:
        """Hand every batch to its lane, and collect all answers: what that took."""
        running: deque[tuple[Lane, np.ndarray, slice]] = deque()
        spent = _Spent()

        def collect() -> None:
            """Wait for the batch that was handed over first, keep its answers, and give its buffer back."""
            lane, buffer, rows = running.popleft()
            began = time.perf_counter()
            outputs = lane.result()
            ended = time.perf_counter()
            found.keep(rows, outputs)
            work.give_back(buffer)
            spent.waited += ended - began
            spent.collected += time.perf_counter() - ended

        try:
            for number, rows in enumerate(work.batches()):
                if len(running) == len(self._lanes):
                    collect()
                buffer = work.filled(number)
                lane = self._lanes[number % len(self._lanes)]
                running.append((lane, buffer, rows))
                began = time.perf_counter()
                lane.submit(buffer[: rows.stop - rows.start])
                spent.launched += time.perf_counter() - began
            while running:
                collect()
        finally:  # nothing but after an error
            drain(lane for lane, _, _ in running)
        return spent


@dataclass
class _Spent:
    """Seconds of the caller's thread, as Ran has them."""

    launched: float = 0.0
    waited: float = 0.0
    collected: float = 0.0


class _Found:
    """The answers of one run: those of the first pass over the images, and how many of later passes were others."""

    def __init__(self, images: int, answer: Answer) -> None:
        self._images, self._answer = images, answer
        self.answers: np.ndarray | None = None
        self.changed = 0

    def keep(self, rows: slice, outputs: np.ndarray) -> None:
        """Take what a lane gave for rows of all passes. Raises ReportError where it is not an answer an image."""
        found = self._answer(outputs)
        if len(found) != rows.stop - rows.start:
            raise ReportError(f"{NAME}: {len(found)} answers for {rows.stop - rows.start} images")
        if self.answers is None:
            self.answers = np.zeros((self._images, *found.shape[1:]), found.dtype)
        for of, part in _pieces(rows, self._images):
            if rows.start + part.start < self._images:
                self.answers[of] = found[part]
            else:
                self.changed += int((self.answers[of] != found[part]).reshape(of.stop - of.start, -1).any(axis=1).sum())


def _pieces(rows: slice, images: int) -> Iterator[tuple[slice, slice]]:
    """Rows of many passes over a set of images: rows of the set, and which of `rows` they are, from 0."""
    start = rows.start
    while start < rows.stop:
        stop = min(rows.stop, (start // images + 1) * images)
        yield slice(start % images, start % images + stop - start), slice(start - rows.start, stop - rows.start)
        start = stop


class _Reading:
    """The batches of one run on their way into the ring: which buffers are free, which batches are filled, what went wrong."""

    def __init__(self, ring: Sequence[np.ndarray], batch: int, amount: tuple[int, int], decode: Decode) -> None:
        """amount: images, and how often all of them."""
        self._free, self._filled = list(ring), dict[int, np.ndarray]()
        self._batch, self._images, self._all, self._decode = batch, amount[0], amount[0] * amount[1], decode
        self._changed = Condition()
        self._next, self._stopped = 0, False
        self._error: BaseException | None = None
        self.busy_s, self.starved_s = {"decode": 0.0, "copy": 0.0}, 0.0

    def batches(self) -> Iterator[slice]:
        """All batches, as rows of all passes."""
        return (self._rows(number) for number in range(-(-self._all // self._batch)))

    def read(self) -> None:
        """A reader's whole life."""
        try:
            while (begun := self._begin()) is not None:
                number, buffer = begun
                for of, part in _pieces(self._rows(number), self._images):
                    self._copy(of.start, of.stop, buffer[part])
                with self._changed:
                    self._filled[number] = buffer
                    self._changed.notify_all()
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
                self._stopped = True
                self._changed.notify_all()

    def filled(self, number: int) -> np.ndarray:
        """The buffer of a batch, once it is there. Raises what a reader ended with."""
        with self._changed:
            began = time.perf_counter()
            while number not in self._filled and not self._error:
                self._changed.wait()
            self.starved_s += time.perf_counter() - began
            if self._error:
                raise self._error
            return self._filled.pop(number)

    def give_back(self, buffer: np.ndarray) -> None:
        """A buffer that nobody reads any more."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify_all()

    def stop(self) -> None:
        """No batch is begun any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Let go of an error, whose traceback refers to this object: the ring, of pinned memory, would stay until garbage is collected."""
        self._error = None

    def _rows(self, number: int) -> slice:
        return slice(number * self._batch, min((number + 1) * self._batch, self._all))

    def _copy(self, start: int, stop: int, buffer: np.ndarray) -> None:
        """Decode some images into a buffer of as many."""
        times = [time.perf_counter()]
        images = self._decode(start, stop)
        times.append(time.perf_counter())
        if images.shape != buffer.shape or images.dtype != buffer.dtype:
            raise ReportError(f"{NAME}: images {start} to {stop}: {images.dtype} {images.shape} do not fit {buffer.dtype} {buffer.shape}")
        buffer[...] = images
        times.append(time.perf_counter())
        with self._changed:
            self.busy_s["decode"] += times[1] - times[0]
            self.busy_s["copy"] += times[2] - times[1]

    def _begin(self) -> tuple[int, np.ndarray] | None:
        """A free buffer and the next batch for it, together: so the batch that is due next always has one. None when all is begun."""
        with self._changed:
            while not self._stopped and self._next * self._batch < self._all and not self._free:
                self._changed.wait()
            if self._stopped or self._next * self._batch >= self._all:
                return None
            self._next += 1
            return self._next - 1, self._free.pop()
