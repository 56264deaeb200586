"""Lanes: contexts that run side by side on one engine, each with a stream and buffers of its own and, where that is asked for, a graph.

One engine, so that they share its weights: copies of a plan push each other out of the GPU's L2 cache. TensorRT 8.x wants an
optimization profile of its own for each of them, later versions let them share one (execution.shared_profiles).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from lib import cuda
from lib.timer import Clock, Slice
from lib.trt import turns
from lib.trt.execution import Bound, Engine, chosen
from lib.trt.versions import EngineError

BLANK = 0xFF  # every byte of an output that was not written: a NaN that no GPU computes, or -1
ENQUEUE_SHARE = 0.1  # of a slice's time that goes into timing launches alone


class Lane(Bound):
    """One context of an engine: a lane as lib/serving/lanes.py has it, whose results are of `output`, in the engine's type.

    With graphs a launch (copy in, compute, copy out) is one of them, one for each of `sizes`, and fewer images are filled up to the next
    size with the first one. Without, they are given as they are, as Execution does. max_batch: the largest of `sizes`.
    """

    def __init__(self, engine: Engine, profile: int, sizes: Sequence[int], output: str, stack: ExitStack) -> None:
        """Open it, until `stack` is closed. sizes: growing. Raises EngineError, CudaError."""
        self.output, self._sizes, self._size = output, sizes, sizes[-1]
        self._given: int | None = None  # images that were submitted and whose result was not taken
        self._graphs: dict[int, cuda.Graph] = {}  # of a launch, by its batch size
        self._replays: dict[int, cuda.Graph] = {}  # of computing alone
        self._rest: cuda.Graph | None = None  # of a launch of max_batch images without its copy in
        self._bind(engine, profile, stack, sizes[-1])
        self.launch = self._steps(self._size)  # puts what was prepared last into the stream

    def capture(self, alone: bool, stack: ExitStack) -> None:
        """Make the graphs. alone: also those that `gpu_ms` needs.

        NVIDIA advises a context for each graph, for one that changes after a capture leaves what the graph does undefined (Developer Guide,
        "CUDA Graphs"). Of several sizes that would be as many optimization profiles for every lane in TensorRT 8.x. They share a context
        here: tests/test_gpu_lanes.py holds their answers against plain calls, and so does every run.
        """
        for size in self._sizes:
            self._shaped(size)
            steps = self._steps(size)
            steps()  # the first launch of a shape does what it needs once, and that must not be captured
            self._stream.synchronize()
            self._graphs[size] = self._captured(steps, stack)
            if alone:
                self._replays[size] = self._captured(self._launch, stack)
        self._rest = self._captured(self._after(self.max_batch), stack)
        stack.callback(self._drain)  # before any graph is let go of

    def submit(self, inputs: np.ndarray) -> None:
        """Start with model inputs (n, …), 1 <= n <= max_batch, which are copied. Raises EngineError for another shape, type or batch size,
        for a second batch before the result of the first, and where TensorRT refuses it; CudaError."""
        cuda.enter()
        self.prepare(inputs)
        self._start(self.launch, len(inputs))

    def submit_pinned(self, inputs: np.ndarray) -> None:
        """As `submit`, of inputs that lie in pinned memory (cuda.pinned) and stay as they are until `result`: the GPU reads them there.

        With graphs, one of what follows the copy in is launched, for the others read the lane's own buffer. Fewer than max_batch are
        copied into that first all the same.
        """
        if len(inputs) == self.max_batch:
            cuda.enter()
            self._accept(inputs)
            if self._rest is None:  # graphs have left the context at that size
                self._resize(self.max_batch)
            self._start(self._steps(self.max_batch, inputs), self.max_batch)
        else:
            self.submit(inputs)

    def result(self) -> np.ndarray:
        """Wait for what was submitted: its output (n, …), valid until the next `submit`. Raises EngineError, CudaError."""
        cuda.enter()
        given, self._given = self._given, None
        if given is None:
            raise EngineError("a lane was asked for a result, and nothing was submitted")
        self.wait()
        return self._host[self.output][:given]

    def prepare(self, inputs: np.ndarray) -> None:
        """Copy a batch into the pinned buffer and get ready to `launch` it, any number of times. Raises as `submit` does."""
        given = self._accept(inputs)
        if self._graphs:
            size = next(size for size in self._sizes if size >= given)
            self._size, self.launch = size, self._graphs[size].launch
        else:
            self._resize(max(given, self.min_batch))
        host = self._host[self.input][: self._size]
        host[:given], host[given:] = inputs, inputs[:1]

    def wait(self) -> None:
        """Wait for what was launched. Raises CudaError."""
        self._stream.synchronize()

    def filling(self, inputs: np.ndarray) -> Callable[[], None]:
        """A launch of a batch that was prepared which copies it into the pinned buffer each time."""
        host, launch = self._host[self.input][: len(inputs)], self.launch

        def filled() -> None:
            np.copyto(host, inputs)
            launch()

        return filled

    def gpu_ms(self) -> float:
        """Milliseconds on the GPU of computing once more what was prepared last, without copies, by CUDA events. Raises as a launch does.

        With a graph (of a lone lane) the GPU is kept busy up to the beginning; without, it also waits for launches, as in Execution.
        """
        if (replay := self._replays.get(self._size)) is None:
            return self._stream.timed(self._launch)
        replay.launch()
        return self._stream.timed(replay.launch)

    def blank(self) -> None:
        """Overwrite the output, here and on the GPU, so that `written` knows it from an earlier answer."""
        host = self._host[self.output]
        host.view(np.uint8)[...] = BLANK
        self._stream.upload(host, self._device[self.output])
        self.wait()

    def written(self, count: int) -> np.ndarray | None:
        """A copy of the output of the first `count` images, None where one of them was not written since `blank`."""
        found = self._host[self.output][:count].copy()
        return None if (found.reshape(count, -1).view(np.uint8) == BLANK).all(axis=1).any() else found

    def drain(self) -> None:
        """Wait for what still runs; its result is of no interest any more."""
        self._given = None
        self._drain()

    def _accept(self, inputs: np.ndarray) -> int:
        """How many images these are. Raises EngineError where they cannot be computed now."""
        if self._context is None:
            raise EngineError("a lane was given a batch after it was closed")
        if self._given is not None:
            raise EngineError("a lane was given a batch before the result of the last one was taken")
        return self._check(inputs)

    def _resize(self, size: int) -> None:
        """Make `launch`, without a graph, one of so many images."""
        if size != self._size:
            self._shaped(size)
            self._size, self.launch = size, self._steps(size)

    def _start(self, launch: Callable[[], None], given: int) -> None:
        """Launch a batch whose result will be taken."""
        try:
            launch()
        except BaseException:
            self._drain()
            raise
        self._given = given

    def _steps(self, size: int, pinned: np.ndarray | None = None) -> Callable[[], None]:
        """What one launch of a batch puts into the stream, from the lane's own buffer or from `pinned`. The context must know its size."""
        given = self._host[self.input][:size] if pinned is None else pinned
        to, upload = self._device[self.input], self._stream.upload
        rest = self._after(size) if pinned is None or self._rest is None else self._rest.launch

        def steps() -> None:
            upload(given, to)
            rest()

        return steps

    def _after(self, size: int) -> Callable[[], None]:
        """What follows the copy in: computing, and the copy out."""
        of, made = self._device[self.output], self._host[self.output][:size]
        compute, download = self._launch, self._stream.download

        def after() -> None:
            compute()
            download(of, made)

        return after

    def _captured(self, work: Callable[[], None], stack: ExitStack) -> cuda.Graph:
        graph = cuda.Graph(self._stream, work)
        stack.callback(graph.close)
        return graph

    def _forget(self) -> None:
        vars(self).pop("launch", None)  # it holds buffers, and this lane by way of them
        self._graphs, self._replays, self._rest = {}, {}, None
        super()._forget()


class Lanes:
    """`count` lanes of a plan for batches of `batch` images, with graphs or without; a context manager, whose lanes are `lanes`.

    sizes: smaller batches that have a graph of their own; output: which one results give ("": the engine's first).
    """

    def __init__(self, plan: bytes, count: int, batch: int, graph: bool = True, *, sizes: Sequence[int] = (), output: str = "") -> None:
        """Raises EngineError for numbers that make no sense."""
        self._sizes = sorted({*sizes, batch})
        if count < 1 or self._sizes[0] < 1 or self._sizes[-1] > batch:
            raise EngineError(f"{count} lanes of {batch} images (also {list(sizes)}): at least one of each, and none larger than the batch")
        self._plan, self.count, self.batch, self.graph, self.output = plan, count, batch, graph, output
        self.lanes: list[Lane] = []

    def __enter__(self) -> Lanes:
        """Raises EngineError for a plan that has not the profiles or the output, CudaError where graphs cannot be had."""
        with ExitStack() as stack:
            engine = Engine(self._plan)
            stack.callback(engine.close)
            self.output = self.output or engine.outputs[0]
            if self.output not in engine.outputs:
                raise EngineError(f"this plan has no output '{self.output}'; it has {', '.join(engine.outputs)}")
            profiles = chosen(engine, self.count, self._sizes)
            stack.callback(self.lanes.clear)
            for profile in profiles:
                self.lanes.append(Lane(engine, profile, self._sizes, self.output, stack))
            if self.graph:
                for lane in self.lanes:
                    lane.capture(self.count == 1, stack)
            stack.callback(self.drain)  # all of them, before anything of one is freed
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def timed(self, seconds: float, batch: np.ndarray, fill: bool = False, clock: Clock = time.perf_counter_ns) -> Slice:
        """A slice of about so many seconds with a batch of model inputs (n, …), all lanes kept busy in turn.

        latencies_ms: between the ends of one batch and the next, so that their mean is wall time over batches; from pinned memory to
        pinned memory, in which the batch lies from the beginning, as trtexec has it. fill: each launch also copies it there, as `submit`
        does. gpu_ms: of one lane only. Raises EngineError, also for a lane that has not written its output, CudaError.
        """
        for lane in self.lanes:
            lane.prepare(batch)
            lane.blank()
        each = [(lane.wait, lane.filling(batch) if fill else lane.launch) for lane in self.lanes]
        try:
            ends = turns.in_turn(each, seconds, clock)
        finally:
            self.drain()
        self.outputs(len(batch))
        gpu_ms = turns.repeated(self.lanes[0].gpu_ms, seconds, clock) if self.count == 1 else None
        return Slice(np.diff(np.array(ends)) / 1e6, gpu_ms)

    def outputs(self, count: int) -> np.ndarray:
        """What every lane wrote last in `timed`: (lanes, count, …). Raises EngineError where one wrote nothing."""
        found = [lane.written(count) for lane in self.lanes]
        if silent := [number for number, one in enumerate(found, 1) if one is None]:
            raise EngineError(f"lane {silent[0]} of {self.count} wrote no output: what was launched did not run")
        return np.stack([one for one in found if one is not None])

    def enqueue_ms(self, seconds: float, clock: Clock = time.perf_counter_ns) -> np.ndarray:
        """How long the host takes to launch what `timed` ran, one launch at a time: ms, float64 (n,), for a small share of `seconds`."""
        lane = self.lanes[0]

        def launched() -> float:
            started = clock()
            lane.launch()
            took = clock() - started
            lane.wait()
            return took / 1e6

        return turns.repeated(launched, seconds * ENQUEUE_SHARE, clock)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The output of model inputs (n, …), in their order, in batches through all lanes in turn. After an error no lane runs."""
        running: deque[tuple[int, Lane]] = deque()
        parts: list[np.ndarray] = []
        try:
            for turn, start in enumerate(range(0, len(images), self.batch)):
                if len(running) == self.count:
                    parts.append(running.popleft()[1].result().copy())
                lane = self.lanes[turn % self.count]
                lane.submit(images[start : start + self.batch])
                running.append((turn, lane))
            parts += [lane.result().copy() for _, lane in running]
        finally:
            self.drain()
        if not parts:
            raise EngineError("no images were given")
        return np.concatenate(parts)

    def drain(self) -> None:
        """Wait for all lanes; what they were given is forgotten."""
        for lane in self.lanes:
            lane.drain()
