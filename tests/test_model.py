"""The network, and what a trained one leaves for the exports."""

from __future__ import annotations

import numpy as np
import pytest

from lib.data import dataset as datasets
from lib.errors import ArtifactError
from lib.experiment import profile as config
from lib.models import train as training
from lib.models import vgg as model
from lib.store.session import Session


@pytest.fixture(scope="module")
def trained(quick):
    return training.trained(quick)


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


def test_saved_model_and_keras_file_answer_the_same(quick, trained):
    import tensorflow as tf

    images = datasets.to_input(quick.images.x_test[:16])
    signature = tf.saved_model.load(str(trained.file("saved_model"))).signatures["serving_default"]
    ((name, spec),) = signature.structured_input_signature[1].items()
    assert (name, spec.dtype, spec.shape.as_list()) == (model.INPUT, tf.float32, [None, 32, 32, 3])
    answer = signature(images=tf.constant(images))
    assert list(answer) == [model.OUTPUT]
    by_keras = np.asarray(model.load_keras(trained)(images, training=False))
    assert np.abs(answer[model.OUTPUT].numpy() - by_keras).max() < 1e-6


def test_manifest_counts_parameters_and_seconds(quick, trained):
    assert trained.info["parameters"] == model.load_keras(trained).count_params()
    assert trained.info["seconds"] > 0


def test_what_changes_the_weights_changes_the_key(quick, monkeypatch):
    """A changed setting or dataset asks for another artifact; the bar that the report judges by does not."""
    keys = []
    monkeypatch.setattr("lib.store.artifacts.Store.get_or_build", lambda store, kind, inputs, build: keys.append(inputs))

    def ask(**changes):
        train = quick.profile.train.model_copy(update=changes)
        opened = Session(quick.profile.model_copy(update={"train": train}), "test")
        opened.images = quick.images
        training.trained(opened)

    ask()
    for changes in ({"seed": 2}, {"epochs": 4}, {"conv_filters": [[8], [8]]}, {"peak_learning_rate": 0.2}, {"validation_images": 96}):
        ask(**changes)
        assert keys[-1] != keys[0], changes
    ask(minimum_accuracy=0.5)
    assert keys[-1] == keys[0]
    assert keys[0]["dataset"] == quick.images.sha256


def test_altered_model_is_refused(quick, trained, tmp_path):
    import shutil

    from lib.store import artifacts

    copied = tmp_path / "copy"
    shutil.copytree(trained.path.parent, copied)
    weights = copied / "payload/saved_model/variables/variables.data-00000-of-00001"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"variables\.data.* altered or truncated"):
        artifacts.load(copied)
