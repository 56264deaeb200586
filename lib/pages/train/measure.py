"""What notebook 01 measures: it trains the classifier, or takes the stored one, and counts what it has right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lib.data.dataset import Images
from lib.errors import ConfigError
from lib.measure import accuracy, predictions
from lib.models import source, train
from lib.pages import classes
from lib.pages.train.exhibits import Epoch, Example, Examples, History, Layer, Network, Samples
from lib.session import Session
from lib.store import picture
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

if TYPE_CHECKING:
    import keras

SAMPLES = 2  # training images shown of each class
EXAMPLES = 6  # test images shown that are right, and as many that are wrong
EXAMPLES_SEED = 0


def measure(session: Session) -> None:
    """Record the data, the training and the accuracy of the reference. A training that diverges is recorded as that.

    Raises ConfigError for a profile with a model of its own.
    """
    if session.profile.train is None:
        raise ConfigError(f"notebook {session.stage} trains a model; profile {session.profile.name} has one of its own: use 01_model")
    _data(session)
    try:
        trained = session.model
    except train.Diverged as error:
        reason = Reason("diverged", {"epoch": error.epoch, "epochs": error.epochs})
        session.record(Record("accuracy", "share", None, session.profile.reference, reason=reason))
        return
    _training(session, trained)
    accuracy.accuracies(session, [session.profile.reference])
    probabilities, labels = predictions.of(session, session.profile.reference), session.images.y_test
    session.exhibit("confusion", classes.counted(probabilities.argmax(1), labels, session.images.class_names))
    session.exhibit("examples", examples(session.images, probabilities))


def _data(session: Session) -> None:
    images = session.images
    x_train, _, x_validation, _ = train.split(session.profile.train, images)
    for split, x in (("train", x_train), ("validation", x_validation), ("test", images.x_test)):
        session.record(Record("images", "count", len(x), case={"split": split}))
    shown = [[picture.encode(image) for image in images.x_train[images.y_train == k][:SAMPLES]] for k in range(len(images.class_names))]
    session.exhibit("samples", Samples(classes=list(images.class_names), pictures=shown))


def _training(session: Session, trained: Artifact) -> None:
    """What the training cost when this model was trained, its curves and its layers."""
    history = train.history(trained)
    seconds, parameters = float(trained.info["seconds"]), int(trained.info["parameters"])
    session.record(Record("training_time", "s", seconds, stats={"epochs": len(history)}, artifact_sha256=trained.sha256))
    session.record(Record("parameters", "count", parameters, artifact_sha256=trained.sha256))
    session.exhibit("history", History(epochs=[Epoch(**epoch) for epoch in history]))
    session.exhibit("network", Network(layers=layers(source.network(session.profile, session.spec, trained))))


def layers(network: keras.Model) -> list[Layer]:
    """The layers of a model that hold parameters or change the resolution."""
    kept = [layer for layer in network.layers if layer.count_params() or "Pool" in type(layer).__name__]
    return [
        Layer(name=each.name, kind=type(each).__name__, shape=list(each.output.shape[1:]), parameters=each.count_params()) for each in kept
    ]


def examples(images: Images, probabilities: np.ndarray, count: int = EXAMPLES) -> Examples:
    """At most `count` of each: images that are right, drawn at random with a fixed seed, and the most confident mistakes."""
    predicted = probabilities.argmax(1)
    right, wrong = np.flatnonzero(predicted == images.y_test), np.flatnonzero(predicted != images.y_test)
    drawn = np.sort(np.random.default_rng(EXAMPLES_SEED).permutation(right)[:count])
    worst = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count]
    made = []
    for index in (*drawn, *worst):
        likely = [(images.class_names[k], float(probabilities[index][k])) for k in np.argsort(-probabilities[index])[:2]]
        truth, is_right = images.class_names[images.y_test[index]], bool(predicted[index] == images.y_test[index])
        made.append(Example(png=picture.encode(images.x_test[index]), truth=truth, right=is_right, likely=likely))
    return Examples(examples=made)
