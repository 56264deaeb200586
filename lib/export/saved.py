"""The trained Keras model as a TensorFlow SavedModel."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import models
from lib.experiment.spec import ModelSpec

if TYPE_CHECKING:
    import keras

SIGNATURE = "serving_default"


def build(network: keras.Model, spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Write the SavedModel into `folder`; returns the manifest's info.

    Its one signature takes and gives what `spec` says, under its names. Not by Keras' ExportArchive, which stores
    every variable twice: once for the endpoint and once for the layer that was tracked.
    Source: TensorFlow guide, "Using the SavedModel format".
    """
    tf = models.tensorflow()
    started = time.perf_counter()
    module = tf.Module()
    module.kept = [variable.value for variable in network.variables]  # a function holds its variables weakly
    given = tf.TensorSpec((spec.batch, *spec.row_shape), spec.dtype, name=spec.input)
    serve = tf.function(lambda images: {spec.output: _output(network, images, spec)}, input_signature=[given], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: serve})
    return {"seconds": round(time.perf_counter() - started, 2)}


def served(loaded: Any) -> Any:
    """The signature of a loaded SavedModel that counts: `serving_default`, or the only one."""
    signatures = loaded.signatures
    return signatures[SIGNATURE] if SIGNATURE in signatures else next(iter(signatures.values()))


def _output(network: keras.Model, images: Any, spec: ModelSpec) -> Any:
    """The output that counts, of one or several."""
    found = network(images, training=False)
    if len(network.outputs) == 1:
        return found
    return found[spec.output] if isinstance(found, dict) else found[network.output_names.index(spec.output)]
