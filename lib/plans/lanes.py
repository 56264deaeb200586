"""Engines for lanes (lib/trt/lane.py), built by a worker, and such lanes held there: several contexts on one engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib import export
from lib.errors import NotMeasured, ReportError
from lib.experiment.precision import PRECISIONS
from lib.plans import available, bound, builds, calibrate, stored
from lib.plans.remote import ASK_S, BUILD_S, Worker, WorkerEnded
from lib.serving import loadgen, runs
from lib.serving.answers import Asked
from lib.serving.loadgen import Outcome
from lib.serving.pipeline import Ran
from lib.serving.runs import Piped, Scene
from lib.serving.server import Serving
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.timer import Slice, Timer
from lib.trt import inspect
from lib.trt.versions import EngineError

KIND = "lanes_engine"
LONGER = 10  # times as long as it was asked for that a scenario may take: too few queries, and an overload that is worked off
SETTINGS = ("min_batch", "opt_batch", "max_batch", "workspace_mib", "calibration_batch")  # that a worker is told of the profile


class Recipe(NamedTuple):
    """What is built. lanes: that can run at the same time; opt_batch, max_batch: of its optimization profiles; build: number, from 1."""

    precision: str
    lanes: int
    opt_batch: int
    max_batch: int
    build: int = 1


def profiles(session: Session, worker: Worker, recipe: Recipe) -> list[list[int]]:
    """The optimization profiles (min, opt, max batch) that the lanes need: one each where contexts of this TensorRT cannot share one.

    Raises EngineError for batches out of order.
    """
    batches = [1, recipe.opt_batch, recipe.max_batch]
    if batches != sorted(batches) or recipe.lanes < 1:
        raise EngineError(f"{recipe.lanes} lanes for batches of 1 / {recipe.opt_batch} / {recipe.max_batch}: min, opt and max must grow")
    alone = worker.about["shared_profiles"] or session.spec.batch is not None  # a fixed batch needs no profile at all
    return [batches] * (1 if alone else recipe.lanes)


def build(session: Session, worker: Worker, recipe: Recipe, onnx: Path | None = None, like: Artifact | None = None) -> Artifact:
    """An engine for lanes of this session's model by a worker, made now unless it is stored.

    onnx: another ONNX of this model than the usual one of the precision (byte input, classes out), calibrated as the usual one; like: an
    engine by this worker, of builds.build or of this function, from whose timings this build goes on, so that both have the same kernels.
    Payload and info: as of builds.build, without layers. Raises as that does; NotMeasured without a GPU.
    """
    if reason := Reason("no_gpu") if not worker.about["gpu"] else builds.not_buildable(worker, recipe.precision):
        raise NotMeasured(reason, f"TensorRT {worker.tensorrt} {recipe.precision}")
    usual = export.onnx(session, available.onnx_variant(recipe.precision, worker.about["typed"])).file(export.ONNX_FILE)
    method = PRECISIONS[recipe.precision].calibrator
    cache = builds.calibration(session, worker, usual) if method else None
    files = {"onnx": onnx or usual, "calibration": cache and cache.file(calibrate.CACHE), "timings": like and like.file(builds.TIMINGS)}
    settings, batches = session.profile.engines, profiles(session, worker, recipe)
    inputs = stored.identity(files["onnx"] or usual, recipe.precision, settings, cache, _place(worker))
    inputs |= {"profile": batches, "build": recipe.build, "timings_of": like.sha256 if like else ""}

    def write(folder: Path) -> dict[str, Any]:
        given = {name: path.read_bytes() for name, path in files.items() if path is not None}
        numbers = {name: getattr(settings, name) for name in SETTINGS}
        how = {"precision": recipe.precision, "settings": numbers, "method": method, "profiles": batches}
        told, made = worker.ask("build", BUILD_S, given, **how)
        if like and not told["timing_cache"]:
            raise EngineError(f"TensorRT {worker.tensorrt} did not take the timings of the engine that this one is to be like")
        (folder / builds.PLAN).write_bytes(made["plan"].tobytes())
        (folder / builds.LOG).write_bytes(made["log"].tobytes() + b"\n")
        (folder / builds.TIMINGS).write_bytes(made["timings"].tobytes())
        return told

    return session.store.get_or_build(KIND, inputs, write)


def plan(worker: Worker, artifact: Artifact) -> bytes:
    """The plan of an engine, if it is of the TensorRT and GPU of this worker and whole. Raises ArtifactError, one line (bound.read)."""
    here = _place(worker)
    return bound.read(artifact.path.parent, KIND, builds.PLAN, artifact.inputs | {field: here[field] for field in ("tensorrt", "gpu")})


class Held:
    """Lanes of an engine of `build`, in its worker; a context manager. `told`: what the worker said when it loaded it (load_ms,
    device_bytes, layers …); enqueue_ms: of each slice that was timed, the median of what the host takes to launch one batch.

    sizes: smaller batches that have a graph of their own; output: which one is looked at ("": the engine's first).
    """

    def __init__(
        self,
        worker: Worker,
        engine: Artifact,
        lanes: int,
        batch: int,
        *,
        graph: bool = True,
        sizes: Sequence[int] = (),
        output: str = "",
    ) -> None:
        self.worker, self.artifact, self.lanes, self.batch = worker, engine, lanes, batch
        self._how = {"graph": graph, "sizes": list(sizes), "output": output}
        self.told: dict[str, Any] = {}
        self.enqueue_ms: list[float] = []
        self._batch: np.ndarray | None = None  # that the worker timed last, and still has
        self._kept: tuple[np.ndarray, int] | None = None  # images that it keeps, and under which number

    def __enter__(self) -> Held:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Have the worker load the plan; one that has ended is started again, without what it held. Raises EngineError, WorkerEnded, and
        ArtifactError for a plan that is not for this worker."""
        given = plan(self.worker, self.artifact)
        if not self.worker.alive:
            self.worker.start()
        self._batch = self._kept = None
        self.told, _ = self.worker.ask("lanes_open", arrays={"plan": given}, lanes=self.lanes, batch=self.batch, **self._how)
        self._start = self.worker.starts

    @property
    def types(self) -> dict[str, int]:
        """How many products of the finished engine run in each type (inspect.product_types)."""
        return inspect.product_types(inspect.EngineLayer(*one) for one in self.told["layers"])

    @property
    def there(self) -> bool:
        """Whether the worker still holds what `open` gave it."""
        return bool(self.told) and self.worker.alive and self.worker.starts == self._start

    def close(self) -> None:
        """Have it let go of the lanes, where it still lives."""
        if self.there:
            with suppress(ReportError):  # it ends just now: they are gone with it
                self.worker.ask("lanes_close", number=self.told["number"])
                self._forget()

    def timer(self, batch: np.ndarray, check: Callable[[np.ndarray], object], fill: bool = False) -> Timer:
        """Of slices with all lanes busy, each with `batch` (n, …), as Lanes.timed has it.

        check: is given the last output (n, …) of every lane when the clock has stopped, and raises where that is wrong; fill: whether each
        launch copies the batch into pinned memory, where it lies otherwise.
        """

        def timed(seconds: float) -> Slice:
            arrays = {} if self._batch is batch else {"batch": batch}
            self._batch = None  # until it is known to be there
            found = self._ask("lanes_time", arrays, seconds=seconds, fill=fill)
            self._batch = batch
            for output in found["outputs"]:
                check(output)
            self.enqueue_ms.append(float(np.median(found["enqueue_ms"])))
            return Slice(found["latencies_ms"], found.get("gpu_ms"))

        return timed

    def answers(self, images: np.ndarray) -> np.ndarray:
        """The output of images (n, …), in their order, through all lanes."""
        return self._ask("lanes_answers", {"images": images})["output"]

    def pipeline(self, images: np.ndarray, *, batch: int = 0, readers: int = 1, classes: bool = True, times: int = 1) -> Piped:
        """Images (n, …), so many times all of them, through a pipeline over the lanes in the worker (lib/serving/runs.py), which has them
        in its memory before and keeps them for the next one. batch: 0 for the lanes' own, the only one that is not copied once more.

        Raises as `answers` does.
        """
        told, found = self._with(images, "lanes_pipeline", ASK_S, {}, batch=batch, readers=readers, classes=classes, times=times)
        ran = Ran(answers=found["answers"], **{name: told[name] for name in Ran._fields[1:]})
        return Piped(ran, **{name: told[name] for name in Piped._fields[1:]})

    def scenario(
        self,
        kind: str,
        asked: Asked,
        seconds: float,
        *,
        batch: int = 0,
        rate: float = 0.0,
        serving: Serving = Serving(),  # noqa: B008
    ) -> Scene:
        """One run of a scenario of runs.KINDS over the lanes in the worker, its answers checked there. batch: of offline, 0 for the
        lanes' own; rate, serving: of server. lib/serving/load.py finds the highest rate by such runs.

        Raises NotMeasured where LoadGen is not installed there, WrongOutput, EngineError for what else went wrong, WorkerEnded.
        """
        if not self.worker.about.get("loadgen"):
            where = f"TensorRT {self.worker.tensorrt} {runs.KINDS.get(kind, kind)}"
            raise NotMeasured(Reason("not_installed", {"package": loadgen.PACKAGE}), where)
        how = {"kind": kind, "atol": asked.atol, "seconds": seconds, "batch": batch, "rate": rate} | serving._asdict()
        limit_s = ASK_S + LONGER * seconds
        told, _ = self._with(asked.inputs, "lanes_scenario", limit_s, {"expected": asked.expected}, **how)
        return Scene(Outcome(**{name: told[name] for name in Outcome._fields}), told["peak_bytes"])

    def _with(
        self, images: np.ndarray, what: str, limit_s: float, arrays: dict[str, np.ndarray], **more: Any
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Ask about images that the worker keeps; they are sent where it has others."""
        self._same_start()
        if self._kept is None or self._kept[0] is not images:
            self._forget()
            told, _ = self.worker.ask("keep", arrays={"images": images})
            self._kept = images, told["kept"]
        return self.worker.ask(what, limit_s, arrays, number=self.told["number"], images=self._kept[1], **more)

    def _forget(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            self.worker.ask("forget", kept=kept[1])

    def _same_start(self) -> None:
        if self.worker.starts != self._start:
            raise WorkerEnded(f"{self.worker.name}: ended, and was started again without these lanes")

    def _ask(self, what: str, arrays: dict[str, np.ndarray], **more: Any) -> dict[str, np.ndarray]:
        self._same_start()
        return self.worker.ask(what, arrays=arrays, number=self.told["number"], **more)[1]


def layer_times(worker: Worker, artifact: Artifact, batch: np.ndarray, repeats: int) -> list[tuple[inspect.EngineLayer, np.ndarray]]:
    """The layers of an engine of `build`, in its order, and the ms of each in every one of `repeats` runs of a batch (n, …), by TensorRT's
    profiler, which adds to each; opened and closed for that. What numbered ones do stands in their metadata.

    Raises as Held.open does.
    """
    told, _ = worker.ask("open", arrays={"plan": plan(worker, artifact)})
    try:
        known = {layer[0]: inspect.EngineLayer(*layer) for layer in told["layers"]}
        said, found = worker.ask("layer_times", arrays={"batch": batch}, engine=told["engine"], repeats=repeats)
    finally:
        with suppress(ReportError):
            worker.ask("close", engine=told["engine"])
    layers = [known.get(name, inspect.EngineLayer(name, "", "", "")) for name in said["names"]]
    return list(zip(layers, found["times_ms"].T, strict=True))


def _place(worker: Worker) -> dict[str, Any]:
    return stored.place(worker.about["flavour"], worker.tensorrt, worker.about["gpu"] or {})
