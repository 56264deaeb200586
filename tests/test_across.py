"""Versions beside each other, measured: with stand-ins of two TensorRTs and a real session."""

from __future__ import annotations

import os
import shlex
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from own import make
from stand_in_worker import command

from lib import deadline
from lib.experiment import profile as config
from lib.measure import across
from lib.pages.cross_version import measure
from lib.plans import builds, remote
from lib.plans.builds import Recipe
from lib.plans.remote import Worker
from lib.session import Session
from lib.trt import worker

OLD, NEW = "8.5.3.1", "10.6.0"
SMALL = """
engines: {calibration_images: 16, calibration_batch: 8}
measuring: {rounds: 3, slice_s: 0.01, warmup_s: 0.01}
versions: {builds: 2, batch_sizes: [1, 8], precisions: [fp16]}
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's ONNX model of five classes, one precision of which is measured."""
    path = make.shapes(tmp_path_factory.mktemp("model"), test=2, calibration=4)
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return path


def opened(profile: Path) -> Session:
    return Session(config.load(str(profile)), "08_cross_version")


def team(started: list[Any]) -> list[Worker]:
    assert all(isinstance(one, Worker) for one in started), started
    return started


@pytest.mark.parametrize(("fault", "key"), [("", ""), ("raises", ""), ("aborts", "foreign_plan_ended")])
def test_a_process_that_ends_of_a_foreign_plan_did_not_refuse_it(profile: Path, fault: str, key: str) -> None:
    session = opened(profile)
    with remote.workers([command(OLD), command(NEW, fault=fault, at="open" if fault else "")]) as started:
        old, new = team(started)
        plans = across.Engine(old, Recipe("fp32", "", 1), builds.build(session, old, Recipe("fp32", "", 1)))
        measure._foreign(session, [old, new], [plans])
        (record,) = session.records
        assert record.case == {"tensorrt": NEW, "plan_of": OLD}
        assert (record.reason.key if record.reason else "", record.value) == (key, None if key else 1)
        assert new.alive == (not key)


def test_a_worker_that_ended_before_is_asked_about_a_foreign_plan_all_the_same(profile: Path) -> None:
    session = opened(profile)
    with remote.workers([command(OLD), command(NEW)]) as started:
        old, new = team(started)
        plans = across.Engine(old, Recipe("fp32", "", 1), builds.build(session, old, Recipe("fp32", "", 1)))
        os.kill(new._process.pid, signal.SIGKILL)
        new._process.wait()
        measure._foreign(session, [old, new], [plans])
        assert [record.value for record in session.records] == [1]


def test_versions_on_different_cards_are_not_compared(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, other = opened(profile), "00000000:02:00.0"
    with remote.workers([command(OLD), command(NEW, bus=other)]) as started:
        assert [one.tensorrt for one in measure._team(session, started)] == [OLD]
        assert [record.reason and record.reason.key for record in session.records] == [None, "worker_other_gpu"]
        monkeypatch.setattr("lib.cuda.devices", lambda: [other])  # where the report itself has a card, that one counts
        assert [one.tensorrt for one in measure._team(session, started)] == [NEW]


def test_a_worker_says_on_which_card_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.cuda.devices", lambda: ["00000000:02:00.0", "00000000:03:00.0"])
    assert worker.Worker().about()[0]["bus_id"] == "00000000:02:00.0"


def test_a_worker_that_ends_between_two_batch_sizes_holds_its_engines_again(profile: Path) -> None:
    session = opened(profile)
    with remote.workers([command(OLD), command(NEW)]) as started, ExitStack() as stack:
        engines = across.built(session, team(started))
        block = across.Block(session, "fp16", [one for one in engines if not one.recipe.variant], stack)
        before = timed(block, 1)
        os.kill(started[1]._process.pid, signal.SIGKILL)
        started[1]._process.wait()
        assert timed(block, 8) == before == {OLD: 2, NEW: 2}
        assert [one.starts for one in started] == [1, 2]


def timed(block: across.Block, size: int) -> dict[str, int]:
    """How many builds of each version have a latency, called from Python."""
    found = [record for record in block.timed(size) if record.metric == "latency" and record.scope == "end_to_end"]
    return Counter(str(record.case["tensorrt"]) for record in found if record.value is not None)


def test_what_the_first_load_of_a_process_brings_with_it_is_no_engines(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, told = opened(profile), iter([(900.0, 500 << 20), (5.0, 3 << 20), (6.0, 2 << 20)])
    with remote.workers([command(OLD)]) as started:
        (old,) = team(started)
        one = across.Engine(old, Recipe("fp32", "", 1), builds.build(session, old, Recipe("fp32", "", 1)))
        ask = old.ask

        def loads(what: str, *args: Any, **more: Any) -> Any:
            answer, arrays = ask(what, *args, **more)
            if what == "open":
                answer["load_ms"], answer["device_bytes"] = next(told)
            return answer, arrays

        monkeypatch.setattr(old, "ask", loads)
        found = {record.metric: record for record in across.loaded(session, one)}
    assert {metric: record.value for metric, record in found.items()} == {"load_time": 6.0, "device_memory": 3 << 20}
    assert list(found["device_memory"].samples) == [500 << 20, 3 << 20, 2 << 20]


def test_a_run_stops_between_loads(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(profile)
    with remote.workers([command(OLD)]) as started:
        (old,) = team(started)
        one = across.Engine(old, Recipe("fp32", "", 3), builds.build(session, old, Recipe("fp32", "", 3)))
        monkeypatch.setenv(deadline.DEADLINE, "1")
        with pytest.raises(deadline.OutOfTime):
            across.loaded(session, one)


def test_everything_that_the_page_reads_is_measured(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(profile)
    monkeypatch.setenv(remote.PYTHONS, "; ".join(shlex.join(command(version)) for version in (NEW, OLD)))
    measure.measure(session)
    had = {record.metric for record in session.records if record.value is not None}
    assert had == {
        "worker", "build_time", "file_size", "load_time", "device_memory", "layer_types", "foreign_plan", "latency", "other_cpu",
        "accuracy", "agreement", "same_bits", "max_abs", "changed", "paired",
    }  # fmt: skip
    against = {(record.case["tensorrt"], record.case["against"]) for record in session.records if record.metric == "changed"}
    assert against == {(OLD, "first_build"), (NEW, "first_build"), (NEW, "first_version"), (NEW, "by_flag")}
    failed = {(record.metric, record.reason.key) for record in session.records if record.reason and record.reason.failed}
    assert not failed
    again = opened(profile)
    again.run_id = session.run_id
    measure.measure(again)  # goes on: what was timed before is not timed again
    assert latencies(again) == latencies(session)


def latencies(session: Session) -> list[Any]:
    return [(record.case, record.samples) for record in session.records if record.metric == "latency"]
