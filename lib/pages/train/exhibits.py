"""What notebook 01 shows beside numbers: the data, the network, how it learnt, what it confuses."""

from __future__ import annotations

from lib.store.records import Exhibit


class Samples(Exhibit):
    """classes: names in the order of the outputs; pictures: some training images of each class, PNGs in base64."""

    classes: list[str]
    pictures: list[list[str]]


class Layer(Exhibit):
    """A layer of the network: its name, its kind (Keras' class), the shape of its output without the batch, its parameters."""

    name: str
    kind: str
    shape: list[int]
    parameters: int


class Network(Exhibit):
    """The layers that hold parameters or change the resolution."""

    layers: list[Layer]


class Epoch(Exhibit):
    """What one epoch came to: losses, accuracies (shares), the learning rate at its end, seconds."""

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


class History(Exhibit):
    """The epochs of the training."""

    epochs: list[Epoch]


class Example(Exhibit):
    """One test image: PNG in base64, its true class, whether it was classified right, the most probable classes with probabilities."""

    png: str
    truth: str
    right: bool
    likely: list[tuple[str, float]]


class Examples(Exhibit):
    """Some images that are classified right, drawn at random, and the most confident mistakes."""

    examples: list[Example]
