"""TensorFlow Lite on the CPU, with the XNNPACK delegate that it applies by default."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from lib.runners import host
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text

VARIANTS = {"fp32": "fp32", "fp16": "fp16", "int8_qdq": "int8"}  # precision -> TFLite model; int8_qdq: explicitly quantized


class TFLite(Runner):
    """An exported TFLite model; the batch size is set with resize_tensor_input whenever it changes.

    Source: TensorFlow API, tf.lite.Interpreter
    """

    name = "tflite"
    label = Text("TensorFlow Lite (CPU)", "TensorFlow Lite（CPU）")
    precisions = tuple(VARIANTS)

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """TensorFlow is not installed, or None."""
        return host.not_installed("tensorflow", "TensorFlow")

    @cached_property
    def artifact(self) -> Artifact:
        """The exported TFLite model of this precision, exported now unless it is stored."""
        from lib import export

        return export.tflite(self.session, VARIANTS[self.precision])

    @property
    def artifact_sha256(self) -> str:
        """Hash of the exported TFLite model."""
        return self.artifact.sha256

    @property
    def size_bytes(self) -> int:
        """Bytes of model.tflite."""
        return self.artifact.size("model.tflite")

    def __enter__(self) -> TFLite:
        import tensorflow as tf

        path = str(self.artifact.file("model.tflite"))
        with warnings.catch_warnings():  # tf.lite.Interpreter announces its end, yet is what TensorFlow carries
            warnings.simplefilter("ignore", UserWarning)
            self._interpreter: Any = tf.lite.Interpreter(model_path=path, num_threads=host.threads())
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._batch_size = 0
        return self

    def __exit__(self, *exc: object) -> None:
        self._interpreter = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1 -> probabilities, float32 (n, classes)."""
        check_batch(batch, self.max_batch)
        if len(batch) != self._batch_size:
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._batch_size = len(batch)
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)
