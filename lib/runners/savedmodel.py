"""TensorFlow's SavedModel: the reference that every other runner is compared with."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from lib import models
from lib.experiment.candidate import REFERENCE
from lib.models import vgg
from lib.runners import host
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text


class SavedModel(Runner):
    """The signature `serving_default` of the trained model, through tf.saved_model.load.

    TensorFlow's own thread pool has as many threads as the process may use cores (its default, host.threads()).
    """

    name = REFERENCE.runner
    label = Text("TensorFlow SavedModel", "TensorFlow SavedModel")
    place = 10
    libraries = ("tensorflow",)
    file = "saved_model"
    precisions = (REFERENCE.precision,)

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """TensorFlow is not installed, or None."""
        return host.not_installed("tensorflow", "TensorFlow")

    @cached_property
    def artifact(self) -> Artifact:
        """The trained model as a SavedModel, trained and exported now unless it is stored."""
        from lib import export

        return export.saved_model(self.session)

    def open(self) -> None:
        """Load the SavedModel."""
        tf = models.tensorflow()
        self._tensor = tf.constant
        with models.quiet():  # TensorFlow looks for a GPU
            self._loaded: Any = tf.saved_model.load(str(self.artifact.file(self.file)))  # owns the signature's variables
        self._signature = self._loaded.signatures["serving_default"]

    def close(self) -> None:
        """Let go of the model."""
        self._loaded = self._signature = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1 -> probabilities, float32 (n, classes)."""
        check_batch(batch)
        return self._signature(**{vgg.INPUT: self._tensor(batch)})[vgg.OUTPUT].numpy()
