"""Notebook 01: the classifier against chance and the profile's minimum, and what is shown of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from records import accuracy, keys, made_run

from lib.errors import ConfigError
from lib.experiment import profile as config
from lib.experiment.candidate import SAVED_MODEL_REFERENCE
from lib.models import train
from lib.pages.classes import Confusion
from lib.pages.train import exhibits, figures, measure, rules, tables
from lib.session import Session
from lib.show.table import table_html
from lib.store import picture
from lib.store.records import Reason, Record
from lib.text import LANGUAGES

STAGE = "01_train"
MATRIX = Confusion(classes=["a", "b"], counts=[[90, 10], [3, 97]])


def recorded(correct=950, total=1000, minimum=0.9, **fields):
    cost = [Record("training_time", "s", 61.0, stats={"epochs": 8}), Record("parameters", "count", 2_500_000)]
    profile = {"train": {"minimum_accuracy": minimum}}
    return made_run(STAGE, [accuracy("savedmodel/fp32", correct, total), *cost], {"confusion": MATRIX}, profile=profile, **fields)


@pytest.mark.parametrize(
    ("correct", "level", "key"),
    [(950, "good", "over_minimum"), (905, "note", "reaches_below"), (880, "bad", "below_minimum"), (105, "bad", "at_chance")],
)
def test_accuracy_is_held_against_chance_and_minimum(correct, level, key):
    assert keys(rules.findings(recorded(correct)))[0] == (level, key)


def test_the_most_frequent_confusion_is_said():
    (confused,) = rules.findings(recorded())[1:]
    assert confused.values == {"truth": "a", "taken": "b", "count": 10, "total": 100}


def test_a_training_that_diverged_is_what_the_page_says():
    lost = Record("accuracy", "share", None, SAVED_MODEL_REFERENCE, reason=Reason("diverged", {"epoch": 2, "epochs": 8}))
    (finding,) = rules.findings(made_run(STAGE, [lost]))
    assert finding.level == "bad"
    assert "diverged in epoch 2 of 8" in finding.text.en
    assert "発散" in finding.text.ja


def test_measure_records_a_training_that_diverges(quick, monkeypatch):
    def diverge(settings, images, store):
        raise train.Diverged(2, 8, 10.0)

    monkeypatch.setattr(train, "trained", diverge)
    session = Session(quick.profile, STAGE)
    measure.measure(session)
    assert [r.reason.key for r in session.records if r.metric == "accuracy"] == ["diverged"]


def test_a_profile_with_a_model_of_its_own_is_sent_to_its_own_notebook():
    own = config.Profile.model_validate({"name": "mine", "model": {"file": "mine.onnx"}})
    asked = SimpleNamespace(profile=own, stage=STAGE)  # nothing of it is read
    with pytest.raises(ConfigError, match="profile mine has one of its own: use 01_model"):
        measure.measure(asked)


def test_measure_records_what_the_page_shows(quick):
    session = Session(quick.profile, STAGE)
    measure.measure(session)
    run = made_run(STAGE, session.records, session.exhibits, class_names=list(quick.images.class_names))
    one = run.find("accuracy", run.profile.reference)
    counts = np.array(run.exhibit("confusion", Confusion).counts)
    assert counts.sum() == one.stats["total"] == len(quick.images.x_test)
    assert np.trace(counts) == one.stats["correct"]
    assert [record.value for record in run.records("images")][2] == len(quick.images.x_test)
    assert len(run.exhibit("history", exhibits.History).epochs) == quick.profile.train.epochs
    shown = run.exhibit("examples", exhibits.Examples).examples
    assert {example.right for example in shown} == {True, False}
    assert all(picture.decode(example.png).shape == quick.images.x_test.shape[1:] for example in shown)
    for figure in (figures.curves, figures.confusion, figures.examples, figures.samples):
        for language in LANGUAGES:
            assert figure(run).draw(language).axes


def test_examples_are_the_most_confident_mistakes(quick):
    images = quick.images
    probabilities = np.full((len(images.x_test), 10), 0.01, np.float32)
    probabilities[np.arange(len(images.x_test)), images.y_test] = 0.9
    wrong = (images.y_test[7] + 1) % 10
    probabilities[7] = 0.0
    probabilities[7, wrong] = 1.0
    found = [example for example in measure.examples(images, probabilities).examples if not example.right]
    assert [(example.truth, example.likely[0]) for example in found] == [
        (images.class_names[images.y_test[7]], (images.class_names[wrong], 1.0))
    ]


@pytest.mark.parametrize("run", [made_run(STAGE), recorded()], ids=["empty", "numbers alone"])
def test_a_run_without_exhibits_is_shown_all_the_same(run):
    rules.findings(run)
    for language in LANGUAGES:
        for table in (tables.data, tables.network, tables.result):
            assert table_html(table(run), language)
        for figure in (figures.curves, figures.confusion, figures.examples, figures.samples):
            figure(run).draw(language)


def test_pictures_come_back_as_they_were():
    image = np.random.default_rng(0).integers(0, 256, (8, 5, 3), np.uint8)
    assert (picture.decode(picture.encode(image)) == image).all()
    with pytest.raises(ValueError, match="no picture"):
        picture.decode("aGVsbG8=")
