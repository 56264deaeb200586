"""Engines built several times by the TensorRT of a worker: one artifact a build, so that going on builds none twice.

Two builds of one version can differ more than two versions do, because the builder times kernels and takes the fastest. So a
comparison of versions needs several builds of each, every one with a timing cache of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib import export
from lib.errors import NotMeasured, ReportError
from lib.experiment.precision import PRECISIONS
from lib.experiment.profile import Engines
from lib.models import onnx_graph
from lib.plans import available, bound, calibrate, stored
from lib.plans.remote import BUILD_S, Worker
from lib.plans.stored import LOG, PLAN
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.trt import calibrators, inspect
from lib.trt.versions import EngineError

KIND, LAYERS, TIMINGS = "engine_build", "engine_layers.json", "timing.cache"
# Other ways to make an engine of a precision than the usual one
TIMING_CACHE, SHARED_SCALES, STRONGLY_TYPED = "timing_cache", "shared_scales", "strongly_typed"


class Recipe(NamedTuple):
    """What is built. variant: "", TIMING_CACHE (again from what build 1 learnt), SHARED_SCALES (the calibration of another version),
    STRONGLY_TYPED (FP16 by the types in the ONNX); build: its number, from 1."""

    precision: str
    variant: str
    build: int

    @property
    def case(self) -> dict[str, Any]:
        """As records name it, beside the version."""
        return {"build": self.build} | ({"variant": self.variant} if self.variant else {})


def not_buildable(worker: Worker, precision: str, variant: str = "") -> Reason | None:
    """Why the TensorRT of a worker cannot build this, or None if it can be tried."""
    if lacks := worker.about["lacking"].get(precision):
        return Reason(*lacks)
    if variant == STRONGLY_TYPED and not worker.about["strongly_typed"]:
        return Reason("no_strong_types")
    return None


def build(session: Session, worker: Worker, recipe: Recipe, scales: Worker | None = None) -> Artifact:
    """One build of this session's model by a worker, made now unless it is stored. scales: whose calibration SHARED_SCALES takes.

    Payload: `model.plan`, `build.log`, `timing.cache` (what it learnt), `engine_layers.json` (inspect.EngineLayer of the finished
    engine). info: build_s, timing_cache (whether one was given and used), weights_bytes (or None), asked and types (of the products, in
    the parsed network and in the finished engine), no_layers (why the finished engine was not opened, "" where it was or where there
    is no GPU). Raises NotMeasured with the reason where this TensorRT cannot build it, EngineError for what it refuses, WorkerEnded where
    it ends.
    """
    if reason := not_buildable(worker, recipe.precision, recipe.variant):
        raise NotMeasured(reason, f"TensorRT {worker.tensorrt} {recipe.precision}")
    onnx, cache = _onnx(session, worker, recipe), None
    if PRECISIONS[recipe.precision].calibrator:
        cache = calibration(session, worker, onnx, scales if recipe.variant == SHARED_SCALES else None)
    inputs, first = identity(worker, onnx, recipe, session.profile.engines, cache), None
    if recipe.variant == TIMING_CACHE:
        first = build(session, worker, recipe._replace(variant="", build=1))
        inputs |= {"timings_of": first.sha256}
    given = {"onnx": onnx, "calibration": cache and cache.file(calibrate.CACHE), "timings": first and first.file(TIMINGS)}
    return session.store.get_or_build(KIND, inputs, lambda folder: _write(session, worker, recipe, given, folder))


def calibration(session: Session, worker: Worker, onnx: Path, other: Worker | None = None) -> Artifact:
    """The INT8 calibration cache of an ONNX by a worker, made now unless it is stored; other: with the scales that this worker found.

    Raises as calibrate.cache does, and WorkerEnded.
    """
    method, count = calibrate.default(session)
    calibrate.enough(session)
    own = calibrate.identity(session, onnx, calibrate.Calibration(method, count), worker.tensorrt)
    inputs = own | ({"scales_of": other.tensorrt} if other is not None else {})

    def write(folder: Path) -> dict[str, Any]:
        if other is not None:
            theirs, ours = (calibration(session, one, onnx).file(calibrate.CACHE).read_bytes() for one in (other, worker))
            (folder / calibrate.CACHE).write_bytes(calibrators.as_of(theirs, ours, onnx_graph.tensor_names(onnx)))
            return {"seconds": 0.0}
        given: dict[str, np.ndarray | bytes] = {"onnx": onnx.read_bytes(), "images": export.calibration_images(session, count)}
        told, made = worker.ask("calibrate", BUILD_S, given, method=method, settings=_settings(session.profile.engines))
        (folder / calibrate.CACHE).write_bytes(made["cache"].tobytes())
        return told | {"tensors": sorted(calibrators.scales(made["cache"].tobytes()))}  # as of calibrate.cache, which finds it too

    return session.store.get_or_build(calibrate.KIND, inputs, write)


def identity(worker: Worker, onnx: Path, recipe: Recipe, settings: Engines, cache: Artifact | None) -> dict[str, Any]:
    """Everything that a build depends on, and which of several it is. See stored.identity."""
    return stored.identity(onnx, recipe.precision, settings, cache, _place(worker)) | {"variant": recipe.variant, "build": recipe.build}


def _place(worker: Worker) -> dict[str, Any]:
    return stored.place(worker.about["flavour"], worker.tensorrt, worker.about["gpu"] or {})


def plan(worker: Worker, artifact: Artifact) -> bytes:
    """The plan of a build, if it is of the TensorRT and GPU of this worker and whole. Raises ArtifactError, one line (bound.read)."""
    here = _place(worker)
    return bound.read(artifact.path.parent, KIND, PLAN, artifact.inputs | {field: here[field] for field in ("tensorrt", "gpu")})


def layers(artifact: Artifact) -> list[inspect.EngineLayer]:
    """The layers of a build's finished engine."""
    return [inspect.EngineLayer(**one) for one in json.loads(artifact.file(LAYERS).read_text(encoding="utf-8"))]


def _onnx(session: Session, worker: Worker, recipe: Recipe) -> Path:
    typed = worker.about["typed"] or recipe.variant == STRONGLY_TYPED
    return export.onnx(session, available.onnx_variant(recipe.precision, typed)).file(export.ONNX_FILE)


def _settings(settings: Engines) -> dict[str, int]:
    return {name: getattr(settings, name) for name in ("min_batch", "opt_batch", "max_batch", "workspace_mib", "calibration_batch")}


def _write(session: Session, worker: Worker, recipe: Recipe, files: dict[str, Path | None], folder: Path) -> dict[str, Any]:
    """files: what is sent to the worker, by its name there."""
    given = {name: path.read_bytes() for name, path in files.items() if path is not None}
    how = {"strongly_typed": recipe.variant == STRONGLY_TYPED, "method": PRECISIONS[recipe.precision].calibrator}
    told, made = worker.ask("build", BUILD_S, given, precision=recipe.precision, settings=_settings(session.profile.engines), **how)
    if recipe.variant == TIMING_CACHE and not told["timing_cache"]:
        raise EngineError(f"TensorRT {worker.tensorrt} did not take the timing cache of build 1, so this is no build from it")
    found, no_layers = _layers(worker, made["plan"])
    (folder / PLAN).write_bytes(made["plan"].tobytes())
    (folder / LOG).write_bytes(made["log"].tobytes() + b"\n")
    (folder / TIMINGS).write_bytes(made["timings"].tobytes())
    stored.write_layers(folder / LAYERS, found)
    return told | {"types": inspect.product_types(found), "no_layers": no_layers}


def _layers(worker: Worker, plan: np.ndarray) -> tuple[list[inspect.EngineLayer], str]:
    """The layers of a finished engine, none without a GPU; and none, with the reason, where it was not opened: what took minutes to build
    is kept all the same."""
    if not worker.about["gpu"]:
        return [], ""
    try:
        told, _ = worker.ask("open", arrays={"plan": plan})
        worker.ask("close", engine=told["engine"])
    except ReportError as error:
        return [], str(error)
    return [inspect.EngineLayer(*one) for one in told["layers"]], ""
