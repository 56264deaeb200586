"""The C++ runner of lib/cpp (`make cpp`) as a backend of the report, on the engines of the Python runner."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lib.errors import ReportError
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.runners.base import Runner, check_batch
from lib.runners.compiled import AGAIN, Server, apis, call, program
from lib.runners.tensorrt import EngineRunner, TensorRT
from lib.session import Session
from lib.store import files
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text
from lib.timer import Slice, Timer


def write_samples(path: Path, images: np.ndarray) -> Path:
    """Write model inputs as the .npy file that the program reads, batch by batch while it runs. Returns `path`."""
    with files.writable(path.parent):
        np.save(path, np.ascontiguousarray(images))
    return path


class Cpp(EngineRunner):
    """The program on the engine of the Python runner. `infer` starts it and loads the engine in every call, so that load times hold
    its start; a `timer` keeps one process for all batches, which times itself.

    way: api "enqueueV3" (the plain one: named tensors) or "executeV2" (bindings, 8.x); graph: enqueueV3 replayed as a CUDA graph; lanes:
    enqueueV3 in several contexts; byte_input, classes: an `engine` that was built so is to be given.
    plan: gives the bytes of `engine`'s plan, checked by other means than `prepare` of the Python runner has, or raises ArtifactError.
    """

    name = "cpp"
    label = Text("TensorRT (C++)", "TensorRT（C++）")
    place = 60
    api = "enqueueV3"
    version: ClassVar[str] = ""  # of the TensorRT whose program and plans these are, "" for that of this environment
    batches_itself = times_itself = True
    _server: Server | None = None
    _served: np.ndarray | None = None  # what `_server` has, or will have once it is asked

    def __init__(
        self, session: Session, candidate: Candidate, engine: Artifact | None = None, plan: Callable[[], bytes] | None = None
    ) -> None:
        super().__init__(session, candidate, engine)
        way = candidate.way
        if engine is None and (way.byte_input or way.classes):
            raise ReportError(f"{candidate.key}: not called by '{way.key}' without an engine that was built for it")
        self._checked = plan
        self._enqueue_ms: dict[str, float] = {}
        self._takes = replace(session.spec, dtype="uint8", layout="NHWC") if way.byte_input else session.spec

    @classmethod
    def of(cls, version: str) -> type[Cpp]:
        """This runner for plans of another TensorRT than that of this environment: give each an `engine` and a `plan`."""
        return type(f"{cls.__name__} {version}", (cls,), {"version": version})

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """Why engines cannot be run on this system, or why the program cannot. What another TensorRT can do is for others to say."""
        here = None if cls.version else TensorRT.unavailable(precision)
        return here or (found if isinstance(found := apis(cls.version), Reason) else None)

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        """The calls that the program has, beside the plain one."""
        found = apis(cls.version)
        return [PLAIN] if isinstance(found, Reason) else [PLAIN, *(Way(api=api) for api in found if api != cls.api), Way(graph=True)]

    @classmethod
    def takes(cls, candidate: Candidate) -> bool:
        """Whether it can be called so: also in the ways of an engine, and in any number of lanes, which pages ask for by themselves."""
        way = candidate.way
        alone = replace(candidate, way=replace(way, lanes=1, byte_input=False, classes=False))
        return super().takes(alone) and (way.lanes == 1 or way.api in ("", cls.api))

    @classmethod
    def versions(cls) -> dict[str, str]:
        return {"program": files.sha256(program(cls.version))}

    def told(self) -> dict[str, Any]:
        """enqueue_ms: batch size -> what launching one takes on the host, as of the last slice of each."""
        return {"enqueue_ms": dict(self._enqueue_ms)} if self._enqueue_ms else {}

    def prepare(self) -> None:
        """As the Python runner, or with `plan`. The program refuses any other plan than the one that was checked."""
        if self._checked is None:
            super().prepare()
        else:
            Runner.prepare(self)
            self._plan = self._checked()
        self._sha256 = hashlib.sha256(self._plan).hexdigest()

    def open(self) -> None:
        """Make the folder that holds what the program reads and writes: the program itself is started when it is asked."""
        self._folder = tempfile.TemporaryDirectory()

    def close(self) -> None:
        self._stop()
        self._folder.cleanup()

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs, any n >= 1 -> outputs, float32 (n, classes), or where the way is classes int32 (n,), by a process of its own, which
        splits and fills up batches, one lane after the other."""
        check_batch(batch, self._takes)
        samples, answers = write_samples(self._file("samples.npy"), batch), self._file("predictions.npy")
        answers.unlink(missing_ok=True)
        call(*self._words(samples), "--batch", self.max_batch or len(batch), "--predictions", answers, path=program(self.version))
        try:
            values = np.load(answers, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise ReportError(f"the C++ runner: wrote no predictions; {AGAIN}") from None
        kind = (np.int32, 1) if self.candidate.way.classes else (np.float32, 2)
        if (values.dtype, values.ndim) != kind or len(values) != len(batch):
            raise ReportError(f"the C++ runner: predictions are {values.dtype} {values.shape}, of {len(batch)} images; {AGAIN}")
        return values

    def timer(self, batch: np.ndarray) -> Timer:
        """Of calls that the program times itself. All timers share one process while each batch begins the largest one."""
        check_batch(batch, self._takes, self.max_batch)
        self._serve(batch)

        def timed(seconds: float) -> Slice:
            self._serve(batch)
            server = self._started()
            found = server.ask(len(batch), seconds)
            self._enqueue_ms[str(len(batch))] = server.enqueue_ms
            return found

        return timed

    def begin(self, batch: np.ndarray) -> None:
        """Start the process for timers of this batch and of all that begin it, and do not wait for it: several start beside each other."""
        check_batch(batch, self._takes)
        self._serve(batch)
        self._started()

    def _started(self) -> Server:
        if self._server is None or not self._server.alive:
            words = self._words(write_samples(self._file("served.npy"), self._served))
            self._server = Server(*words, said=self._file("said"), path=program(self.version))
        return self._server

    def _serve(self, batch: np.ndarray) -> None:
        """Have the process that is asked next know these images."""
        if self._served is None or not np.array_equal(self._served[: len(batch)], batch):
            self._stop()
            self._served = batch

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def _words(self, samples: Path) -> list[object]:
        way, spec = self.candidate.way, self.session.spec
        words = ["--plan", self.artifact.file(self.file), "--sha256", self._sha256, "--samples", samples, "--api", way.api or self.api]
        words += ["--output", spec.output, "--outputs", "classes" if way.classes else "logits" if spec.logits else "probabilities"]
        return [*words, *(["--graph"] if way.graph else []), *(["--lanes", way.lanes] if way.lanes > 1 else [])]

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name
