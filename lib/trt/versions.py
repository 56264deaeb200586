"""Which TensorRT this is and what it can do, found by feature, never by its version number."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from types import ModuleType

from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.precision import PRECISIONS

# The wheel of bindings alone is imported under a name of its own.
MODULES = {"tensorrt": ("tensorrt",), "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
NAMES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
NOT_INSTALLED = "TensorRT is not installed"


class EngineError(ReportError):
    """TensorRT does not take a network or does not build it: the text carries what TensorRT said."""


@dataclass(frozen=True)
class Feature:
    """One thing that some versions of TensorRT can do. path: where the API has it. Page 03 says what it is and which versions do."""

    key: str
    path: str

    def here(self, trt: ModuleType) -> bool:
        """Whether this TensorRT has it."""
        try:
            attrgetter(self.path)(trt)
        except AttributeError:
            return False
        return True


CARRIED = ("FP16", "BF16", "INT8", "FP8", "INT4", "FP4")  # flags that ask for a type

FEATURES: tuple[Feature, ...] = (
    Feature("named_tensors", "ICudaEngine.num_io_tensors"),
    Feature("execute_v3", "IExecutionContext.execute_async_v3"),
    Feature("bindings", "ICudaEngine.num_bindings"),
    Feature("execute_v2", "IExecutionContext.execute_async_v2"),
    Feature("serialized", "Builder.build_serialized_network"),
    Feature("pools", "IBuilderConfig.set_memory_pool_limit"),
    Feature("tf32_flag", "BuilderFlag.TF32"),
    Feature("fp16_flag", "BuilderFlag.FP16"),
    Feature("int8_flag", "BuilderFlag.INT8"),
    Feature("calibrator", "IInt8EntropyCalibrator2"),
    Feature("strongly_typed", "NetworkDefinitionCreationFlag.STRONGLY_TYPED"),
    Feature("timing_cache", "ITimingCache"),
    Feature("inspector", "EngineInspector"),
    Feature("cpu_build", "IBuilderConfig.set_compute_capability"),
)


@cache
def flavour() -> str | None:
    """Which TensorRT engines are built with here: "tensorrt" where there is a GPU, which it needs to build, "tensorrt_rtx", or None."""
    order = ("tensorrt", "tensorrt_rtx") if system.gpus() else ("tensorrt_rtx",)
    return next((name for name in order if _import(name) is not None), None)


def module() -> ModuleType:
    """The imported TensorRT of `flavour()`. Raises EngineError where there is none."""
    found = _import(flavour() or "")
    if found is None:
        raise EngineError(f"{NOT_INSTALLED}; install the project's requirements, or tensorrt where there is an NVIDIA GPU")
    return found


def version() -> str:
    """Its version, for example "8.5.3.1", or "" where none is installed."""
    return module().__version__ if flavour() else ""


def name() -> str:
    """ "TensorRT" or "TensorRT for RTX", or "" where none is installed."""
    return NAMES.get(flavour() or "", "")


def typed(trt: ModuleType) -> bool:
    """Whether precision comes from the types in the ONNX because the builder flags for it are gone (11, TensorRT for RTX).

    Deprecated in TensorRT 10.12 (release notes, "weak typing"); where the flags are gone nothing but the network's types asks for FP16.
    """
    return not hasattr(trt.BuilderFlag, "FP16")


def lacking(precision: str, trt: ModuleType) -> tuple[str, dict[str, str]] | None:
    """Why this TensorRT cannot build an engine of this precision (a key of reasons and its values), or None if it can be tried.

    A missing flag is a reason, never skipped: skipping it would give an FP32 engine under another name.
    """
    row = PRECISIONS[precision]
    if row.calibrator and not hasattr(trt, "IInt8EntropyCalibrator2"):
        return "no_calibrator", {}
    carried = CARRIED if typed(trt) else ()  # by the types in the ONNX
    missing = [flag for flag in row.trt_flags if not flag.startswith("!") and flag not in carried and not hasattr(trt.BuilderFlag, flag)]
    return ("no_builder_flag", {"flag": missing[0]}) if missing else None


def _import(name: str) -> ModuleType | None:
    for candidate in MODULES.get(name, ()):
        try:
            return importlib.import_module(candidate)
        except (ImportError, OSError):  # not installed, or its libraries do not load
            continue
    return None
