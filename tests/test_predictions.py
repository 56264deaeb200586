"""lib/predictions.py: answers to the whole test set, checked and stored."""

from __future__ import annotations

import importlib.metadata
import secrets

import numpy as np
import pytest

from lib import predictions, runners
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.runners.base import Runner, check_batch
from lib.text import Text


class Fake(Runner):
    """Answers from the pixels, so that order and scaling show; counts its calls."""

    name, label, precisions = "fake", Text("fake", "偽物"), ("fp32", "fp16")
    sha, calls, twist = "abc", [], staticmethod(lambda answer: answer)
    artifact_sha256 = property(lambda self: self.sha)
    size_bytes = 1

    @classmethod
    def unavailable(cls, precision):
        return Text("no such chip", "チップがない") if precision == "fp16" else None

    def __enter__(self):
        self.buffer = None
        return self

    def __exit__(self, *exc):
        pass

    def infer(self, batch):
        check_batch(batch, self.max_batch)
        self.calls.append(len(batch))
        answer = batch.reshape(len(batch), -1)[:, 200:210].copy()
        if self.buffer is None:
            self.buffer = np.empty((1000, 10), np.float32)
        self.buffer[: len(batch)] = answer  # one output buffer for all calls, as an engine has
        return self.twist(self.buffer[: len(batch)])


@pytest.fixture
def fake(monkeypatch):
    made = type("Made", (Fake,), {"calls": [], "sha": secrets.token_hex(8)})
    monkeypatch.setitem(runners.RUNNERS, "fake", made)
    return made


def test_every_image_in_order_and_the_last_batch_short(quick, fake):
    images = quick.images.x_test[:250]
    got = predictions.run(fake(quick, "fp32").__enter__(), images)
    assert fake.calls == [100, 100, 50]
    assert np.array_equal(got, (images.reshape(250, -1)[:, 200:210] / np.float32(255)).astype(np.float32))


def test_an_engine_gets_no_more_than_it_takes(quick, fake):
    fake.max_batch = 32
    assert predictions.run(fake(quick, "fp32").__enter__(), quick.images.x_test[:70]).shape == (70, 10)
    assert fake.calls == [32, 32, 6]


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (lambda a: a[:-1], r"images 0 to 99: answered float32 \(99, 10\)"),
        (lambda a: a.astype(np.float64), "answered float64"),
        (lambda a: a.tolist(), "answered list"),
        (lambda a: a * np.nan, "NaN or infinity"),
        (lambda a: a[:, :9], "answers 9 classes, the dataset has 10"),
    ],
)
def test_a_wrong_answer_is_one_line_and_nothing_is_stored(quick, fake, twist, words):
    fake.twist = staticmethod(twist)
    with pytest.raises(ReportError, match=words) as raised:
        predictions.of(quick, "fake", "fp32")
    assert "\n" not in str(raised.value)
    assert "fake/fp32" in str(raised.value)
    fake.twist = staticmethod(lambda a: a)
    assert predictions.artifact(quick, "fake", "fp32").fresh


def test_stored_answers_are_reused(quick, fake):
    first = predictions.of(quick, "fake", "fp32")
    called = len(fake.calls)
    assert np.array_equal(predictions.of(quick, "fake", "fp32"), first)
    assert len(fake.calls) == called
    assert first.dtype == np.float32
    assert first.shape == (len(quick.images.x_test), 10)


def test_another_model_or_library_version_is_answered_anew(quick, fake, monkeypatch):
    keys = {predictions.artifact(quick, "fake", "fp32").key}
    fake.sha = "two"
    keys.add(predictions.artifact(quick, "fake", "fp32").key)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99")
    keys.add(predictions.artifact(quick, "fake", "fp32").key)
    assert len(keys) == 3


def test_what_cannot_run_here_says_why(quick, fake):
    with pytest.raises(NotMeasured, match="no such chip"):
        predictions.of(quick, "fake", "fp16")


def test_altered_answers_are_refused(quick, fake):
    path = predictions.artifact(quick, "fake", "fp32").file(predictions.FILE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="altered or truncated"):
        predictions.of(quick, "fake", "fp32")


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros(3, np.float32), np.array([{"a": 1}])])
def test_a_file_of_another_kind_is_refused(quick, fake, values):
    stored = predictions.artifact(quick, "fake", "fp32")
    np.save(stored.file(predictions.FILE), values)
    with pytest.raises(ArtifactError, match=r"float32|no predictions"):
        predictions.read(stored)


def test_the_savedmodel_answers_better_than_chance(quick):
    answers = predictions.of(quick, "savedmodel", "fp32")
    assert answers.shape == (len(quick.images.x_test), 10)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == quick.images.y_test).mean() > 0.8
