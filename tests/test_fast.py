"""What notebook 10 measures: every way of two stand-in versions, what fails, stops and is gone on with, and the processor alone."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own import make
from stand_in_fast import MOST, command

from lib import deadline
from lib.errors import ReportError, WrongOutput
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate, Way
from lib.experiment.spec import ModelSpec
from lib.measure import sweep
from lib.measure.fast import arms, blocks, engines, fastest, here, limits, production, served, ways
from lib.measure.fast.arms import Given
from lib.pages.fast import measure
from lib.pages.fast.exhibits import Roofline
from lib.plans import ceiling, lanes, remote
from lib.plans.ceiling import Rate
from lib.serving import load, runs
from lib.serving.loadgen import Outcome
from lib.serving.pipeline import Ran
from lib.serving.runs import Piped, Scene
from lib.serving.server import P99, highest_rate
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record
from lib.timer import timer

STAGE, OLD, NEW = "10_fast", "8.5.3.1", "10.6.0"
SMALL = """
engines: {calibration_images: 16, calibration_batch: 8}
fast: {batch_sizes: [1, 8], lanes: [2, 4], precisions: [fp16], large_batches: [16, 32], server_s: 0.3,
  limit_ms: 30, rounds: 3, slice_s: 0.01, warmup_s: 0.01}
"""
RATES = {
    "fp16": Rate(10**12, [1.3, 1.31, 1.32]),
    "int8": Rate(10**12, [0.6, 0.61, 0.62]),
    "within": Rate(10**9, [0.3, 0.3, 0.31]),
    "to_gpu": Rate(10**8, [2.0, 2.0, 2.1]),
    "from_gpu": Rate(10**8, [2.0, 2.0, 2.1]),
}
COMPACT = "+graph+lanes4+uint8+classes"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's ONNX model of five classes, with pictures as files."""
    path = make.shapes(tmp_path_factory.mktemp("model"), test=5, calibration=4)
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return path


def search_shortly(patch: pytest.MonkeyPatch) -> None:
    """Look for the highest rate of a server in three short runs, from about what two cores hold, not in eight of half a second and more."""
    patch.setattr(production, "LEAST_S", 0.1)
    patch.setattr(load, "highest_rate", partial(highest_rate, runs=3))
    patch.setattr(measure, "FIRST_RATE", 4000.0)


def session_of(profile: Path, run: str, **fast: Any) -> Session:
    """A session of the profile, with another `fast`."""
    loaded = config.load(str(profile))
    return Session(loaded.model_copy(update={"fast": loaded.fast.model_copy(update=fast)}), STAGE, run_id=run)


Measured = Callable[..., tuple[Session, Counter[str]]]


def measuring(profile: Path, patch: pytest.MonkeyPatch, asked: Path) -> Measured:
    """`measured(*versions, fault="", run="run", batch_sizes=[8])`: the session of a page that was measured, and what its workers were
    asked, as LOG of tests/stand_in_fast.py has it; other words: what the profile's `fast` has instead. asked: where LOG lies."""
    patch.setattr(ceiling, "measure", lambda worker, **how: dict(RATES))
    search_shortly(patch)

    def run(*versions: str, fault: str = "", run: str = "run", **fast: Any) -> tuple[Session, Counter[str]]:
        patch.setenv(remote.PYTHONS, "; ".join(shlex.join(command(version)) for version in versions))
        patch.setenv("FAST_FAULT", fault)
        patch.setenv("FAST_LOG", str(asked))
        asked.write_text("")
        session = session_of(profile, run, **fast)
        measure.measure(session)
        return session, Counter(asked.read_text().split())

    return run


@pytest.fixture
def measured(profile: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Measured:
    """See `measuring`."""
    return measuring(profile, monkeypatch, tmp_path / "asked.txt")


@pytest.fixture(scope="module")
def both(profile: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Counter[str]]:
    """The whole page of both versions, with nothing wrong; do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        return measuring(profile, patch, tmp_path_factory.mktemp("both") / "asked.txt")(OLD, NEW, run="all")


@pytest.fixture
def no_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipelines only: a scenario would say nothing of what the test is about, and takes seconds."""
    monkeypatch.setattr(measure, "_scenarios", lambda *given: [])


class Clock:
    """Scenarios that are not run: which were asked for, and how long they would take on two cores that hold 3,000 images a second."""

    def __init__(self) -> None:
        self.seconds, self.asked = 0.0, Counter[str]()

    def __call__(self, kind: str, seconds: float, rate: float = 0.0) -> Scene:
        self.seconds += max(seconds, 1.1 * P99 / rate if rate else 0.0)
        self.asked[kind] += 1
        p99 = 1.0 if rate <= 3000 else 99.0
        return Scene(Outcome(kind, True, {"p90": p99, "p99": p99}, P99, rate or 3000.0, None, ""), 0)


def of(session: Session, metric: str, key: str = "", **where: Any) -> list[Record]:
    """Records of a metric, and of a candidate."""
    found = [one for one in session.records if one.metric == metric and (not key or (one.candidate and one.candidate.key == key))]
    return [one for one in found if all(getattr(one, name) == value for name, value in where.items())]


def test_every_metric_of_every_way_of_both_versions_is_recorded(both: Any) -> None:
    session, _ = both
    for version in (OLD, NEW):
        case = {"tensorrt": version}
        for size in (1, 8):
            for way in ("", "/+graph", "/+graph+lanes2", "/+graph+lanes4", f"/{COMPACT}", "/+graph+uint8+classes"):
                (pace,) = of(session, "pace", f"tensorrt/fp16{way}", batch_size=size, case=case, scope="end_to_end")
                assert pace.value == pytest.approx(np.mean(pace.samples))
                assert len(pace.samples) == 3
                assert pace.stats["fill"] is False
                assert 0 < pace.stats["enqueue_ms"] < pace.value  # type: ignore[operator]
                alone = of(session, "pace", f"tensorrt/fp16{way}", batch_size=size, case=case, scope="gpu_compute")
                assert len(alone) == ("lanes" not in way)
                (memory,) = of(session, "device_memory", f"tensorrt/fp16{way}", batch_size=size, case=case)
                assert memory.value
        for way in ("+graph+lanes3", "+graph+lanes3+uint8+classes", "+graph+uint8+classes"):
            assert [one.value is not None for one in of(session, "pace", f"tensorrt/fp16/{way}", batch_size=16, case=case)] == [True] * (
                1 + ("lanes" not in way)
            )
        for metric in ("agreement", "accuracy"):
            found = of(session, metric, case=case)
            assert all(one.batch_size is None for one in found)
            right = [one for one in found if one.candidate and one.candidate.runner == "tensorrt"]
            assert [one.value for one in right] == [1.0] * 8
            assert {one.stats["total"] for one in right} == {25}
        for compact in ("", "/+uint8+classes"):
            for size in (1, 8, 32):
                (build,) = of(session, "build_time", f"tensorrt/fp16{compact}", batch_size=size, case=case)
                assert build.stats["timing_cache"] is bool(compact)  # it goes on from the other's
                assert of(session, "file_size", f"tensorrt/fp16{compact}", batch_size=size, case=case)[0].value
        for source in ("memory", "files"):
            found = [one for one in of(session, "pipeline") if one.case == {**case, "source": source}]
            assert found
            assert all(len(one.samples) == 3 and one.stats["ring_bytes"] and one.stats["images"] for one in found)
            assert all(0 < sum(one.stats[key] for key in production.SPENT) <= one.stats["seconds"] for one in found)  # type: ignore[misc, operator]
        assert {one.case["what"] for one in of(session, "ceiling") if one.case["tensorrt"] == version} == RATES.keys()
        assert of(session, "single_stream", "tensorrt/fp16/+graph", case=case)[0].stats["p90"]
        assert of(session, "offline", case=case)[0].value
        (server,) = of(session, "server", "tensorrt/fp16/+graph+lanes4", case=case)
        assert server.value, server.reason
        assert server.stats["p99_ms"] <= server.stats["limit_ms"] == 30  # type: ignore[operator]
        assert server.stats["tried"]
        (overload,) = of(session, "server_overload", case=case)
        assert overload.stats["asked"] == pytest.approx(2 * server.value)  # type: ignore[operator]
        assert overload.stats["wrong"] == 0
        (share,) = of(session, "ceiling_share", "tensorrt/fp16", batch_size=8, case=case)
        assert {"held_back_by", "flop", "bytes", "compute_ms", "enqueue_ms", "copies_ms"} <= share.stats.keys()
        assert limits.LAYERS not in share.stats
    assert {(one.case["block"]) for one in of(session, "other_cpu")} >= {"fp16 1", "fp16 8", "fp16 16"}
    roofline = session.exhibits["roofline"]
    assert isinstance(roofline, Roofline)
    assert {(one.tensorrt, one.precision, one.batch_size) for one in roofline.engines} >= {(OLD, "fp16", 1), (NEW, "fp16", 8)}
    session.save()  # keys differ, exhibits fit


def test_rivals_and_the_program_that_are_not_here_have_reasons_in_the_same_block(both: Any) -> None:
    session, _ = both
    lost = [one for one in of(session, "pace", batch_size=8) if one.reason and one.case.get("tensorrt") != OLD]
    assert len({one.candidate for one in lost}) == len(lost)
    assert {one.candidate.key: one.reason.key for one in lost if one.candidate and one.reason} == {
        "cpp/fp16": "cpp_not_built",
        "cpp/fp16/+graph": "cpp_not_built",
        "cpp/fp16/+graph+lanes4": "cpp_not_built",
        f"cpp/fp16/{COMPACT}": "cpp_not_built",
        "onnxrt_bound/fp16": "no_gpu",
        "onnxrt_bound/tf32": "no_gpu",
        "onnxrt_bound/fp32": "no_gpu",
        "pytorch/fp16": "no_gpu",
        "pytorch/fp16/compiled+graph": "no_gpu",
        "polygraphy/fp16": "not_installed",
        "trtexec/fp16/+graph": "no_trtexec",
        "trtexec/fp16/+graph+lanes4": "no_trtexec",
        "trtexec/fp16/spinning+graph": "no_trtexec",
        "trtexec/fp16/spinning+graph+lanes4": "no_trtexec",
    }
    assert of(session, "pace", "onnxrt_bound/tf32", batch_size=8)[0].case == {"block": "fp16 8"}
    assert of(session, "pace", "polygraphy/fp16", batch_size=8)[0].case == {"tensorrt": NEW}


def test_ways_that_fail_are_reasons_and_the_others_go_on(measured: Any) -> None:
    session, _ = measured(NEW, fault="no_lanes", run="no lanes", batch_sizes=[8], large_batches=[16])
    paces = {one.candidate.key: one for one in of(session, "pace", batch_size=8, scope="end_to_end") if one.candidate}
    assert "out of memory" in paces["tensorrt/fp16/+graph+lanes4"].reason.values["message"]
    assert paces["tensorrt/fp16"].value
    assert paces["tensorrt/fp16/+graph+uint8+classes"].value
    assert {one.reason.key for one in of(session, "pipeline") if one.reason} == {"failed"}
    assert of(session, "single_stream")[0].value
    assert {one.reason.key for one in (*of(session, "server"), *of(session, "offline"), *of(session, "server_overload"))} == {"failed"}
    session.save()


def test_where_memory_ends_no_larger_batch_is_tried(measured: Any, no_scenarios: None) -> None:
    session, _ = measured(NEW, fault="no_memory", run="memory", batch_sizes=[8])
    assert of(session, "pace", "tensorrt/fp16/+graph+lanes3+uint8+classes", batch_size=MOST)[0].value
    (ended,) = of(session, "pace", "tensorrt/fp16/+graph+lanes3+uint8+classes", batch_size=2 * MOST)
    assert "out of memory" in ended.reason.values["message"]
    assert of(session, "ceiling_share", "tensorrt/fp16/+graph+uint8+classes")[0].batch_size == MOST


def test_where_an_engine_for_the_largest_batch_cannot_be_built_one_for_a_smaller_is(
    measured: Any, profile: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))  # no engine is stored there
    monkeypatch.setattr(measure, "_fed", lambda *given, **more: [])
    session, _ = measured(NEW, fault="no_build", run="build", batch_sizes=[8])
    assert {one.batch_size: one.reason and one.reason.key for one in of(session, "build_time", "tensorrt/fp16")} == {
        8: None, MOST: None, 2 * MOST: "failed",
    }  # fmt: skip
    assert of(session, "pace", "tensorrt/fp16/+graph+lanes3+uint8+classes", batch_size=MOST)[0].value
    assert not of(session, "pace", "tensorrt/fp16/+graph+lanes3+uint8+classes", batch_size=2 * MOST)
    session.save()


def test_a_lane_that_answers_otherwise_than_the_others_has_no_pace(measured: Any, no_scenarios: None) -> None:
    session, _ = measured(NEW, fault="wrong_lane", run="wrong", large_batches=[])
    for size in (1, 8):
        paces = {one.candidate.key: one for one in of(session, "pace", batch_size=size, scope="end_to_end") if one.candidate}
        assert paces["tensorrt/fp16/+graph+lanes2"].reason.key == "wrong_output"
        assert paces["tensorrt/fp16/+graph"].value
    assert paces[f"tensorrt/fp16/{COMPACT}"].reason.key == "wrong_output"


def test_what_answers_all_images_with_no_numbers_has_no_pace(measured: Any, no_scenarios: None) -> None:
    session, _ = measured(NEW, fault="nan", run="nan", batch_sizes=[8], large_batches=[])
    (pace,) = of(session, "pace", "tensorrt/fp16/+graph", batch_size=8)
    assert (pace.value, pace.reason) == (None, Reason("wrong_output", {"message": "NaN, ∞"}))
    assert of(session, "pace", "tensorrt/fp16", batch_size=8, scope="end_to_end")[0].value


def test_a_run_that_is_gone_on_with_measures_nothing_twice(
    both: Any, measured: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (_, whole), steps, clock, check = both, list[float](), Clock(), deadline.check

    def stops_before_a_third_step(needed_s: float = 0) -> None:
        if needed_s:
            steps.append(needed_s)
        if len(steps) > 2:
            raise deadline.OutOfTime("the run's minutes are over")
        check(needed_s)

    monkeypatch.setattr(deadline, "check", stops_before_a_third_step)
    monkeypatch.setattr(lanes.Held, "scenario", lambda held, kind, asked, seconds, rate=0.0, **more: clock(kind, seconds, rate))
    asked, attempts = Counter[str](), 0
    log = tmp_path / "asked.txt"  # which each attempt begins anew
    while True:
        steps.clear()
        attempts += 1
        assert attempts < 40, "the same steps again and again"
        try:
            session, _ = measured(NEW, run="stopped")
            break
        except deadline.OutOfTime:
            asked += Counter(log.read_text().split())
    asked += Counter(log.read_text().split())
    assert attempts > 5
    assert asked[f"layer_times:{NEW}"] == whole[f"layer_times:{NEW}"]
    count, rounds = sum(one.case["source"] == "memory" for one in of(session, "pipeline")), session.profile.fast.rounds
    assert count * (rounds + 1) <= asked[f"lanes_pipeline:{NEW}"] <= count * (rounds + 2)  # a fast one is warmed up once more
    assert (clock.asked["single_stream"], clock.asked["offline"]) == (1, 1)
    assert clock.asked["server"] == 3 + 2 + 1  # that look for a rate, hold it for a while and for long, and double it
    assert len({one.key for one in session.records}) == len(session.records)
    again, now = measured(NEW, run="stopped")
    assert not now
    assert again.records == session.records


def test_no_time_is_begun_that_would_not_end(measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadline.DEADLINE, "1")
    with pytest.raises(deadline.OutOfTime):
        measured(NEW, run="late")


def test_a_version_that_does_not_start_is_said_and_the_other_is_measured(measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_with", lambda session, team: session.record(*(named(worker.tensorrt) for worker in team)))
    monkeypatch.setattr(remote, "commands", lambda: [["/nowhere/python"], command(NEW), command(NEW)])
    session, _ = measured(run="half")
    assert [(one.reason and one.reason.key, one.case) for one in session.records] == [
        ("worker_failed", {"left_out": 1}),
        ("worker_twice", {"left_out": 2}),
        (None, {"tensorrt": NEW}),
    ]


def named(version: str) -> Record:
    return Record("seen", "count", 1, case={"tensorrt": version})


@pytest.mark.parametrize("flavour", ["tensorrt_rtx", None])
def test_what_is_no_tensorrt_is_said_and_no_worker_is_started(monkeypatch: pytest.MonkeyPatch, flavour: str | None) -> None:
    monkeypatch.delenv(remote.PYTHONS, raising=False)
    monkeypatch.setattr(here.plans, "unavailable", lambda: None)
    monkeypatch.setattr(here.trt, "flavour", lambda: flavour)
    monkeypatch.setattr(remote, "workers", lambda *given: pytest.fail("a worker was started"))
    said = list[Reason]()
    monkeypatch.setattr(measure, "_without", lambda session, reasons: said.extend(reasons))
    measure.measure(SimpleNamespace())  # type: ignore[arg-type]
    assert said == [Reason("not_installed", {"package": "TensorRT"})]


def test_without_tensorrt_the_processor_is_measured(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(remote.PYTHONS, raising=False)
    monkeypatch.setattr(here, "_absent", lambda: Reason("no_gpu"))
    search_shortly(monkeypatch)
    session = Session(config.load(str(profile)), STAGE, run_id="cpu")
    measure.measure(session)
    assert {one.reason.key for one in of(session, "pace", "tensorrt/fp16") if one.reason} == {"no_gpu"}
    on_processor(session, sizes=(1, 8))
    session.save()


def on_processor(session: Session, sizes: tuple[int, ...]) -> None:
    """Everything that a processor can tell is there."""
    for precision in ("fp32", "int8_qdq"):
        for way in ("", "/+lanes2"):
            for size in sizes:
                (pace,) = of(session, "pace", f"onnxrt/{precision}{way}", batch_size=size)
                assert pace.value
                assert pace.case == {"block": f"{precision} {size}"}
            (agreement,) = of(session, "agreement", f"onnxrt/{precision}{way}")
            assert agreement.value > 0.8  # type: ignore[operator]
            assert of(session, "accuracy", f"onnxrt/{precision}{way}")[0].value
        (memory,) = [one for one in of(session, "pipeline", f"onnxrt/{precision}/+lanes2") if one.case["source"] == "memory"]
        assert memory.value
        assert memory.stats["peak_bytes"] is None  # what the model itself takes cannot be told from it
    for metric in ("single_stream", "offline", "server", "server_overload"):
        (scene,) = of(session, metric)
        assert scene.value, scene.reason


def test_the_quickstart_on_a_processor_takes_seconds(quick: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(remote.PYTHONS, raising=False)
    clock = Clock()
    monkeypatch.setattr(runs, "scenario", lambda kind, lanes, asked, seconds, rate=0.0, **more: clock(kind, seconds, rate))
    asked = config.load("quickstart").fast  # not what tests have instead
    session, started = Session(quick.profile.model_copy(update={"fast": asked}), STAGE, run_id="quick"), time.perf_counter()
    measure.measure(session)
    assert time.perf_counter() - started + clock.seconds < 40
    assert clock.seconds > 4  # so many seconds were asked for
    on_processor(session, sizes=(1, 32))


def test_without_loadgen_there_are_no_scenarios_and_the_rest_is_there(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(remote.PYTHONS, raising=False)
    monkeypatch.setattr(served.loadgen, "installed", lambda: False)
    session = session_of(profile, "no loadgen", batch_sizes=[8])
    measure.measure(session)
    reasons = {one.metric: one.reason.key for one in session.records if one.reason and one.candidate and one.candidate.runner == "onnxrt"}
    assert reasons == dict.fromkeys(("single_stream", "offline", "server", "server_overload"), "not_installed")
    assert of(session, "pipeline")[0].value


# --- parts

SPEC = ModelSpec("images", "float32", "NHWC", (2, 2), 1, "out", 4, logits=True)
FP16, CLASSES = Candidate("tensorrt", "fp16"), Candidate("tensorrt", "fp16", Way(classes=True))


@given(st.integers(1, 200), st.integers(1, 33))
def test_answers_in_batches_are_those_of_all_at_once(count: int, size: int) -> None:
    inputs, sizes = np.arange(count, dtype=np.float32)[:, None], list[int]()

    def infer(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return batch * 2

    assert np.array_equal(arms.in_batches(infer, size, inputs), inputs * 2)
    assert set(sizes) == {size}


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 4))
def test_answers_over_lanes_are_in_the_order_of_the_images(count: int, size: int, number: int) -> None:
    inputs = np.arange(count, dtype=np.float32)[:, None]
    with arms.threaded(lambda batch: batch + 1, number, size) as held:
        assert np.array_equal(arms.over_lanes(held, size, inputs), inputs + 1)


def test_lanes_of_the_processor_are_kept_busy_and_the_last_outputs_of_each_are_looked_at() -> None:
    seen, batch = list[float](), np.ones((2, 1), np.float32)

    def infer(given: np.ndarray) -> np.ndarray:
        time.sleep(0.01)
        return given

    with arms.threaded(infer, 3, 2) as held:
        one = arms.busy(held, batch, lambda output: seen.append(float(output[0, 0])))(0.1)
    assert seen == [1.0] * 3
    assert one.latencies_ms.mean() == pytest.approx(10 / 3, rel=0.5)  # wall time over batches


def test_a_lane_of_the_processor_that_fails_ends_the_slice_and_no_lane_stays() -> None:
    def infer(given: np.ndarray) -> np.ndarray:
        raise ReportError("out of memory")

    with arms.threaded(infer, 2, 1) as held:
        with pytest.raises(ReportError, match="out of memory"):
            arms.busy(held, np.ones((1, 1), np.float32), print)(0.1)
        with pytest.raises(ReportError, match="nothing was submitted"):
            held[1].result()


def outputs(*classes: int, noise: float = 0.0) -> np.ndarray:
    """Logits of these classes."""
    return np.eye(4, dtype=np.float32)[list(classes)] * 8 + np.float32(noise)


def test_outputs_of_a_lane_may_be_rounded_otherwise_and_nothing_else() -> None:
    arms.same(SPEC, FP16, outputs(0, 1), outputs(0, 1, noise=0.1))
    for wrong in (outputs(1, 0), outputs(0, 1, noise=0.3), outputs(0, 1)[:1], outputs(0, 1) * np.float32(np.nan)):
        with pytest.raises(WrongOutput):
            arms.same(SPEC, FP16, outputs(0, 1), wrong)


@pytest.mark.parametrize(("count", "apart", "right"), [(1, 0, True), (1, 1, False), (7, 1, False), (32, 1, True), (32, 2, False)])
def test_of_many_images_few_classes_may_differ_and_of_few_none(count: int, apart: int, right: bool) -> None:
    expected = np.zeros(count, np.int32)
    found = expected.copy()
    found[:apart] = 3
    if right:
        arms.same(SPEC, CLASSES, expected, found)
    else:
        with pytest.raises(WrongOutput):
            arms.same(SPEC, CLASSES, expected, found)


@pytest.mark.parametrize("wrong", [np.full(9, 4, np.int32), np.full(9, -1, np.int32), np.zeros(8, np.int32), np.zeros(9, np.float32)])
def test_what_is_no_class_is_wrong(wrong: np.ndarray) -> None:
    with pytest.raises(WrongOutput):
        arms.same(SPEC, CLASSES, np.zeros(9, np.int32), wrong)


def test_throughput_that_stops_growing_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, tried = {256: 100.0, 1024: 150.0, 2048: 151.0, 8192: 900.0}, list[int]()

    def large(session: Any, precision: str, size: int, pairs: Any) -> Any:
        tried.append(size)
        ms = 1e3 * size / rates[size]
        made = [Record("pace", "ms", ms, FP16, size, "end_to_end", {"tensorrt": NEW}, samples=[ms])]
        return SimpleNamespace(measured=lambda: made)

    monkeypatch.setattr(ways, "large", large)
    fast = SimpleNamespace(batch_sizes=[1, 32], large_batches=[8192, 256, 32, 1024, 2048])
    pairs = [engines.Pair(engine(NEW, engines.PLAIN)._replace(batch=8192), engine(NEW, engines.COMPACT))]
    found, sizes = measure._large(SimpleNamespace(profile=SimpleNamespace(fast=fast)), "fp16", pairs)  # type: ignore[arg-type]
    assert tried == sizes == [256, 1024, 2048]
    assert len(found) == 3


def answered(value: float | None, size: int, total: int = 100, case: dict[str, Any] | None = None, key: str = "tensorrt/fp16") -> Record:
    stats = {} if value is None else {"correct": round(value * total), "total": total}
    reason = Reason("no_gpu") if value is None else None
    return Record("agreement", "share", value, Candidate.parse(key), size, case=case or {"tensorrt": NEW}, stats=stats, reason=reason)


def test_answers_at_several_batch_sizes_count_once_and_the_worst_of_them() -> None:
    pace = Record("pace", "ms", 1.0, FP16, 1, "end_to_end", samples=[1.0])
    found = blocks.once([pace, answered(1.0, 1), answered(0.98, 8), answered(None, 16), answered(0.99, 1, case={"tensorrt": OLD})])
    assert [(one.value, one.batch_size, one.stats.get("batch_size")) for one in found] == [(1.0, 1, None), (0.98, None, 8), (0.99, None, 1)]
    few = blocks.once([answered(0.0, 1, total=1, key="trtexec/fp16"), answered(1.0, 32, total=32, key="trtexec/fp16")])
    assert [one.value for one in few] == [1.0]  # of one image nothing is said where there are more
    lost = blocks.once([answered(None, 1, case={"block": "fp16 1"}), answered(None, 8, case={"block": "fp16 8"})])
    assert [one.case for one in lost] == [{"block": "fp16 1"}]


def test_a_pipeline_that_gives_other_classes_than_its_lanes_is_wrong() -> None:
    feed = SimpleNamespace(candidate=FP16)
    fed = SimpleNamespace(expected=np.arange(10) % 4)

    def piped(answers: np.ndarray, changed: int = 0) -> Any:
        return SimpleNamespace(ran=SimpleNamespace(answers=answers, changed=changed))

    served.judged(feed, fed, piped(np.arange(10) % 4))  # type: ignore[arg-type]
    for wrong in (piped(np.arange(10)[::-1] % 4), piped(np.arange(10) % 4, changed=5)):
        with pytest.raises(WrongOutput):
            served.judged(feed, fed, wrong)  # type: ignore[arg-type]


def test_a_pipeline_is_timed_after_a_whole_repeat_from_which_its_passes_follow() -> None:
    """The first pass is ten times as slow as the others: 0.3 s are three of it, and thirty of those that are timed."""
    asked, order = SimpleNamespace(slice_s=0.1, rounds=3), list[int]()
    candidate = Candidate.parse("tensorrt/fp16/+graph+lanes2+uint8+classes")
    feed: Any = SimpleNamespace(session=SimpleNamespace(profile=SimpleNamespace(fast=asked)), candidate=candidate, apart=True)
    feed.common, feed.case = {"candidate": candidate, "batch_size": 32, "case": {}}, {}

    def pipe(times: int) -> Piped:
        order.append(times)
        seconds = 0.1 if len(order) == 1 else 0.01 * times
        ran = Ran(np.zeros(100, int), seconds, {"decode": 0.0, "copy": 0.0}, 0.001, 0.002, launched_s=0.003, collected_s=0.0005)
        return Piped(ran, 100 * times, 1000, 1100)

    fed: Any = SimpleNamespace(pipe=pipe, expected=np.zeros(100, int))
    (found,) = production._piped(feed, production.MEMORY, fed)
    assert order == [1, 3, 30, 30, 30]
    assert found.samples == pytest.approx([1e4] * 3)
    assert {key: found.stats[key] for key in production.SPENT} == dict(zip(production.SPENT, (0.001, 0.003, 0.002, 0.0005), strict=True))
    assert (found.stats["passes"], found.stats["images"]) == (30, 3000)


@pytest.mark.parametrize(("size", "readers"), [(32, 1), (341, 1), (342, 2), (8192, 2)])
def test_large_batches_are_copied_by_two_threads(size: int, readers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, held = list[int](), MagicMock()
    held.return_value.__enter__.return_value.answers.side_effect = lambda images: np.zeros(len(images), np.int32)
    held.return_value.__enter__.return_value.pipeline.side_effect = lambda images, readers, **more: asked.append(readers)
    monkeypatch.setattr(served, "Held", held)
    monkeypatch.setattr(engines.plans, "plan_sha256", lambda built: "")
    shape = (32, 32, 3)
    session: Any = SimpleNamespace(images=SimpleNamespace(x_test=np.zeros((20, *shape), np.uint8)))
    session.spec = SimpleNamespace(output="classes", row_shape=shape, image_shape=shape, dtype="float32", classes=10)
    pair = engine(NEW, engines.COMPACT)
    way = Way(graph=True, lanes=3, byte_input=True, classes=True)
    feed = served.in_worker(session, pair._replace(built=Artifact.__new__(Artifact)), Candidate("tensorrt", "fp16", way), size)
    with ExitStack() as stack:
        assert not isinstance(feed.open, Reason)
        feed.open(stack).pipe(1)
    assert asked == [readers]


def test_what_fails_while_it_is_opened_lets_go_of_what_it_has_opened_before_the_others_are() -> None:
    order = list[str]()

    def fails(stack: Any) -> Any:
        stack.callback(order.append, "closed")
        raise ReportError("out of memory")

    with arms.ExitStack() as stack:
        found = blocks._opened(arms.Arm(FP16, {}, fails), stack)
        order.append("next")
    assert isinstance(found, Reason)
    assert order == ["closed", "next"]


def test_a_block_says_how_long_it_takes_and_three_minutes_are_enough(profile: Path) -> None:
    session = Session(config.load(str(profile)), STAGE)
    session.profile = session.profile.model_copy(update={"fast": type(session.profile.fast)()})
    pairs = [engines.Pair(*(engine(version, way) for way in (engines.PLAIN, engines.COMPACT))) for version in (OLD, NEW)]
    block = ways.small(session, "fp16", 32, pairs)
    able = [
        arm._replace(open=lambda stack: pytest.fail("opened")) if arm.candidate.runner in ("tensorrt", "cpp") else arm for arm in block.arms
    ]
    assert len(able) == 2 * 6 + 2 * 4 + 10
    assert 30 < block._replace(arms=able).needed_s < 120


def engine(version: str, way: Way) -> engines.Engine:
    about = {"gpu": None, "typed": False}
    return engines.Engine(SimpleNamespace(tensorrt=version, about=about), "fp16", 32, way, Reason("failed"))  # type: ignore[arg-type]


def test_rivals_on_a_plan_get_that_of_their_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [engine(version, engines.PLAIN) for version in (OLD, NEW)]
    assert ways.rivals._own(both, lambda: "8.5.3").worker.tensorrt == OLD  # type: ignore[union-attr]
    assert ways.rivals._own(both, lambda: "").worker.tensorrt == NEW  # type: ignore[union-attr]
    assert ways.rivals._own([], lambda: OLD) is None

    def none() -> str:
        raise ReportError("no trtexec")

    assert ways.rivals._own(both, none).worker.tensorrt == NEW  # type: ignore[union-attr]


def test_a_pipeline_is_tried_where_lanes_were_timed_the_fastest_first_or_at_the_smallest_batch(profile: Path) -> None:
    session = Session(config.load(str(profile)), STAGE)
    fast = session.profile.fast.model_copy(update={"batch_sizes": [8], "lanes": [4], "large_batches": [16, 32]})
    session.profile = session.profile.model_copy(update={"fast": fast})
    pair = engines.Pair(*(engine(NEW, way) for way in (engines.PLAIN, engines.COMPACT)))
    built = engines.Regimes({8: [pair]}, [pair], [])

    def pace(size: int, lanes: int, ms: float) -> Record:
        candidate = Candidate("tensorrt", "fp16", ways.lanes(lanes, compact=True))
        return Record("pace", "ms", ms, candidate, size, "end_to_end", {"tensorrt": NEW})

    def tried(*known: Record) -> list[int]:
        return [one.size for one in fastest.best(session, built, 0, known)]

    large = pace(16, engines.LARGE_LANES, 1.0), pace(32, engines.LARGE_LANES, 1.5)
    assert tried(*large) == [32, 16]
    assert tried(pace(8, 4, 0.1), *large) == [8, 32, 16]
    assert tried() == [8]
    assert [one.size for one in fastest.best(session, built._replace(small={}), 0, [])] == [16]


class Rival:
    """A rival that answers what it is asked, twice as fast as it was made."""

    def __init__(self, session: Session, candidate: Candidate, *plan: Any) -> None:
        self.session, self.candidate, self.artifact_sha256 = session, candidate, "sha"
        self.reference = sweep.RUNNERS["onnxrt"](session, Candidate("onnxrt", "fp32"))

    precisions = ("fp16",)
    unavailable = classmethod(lambda cls, precision: None)

    def __enter__(self) -> Rival:
        self.reference.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.reference.__exit__(*exc)

    def told(self) -> dict[str, Any]:
        return {"torch": "2.11"}

    def infer(self, batch: np.ndarray) -> np.ndarray:
        assert len(batch) == 8  # it would be compiled anew for another
        return self.reference.infer(batch)

    def timer(self, batch: np.ndarray) -> Any:
        return timer(lambda: self.infer(batch))


def test_a_rival_is_timed_and_asked_in_batches_of_one_size(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ways.rivals.RIVALS, "pytorch", Rival)  # type: ignore[arg-type]
    session = Session(config.load(str(profile)), STAGE, run_id="rival")
    block = blocks.Block(Given(session, 8), "fp16", ways.rivals.of_large_batch(Given(session, 8), "fp16"))
    found = {(one.metric, one.candidate and one.candidate.key): one for one in block.measured()}
    for key in ("pytorch/fp16", "pytorch/fp16/compiled+graph"):
        assert found["pace", key].stats["torch"] == "2.11"
        assert found["pace", key].value
        assert found["agreement", key].stats == {"correct": 25, "total": 25}


class Program(Rival):
    """The C++ runner of a version, as far as a block goes."""

    begun: ClassVar[list[tuple[str, int, int, int]]] = []
    version = ""

    @classmethod
    def of(cls, version: str) -> type:
        return type(version, (cls,), {"version": version})

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return self.reference.infer(batch)  # it splits them by itself

    def begin(self, batch: np.ndarray) -> None:
        self.begun.append((self.version, len(batch), self.min_batch, self.max_batch))  # type: ignore[attr-defined]

    def told(self) -> dict[str, Any]:
        return {"enqueue_ms": {"8": 0.25}}


def test_the_program_of_each_version_calls_the_same_engine_and_starts_beside_the_others(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "Cpp", Program)
    monkeypatch.setattr(Program, "name", "cpp", raising=False)
    monkeypatch.setattr(engines.Engine, "sha256", "plan")
    session = Session(config.load(str(profile)), STAGE, run_id="cpp")
    given, built = Given(session, 8), SimpleNamespace(sha256="engine")
    monkeypatch.setattr(arms, "Artifact", SimpleNamespace)
    made = [arms.in_cpp(given, engine(version, engines.PLAIN)._replace(built=built), ways.GRAPH) for version in (OLD, NEW)]  # type: ignore[arg-type]
    found = [one for one in blocks.Block(given, "fp16", made).measured() if one.metric == "pace"]
    assert Program.begun == [(OLD, 8, 1, 8), (NEW, 8, 1, 8)]
    assert [(one.case, one.stats["enqueue_ms"], one.artifact_sha256) for one in found] == [
        ({"tensorrt": version}, 0.25, "engine") for version in (OLD, NEW)
    ]


def test_a_share_over_the_ceiling_is_not_believed(measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_fed", lambda *given, **more: [])
    slow = dict(RATES) | {"fp16": Rate(10**3, [1.0, 1.0, 1.0])}
    monkeypatch.setattr(ceiling, "measure", lambda worker, **how: slow)
    session, _ = measured(NEW, run="over", batch_sizes=[8], large_batches=[])
    (share,) = of(session, "ceiling_share", "tensorrt/fp16", batch_size=8)
    assert share.reason
    assert share.reason.key == "wrong_output"
    assert not session.exhibits["roofline"].engines  # type: ignore[attr-defined]


def test_without_a_ceiling_there_is_no_share_and_its_reason_is_that_of_the_ceiling(measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_fed", lambda *given, **more: [])
    monkeypatch.setattr(ceiling, "measure", lambda worker, **how: dict(RATES) | {"fp16": Reason("small_gpu", {"there": 1, "needed": 2})})
    session, _ = measured(NEW, run="none", batch_sizes=[8], large_batches=[])
    assert {one.reason.key for one in of(session, "ceiling_share") if one.reason} == {"small_gpu"}
    assert [one.case["what"] for one in of(session, "ceiling") if one.reason] == ["fp16"]


class Machine:
    """A server that holds `most` images a second for long, twice as many for a short time."""

    def __init__(self, most: float) -> None:
        self.most, self.asked = most, list[tuple[float, float]]()

    def __call__(self, rate: float, seconds: float) -> Any:
        self.asked.append((rate, seconds))
        p99 = 1.0 if rate <= self.most * (2 if seconds < 1 else 1) else 99.0
        return SimpleNamespace(outcome=SimpleNamespace(latencies_ms={"p99": p99}))


@pytest.mark.parametrize("most", [1000.0, 400.0, 100.0])
def test_a_rate_that_only_short_runs_held_is_halved_until_a_long_one_does(most: float) -> None:
    machine, tried = Machine(most), [(800.0, 5.0), (800.0, 99.0), (760.0, 99.0)]
    load = production.halved(machine, production.Load(None, None, None, tried), 15.0, 10.0, 0.5)  # type: ignore[arg-type]
    assert load.rate == {1000.0: 380.0, 400.0: 380.0, 100.0: 95.0}[most]
    assert machine.asked[-1] == (2 * load.rate, 0.5)
    assert load.tried[-1] == (load.rate, 1.0)
    assert load.tried[:3] == tried


def test_what_holds_no_rate_at_all_says_so_and_ends() -> None:
    load = production.halved(Machine(0.0), production.Load(None, None, None, [(800.0, 99.0)]), 15.0, 10.0, 0.5)  # type: ignore[arg-type]
    assert load.rate is None
    assert [rate for rate, _ in load.tried] == [800.0, 400.0, 200.0, 100.0, 50.0]
