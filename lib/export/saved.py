"""The trained Keras model as a TensorFlow SavedModel."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import models
from lib.models.vgg import INPUT, OUTPUT

if TYPE_CHECKING:
    import keras

SIGNATURE = "serving_default"


def build(network: keras.Model, folder: Path) -> dict[str, Any]:
    """Write the SavedModel into `folder`; returns the manifest's info.

    Its one signature takes `images`, float32 (n, 32, 32, 3), and gives `probabilities`, float32 (n, classes). Not by Keras'
    ExportArchive, which stores every variable twice: once for the endpoint and once for the layer that was tracked.
    Source: TensorFlow guide, "Using the SavedModel format".
    """
    tf = models.tensorflow()
    started = time.perf_counter()
    module = tf.Module()
    module.kept = [variable.value for variable in network.variables]  # a function holds its variables weakly
    spec = tf.TensorSpec((None, 32, 32, 3), tf.float32, name=INPUT)
    serve = tf.function(lambda images: {OUTPUT: network(images, training=False)}, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: serve})
    return {"seconds": round(time.perf_counter() - started, 2)}
