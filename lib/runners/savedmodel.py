"""TensorFlow's SavedModel: the reference that every other runner is compared with."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from lib.models import train as training
from lib.models import vgg as model
from lib.runners import host
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text


class SavedModel(Runner):
    """The signature `serving_default` of the trained model, through tf.saved_model.load.

    TensorFlow's own thread pool has as many threads as the process may use cores (its default, host.threads()).
    """

    name = "savedmodel"
    label = Text("TensorFlow SavedModel", "TensorFlow SavedModel")
    precisions = ("fp32",)

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """TensorFlow is not installed, or None."""
        return host.not_installed("tensorflow", "TensorFlow")

    @cached_property
    def artifact(self) -> Artifact:
        """The trained model, trained now unless it is stored."""
        return training.trained(self.session)

    @property
    def artifact_sha256(self) -> str:
        """Hash of the trained model's files."""
        return self.artifact.sha256

    @property
    def size_bytes(self) -> int:
        """Bytes of the SavedModel folder."""
        return self.artifact.size("saved_model")

    def __enter__(self) -> SavedModel:
        import tensorflow as tf

        self._tensor = tf.constant
        self._loaded: Any = tf.saved_model.load(str(self.artifact.file("saved_model")))  # owns the signature's variables
        self._signature = self._loaded.signatures["serving_default"]
        return self

    def __exit__(self, *exc: object) -> None:
        self._loaded = self._signature = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1 -> probabilities, float32 (n, classes)."""
        check_batch(batch, self.max_batch)
        return self._signature(**{model.INPUT: self._tensor(batch)})[model.OUTPUT].numpy()
