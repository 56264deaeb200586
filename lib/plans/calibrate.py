"""INT8 calibration by TensorRT itself (8.5 to 10): caches bound to what they are of.

A calibration cache holds one scale a tensor, by name. Nothing in it tells which model and images it came from, so
it is stored with both, with the TensorRT version and the tensor names, and refused for any other.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from lib import export
from lib.errors import NotMeasured
from lib.experiment.precision import PRECISIONS
from lib.plans import bound, timings
from lib.session import Session
from lib.store import files
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.trt import versions
from lib.trt.build import calibrated
from lib.trt.calibrators import scales

KIND, VERSION, CACHE = "calibration", 1, "calibration.cache"


class Calibration(NamedTuple):
    """How INT8 ranges are found. method: key of CALIBRATORS; images: how many training images are read."""

    method: str
    images: int


def default(session: Session, precision: str = "int8") -> Calibration:
    """The calibration of an implicit precision's engines: whole batches of `engines.calibration_images`, as far as there are so many."""
    settings = session.profile.engines
    batches = min(settings.calibration_images, session.calibration_count) // settings.calibration_batch
    return Calibration(PRECISIONS[precision].calibrator, batches * settings.calibration_batch)


def cache(session: Session, onnx: Path, calibration: Calibration) -> Artifact:
    """The calibration cache of an ONNX, calibrated now unless it is stored.

    Payload: `calibration.cache`, as TensorRT writes it. info: tensors (names that have a scale), batches, seconds. Calibrating builds an
    INT8 engine, which is thrown away: TensorRT has no call that only calibrates. Raises EngineError where it fails, NotMeasured where there
    are fewer images than one batch, of which it would find no ranges.
    """
    enough(session)
    inputs = identity(session, onnx, calibration)
    return session.store.get_or_build(KIND, inputs, lambda folder: _write(session, onnx, calibration, folder))


def enough(session: Session) -> None:
    """Raise NotMeasured where there are fewer images than one batch."""
    there, batch = session.calibration_count, session.profile.engines.calibration_batch
    if there < batch:
        raise NotMeasured(Reason("few_calibration_images", {"there": there, "batch": batch}) if there else Reason("no_calibration_images"))


def identity(session: Session, onnx: Path, calibration: Calibration, tensorrt: str = "") -> dict[str, Any]:
    """Everything that a cache depends on: model, images, calibrator and TensorRT version ("" for the one of this environment)."""
    profile = session.profile
    return {
        "tensorrt": tensorrt or versions.version(),
        "method": calibration.method,
        "onnx_sha256": files.sha256(onnx),
        "images": calibration.images,
        "batch": profile.engines.calibration_batch,
        **session.calibration_source,
        "version": VERSION,
    }


def load_cache(folder: Path, expected: dict[str, Any], tensors: set[str]) -> bytes:
    """The bytes of a stored cache, checked against `identity` and against the tensors of the network it is for.

    Raises ArtifactError, one line that names what differs and how to calibrate again.
    """
    data = bound.read(folder, KIND, CACHE, expected)
    alien = sorted(set(scales(data)) - tensors)
    if alien:
        raise bound.refused(folder / "payload" / CACHE, f"holds a scale for '{alien[0]}', which is no tensor of this network")
    return data


def _write(session: Session, onnx: Path, calibration: Calibration, folder: Path) -> dict[str, Any]:
    images, stored = export.calibration_images(session, calibration.images), timings.path(session)
    started, known = time.perf_counter(), timings.read(stored)
    written, batches, built = calibrated(onnx, calibration.method, images, session.profile.engines, known)
    timings.keep(stored, known, built)
    (folder / CACHE).write_bytes(written)
    return {"tensors": sorted(scales(written)), "batches": batches, "seconds": round(time.perf_counter() - started, 3)}
