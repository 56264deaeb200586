"""Notebook 07: nothing is called harmless that was not shown to be, and its speeds are those of 06."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import accuracy, keys, latency, made_run, missing, other_cpu

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.precision import figures, rules, tables
from lib.show.table import style, table_html
from lib.store.records import Record
from lib.text import LANGUAGES

STAGE, SWEEP = "07_precision", "06_batching"
NOISE = (1.0, 1.003, 0.997, 1.001, 0.999)
SAVED, ONNX, INT8 = (Candidate.parse(key) for key in ("savedmodel/fp32", "onnxrt/fp32", "onnxrt/int8_qdq"))


def costs(candidate: str, size: int = 1_000_000, load: float = 0.01):
    named = Candidate.parse(candidate)
    load_time = Record("load_time", "s", load, named, stats={"min": load, "max": 2 * load, "n": 5})
    return [Record("file_size", "bytes", size, named), load_time]


def speeds(share=0.01, **ms):
    found = {"savedmodel/fp32": 12.0, "onnxrt/fp32": 10.0, "onnxrt/int8_qdq": 20.0} | ms
    return [*(latency(key, [value * n for n in NOISE]) for key, value in found.items()), other_cpu(share)]


def recorded(*more, int8=(30, 31), share=0.01, **fields):
    records = [
        accuracy("savedmodel/fp32", 9000, 10000),
        accuracy("onnxrt/fp32", 9000, 10000, (0, 0)),
        accuracy("onnxrt/int8_qdq", 9000 + int8[1] - int8[0], 10000, int8),
        *costs("savedmodel/fp32", 15_000_000),
        *costs("onnxrt/fp32", 14_000_000),
        *costs("onnxrt/int8_qdq", 4_000_000),
    ]
    return made_run(STAGE, [*records, *more], others={SWEEP: speeds(share)}, **fields)


def found(run, key):
    return [finding for finding in rules.findings(run) if finding.key == key]


def test_accuracy_that_holds_is_one_finding():
    (within,) = found(recorded(), "loss_within")
    assert (within.level, within.values["count"]) == ("good", 2)


@pytest.mark.parametrize(("only", "level", "key"), [((400, 100), "bad", "loss_over"), ((160, 90), "note", "loss_undecided")])
def test_a_loss_is_judged_by_its_paired_interval(only, level, key):
    (loss,) = found(recorded(int8=only), key)
    assert (loss.level, loss.values["candidate"]) == (level, INT8)
    assert loss.values["points"].value == pytest.approx((only[1] - only[0]) / 100)


def test_a_model_at_chance_level_is_red_and_says_nothing_of_losses():
    """The majority guesser of a 70/30 test set, and the fault of the original project: 10 % of ten classes."""
    majority = Record("accuracy", "share", 0.7, SAVED, stats={"correct": 7000, "total": 10000, "largest_class": 7000})
    run = made_run(STAGE, [majority, accuracy("onnxrt/fp32", 7000, 10000, (0, 0))], class_names=["a", "b"])
    assert keys(rules.findings(run))[0] == ("bad", "at_chance")
    assert not found(run, "loss_within")
    tenth = made_run(STAGE, [accuracy("savedmodel/fp32", 1003, 10000)])
    assert ("bad", "at_chance") in keys(rules.findings(tenth))


def test_below_the_minimum_of_the_profile_is_red():
    run = made_run(STAGE, [accuracy("savedmodel/fp32", 9000, 10000)], profile={"train": {"minimum_accuracy": 0.95}})
    assert ("bad", "below_minimum") in keys(rules.findings(run))


def test_the_fastest_stands_with_all_that_cannot_be_told_from_it():
    (fastest,) = found(recorded(), "fastest")
    assert fastest.values["candidate"] == ONNX
    close = made_run(STAGE, [*costs("onnxrt/fp32")], others={SWEEP: speeds(**{"savedmodel/fp32": 10.05})})
    (among,) = found(close, "fastest_among")
    assert (among.values["candidate"], among.values["others"]) == (ONNX, [SAVED])


def test_a_lower_precision_that_is_slower_is_said():
    (slower,) = found(recorded(), "slower")
    assert slower.values["candidate"] == INT8
    assert slower.values["ratio"].value == pytest.approx(0.5)


def test_a_disturbed_sweep_leaves_no_winner_here_either():
    run = recorded(share=0.5)
    assert keys(rules.findings(run))[0] == ("warn", "disturbed")
    assert not found(run, "fastest")
    cost = tables.cost(run)
    assert not any("throughput" in row.get("best", ()) for row in cost.rows)
    assert "highest throughput" not in cost.caption.en
    assert "highest throughput" in tables.cost(recorded()).caption.en


@pytest.mark.parametrize("times", [1.3, 6.0, 40.0])
@pytest.mark.parametrize("language", LANGUAGES)
def test_accuracy_against_throughput_has_ticks_and_whole_labels(times, language):
    sweep = speeds(**{"onnxrt/fp32": 12.0, "onnxrt/int8_qdq": 12.0 / times})
    run = replace(recorded(), files=recorded().files | made_run(SWEEP, sweep).files)
    with style(language):
        drawn = figures.trade(run).draw(language)
        drawn.draw_without_rendering()
        (axes,) = drawn.axes
        low, high = axes.get_xlim()
        assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 2
        box = axes.yaxis.label.get_window_extent()
        assert box.y0 >= 0
        assert box.y1 <= drawn.bbox.height


def test_speeds_are_those_of_the_sweep_unless_it_has_not_run():
    assert rules.latencies(recorded())[ONNX].samples[0] == 10.0
    own = made_run(STAGE, [*costs("onnxrt/fp32"), latency("onnxrt/fp32", [5, 5, 5]), other_cpu(0)], others={SWEEP: speeds()})
    assert rules.latencies(own)[ONNX].samples == [5.0, 5.0, 5.0]


def test_two_pages_that_timed_one_model_are_held_against_each_other():
    same = [latency("onnxrt/fp32", [10, 10.01, 9.99], artifact_sha256="a")]
    far = [latency("onnxrt/fp32", [20, 20.01, 19.99], artifact_sha256="a")]
    assert ("good", "repeated") in keys(rules.findings(made_run(STAGE, same, others={SWEEP: same})))
    assert ("warn", "repeated_apart") in keys(rules.findings(made_run(STAGE, same, others={SWEEP: far})))
    assert not any("repeated" in key for _, key in keys(rules.findings(recorded())))


def test_the_caption_names_the_batch_size_of_the_record():
    run = recorded(profile={"precision": {"batch_size": 16}})
    assert "batch size 16" in tables.cost(run).caption.en


def test_reasons_stand_in_the_place_of_numbers():
    lost = [missing("accuracy", "share", "tensorrt/fp16"), missing("file_size", "bytes", "tensorrt/fp16")]
    run = recorded(*lost, missing("load_time", "s", "tensorrt/fp16"))
    for table in (tables.accuracy(run), tables.cost(run)):
        assert "no NVIDIA GPU on this system" in table_html(table, "en")
    (note,) = found(run, "unmeasured")
    assert "TensorRT FP16" in note.text.en


@pytest.mark.parametrize("records", [[], [missing("accuracy", "share", "tensorrt/fp16")]])
def test_a_run_without_numbers_is_shown_all_the_same(records):
    run = made_run(STAGE, records)
    rules.findings(run)
    for language in LANGUAGES:
        assert table_html(tables.accuracy(run), language)
        assert table_html(tables.cost(run), language)
        for figure in (figures.accuracy(run), figures.cost(run), figures.trade(run)):
            figure.draw(language)


def test_figures_have_a_row_a_candidate():
    run = recorded()
    drawn = figures.accuracy(run).draw("ja")
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == [c.label.ja for c in (SAVED, ONNX, INT8)]
    assert len(figures.cost(run).draw("en").axes[1].patches) == 3


def test_candidates_that_are_all_alike_have_no_single_winner():
    wild = [0.9, 1.1, 0.95, 1.05, 1.0]
    alike = [latency("savedmodel/fp32", [10 * ms for ms in wild]), latency("onnxrt/fp32", [10 * ms for ms in wild[::-1]]), other_cpu(0)]
    run = made_run(STAGE, [*costs("onnxrt/fp32")], others={SWEEP: alike})
    assert not found(run, "fastest")
    assert len(found(run, "fastest_among")) == 1
    assert not any("throughput" in row.get("best", ()) for row in tables.cost(run).rows)


def test_an_accuracy_of_an_earlier_run_does_not_stand_beside_this_runs():
    again = made_run(STAGE, [accuracy("savedmodel/fp32", 450), accuracy("onnxrt/fp32", 450, only=(0, 0)), *costs("onnxrt/fp32")])
    old = made_run("02_export", [accuracy("onnxrt/fp32", 300, only=(160, 10))], run_id="old")
    run = replace(again, files={**old.files, **again.files})
    assert not found(run, "loss_over")
    assert [f.values["count"] for f in found(run, "loss_within")] in ([], [1])


def test_timings_of_another_run_are_not_shown_as_this_runs():
    swept = made_run(SWEEP, speeds(), run_id="newer")
    run = replace(made_run(STAGE, costs("onnxrt/fp32")), files={**swept.files, **made_run(STAGE, costs("onnxrt/fp32")).files})
    assert rules.latencies(run) == {}


def test_who_only_guesses_has_nothing_to_lose_on_any_page():
    assert common.losses([accuracy("onnxrt/fp32", 50, 500, (0, 0))]) == []
    assert len(common.losses([accuracy("onnxrt/fp32", 450, 500, (0, 0))])) == 1
