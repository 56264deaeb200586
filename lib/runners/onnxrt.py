"""ONNX Runtime on the CPU and, where there is one, on an NVIDIA GPU."""

from __future__ import annotations

import platform
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lib import export, onnx_session
from lib.experiment import system
from lib.experiment.candidate import PLAIN, Way
from lib.experiment.precision import PRECISIONS
from lib.runners.base import Runner, as_float, check_batch
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text

DEFAULT = Way(api="default_int8")  # as ONNX Runtime computes INT8 where nobody asks for precision
VNNI = {"avx512_vnni", "avx_vnni", "amx_int8"}  # any of them sums INT8 products without saturation


def saturates() -> bool:
    """Whether ONNX Runtime's default INT8 arithmetic saturates on this processor (x86 without VNNI)."""
    return platform.machine().lower() in ("x86_64", "amd64") and not VNNI & set(system.describe()["cpu_features"])


class OnnxRuntime(Runner):
    """An exported ONNX through onnxruntime.InferenceSession, CPUExecutionProvider, onnx_session.threads() threads.

    INT8 is computed in precise mode, so that what is timed is what is judged; `DEFAULT` is another way where that differs.
    Source of the options: ONNX Runtime documentation, "Thread management"
    """

    name = "onnxrt"
    label = Text("ONNX Runtime (CPU)", "ONNX Runtime（CPU）")
    place = 20
    column, file = "onnxrt", export.ONNX_FILE
    needs, libraries = ("onnxruntime", "ONNX Runtime"), ("onnxruntime", "onnxruntime-gpu")
    provider: ClassVar[str] = onnx_session.CPU
    rest_s = 0.04  # its threads wait busily for some 30 ms after a call: what came next was half as fast, in slices of 20 ms

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        """Plain, and for INT8 on a processor whose default arithmetic saturates the default beside it."""
        return [PLAIN, DEFAULT] if cls.quantized(precision) and saturates() else [PLAIN]

    @classmethod
    def quantized(cls, precision: str) -> bool:
        """Whether it computes in INT8, so that there is a mode."""
        return PRECISIONS[precision].weights == "int8"

    @cached_property
    def artifact(self) -> Artifact:
        """The exported ONNX that carries this precision, exported now unless it is stored."""
        return export.onnx(self.session, self.model(PRECISIONS[self.precision]))

    def told(self) -> dict[str, Any]:
        """`mode`, how INT8 is computed: "precise", or "default" with sums that may saturate."""
        return {"mode": "default" if self.candidate.way == DEFAULT else "precise"} if self.quantized(self.precision) else {}

    def start(self, model: Path | bytes) -> Any:
        """A session of a model as this candidate computes it. Raises NotMeasured where the provider does not start."""
        options = {} if self.provider == onnx_session.CPU else PRECISIONS[self.precision].cuda_options
        return onnx_session.start(model, self.provider, options, self.candidate.way != DEFAULT)

    def open(self) -> None:
        self._run = self.start(self.artifact.file(self.file))

    def close(self) -> None:
        self._run = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        spec = self.session.spec
        check_batch(batch, spec)
        return as_float(self._run.run([spec.output], {spec.input: batch})[0])


class OnnxRuntimeCuda(OnnxRuntime):
    """The same on an NVIDIA GPU, host array to host array. FP32 rows switch TF32 off, which is this provider's default.

    Source: ONNX Runtime documentation, "CUDA Execution Provider" (use_tf32).
    """

    name = "onnxrt_cuda"
    label = Text("ONNX Runtime (CUDA)", "ONNX Runtime（CUDA）")
    place = 30
    column, libraries = "onnxrt_cuda", ("onnxruntime-gpu",)
    provider = "CUDAExecutionProvider"
    rest_s = 0.0

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """onnxruntime is not installed, there is no GPU, or it was built without CUDA; else None."""
        if reason := super().unavailable(precision) or (None if system.gpus() else Reason("no_gpu")):
            return reason
        import onnxruntime

        return None if cls.provider in onnxruntime.get_available_providers() else Reason("no_cuda_provider")
