"""TensorRT's own INT8 calibrators (8.5 to 10): over images, or over a cache that is known already; and what a cache holds."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from lib import cuda
from lib.trt.versions import EngineError

CALIBRATORS = {"entropy": "IInt8EntropyCalibrator2", "minmax": "IInt8MinMaxCalibrator"}


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


def as_of(data: bytes, own: bytes, tensors: set[str]) -> bytes:
    """A cache with the scales of `data` that the TensorRT which wrote the cache `own` takes for its own; for comparing versions alone.

    The first line names version and calibrator, and any other version refuses it. tensors: names that the network itself gives, the same
    in every version; raises EngineError where `own` has a scale for one that `data` has none for: these are not the same scales. Names of a
    parser's own making (of constants, broadcasts and what it puts around a softmax) differ; these keep the scale of `own`.
    """
    mine = scales(own).keys() - scales(data).keys()
    if lacking := sorted(mine & tensors):
        missing = f"'{lacking[0]}' ({len(lacking)} are missing)"
        raise EngineError(f"the other version has no scale for {missing}: these are not the same scales")
    head, *lines = own.splitlines(keepends=True)
    kept = [line for line in lines if line.decode("utf-8", errors="replace").rpartition(":")[0] in mine]
    theirs = data.split(b"\n", 1)[1]
    return b"".join([head, theirs, b"" if theirs.endswith(b"\n") else b"\n", *kept])


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
