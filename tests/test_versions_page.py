"""Notebook 08: versions on one machine. Every rule on made-up records (made_versions.py), every table and figure in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import made_versions as made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_versions import MIDDLE, NEW, OLD, Made
from records import SYSTEM, keys, made_run

from lib.experiment.candidate import Candidate
from lib.pages.cross_version import figures, fusions, rules, speed, systems, tables
from lib.pages.cross_version.exhibits import Layer
from lib.pages.cross_version.versions import Calling, Engine, Spot, Versions
from lib.show import table as show
from lib.stats import Interval
from lib.store import stage_file
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import LANGUAGES
from lib.words import Finding

STAGE = "08_cross_version"
FP16 = Engine("fp16")
SPOT = Spot(FP16, 8, Calling("cpp"))


def run_of(what: Made, more: Iterable[Record] = (), change: Callable[[Record], Record | None] = lambda record: record, **also: Any) -> Run:
    """A page with these records. change: what becomes of each of them, None for nothing; also: for made_run."""
    kept = [changed for record in what.records() if (changed := change(record)) is not None]
    return made_run(STAGE, [*kept, *more], folder=Path("nowhere/results/test"), **also)


def small(**values: Any) -> Made:
    """Two precisions at one batch size, without other variants."""
    return Made(**{"precisions": ("fp32", "fp16"), "batches": (8,), "variants": False} | values)


def found(run: Run, key: str) -> list[Finding]:
    return [finding for finding in rules.findings(run) if finding.key == key]


def counts(run: Run) -> dict[str, int]:
    """How many comparisons came to what, by the verdict."""
    (said,) = found(run, "verdict")
    return {key: said.values.get(key, 0) for key in ("faster", "slower", "same", "undecided", "total")}


# The verdict -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "key"), [(1.06, "faster"), (1 / 1.06, "slower"), (1.0, "same")])
def test_a_known_ratio_is_found(ratio: float, key: str) -> None:
    run = run_of(small(faster={NEW: ratio}, spread=0.002, builds=5))
    assert counts(run)[key] == counts(run)["total"] == 2 * 3
    assert [one.ratio.low < ratio < one.ratio.high for one in speed.comparisons(Versions(run))].count(True) >= 5
    row = tables.speeds(run).rows[0]
    assert row[f"rate {NEW}"].value == pytest.approx(ratio * row[f"rate {OLD}"].value, rel=0.01)
    assert row[f"ratio {NEW}"].value == pytest.approx(ratio, rel=0.01)


def test_the_verdict_says_of_which_precision_nothing_is_known() -> None:
    def without(record: Record) -> Record | None:
        of = record.candidate and record.candidate.precision == "fp16" and record.case.get("against") == "first_version"
        return None if of else record

    (said,) = found(run_of(small(), change=without), "verdict")
    assert said.values["answers"].en == f"It computes the same classes on all {made.IMAGES:,} images (nothing is known of FP16)"
    (said,) = found(run_of(small()), "verdict")
    assert "known" not in said.values["answers"].en


def test_the_verdict_says_what_its_comparisons_are_of() -> None:
    (said,) = found(run_of(Made()), "verdict")
    assert "of 36 comparisons with 8.5.3.1 (4 precisions × 3 batch sizes × 3 ways of calling). It computes" in said.text.en
    assert "36通りの比較（数値精度4種×バッチサイズ3種×呼び出し方3種）のうち" in said.text.ja
    assert "of 6 comparisons with 8.5.3.1 (2 precisions × 3 ways of calling)." in found(run_of(small()), "verdict")[0].text.en
    one = small(precisions=("fp32",), cpp=False)
    assert "(" not in found(run_of(one), "verdict")[0].text.en.split(". ")[0]
    fewer = run_of(
        small(), change=lambda record: None if record.metric == "latency" and record.candidate == Candidate("cpp", "fp16") else record
    )
    assert "of 5 comparisons with 8.5.3.1 (2 precisions, 3 ways of calling)." in found(fewer, "verdict")[0].text.en


@pytest.mark.parametrize("seed", range(8))
def test_equal_versions_are_never_called_faster_or_slower(seed: int) -> None:
    told = counts(run_of(small(seed=seed, spread=0.01)))
    assert told["faster"] == told["slower"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_builds_that_spread_more_than_versions_differ_leave_it_undecided(seed: int) -> None:
    told = counts(run_of(small(faster={NEW: 1.03}, spread=0.05, seed=seed)))
    assert told["undecided"] == told["total"]


def test_one_build_a_side_decides_nothing() -> None:
    run = run_of(small(faster={NEW: 2.0}, builds=1))
    assert counts(run)["undecided"] == counts(run)["total"] > 0
    assert found(run, "spread") == []
    assert figures.ratios(run, "end_to_end").draw("en").axes


def test_the_verdict_is_the_first_of_the_good_and_the_notes() -> None:
    for what in (Made(faster={NEW: 1.06}), Made(faster={NEW: 0.9}), Made(labels=False)):
        said = sorted(rules.findings(run_of(what)), key=lambda finding: finding.level != "good")
        assert next(finding.key for finding in said if finding.level in ("good", "note")) == "verdict"


def test_the_verdict_says_whether_classes_are_the_same() -> None:
    (said,) = found(run_of(small(changed={"fp16": 4})), "verdict")
    assert "the same classes on all 10,000 images in FP32; in FP16, up to 4 change class" in said.text.en
    assert "FP32では全10,000枚の画像で同じクラスを出力し、FP16では最大4枚でクラスが変わる" in said.text.ja
    assert "the same classes on all 10,000 images." in found(run_of(small(changed={})), "verdict")[0].text.en
    assert "Up to 7 of 10,000 images" in found(run_of(small(changed={"fp16": 7, "fp32": 1})), "verdict")[0].text.en


def test_a_slower_version_is_not_good() -> None:
    (said,) = found(run_of(small(faster={NEW: 0.9})), "verdict")
    assert said.level == "note"
    assert "good" not in {finding.level for finding in rules.findings(run_of(small(faster={NEW: 0.9})))}


def test_versions_that_were_not_timed_in_the_same_rounds_are_not_compared() -> None:
    def fewer(record: Record) -> Record:
        return replace(record, samples=record.samples[:5]) if record.metric == "latency" and record.case.get("tensorrt") == NEW else record

    run = run_of(small(), change=fewer)
    assert speed.comparisons(Versions(run)) == []
    assert found(run, "verdict_untimed")
    assert isinstance(tables.speeds(run).rows[0][f"rate {NEW}"], Interval)


def test_nothing_is_claimed_of_a_disturbed_block() -> None:
    def busy(record: Record) -> Record:
        return replace(record, value=0.4) if record.metric == "other_cpu" and record.case == {"block": "fp16 8"} else record

    run = run_of(small(faster={NEW: 1.2}), change=busy)
    assert {one.spot.engine.precision: one.verdict for one in speed.comparisons(Versions(run))} == {"fp32": "faster", "fp16": "disturbed"}
    (said,) = found(run, "disturbed")
    assert said.level == "warn"
    assert "FP16 at batch 8" in said.text.en
    assert "40%" in said.text.ja
    assert counts(run)["undecided"] == 3


# Builds ------------------------------------------------------------------------------------------------------------------------


def test_the_spread_of_builds_and_what_the_timing_cache_takes_away() -> None:
    (said,) = found(run_of(Made(spread=0.03, noise=0.001, builds=5)), "spread")
    assert 0.01 < said.values["middle"] < 0.06
    assert "saved timing cache" in said.text.en
    assert said.values["findable"] > said.values["middle"]
    assert "With 5 builds of each version" in said.text.en
    (row, *_) = tables.builds(run_of(Made(spread=0.03, noise=0.001))).rows
    assert row["spread_empty"] > 10 * row["spread_saved"]
    assert row["tactics"].en == "2 in 3 builds"
    assert row["tactics_saved"].en == "1 in 3 builds"


@pytest.mark.parametrize(("made_up", "says"), [(Made(spread=0.03, noise=0.001), "in every row"), (Made(spread=0.0), "no smaller spread")])
def test_what_is_said_of_spreads_stands_in_the_table(made_up: Made, says: str) -> None:
    run = run_of(made_up)
    (said,) = found(run, "spread")
    rows = tables.builds(run).rows
    before, after, every = (median(row[key] for row in rows) for key in ("spread_empty", "spread_saved", "spread"))
    assert says in said.text.en
    assert f"{after:.1f}% where it is {before:.1f}% from an empty one" in said.text.en
    assert f"空のキャッシュ{before:.1f}%に対し、保存したキャッシュ{after:.1f}%" in said.text.ja
    assert f"spread by {every:.1f}% in speed" in said.text.en
    assert "always chooses the same tactics" in said.text.en


def test_rebuilds_with_different_tactics_are_not_said_to_choose_the_same() -> None:
    def other(record: Record) -> Record:
        mine = record.metric == "layer_types" and record.case == made.case(NEW, 2, "timing_cache")
        return replace(record, stats=record.stats | {"tactics_sha256": "other"}) if mine else record

    (said,) = found(run_of(Made(), change=other), "spread")
    assert "same tactics" not in said.text.en
    assert "with both caches" in said.text.en


def test_without_rebuilds_nothing_is_said_of_the_timing_cache() -> None:
    (said,) = found(run_of(small()), "spread")
    assert "timing cache" not in said.text.en


def fallen(**changed: Any) -> Callable[[Record], Record]:
    """Build 2 of FP16 of the newer version is other than the rest."""

    def change(record: Record) -> Record:
        mine = record.case == made.case(NEW, 2) and record.candidate == Candidate("tensorrt", "fp16")
        return replace(record, **changed[record.metric]) if mine and record.metric in changed else record

    return change


@pytest.mark.parametrize("types", [{"fp32": 9}, {"fp16": 3, "fp32": 6}, {"fp16": 8, "int8": 1}])
def test_a_build_that_fell_back_is_red(types: dict[str, int]) -> None:
    run = run_of(small(), change=fallen(layer_types={"stats": {"types": types, "tactics_sha256": "x"}}))
    (said,) = found(run, "fallen_type")
    assert said.level == "bad"
    assert said.values["builds"] == ["2"]
    assert NEW in said.text.ja


@pytest.mark.parametrize("types", [{"fp16": 8, "fp32": 1}, {"fp16": 7, "fp32": 2}, {"": 9}, {"": 5, "fp32": 4}, {}])
def test_a_build_whose_layers_may_be_what_was_asked_is_not(types: dict[str, int]) -> None:
    run = run_of(small(), change=fallen(layer_types={"stats": {"types": types}}))
    assert found(run, "fallen_type") == []


def test_a_plan_much_larger_than_its_siblings_is_red() -> None:
    (said,) = found(run_of(small(), change=fallen(file_size={"value": 13_400_000})), "fallen_size")
    assert (said.level, said.values["builds"]) == ("bad", ["2"])
    assert said.values["ratio"] == pytest.approx(2.0, rel=0.01)
    assert found(run_of(small(), change=fallen(file_size={"value": 9_000_000})), "fallen_size") == []


# Answers -----------------------------------------------------------------------------------------------------------------------


def test_python_and_cpp_that_agree_are_one_finding() -> None:
    (said,) = found(run_of(Made(faster={NEW: 1.1})), "python_cpp_bits")
    assert said.level == "good"
    assert said.values["versions"] == [OLD, NEW]
    assert "10,000" in said.text.ja


def test_python_and_cpp_that_differ_are_red() -> None:
    def differ(record: Record) -> Record:
        mine = record.metric == "changed" and record.case == made.case(NEW, 2) | {"against": "python"}
        return replace(record, value=3) if mine and record.candidate == Candidate("cpp", "fp16") else record

    run = run_of(small(), change=differ)
    (said,) = found(run, "python_cpp_differ")
    assert (said.level, said.values["count"]) == ("bad", 3)
    assert found(run, "python_cpp") == found(run, "python_cpp_bits") == []


def test_accuracy_that_surely_falls_is_red() -> None:
    def loses(record: Record) -> Record:
        mine = record.metric == "paired" and record.case == made.case(NEW, 1) | {"against": "first_version"}
        stats = {"only_base": 300, "only_this": 20, "total": made.IMAGES}
        return replace(record, value=320, stats=stats) if mine and record.candidate == Candidate("tensorrt", "fp16") else record

    run = run_of(small(faster={NEW: 1.1}), change=loses)
    (said,) = found(run, "accuracy_lost")
    assert (said.level, said.values["builds"]) == ("bad", ["1"])
    assert said.values["points"].value == pytest.approx(-2.8)
    assert found(run, "verdict")[0].level == "note"
    row = next(row for row in tables.same(run).rows if row["precision"].en == "FP16")
    assert row["difference"].value == pytest.approx(-2.8)  # of the build that is furthest off


def test_answers_within_a_version_stand_beside_those_between_versions() -> None:
    run = run_of(Made())
    between, within = tables.same(run).rows, tables.within(run).rows
    told = [row["compared"].en for row in between]
    assert told[0] == f"{OLD} → {NEW}"
    assert f"{NEW}: by flag → strongly typed" in told
    assert len([row for row in within if row["compared"].en == f"{OLD}: Python → C++"]) == 4
    assert "C++" not in "".join(told)
    (said,) = found(run, "builds_differ")
    assert said.values["count"] == 2
    assert found(run_of(small(changed={})), "builds_alike")


# What is missing ---------------------------------------------------------------------------------------------------------------


def test_a_worker_that_failed_is_red_and_the_others_go_on() -> None:
    lost = made.lost_worker(3, Reason("worker_failed", {"message": "/opt/trt9/bin/python: no such file"}))
    run = run_of(small(faster={NEW: 1.06}), [lost])
    (said,) = found(run, "not_started")
    assert (said.level, said.values["worker"]) == ("bad", 3)
    assert "/opt/trt9/bin/python" in said.text.ja
    assert counts(run)["faster"] > 0
    assert "/opt/trt9/bin/python" in show.table_html(tables.workers(run), "en")


@pytest.mark.parametrize("reason", [Reason("worker_no_gpu", {"tensorrt": NEW}), Reason("worker_twice", {"tensorrt": OLD})])
def test_a_worker_that_has_nothing_to_run_on_is_a_note(reason: Reason) -> None:
    run = run_of(small(versions=(OLD,)), [made.lost_worker(2, reason)])
    assert ("note", "not_started") in keys(rules.findings(run))
    assert ("note", "one_version") in keys(rules.findings(run))
    assert "bad" not in {finding.level for finding in rules.findings(run)}


def test_none_that_ran_is_said() -> None:
    run = made_run(STAGE, [made.lost_worker(1, Reason("worker_no_gpu", {"tensorrt": NEW}))], folder=Path("nowhere/results/test"))
    assert ("note", "none_ran") in keys(rules.findings(run))
    shown_everywhere(run)


def test_a_kind_of_engine_that_a_version_lacks_has_its_reason_in_its_place() -> None:
    why = Reason("no_calibrator")

    def lacks(record: Record) -> Record | None:
        own = record.case.get("tensorrt") == NEW and record.candidate is not None and record.candidate.precision == "int8"
        if not own:
            return record
        return replace(record, value=None, reason=why, stats={}) if record.metric in ("build_time", "file_size") else None

    run = run_of(Made(), change=lacks)
    row = next(row for row in tables.speeds(run).rows if row["precision"].en == "INT8 (calibrated)")
    assert row[f"rate {NEW}"] == why
    assert row[f"rate {OLD}"].value > 0
    assert next(row for row in tables.cost(run).rows if row["version"] == NEW and "INT8 (c" in row["precision"].en)["file_size"] == why
    (said,) = found(run, "unmeasured")
    assert said.level == "note"
    assert "10.6.0 (INT8 (calibrated))" in said.text.en
    assert "（" in said.text.ja


def test_a_build_that_failed_is_red() -> None:
    def fails(record: Record) -> Record:
        mine = record.metric == "build_time" and record.case == made.case(OLD, 3)
        return replace(record, value=None, stats={}, reason=Reason("failed", {"message": "out of memory"})) if mine else record

    (said,) = found(run_of(small(), change=fails), "failed")
    assert said.level == "bad"
    assert "8.5.3.1 (FP32, FP16)" in said.text.en
    assert "out of memory" in said.text.ja


@pytest.mark.parametrize("key", ["loaded", "ended"])
def test_a_plan_of_another_version_that_is_not_refused_is_red(key: str) -> None:
    reason = Reason("foreign_plan_loaded") if key == "loaded" else Reason("foreign_plan_ended", {"message": "killed by SIGSEGV"})
    loaded = Record("foreign_plan", "count", None, case={"tensorrt": NEW, "plan_of": OLD}, reason=reason)
    run = run_of(small(), [loaded], change=lambda record: None if record.case == loaded.case else record)
    assert [finding.level for finding in found(run, f"foreign_{key}")] == ["bad"]
    assert found(run, "foreign_refused") == []
    assert len(tables.plans(run).rows) == 2
    assert found(run_of(small()), "foreign_refused")


# Other kinds of run ------------------------------------------------------------------------------------------------------------


def test_with_three_versions_the_lowest_is_the_baseline_of_each() -> None:
    run = run_of(small(versions=(NEW, OLD, MIDDLE), faster={NEW: 1.1, MIDDLE: 0.9}))
    assert Versions(run).names == [OLD, MIDDLE, NEW]
    told = {said.values["other"]: [key for key in ("faster", "slower") if said.values.get(key)] for said in found(run, "verdict")}
    assert told == {f"TensorRT {MIDDLE}": ["slower"], f"TensorRT {NEW}": ["faster"]}
    shown = [column.label.en for column in tables.speeds(run).columns]
    assert f"{MIDDLE} / {OLD}" in shown
    assert f"{NEW} / {OLD}" in shown
    assert len(found(run, "cost")) == 2


def test_tensorrt_for_rtx_counts_anew_and_stands_behind() -> None:
    rtx = made.worker(1, "1.1.0", "tensorrt_rtx")
    run = made_run(STAGE, [rtx, made.worker(2, "10.6.0")], folder=Path("nowhere/results/test"))
    assert Versions(run).names == ["10.6.0", "1.1.0"]
    assert Versions(run).label("1.1.0") == "TensorRT for RTX 1.1.0"


def test_without_labels_no_accuracy_is_spoken_of() -> None:
    run = run_of(Made(labels=False))
    assert found(run, "no_labels")
    shown = {column.key for column in tables.same(run).columns}
    assert {"agreement_before", "agreement_after"} <= shown
    assert not shown & {"difference", "accuracy_before", "accuracy_after"}
    assert tables.same(run).rows[0]["agreement_after"].value == pytest.approx(99.9)


def test_without_cpp_python_is_compared() -> None:
    run = run_of(Made(cpp=False, faster={NEW: 1.06}))
    assert counts(run)["total"] == 4 * 3
    assert speed.main_calling(Versions(run)) == Calling("tensorrt")
    assert not {"python_cpp", "python_cpp_bits"} & {finding.key for finding in rules.findings(run)}
    assert len(figures.ratios(run, "end_to_end").draw("en").axes) == 1


def test_the_first_table_shows_cpp_where_there_is_some_and_the_rival_of_the_same_rounds() -> None:
    shown = tables.speeds(run_of(Made()))
    assert len(shown.rows) == 4 * 3
    assert "C++" in shown.caption.en
    assert shown.rows[0]["rival"] > 0
    assert isinstance(shown.rows[-1]["rival"], Reason)
    assert "rival" not in {column.key for column in tables.speeds(run_of(Made(rival=False))).columns}


@pytest.mark.parametrize("name", ["two", "three", "one", "unlabelled", "python", "bare"])
def test_everything_is_shown_in_both_languages(name: str) -> None:
    kinds = {
        "two": Made(faster={NEW: 1.06}, builds=5),
        "three": small(versions=(OLD, MIDDLE, NEW)),
        "one": small(versions=(OLD,)),
        "unlabelled": small(labels=False),
        "python": small(cpp=False, rival=False),
        "bare": Made(precisions=()),
    }
    versions = kinds[name].versions
    shown_everywhere(run_of(kinds[name], exhibits=made.exhibits(versions) if name != "bare" else {}))


def test_without_any_worker_the_page_says_how_to_compare_and_shows_no_section(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, said = made_run(STAGE, folder=Path("nowhere/results/test")), list[str]()
    monkeypatch.setattr(show, "html", lambda make: said.extend(str(make(language)) for language in LANGUAGES))
    assert [tables.section(run, key) for key in ("answer", "builds", "same", "cost", "code", "layers", "plans", "method")] == [False] * 8
    assert len(said) == 2  # one line, in both languages
    assert all(
        '<code>TENSORRT_PYTHONS="/opt/trt8/bin/python;/opt/trt10/bin/python" make report</code>' in one.replace("&#34;", '"')
        for one in said
    )
    assert keys(rules.findings(run)) == [("note", "nobody")]
    assert tables.section(run_of(small()), "cost") is True
    assert "<h2>What it costs</h2>" in said[2]


def shown_everywhere(run: Run) -> None:
    """Every sentence, table and figure of the page can be made."""
    every = [
        tables.speeds(run),
        tables.every(run, "end_to_end"),
        tables.every(run, "gpu_compute"),
        tables.builds(run),
        tables.same(run),
        tables.within(run),
        tables.cost(run),
        tables.workers(run),
        tables.plans(run),
        tables.method(run),
        tables.changing(run),
        tables.kept(run),
        tables.layers(run),
        *tables.side_by_side(run),
    ]
    drawn = [figures.ratios(run, "end_to_end"), figures.ratios(run, "gpu_compute"), figures.builds(run)]
    for language in LANGUAGES:
        assert all("<table>" in show.table_html(one, language) for one in every)
        assert all(one.draw(language).axes for one in drawn)
        assert show.findings_html(rules.findings(run), language)


# Code, layers, systems ---------------------------------------------------------------------------------------------------------


def test_calls_that_go_are_named_with_what_replaces_them() -> None:
    run = run_of(small(), exhibits=made.exhibits())
    changing, kept = tables.changing(run).rows, tables.kept(run).rows
    (row,) = [row for row in changing if row["call"] == "IExecutionContext.execute_async_v2"]
    assert (row[OLD].en, row[NEW].en) == ("there", "gone")
    assert "execute_async_v3" in row["replacement"].en
    assert {row["call"] for row in changing}.isdisjoint(row["call"] for row in kept)
    (said,) = found(run, "code")
    assert said.values["gone"] == sum(row[NEW].en == "gone" for row in changing) > 5
    alike = made.exhibits((OLD, MIDDLE))
    assert found(run_of(small(versions=(OLD, MIDDLE)), exhibits=alike), "code_same")


def test_calls_are_shown_of_a_version_that_has_no_gpu_to_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = [made.lost_worker(number, Reason("worker_no_gpu", {"tensorrt": version})) for number, version in enumerate((OLD, NEW), 1)]
    run = made_run(STAGE, lost, exhibits=made.exhibits(), folder=Path("nowhere/results/test"))
    monkeypatch.setattr(show, "html", lambda make: [make(language) for language in LANGUAGES])
    assert [key for key in ("answer", "builds", "same", "cost", "code", "layers", "plans", "method") if tables.section(run, key)] == [
        "code",
        "plans",
    ]
    assert not tables.several(run)
    assert found(run, "code")[0].values["gone"] > 5
    alone = made_run(STAGE, lost[1:], exhibits=made.exhibits((NEW,)), folder=Path("nowhere/results/test"))
    assert "Builder.build_engine" in {row["call"] for row in tables.changing(alone).rows}
    assert "Builder.build_engine" not in {row["call"] for row in tables.kept(alone).rows}


def test_a_table_without_rows_is_left_out() -> None:
    run = run_of(small(versions=(OLD,)), exhibits=made.exhibits((OLD,)))
    assert tables.filled(tables.same(run), tables.plans(run), tables.answer(run)) == []
    assert len(tables.filled(tables.within(run), tables.workers(run))) == 2


def test_layers_stand_side_by_side_where_they_differ() -> None:
    run = run_of(small(), exhibits=made.exhibits())
    first, second = tables.side_by_side(run)
    assert first.folded
    assert "8 layers of 8.5.3.1 beside 6 of 10.6.0" in first.caption.en
    assert [row["layer_other"] for row in second.rows].count("–") == 2
    assert [row["copies"] for row in tables.layers(run).rows] == [1, 0, 1, 0]
    same = made.exhibits((OLD, NEW))
    same["layers"] = same["layers"].model_copy(
        update={"engines": [one.model_copy(update={"layers": same["layers"].engines[0].layers}) for one in same["layers"].engines]}
    )
    assert tables.side_by_side(run_of(small(), exhibits=same)) == []


NAMES = st.lists(st.sampled_from(["conv1/Conv2D + relu1", "conv2/Conv2D", "pool", "dense/MatMul", "softmax"]), max_size=8)


@given(NAMES, NAMES)
def test_no_layer_is_lost_or_moved_when_engines_are_aligned(base: Sequence[str], own: Sequence[str]) -> None:
    engines = [[Layer(name=name, kind="k", type="fp32", tactic=str(place)) for place, name in enumerate(names)] for names in (base, own)]
    pairs = fusions.aligned(*engines)
    assert [first for first, _ in pairs if first] == engines[0]
    assert [second for _, second in pairs if second] == engines[1]
    assert all(first or second for first, second in pairs)


def test_what_versions_recorded_here_is_no_number_of_the_system(tmp_path: Path) -> None:
    here = SYSTEM | {"libraries": {"tensorrt": OLD}}
    run = made_run(STAGE, small().records(), others={"03_engines": []}, system=here)
    for stage, file in run.files.items():
        stage_file.write(tmp_path / "here" / f"{stage}.jsonl", replace(file.stage, stage=stage), file.records, {})
    told, problems = systems.systems(Run.open(tmp_path / "here", STAGE))
    assert problems == []
    assert [each.id for each in told] == ["here"]
    assert systems.candidates(told) == []
    assert "alone" not in {finding.key for finding in rules.findings(Run.open(tmp_path / "here", STAGE))}


def test_a_spot_reads_the_same_whichever_call_a_version_makes_for_its_graph() -> None:
    def older(record: Record) -> Record:
        mine = record.metric == "latency" and record.case.get("tensorrt") == OLD and record.candidate and record.candidate.way.graph
        return replace(record, candidate=Candidate.parse(f"cpp/{record.candidate.precision}/enqueueV2+graph")) if mine else record

    run = run_of(small(faster={NEW: 1.2}), change=older)
    assert counts(run)["faster"] == 6
    assert speed.compared(Versions(run), SPOT._replace(calling=Calling("cpp", graph=True)), NEW) is not None
