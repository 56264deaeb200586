"""ONNX Runtime on the CPU and, where there is one, on an NVIDIA GPU."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lib.errors import NotMeasured
from lib.experiment.precision import PRECISIONS
from lib.models import vgg as model
from lib.runners import host
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text

QUIET = 3  # onnxruntime's log severity: errors only
NO_CUDA = Text(
    "the installed ONNX Runtime has no CUDA provider (install onnxruntime-gpu)",
    "ONNX RuntimeがCUDAに対応していない（onnxruntime-gpuが必要）",
)


class OnnxRuntime(Runner):
    """An exported ONNX through onnxruntime.InferenceSession, CPUExecutionProvider, host.threads() threads.

    Source of the options: ONNX Runtime documentation, "Thread management"
    """

    name = "onnxrt"
    label = Text("ONNX Runtime (CPU)", "ONNX Runtime（CPU）")
    precisions = ("fp32", "fp16", "int8_qdq")
    provider: ClassVar[str] = "CPUExecutionProvider"

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """onnxruntime is not installed, or None."""
        return host.not_installed("onnxruntime", "ONNX Runtime")

    @cached_property
    def artifact(self) -> Artifact:
        """The exported ONNX that carries this precision, exported now unless it is stored."""
        from lib import export

        return export.onnx(self.session, PRECISIONS[self.precision].onnx)

    @property
    def artifact_sha256(self) -> str:
        """Hash of the exported ONNX."""
        return self.artifact.sha256

    @property
    def size_bytes(self) -> int:
        """Bytes of model.onnx."""
        return self.artifact.size("model.onnx")

    def provider_options(self) -> dict[str, str]:
        """Options of the execution provider; the CPU needs none."""
        return {}

    def __enter__(self) -> OnnxRuntime:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = host.threads()
        options.log_severity_level = QUIET
        providers: list[Any] = [(self.provider, self.provider_options())]
        self._run: Any = onnxruntime.InferenceSession(str(self.artifact.file("model.onnx")), options, providers)
        if self._run.get_providers()[0] != self.provider:  # onnxruntime falls back to the CPU with a warning only
            self._run = None
            raise NotMeasured(f"{self.name}: {self.provider} did not start; install the CUDA and cuDNN that ONNX Runtime asks for")
        return self

    def __exit__(self, *exc: object) -> None:
        self._run = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1 -> probabilities, float32 (n, classes)."""
        check_batch(batch, self.max_batch)
        return self._run.run([model.OUTPUT], {model.INPUT: batch})[0]


class OnnxRuntimeCuda(OnnxRuntime):
    """The same on an NVIDIA GPU, host array to host array. FP32 rows switch TF32 off, which is this provider's default.

    Its INT8 is left out: the provider has no quantized convolutions and would compute Q/DQ models in FP32.
    Source: ONNX Runtime documentation, "CUDA Execution Provider" (use_tf32).
    """

    name = "onnxrt_cuda"
    label = Text("ONNX Runtime (CUDA)", "ONNX Runtime（CUDA）")
    precisions = ("fp32", "tf32", "fp16")
    provider = "CUDAExecutionProvider"

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """onnxruntime is not installed, there is no GPU, or it was built without CUDA; else None."""
        if reason := super().unavailable(precision) or host.no_gpu():
            return reason
        import onnxruntime

        return None if cls.provider in onnxruntime.get_available_providers() else NO_CUDA

    def provider_options(self) -> dict[str, str]:
        """TF32 only where the precision is TF32."""
        return {"use_tf32": "1" if self.precision == "tf32" else "0"}
