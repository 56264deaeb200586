"""One TensorRT in a process of its own, which does what it is asked: builds engines, holds them, answers and times itself.

Started by lib/plans/remote.py in the environment of that TensorRT; it needs NumPy, TensorRT and pycuda there, and nothing else of this
project than what lib/trt imports. It ends with its input.
"""

from __future__ import annotations

import importlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any

import numpy as np

from lib import cuda
from lib.errors import ReportError, WrongOutput
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.serving import loadgen
from lib.timer import timer, uncollected
from lib.trt import build, calibrators, ceiling, execution, inspect, members, versions, wire
from lib.trt.lane_commands import Answer, LaneCommands


class Worker(LaneCommands):
    """What can be asked, a method each: keyword arguments from the message, arrays as they came; gives JSON and arrays."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[int, execution.Execution] = {}

    def about(self) -> Answer:
        """Which TensorRT this is, on which GPU, and what it can do. Without a GPU TensorRT is named and never started: 10.x would end
        the process."""
        gpus, flavour = system.gpus(), versions.flavour()
        module = versions.module() if flavour else None
        told = {
            "flavour": flavour,
            "tensorrt": getattr(_bindings(), "__version__", ""),
            "python": platform.python_version(),
            "gpu": gpus[0] if gpus else None,
            "bus_id": next(iter(cuda.devices()), ""),  # which card it is: others may have the same name
            "cuda": cuda.installed(),
            "loadgen": loadgen.installed(),
            "apis": execution.apis() if module else [],
            "shared_profiles": execution.shared_profiles(module) if module else None,
            "typed": versions.typed(module) if module else None,
            "strongly_typed": bool(module) and hasattr(getattr(module, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED"),
            "lacking": {key: versions.lacking(key, module) for key in PRECISIONS} if module else {},
        }
        return told, {}

    def members(self, paths: list[str]) -> Answer:
        """Which members of the API are there, deprecated or gone (lib/trt/members.py)."""
        return {"members": members.here(_bindings() or versions.module(), paths)}, {}

    def memory(self) -> Answer:
        """Bytes of device memory that are free, and of host memory that this process holds (Linux)."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {"free_bytes": cuda.free_bytes(), "host_bytes": pages * os.sysconf("SC_PAGE_SIZE")}, {}

    def build(
        self,
        onnx: np.ndarray,
        precision: str,
        settings: dict[str, int],
        strongly_typed: bool = False,
        method: str = "",
        profiles: Sequence[Sequence[int]] = (),
        **more: Any,
    ) -> Answer:
        """Build an engine of an ONNX (bytes). profiles: as lib/trt/build.py takes them. more: `timings`, a timing cache to go on from
        (bytes; an empty one is begun where there is none); `calibration`, a cache for a calibrator of `method`."""
        known, cache = (more[key].tobytes() if key in more else b"" for key in ("timings", "calibration"))
        calibrator = (lambda _: calibrators.reader(versions.module(), method, cache)) if cache else None
        with _file(onnx) as path:
            how = {"strongly_typed": strongly_typed, "profiles": profiles}
            built = build.build(path, precision, SimpleNamespace(**settings), calibrator=calibrator, timings=known, **how)  # type: ignore[arg-type]
        told = {
            "build_s": built.build_s,
            "timing_cache": built.timing_cache,
            "weights_bytes": inspect.weights_bytes(built.log),
            "asked": inspect.product_types(built.layers),
        }
        return told, {"plan": built.plan, "timings": built.timings, "log": "\n".join(built.log).encode()}

    def calibrate(self, onnx: np.ndarray, images: np.ndarray, method: str, settings: dict[str, int]) -> Answer:
        """The calibration cache of an ONNX (bytes) over model inputs (n, …)."""
        started = time.perf_counter()
        with _file(onnx) as path:
            cache, batches, _ = build.calibrated(path, method, images, SimpleNamespace(**settings), b"")  # type: ignore[arg-type]
        return {"batches": batches, "seconds": time.perf_counter() - started}, {"cache": cache}

    def open(self, plan: np.ndarray, api: str = execution.NAMED) -> Answer:
        """Load a plan (bytes) and hold it, under a number. device_bytes: by how much that lessened the free memory of the GPU."""
        free, started = cuda.free_bytes(), time.perf_counter()
        run = execution.Execution(plan.tobytes(), api).__enter__()
        load_ms = 1e3 * (time.perf_counter() - started)
        number = next(self._numbers)
        self._open[number] = run
        told = {"engine": number, "load_ms": load_ms, "device_bytes": max(0, free - cuda.free_bytes()), "outputs": run.outputs}
        told |= {"min_batch": run.min_batch, "max_batch": run.max_batch, "layers": [astuple(layer) for layer in run.layers()]}
        return told, {}

    def infer(self, engine: int, batch: np.ndarray, output: str) -> Answer:
        """One output of a batch of model inputs (n, …)."""
        return {}, {"output": self._open[engine].infer(batch)[output]}

    def time(self, engine: int, batch: np.ndarray, output: str, seconds: float) -> Answer:
        """A slice of calls with a batch (lib/timer.py), end to end and on the GPU, and the output of the last one."""
        run, last = self._open[engine], dict[str, np.ndarray]()

        def call() -> None:
            last.update(run.infer(batch))

        with uncollected():  # as lib/measure/rounds.py does where it calls itself
            one = timer(call, run.gpu_ms)(seconds)
        assert one.gpu_ms is not None
        return {}, {"latencies_ms": one.latencies_ms, "gpu_ms": one.gpu_ms, "output": last[output]}

    def close(self, engine: int) -> Answer:
        """Let go of an engine."""
        self._open.pop(engine).__exit__()
        return {}, {}

    def layer_times(self, engine: int, batch: np.ndarray, repeats: int, warmup_s: float = 0.5) -> Answer:
        """How long each layer takes for a batch, by TensorRT's profiler, which makes the engine slower for good: close it afterwards.
        names: of the layers, in order; times_ms: (repeats, layers). warmup_s: of running before, for an idle GPU has lowered its clocks."""
        run, until = self._open[engine], time.perf_counter() + warmup_s
        while time.perf_counter() < until:
            run.infer(batch)
        runs = run.profile_layers(batch, repeats)
        names = [name for name, _ in runs[0]]
        if any([name for name, _ in one] != names for one in runs):
            raise versions.EngineError("TensorRT's profiler reported other layers from one run to the next")
        return {"names": names}, {"times_ms": np.array([[ms for _, ms in one] for one in runs])}

    def copies(self, seconds: float, size: int) -> Answer:
        """Milliseconds of copies of `size` bytes, for about so many seconds each (lib/trt/ceiling.py): within, to_gpu, from_gpu."""
        return {}, {**ceiling.copies(seconds, size)}

    def end(self) -> None:
        """Let go of all engines and lanes."""
        for run in self._open.values():
            run.__exit__()
        self._open.clear()
        super().end()


def serve(worker: Worker, asked: IO[bytes], told: IO[bytes]) -> None:
    """Answer messages until there are none. What a method raises is told, and the next message is read."""

    def read(size: int) -> bytes:
        data = asked.read(size)
        if len(data) < size:
            raise EOFError
        return data

    try:
        while True:
            message, arrays = wire.receive(read)
            try:
                answer = getattr(worker, message.pop("ask"))(**message, **arrays)
            except ReportError as error:
                answer = {"error": str(error), "wrong": isinstance(error, WrongOutput)}, {}
            except Exception as error:  # another fault: told as such, for the other side to say
                answer = {"error": f"{type(error).__name__}: {error}"}, {}
            wire.send(told, *answer)
    except EOFError:
        worker.end()


def _bindings() -> ModuleType | None:
    """TensorRT's Python module: the one that builds here or, where there is no GPU to build with, any that can be imported."""
    if versions.flavour():
        return versions.module()
    with suppress(ImportError, OSError):
        return importlib.import_module("tensorrt")
    return None


@contextmanager
def _file(content: np.ndarray) -> Iterator[Path]:
    """A file that holds these bytes, for what TensorRT only reads by name. No error names it: it is gone when that is read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(content.tobytes())
        try:
            yield path
        except versions.EngineError as error:
            raise versions.EngineError(str(error).replace(f"{path}: ", "")) from None


def main(worker: Worker) -> None:
    """Speak on what were standard input and output: whatever reads there reads nothing, and what prints there prints to standard error."""
    asked, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    told.write(wire.HELLO)
    told.flush()
    serve(worker, asked, told)


if __name__ == "__main__":
    main(Worker())
