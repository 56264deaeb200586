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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import export, runners, session
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.measure import predictions
from lib.models import train as training
from lib.runners.base import Runner, check_batch
from lib.runners.savedmodel import SavedModel
from lib.store import artifacts
from lib.store.records import Reason
from lib.text import Text

FAKE = Candidate("fake", "fp32")


def probabilities(batch):
    scores = batch.reshape(len(batch), -1)[:, 200:210] + np.float32(1)
    return scores / scores.sum(axis=1, keepdims=True)


class Fake(Runner):
    """Answers from the pixels, so that order and scaling show; counts its calls."""

    precisions = ("fp32", "fp16")
    sha, calls, twist = "abc", [], staticmethod(lambda answer: answer)
    artifact_sha256 = property(lambda self: self.sha)

    @classmethod
    def unavailable(cls, precision):
        return Reason.verbatim(Text("no such chip", "チップがない")) if precision == "fp16" else None

    def open(self):
        self.buffer = np.empty((1000, 10), np.float32)

    def infer(self, batch):
        check_batch(batch, self.session.spec, self.max_batch)
        assert len(batch) >= self.min_batch
        self.calls.append(len(batch))
        self.buffer[: len(batch)] = probabilities(batch)  # one output buffer for all calls, as an engine has
        return self.twist(self.buffer[: len(batch)])


@pytest.fixture
def fake(monkeypatch):
    made = type("Made", (Fake,), {"calls": [], "sha": secrets.token_hex(8)})
    made.name = "fake"
    monkeypatch.setitem(runners.RUNNERS, "fake", made)
    return made


def answers(images):
    return probabilities(images.astype(np.float32) / np.float32(255))


def run(fake, session, images):
    with fake(session, FAKE) as opened:
        return predictions.run(opened, images)


def test_every_image_in_order_and_the_last_batch_short(quick, fake):
    images = quick.images.x_test[:250]
    assert np.array_equal(run(fake, quick, images), answers(images))
    assert fake.calls == [100, 100, 50]


def test_an_engine_gets_no_more_than_it_takes(quick, fake):
    fake.max_batch = 32
    assert run(fake, quick, quick.images.x_test[:70]).shape == (70, 10)
    assert fake.calls == [32, 32, 6]


@given(images=st.integers(1, 130), smallest=st.integers(1, 40), largest=st.integers(40, 120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_an_engine_gets_no_fewer_than_it_takes(quick, fake, images, smallest, largest):
    fake.min_batch, fake.max_batch, fake.calls = smallest, largest, []
    given = quick.images.x_test[:images]
    assert np.array_equal(run(fake, quick, given), answers(given))
    assert all(smallest <= called <= largest for called in fake.calls)


@pytest.mark.parametrize(
    ("twist", "words"),
    [
        (lambda a: a[:-1], r"images 0 to 99: float32 \(99, 10\) ≠ float32 \(100, 10\)"),
        (lambda a: a.astype(np.float64), r"float64 \(100, 10\) ≠"),
        (lambda a: a.tolist(), "list None ≠"),
        (lambda a: a * np.nan, "NaN, ∞"),
        (lambda a: a[:, :9], r"float32 \(100, 9\) ≠"),
        (lambda a: a * np.float32(2), "Σp = 2 ≠ 1"),
    ],
)
def test_a_wrong_answer_is_one_line_and_nothing_is_stored(quick, fake, twist, words):
    fake.twist = staticmethod(twist)
    with pytest.raises(ReportError, match=words) as raised:
        predictions.of(quick, FAKE)
    assert "\n" not in str(raised.value)
    assert "fake/fp32" in str(raised.value)
    fake.twist = staticmethod(lambda a: a)
    fake.calls.clear()
    predictions.of(quick, FAKE)
    assert fake.calls


def test_stored_answers_are_reused(quick, fake):
    first = predictions.of(quick, FAKE)
    called = len(fake.calls)
    assert np.array_equal(predictions.of(quick, FAKE), first)
    assert len(fake.calls) == called
    assert first.dtype == np.float32
    assert first.shape == (len(quick.images.x_test), 10)


def test_another_model_or_library_version_is_answered_anew(quick, fake, monkeypatch):
    keys = {predictions.artifact(quick, FAKE).key}
    fake.sha = "two"
    keys.add(predictions.artifact(quick, FAKE).key)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99")
    keys.add(predictions.artifact(quick, FAKE).key)
    assert len(keys) == 3


def test_what_cannot_run_here_says_why(quick, fake):
    with pytest.raises(NotMeasured, match="no such chip"):
        predictions.of(quick, Candidate("fake", "fp16"))


def test_altered_answers_are_refused(quick, fake):
    path = predictions.artifact(quick, FAKE).file(predictions.FILE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ArtifactError, match="altered or truncated"):
        predictions.of(quick, FAKE)


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros(3, np.float32), np.array([{"a": 1}])])
def test_a_file_of_another_kind_is_refused(quick, fake, values):
    stored = predictions.artifact(quick, FAKE)
    np.save(stored.file(predictions.FILE), values)
    with pytest.raises(ArtifactError, match=r"float32|no predictions"):
        predictions.read(stored)


def test_the_savedmodel_answers_better_than_chance(quick):
    answers = predictions.of(quick, SAVED_MODEL_REFERENCE)
    assert answers.shape == (len(quick.images.x_test), 10)
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == quick.images.y_test).mean() > 0.8


def test_a_runner_that_splits_images_itself_gets_them_all_at_once(quick, fake):
    fake.batches_itself, fake.max_batch = True, None
    assert run(fake, quick, quick.images.x_test[:250]).shape == (250, 10)
    assert fake.calls == [250]


def test_what_a_runner_depends_on_beside_packages_is_part_of_the_key(quick, fake):
    first = predictions.artifact(quick, FAKE)
    fake.versions = classmethod(lambda cls: {"program": "1"})
    assert predictions.artifact(quick, FAKE).key != first.key


@pytest.fixture
def elsewhere(quick, tmp_path):
    """A session on an empty store, and `give(built_at, value, **inputs)` that stores answers of the reference in it."""
    opened = replace(quick)
    opened.__dict__["store"] = artifacts.Store(tmp_path / "artifacts")
    opened.__dict__["images"] = quick.images
    wanted = {"version": predictions.VERSION, "candidate": "savedmodel/fp32"}
    wanted |= {"model": SavedModel(quick, SAVED_MODEL_REFERENCE).artifact_sha256, "dataset": quick.images.sha256}

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
    stored = SavedModel(quick, SAVED_MODEL_REFERENCE).artifact
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(export, "saved_model", lambda opened: stored)


@pytest.mark.usefixtures("no_tensorflow")
def test_without_tensorflow_the_newest_stored_answers_are_the_reference(elsewhere):
    opened, give = elsewhere
    give("2026-11-19T00:00:00+00:00", 1, tensorflow="2.19")
    give("2026-11-20T00:00:00+00:00", 2, tensorflow="2.21")
    give("2026-11-18T00:00:00+00:00", 3, tensorflow="2.20")
    give("2026-11-21T00:00:00+00:00", 4, model="another")
    give("2026-11-21T00:00:00+00:00", 5, dataset="another")
    give("2026-11-21T00:00:00+00:00", 6, version=0)
    give("2026-11-21T00:00:00+00:00", 7, candidate="savedmodel/fp16")
    (opened.store.root / predictions.KIND / ".half-built").mkdir()  # by a build that goes on
    stored = predictions.artifact(opened, SAVED_MODEL_REFERENCE)
    assert stored.info["system_id"] == "system-2"
    assert predictions.of(opened, SAVED_MODEL_REFERENCE)[0, 0] == 2
    assert predictions.origin(opened) == "system-2"


@pytest.mark.usefixtures("no_tensorflow")
def test_without_stored_answers_the_reference_is_not_measured(elsewhere):
    opened, give = elsewhere
    give("2026-11-21T00:00:00+00:00", 4, model="another")
    with pytest.raises(NotMeasured, match="TensorFlow is not installed"):
        predictions.artifact(opened, SAVED_MODEL_REFERENCE)


@pytest.mark.parametrize(
    ("lacking", "known"), [("tensorflow.python", True), ("keras", True), ("tf2onnx", True), ("yaml", False), (None, False)]
)
def test_only_what_trains_and_exports_may_be_missing(elsewhere, monkeypatch, lacking, known):
    def fail(*_):
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
        predictions.artifact(opened, SAVED_MODEL_REFERENCE)
    (made.path.parent / artifacts.MANIFEST).write_text("{}")
    with pytest.raises(ArtifactError, match="unreadable"):
        predictions.artifact(opened, SAVED_MODEL_REFERENCE)


def test_where_the_reference_runs_its_answers_are_this_systems(quick):
    assert predictions.origin(quick) == system.system_id()


def test_a_system_without_tensorflow_compares_with_what_was_brought(quick, tiny_profile, outputs):
    """The whole way in a process that cannot import TensorFlow: the trained model, the exports and the answers are stored."""
    predictions.artifact(quick, SAVED_MODEL_REFERENCE)
    predictions.artifact(quick, Candidate("onnxrt", "fp32"))  # exports the model
    program = f"""
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = sys.modules["tf2onnx"] = None
from lib.experiment import profile
from lib.experiment.candidate import Candidate
from lib.measure import predictions
from lib.session import Session
opened = Session(profile.load({str(tiny_profile)!r}), "test")
reference, other = (predictions.of(opened, Candidate(runner, "fp32")) for runner in ("savedmodel", "onnxrt"))
print(abs(reference - other).max() < 1e-5)
"""
    environment = os.environ | {"PYTHONPATH": str(config.ROOT), session.OUTPUTS: str(outputs)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
