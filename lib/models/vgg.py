"""The VGG-style classifier: its layers, and how a trained one is read back."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from lib import models
from lib.data.preprocess import Rules
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.spec import ModelSpec
from lib.models import tensors

if TYPE_CHECKING:
    import keras

SPEC = ModelSpec("images", "float32", "NHWC", (32, 32), 3, "probabilities", 10, logits=False)
RULES = Rules(SPEC.size, "exact", 1.0, "bilinear", "pillow", 1 / 255, (0.0,), (1.0,), "RGB")  # how an image becomes its input
VERSION = 1  # of the layers and the training; a change makes old artifacts stale
FILE = "model.keras"
PIXEL_MEAN, PIXEL_STD = 0.47, 0.25  # of CIFAR-10's training pixels scaled to 0..1, rounded


def build(settings: config.Train, classes: int) -> keras.Model:
    """An untrained VGG-style network (Simonyan & Zisserman, 2015) with batch normalisation (Ioffe & Szegedy, 2015).

    Input and output as SPEC says, values from 0 to 1.
    One list of `conv_filters` is one block: 3×3 convolutions, then 2×2 max pooling.
    """
    keras = models.keras()
    layers = keras.layers
    inputs = x = keras.Input(SPEC.image_shape, name=SPEC.input)
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
    return keras.Model(inputs, layers.Softmax(name=SPEC.output)(x), name="vgg")


def load(path: Path, settings: config.Train, classes: int) -> keras.Model:
    """The trained network of a file: its weights alone, for a file's description of layers is read by no older Keras than wrote it.

    Raises ReportError for weights that are not of this network.
    """
    network = build(settings, classes)
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ReportError(f"{path}: holds no weights of this profile's network: {tensors.first_line(error)}; train it again") from None
    return network
