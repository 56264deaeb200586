"""Notebook 10: every rule on made-up records (made_fast.py), every table and figure in both languages."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import made_fast as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_fast import NEW, OLD, Made
from markupsafe import escape
from records import keys, made_run
from test_figures import JAPANESE, drawn
from test_sentences import FIRST_LETTERS, FIRST_WORDS

from lib import export, stats
from lib.experiment.candidate import Candidate, Way
from lib.pages.fast import choose, code, figures, piped, ratios, rules, tables, work, work_tables
from lib.pages.fast.arms import Arm, Fast, way_label
from lib.pages.fast.exhibits import Layer, PlacedEngine, Roofline
from lib.show import table as show
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import LANGUAGES
from lib.verdict import about
from lib.words import Finding

STAGE = "10_fast"
LANES8 = "tensorrt/fp16/+graph+lanes8"


def run_of(
    records: Made | Iterable[Record], more: Iterable[Record] = (), change: Callable[[Record], Record | None] = lambda r: r, **also: Any
) -> Run:
    """A page with these records. change: what becomes of each, None for nothing; also: for made_run."""
    every = records.records() if isinstance(records, Made) else records
    kept = [changed for record in every if (changed := change(record)) is not None]
    return made_run(STAGE, [*kept, *more], folder=Path("nowhere/results/test"), **also)


def small(**values: Any) -> Made:
    """One precision, one TensorRT, no rivals, no large batches."""
    return Made(**{"versions": (NEW,), "precisions": ("fp16",), "rivals": False, "large": False, "cpp": False} | values)


def found(run: Run, key: str) -> list[Finding]:
    return [finding for finding in rules.findings(run) if finding.key == key]


def arm(run: Run, key: str, batch: int = 32, version: str = NEW) -> Arm:
    """One arm by its candidate."""
    (one,) = [a for a in Fast(run).arms if (a.candidate.key, a.batch, a.version) == (key, batch, version)]
    return one


# What to run -------------------------------------------------------------------------------------------------------------------


def test_each_goal_has_the_arm_that_reaches_it() -> None:
    told = {choice.goal: choice.arm for choice in choose.choices(Fast(run_of(Made(cpp=False, versions=(NEW,)))))}
    assert told["latency"].batch == 1
    assert told["latency"].way.lanes == 1
    assert (told["throughput"].batch, told["throughput"].way.lanes) == (8192, 3)
    assert told["within"] is told["throughput"]  # 12 ms
    first, second, third = tables.answer(run_of(Made())).rows
    assert first["best"] == {"time"}
    assert second["best"] == third["best"] == {"throughput"}


def test_the_latency_limit_leaves_out_what_takes_longer() -> None:
    run = run_of(Made(versions=(NEW,)), profile={"fast": {"limit_ms": 4.0}})
    (own,) = [choice.arm for choice in choose.choices(Fast(run)) if choice.goal == "within"]
    assert own.batch == 2048
    assert own.latency.high <= 4.0
    (said,) = found(run, "within")
    assert "4 ms" in said.text.en


def test_the_latency_of_lanes_is_their_pace_times_what_is_under_way() -> None:
    run = run_of(Made())
    lanes, streams = arm(run, LANES8), arm(run, "trtexec/fp16/+graph+lanes8")
    assert lanes.latency.value == pytest.approx(8 * stats.time(lanes.record.samples).value)
    assert streams.latency.value == pytest.approx(16 * stats.time(streams.record.samples).value)


@pytest.mark.parametrize("more", [{"wrong": (LANES8,)}, {"busy": {"fp16 32": 0.5, "fp16 1": 0.5}}])
def test_what_answers_wrongly_or_was_disturbed_is_never_chosen(more: dict[str, Any]) -> None:
    ways = {"": 1.0, "+graph": 1.2, "+graph+lanes8": 9.0}
    before = {choice.arm.candidate.key for choice in choose.choices(Fast(run_of(small(ways=ways))))}
    after = {choice.arm.candidate.key for choice in choose.choices(Fast(run_of(small(ways=ways, **more))))}
    assert LANES8 in before
    assert LANES8 not in after


def test_what_nobody_checked_is_never_chosen() -> None:
    run = run_of(small(), change=lambda record: None if record.metric == "agreement" else record)
    assert choose.choices(Fast(run)) == []
    assert found(run, "fastest") == []
    assert tables.answer(run).nothing.en.startswith("Nothing was timed of which")


def test_what_cannot_be_told_from_a_choice_is_named_the_simplest_first() -> None:
    ways = {"": 1.0, "+graph": 2.0, "+graph+lanes2": 2.001, "+graph+lanes8": 2.002}
    run = run_of(small(ways=ways), change=lambda r: None if r.batch_size == 1 and r.metric == "pace" else r)
    (choice,) = [one for one in choose.choices(Fast(run)) if one.goal == "throughput"]
    assert len(choice.ties) == 2
    assert choice.ties[0].way == Way(graph=True) or choice.arm.way == Way(graph=True)
    assert "Within 5% of it and not surely slower: 2" in code.chosen(run)[-1].said.en


@given(st.lists(st.floats(0.05, 5.0), min_size=2, max_size=6, unique=True), st.integers(0, 5))
def test_no_other_right_arm_has_more_throughput_or_less_latency_than_the_chosen(factors: list[float], seed: int) -> None:
    lanes = {f"+graph+lanes{n}": factor for n, factor in enumerate(factors, 2)}
    view = Fast(run_of(small(ways={"": 1.0} | lanes, seed=seed)))
    told = {choice.goal: choice for choice in choose.choices(view)}
    assert all(other.rate.value <= told["throughput"].arm.rate.value for other in view.ours)
    assert all(other.latency.value >= told["latency"].arm.latency.value for other in view.ours)
    assert all(told[goal].arm not in told[goal].ties for goal in told)


def test_what_looks_far_slower_is_no_tie_however_little_its_rounds_tell() -> None:
    """3 rounds on an H100: 395,631 images/s against 284,000 that scatter, of which nothing could be claimed."""
    fast, scattered = [0.0819, 0.0807, 0.0801], [0.1317, 0.1001, 0.1059]
    assert stats.compared(fast, scattered, 0.02) == "undecided"
    where, right = {"tensorrt": NEW}, {"correct": 500, "total": 500}
    made_up = [made.pace(key, ms, 32, where) for key, ms in (("tensorrt/fp16/+graph", fast), ("tensorrt/fp16", scattered))]
    made_up += [Record("agreement", "share", 1.0, one.candidate, case=where, stats=right) for one in made_up]
    assert [choice.ties for choice in choose.choices(Fast(run_of(made_up)))] == [[], [], []]


# Ratios ------------------------------------------------------------------------------------------------------------------------


def test_a_finding_on_a_choice_says_how_and_what_and_what_cannot_be_told_from_it() -> None:
    (said,) = found(run_of(Made()), "fastest")
    first, rest = said.text.first("en")
    assert "with 3 lanes with graphs, bytes in, classes out, batch 8,192." in first
    assert "That is Python INT8 (explicit) on TensorRT 10.6.0." in rest
    assert "Within 5% of it and not surely slower: 1; the simplest is" in rest  # the older TensorRT is as fast at it
    assert "これとの差が5%以内で、確実に遅いとはいえないものが1通りあり" in said.text.ja
    (said,) = found(run_of(small(ways={"": 1.0, "+graph+lanes8": 9.0})), "fastest")
    assert "not surely slower" not in said.text.en


def test_a_known_ratio_of_a_way_is_found() -> None:
    run = run_of(small())
    told = {one.own.way.key: one for one in ratios.ways(Fast(run)) if one.own.batch == 32}
    for way, times in made.WAYS.items():
        if way:
            assert told[way].times.low <= times * 1.003
            assert told[way].times.high >= times * 0.997
            assert told[way].verdict == "faster"
    row = next(row for row in tables.ways(run).rows if "8 lanes" in row["called"].en and row["batch_size"] == 32)
    assert row[f"ratio {NEW}"].value == pytest.approx(3.1, rel=0.01)
    assert found(run, "gains")


def test_ways_that_bring_nothing_are_said_to() -> None:
    run = run_of(small(ways={"": 1.0, "+graph": 1.0}, noise=0.001))
    assert found(run, "gains") == []
    assert found(run, "no_gain")


def test_what_was_not_timed_in_the_same_rounds_is_not_compared() -> None:
    def shorter(record: Record) -> Record:
        return replace(record, samples=record.samples[:4]) if record.candidate and record.candidate.way.graph and record.samples else record

    assert ratios.ways(Fast(run_of(small(ways={"": 1.0, "+graph": 2.0}), change=shorter))) == []


def test_nothing_is_claimed_of_what_nobody_checked() -> None:
    def unchecked(record: Record) -> Record | None:
        return None if record.metric == "agreement" and record.candidate == Candidate.parse(LANES8) else record

    run = run_of(small(ways={"": 1.0, "+graph": 1.0, "+graph+lanes8": 9.0}, noise=0.001), change=unchecked)
    assert {one.own.way.key: one.verdict for one in ratios.ways(Fast(run))} == {"+graph": "same", "+graph+lanes8": "unchecked"}
    assert found(run, "gains") == []
    assert found(run, "no_gain")


def test_disturbed_blocks_are_counted_in_no_finding() -> None:
    run = run_of(Made(busy={"fp16 32": 0.5, "int8_qdq 32": 0.5}, large=False))
    for key in ("rivals", "newer", "python"):
        calm, every = found(run, key), found(run_of(Made(large=False)), key)
        assert 0 < calm[0].values["total"] < every[0].values["total"]
    assert sum(row[key] for row in tables.versions(run).rows for key in ratios.JUDGED) == found(run, "newer")[0].values["total"]


def test_nothing_is_claimed_of_a_disturbed_block() -> None:
    run = run_of(small(busy={"fp16 32": 0.4}))
    assert {one.own.batch: one.verdict for one in ratios.ways(Fast(run))} == {1: "faster", 32: "disturbed"}
    (said,) = found(run, "disturbed")
    assert said.level == "warn"
    assert "FP16 at batch 32" in said.text.en
    assert "40%" in said.text.ja


def test_trtexec_meets_lanes_by_what_is_under_way() -> None:
    told = [one for one in ratios.rivals(Fast(run_of(Made(versions=(NEW,))))) if one.base.candidate.runner == "trtexec"]
    pairs = {(one.kind, one.base.way.lanes, one.own.way.lanes) for one in told}
    assert pairs == {("lanes", 1, 2), ("streams", 1, 1), ("streams", 8, 8)}
    assert all(one.own.version == one.base.version == NEW for one in told)
    said = {row["verdict"].en for row in tables.rivals(run_of(Made())).rows if "ratio" in row}
    assert "faster" in said
    level = {(one.kind, one.base.way.lanes) for one in ratios.fair(told)}
    assert level == {("lanes", 1), ("streams", 8)}  # 16 lanes were not timed


def test_the_finding_on_rivals_leaves_none_of_trtexec_out() -> None:
    run = run_of(Made(versions=(NEW,)))
    (said,) = found(run, "rivals")
    told = ratios.rivals(Fast(run))
    assert said.values["total"] == len({id(one.base) for one in told}) == len(Fast(run).rivals)
    assert said.values["ratio"] == min((one.times for one in ratios.fair(told)), key=lambda times: times.value)


def test_a_rival_meets_the_fastest_that_does_the_same_work() -> None:
    told = [one for one in ratios.rivals(Fast(run_of(Made()))) if not one.kind]
    assert {one.base.candidate.runner for one in told} == {"onnxrt_bound", "pytorch", "polygraphy"}
    assert all(one.own.whole for one in told)
    assert all(one.own.way.lanes == 8 for one in told)


def test_a_rival_that_leads_is_no_good_finding() -> None:
    def slow(record: Record) -> Record:
        rival = record.metric == "pace" and record.candidate == Candidate.parse("pytorch/fp16/compiled+graph")
        return replace(record, samples=[ms / 10 for ms in record.samples], value=record.value / 10) if rival else record  # type: ignore[operator]

    (said,) = found(run_of(Made()), "rivals")
    assert said.level == "good"
    (said,) = found(run_of(Made(), change=slow), "rivals")
    assert said.level == "note"
    assert "slower in 2" in said.text.en
    assert "PyTorch" in said.text.ja


@pytest.mark.parametrize(("ratio", "key"), [(1.1, "faster"), (0.9, "slower"), (1.0, "same")])
def test_a_newer_tensorrt_gains_or_loses_in_each_way(ratio: float, key: str) -> None:
    run = run_of(Made(newer={"+graph": ratio}, noise=0.001, precisions=("fp16",), cpp=False, large=False))
    row = next(row for row in tables.versions(run).rows if "CUDA" in row["called"].en and "bytes" not in row["called"].en)
    assert row[key] == 2
    (said,) = found(run, "newer")
    assert said.values["base"] == OLD
    assert f"one CUDA graph {ratio:.2f}" in said.text.en


def test_python_is_held_against_cpp_in_the_same_way() -> None:
    run = run_of(Made(precisions=("fp16",), versions=(NEW,)))
    assert all(one.own.way == one.base.way for one in ratios.languages(Fast(run)))
    (said,) = found(run, "python")
    assert said.values["middle"] == pytest.approx(1 / 1.02, rel=0.01)
    assert found(run_of(small()), "python") == []


# Red ---------------------------------------------------------------------------------------------------------------------------


def test_outputs_that_disagree_are_red_and_their_speed_is_no_result() -> None:
    run = run_of(Made(wrong=(LANES8,)))
    (said,) = found(run, "wrong")
    assert said.level == "bad"
    assert "2 configurations" in said.text.en  # on both TensorRTs
    assert "70.00" in said.text.ja
    assert {one.verdict for one in ratios.ways(Fast(run)) if one.own.candidate.key == LANES8} == {"wrong"}
    assert {row["answers"].en for row in tables.ways(run).rows if row.get("answers")} == {"right", "other outputs"}
    assert about.concerns(said, Candidate("tensorrt", "fp16"), NEW)  # it does not go to production
    assert not about.concerns(said, Candidate("tensorrt", "int8_qdq"), NEW)
    assert not about.about_model(said, STAGE, run.profile.reference)
    assert found(run_of(Made()), "wrong") == []


def test_a_rival_that_answers_wrongly_is_red_too() -> None:
    (said,) = found(run_of(Made(wrong=("pytorch/fp16",))), "wrong")
    assert "PyTorch" in said.text.en


@pytest.mark.parametrize(("memory", "red"), [(1.05, False), (1.2, False), (1.3, True)])
def test_a_pipeline_that_takes_more_than_its_ring_is_red(memory: float, red: bool) -> None:
    run = run_of(small(memory=memory))
    assert [said.level for said in found(run, "memory")] == ["bad"] * red
    assert tables.pipeline(run).rows[0]["over_ring"] == pytest.approx(memory)


def test_of_a_small_ring_what_threads_take_beside_it_says_nothing() -> None:
    def smaller(record: Record) -> Record:
        shrunk = {key: record.stats[key] // 100 for key in ("ring_bytes", "peak_bytes") if key in record.stats}  # type: ignore[operator]
        return replace(record, stats={**record.stats, **shrunk}) if record.metric == "pipeline" else record

    assert found(run_of(small(memory=3.0)), "memory")
    assert found(run_of(small(memory=3.0), change=smaller), "memory") == []


@pytest.mark.parametrize(("p99", "red"), [(14.9, False), (15.1, True)])
def test_a_rate_that_was_not_held_is_red(p99: float, red: bool) -> None:
    run = run_of(small(p99=p99))
    assert [said.level for said in found(run, "not_held")] == ["bad"] * red
    assert bool(found(run, "server")) != red


def test_an_overload_that_makes_answers_wrong_is_red() -> None:
    assert found(run_of(small(wrong_answers=2)), "overload_wrong")[0].level == "bad"
    assert found(run_of(small()), "overload_wrong") == []


def test_what_failed_is_red_and_the_rest_is_shown() -> None:
    def fails(record: Record) -> Record:
        if record.metric != "pace" or record.candidate != Candidate.parse(LANES8):
            return record
        return replace(record, value=None, samples=[], stats={}, reason=Reason("failed", {"message": "lane 3 wrote no output"}))

    run = run_of(small(), change=fails)
    (said,) = [finding for finding in rules.findings(run) if finding.level == "bad"]
    assert "lane 3" in said.text.ja
    assert "2 configurations" in said.text.en  # at both batch sizes
    plain = Candidate("tensorrt", "fp16")
    assert not about.concerns(said, plain, NEW)
    shown_everywhere(run)


# The pipeline, the ceiling -----------------------------------------------------------------------------------------------------


def test_the_share_of_a_pipeline_is_of_its_own_engine_on_one_lane() -> None:
    run = run_of(Made(versions=(NEW,), precisions=("fp16",)))
    one = piped.best(Fast(run))
    assert one is not None
    alone = made.LARGE_RATE[8192] * made.LARGE["+graph+uint8+classes"] / 0.92
    assert one.share is not None
    assert one.share.value == pytest.approx(one.rate.value / alone, rel=0.02)
    (said,) = found(run, "pipeline")
    assert "images/s" in said.text.en
    assert said.values["files"].en


def test_the_table_of_pipelines_has_the_best_batch_of_each_and_a_folded_one_has_all() -> None:
    def smaller(record: Record) -> Record:
        return replace(record, batch_size=256, samples=[rate / 2 for rate in record.samples])

    piped = [smaller(record) for record in Made().records() if record.metric == "pipeline"]
    run = run_of(Made(), more=piped)
    assert len(tables.pipeline(run).rows) == 8
    assert {row["batch_size"] for row in tables.pipeline(run).rows} == {8192}
    assert len(tables.pipeline_times(run).rows) == 16
    assert all(row["served"] for row in tables.pipeline_times(run).rows)


def piped_as(**more: float | None) -> Callable[[Record], Record]:
    """Pipelines from memory of 1,000 batches in 1 s. more: their stats, None: without it."""

    def change(record: Record) -> Record:
        if record.metric != "pipeline" or record.case["source"] != "memory":
            return record
        told = {**record.stats, "images": 1000 * (record.batch_size or 1), "seconds": 1.0, **more}
        return replace(record, stats={key: value for key, value in told.items() if value is not None})  # type: ignore[arg-type]

    return change


SPENT = {"starved_s": 0.01, "launched_s": 0.02, "waited_s": 0.03, "collected_s": 0.04}


@pytest.mark.parametrize("most", [*piped.STEPS, piped.REST])
def test_what_takes_most_of_the_feeding_threads_time_holds_a_pipeline_back(most: str) -> None:
    spent = SPENT | ({} if most == piped.REST else {f"{most}_s": 0.6})
    run = run_of(small(), change=piped_as(**spent))
    one = piped.best(Fast(run))
    assert one is not None
    assert one.held is not None
    assert sum(one.steps.values()) == pytest.approx(one.whole_us) == 1000.0  # µs a batch: all of it is told
    assert (one.held.step, one.held.us) == (most, pytest.approx(600.0 if most != piped.REST else 900.0))
    (said,) = found(run, "pipeline")
    assert f"{one.held.us:.0f} of the 1,000 µs that a batch takes" in said.text.en
    assert "1,000 µs" in said.text.ja
    assert f"({one.held.share:.0%})" in tables.pipeline(run).rows[0]["held_by"].en
    row = tables.pipeline_times(run).rows[0]
    assert row[most] == pytest.approx(one.held.us)


@pytest.mark.parametrize(("waited_s", "well"), [(0.6, True), (0.3, False)])
def test_lanes_are_said_to_be_busy_where_waiting_for_them_takes_most_of_the_time(waited_s: float, well: bool) -> None:
    spent = SPENT | {"waited_s": waited_s, "launched_s": 0.25, "collected_s": 0.25 if not well else 0.0}
    (said,) = found(run_of(small(), change=piped_as(**spent)), "pipeline")
    assert ("The lanes are busy meanwhile" in said.text.en) == well


def test_of_records_that_timed_no_launches_the_rest_is_told_as_the_hosts_work() -> None:
    """As the first ones of an H100: 0.19 ms a batch, of which waiting and starving were next to nothing."""
    run = run_of(Made(), change=piped_as(starved_s=0.005, waited_s=0.045, launched_s=None, collected_s=None))
    (said,) = found(run, "pipeline")
    assert "held back by the host's own work on a batch: in the slowest repeat 950 of the 1,000 µs" in said.text.en
    assert "did not time apart" in said.text.en
    assert "where the lanes by themselves take" in said.text.en
    assert {"launched", "collected", "rest"} <= {column.key for column in tables.pipeline_times(run).columns}  # of files they are known
    assert tables.pipeline_times(run).rows[0]["rest"] == pytest.approx(950.0)
    old = run_of(made.no_gpu())  # nor how long its slowest repeat took, which its rate tells
    assert not {"launched", "collected"} & {column.key for column in tables.pipeline_times(old).columns}
    one = piped.best(Fast(old))
    assert one is not None
    assert one.whole_us == pytest.approx(1e6 * 32 / 4090, rel=0.02)  # 63 batches, the last of which is half full


def test_what_a_pipeline_takes_beyond_a_small_ring_is_told_in_megabytes() -> None:
    run = run_of(small(), change=piped_as(ring_bytes=393_216, peak_bytes=524_288))
    row = tables.pipeline(run).rows[0]
    assert (row["over_ring"], row["beyond"]) == (pytest.approx(1.333, abs=1e-3), pytest.approx(0.131072))
    assert "8 MiB" in tables.pipeline(run).caption.en
    assert found(run, "memory") == []


def test_without_that_engine_on_one_lane_no_share_is_told() -> None:
    one = piped.best(Fast(run_of(small())))
    assert one is not None
    assert one.share is None
    assert tables.pipeline(run_of(small())).rows[0]["share"] is None


def test_layers_stand_under_the_ceiling_of_their_card() -> None:
    run = run_of(Made(), exhibits=made.exhibits())
    view = Fast(run)
    placed = {(engine.precision, engine.batch_size): work.placed(view, engine) for engine in work.engines(view)}
    assert all(0 < one.share <= 1.1 for those in placed.values() for one in those)
    assert np.mean([one.share for one in placed["fp16", 8192]]) > np.mean([one.share for one in placed["fp16", 1]])
    assert len(tables.layers(run).rows) == 12 * 5
    without = run_of(Made(), change=lambda r: None if r.metric == "ceiling" else r, exhibits=made.exhibits())
    assert tables.layers(without).rows == []
    assert "No engine" in figures.roofline(without).alt.en


def test_each_thing_that_holds_an_engine_back_has_something_to_do_about_it() -> None:
    rows = tables.remedies(run_of(Made())).rows
    assert [(row["held_back"].en, row["count"], row["sizes"]) for row in rows] == [
        ("launches", 4, "1"),
        ("small layers or slow kernels", 4, "32"),
        ("arithmetic", 4, "8,192"),
    ]
    every = [made.share("fp16", NEW, 1, why) for why in ("launches", "copies", "memory", "arithmetic", "kernels")]
    every = [replace(one, batch_size=number) for number, one in enumerate(every, 1)]
    assert all(row["remedy"].en and row["remedy"].ja for row in tables.remedies(run_of(every)).rows)
    assert len(tables.remedies(run_of(every)).rows) == 5


def test_as_a_graph_an_engine_is_held_back_by_something_else_than_launches() -> None:
    run = run_of(Made(), exhibits=made.exhibits())
    first = next(row for row in tables.ceiling(run).rows if row["batch_size"] == 1)
    assert first["held_back"].en == "launches"
    assert first["graph_ms"] == 0.02
    assert first["held_graph"].en == "small layers or slow kernels"  # 0.02 of 0.08 ms: launches no more
    assert "as a CUDA graph: " in found(run, "ceiling")[0].text.en
    assert {row["held_back"].en for row in tables.remedies(run).rows} >= {"launches", "small layers or slow kernels"}
    without = run_of(Made())  # no layers: nothing is known of a graph
    assert {row["held_graph"] for row in tables.ceiling(without).rows} == {"–"}
    assert "as a CUDA graph" not in found(without, "ceiling")[0].text.en


def test_equal_ends_of_a_range_are_one_number() -> None:
    run = run_of([replace(made.share("fp16", version, 32, "launches"), value=value) for version, value in ((OLD, 0.037), (NEW, 0.0404))])
    (said,) = found(run, "ceiling")
    assert "whole engines reach about 4%." in said.text.en
    assert "約4%" in said.text.ja


def test_layers_that_take_longer_one_by_one_than_together_are_said_to() -> None:
    run = run_of(Made(), exhibits=made.exhibits())
    times = work.slowed(Fast(run))
    assert times is not None
    assert f"up to {times:.1f} times" in tables.layers(run).caption.en
    assert f"最大{times:.1f}倍" in figures.roofline(run).caption.ja
    fitting = Roofline(
        engines=[PlacedEngine(tensorrt=NEW, precision="fp16", batch_size=32, layers=[Layer(name="a", flop=1e9, bytes=1e6, ms=0.08)])]
    )
    assert work.slowed(Fast(run_of(Made(), exhibits={"roofline": fitting}))) is None


LONG = " + ".join(f"dense1_1/{name}" for name in ("MatMul", "mul", "sub", "(Unnamed Layer* 36) [Shuffle]", "Relu"))


def test_a_long_layer_name_is_its_ends_and_a_count_and_whole_as_a_tooltip() -> None:
    assert work_tables.layer_name("Conv_1 + relu1_2_1/Relu") == "Conv_1 + relu1_2_1/Relu"
    assert work_tables.layer_name(LONG) == f'<span title="{LONG}">dense1_1/MatMul … dense1_1/Relu (5)</span>'


@given(st.lists(st.text('ab/<"&_', min_size=1, max_size=90), min_size=1, max_size=60))
def test_no_layer_name_is_long_and_none_breaks_the_page(parts: list[str]) -> None:
    name = " + ".join(parts)
    shown = str(escape(work_tables.layer_name(name)))
    title, _, words = shown.removeprefix('<span title="').removesuffix("</span>").rpartition('">')
    assert len(unescape(words)) <= 2 * work_tables.LONGEST + 10
    assert unescape(title or words) == name


# Scenarios ---------------------------------------------------------------------------------------------------------------------


def test_a_scenario_is_held_against_its_lanes_and_offline_has_no_latency() -> None:
    run = run_of(Made(versions=(NEW,), precisions=("fp16",)))
    rows = {row["scenario"].en: row for row in tables.scenarios(run).rows}
    server, offline = rows["Server, the highest rate held"], rows["Offline (all at once)"]
    lanes = arm(run, LANES8).rate.value
    assert server["of_lanes"] == pytest.approx(100 * 3.0e5 / lanes)
    assert "p99" not in offline
    assert rows["SingleStream (one by one)"]["p90"] == 0.095
    assert rows["SingleStream (one by one)"]["of_lanes"] is None
    assert "Of its lanes" in tables.scenarios(run).caption.en
    assert rows["Server at twice that rate"]["taken"] == 1.0
    unknown = run_of(small(), change=lambda r: replace(r, stats={k: v for k, v in r.stats.items() if k != "peak_bytes"}))
    assert "taken" not in {column.key for column in tables.scenarios(unknown).columns}


# The chief comparisons ---------------------------------------------------------------------------------------------------------


def test_the_chief_comparisons_are_all_in_one_table_with_the_numbers_of_the_others() -> None:
    run = run_of(Made())
    rows = tables.chief(run).rows
    at = {(row["pair"].en, row["batch_size"], row["version"]): row for row in rows}
    assert len(at) == len(rows)
    for version in (OLD, NEW):
        for batch in (1, 32):
            assert ("Python FP16 (8 lanes with graphs) / Python FP16 (plain calls)", batch, version) in at
    ours = [key for key in at if "pipeline / GPU alone" in key[0]]
    assert {version for _, _, version in ours} == {OLD, NEW}
    assert {pair.split(" (")[0] for pair, _, _ in ours} == {"Python FP16", "Python INT8"}  # of every precision
    assert all("held back by the lanes' own work (9" in at[key]["outcome"].en for key in ours)
    assert at[ours[0]]["pair_ratio"].value == pytest.approx(tables.pipeline(run).rows[2]["share"].value / 100, rel=0.2)
    for batch in (1, 32):  # as many lanes as streams, and two lanes against the two requests of one stream
        assert any("8 lanes with graphs) / trtexec FP16 (8 streams" in pair and size == batch for pair, size, _ in at)
        assert any("2 lanes with graphs) / trtexec FP16 (one stream" in pair and size == batch for pair, size, _ in at)
    for rival in ("ONNX Runtime (CUDA) TF32 (IO binding)", "Polygraphy FP16 (TrtRunner)", "PyTorch FP16 (compiled, CUDA graphs)"):
        own = [(pair.split(" (")[1], size) for pair, size, _ in at if pair.endswith(f" / {rival}")]
        assert own == [("8 lanes with graphs) / " + rival.split(" (")[0], 32), ("one CUDA graph) / " + rival.split(" (")[0], 32)]
    assert sum(pair.startswith("Python") and "/ C++" in pair for pair, _, _ in at) == 2
    fastest = {pair.split(":")[0]: row["throughput"].value for (pair, _, _), row in at.items() if "highest throughput" in pair}
    assert len(fastest) == 2
    assert max(fastest.values()) == tables.answer(run).rows[1]["throughput"].value


def test_pytorch_meets_ours_at_the_largest_batch_too() -> None:
    where = {"block": "fp16 8192"}
    big = made.pace("pytorch/fp16/compiled+graph", [1e3 * 8192 / 9e5] * made.ROUNDS, 8192, where)
    rows = tables.chief(run_of(Made(), more=[big])).rows
    assert [row["batch_size"] for row in rows if "PyTorch" in row["pair"].en] == [32, 32, 8192]


def test_a_rival_with_one_batch_under_way_meets_ours_with_one_too() -> None:
    view = Fast(run_of(Made()))
    every = ratios.rivals(view)
    level = ratios.alone(every)
    assert {one.own.in_flight for one in level} == {one.base.in_flight for one in level} == {1}
    assert {one.base.candidate.runner for one in level} == {"onnxrt_bound", "polygraphy", "pytorch"}
    assert {one.own.way.key for one in level} == {"+graph"}
    assert len(ratios.fair(every)) == len(view.rivals)  # each counted once
    (said,) = found(view.run, "rivals")
    least = min(level, key=lambda one: one.times.value)
    assert f"With one batch under way on both sides it is {least.times.value:.2f} [" in said.text.en
    without = run_of(Made(), change=lambda r: None if r.candidate and r.candidate.way.key in ("", "+graph") and r.metric == "pace" else r)
    assert "under way on both sides" not in "".join(one.text.en for one in found(without, "rivals"))


@pytest.mark.parametrize(("share", "told"), [(0.9, True), (0.3, False)])
def test_a_card_that_is_at_its_power_limit_for_most_of_the_time_is_said(share: float, told: bool) -> None:
    def limited(record: Record) -> Record:
        if record.metric != "other_cpu" or record.case["block"] != "fp16 8192":
            return record
        return replace(record, stats={"gpu": {"limits": {"power_cap": share}, "sm_mhz": [1695.0, 1900.0, 1980.0]}, "rounds": []})

    run = run_of(Made(), change=limited)
    assert [("FP16 at batch 8192; clocks went down to 1,695 of 1,980 MHz" in said.text.en) for said in found(run, "capped")] == [
        True
    ] * told
    assert found(run, "disturbed") == []  # the card's own limit is no disturbance


@pytest.mark.parametrize(
    ("order", "told"), [((5, 4, 3, 2, 1), True), ((1, 2, 3, 4, 5), True), ((2, 1, 3, 4, 5), False), ((3, 2, 1), False)]
)
def test_repeats_that_only_fall_or_only_rise_are_a_drift(order: tuple[int, ...], told: bool) -> None:
    def ordered(record: Record) -> Record:
        return replace(record, samples=[1e6 + 1e4 * place for place in order]) if record.metric == "pipeline" else record

    (said,) = found(run_of(small(), change=ordered), "pipeline")
    assert ("the interval does not cover such a drift" in said.text.en) == told
    if told:
        assert f"went from {1e6 + 1e4 * order[0]:,.0f} to {1e6 + 1e4 * order[-1]:,.0f} images/s" in said.text.en


def test_on_a_processor_its_lanes_are_the_chief_comparison() -> None:
    rows = tables.chief(run_of(made.no_gpu())).rows
    assert any(row["pair"].en.startswith("ONNX Runtime (CPU) FP32 (2 lanes) / ") for row in rows)
    assert [row["batch_size"] for row in rows if "2 lanes" in row["pair"].en and "plain calls" in row["pair"].en] == [1, 32]
    assert "no NVIDIA GPU" in tables.chief(run_of([r for r in made.no_gpu() if r.value is None])).nothing.en


# What is missing ---------------------------------------------------------------------------------------------------------------


def test_without_a_gpu_the_page_shows_the_processor_and_says_once_what_is_missing() -> None:
    run = run_of(made.no_gpu())
    assert {finding.level for finding in rules.findings(run)} <= {"good", "note"}
    told = found(run, "unmeasured")
    assert len(told) == len({finding.values["why"] for finding in told}) == 2
    assert "TensorRT (FP16, INT8 (explicit))" in told[0].text.en
    assert "カードの上限" in told[0].text.ja
    assert len(tables.answer(run).rows) == 3
    assert "share" not in {column.key for column in tables.pipeline(run).columns}
    assert "GPU" not in tables.pipeline(run).caption.en
    assert "share" in {column.key for column in tables.pipeline(run_of(Made())).columns}
    assert "no NVIDIA GPU" in tables.ceiling(run).nothing.en
    unmeasured = run_of(made.no_gpu(), change=lambda record: None if record.metric.startswith("ceiling") else record)
    assert "no NVIDIA GPU" in tables.ceiling(unmeasured).nothing.en
    for empty in (tables.rivals, tables.languages, tables.versions, tables.every_version):
        assert "no NVIDIA GPU" in empty(run).nothing.en
        assert "NVIDIA GPU" in empty(run).nothing.ja
    assert not tables.there(run, "ceiling_share")
    assert not tables.several(run)
    assert code.bare(run) == []
    shown_everywhere(run)


@pytest.mark.parametrize("name", ["two", "one", "small", "wrong", "bare", "nothing"])
def test_everything_is_shown_in_both_languages(name: str) -> None:
    kinds: dict[str, Made | list[Record]] = {
        "two": Made(),
        "one": Made(versions=(OLD,)),
        "small": small(),
        "wrong": Made(wrong=(LANES8,), memory=2.0, p99=40.0, busy={"fp16 1": 0.5}),
        "bare": Made(precisions=()),
        "nothing": [],
    }
    shown_everywhere(run_of(kinds[name], exhibits=made.exhibits() if name in ("two", "wrong") else {}))


def test_the_verdict_comes_first_of_what_is_not_wrong() -> None:
    told = keys(rules.findings(run_of(Made())))
    assert told[0] == ("good", "fastest")
    assert ("good", "rivals") in told


@pytest.mark.parametrize(
    "what", [Made(), Made(wrong=(LANES8,), memory=2.0, p99=40.0, busy={"fp16 1": 0.5}), made.no_gpu()], ids=["gpu", "bad", "cpu"]
)
def test_the_first_sentence_of_every_finding_is_short(what: Made | list[Record]) -> None:
    for finding in rules.findings(run_of(what, exhibits=made.exhibits())):
        english, japanese = (finding.text.first(language)[0] for language in LANGUAGES)
        assert len(finding.text.en.split()) <= show.OPEN or len(english.split()) <= FIRST_WORDS, english
        assert len(japanese) <= FIRST_LETTERS, japanese


def shown_everywhere(run: Run) -> None:
    """Every sentence, table, figure and piece of code of the page can be made."""
    every = [getattr(tables, name)(run) for name in tables.__all__ if name not in ("several", "there")]
    drawn = [getattr(figures, name)(run) for name in ("answer", "ways", "rivals", "roofline", "server")]
    for language in LANGUAGES:
        assert all("<table>" in show.table_html(one, language) for one in every)
        assert all(one.draw(language).axes for one in drawn)
        assert show.findings_html(rules.findings(run), language)


@pytest.mark.parametrize("kind", ["gpu", "one", "cpu"])
def test_figures_are_readable_in_both_languages(kind: str) -> None:
    what = {"gpu": Made(), "one": small(), "cpu": made.no_gpu()}[kind]
    run = run_of(what, exhibits=made.exhibits() if kind == "gpu" else {})
    for name in ("answer", "ways", "rivals", "roofline", "server"):
        english, japanese = (drawn(getattr(figures, name)(run), language) for language in LANGUAGES)
        assert english.covered == japanese.covered == [], name
        assert repr(english.marks) == repr(japanese.marks), name
        assert JAPANESE.search(japanese.words), name
        assert not JAPANESE.search(english.words), name


def test_an_interval_that_knows_next_to_nothing_is_cut() -> None:
    assert figures.Dot(stats.Interval(2.0, 0.0, float("inf")), "black", "", True).ends == (2.0 / figures.WIDEST, 2.0 * figures.WIDEST)
    assert figures.Dot(stats.Interval(2.0, 1.9, 2.1), "black", "", True).ends == (1.9, 2.1)


# The code ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "tensorrt/fp16",
        LANES8,
        "cpp/int8/+graph+lanes8",
        "tensorrt/int8_qdq/+graph+lanes3+uint8+classes",
        "onnxrt/fp32",
        "onnxrt/int8_qdq/+lanes2",
    ],
)
def test_code_that_is_shown_is_python_and_calls_what_there_is(key: str) -> None:
    from lib.export import compact
    from lib.plans import available, stored
    from lib.trt.build import build
    from lib.trt.lane import Lanes

    there = {"Lanes": Lanes, "build": build, "onnx_variant": available.onnx_variant, "source": stored.source, "reader": stored.reader}
    there |= {"onnx": export.onnx if key.startswith("onnxrt") else compact.onnx}
    said = code.lines(Arm(made.pace(key, [1.0, 1.0, 1.0], 32, {"tensorrt": NEW})), "quickstart")
    tree = ast.parse(said)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := getattr(node.func, "id", getattr(node.func, "attr", ""))) in there:
            inspect.signature(there[name]).bind(*node.args, **{one.arg: one.value for one in node.keywords if one.arg})
    assert "32" in said


def test_the_code_of_a_choice_names_its_batch_lanes_and_graph() -> None:
    said = code.lines(Arm(made.pace("cpp/fp16/+graph+lanes8", [1.0, 1.0, 1.0], 32, {"tensorrt": NEW})), "quickstart")
    assert f"build/cpp-{NEW}/runner" in said
    assert "--batch 32 --lanes 8 --graph" in said
    run = run_of(Made())
    assert len(code.chosen(run)) == len({choice.arm for choice in choose.choices(Fast(run))})
    assert [ast.parse(one.lines) for one in code.bare(run)]


def test_code_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(show, "html", lambda make: said.extend(str(make(language)) for language in LANGUAGES))
    code.show_code(code.bare(run_of(Made())))
    code.show_code(code.chosen(run_of(Made())), folded=False)
    assert all("<pre" in one for one in said)
    assert any("&lt;=" in one for one in said)
    assert said[0] != said[1]


def test_ways_have_short_names() -> None:
    said = {key: way_label(Candidate.parse(key)).en for key in ("trtexec/fp16/+graph+lanes8", "pytorch/fp16", LANES8, "cpp/fp16")}
    assert list(said.values()) == ["8 streams with graphs", "eager", "8 lanes with graphs", "plain calls"]
