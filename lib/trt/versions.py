"""Which TensorRT this is and what it can do, found by feature, never by its version number."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from lib import cuda
from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.store.records import Reason
from lib.text import Text

MODULES = {  # the wheel of bindings alone is imported under a name of its own
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
NAMES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
NOT_INSTALLED = Reason("not_installed", {"package": "TensorRT"})


class EngineError(ReportError):
    """TensorRT does not take a network or does not build it: the text carries what TensorRT said."""


@dataclass(frozen=True)
class Feature:
    """One thing that some versions of TensorRT can do. path: where the API has it; since: which versions of TensorRT do."""

    key: str
    label: Text
    path: str
    since: Text

    def here(self, trt: ModuleType) -> bool:
        """Whether this TensorRT has it."""
        found: object = trt
        for name in self.path.split("."):
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True


CARRIED = ("FP16", "BF16", "INT8", "FP8", "INT4", "FP4")  # flags that ask for a type

ALL, LEGACY = Text("8.5 to 11", "8.5〜11"), Text("8.x only", "8.xのみ")
WEAK, TYPED = Text("8.5 to 10.16", "8.5〜10.16"), Text("10 and later", "10以降")
RTX = Text("TensorRT for RTX", "TensorRT for RTX")

FEATURES: tuple[Feature, ...] = (
    Feature("named_tensors", Text("named tensors", "名前付きテンソル"), "ICudaEngine.num_io_tensors", ALL),
    Feature("execute_v3", Text("execution by tensor name", "テンソル名による実行"), "IExecutionContext.execute_async_v3", ALL),
    Feature("bindings", Text("binding calls", "バインディング呼び出し"), "ICudaEngine.num_bindings", LEGACY),
    Feature("execute_v2", Text("execution by bindings", "バインディングによる非同期実行"), "IExecutionContext.execute_async_v2", LEGACY),
    Feature("serialized", Text("building straight to a plan", "プランの直接構築"), "Builder.build_serialized_network", ALL),
    Feature("pools", Text("memory pool limits", "メモリプールの上限"), "IBuilderConfig.set_memory_pool_limit", ALL),
    Feature("tf32_flag", Text("TF32 flag", "TF32フラグ"), "BuilderFlag.TF32", ALL),
    Feature("fp16_flag", Text("FP16 flag (weak typing)", "FP16フラグ（弱い型付け）"), "BuilderFlag.FP16", WEAK),
    Feature("int8_flag", Text("INT8 flag (weak typing)", "INT8フラグ（弱い型付け）"), "BuilderFlag.INT8", WEAK),
    Feature("calibrator", Text("INT8 calibrators", "INT8キャリブレーター"), "IInt8EntropyCalibrator2", WEAK),
    Feature("strongly_typed", Text("strongly typed networks", "強い型付け"), "NetworkDefinitionCreationFlag.STRONGLY_TYPED", TYPED),
    Feature("timing_cache", Text("timing cache", "タイミングキャッシュ"), "ITimingCache", ALL),
    Feature("inspector", Text("engine inspector", "エンジンインスペクター"), "EngineInspector", ALL),
    Feature("cpu_build", Text("building with no GPU", "GPUなしでの構築"), "IBuilderConfig.set_compute_capability", RTX),
)


@cache
def flavour() -> str | None:
    """Which TensorRT engines are built with here: "tensorrt" (needs a GPU to build), "tensorrt_rtx", or None.

    TensorRT comes first where there is a GPU; without one only TensorRT for RTX can build.
    """
    order = ("tensorrt", "tensorrt_rtx") if system.gpus() else ("tensorrt_rtx",)
    return next((name for name in order if _import(name) is not None), None)


def module() -> ModuleType:
    """The imported TensorRT of `flavour()`. Raises EngineError where there is none."""
    found = _import(flavour() or "")
    if found is None:
        raise EngineError(f"{NOT_INSTALLED.text.en}; install the project's requirements, or tensorrt where there is an NVIDIA GPU")
    return found


def version() -> str:
    """Its version, for example "8.5.3.1", or "" where none is installed."""
    return module().__version__ if flavour() else ""


def name() -> str:
    """ "TensorRT" or "TensorRT for RTX", or "" where none is installed."""
    return NAMES.get(flavour() or "", "")


def unavailable() -> Reason | None:
    """Why engines cannot be run on this system, or None."""
    if not system.gpus():
        return Reason("no_gpu")
    if not flavour():
        return NOT_INSTALLED
    return None if cuda.installed() else Reason("not_installed", {"package": "pycuda"})


def typed(trt: ModuleType) -> bool:
    """Whether precision comes from the types in the ONNX because the builder flags for it are gone (11, TensorRT for RTX).

    Deprecated in TensorRT 10.12 (release notes, "weak typing"); where the flags are gone nothing but the network's types asks for FP16.
    """
    return not hasattr(trt.BuilderFlag, "FP16")


def onnx_variant(precision: str, trt: ModuleType | None = None) -> str:
    """Which exported ONNX (of lib.export.ONNX_VARIANTS) an engine of this precision is built from.

    Weakly typed builders lower FP32 networks themselves; explicit quantization always comes from the Q/DQ ONNX.
    """
    row = PRECISIONS[precision]
    return (row.trt_typed_onnx if typed(trt or module()) else "") or row.trt_onnx


def not_buildable(precision: str, trt: ModuleType | None = None) -> Reason | None:
    """Why this TensorRT cannot build an engine of this precision, or None if it can be tried.

    A missing flag is a reason, never skipped: skipping it would give an FP32 engine under another name.
    """
    if trt is None:
        if flavour() is None:
            return NOT_INSTALLED
        trt = module()
    row = PRECISIONS[precision]
    if row.calibrator and not hasattr(trt, "IInt8EntropyCalibrator2"):
        return Reason("no_calibrator")
    carried = () if not typed(trt) else CARRIED  # by the types in the ONNX
    missing = [flag for flag in row.trt_flags if not flag.startswith("!") and flag not in carried and not hasattr(trt.BuilderFlag, flag)]
    return Reason("no_builder_flag", {"flag": missing[0]}) if missing else None


def _import(name: str) -> ModuleType | None:
    for candidate in MODULES.get(name, ()):
        try:
            return importlib.import_module(candidate)
        except (ImportError, OSError):  # not installed, or its libraries do not load
            continue
    return None
