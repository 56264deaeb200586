"""The rules of notebook 07: what the original report got wrong must come out red by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.experiment import candidate as pairs
from lib.experiment.candidate import Pair
from lib.measure import repeated
from lib.pages.precision import figures, rules
from lib.pages.precision import measure as ps
from lib.show.table import table_html
from lib.store.records import Record
from lib.text import LANGUAGES, Text

SM = Pair("savedmodel", "fp32", Text("SM", "SM"), None)
ORT = Pair("onnxrt", "fp32", Text("ORT", "ORT"), None)
INT8 = Pair("onnxrt", "int8_qdq", Text("ORT", "ORT"), None)
TRT = Pair("tensorrt", "fp16", Text("TRT", "TRT"), Text("no GPU", "GPUがない"))
CONFIGURATION = {"batch_size": 32, "scope": "end_to_end", "artifact_sha256": "sha"}


def throughput(pair, rate, **stats):
    stats = {"ci_low": 0.95 * rate, "ci_high": 1.05 * rate, "stable": True} | stats
    return Record("throughput", "images/s", rate, pair.runner, pair.precision, stats=stats, **CONFIGURATION)


def study_of(reference, int8, rates=(1000, 2000, 3000)):
    """A study of three pairs; reference and int8: bool (N,), which images are right (fp32 of ORT as the reference)."""
    right = {SM: reference, ORT: reference, INT8: int8}
    records = []
    for (pair, which), rate in zip(right.items(), rates, strict=True):
        common = {"runner": pair.runner, "precision": pair.precision, "artifact_sha256": "sha"}
        records.append(ps.accuracy(which, common))
        if pair is not SM:
            records.append(ps.paired(reference, which, common))
        records += [throughput(pair, rate), Record("file_size", "bytes", 1e6, **common)]
        records.append(Record("latency", "ms", 32e3 / rate, pair.runner, pair.precision, **CONFIGURATION))
        records.append(Record("load_time", "s", 0.1, stats={"min": 0.09, "max": 0.2}, **common))
    return ps.Study([SM, ORT, INT8, TRT], records + ps.ratios(records), 10)


def correct(count, total=1000):
    return np.arange(total) < count


def found(done, level, minimum=0.5, earlier=()):
    return [f.text for f in rules.findings(done, minimum, earlier) if f.level == level]


def test_a_model_at_chance_level_is_red_and_nothing_is_said_of_losses():
    done = study_of(correct(9, 96), correct(9, 96))  # 9.4 % of 96 images, as the original's 12.5 % and 6.2 % of 32
    bad = found(done, "bad", minimum=0.05)
    assert len(bad) == 3
    assert "chance level" in bad[0].en
    assert "当て推量" in bad[0].ja
    assert not [t for t in found(done, "good") + found(done, "note") if "difference" in t.en]


def test_one_precision_at_chance_is_red():
    bad = found(study_of(correct(950), correct(105)), "bad")
    assert any("chance level" in text.en and "INT8" in text.en for text in bad)


def test_accuracy_below_the_minimum_is_red():
    assert any("below the profile's minimum" in t.en for t in found(study_of(correct(900), correct(900)), "bad", 0.95))
    assert not found(study_of(correct(960), correct(960)), "bad", 0.95)


def test_a_loss_over_one_point_is_red_and_one_of_a_point_is_not():
    bad = found(study_of(correct(950), correct(939)), "bad")
    assert len(bad) == 1
    assert "-1.10 points" in bad[0].en
    assert not found(study_of(correct(950), correct(941)), "bad")


def test_a_small_but_significant_loss_is_a_note_that_says_so():
    notes = found(study_of(correct(9500, 10_000), correct(9480, 10_000)), "note")
    assert any("small, but not chance" in text.en and "偶然とはいえない" in text.ja for text in notes)


def test_few_images_do_not_prove_that_nothing_was_lost():
    done = study_of(correct(95, 100), correct(95, 100))
    assert not [t for t in found(done, "good") if "No difference" in t.en]
    notes = [t for t in found(done, "note") if "not ruled out by these images" in t.en]
    assert len(notes) == 2
    assert "否定できない" in notes[0].ja


def test_no_difference_is_good_only_with_its_interval():
    good = [t for t in found(study_of(correct(9000, 10_000), correct(9000, 10_000)), "good") if "No difference" in t.en]
    assert len(good) == 1
    assert "-0.03 and +0.03 points" in good[0].en
    assert "smaller ones are not (ORT FP32, INT8 (explicit))" in good[0].en
    assert "それより小さい差は否定できない" in good[0].ja


DONE = study_of(correct(950), correct(950))


def elsewhere(rate, stage="06_batching", **changes):
    """What another notebook found for ORT."""
    return replace(throughput(ORT, rate), **({"stage": stage} | changes))


def test_the_originals_fourfold_baseline_is_red():
    bad = found(DONE, "bad", earlier=[elsewhere(500)])
    assert len(bad) == 1
    assert "2,000 images/s here, 500 in notebook 06, a factor of 4.00" in bad[0].en
    assert "4.00倍" in bad[0].ja
    assert found(DONE, "bad", earlier=[elsewhere(8000)])


@pytest.mark.parametrize(("rate", "level"), [(1900, "good"), (2300, "good"), (2500, "note"), (1600, "note"), (4000, "bad"), (1000, "bad")])
def test_from_which_factor_on_two_notebooks_contradict_each_other(rate, level):
    assert [f.level for f in repeated.findings(DONE.records, [elsewhere(rate)])] == [level]


def test_every_notebook_that_measured_it_is_held_against_it():
    close, apart = elsewhere(1950), elsewhere(1500, "04_int8")
    twice, same = repeated.findings(DONE.records, [close, apart])
    assert "ONNX Runtime (CPU) FP32" in twice.text.en
    assert "1,500 in notebook 04, a factor of 1.33 (over 1.2)" in twice.text.en
    assert "other notebooks (06) in 1 configuration that" in same.text.en
    (same,) = repeated.findings(DONE.records, [close, elsewhere(2100, "04_int8")])
    assert "other notebooks (04, 06) in 1 configuration that they measured too" in same.text.en
    assert "at most a factor of 1.05 apart (up to 1.2 is accepted)" in same.text.en


@pytest.mark.parametrize(
    ("there_ms", "stable", "en", "ja"),
    [
        (0.106, True, "0.104 ms here and 0.106 ms there, so the difference lies outside the GPU's computing", "差はGPUの計算以外"),
        (0.139, True, "0.104 ms here and 0.139 ms there.", "0.139 msである。"),
        (0.070, True, "0.104 ms here and 0.070 ms there.", "0.070 msである。"),
        (0.106, False, "measure again.", "測定し直すこと。"),
    ],
)
def test_the_time_on_the_gpu_tells_which_side_was_slow(there_ms, stable, en, ja):
    now = elsewhere(2000, "07_precision", stats={"gpu_compute": {"p50": 0.104, "stable": True}})
    then = elsewhere(1500, "04_int8", stats={"gpu_compute": {"p50": there_ms, "stable": stable}})
    (said,) = repeated.findings([now], [then])
    assert en in said.text.en
    assert ja in said.text.ja
    assert ("GPU" in said.text.en) == stable


def test_an_unstable_measurement_contradicts_nothing():
    assert [f.level for f in repeated.findings(DONE.records, [elsewhere(500, stats={"stable": False})])] == ["note"]


@pytest.mark.parametrize("other", [{"batch_size": 1}, {"artifact_sha256": "x"}, {"precision": "fp16"}, {"scope": "gpu_compute"}])
def test_only_the_same_configuration_is_held_against_it(other):
    (got,) = repeated.findings(DONE.records, [elsewhere(1, **other)])
    assert got.level == "note"
    assert "Not checked" in got.text.en


def test_without_other_notebooks_nothing_is_claimed():
    assert "Not checked" in repeated.findings(DONE.records, [])[0].text.en


def test_a_precision_slower_than_fp32_of_its_runner_is_named():
    notes = found(study_of(correct(950), correct(950), (1000, 2000, 1000)), "note")
    assert any("slower than FP32" in t.en and "0.50 times" in t.en for t in notes)
    assert not any("slower" in t.en for t in found(DONE, "note"))


def test_without_an_interval_nothing_is_called_slower():
    done = study_of(correct(950), correct(950), (1000, 2000, 1000))
    bare = [replace(r, stats={}) if r.metric == "throughput_ratio" else r for r in done.records]
    assert not any("slower" in t.en for t in found(replace(done, records=bare), "note"))


def test_the_fastest_is_named():
    assert any("INT8" in t.en and "3,000 images/s" in t.en for t in found(DONE, "note"))


@pytest.mark.parametrize("how", ["wrong_output", "failed"])
def test_wrong_output_is_red_and_instability_a_note(how):
    reason = Text("the output is wrong", "出力が誤っている")
    broken = replace(throughput(ORT, 1.0), value=None, reason=reason, stats={how: True})
    swapped = [broken if (r.metric, r.precision, r.runner) == ("throughput", "fp32", "onnxrt") else r for r in DONE.records]
    swapped = [throughput(SM, 1000, stable=False) if (r.metric, r.runner) == ("throughput", "savedmodel") else r for r in swapped]
    done = replace(DONE, records=swapped)
    assert any("output is wrong" in t.en for t in found(done, "bad"))
    assert any("did not become stable: SM" in t.en for t in found(done, "note"))


def test_what_did_not_run_is_a_note_with_its_reason():
    assert any("TRT (no GPU)" in t.en and "GPUがない" in t.ja for t in found(DONE, "note"))
    lost = [TRT, replace(TRT, precision="fp32"), replace(TRT, precision="int8", reason=Text("no calibrators", "なし"))]
    assert [f.text.en for f in pairs.missing_findings(lost)] == [
        "Not measured: TRT FP16, FP32 (no GPU).",
        "Not measured: TRT INT8 (calibrated) (no calibrators).",
    ]
    ran = [replace(TRT, reason=None), *lost[1:2], replace(TRT, runner="cpp", label=Text("C++", "C++"))]
    assert [f.text.en for f in pairs.missing_findings(ran)] == ["Not measured: C++; TRT FP32 (no GPU)."]


def test_the_ratio_has_the_interval_of_both():
    one = DONE.get(INT8, "throughput_ratio")
    assert one.value == pytest.approx(1.5)
    assert 1.5 * 0.95 / 1.05 < one.stats["ci_low"] < 1.5 * 0.95 < 1.5 * 1.05 < one.stats["ci_high"] < 1.5 * 1.05 / 0.95
    assert one.case == {"reference": "onnxrt/fp32"}
    assert DONE.get(ORT, "throughput_ratio") is None
    bare = [replace(r, stats={"ci_low": None, "ci_high": None}) for r in DONE.records if r.metric == "throughput"]
    assert [(r.value, r.stats) for r in ps.ratios(bare)] == [(1.5, {})]


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_hold_every_row_with_reasons(language):
    for rows, (columns, caption) in (
        (ps.accuracy_rows(DONE), ps.accuracy_table()),
        (ps.cost_rows(DONE), (ps.cost_table(Fixed()))),
    ):
        page = table_html(rows, columns, caption, language)
        assert page.count("<tr>") == 1 + 4
        assert TRT.reason.in_(language) in page


class Fixed:
    """A session with a batch size and nothing else."""

    class profile:
        class precision:
            batch_size = 32


@pytest.mark.parametrize("name", list(figures.WORDS))
@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_draw_every_pair_that_ran(name, language):
    drawn = getattr(figures, name)(DONE)(language)
    drawn.canvas.draw()
    axes = drawn.axes[0]
    labels = [t.get_text() for t in [*axes.get_yticklabels(), *axes.texts]]
    assert {pair.name.in_(language) for pair in DONE.measured} <= set(labels)
    assert not any("TRT" in label for label in labels)
    assert all(words.in_(language) for words in figures.words(name))
