"""lib/pages/consistency/tables.py, lib/experiment/candidate.py and the plots of notebook 05, on answers that are made to differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.cuda import CudaError
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.experiment import candidate as pairs
from lib.experiment.candidate import Pair
from lib.experiment.precision import PRECISIONS
from lib.measure import compare, predictions
from lib.pages.consistency import figures
from lib.pages.consistency import tables as consistency
from lib.runners import RUNNERS, null
from lib.text import LANGUAGES, Text

NO_CHIP = Text("no chip", "チップがない")
PAIRS = [
    Pair("savedmodel", "fp32", Text("SM", "SM"), None),
    Pair("onnxrt", "fp32", Text("ORT", "ORT"), None),
    Pair("onnxrt", "int8_qdq", Text("ORT", "ORT"), None),
    Pair("tensorrt", "fp16", Text("TRT", "TRT"), NO_CHIP),
    Pair("tensorrt", "fp32", Text("TRT", "TRT"), NO_CHIP),
]


def answers(labels):
    """Confident and right: 0.91 for the true class of each image."""
    values = np.full((len(labels), 10), 0.01, np.float32)
    values[np.arange(len(labels)), labels] = 0.91
    return values


def study_of(**changed):
    labels = np.arange(400) % 10
    base = answers(labels)
    given = {"savedmodel/fp32": base, "onnxrt/fp32": base.copy(), "onnxrt/int8_qdq": base.copy()}
    for key, change in changed.items():
        change(given[{"fp32": "onnxrt/fp32", "int8": "onnxrt/int8_qdq"}[key]])
    return consistency.Study(PAIRS, given, dict.fromkeys(given, "sha"), compare.matrix(given))


def swap(*images):
    def change(values):
        for rank, i in enumerate(images):
            true = values[i].argmax()
            values[i, [true, (true + 1) % 10]] = 0.3 + 0.01 * rank, 0.62 - 0.01 * rank

    return change


def levels(done):
    return [f.level for f in consistency.findings(done)]


def test_equal_answers_are_good_and_what_did_not_run_is_a_note():
    found = consistency.findings(study_of())
    assert [f.level for f in found] == ["good", "good", "note"]
    assert "no chip" in found[-1].text.en
    assert "チップがない" in found[-1].text.ja


def test_one_disagreement_in_fp32_is_red_and_says_by_how_much():
    found = consistency.findings(study_of(fp32=swap(7)))
    assert found[0].level == "bad"
    assert "0.61" in found[0].text.en
    assert "99.75 % of 400 images" in found[0].text.en
    assert "400枚中99.75%" in found[0].text.ja


def test_a_small_difference_over_the_fp32_tolerance_is_red_though_all_classes_agree():
    def nudge(values):
        values[3] += 2e-5

    assert "bad" in levels(study_of(fp32=nudge))
    assert "bad" not in levels(study_of(int8=nudge))


def test_int8_may_disagree_as_often_as_its_tolerance_allows():
    allowed = round((1 - PRECISIONS["int8_qdq"].min_agreement) * 400)

    def mild(count):
        def change(values):
            for i in range(count):
                true = values[i].argmax()
                values[i, [true, (true + 1) % 10]] = 0.45, 0.46

        return change

    assert "bad" not in levels(study_of(int8=mild(allowed)))
    assert "bad" in levels(study_of(int8=mild(allowed + 1)))


def test_worst_images_first_each_once_and_no_more_than_asked(quick):
    done = study_of(fp32=swap(3, 4), int8=swap(9, 3, 5, 6))
    found = consistency.worst(quick, done, 3)
    assert [(d.image, d.pair.key) for d in found] == [(3, "onnxrt/fp32"), (9, "onnxrt/int8_qdq"), (4, "onnxrt/fp32")]
    first = found[0]
    assert (first.expected, first.got) == (3, 4)
    assert (first.p_expected, first.p_got) == (pytest.approx(0.91), pytest.approx(0.62))
    assert first.true == quick.images.y_test[3]
    assert consistency.worst(quick, study_of(), 3) == []


def test_records_carry_value_or_reason_and_every_two_once():
    done = study_of(int8=swap(1))
    made = consistency.records(done)
    against = [r for r in made if r.case["reference"] == "savedmodel/fp32"]
    assert len(against) == 4 * (len(PAIRS) - 1)
    assert len(made) == 4 * (3 + 2)
    assert all((r.value is None) == (r.runner == "tensorrt") for r in made)
    assert {r.reason for r in made if r.runner == "tensorrt"} == {NO_CHIP}
    one = next(r for r in against if r.metric == "agreement" and r.precision == "int8_qdq")
    assert (one.value, one.stats["disagree"], one.stats["images"]) == (1 - 1 / 400, 1, 400)


def test_rows_end_with_what_could_not_run_grouped_by_reason():
    rows = consistency.rows(study_of(fp32=swap(2)))
    assert [row["verdict"].en for row in rows[:2]] == ["OVER", "within"]
    assert rows[2:] == [{"runner": Text("TRT", "TRT"), "precision": Text("FP16, FP32", "FP16、FP32"), "max_abs": NO_CHIP}]
    assert {key for row in rows for key in row} <= {column.key for column in consistency.columns()}


def test_every_pair_of_the_experiment_is_a_row_with_the_reference_first():
    every = pairs.all_pairs()
    assert every[0].key == "savedmodel/fp32"
    assert len({pair.key for pair in every}) == len(every)
    assert {p.key for p in every} >= {f"{n}/{p}" for n, r in RUNNERS.items() if n != "null" for p in r.precisions}
    assert {"tensorrt", "cpp", "onnxrt_cuda"} <= {pair.runner for pair in every}
    assert "null" not in {pair.runner for pair in every}


def test_a_reference_of_another_system_is_compared_with_and_its_origin_said():
    done = study_of(fp32=swap(7))
    origin = Text("The answers come from A.", "答えはAのものである。")
    lacking = replace(PAIRS[0], reason=Text("no TensorFlow", "TensorFlowがない"), origin=origin)
    done = replace(done, pairs=[lacking, *PAIRS[1:]], reference_system="A")
    assert [pair.key for pair in done.measured] == ["savedmodel/fp32", "onnxrt/fp32", "onnxrt/int8_qdq"]
    assert [row["verdict"].en for row in consistency.rows(done)[:2]] == ["OVER", "within"]
    found = consistency.findings(done)
    assert ("note", origin) in found
    assert not [f for f in found if "no TensorFlow" in f.text.en]
    against = [r for r in consistency.records(done) if r.value is not None and r.case["reference"] == "savedmodel/fp32"]
    assert len(against) == 4 * 2
    assert {r.stats["reference_system"] for r in against} == {"A"}


def test_without_any_answers_of_the_reference_the_study_says_what_to_bring(quick, monkeypatch):
    reason = Text("no TensorFlow", "TensorFlowがない")
    monkeypatch.setattr(predictions, "with_reference", lambda session, every: [replace(every[0], reason=reason), *every[1:]])
    with pytest.raises(NotMeasured, match=r"no TensorFlow, .* bring .*artifacts from a system that has it"):
        consistency.study(quick)


@pytest.fixture
def failing(quick, monkeypatch):
    """`failing(error)`: the study with a runner between two others that raises this when it is asked."""

    def run(error):
        class Failing(null.Null):
            name, label = "failing", Text("failing", "故障")

            def infer(self, batch):
                raise error

        monkeypatch.setitem(RUNNERS, "failing", Failing)
        every = [*PAIRS[:1], Pair("failing", "fp32", Failing.label, None), *PAIRS[1:2]]
        monkeypatch.setattr(pairs, "all_pairs", lambda: every)
        return consistency.study(quick)

    return run


@pytest.mark.parametrize(
    "error", [CudaError("waiting for the GPU: CUDA says: launch failed"), ArtifactError("plan: altered"), ReportError("x")]
)
def test_what_fails_while_it_is_asked_is_red_and_the_others_go_on(failing, error):
    done = failing(error)
    assert [pair.key for pair in done.measured] == ["savedmodel/fp32", "onnxrt/fp32"]
    bad = [f.text for f in consistency.findings(done) if f.level == "bad"]
    assert [text.en for text in bad] == [f"failing FP32 failed: {error}."]
    assert [text.ja for text in bad] == [f"故障 FP32：失敗した：{error}。"]
    lost = [r for r in consistency.records(done) if r.runner == "failing"]
    assert {r.reason.en for r in lost} == {f"failed: {error}"}
    assert consistency.rows(done)[-1]["max_abs"] == lost[0].reason


def test_what_finds_only_when_asked_that_it_cannot_run_is_a_note(failing):
    done = failing(NotMeasured("no driver"))
    assert (
        "note",
        Text("Not measured: failing (no driver).", "未測定：故障（測定できなかった：no driver）。"),
    ) in consistency.findings(done)
    assert "bad" not in levels(done)


def test_a_reference_that_fails_stops_the_study(quick, monkeypatch):
    def fail(*args):
        raise CudaError("no device memory left")

    monkeypatch.setattr(predictions, "artifact", fail)
    with pytest.raises(CudaError, match="no device memory left"):
        consistency.study(quick)


@pytest.mark.parametrize("view", list(figures.VIEWS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_heat_maps_show_every_two(view, language):
    axes = figures.matrix(study_of(int8=swap(1)), view)(language).axes[0]
    assert len(axes.texts) == 6
    alt, caption = figures.words(view)
    assert alt.in_(language) in alt
    assert caption.in_(language)


def test_the_heat_map_shows_the_number(quick):
    texts = [t.get_text() for t in figures.matrix(study_of(int8=swap(1)), "agreement")("en").axes[0].texts]
    assert texts == ["0", "0.25", "0", "0.25", "0.25", "0.25"]


@pytest.fixture
def displayed(monkeypatch):
    pages = []
    monkeypatch.setattr(figures.show, "html", lambda make: pages.append([make(language) for language in LANGUAGES]))
    return pages


def test_where_none_disagree_the_page_says_so(quick, displayed):
    figures.show_worst(quick, study_of(), [])
    (english, japanese), *rest = displayed
    assert not rest
    assert "There are none" in english
    assert "該当する画像はない" in japanese


def test_pictures_name_both_classes_with_probabilities_and_the_truth(quick, displayed):
    done = study_of(fp32=swap(3))
    found = consistency.worst(quick, done, 4)
    figures.show_worst(quick, done, found)
    assert "<img" in displayed[0][0]
    title = figures.worst(quick, found)("en").axes[0].get_title(loc="left")
    assert f"true: {quick.images.class_names[quick.images.y_test[3]]}" in title
    assert "SavedModel: 3 91%" in title
    assert "FP32:\n4 62%" in title
