"""INT8 calibration by TensorRT itself (8.5 to 10): calibrators over training images, and caches bound to what they are of.

A calibration cache holds one scale a tensor, by name. Nothing in it tells which model and images it came from, so
it is stored with both, with the TensorRT version and the tensor names, and refused for any other.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from lib import cuda, export
from lib.errors import NotMeasured
from lib.experiment.precision import PRECISIONS
from lib.session import Session
from lib.store import files
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.trt import bound, build, timing_cache, versions
from lib.trt.versions import EngineError

KIND, VERSION, CACHE = "calibration", 1, "calibration.cache"
CALIBRATORS = {"entropy": "IInt8EntropyCalibrator2", "minmax": "IInt8MinMaxCalibrator"}


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
    there, batch = session.calibration_count, session.profile.engines.calibration_batch
    if there < batch:
        raise NotMeasured(Reason("few_calibration_images", {"there": there, "batch": batch}) if there else Reason("no_calibration_images"))
    inputs = identity(session, onnx, calibration)
    return session.store.get_or_build(KIND, inputs, lambda folder: _write(session, onnx, calibration, folder))


def identity(session: Session, onnx: Path, calibration: Calibration) -> dict[str, Any]:
    """Everything that a cache depends on: model, images, calibrator and TensorRT version."""
    profile = session.profile
    return {
        "tensorrt": versions.version(),
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


def scales(data: bytes) -> dict[str, float]:
    """Tensor -> scale (activation of one INT8 step) of a calibration cache.

    Its lines are "name: hex of a big-endian float32", after one that names TensorRT and the calibrator. EngineError for anything else.
    """
    lines = data.decode("utf-8", errors="replace").splitlines()
    found = {}
    for number, line in enumerate(lines[1:], 2):
        name, _, value = line.rpartition(":")
        if not line.strip():
            continue
        try:
            found[name] = float(np.frombuffer(bytes.fromhex(value.strip()), ">f4", count=1)[0])
        except ValueError:
            raise EngineError(f"calibration cache, line {number}: not 'tensor: scale'; calibrate again") from None
        if not (np.isfinite(found[name]) and found[name] > 0) or len(value.strip()) != 8:
            raise EngineError(f"calibration cache, line {number}: the scale of '{name}' is {found[name]}; calibrate again")
    if not found:
        raise EngineError("calibration cache: holds no scales; calibrate again")
    return found


def reader(trt: ModuleType, method: str, data: bytes) -> Any:
    """A calibrator that knows everything from a cache and reads no image."""
    return _calibrator(trt, method, 1, [], data)


def collector(trt: ModuleType, method: str, images: np.ndarray, batch: int) -> Any:
    """A calibrator that reads `images`, model inputs (n, …), `batch` at a time; a short last batch is left out.

    After the build `finish()` returns the cache. Raises EngineError where TensorRT did not read every batch or wrote none, and for fewer
    images than one batch, of which it would find no ranges.
    """
    full = len(images) // batch
    if not full:
        raise EngineError(f"calibration: {len(images)} images, one batch has {batch}; give more images")
    return _calibrator(trt, method, batch, np.split(images[: full * batch], full), None)


def _write(session: Session, onnx: Path, calibration: Calibration, folder: Path) -> dict[str, Any]:
    trt, settings = versions.module(), session.profile.engines
    images = export.calibration_images(session, calibration.images)
    made = collector(trt, calibration.method, images, settings.calibration_batch)
    started = time.perf_counter()
    try:
        build.build(onnx, "int8", settings, calibrator=lambda _: made, timings=timing_cache.path(session))
        written = made.finish()
    except EngineError:
        made.raise_own()  # the cause, where a callback failed: TensorRT then only says that it has no ranges
        raise
    finally:
        made.close()
    (folder / CACHE).write_bytes(written)
    return {"tensors": sorted(scales(written)), "batches": made.read, "seconds": round(time.perf_counter() - started, 3)}


def _calibrator(trt: ModuleType, method: str, batch: int, batches: list[np.ndarray], data: bytes | None) -> Any:
    """Needs feature "calibrator". What its methods raise would only be printed by TensorRT, so it is kept and raised by `finish`."""
    base = getattr(trt, CALIBRATORS[method])

    class Calibrator(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            base.__init__(self)
            self.read, self.written = 0, b""
            self._device: Any = None
            self._error: Exception | None = None

        def get_batch_size(self) -> int:
            return batch

        def get_batch(self, names: list[str]) -> list[int] | None:
            if self.read == len(batches):
                return None
            try:
                return [self._upload(batches[self.read])]
            except Exception as error:
                self._error = error
                return None

        def _upload(self, images: np.ndarray) -> int:
            if self._device is None:
                self._device, self._stream = cuda.DeviceMemory(images.nbytes), cuda.Stream()
                self._host = cuda.pinned(images.shape, images.dtype)
            np.copyto(self._host, images)
            self._stream.upload(self._host, self._device)
            self._stream.synchronize()
            self.read += 1
            return self._device.address

        def read_calibration_cache(self) -> bytes | None:
            return data

        def write_calibration_cache(self, cache: Any) -> None:
            self.written = bytes(cache)

        def raise_own(self) -> None:
            if self._error is not None:
                raise EngineError(f"calibration failed at batch {self.read + 1} of {len(batches)}: {self._error}")

        def finish(self) -> bytes:
            self.raise_own()
            if self.read != len(batches) or not self.written:
                raise EngineError(f"calibration: TensorRT read {self.read} of {len(batches)} batches; calibrate again")
            return self.written

        def close(self) -> None:
            if self._device is not None:
                self._device.close()

    return Calibrator()
