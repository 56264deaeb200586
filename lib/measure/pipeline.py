"""A pipeline: a whole set of images from where they lie to their classes, through a ring of buffers and over lanes, all stages at once.

decode (files, or a slice of an array) → copy (into a buffer of the ring) → compute (a lane, with its copies to and from a GPU) → classes.
Reader threads do the first two, lanes the third, the caller's thread hands over and collects. Memory is the ring, however many images
there are; batches go to the lanes in turn and are collected in that order, so that answers are in the order of the images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Any, NamedTuple

import numpy as np

from lib.errors import ReportError
from lib.measure.answers import reported
from lib.measure.lanes import Lane, drain
from lib.timer import uncollected

Decode = Callable[[int, int], np.ndarray]  # (start, stop) -> model inputs (stop - start, …) of these images
Allocate = Callable[[tuple[int, ...], Any], np.ndarray]  # np.empty, or pinned memory
NAME = "pipeline"


class Ran(NamedTuple):
    """One run. answers: (n, …), in the order of the images; seconds: from the first image to the last answer.

    busy_s: {"decode", "copy"}, of all readers together; starved_s: that lanes could have been given something and nothing was there;
    waited_s: that something was there, or all was handed over, and no lane was ready. The larger of the two is what holds it back.
    """

    answers: np.ndarray
    seconds: float
    busy_s: dict[str, float]
    starved_s: float
    waited_s: float


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

    @property
    def ring_bytes(self) -> int:
        """Of all its buffers."""
        return sum(buffer.nbytes for buffer in self._ring)

    def run(self, decode: Decode, images: int, answer: Callable[[np.ndarray], np.ndarray] = lambda outputs: outputs.argmax(1)) -> Ran:
        """Answers for `images` images. answer: of outputs (n, classes), an array (n, …), for example themselves.

        Whatever goes wrong in any stage ends it: everything that was begun is waited for, no thread stays, and ReportError says what it
        was; the pipeline can run again.
        """
        if images < 1:
            raise ReportError(f"{NAME}: {images} images; there is nothing to do")
        work = _Reading(self._ring, self._batch, images, decode)
        readers = [Thread(target=work.read, name=f"{NAME}-{number}", daemon=True) for number in range(self._readers)]
        with uncollected(), reported(NAME):
            try:
                began = time.perf_counter()
                for reader in readers:
                    reader.start()
                answers, waited_s = self._compute(work, images, answer)
                seconds = time.perf_counter() - began
            finally:
                work.stop()
                for reader in readers:
                    if reader.ident is not None:
                        reader.join()
        return Ran(answers, seconds, work.busy_s, work.starved_s, waited_s)

    def _compute(self, work: _Reading, images: int, answer: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, float]:
        """Hand every batch to its lane, and collect: all answers, and the seconds that no lane was ready."""
        running: deque[tuple[Lane, np.ndarray, slice]] = deque()
        answers: np.ndarray | None = None
        waited_s = 0.0
        try:
            for number, start in enumerate(range(0, images, self._batch)):
                if len(running) == len(self._lanes):
                    answers, took_s = _collect(running, work, images, answer, answers)
                    waited_s += took_s
                buffer = work.filled(number)
                lane, rows = self._lanes[number % len(self._lanes)], slice(start, min(start + self._batch, images))
                running.append((lane, buffer, rows))
                lane.submit(buffer[: rows.stop - rows.start])
            while running:
                answers, took_s = _collect(running, work, images, answer, answers)
                waited_s += took_s
        finally:  # nothing but after an error
            drain(lane for lane, _, _ in running)
        assert answers is not None
        return answers, waited_s


def _collect(
    running: deque[tuple[Lane, np.ndarray, slice]],
    work: _Reading,
    images: int,
    answer: Callable[[np.ndarray], np.ndarray],
    answers: np.ndarray | None,
) -> tuple[np.ndarray, float]:
    """Wait for the batch that was handed over first, keep its answers, and give its buffer back."""
    lane, buffer, rows = running.popleft()
    began = time.perf_counter()
    outputs = lane.result()
    took_s = time.perf_counter() - began
    found = answer(outputs)
    if len(found) != rows.stop - rows.start:
        raise ReportError(f"{NAME}: {len(found)} answers for {rows.stop - rows.start} images")
    if answers is None:
        answers = np.zeros((images, *found.shape[1:]), found.dtype)
    answers[rows] = found
    work.give_back(buffer)
    return answers, took_s


class _Reading:
    """The batches of one run on their way into the ring: which buffers are free, which batches are filled, what went wrong."""

    def __init__(self, ring: Sequence[np.ndarray], batch: int, images: int, decode: Decode) -> None:
        self._free, self._filled = list(ring), dict[int, np.ndarray]()
        self._batch, self._images, self._decode = batch, images, decode
        self._changed = Condition()
        self._next, self._stopped = 0, False
        self._error: BaseException | None = None
        self.busy_s, self.starved_s = {"decode": 0.0, "copy": 0.0}, 0.0

    def read(self) -> None:
        """A reader's whole life."""
        try:
            while (begun := self._begin()) is not None:
                number, buffer = begun
                start = number * self._batch
                stop = min(start + self._batch, self._images)
                times = [time.perf_counter()]
                images = self._decode(start, stop)
                times.append(time.perf_counter())
                if images.shape != buffer[: stop - start].shape or images.dtype != buffer.dtype:
                    raise ReportError(
                        f"{NAME}: images {start} to {stop}: {images.dtype} {images.shape} do not fit {buffer.dtype} {buffer.shape}"
                    )
                buffer[: stop - start] = images
                times.append(time.perf_counter())
                with self._changed:
                    self._filled[number] = buffer
                    self.busy_s["decode"] += times[1] - times[0]
                    self.busy_s["copy"] += times[2] - times[1]
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

    def _begin(self) -> tuple[int, np.ndarray] | None:
        """A free buffer and the next batch for it, together: so the batch that is due next always has one. None when all is begun."""
        with self._changed:
            while not self._stopped and self._next * self._batch < self._images and not self._free:
                self._changed.wait()
            if self._stopped or self._next * self._batch >= self._images:
                return None
            self._next += 1
            return self._next - 1, self._free.pop()
