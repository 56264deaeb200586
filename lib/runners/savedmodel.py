"""TensorFlow's SavedModel: the reference that every other runner is compared with."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from lib import export, models
from lib.experiment.candidate import SAVED_MODEL_REFERENCE
from lib.experiment.profile import Profile
from lib.export import saved
from lib.runners.base import Runner, as_float, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text


class SavedModel(Runner):
    """The signature `serving_default` of the trained model, through tf.saved_model.load.

    TensorFlow's own thread pool has as many threads as the process may use cores (its default, onnx_session.threads()).
    """

    name = SAVED_MODEL_REFERENCE.runner
    label = Text("TensorFlow SavedModel", "TensorFlow SavedModel")
    place = 10
    needs, libraries = ("tensorflow", "TensorFlow"), ("tensorflow", "tensorflow-cpu")
    file = export.SAVED_MODEL
    precisions = (SAVED_MODEL_REFERENCE.precision,)

    @classmethod
    def suits(cls, profile: Profile) -> bool:
        """What comes as ONNX has no SavedModel."""
        return profile.reference == SAVED_MODEL_REFERENCE

    @cached_property
    def artifact(self) -> Artifact:
        """The trained model as a SavedModel, trained and exported now unless it is stored."""
        return export.saved_model(self.session)

    def open(self) -> None:
        tf = models.tensorflow()
        self._tensor = tf.constant
        with models.quiet():  # TensorFlow looks for a GPU
            self._loaded: Any = tf.saved_model.load(str(self.artifact.file(self.file)))  # owns the signature's variables
        self._signature = saved.served(self._loaded)

    def close(self) -> None:
        self._loaded = self._signature = None

    def infer(self, batch: np.ndarray) -> np.ndarray:
        spec = self.session.spec
        check_batch(batch, spec)
        return as_float(self._signature(**{spec.input: self._tensor(batch)})[spec.output].numpy())
