"""What notebook 05 says of records whose answer is known, and what it measures on the tiny model."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from records import keys, made_run

from lib.cuda import CudaError
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate, Way
from lib.measure import compare, layers, predictions
from lib.pages.consistency import figures, measure, rules, tables
from lib.pages.consistency.exhibits import Disagreement, Disagreements
from lib.runners import RUNNERS, null
from lib.session import Session
from lib.show.table import table_html
from lib.store.records import Reason, Record, to_json
from lib.store.run import Run
from lib.text import LANGUAGES, Text

STAGE = "05_consistency"
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
ORT, FP16, INT8 = Candidate("onnxrt", "fp32"), Candidate("onnxrt", "fp16"), Candidate("onnxrt", "int8_qdq")
TRT = Candidate("tensorrt", "fp16")
NO_GPU = Reason("no_gpu")
V2, GRAPH = Way("execute_async_v2"), Way("enqueueV3", graph=True)


def against(candidate, max_abs=1e-6, differ=0, total=400, system="test", skip=()):
    """The four records of a candidate against the reference."""
    counts = {"correct": total - differ, "total": total}
    made = [
        Record("cosine", "difference", 0.999, candidate, stats={"min": 0.99, "reference_system": system}),
        Record("agreement", "share", counts["correct"] / total, candidate, stats=counts),
        Record("max_abs", "difference", max_abs, candidate),
        Record("mean_abs", "difference", max_abs / 100, candidate),
    ]
    return [record for record in made if record.metric not in skip]


def without(candidate, reason=NO_GPU):
    units = {"cosine": "difference", "agreement": "share", "max_abs": "difference", "mean_abs": "difference"}
    return [Record(metric, unit, None, candidate, reason=reason) for metric, unit in units.items()]


def pair(candidate, other, max_abs=1e-3, differ=1, total=400):
    stats = {"correct": total - differ, "total": total, "max_abs": max_abs, "mean_abs": max_abs / 10, "cosine": 0.999}
    return Record("pair_agreement", "share", (total - differ) / total, candidate, case={"other": other.key}, stats=stats)


def call(runner, precision, way, batch, max_abs=0.0, differ=0, total=500):
    stats = {"correct": total - differ, "total": total, "max_abs": max_abs}
    return Record("call_agreement", "share", (total - differ) / total, Candidate(runner, precision, way), batch, stats=stats)


def tensor(candidate, index, name, relative, operator="Conv"):
    stats = {"index": index, "operator": operator, "max_abs": relative, "images": 32}
    reason = Reason("not_finite") if relative is None else None
    return Record("relative_difference", "ratio", relative, candidate, case={"tensor": name}, stats=stats, reason=reason)


def run_of(*records, **exhibits):
    return made_run(STAGE, records, exhibits)


def said(run):
    return keys(rules.findings(run))


def finding(run, key):
    (found,) = [each for each in rules.findings(run) if each.key == key]
    return found


EVERYTHING = [
    *against(ORT),
    *against(FP16, 1e-3),
    *against(INT8, 0.1, 4),
    *without(TRT),
    pair(FP16, ORT),
    pair(INT8, ORT),
    pair(INT8, FP16),
    call("tensorrt", "fp32", V2, 1),
    call("cpp", "fp32", GRAPH, 16),
    Record("call_agreement", "share", None, Candidate("tensorrt", "fp16", V2), reason=NO_GPU),
    Record("relative_difference", "ratio", None, TRT, reason=NO_GPU),
    Record("marking_difference", "difference", 2e-3, INT8, stats={"images": 32}),
    tensor(INT8, 1, "a", 0.0, "Mul"),
    tensor(INT8, 2, "b", 0.01),
    tensor(INT8, 3, "c", 0.09),
]


def picture(**changed):
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, format="png")
    values = {"image": 3, "png": base64.b64encode(file.getvalue()).decode(), "candidate": INT8.key, "true": 3, "expected": 3}
    return Disagreement(**values | {"p_expected": 0.91, "got": 4, "p_got": 0.62, "difference": 0.6} | changed)


FULL = run_of(*EVERYTHING, disagreements=Disagreements(worst=[picture()], differing=7, images=400))


def test_what_is_within_tolerance_is_one_good_finding_and_what_did_not_run_a_note():
    assert said(FULL) == [("good", "within"), ("good", "calls"), ("note", "begins"), ("note", "unmeasured")]
    within = finding(FULL, "within")
    assert (within.values["farthest"], within.values["total"], within.values["least"]) == (INT8, 400, 0.99)
    assert "0.1 (ONNX Runtime (CPU) INT8 (explicit)), same class on at least 99.00%" in within.text.en


def test_one_disagreement_in_fp32_is_red_and_says_that_the_export_did_it():
    run = run_of(*against(ORT, 0.61, 1), *against(FP16, 1e-3))
    assert said(run) == [("bad", "over"), ("bad", "export_over"), ("good", "within")]
    first, others = finding(run, "over").text.first("en")
    assert first == "ONNX Runtime (CPU) FP32 exceeded the tolerance: same class on 99.75% of images, outputs 0.61 apart."
    assert "over 400 images; tolerated are 99.95% and 0.0001 (the precision's own)" in others
    verdicts = [row["verdict"].en for row in tables.against(run).rows]
    assert verdicts == ["OVER", "within"]


@pytest.mark.parametrize(("max_abs", "differ", "good"), [(0.5, 12, True), (0.51, 0, False), (0.1, 25, False)])
def test_each_of_the_two_tolerances_counts(max_abs, differ, good):
    assert (rules.over(run_of(*against(INT8, max_abs, differ))) == []) == good


def test_candidates_of_one_precision_over_their_tolerance_are_one_finding():
    far = [Candidate(name, "fp16") for name in ("onnxrt", "tflite", "tensorrt")]
    run = run_of(*(record for candidate in far for record in against(candidate, 0.3)))
    assert said(run) == [("bad", "over")]
    assert all(name in finding(run, "over").text.en for name in ("ONNX", "Lite", "TensorRT"))


def test_whose_answers_stand_in_for_the_reference_is_said():
    run = run_of(*against(ORT, system="elsewhere"))
    assert finding(run, "origin").values["system"] == "elsewhere"
    assert ("note", "origin") not in said(run_of(*against(ORT)))


def test_what_failed_is_red_and_what_cannot_run_is_not():
    failed = Reason("failed", {"message": "launch failed"})
    assert said(run_of(*without(ORT, failed))) == [("bad", "failed")]
    assert said(run_of(*without(ORT, Reason("cannot", {"message": "no driver"})))) == [("note", "unmeasured")]


def test_numbers_that_an_earlier_page_measured_are_found_there():
    earlier = {"02_export": [record for record in against(ORT) if record.metric in ("agreement", "max_abs")]}
    run = made_run(STAGE, against(ORT, skip=("agreement", "max_abs")), others=earlier)
    assert rules.against(run)[ORT].max_abs == 1e-6
    lacking = run_of(*against(ORT, skip=("agreement",)))
    assert tables.against(lacking).rows[0]["max_abs"] == Reason("not_recorded")


def test_pairs_are_there_in_both_orders_and_with_the_reference():
    found = rules.pairs(FULL)
    assert len(found) == 2 * (3 + 3)
    assert found[SAVED_MODEL_REFERENCE, INT8] == found[INT8, SAVED_MODEL_REFERENCE] == rules.against(FULL)[INT8]
    assert found[ORT, FP16].max_abs == 1e-3


def test_a_call_equals_another_to_six_decimals_with_the_same_classes():
    assert rules.equal(call("cpp", "fp32", GRAPH, 1, 4e-7))
    assert not rules.equal(call("cpp", "fp32", GRAPH, 1, 2e-6))
    assert not rules.equal(call("cpp", "fp32", GRAPH, 1, 1e-7, differ=1))


def test_a_call_with_other_answers_is_red_once_with_its_batch_sizes():
    wrong = [call("cpp", "fp32", GRAPH, size, 2e-6) for size in (1, 16)]
    run = run_of(*EVERYTHING, *(record for record in wrong if record.batch_size == 1), call("cpp", "fp32", GRAPH, 32, 2e-6, 3))
    assert [each for each in said(run) if each[1].startswith("call")] == [("bad", "call_differs"), ("good", "calls_rest")]
    differs = finding(run, "call_differs")
    assert (differs.values["batches"], differs.values["differ"]) == ([1, 32], 3)
    assert "as a CUDA graph" in differs.text.en
    row = next(row for row in tables.calls(run).rows if row["call"] == GRAPH.label)
    assert (row["equal"].en, row["batches"]) == ("DIFFERENT", "1, 16 (4), 32 (20)")


def test_a_call_that_failed_is_red_and_one_that_a_version_lacks_is_a_note():
    lost = Record("call_agreement", "share", None, Candidate("cpp", "fp32", GRAPH), 32, reason=Reason("failed", {"message": "capture"}))
    no_call = Reason("no_call", {"call": V2.api})
    lacks = [Record("call_agreement", "share", None, Candidate("tensorrt", p, V2), reason=no_call) for p in ("fp32", "fp16")]
    run = run_of(*against(ORT), lost, *lacks)
    assert [level for level, _ in said(run)] == ["bad", "good", "note"]
    assert "compared: 1 (this version has no execute_async_v2). These are TensorRT execute_async_v2." in finding(run, "not_called").text.en
    rows = {(row["precision"].en, row["call"]): row["differ"] for row in tables.calls(run).rows}
    assert rows == {("FP32", GRAPH.label): lost.reason, ("FP32, FP16", V2.label): no_call}


def test_ways_that_lack_the_same_are_one_row():
    lacking = [Candidate("tensorrt", precision, way) for precision in ("fp32", "fp16") for way in (V2, Way("execute_async_v3"))]
    (row,) = tables.calls(run_of(*(Record("call_agreement", "share", None, one, reason=NO_GPU) for one in lacking))).rows
    assert row["call"] == Text("execute_async_v2, execute_async_v3", "execute_async_v2、execute_async_v3")
    assert row["precision"].en == "FP32, FP16"


def test_ways_are_shown_beside_those_precisions_alone_that_lack_them():
    reason = Reason("failed", {"message": "capture"})
    lacking = [Candidate("cpp", *one) for one in (("fp32", GRAPH), ("fp16", V2), ("tf32", GRAPH))]
    rows = tables.calls(run_of(*(Record("call_agreement", "share", None, one, reason=reason) for one in lacking))).rows
    assert [(row["precision"].en, row["call"], row["differ"]) for row in rows] == [
        ("FP32, TF32", GRAPH.label, reason),
        ("FP16", V2.label, reason),
    ]


def test_a_difference_begins_over_the_limit_of_its_precision():
    begins = finding(FULL, "begins")
    assert (begins.values["tensor"], begins.values["index"], begins.values["count"]) == ("c", 3, 3)
    assert "Of each runner the precision was compared that is farthest" in begins.text.en
    assert "changed an output by up to 2.0e-03" in begins.text.en
    assert [row["tensor"] for row in tables.layers(FULL).rows if "begins" in row] == ["c"]
    grows = finding(run_of(*against(INT8), tensor(INT8, 1, "a", 0.0), tensor(INT8, 2, "b", 0.06)), "grows")
    assert (grows.values["tensor"], grows.values["largest"]) == ("b", 0.06)


def test_overflow_is_where_a_difference_begins_and_has_no_number():
    run = run_of(*against(FP16), tensor(FP16, 1, "a", 0.0), tensor(FP16, 2, "b", None))
    assert "overflow" in finding(run, "begins").text.en
    assert tables.layers(run).rows[1]["relative"] == Reason("not_finite")
    figures.depth(run).draw("en").canvas.draw()


def test_runners_whose_difference_begins_at_one_tensor_are_one_finding():
    other = Candidate("tensorrt", "int8_qdq")
    run = run_of(*against(INT8, 0.9), *against(other, 0.9), *(tensor(c, 1, "a", 0.5) for c in (INT8, other)))
    begins = finding(run, "begins")
    assert "INT8 (explicit) in ONNX Runtime (CPU) and TensorRT" in begins.text.en
    assert "farthest" not in begins.text.en
    words = [text.get_text() for text in figures.depth(run).draw("en").axes[0].texts]
    assert words.count(figures.W("words.begins").en) == 1  # one on the other could not be read


def test_what_could_not_be_compared_layer_by_layer_is_said_once():
    run = run_of(*against(FP16), Record("relative_difference", "ratio", None, FP16, reason=Reason("failed", {"message": "no tensor"})))
    assert "no tensor" in finding(run, "untraced").text.en
    assert "untraced" not in dict(map(reversed, said(FULL)))


@pytest.mark.parametrize(
    "run", [Run(Path(), STAGE, {}), run_of(), run_of(*without(ORT), *without(TRT)), FULL], ids=["empty", "none", "reasons", "full"]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_recorded_the_page_is_there(run, language):
    rules.findings(run)
    for table in (tables.against, tables.calls, tables.layers):
        made = table(run)
        assert {key for row in made.rows for key in row} <= {column.key for column in made.columns} | {"best"}
        assert "<td" in table_html(made, language)
    for figure in (*(figures.matrix(run, view) for view in figures.VIEWS), figures.worst(run), figures.depth(run)):
        figure.draw(language).canvas.draw()
        assert bool(JAPANESE.search(figure.alt.in_(language))) == (language == "ja")


def test_the_heat_map_shows_every_two_once():
    axes = figures.matrix(FULL, "agreement").draw("en").axes[0]
    said = {text.get_position(): text.get_text() for text in axes.texts}
    assert sorted(said) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]  # column, row
    named = [[label.get_text() for label in labels] for labels in (axes.get_xticklabels(), axes.get_yticklabels())]
    assert [len(names) for names in named] == [3, 3]
    assert named[0][1:] == named[1][:-1]
    assert sum(np.isfinite(axes.images[0].get_array().filled(np.nan)).ravel()) == 6


def test_pictures_name_both_classes_with_probabilities_and_the_truth():
    figure = figures.worst(FULL)
    title = figure.draw("en").axes[0].get_title(loc="left")
    assert title == "#3 true: 3\nreference: 3 91%\nONNX Runtime (CPU)\nINT8 (explicit):\n4 62%"
    assert "1 worst of 7 images (of 400)" in figure.caption.en
    none = figures.worst(run_of(disagreements=Disagreements(worst=[], differing=0, images=400)))
    assert "There are none" in none.alt.en


def test_a_line_a_runner_on_a_logarithmic_axis():
    run = run_of(*EVERYTHING, *(tensor(FP16, i, name, 1e-4 * i) for i, name in enumerate("abc", 1)))
    axes = figures.depth(run).draw("en").axes[0]
    assert axes.get_xscale() == "log"
    assert [line.get_color() for line in axes.lines if len(line.get_xdata()) > 1 and line.get_linestyle() == "-"] == [
        FP16.colour,
        INT8.colour,
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.fixture
def session(quick):
    return Session(quick.profile, STAGE)


def test_the_tiny_model_is_measured_and_every_number_is_there(session, monkeypatch):
    some = [SAVED_MODEL_REFERENCE, ORT, INT8, TRT]
    monkeypatch.setattr(measure.runners, "candidates", lambda profile: some)
    measure.measure(session)
    run = made_run(STAGE, session.records, session.exhibits)
    assert all(to_json(record) for record in run.records())
    found = rules.against(run)
    assert list(found) == [ORT, INT8]
    assert found[ORT].max_abs < 1e-5 < found[INT8].max_abs
    assert rules.total(run) == len(session.images.x_test)
    assert [record.case["other"] for record in run.records("pair_agreement")] == [ORT.key]
    (trace,) = rules.traces(run)
    assert (trace.candidate, trace.layers[0].stats["images"]) == (INT8, 32)
    assert trace.marking < 0.1
    assert run.exhibit("disagreements", Disagreements).images == rules.total(run)
    assert not [level for level, _ in said(run) if level == "bad"]
    assert tables.against(run).rows[-1]["max_abs"] is run.find("cosine", TRT).reason


def test_no_number_is_measured_twice_in_a_run(session, monkeypatch):
    monkeypatch.setattr(measure.runners, "candidates", lambda profile: [SAVED_MODEL_REFERENCE, ORT])
    monkeypatch.setattr(Session, "earlier", lambda self, metric, **where: against(ORT) if metric == "agreement" else [])
    measure.measure(session)
    assert not [record for record in session.records if record.metric == "agreement"]
    assert [record for record in session.records if record.metric == "max_abs"]


@pytest.fixture
def failing(session, monkeypatch):
    """`failing(error)`: what is asked of a runner between two others that raises this."""

    def asked(error):
        class Failing(null.Null):
            def infer(self, batch):
                raise error

        monkeypatch.setitem(RUNNERS, "null", Failing)
        monkeypatch.setattr(measure.runners, "candidates", lambda profile: [SAVED_MODEL_REFERENCE, Candidate("null", "fp32"), ORT])
        return measure._asked(session)

    return asked


@pytest.mark.parametrize("error", [CudaError("launch failed"), ArtifactError("plan: altered"), ReportError("x")])
def test_what_fails_while_it_is_asked_has_its_reason_and_the_others_go_on(failing, error):
    stored, lost = failing(error)
    assert list(stored) == [SAVED_MODEL_REFERENCE, ORT]
    assert lost == {Candidate("null", "fp32"): Reason("failed", {"message": str(error)})}


def test_what_finds_only_when_asked_that_it_cannot_run_has_failed_nothing(failing):
    assert not failing(NotMeasured("no driver"))[1][Candidate("null", "fp32")].failed


def test_a_reference_that_fails_stops_the_page_and_one_that_is_lacking_says_what_to_bring(session, monkeypatch):
    def fail(error):
        def artifact(*args):
            raise error

        monkeypatch.setattr(predictions, "artifact", artifact)

    fail(CudaError("no device memory left"))
    with pytest.raises(CudaError, match="no device memory left"):
        measure.measure(session)
    fail(NotMeasured(Reason("not_installed", {"package": "TensorFlow"})))
    with pytest.raises(NotMeasured, match=r"TensorFlow.* bring .*artifacts from a system that has it"):
        measure.measure(session)


def answers(labels):
    """Confident and right: 0.91 for the true class of each image."""
    values = np.full((len(labels), 10), 0.01, np.float32)
    values[np.arange(len(labels)), labels] = 0.91
    return values


def test_the_worst_images_come_first_each_once_with_the_runner_that_differs_most(session):
    labels = session.images.y_test
    given = {candidate: answers(labels) for candidate in (SAVED_MODEL_REFERENCE, ORT, FP16)}
    for candidate, image, p in ((ORT, 7, 0.6), (FP16, 7, 0.7), (ORT, 3, 0.8)):
        given[candidate][image, [labels[image], (labels[image] + 1) % 10]] = 0.9 - p, p
    found = measure.disagreements(session, given)
    assert [(one.image, one.candidate) for one in found.worst] == [(3, ORT.key), (7, FP16.key)]
    assert (found.differing, found.images) == (2, len(labels))
    assert found.worst[0].p_got == pytest.approx(0.8)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.worst[0].png))))
    assert np.array_equal(decoded, session.images.x_test[3])


def test_images_with_another_class_come_first_then_the_farthest():
    expected = np.full((6, 2), 0.5, np.float32) + np.float32([0.1, -0.1])
    got = expected.copy()
    got[1] += [0.05, -0.05]
    got[2] -= [0.2, -0.2]  # another class
    got[4] -= [0.15, -0.15]  # another class, less far
    got[5] += [0.3, -0.3]
    assert measure.worst_images(expected, got, 5) == [2, 4, 5, 1, 0]


def test_layers_are_compared_of_what_is_over_or_of_each_runners_farthest():
    def apart(max_abs):
        return compare.Difference(max_abs, max_abs, 1.0, 1.0, 1.0, 400, np.zeros(0, int))

    profile = FULL.profile
    able = {FP16: apart(1e-3), INT8: apart(1e-2), TRT: apart(2e-2), Candidate("tensorrt", "fp32"): apart(1e-7)}
    assert measure.to_compare(profile, 1.0, able) == [INT8, TRT]
    assert measure.to_compare(profile, 1.0, able | {FP16: apart(0.3)}) == [FP16]
    assert measure.to_compare(profile, 1.0, {FP16: apart(0.0)}) == []


def test_what_a_runner_refuses_layer_by_layer_is_a_reason(session, monkeypatch):
    def refuse(*args):
        raise ReportError("no tensor 'Conv'")

    monkeypatch.setattr(layers, "compare", refuse)
    given = {SAVED_MODEL_REFERENCE: answers(session.images.y_test), FP16: answers(session.images.y_test) * np.float32(0.9)}
    (record,) = measure._layers(session, given, {}, compare.matrix(given))
    assert record.reason == Reason("failed", {"message": "no tensor 'Conv'"})
