"""What the TensorRT of this environment can build and run, or the reasons why not."""

from __future__ import annotations

from types import ModuleType

from lib import cuda
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.store.records import Reason
from lib.trt import versions

NOT_INSTALLED = Reason("not_installed", {"package": "TensorRT"})


def unavailable() -> Reason | None:
    """Why engines cannot be run on this system, or None."""
    if not system.gpus():
        return Reason("no_gpu")
    if not versions.flavour():
        return NOT_INSTALLED
    return None if cuda.installed() else Reason("not_installed", {"package": "pycuda"})


def not_buildable(precision: str, trt: ModuleType | None = None) -> Reason | None:
    """Why this TensorRT cannot build an engine of this precision, or None if it can be tried. See versions.lacking."""
    if trt is None and versions.flavour() is None:
        return NOT_INSTALLED
    lacks = versions.lacking(precision, trt or versions.module())
    return Reason(*lacks) if lacks else None


def onnx_variant(precision: str, typed: bool | None = None) -> str:
    """Which exported ONNX (of lib.export.ONNX_VARIANTS) an engine of this precision is built from.

    typed: whether the types in it decide (None: as the TensorRT of this environment does). Weakly typed builders lower FP32 networks
    themselves; explicit quantization always comes from the Q/DQ ONNX.
    """
    row = PRECISIONS[precision]
    return (row.trt_typed_onnx if (versions.typed(versions.module()) if typed is None else typed) else "") or row.trt_onnx
