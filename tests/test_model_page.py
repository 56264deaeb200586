"""Notebook 01 of a user's own model: what the numbers say of it, what is shown, and one real small model measured."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import images as pictures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from models import onnx_classifier
from PIL import Image
from records import accuracy, keys, made_run, missing
from test_figures import drawn

from lib.data import dataset
from lib.errors import ConfigError
from lib.experiment import profile as profiles
from lib.experiment.candidate import ONNX_REFERENCE
from lib.pages import causes, classes
from lib.pages.model import exhibits, figures, measure, rules, tables
from lib.session import OUTPUTS, Session
from lib.show.table import table_html
from lib.store import picture
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import LANGUAGES

STAGE, REFERENCE = "01_model", "onnxrt/fp32"
TABLES = (
    tables.result,
    tables.data,
    tables.facts,
    tables.preprocessing,
    tables.statistics,
    tables.probe,
    tables.labels,
    tables.mistakes,
    tables.left_out,
)
FIGURES = (figures.samples, figures.probe, figures.confusion)
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "scale": 1 / 255}
PREPROCESSING = {"size": [8, 10], "resize": "exact", "crop_pct": 1.0, "resize_size": None, "interpolation": "bilinear"}
PREPROCESSING |= {"library": "pillow", "channels": "RGB"}
FACTS = {"source": "onnx", "file": "mine.onnx", "input": "x", "dtype": "float32", "layout": "NCHW", "size": [8, 10], "channels": 3}
FACTS |= {"output": "y", "classes": 10, "logits": True, "batch": None, "opset": 17, "parameters": 1234, "operators": {"Conv": 2}}
FACTS |= {"bytes": 5000}


OWN = profiles.Profile.model_validate({"name": "mine", "model": {"file": "mine.onnx"}}).model_dump()


def run_of(records: Iterable[Record] = (), shown: Mapping[str, Any] | None = None, stage: str = STAGE, **fields: Any) -> Run:
    """A run of a model of somebody's own whose page has these records and exhibits."""
    made = made_run(stage, records, shown, **fields)
    file = made.files[stage]
    return Run(made.folder, stage, {stage: file._replace(stage=replace(file.stage, profile=OWN))})


def tried(kind: str, choice: str, correct: int, only_own: int, only_choice: int, metric: str = "probed", total: int = 500) -> Record:
    case = {"kind": kind, "choice": choice, "line": f"preprocess.{kind}: {choice}"}
    stats = {"correct": correct, "total": total, "only_own": only_own, "only_choice": only_choice}
    return Record(metric, "share", correct / total, ONNX_REFERENCE, case=case, stats=stats)


def statistics(mean: float, std: float) -> exhibits.Statistics:
    return exhibits.Statistics(images=500, mean=[mean] * 3, std=[std] * 3, low=-2.0, high=2.0)


def preprocessing(**values: Any) -> exhibits.Preprocessing:
    return exhibits.Preprocessing(**PREPROCESSING | {"mean": [0.0] * 3, "std": [1.0] * 3, "scale": 1.0} | values)


# Findings ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "expected"), [(450, [("good", "accuracy")]), (52, [("bad", "at_chance"), ("note", "chance_means")])], ids=["good", "chance"]
)
def test_accuracy_is_held_against_chance(correct, expected):
    assert keys(rules.findings(run_of([accuracy(REFERENCE, correct)]))) == expected


def test_a_reference_that_does_not_run_is_a_problem():
    lost = missing("accuracy", "share", REFERENCE, "failed", values={"message": "no such operator"})
    assert keys(rules.findings(run_of([lost]))) == [("bad", "failed")]


def test_a_right_profile_raises_nothing():
    found = [
        accuracy(REFERENCE, 300),
        tried("own", "own", 300, 0, 0),
        tried("channels", "BGR", 200, 120, 20),
        tried("interpolation", "bicubic", 302, 4, 6),
    ]
    found += [tried("offset", "+1", 40, 290, 30, "probed_labels"), tried("order", "best", 150, 2, 2, "probed_labels", 250)]
    said = rules.findings(run_of(found))
    assert keys(said) == [("good", "accuracy"), ("note", "none_better"), ("note", "labels_fit")]
    assert (said[1].values["count"], said[1].values["total"]) == (2, 500)


def test_only_the_best_of_what_is_surely_better_is_red_with_the_line_to_write():
    found = [
        accuracy(REFERENCE, 300),
        tried("own", "own", 300, 0, 0),
        tried("keras", "tf", 350, 20, 70),
        tried("channels", "BGR", 440, 10, 150),
    ]
    (better, *others) = rules.findings(run_of(found))
    assert (better.level, better.key) == ("bad", "better")
    assert (better.values["correct"], better.values["total"], better.values["own"]) == (440, 500, 300)
    assert "With channels as BGR, 440 of 500 images are right, not 300 (" in better.text.en
    for text in better.text:
        assert "preprocess.channels: BGR" in text
        assert "`" not in text  # no Markdown: shown as it is
    assert keys(others) == [("good", "accuracy")]
    marked = [row["choice"].en for row in tables.probe(run_of(found)).rows if row.get("best")]
    assert marked == ["BGR", "tf"]


def test_what_gains_more_explains_the_other():
    found = [accuracy(REFERENCE, 300), tried("channels", "BGR", 440, 10, 150), tried("order", "best", 200, 5, 40, "probed_labels", 250)]
    assert keys(rules.findings(run_of(found)))[0] == ("bad", "better")
    found[1:] = [tried("channels", "BGR", 340, 10, 50), tried("order", "best", 240, 0, 180, "probed_labels", 250)]
    said = rules.findings(run_of(found))
    assert [key for level, key in keys(said) if level == "bad"] == ["better_labels"]


@pytest.mark.parametrize(("kind", "total", "halves"), [("order", 250, True), ("offset", 500, False)])
def test_an_order_that_was_fitted_says_of_which_images_its_numbers_are(kind, total, halves):
    choice = "best" if kind == "order" else "+1"
    (said, *_) = rules.findings(run_of([accuracy(REFERENCE, 50), tried(kind, choice, 240, 0, 180, "probed_labels", total)]))
    assert said.key == "better_labels"
    assert ("half of the images" in said.text.en, "残りの半分" in said.text.ja) == (halves, halves)
    assert f"240 of {total} images are right; with the classes in their present order, 60 are (" in said.text.en


def test_a_model_that_guesses_by_a_mistake_is_told_the_mistake_first():
    found = [accuracy(REFERENCE, 52), tried("channels", "BGR", 440, 0, 388)]
    assert keys(rules.findings(run_of(found))) == [("bad", "better"), ("bad", "at_chance")]


def test_a_gain_that_chance_explains_among_many_tries_is_none():
    one = tried("resize", "pad", 309, 1, 10)  # alone its p is 0.01
    many = [tried("crop", f"{k}", 300, 5, 5) for k in range(9)]
    assert keys(rules.findings(run_of([one]))) == [("bad", "better")]
    assert keys(rules.findings(run_of([one, *many]))) == [("note", "none_better")]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=8))
def test_nothing_is_better_that_has_no_more_right(counts):
    found = [tried("crop", str(k), 200 + mine - own, own, mine) for k, (own, mine) in enumerate((a // 2, b // 2) for a, b in counts)]
    every = rules.tried(run_of(found))
    assert all(each.apart.low > 0 and each.record.stats["only_choice"] > each.record.stats["only_own"] for each in every if each.better)
    assert all(each.own == 200 for each in every)
    assert [each.apart.value for each in every] == sorted((each.apart.value for each in every), reverse=True)


@pytest.mark.parametrize(
    ("records", "fields", "expected"),
    [
        ([missing("accuracy", "share", REFERENCE, "no_labels")], {}, [("note", "no_labels")]),
        ([missing("accuracy", "share", REFERENCE, "no_labels")], {"dataset": dataset.RANDOM}, [("note", "random_input")]),
        ([Record("left_out", "count", 3)], {}, [("warn", "left_out")]),
        ([Record("left_out", "count", 0)], {}, []),
        ([Record("images", "count", 0, case={"split": "calibration"})], {}, [("note", "no_calibration")]),
        ([Record("images", "count", 9, case={"split": "calibration"})], {}, []),
    ],
)
def test_what_the_images_lack_is_said(records, fields, expected):
    assert keys(rules.findings(run_of(records, **fields))) == expected


@pytest.mark.parametrize(
    ("values", "mean", "std", "doubtful"),
    [
        (IMAGENET, 0.1, 1.1, False),
        (IMAGENET, -2.0, 0.02, True),  # scaled twice
        (IMAGENET, 400.0, 250.0, True),  # not scaled
        ({"mean": [1.0] * 3, "scale": 1 / 127.5}, -0.1, 0.5, False),  # Keras' tf
        ({"mean": [103.9, 116.8, 123.7], "scale": 1.0}, 5.0, 60.0, False),  # Keras' caffe
        ({"mean": [103.9, 116.8, 123.7], "scale": 1 / 255}, -114.0, 0.2, True),
        ({}, 114.0, 60.0, False),  # nothing was promised
    ],
)
def test_an_input_far_from_what_mean_and_std_promise_is_doubtful(values, mean, std, doubtful):
    run = run_of(shown={"statistics": statistics(mean, std), "preprocessing": preprocessing(**values)})
    assert keys(rules.findings(run)) == ([("warn", "input_far")] if doubtful else [])


def test_a_fixed_batch_is_said():
    said = rules.findings(run_of(shown={"facts": exhibits.Facts(**FACTS | {"batch": 4})}))
    assert keys(said) == [("note", "fixed_batch")]
    assert "batches of 4 images only" in said[0].text.en


# Tables and figures ------------------------------------------------------------------------------------------------------------


def everything() -> Run:
    found = [accuracy(REFERENCE, 300), Record("top5", "share", 0.9, ONNX_REFERENCE, stats={"correct": 450, "total": 500})]
    found += [tried("own", "own", 300, 0, 0), tried("channels", "BGR", 440, 10, 150), tried("someday", "a new kind", 290, 15, 5)]
    lost = {"kind": "scale", "choice": "0..255", "line": ""}
    found += [Record("probed", "share", None, ONNX_REFERENCE, case=lost, reason=Reason("not_finite"))]
    found += [tried("offset", "+1", 40, 290, 30, "probed_labels"), Record("left_out", "count", 1)]
    found += [Record("images", "count", 500, case={"split": "test"}), Record("images", "count", 0, case={"split": "calibration"})]
    shown = {
        "facts": exhibits.Facts(**FACTS),
        "preprocessing": preprocessing(**IMAGENET),
        "statistics": statistics(0.1, 1.1),
        "mistakes": exhibits.Mistakes(pairs=[exhibits.Mistake(truth="a", taken="b", count=3, total=50)]),
        "left_out": exhibits.LeftOut(files=["images/test/a/x.png (no image)"]),
        "confusion": classes.Confusion(classes=["とても長い名前のクラス その一", "b" * 60], counts=[[40, 10], [3, 47]]),
        "samples": exhibits.Samples(
            samples=[sample("とても長い名前のクラス", "b"), sample("an Egyptian cat, tabby", "b"), *[sample("b", "b")] * 6]
        ),
    }
    return run_of(found, shown)


def sample(truth: str, taken: str) -> exhibits.Sample:
    png = picture.encode(np.full((8, 10, 3), 99, np.uint8))
    return exhibits.Sample(disk=png, fitted=png, given=png, truth=truth, taken=taken)


@pytest.mark.parametrize("run", [everything(), run_of([]), made_run("02_export")], ids=["everything", "nothing", "another page"])
def test_every_table_and_figure_is_shown_whatever_was_recorded(run):
    own = run.of(STAGE)
    rules.findings(own)
    for language in LANGUAGES:
        for table in TABLES:
            assert table_html(table(own), language)
        for figure in FIGURES:
            assert not drawn(figure(own), language).covered


def test_result_has_top_1_and_top_5():
    top1, top5 = tables.result(everything()).rows
    assert (top1["correct"], top1["chance"], top5["correct"]) == (300, 10.0, 450)
    assert top1["accuracy"].low < 60 < top1["accuracy"].high
    assert "chance" not in top5


def test_the_own_choice_stands_first_and_what_could_not_be_tried_last_with_its_reason():
    rows = tables.probe(everything()).rows
    assert [row["choice"] and row["choice"].ja for row in rows] == [None, "BGR", "a new kind", "0..255"]
    assert rows[1]["line"] == "preprocess.channels: BGR"
    assert rows[-1]["difference"] == Reason("not_finite")


def test_keys_that_count_for_nothing_are_not_shown():
    whole = run_of(shown={"preprocessing": preprocessing(resize="pad")})
    assert not {"crop_pct", "resize_size"} & {row["key"] for row in tables.preprocessing(whole).rows}
    sized = run_of(shown={"preprocessing": preprocessing(resize="shortest_edge", resize_size=256)})
    assert {row["key"]: row["value"] for row in tables.preprocessing(sized).rows}["resize_size"] == "256"


@given(st.text(), st.integers(2, 30))
def test_a_shortened_name_fits_and_begins_as_the_name_does(name, longest):
    said = classes.short(name, longest)
    assert said == name or (classes.width(said) <= longest and name.startswith(said.removesuffix("…").rstrip()))


# What a loss usually means ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "correct", "cause"),
    [
        ("onnxrt/int8_qdq", 4000, "calibration"),
        ("tensorrt/fp16", 1000, "layout"),
        ("tensorrt/fp16", 4500, "scale"),
        ("tensorrt/fp16", 8300, "colours"),
        ("tensorrt/fp16", 8780, "resize"),
        ("tensorrt/fp16", 8995, None),
    ],
)
def test_a_loss_has_its_usual_cause(candidate, correct, cause):
    lost = accuracy(candidate, correct, 10_000, (9000 - correct, 0))
    found = causes.usual(run_of(stage="07_precision"), [accuracy(REFERENCE, 9000, 10_000), lost])
    assert keys(found) == ([("note", "usual_cause")] if cause else [])
    assert not cause or found[0].values["cause"] == causes.W(f"causes.{cause}")


def test_the_largest_loss_that_is_not_int8_decides():
    lost = [accuracy("tensorrt/fp16", 8300, 10_000, (700, 0)), accuracy("onnxrt/int8_qdq", 1000, 10_000, (8000, 0))]
    (found,) = causes.usual(run_of(stage="07_precision"), lost)
    assert found.values["what"].precision == "fp16"


@pytest.mark.parametrize("stage", ["02_export", "04_int8", "07_precision"])
def test_the_pages_that_show_losses_say_it(stage):
    page = importlib.import_module(f"lib.pages.{stage[3:]}.rules")
    lost = accuracy("onnxrt/int8_qdq", 4000, 10_000, (5000, 0))
    found = [accuracy(REFERENCE, 9000, 10_000), lost, Record("max_abs", "difference", 0.5, lost.candidate)]
    said = keys(page.findings(run_of(found, stage=stage)))
    assert said.count(("note", "usual_cause")) == said.count(("bad", "loss_over")) == 1
    ours = made_run(stage, found)  # of the model that is trained here the report knows better
    assert ("note", "usual_cause") not in keys(page.findings(ours))


# One real model ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A small ONNX file of six classes on pictures of three, one of them turned, one broken and left out."""
    monkeypatch.setenv(OUTPUTS, str(tmp_path / "outputs"))
    onnx_classifier(tmp_path, classes=6, size=pictures.SIZE)
    test = pictures.folder(tmp_path / "images", {"test": dict.fromkeys(pictures.CLASSES, 8)}, size=(30, 20)) / "test" / pictures.CLASSES[1]
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(pictures.pixels(5, (30, 20))).save(test / "turned.jpg", exif=turned)
    (test / "broken.png").write_bytes(b"no image")
    (tmp_path / "names.txt").write_text("\n".join((*pictures.CLASSES, "d", "e", "f")), encoding="utf-8")
    sections = "dataset: {folder: images, classes: names.txt, skip_broken: true}\npreprocess: caffe\n"
    (tmp_path / "mine.yaml").write_text(f"model: {{file: model.onnx}}\n{sections}", encoding="utf-8")
    session = Session(profiles.load(str(tmp_path / "mine.yaml")), STAGE)
    measure.measure(session)
    return session


def test_measure_records_what_the_page_shows(measured):
    run = measured.save()
    one, top5 = run.find("accuracy", run.profile.reference), run.find("top5", run.profile.reference)
    assert one.stats["total"] == top5.stats["total"] == 25
    assert one.stats["correct"] <= top5.stats["correct"]
    assert {r.case["split"]: r.value for r in run.records("images")} == {"test": 25, "calibration": 0}
    assert (("warn", "left_out") in keys(rules.findings(run)), ("note", "no_calibration") in keys(rules.findings(run))) == (True, True)
    assert "broken.png" in run.exhibit("left_out", exhibits.LeftOut).files[0]
    facts = run.exhibit("facts", exhibits.Facts)
    assert (facts.source, facts.classes, facts.logits, facts.layout, facts.operators["Conv"]) == ("onnx", 6, True, "NCHW", 2)
    assert facts.parameters > 50
    wrong = sum(pair.count for pair in run.exhibit("mistakes", exhibits.Mistakes).pairs)
    counts = np.array(run.exhibit("confusion", classes.Confusion).counts)
    assert counts.sum() - np.trace(counts) == wrong == 25 - one.stats["correct"]
    assert {r.case["kind"] for r in run.records("probed")} > {"own", "channels"}
    assert {r.case["kind"] for r in run.records("probed_labels")} == {"offset", "order"}
    for language in LANGUAGES:
        for table in TABLES:
            assert table_html(table(run), language)
        for figure in FIGURES:
            assert figure(run).draw(language).axes


def test_the_input_is_shown_and_summed_up_as_the_model_gets_it(measured):
    inputs = measured.to_input(measured.images.x_test).astype(np.float64)
    seen = measured.exhibits["statistics"]
    np.testing.assert_allclose(seen.mean, inputs.mean(axis=(0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(seen.std, inputs.std(axis=(0, 2, 3)), rtol=1e-6)
    assert (seen.low, seen.high) == (inputs.min(), inputs.max())
    shown = measured.exhibits["samples"].samples
    assert len({one.truth for one in shown}) == 3
    for one, image in zip(shown, measured.images.x_test, strict=False):
        fitted, given_ = picture.decode(one.fitted), picture.decode(one.given)
        assert (fitted == image).all()
        means = fitted.mean(axis=(0, 1)) - [123.68, 116.779, 103.939]
        assert given_.mean(axis=(0, 1)).argmax() == 2 - means.argmax()  # caffe's first channel is blue, and is shown as red
    assert {picture.decode(one.disk).shape for one in shown} <= {(96, 64, 3), (64, 96, 3)}


def test_a_turned_file_is_shown_as_any_program_shows_it(measured):
    place = [file.name for file in measured.images.files].index("turned.jpg")
    assert picture.decode(measure._on_disk(measured, measured.images.files[place])).shape == (64, 96, 3)
    assert measure._on_disk(measured, Path("gone.png")) is None


def test_without_labels_everything_but_accuracy_is_there(measured, monkeypatch):
    file = measured.profile._home / "mine.yaml"
    file.write_text(file.read_text().replace("skip_broken: true", "skip_broken: true, labels: none"))
    session = Session(profiles.load(str(file)), STAGE)
    measure.measure(session)
    run = session.save()
    assert ("note", "no_labels") in keys(rules.findings(run))
    assert not run.records("top5")
    assert not run.records("probed")
    assert all(one.taken and not one.truth for one in session.exhibits["samples"].samples)
    for figure in FIGURES:
        assert figure(run).draw("ja").axes


def test_random_input_says_what_it_is_worth(measured):
    file = measured.profile._home / "mine.yaml"
    file.write_text("model: {file: model.onnx}\npreprocess: none\n")
    session = Session(profiles.load(str(file)), STAGE)
    measure.measure(session)
    assert keys(rules.findings(session.save())) == [("note", "random_input")]
    assert all(one.disk is None for one in session.exhibits["samples"].samples)


def test_a_profile_that_trains_is_sent_to_its_own_notebook():
    with pytest.raises(ConfigError, match="use 01_train"):
        measure.measure(Session(profiles.load("quickstart"), STAGE))


@given(arrays.arrays(np.float32, (20, 7), elements=st.integers(0, 3).map(float)), st.lists(st.integers(0, 6), min_size=20, max_size=20))
def test_places_are_those_of_a_stable_sort(outputs, labels):
    labels = np.array(labels)
    order = np.argsort(-outputs, axis=1, kind="stable")
    assert (measure.places(outputs, labels) == (order == labels[:, None]).argmax(axis=1)).all()
    assert ((measure.places(outputs, labels) == 0) == (outputs.argmax(axis=1) == labels)).all()


def test_mistakes_are_the_most_frequent_first():
    predicted, labels = np.array([1, 1, 1, 0, 2, 2]), np.array([0, 0, 1, 2, 2, 0])
    pairs = measure.mistakes(predicted, labels, ("a", "b", "c")).pairs
    assert (pairs[0].truth, pairs[0].taken, pairs[0].count, pairs[0].total) == ("a", "b", 2, 3)
    assert len(pairs) == 3
    assert measure.mistakes(labels, labels, ("a", "b", "c")).pairs == []


@pytest.mark.parametrize("level", [0, 255])
def test_an_image_of_one_colour_is_shown_too(measured, level):
    seen = measure.given(measured, np.full((*pictures.SIZE, 3), level, np.uint8))
    assert (seen == seen[0, 0]).all()
    assert (seen.min(), seen.max()) == (0, 255)  # caffe's mean leaves three values
