"""Engines that can be trusted: stored with everything they depend on, refused where anything of it differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lib import export
from lib.errors import NotMeasured
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.experiment.profile import Engines
from lib.plans import available, bound, calibrate, timings
from lib.plans.calibrate import Calibration
from lib.session import Session
from lib.store import artifacts, files
from lib.store.artifacts import Artifact
from lib.trt import calibrators, inspect, versions
from lib.trt.build import build
from lib.trt.execution import Execution
from lib.trt.versions import EngineError

KIND, VERSION = "engine", 3  # of this builder; a change makes stored engines stale
PLAN, LOG, ENGINE_LAYERS = "model.plan", "build.log", "engine_layers.json"
RTX_TARGETS = "default (8.0, 8.6, 8.9, 12.0 and later)"  # TensorRT for RTX documentation, "CPU-Only AOT and TensorRT-RTX Engines"


def engine(session: Session, precision: str, calibration: Calibration | None = None) -> Artifact:
    """The engine of one precision of this session's model, built now unless it is stored.

    calibration: of an implicitly quantized precision, the profile's own where none is given; others ignore it.
    Payload: `model.plan`, `build.log`, `layers.json` (inspect.NetworkLayer of the parsed network) and, where there is a GPU,
    `engine_layers.json` (inspect.EngineLayer of the finished engine). info: build_s (seconds of each build), calibration_s (or None),
    timing_cache (whether one was there), product_types, engine_types (None without a GPU), weights_bytes (or None), onnx (variant),
    system_id. Raises NotMeasured with the reason where this TensorRT cannot build it, EngineError for what TensorRT refuses and for an
    engine that does not run in the precision that was asked for.
    """
    if reason := available.not_buildable(precision):
        raise NotMeasured(reason, f"tensorrt {precision}")
    onnx, cache = source(session, precision, calibration)
    inputs = identity(onnx, precision, session.profile.engines, cache)
    return session.store.get_or_build(KIND, inputs, lambda folder: _write(session, folder, onnx, precision, cache))


def source(session: Session, precision: str, calibration: Calibration | None = None) -> tuple[Path, Artifact | None]:
    """What an engine is built from, made now unless stored: the exported ONNX and, where TensorRT calibrates, its calibration cache."""
    onnx = _onnx(session, precision)
    if not PRECISIONS[precision].calibrator:
        return onnx, None
    return onnx, calibrate.cache(session, onnx, calibration or calibrate.default(session, precision))


def _onnx(session: Session, precision: str) -> Path:
    return export.onnx(session, available.onnx_variant(precision)).file(export.ONNX_FILE)


def place(flavour: str | None, tensorrt: str, gpu: dict[str, str]) -> dict[str, Any]:
    """Where a plan is built and good for: TensorRT and GPU (of `system.gpus`, {} for none).

    TensorRT for RTX, whose plans are made for many GPUs and finished on the one that loads them, has no `gpu` and names its targets.
    """
    rtx = flavour == "tensorrt_rtx"
    return {
        "flavour": flavour,
        "tensorrt": tensorrt,
        "gpu": "" if rtx else gpu.get("name", ""),
        "compute_capability": RTX_TARGETS if rtx else gpu.get("compute_cap", ""),
    }


def here() -> dict[str, Any]:
    """The `place` of this environment."""
    return place(versions.flavour(), versions.version(), next(iter(system.gpus()), {}))


def identity(
    onnx: Path, precision: str, settings: Engines, cache: Artifact | None = None, at: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Everything a plan depends on: the ONNX's hash, precision, calibration cache, profile shapes, workspace, TensorRT and GPU.

    at: the `place`, `here` where none is given.
    """
    return (at or here()) | {  # in the order in which they are compared: another TensorRT or GPU explains all that follows
        "onnx_sha256": files.sha256(onnx),
        "precision": precision,
        "flags": list(PRECISIONS[precision].trt_flags),
        "calibration": cache.sha256 if cache else "",
        "profile": [settings.min_batch, settings.opt_batch, settings.max_batch],
        "workspace_mib": settings.workspace_mib,
        "version": VERSION,
    }


def trusted(session: Session, precision: str, artifact: Artifact) -> bytes:
    """The plan of an engine, if it is one of this session's model at `precision`, for here, with any calibration. See bound.read."""
    expected = identity(_onnx(session, precision), precision, session.profile.engines) | {"calibration": artifact.inputs.get("calibration")}
    return bound.read(artifact.path.parent, KIND, PLAN, expected)


def plan_sha256(artifact: Artifact) -> str:
    """The hash of an engine's plan alone: artifacts of one and the same plan differ where only their logs do."""
    return artifacts.read_manifest(artifact.path.parent)["files"][PLAN]


def reader(session: Session, onnx: Path, cache: Artifact | None) -> Callable[[set[str]], Any] | None:
    """What makes the calibrator that only reads `cache`, once the tensors of the network are known; None for no cache."""
    if cache is None:
        return None
    calibration = Calibration(cache.inputs["method"], cache.inputs["images"])
    expected = calibrate.identity(session, onnx, calibration)
    folder = cache.path.parent
    return lambda tensors: calibrators.reader(versions.module(), calibration.method, calibrate.load_cache(folder, expected, tensors))


def _write(session: Session, folder: Path, onnx: Path, precision: str, cache: Artifact | None) -> dict[str, Any]:
    stored = timings.path(session)
    known = timings.read(stored)
    built = build(onnx, precision, session.profile.engines, calibrator=reader(session, onnx, cache), timings=known)
    timings.keep(stored, known, built)
    finished = _finished(built.plan)
    if finished is not None and (wrong := inspect.other_than_asked(precision, inspect.product_types(finished))):
        raise EngineError(f"{onnx}: {wrong}")
    (folder / PLAN).write_bytes(built.plan)
    (folder / LOG).write_text("\n".join(built.log) + "\n", encoding="utf-8")
    write_layers(folder / "layers.json", built.layers)
    if finished is not None:
        write_layers(folder / ENGINE_LAYERS, finished)
    return {
        "build_s": built.build_s,
        "calibration_s": cache.info.get("seconds") if cache else None,
        "timing_cache": built.timing_cache,
        "product_types": inspect.product_types(built.layers),
        "engine_types": None if finished is None else inspect.product_types(finished),
        "weights_bytes": inspect.weights_bytes(built.log),
        "onnx": available.onnx_variant(precision),
        "system_id": system.system_id(),
    }


def _finished(plan: bytes) -> list[inspect.EngineLayer] | None:
    """The layers of the finished engine, None where no engine can be opened here."""
    if available.unavailable():
        return None
    with Execution(plan) as opened:
        return opened.layers()


def write_layers(path: Path, layers: Iterable[Any]) -> None:
    """Keep layers (of inspect) as JSON."""
    path.write_text(json.dumps([vars(layer) for layer in layers], indent=0), encoding="utf-8")
