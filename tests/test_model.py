"""The network, and what a trained one leaves for the exports."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from lib.errors import ArtifactError
from lib.experiment import profile as config
from lib.models import keras_file
from lib.models import vgg as model
from lib.session import Session
from lib.store import artifacts


@pytest.fixture(scope="module")
def trained(quick):
    return quick.model


def test_layers_follow_the_profile(quick):
    layers = model.build(quick.profile.train, 7).layers
    convolutions = [layer.filters for layer in layers if type(layer).__name__ == "Conv2D"]
    assert convolutions == [8, 16]
    assert sum(type(layer).__name__ == "MaxPooling2D" for layer in layers) == len(quick.profile.train.conv_filters)
    assert layers[-2].units == 7


def test_the_experiment_has_about_four_million_parameters():
    """The issue of this report: a VGG-style network of about 4 million parameters on CIFAR-10."""
    assert 3.5e6 < model.build(config.load("cifar10").train, 10).count_params() < 4.5e6


def test_answers_are_probabilities(quick):
    network = model.build(quick.profile.train, 10)
    answer = np.asarray(network(np.random.default_rng(0).random((3, 32, 32, 3), np.float32), training=False))
    assert answer.shape == (3, 10)
    assert answer.dtype == np.float32
    assert answer.sum(1) == pytest.approx(1, abs=1e-5)
    assert answer.min() >= 0


def test_manifest_counts_parameters_and_seconds(quick, trained):
    assert trained.info["parameters"] == keras_file.load(trained.file(model.FILE)).count_params()
    assert trained.info["seconds"] > 0


def test_what_changes_the_weights_changes_the_key(quick, monkeypatch):
    """A changed setting or dataset asks for another artifact; the bar that the report judges by does not."""
    keys = []
    monkeypatch.setattr("lib.store.artifacts.Store.get_or_build", lambda store, kind, inputs, build: keys.append(inputs))

    def ask(**changes):
        train = quick.profile.train.model_copy(update=changes)
        opened = Session(quick.profile.model_copy(update={"train": train}), "test")
        opened.images = quick.images
        _ = opened.model

    ask()
    for changes in ({"seed": 2}, {"epochs": 4}, {"conv_filters": [[8], [8]]}, {"peak_learning_rate": 0.2}, {"validation_images": 96}):
        ask(**changes)
        assert keys[-1] != keys[0], changes
    ask(minimum_accuracy=0.5)
    assert keys[-1] == keys[0]
    assert keys[0]["dataset"] == quick.images.sha256


def test_the_key_of_the_experiments_model_stays(monkeypatch):
    """An hour of training is kept under it: a setting that is added must not change it where it changes no weight."""
    train = config.load("cifar10").train.model_dump(exclude={"minimum_accuracy"})
    dataset = "42fb3ed17758280ba0a283c00442f3c598fc49fa132b4f6e52a971501020cbe7"  # the JPEG mirror of CIFAR-10
    asked = []
    monkeypatch.setattr("lib.store.artifacts.Store.get_or_build", lambda store, kind, inputs, build: asked.append((kind, inputs)))
    opened = Session(config.load("cifar10"), "test")
    opened.images = SimpleNamespace(sha256=dataset)
    _ = opened.model
    assert asked == [("model", {"version": 1, "train": train, "dataset": dataset})]
    assert artifacts.key_of(*asked[0]) == "9da11c6bb963d0c3"


def test_altered_model_is_refused(quick, trained, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(trained.path.parent, copied)
    weights = copied / "payload" / model.FILE
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"model\.keras.* altered or truncated"):
        artifacts.load(copied)
