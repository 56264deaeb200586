"""The ways to call an engine that page 05 compares, with backends that are made to agree or to differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from lib.errors import ReportError
from lib.experiment.candidate import Way
from lib.pages.consistency import measure, rules
from lib.runners import RUNNERS, null
from lib.store.records import Reason

NO_GPU = Reason("no_gpu")
SIZES = (1, 16, 32)
EVERY = [(name, way) for name, ways in measure.CALLS.items() for way in ways]
FIRST, COMPILED, GRAPH, BINDINGS = ("tensorrt", measure.SAME), ("cpp", Way("enqueueV3")), ("cpp", Way("enqueueV3", graph=True)), EVERY[1]


def expected(images: np.ndarray) -> np.ndarray:
    p = images.reshape(len(images), -1)[:, 200:210] + np.float32(0.1)
    return p / p.sum(1, keepdims=True)


@dataclass
class System:
    """What the backends do: the ways that they lack, and what is done to the answers of one of them at a batch size."""

    lacks: set[tuple[str, Way]] = field(default_factory=set)
    not_built: Reason | None = None
    change: dict[tuple[tuple[str, Way], int], object] = field(default_factory=dict)
    seen: list[tuple[tuple[str, Way], int]] = field(default_factory=list)
    open: int = 0
    given: dict[tuple[tuple[str, Way], int], list[np.ndarray]] = field(default_factory=dict)


@pytest.fixture
def here(monkeypatch) -> System:
    """Engines of FP32 and FP16 run here, INT8 does not."""
    system = System()

    class Engine(null.Null):
        precisions = ("fp32", "fp16", "int8")

        @classmethod
        def unavailable(cls, precision):
            return NO_GPU if precision == "int8" else None

        @classmethod
        def takes(cls, candidate):
            return (candidate.runner, candidate.way) not in system.lacks

        def open(self):
            system.open += 1

        def close(self):
            system.open -= 1

        def infer(self, batch):
            called = (self.candidate.runner, self.candidate.way), self.max_batch
            assert self.batches_itself or len(batch) <= self.max_batch
            if called not in system.seen[-1:]:
                system.seen.append(called)
            system.given.setdefault(called, []).append(batch)
            changed = system.change.get(called)
            if isinstance(changed, Exception):
                raise changed
            return expected(batch) if changed is None else changed(expected(batch))

    class Program(Engine):
        batches_itself = True

        @classmethod
        def unavailable(cls, precision):
            return super().unavailable(precision) or system.not_built

    monkeypatch.setattr(measure, "TensorRT", Engine)
    monkeypatch.setitem(RUNNERS, "tensorrt", Engine)
    monkeypatch.setitem(RUNNERS, "cpp", Program)
    return system


def called(session, precision="fp16"):
    """{(runner and way, batch size): record} of one engine."""
    found = list(measure._calls(session, precision))
    by = {((r.candidate.runner, r.candidate.way), r.batch_size): r for r in found}
    assert len(by) == len(found)
    assert {r.candidate.precision for r in found} == {precision}
    return by


def test_every_way_and_batch_size_is_called_and_compared_with_one(quick, here):
    found = called(quick)
    each = {(one, size) for one in EVERY for size in SIZES}
    assert set(here.seen) == each
    assert set(found) == each - {(FIRST, 32)}
    assert all(rules.equal(record) and record.stats["total"] == len(quick.images.x_test) for record in found.values())
    assert here.open == 0


def test_all_are_given_the_same_images(quick, here):
    called(quick)
    images = quick.to_input(quick.images.x_test)
    for one in (FIRST, GRAPH):
        assert np.array_equal(np.concatenate(here.given[one, 32])[: len(images)], images)


def test_batch_sizes_keep_to_the_profile():
    assert measure.batch_sizes(1, 32) == [1, 16, 32]
    assert measure.batch_sizes(1, 8) == [1, 8]
    assert measure.batch_sizes(16, 256) == [16, 32, 256]


def test_what_a_system_lacks_is_a_reason_and_no_failure(quick, here):
    here.lacks, here.not_built = {BINDINGS}, Reason("cpp_not_built", {"tensorrt": "8.5.3.1"})
    found = called(quick)
    assert {one for one, _ in here.seen} == {FIRST}
    assert found[BINDINGS, None].reason == Reason("no_call", {"call": "execute_async_v2"})
    assert {found[one, None].reason for one in EVERY if one[0] == "cpp"} == {here.not_built}
    assert not any(record.reason.failed for record in found.values() if record.reason)


def test_where_no_engine_runs_nothing_is_called(quick, here):
    found = called(quick, "int8")
    assert {record.reason for record in found.values()} == {NO_GPU}
    assert len(found) == len(EVERY)
    assert here.seen == []


def test_answers_that_differ_are_counted(quick, here):
    here.change[COMPILED, 16] = lambda p: p + np.float32(2e-6)
    here.change[GRAPH, 1] = lambda p: np.roll(p, 1, axis=1)
    found = called(quick)
    assert found[COMPILED, 16].stats["max_abs"] == pytest.approx(2e-6, rel=0.1)
    assert (found[COMPILED, 16].value, rules.equal(found[COMPILED, 16])) == (1.0, False)
    assert found[GRAPH, 1].value < 0.7
    assert [key for key, record in found.items() if not rules.equal(record)] == [(COMPILED, 16), (GRAPH, 1)]


def test_a_call_that_fails_has_its_line_and_the_others_go_on(quick, here):
    here.change[GRAPH, 32] = ReportError("cudaStreamEndCapture failed")
    here.change[BINDINGS, 16] = lambda p: p * np.float32(np.nan)
    found = called(quick)
    assert found[GRAPH, 32].reason == Reason("failed", {"message": "cudaStreamEndCapture failed"})
    assert found[BINDINGS, 16].reason.key == "wrong_output"
    assert [key for key, record in found.items() if record.value is None] == [(BINDINGS, 16), (GRAPH, 32)]
    assert here.open == 0


def test_an_engine_that_cannot_be_called_at_all_is_one_failure(quick, here):
    here.change[FIRST, 32] = ReportError("TensorRT does not load this plan")
    found = called(quick)
    assert list(found) == [(FIRST, 32)]
    assert found[FIRST, 32].reason.failed
    assert here.open == 0
