"""TensorFlow Lite on the CPU, with the XNNPACK delegate that it applies by default."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import numpy as np

from lib import export, models, onnx_session
from lib.experiment.candidate import SAVED_MODEL_REFERENCE
from lib.experiment.precision import PRECISIONS
from lib.experiment.profile import Profile
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text


class TFLite(Runner):
    """An exported TFLite model; the batch size is set with resize_tensor_input whenever it changes.

    Source: TensorFlow API, tf.lite.Interpreter
    """

    name = "tflite"
    label = Text("TensorFlow Lite (CPU)", "TensorFlow Lite（CPU）")
    place = 40
    column, file = "tflite", export.TFLITE_FILE
    needs, libraries = ("tensorflow", "TensorFlow"), ("tensorflow", "tensorflow-cpu")

    @classmethod
    def suits(cls, profile: Profile) -> bool:
        """What comes as ONNX has no SavedModel."""
        return profile.reference == SAVED_MODEL_REFERENCE

    @cached_property
    def artifact(self) -> Artifact:
        """The exported TFLite model of this precision, exported now unless it is stored."""
        return export.tflite(self.session, self.model(PRECISIONS[self.precision]))

    def open(self) -> None:
        """Make the interpreter with its tensors, which packs the weights; the delegate announces itself, which is kept out of pages."""
        tf = models.tensorflow()
        path = str(self.artifact.file(self.file))
        with warnings.catch_warnings(), models.quiet():  # tf.lite.Interpreter announces its end, yet is what TensorFlow carries
            warnings.simplefilter("ignore", UserWarning)
            self._interpreter: Any = tf.lite.Interpreter(model_path=path, num_threads=onnx_session.threads())
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._batch_size = 0

    def close(self) -> None:
        self._interpreter = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        check_batch(batch, self.session.spec)
        if len(batch) != self._batch_size:
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._batch_size = len(batch)
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)
