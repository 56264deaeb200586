"""What notebook 04 says and shows of records whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from records import accuracy, keys, latency, made_run, missing, other_cpu

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.int8 import figures, rules, tables
from lib.pages.int8.rules import Model
from lib.show.table import table_html
from lib.store.records import Record
from lib.store.run import Run
from lib.text import LANGUAGES
from lib.words import Finding

STAGE, TOTAL = "04_int8", 10_000
ONNX, CALIBRATED = "onnxrt/int8_qdq", "tensorrt/int8"
ENTROPY, MINMAX = {"method": "entropy", "images": 320}, {"method": "minmax", "images": 320}
TABLES, FIGURES = (tables.comparison, tables.costs, tables.calibrations), (figures.comparison, figures.accuracy, figures.changed)


def right(candidate: str, lost: int, won: int, **case: Any) -> Record:
    """An accuracy against a reference that has 9,000 of 10,000 right."""
    return accuracy(candidate, 9000 - lost + won, TOTAL, (lost, won), case=case)


def agreement(candidate: str, changed: int, **case: Any) -> Record:
    counts = {"correct": TOTAL - changed, "total": TOTAL}
    return Record("agreement", "share", counts["correct"] / TOTAL, Candidate.parse(candidate), case=case, stats=counts)


def apart(candidate: str, one: str, other: str, images: int, only: tuple[int, int]) -> Record:
    case, counts = {"method": one, "other": other, "images": images}, {"only_method": only[0], "only_other": only[1], "total": TOTAL}
    return Record("agreement_difference", "difference", (only[1] - only[0]) / TOTAL, Candidate.parse(candidate), case=case, stats=counts)


def engine(candidate: str, ms: float, size: int = 1000, plan: str = "", **case: Any) -> list[Record]:
    rounds = [ms * (1 + 0.001 * k) for k in range(8)]
    plan = plan or f"{candidate}{case}"
    own = Record("file_size", "bytes", size, Candidate.parse(candidate), case=case, stats={"plan_sha256": plan})
    return [latency(candidate, rounds, case=case), latency(candidate, [ms / 2] * 8, scope="gpu_compute", case=case), own]


@pytest.fixture
def measured() -> list[Record]:
    """A system with a GPU: explicit Q/DQ loses nothing, entropy and min-max change 60 and 80 answers, nested."""
    found = [right("onnxrt/fp32", 0, 0), right(ONNX, 5, 4), right("tensorrt/fp32", 0, 0), right("tensorrt/int8_fp16", 12, 8)]
    found += [right("tensorrt/int8_qdq", 4, 5), other_cpu(0.01)]
    for images, changed in (
        (32, {"entropy": 160, "minmax": 30}),
        (64, {"entropy": 100, "minmax": 45}),
        (1024, {"entropy": 80, "minmax": 60}),
    ):
        for method, count in changed.items():
            case = {"method": method, "images": images}
            found += [right(ONNX, count // 3, count // 4, **case), agreement(ONNX, count, **case)]
        found.append(apart(ONNX, "entropy", "minmax", images, (20, 0)))
    for case, changed in ((ENTROPY, 40), (MINMAX, 46)):
        found += [right(CALIBRATED, 12, 8, **case), agreement(CALIBRATED, changed, **case)]
    found.append(apart(CALIBRATED, "entropy", "minmax", 320, (12, 18)))
    found += engine("tensorrt/fp32", 0.4, 4000) + engine(CALIBRATED, 0.16, plan="one", **ENTROPY) + engine(CALIBRATED, 0.16, **MINMAX)
    found += engine("tensorrt/int8_fp16", 0.1602, plan="one") + engine("tensorrt/int8_qdq", 0.1)
    case, counts = ENTROPY | {"reference": "tensorrt/int8_qdq"}, {"only_reference": 12, "only_candidate": 6, "total": TOTAL}
    return [*found, Record("accuracy_difference", "difference", -6e-4, Candidate.parse(CALIBRATED), case=case, stats=counts)]


def said(records: list[Record], key: str, **more: Any) -> list[Finding]:
    return [f for f in rules.findings(made_run(STAGE, records, **more)) if f.key == key]


def test_what_is_lost_is_said_by_the_rule_of_all_pages(measured: list[Record]) -> None:
    (within,) = said(measured, "loss_within")
    assert within.values["count"] == 4  # exported, default calibration, INT8 + FP16, explicit; not the calibrator that is not used
    assert within.values["margin"] == 100 * common.LOSS_MARGIN
    assert said(measured, "loss_elsewhere") == []


@pytest.mark.parametrize(("candidate", "case"), [(ONNX, {}), (CALIBRATED, ENTROPY), ("tensorrt/int8_fp16", {}), ("tensorrt/int8_qdq", {})])
def test_a_loss_over_the_margin_is_red_for_what_the_report_uses(measured: list[Record], candidate: str, case: dict) -> None:
    changed = [right(candidate, 200, 0, **case) if r.key == right(candidate, 0, 0, **case).key else r for r in measured]
    assert [(f.level, f.values["candidate"].key) for f in said(changed, "loss_over")] == [("bad", candidate)]


def test_a_loss_of_another_calibration_is_a_note(measured: list[Record]) -> None:
    lossy = {right(CALIBRATED, 0, 0, **MINMAX).key: (CALIBRATED, MINMAX)}
    lossy[right(ONNX, 0, 0, method="entropy", images=1024).key] = (ONNX, {"method": "entropy", "images": 1024})
    changed = [right(lossy[r.key][0], 300, 0, **lossy[r.key][1]) if r.key in lossy else r for r in measured]
    (note,) = said(changed, "loss_elsewhere")
    assert note.level == "note"
    assert len(note.values["what"]) == 2
    assert said(changed, "loss_over") == []


def test_a_loss_of_exactly_the_margin_is_not_red() -> None:
    """0.9 - 0.89 > 0.01 in floating point: 450 of 500 down to 445."""
    run = made_run(STAGE, [accuracy(ONNX, 445, 500, (5, 0))])
    assert keys(rules.findings(run)) == [("note", "loss_undecided")]


def test_nested_disagreements_are_told_apart_though_their_intervals_overlap(measured: list[Record]) -> None:
    """60 against 80 of 10,000, all of the 60 among the 80: p = 2e-6."""
    first, last = stats.wilson(60, TOTAL), stats.wilson(80, TOTAL)
    assert first.high > last.low
    (onnx,) = said(measured, "steadiest")
    assert onnx.values["images"] == 1024
    assert [text.en for text in onnx.values["methods"]] == ["min-max (0.60%)"]
    (tensorrt,) = said(measured, "steadiest_unknown")
    assert tensorrt.values["images"] == 320
    assert "エントロピー法（0.40%）" in tensorrt.text.ja


def test_holm_counts_every_pair_of_methods() -> None:
    """One pair at p = 0.03 is no difference among three."""
    own = [agreement(ONNX, n, method=m, images=64) for m, n in (("entropy", 20), ("minmax", 32), ("percentile", 100))]
    only = {("entropy", "minmax"): (9, 21), ("entropy", "percentile"): (0, 80), ("minmax", "percentile"): (5, 73)}
    assert 0.03 < stats.mcnemar(9, 21) < 0.05
    (some,) = said([*own, *(apart(ONNX, *pair, 64, n) for pair, n in only.items())], "steadiest")
    assert [text.en for text in some.values["methods"]] == ["entropy (0.20%)"]
    only["entropy", "percentile"] = only["minmax", "percentile"] = (9, 21)
    (none,) = said([*own, *(apart(ONNX, *pair, 64, n) for pair, n in only.items())], "steadiest_unknown")
    assert len(none.values["methods"]) == 3


def test_without_paired_counts_no_method_is_named(measured: list[Record]) -> None:
    old = [r for r in measured if r.metric != "agreement_difference"]
    assert not [f for f in rules.findings(made_run(STAGE, old)) if f.key.startswith("steadiest")]


def test_counts_settle_by_whole_images() -> None:
    assert rules.settles({32: 120, 64: 101, 128: 100}, TOTAL) == 32  # 20 of 10,000 are exactly two a thousand
    assert rules.settles({32: 121, 64: 101, 128: 100}, TOTAL) == 64
    assert rules.settles({32: 11, 64: 12, 128: 10}, 500) == 128  # 1 of 500 would do, 2 do not
    assert rules.settles({32: 11, 64: 11, 128: 10}, 500) == 32


def test_settling_is_said_of_each_method(measured: list[Record]) -> None:
    (found,) = said(measured, "settling")  # TensorRT read one number of images only
    assert [text.en for text in found.values["methods"]] == ["64 (entropy)", "64 (min-max)"]
    assert found.values["points"] == rules.SETTLED_PER_MILLE / 10


def test_the_default_mode_stands_beside_the_precise_one() -> None:
    found = [right(ONNX, 5, 4), agreement(ONNX, 10), Record("max_abs", "difference", 0.012, Candidate.parse(ONNX))]
    assert said(found, "saturates") == []
    default = f"{ONNX}/default_int8"
    far = Record("max_abs", "difference", 0.14, Candidate.parse(default))
    found += [right(default, 40, 20), agreement(default, 90), far]
    (finding,) = said(found, "saturates")
    assert (finding.values["changed"], finding.values["precise"]) == (90, 10)
    assert "by up to 0.140 in place of 0.012" in finding.text.en
    rows = tables.comparison(made_run(STAGE, found)).rows
    assert [row["calibration"].en for row in rows] == ["Q/DQ nodes of the ONNX", "as exported, default mode"]
    assert said(found, "loss_within")[0].values["count"] == 1  # the default mode is not what the report uses


def test_implicit_beside_explicit_names_a_winner_only_on_a_calm_machine(measured: list[Record]) -> None:
    (timed,) = said(measured, "beside_explicit_timed")
    assert "it is slower, 0.63" in timed.text.en
    assert "accuracy -0.06 [" in timed.text.en
    busy = [other_cpu(0.6) if r.metric == "other_cpu" else r for r in measured]
    assert said(busy, "beside_explicit_timed") == []
    assert len(said(busy, "beside_explicit")) == 1
    assert rules.findings(made_run(STAGE, busy))[0].level == "warn"
    costs = tables.costs(made_run(STAGE, busy))
    assert not any(row["best"] & {"throughput"} for row in costs.rows)
    assert "highest throughput" not in costs.caption.en
    assert "highest throughput" in tables.costs(made_run(STAGE, measured)).caption.en


def test_one_plan_under_two_names_says_how_far_two_measurements_lie_apart(measured: list[Record]) -> None:
    (found,) = said(measured, "same_plan")
    assert found.values["ratio"].value == pytest.approx(0.1602 / 0.16)
    assert [text.en for text in found.values["models"]] == ["TensorRT INT8 (calibrated) by entropy on 320 images", "TensorRT INT8 + FP16"]


def test_rounds_that_do_not_agree_are_named(measured: list[Record]) -> None:
    assert said(measured, "unsettled") == []
    shaky = latency("tensorrt/fp32", [0.2, 0.4, 0.8, 0.2, 0.4, 0.8, 0.2, 0.9])
    (found,) = said([shaky if r.key == shaky.key else r for r in measured], "unsettled")
    assert [text.en for text in found.values["what"]] == ["TensorRT FP32"]


def test_tables_compute_what_they_show_from_counts_and_rounds(measured: list[Record]) -> None:
    run = made_run(STAGE, measured)
    comparison, costs, swept = (table(run).rows for table in TABLES)
    assert len(comparison) == 7
    assert comparison[1]["accuracy"] == common.percent(stats.wilson(8999, TOTAL))
    assert comparison[1]["difference"] == common.percent(stats.paired(5, 4, TOTAL))
    assert costs[0]["ratio"] is None
    assert costs[1]["ratio"].value == pytest.approx(2.5)
    assert costs[1]["size_ratio"] == 0.25
    assert [("throughput" in row["best"]) for row in costs] == [False, False, False, False, True]
    assert "32" in tables.costs(run).caption.en
    assert len(swept) == 8
    assert {row["images"] for row in swept} == {32, 64, 320, 1024}
    assert "entropy, 320 images" in tables.calibrations(run).caption.en


def test_the_caption_of_a_comparison_without_speeds_promises_none(measured: list[Record]) -> None:
    shown = figures.comparison(made_run(STAGE, [record for record in measured if record.metric != "latency"]))
    for language in LANGUAGES:
        assert len(shown.draw(language).axes) == 1
        assert "FP32" not in shown.caption.in_(language)


def test_figures_have_a_panel_a_runner_and_a_row_a_model(measured: list[Record]) -> None:
    run = made_run(STAGE, measured)
    for language in LANGUAGES:
        compared = figures.comparison(run)
        left, beside = compared.draw(language).axes
        assert "FP32" in compared.caption.in_(language)
        assert len(left.texts) == 5
        assert len(beside.texts) == 4  # ONNX Runtime is not timed here
        for figure in (figures.accuracy(run), figures.changed(run)):
            drawn = figure.draw(language)
            assert len(drawn.axes) == 2
            assert [text.get_text() for text in drawn.legends[0].get_texts()][-1] == rules.method("minmax").in_(language)
    assert "ONNX Runtime (CPU), min-max 0.30 % (32) → 0.60 % (1,024)" in figures.changed(run).alt.en


def test_a_run_without_anything_still_has_its_tables_and_figures() -> None:
    empty = Run(Path("results"), STAGE, {})
    for run in (empty, made_run(STAGE, [])):
        assert rules.findings(run) == []
        for figure in FIGURES:
            figure(run).draw("ja").canvas.draw()
        for table in TABLES:
            assert "did not record" in table_html(table(run), "en")


def test_what_this_system_cannot_run_is_said_once_with_its_reason() -> None:
    cases = [{"method": m, "images": n} for m in ("entropy", "minmax") for n in (32, 320)]
    found = [missing(metric, "share", CALIBRATED, case=case) for case in cases for metric in ("accuracy", "agreement")]
    for candidate in ("tensorrt/fp32", "tensorrt/int8_qdq"):
        found += [missing("accuracy", "share", candidate), missing("latency", "ms", candidate, batch_size=32, scope="end_to_end")]
    for case in (ENTROPY, MINMAX):
        found.append(missing("latency", "ms", CALIBRATED, batch_size=32, scope="end_to_end", case=case))
    run = made_run(STAGE, found)
    assert keys(rules.findings(run)) == [("note", "unmeasured")]
    for table in TABLES:
        assert len(table(run).rows) == 1
        assert "no NVIDIA GPU" in table_html(table(run), "en")
        assert "NVIDIA GPUがない" in table_html(table(run), "ja")
    for figure in FIGURES:
        figure(run).draw("en").canvas.draw()


def test_a_method_of_another_version_keeps_its_name() -> None:
    model = Model(Candidate.parse(ONNX), "mse", 64)
    assert "mse" in model.label.en
    run = made_run(STAGE, [agreement(ONNX, 4, method="mse", images=64), right(ONNX, 1, 1, method="mse", images=64)])
    assert figures.changed(run).draw("en").axes
    assert tables.calibrations(run).rows[0]["method"].en == "mse"
