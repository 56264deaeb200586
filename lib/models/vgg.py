"""The VGG-style classifier: its layers and how a trained one is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lib.store.artifacts import Artifact

if TYPE_CHECKING:
    import keras

    from lib.experiment import profile as config

VERSION = 1  # of the layers and the training; a change makes old artifacts stale
INPUT, OUTPUT = "images", "probabilities"
PIXEL_MEAN, PIXEL_STD = 0.47, 0.25  # of CIFAR-10's training pixels scaled to 0..1, rounded


def build(settings: config.Train, classes: int) -> keras.Model:
    """An untrained VGG-style network (Simonyan & Zisserman, 2015) with batch normalisation (Ioffe & Szegedy, 2015).

    Input `images`, float32 (N, 32, 32, 3) from 0 to 1, NHWC; output `probabilities`, float32 (N, classes).
    One list of `conv_filters` is one block: 3×3 convolutions, then 2×2 max pooling.
    """
    import keras
    from keras import layers

    inputs = x = keras.Input((32, 32, 3), name=INPUT)
    x = layers.Rescaling(1 / PIXEL_STD, offset=-PIXEL_MEAN / PIXEL_STD, name="standardise")(x)
    for b, block in enumerate(settings.conv_filters, 1):
        for c, filters in enumerate(block, 1):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{b}_{c}")(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"norm{b}_{c}")(x)
            x = layers.ReLU(name=f"relu{b}_{c}")(x)
        x = layers.MaxPool2D(name=f"pool{b}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(settings.dense_units, use_bias=False, name="dense1")(x)
    x = layers.BatchNormalization(momentum=0.9, name="norm_dense1")(x)
    x = layers.ReLU(name="relu_dense1")(x)
    x = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, layers.Softmax(name=OUTPUT)(x), name="vgg")


def save(model: keras.Model, folder: Path) -> None:
    """Write `model.keras` and `saved_model/` with stable tensor names into `folder`."""
    import tensorflow as tf
    from keras.export import ExportArchive

    model.save(folder / "model.keras")
    archive = ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda images: {OUTPUT: model(images, training=False)},
        input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32, name=INPUT)],
    )
    archive.write_out(folder / "saved_model", verbose=False)


def load_keras(artifact: Artifact) -> keras.Model:
    """The Keras model of a `trained` artifact, for inference."""
    import keras

    return keras.models.load_model(artifact.file("model.keras"), compile=False, safe_mode=True)
