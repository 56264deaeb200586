"""Accuracy, confusions and findings of notebook 01 follow from the numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import stats
from lib.errors import ArtifactError
from lib.models import train as training
from lib.pages.train import tables as evaluation

LABELS = np.arange(1000) % 10


def answers(right):
    """Probabilities for LABELS of which the first `right` of each class' share are right."""
    predicted = np.where(np.arange(1000) < right, LABELS, (LABELS + 1) % 10)
    return np.eye(10, dtype=np.float32)[predicted] * 0.9 + 0.01


@pytest.fixture
def trained(tmp_path):
    (tmp_path / "history.json").write_text(json.dumps([{"loss": 1.0}, {"loss": 0.5}]))
    info = {"parameters": 2_500_000, "seconds": 90.0}
    return SimpleNamespace(info=info, sha256="ab", path=tmp_path, file=lambda name: tmp_path / name)


def findings(trained, right, minimum=0.8):
    probabilities = answers(right)
    session = SimpleNamespace(
        profile=SimpleNamespace(train=SimpleNamespace(minimum_accuracy=minimum)), images=SimpleNamespace(class_names=tuple("abcdefghij"))
    )
    measured = evaluation.accuracy(probabilities, LABELS)
    return evaluation.findings(session, measured, trained, evaluation.confusion(probabilities.argmax(1), LABELS, 10))


def test_accuracy_has_counts_and_interval():
    record = evaluation.accuracy(answers(870), LABELS, "abc")
    assert record.value == 0.87
    assert (record.stats["correct"], record.stats["images"], record.stats["chance"]) == (870, 1000, 0.1)
    assert (record.stats["ci_low"], record.stats["ci_high"]) == stats.wilson(870, 1000)
    assert (record.runner, record.precision, record.unit, record.artifact_sha256) == ("savedmodel", "fp32", "1", "abc")


@pytest.mark.parametrize(
    ("right", "level", "says"),
    [
        (1000, "good", "over the profile's minimum of 80%"),
        (900, "good", "over the profile's minimum"),
        (810, "note", "interval reaches below"),
        (790, "bad", "below the profile's minimum of 80%"),
        (100, "bad", "no better than guessing (10.0%)"),
        (115, "bad", "no better than guessing"),
        (0, "bad", "no better than guessing"),
    ],
)
def test_first_finding_judges_the_accuracy(trained, right, level, says):
    found = findings(trained, right)[0]
    assert found.level == level
    assert says in found.text.en
    assert f"{right / 1000:.2%}" in found.text.en
    assert f"{right / 1000:.2%}" in found.text.ja


def test_chance_is_red_even_where_the_profile_asks_for_nothing(trained):
    assert findings(trained, 100, minimum=0.01)[0].level == "bad"


def test_chance_is_the_largest_class():
    skewed = np.array([0] * 90 + [1] * 10)
    always_zero = np.tile(np.float32([0.9, 0.1]), (100, 1))
    assert evaluation.accuracy(always_zero, skewed).stats["chance"] == 0.9


def test_diverged_training_is_red(trained):
    assert [f.level for f in findings(trained, 1000)].count("bad") == 0
    trained.file("history.json").write_text('[{"loss": 1.0}, {"loss": NaN}]')
    assert any("diverged" in f.text.en and f.level == "bad" for f in findings(trained, 1000))


def test_notes_name_the_confusion_and_the_cost(trained):
    notes = [f.text.en for f in findings(trained, 990) if f.level == "note"]
    assert notes[0] == "Most frequent confusion: a taken for b, 1 of 100 images."
    assert notes[1] == "2.50 million parameters, 2 epochs, trained in 90 s."
    assert not any("confusion" in f.text.en for f in findings(trained, 1000))


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1))
    )
)
def test_confusion_counts_every_pair(case):
    classes, pairs = case
    truth, predicted = np.array(pairs).T
    matrix = evaluation.confusion(predicted, truth, classes)
    assert matrix.shape == (classes, classes)
    assert all(matrix[t, p] == pairs.count((t, p)) for t in range(classes) for p in range(classes))


def test_examples_are_right_and_wrong_the_surest_mistake_first():
    probabilities = answers(990)
    probabilities[995] = np.eye(10)[(LABELS[995] + 2) % 10]
    chosen = evaluation.examples(probabilities, LABELS, 6)
    predicted = probabilities.argmax(1)
    assert len(chosen.right) == len(chosen.wrong) == 6
    assert (predicted[chosen.right] == LABELS[chosen.right]).all()
    assert (predicted[chosen.wrong] != LABELS[chosen.wrong]).all()
    assert chosen.wrong[0] == 995
    assert len(set(chosen.right)) == 6
    assert np.array_equal(chosen.right, evaluation.examples(probabilities, LABELS, 6).right)


def test_training_records_come_from_the_manifest(trained):
    time, parameters = evaluation.training_records(trained)
    assert (time.metric, time.value, time.unit, time.stats) == ("training_time", 90.0, "s", {"epochs": 2})
    assert (parameters.metric, parameters.value) == ("parameters", 2_500_000)


def test_unreadable_history_says_what_to_do(trained):
    trained.file("history.json").write_text("{")
    with pytest.raises(ArtifactError, match="to train again"):
        evaluation.history(trained)


def test_tables_of_a_trained_model(quick):
    artifact = training.trained(quick)
    rows = evaluation.layer_rows(artifact)
    assert sum(row["parameters"] for row in rows) == artifact.info["parameters"]
    assert rows[0]["shape"] == "32 × 32 × 8"
    x_train, _, x_val, _ = training.split(quick.profile.train, quick.images)
    assert [row["images"] for row in evaluation.dataset_rows(quick)] == [len(x_train), len(x_val), 500]
    row = evaluation.result_row(evaluation.accuracy(answers(870), LABELS), artifact)
    assert row["accuracy"] == pytest.approx(87)
    assert row["ci_low"] < 87 < row["ci_high"]
    assert {column.key for column in evaluation.result_columns()} <= row.keys()


def test_records_are_saved_with_the_stage_and_read_back(quick, monkeypatch, tmp_path):
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    opened = replace(quick, stage="01_train")
    opened.save([evaluation.accuracy(answers(870), LABELS)], [])
    (record,) = opened.recorded("01_train")
    assert (record.value, record.stage, record.run_id, record.dataset) == (0.87, "01_train", quick.run_id, quick.images.label)
    assert json.loads((opened.results / "system.json").read_text())["cores"] >= 1
