"""Notebook 06: what its tables, figures and rules say of rounds whose answer is known."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from records import keys, latency, made_run, missing, other_cpu

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.batching import figures, rules, tables
from lib.show.table import table_html
from lib.store.records import Reason
from lib.text import LANGUAGES

STAGE = "06_batching"
NOISE = (1.0, 1.003, 0.997, 1.001, 0.999)
ONNX, TFLITE, TRT = (Candidate.parse(key) for key in ("onnxrt/fp32", "tflite/fp32", "tensorrt/fp16"))


def rounds(ms: float, noise=NOISE) -> list[float]:
    return [ms * factor for factor in noise]


def curve(candidate: str, rates: dict[int, float], noise=NOISE):
    """Latencies of a candidate with these throughputs, images/s, by batch size."""
    return [latency(candidate, rounds(1e3 * size / rate, noise), size) for size, rate in rates.items()]


def recorded(*more, share=0.01, **fields):
    records = [
        *curve("onnxrt/fp32", {1: 1000, 8: 3000, 32: 4000}),
        *curve("onnxrt/int8_qdq", {1: 900, 8: 2000, 32: 2500}),
        *curve("tflite/fp32", {1: 500, 8: 2000, 32: 2001}, NOISE[::-1]),
        *curve("null/fp32", {1: 1e6, 8: 8e6, 32: 3e7}),
        *(missing("latency", "ms", "tensorrt/fp16", batch_size=size, scope="end_to_end") for size in (1, 8, 32)),
        other_cpu(share),
    ]
    return made_run(STAGE, [*records, *more], **fields)


def found(run, key):
    return [finding for finding in rules.findings(run) if finding.key == key]


def test_the_best_batch_is_named_with_the_smallest_that_cannot_be_told_from_it():
    run = recorded()
    at_once, highest = found(run, "highest_at_once"), found(run, "highest")
    assert [(f.values["candidate"], f.values["batch"]) for f in at_once] == [(ONNX, 32)]
    assert [(f.values["candidate"], f.values["enough"]) for f in highest] == [(TFLITE, 8)]  # 2,000 and 2,001 are no difference


def test_gain_compares_sizes_that_every_candidate_has():
    assert rules.compared(recorded()) == (1, 32)
    (gains,) = found(recorded(), "gains")
    assert gains.values["most"] == ONNX or gains.values["most"] == TFLITE
    assert gains.values["least"] == Candidate("onnxrt", "int8_qdq")
    assert gains.values["least_gain"].value == pytest.approx(2500 / 900, rel=1e-6)


def test_sizes_that_one_engine_does_not_take_are_not_compared():
    """A sweep to 64 with an engine up to 32: 32 against 1 is compared for all, and the text says so."""
    run = made_run(STAGE, [*curve("onnxrt/fp32", {1: 10, 32: 20, 64: 30}), *curve("tensorrt/fp16", {1: 100, 32: 300}), other_cpu(0)])
    assert rules.compared(run) == (1, 32)
    assert "batch 32 over batch 1" in tables.summary(run).caption.en
    beyond = made_run(STAGE, [*curve("onnxrt/fp32", {1: 10, 8: 15, 64: 30}), *curve("tensorrt/fp16", {1: 100, 8: 300}), other_cpu(0)])
    assert rules.compared(beyond) == (1, 8)


def test_slower_than_fp32_is_said_only_where_the_rounds_show_it():
    (slower,) = found(recorded(), "slower")
    assert slower.values["candidate"] == Candidate("onnxrt", "int8_qdq")
    assert slower.values["share"].value == pytest.approx(0.625, rel=1e-6)
    wild = [0.5, 1.5, 0.7, 1.4, 0.9]
    noisy = made_run(
        STAGE, [latency("onnxrt/fp32", rounds(8, wild), 32), latency("onnxrt/fp16", rounds(8.5, wild[::-1]), 32), other_cpu(0)]
    )
    assert not found(noisy, "slower")


def test_a_disturbed_machine_has_no_winner_and_says_so_first():
    run = recorded(share=0.4)
    assert keys(rules.findings(run))[0] == ("warn", "disturbed")
    assert not {"highest", "highest_at_once", "gains", "slower"} & {f.key for f in rules.findings(run)}
    for one, best in ((run, False), (recorded(), True)):
        summary = tables.summary(one)
        assert any(row.get("best") for row in summary.rows) == best
        assert ("Marked" in summary.caption.en, "印を付けた" in summary.caption.ja) == (best, best)


def test_blocks_of_an_earlier_version_have_no_winner_and_that_is_said_once():
    """One latency is enough: what was timed beside it in rounds cannot be held against it."""
    run = recorded(replace(curve("tensorrt/fp32", {32: 9000})[0], stats={"rounds": "windows"}))
    assert keys(rules.findings(run))[:1] == [("warn", "not_rounds")]
    assert [key for _, key in keys(rules.findings(run))].count("not_rounds") == 1
    assert not {"highest", "highest_at_once", "gain", "gains", "slower"} & {f.key for f in rules.findings(run)}
    assert not any(row.get("best") or row.get("enough") for row in tables.summary(run).rows)
    assert not common.calm(run.of("07_precision"))  # nor on a page that reads the sweep
    assert common.calm(recorded())
    assert not found(recorded(), "not_rounds")


@pytest.mark.parametrize(
    ("rate", "level", "key"), [(30e6, "good", "harness"), (5000, "note", "harness_large"), (2500, "bad", "harness_large")]
)
def test_what_measuring_itself_costs(rate, level, key):
    run = made_run(STAGE, [*curve("onnxrt/fp32", {32: 1000}), *curve("null/fp32", {32: rate}), other_cpu(0)])
    assert (level, key) in keys(rules.findings(run))


def test_what_times_itself_has_no_harness_in_its_times():
    fast = curve("cpp/fp32", {32: 1e6})
    own = [replace(one, stats=one.stats | {"times_itself": True}) for one in fast]
    told = [*curve("onnxrt/fp32", {32: 1000}), *curve("null/fp32", {32: 1e6}), other_cpu(0)]
    assert ("bad", "harness_large") in keys(rules.findings(made_run(STAGE, [*told, *fast])))
    assert ("good", "harness") in keys(rules.findings(made_run(STAGE, [*told, *own])))


def test_what_did_not_settle_is_counted_and_marked():
    run = recorded(*curve("savedmodel/fp32", {32: 100}, (0.5, 1.5, 0.7, 1.4, 0.9)))
    (unsettled,) = found(run, "unsettled")
    assert (unsettled.values["shaky"], unsettled.values["count"]) == (1, 10)
    rows = [row for row in tables.detail(run).rows if row["runner"].en == "TensorFlow SavedModel"]
    assert [row["settled"].en for row in rows] == ["no"]


def test_what_failed_is_red_and_names_its_batches():
    wrong = missing("latency", "ms", "onnxrt/fp16", "wrong_output", batch_size=8, scope="end_to_end", values={"message": "NaN"})
    (failed,) = found(recorded(wrong), "failed")
    assert failed.level == "bad"
    assert "batch 8" in failed.text.en
    assert "NaN" in failed.text.ja


def test_what_cannot_run_is_one_note_and_one_row_a_reason():
    run = recorded()
    (note,) = found(run, "unmeasured")
    assert "TensorRT FP16" in note.text.en
    rows = [row for row in tables.summary(run).rows if isinstance(row.get("throughput"), Reason)]
    assert [row["runner"].en for row in rows] == ["TensorRT"]


def test_a_size_that_an_engine_does_not_take_is_said_with_the_size():
    large = missing("latency", "ms", "onnxrt/fp32", "too_large", batch_size=64, scope="end_to_end", values={"largest": 32})
    notes = [f.text.en for f in found(recorded(large), "unmeasured")]
    assert any("batch 64" in text and "32" in text for text in notes)


@pytest.mark.parametrize("records", [[], [missing("latency", "ms", "tensorrt/fp16", batch_size=1, scope="end_to_end")]])
def test_a_run_without_numbers_is_shown_all_the_same(records):
    run = made_run(STAGE, records)
    rules.findings(run)
    for table in (tables.summary, tables.detail, tables.method):
        for language in LANGUAGES:
            assert table_html(table(run), language)
    for figure in (figures.throughput, figures.latency):
        figure(run).draw("en")


def test_figures_are_drawn_in_both_languages():
    for figure in (figures.throughput(recorded()), figures.latency(recorded())):
        for language in LANGUAGES:
            drawn = figure.draw(language)
            assert next(ax.get_title() for ax in drawn.axes if ax.get_title()).startswith("ONNX Runtime")


def test_labels_of_curves_do_not_touch():
    heights = {Candidate("onnxrt", str(k)): 0.9 + k / 1000 for k in range(6)}
    moved = sorted(figures._apart(heights).values())
    assert min(b - a for a, b in itertools.pairwise(moved)) >= figures.LABEL_GAP - 1e-9
    assert moved[-1] <= figures.CEILING + 1e-9


@pytest.mark.parametrize(("mode", "said"), [("default", "sums may saturate"), ("of a later version", "of a later version")])
def test_the_page_says_in_which_mode_int8_was_measured(mode, said):
    int8 = latency("onnxrt/int8_qdq", rounds(1.0), 8)
    int8.stats["mode"] = mode
    shown = table_html(tables.method(made_run(STAGE, [int8, other_cpu(0)])), "en")
    assert "INT8 mode of ONNX Runtime (CPU)" in shown
    assert said in shown


def test_sizes_that_are_all_alike_name_no_size_that_comes_up_to_none():
    wild = [0.9, 1.1, 0.95, 1.05, 1.0]
    alike = [latency("onnxrt/fp32", [size * ms for ms in order], size) for size, order in ((1, wild), (8, wild[::-1]), (32, wild))]
    run = made_run(STAGE, [*alike, other_cpu(0)])
    assert [f.values["enough"] for f in found(run, "highest")] == [1]
    assert not found(run, "highest_at_once")
