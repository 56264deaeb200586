"""lib/measure/predictions.py: answers to the whole test set, checked and stored."""

from __future__ import annotations

import importlib.metadata
import json
import os
import secrets
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lib import runners
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.experiment import candidate as pairs
from lib.experiment import profile as config
from lib.measure import predictions
from lib.models import train as training
from lib.runners.base import Runner, check_batch
from lib.store import artifacts, session
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


def test_a_runner_that_splits_images_itself_gets_them_all_at_once(quick, fake):
    fake.batches_itself, fake.max_batch = True, None
    assert predictions.run(fake(quick, "fp32").__enter__(), quick.images.x_test[:250]).shape == (250, 10)
    assert fake.calls == [250]


def test_what_a_runner_depends_on_beside_packages_is_part_of_the_key(quick, fake):
    first = predictions.artifact(quick, "fake", "fp32")
    fake.versions = classmethod(lambda cls: {"program": "1"})
    assert predictions.artifact(quick, "fake", "fp32").key != first.key


@pytest.fixture
def elsewhere(quick, tmp_path):
    """A session on an empty store, and `give(built_at, value, **inputs)` that stores answers of the reference in it."""
    opened = replace(quick)
    opened.__dict__["store"] = artifacts.Store(tmp_path / "artifacts")
    opened.__dict__["images"] = quick.images
    wanted = {"version": predictions.VERSION, "runner": "savedmodel", "precision": "fp32"}
    wanted |= {"model": training.trained(quick).sha256, "dataset": quick.images.sha256}

    def give(built_at, value, **inputs):
        def build(folder):
            np.save(folder / predictions.FILE, np.full((500, 10), value, np.float32))
            return {"system_id": f"system-{value}"}

        libraries = {"libraries": {"tensorflow": inputs.pop("tensorflow", "2.20")}, "system": ""}
        made = opened.store.get_or_build(predictions.KIND, wanted | libraries | inputs, build)
        manifest = json.loads((made.path.parent / artifacts.MANIFEST).read_text())
        (made.path.parent / artifacts.MANIFEST).write_text(json.dumps(manifest | {"built_at": built_at}))
        return made

    return opened, give


@pytest.fixture
def no_tensorflow(monkeypatch, quick):
    """TensorFlow cannot be imported; the model is stored all the same."""
    stored = training.trained(quick)
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(training, "trained", lambda opened: stored)


@pytest.mark.usefixtures("no_tensorflow")
def test_without_tensorflow_the_newest_stored_answers_are_the_reference(elsewhere):
    opened, give = elsewhere
    give("2026-11-19T00:00:00+00:00", 1, tensorflow="2.19")
    give("2026-11-20T00:00:00+00:00", 2, tensorflow="2.21")
    give("2026-11-18T00:00:00+00:00", 3, tensorflow="2.20")
    give("2026-11-21T00:00:00+00:00", 4, model="another")
    give("2026-11-21T00:00:00+00:00", 5, dataset="another")
    give("2026-11-21T00:00:00+00:00", 6, version=0)
    give("2026-11-21T00:00:00+00:00", 7, precision="fp16")
    (opened.store.root / predictions.KIND / ".half-built").mkdir()  # by a build that goes on
    stored = predictions.artifact(opened, *pairs.REFERENCE)
    assert stored.info["system_id"] == "system-2"
    assert predictions.of(opened, *pairs.REFERENCE)[0, 0] == 2
    first, second = predictions.with_reference(opened, pairs.all_pairs())[:2]
    assert first.key == "savedmodel/fp32"
    assert (first.answered, second.origin) == (True, None)
    assert "TensorFlow is not installed" in first.reason.en
    assert "system-2" in first.origin.en
    assert "system-2" in first.origin.ja


@pytest.mark.usefixtures("no_tensorflow")
def test_without_stored_answers_the_reference_is_not_measured(elsewhere):
    opened, give = elsewhere
    give("2026-11-21T00:00:00+00:00", 4, model="another")
    with pytest.raises(NotMeasured, match="TensorFlow is not installed"):
        predictions.artifact(opened, *pairs.REFERENCE)
    assert not predictions.with_reference(opened, pairs.all_pairs())[0].answered


@pytest.mark.parametrize(
    ("lacking", "known"), [("tensorflow.python", True), ("keras", True), ("tf2onnx", True), ("yaml", False), (None, False)]
)
def test_only_what_trains_and_exports_may_be_missing(elsewhere, monkeypatch, lacking, known):
    def fail(opened):
        raise ModuleNotFoundError("No module named X", name=lacking)

    monkeypatch.setattr(training, "trained", fail)
    if known:
        assert predictions.stored_reference(elsewhere[0]) is None
        return
    with pytest.raises(ModuleNotFoundError):
        predictions.stored_reference(elsewhere[0])


@pytest.mark.usefixtures("no_tensorflow")
def test_stored_answers_that_were_altered_are_refused(elsewhere):
    opened, give = elsewhere
    made = give("2026-11-20T00:00:00+00:00", 2)
    np.save(made.file(predictions.FILE), np.zeros((500, 10), np.float32))
    with pytest.raises(ArtifactError, match="altered or truncated"):
        predictions.artifact(opened, *pairs.REFERENCE)
    (made.path.parent / artifacts.MANIFEST).write_text("{}")
    with pytest.raises(ArtifactError, match="unreadable"):
        predictions.artifact(opened, *pairs.REFERENCE)


def test_where_the_reference_runs_it_is_asked_and_has_no_other_origin(quick):
    assert all(pair.origin is None for pair in predictions.with_reference(quick, pairs.all_pairs()))


def test_a_system_without_tensorflow_compares_with_what_was_brought(quick, tiny_profile, outputs):
    """The whole way in a process that cannot import TensorFlow: the trained model, the exports and the answers are stored."""
    predictions.artifact(quick, *pairs.REFERENCE)
    predictions.artifact(quick, "onnxrt", "fp32")  # exports the model
    program = f"""
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = sys.modules["tf2onnx"] = None
from lib import predictions, session
opened = session.start({str(tiny_profile)!r}, "test")
reference, other = (predictions.of(opened, runner, "fp32") for runner in ("savedmodel", "onnxrt"))
print(abs(reference - other).max() < 1e-5)
"""
    environment = os.environ | {"PYTHONPATH": str(config.ROOT), session.OUTPUTS: str(outputs)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
