"""lib/pages/consistency/calls.py: the ways to call an engine, with engines and a program that are made to agree or to differ."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pytest

from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.pages.consistency import calls
from lib.pages.consistency.calls import REFERENCE, Way
from lib.runners import cpp, tensorrt
from lib.runners.base import Runner, check_batch
from lib.store import artifacts
from lib.text import Text

ENGINE = artifacts.Artifact("engine", "key", Path("payload"), "e" * 64, {}, {})
NO_CHIP = Text("no such chip", "チップがない")
GRAPH, COMPILED, LEGACY = Way("cpp", "enqueueV3", graph=True), Way("cpp", "enqueueV3"), Way("tensorrt", "execute_async_v2")


def expected(images: np.ndarray) -> np.ndarray:
    p = images.reshape(len(images), -1)[:, 200:210] + np.float32(0.1)
    return p / p.sum(1, keepdims=True)


@dataclass
class System:
    """What the fakes do: the calls that there are, and what is done to the answers of one of them."""

    apis: list[str] = field(default_factory=lambda: ["execute_async_v3", "execute_async_v2"])
    compiled: list[str] = field(default_factory=lambda: ["enqueueV3", "executeV2"])
    not_built: Text | None = None
    change: dict[tuple[Way, int], object] = field(default_factory=dict)
    seen: list[tuple[Way, int]] = field(default_factory=list)
    samples: set[Path] = field(default_factory=set)
    written: int = 0

    def answer(self, way: Way, batch: int, images: np.ndarray) -> np.ndarray:
        changed = self.change.get((way, batch))
        if isinstance(changed, Exception):
            raise changed
        values = expected(images)
        return values if changed is None else changed(values)


@pytest.fixture
def here(monkeypatch) -> System:
    """Engines of FP32 and FP16 run here, INT8 does not."""
    system = System()

    class Engine(Runner):
        name, label, precisions, max_batch = "tensorrt", Text("TensorRT", "TensorRT"), ("fp32", "fp16", "int8"), 32
        artifact, artifact_sha256, size_bytes = ENGINE, ENGINE.sha256, 4

        def __init__(self, session, precision, engine=None, api=""):
            super().__init__(session, precision)
            assert engine in (None, ENGINE)
            self.way = Way("tensorrt", api)

        @classmethod
        def unavailable(cls, precision):
            return NO_CHIP if precision == "int8" else None

        @classmethod
        def apis(cls):
            return system.apis

        def __enter__(self):
            self.largest = 0
            return self

        def __exit__(self, *exc):
            system.seen.append((self.way, self.largest))

        def infer(self, batch):
            check_batch(batch, self.max_batch)
            self.largest = max(self.largest, len(batch))
            return system.answer(self.way, self.largest, batch)

    def predict(plan, sha256, samples, count, batch, api, graph):
        images = np.load(samples)
        assert (plan, sha256, len(images)) == (Path("model.plan"), "hash", count)
        system.samples.add(samples)
        system.seen.append((Way("cpp", api, graph), batch))
        return system.answer(Way("cpp", api, graph), batch, images)

    def write(path, images, real=cpp.write_samples):
        system.written += 1
        return real(path, images)

    monkeypatch.setattr(tensorrt, "TensorRT", Engine)
    monkeypatch.setattr(cpp, "not_built", lambda: system.not_built)
    monkeypatch.setattr(cpp, "apis", lambda: system.compiled)
    monkeypatch.setattr(cpp, "trusted", lambda session, precision, engine: (Path("model.plan"), "hash"))
    monkeypatch.setattr(cpp, "predict", predict)
    monkeypatch.setattr(cpp, "write_samples", write)
    return system


def levels(done) -> list[str]:
    return [f.level for f in calls.findings(done)]


def said(done, *words: str) -> list[str]:
    return [f.level for f in calls.findings(done) if all(word in f.text.en for word in words)]


def test_every_way_and_batch_size_is_called_on_every_engine_that_runs(quick, here):
    done = calls.study(quick)
    each = [(way, size) for way in calls.WAYS for size in (1, 16, 32)]
    assert sorted(here.seen) == sorted(each * 2)  # twice: two precisions; the reference at 32 is what all are compared with
    assert len(done.measured) == 2 * (len(each) - 1)
    assert all(r.equal for r in done.measured)
    assert levels(done) == ["good", "note"]
    assert said(done, "engines 2, ways to call them 5", "28 comparisons over 500 images")
    assert said(done, "not compared", "no such chip") == ["note"]


def test_samples_are_written_once_and_removed(quick, here):
    calls.study(quick)
    assert here.written == len(here.samples) == 1
    assert not here.samples.pop().exists()


def test_no_samples_are_written_for_nothing(quick, here):
    here.not_built = cpp.NOT_BUILT
    calls.study(quick)
    assert here.written == 0


def test_batch_sizes_keep_to_the_profile():
    assert calls.batch_sizes(1, 32) == [1, 16, 32]
    assert calls.batch_sizes(1, 8) == [1, 8]
    assert calls.batch_sizes(16, 256) == [16, 32, 256]


def test_what_a_system_lacks_is_a_reason_and_no_failure(quick, here):
    here.apis, here.compiled = ["execute_async_v3"], ["enqueueV3"]
    done = calls.study(quick)
    assert {way for way, _ in here.seen} == {REFERENCE, COMPILED, GRAPH}
    assert levels(done) == ["good", "note", "note", "note"]
    assert said(done, "this TensorRT has no execute_async_v2")
    assert said(done, "this build of the C++ runner has no executeV2")
    here.not_built = cpp.NOT_BUILT
    assert said(calls.study(quick), "enqueueV3, executeV2, enqueueV3 with CUDA graph (the C++ runner is not built: run `make cpp`)")


def test_a_difference_over_six_decimals_is_red_and_one_below_is_not(quick, here):
    here.change[COMPILED, 16] = lambda p: p + np.float32(4e-7)
    assert "bad" not in levels(calls.study(quick))
    here.change[COMPILED, 16] = lambda p: p + np.float32(2e-6)
    done = calls.study(quick)
    assert said(done, "TensorRT (C++) FP16, enqueueV3, batch 16", "Another class on 0 images", "2e-06") == ["bad"]
    assert said(done, "Equal answers in all other comparisons", "26 comparisons") == ["good"]
    assert [row["verdict"].en for row in calls.rows(done) if "verdict" in row].count("DIFFERENT") == 2


def test_another_class_is_red_however_small_the_difference(quick, here):
    def tie(p):
        p = p.copy()
        p[:, 3:5] = 0.3  # equal: the first counts
        return p

    def second(p):
        p = tie(p)
        p[7, 4] += np.float32(1e-7)
        return p

    for way in calls.WAYS:
        for size in (1, 16, 32):
            here.change[way, size] = second if (way, size) == (GRAPH, 1) else tie
    done = calls.study(quick)
    assert said(done, "with CUDA graph, batch 1", "Another class on 1 images") == ["bad", "bad"]
    row = next(row for row in calls.rows(done) if row["verdict"].en == "DIFFERENT")
    assert (row["disagree"], row["max_abs"] < 5e-7) == (1, True)


def test_a_call_that_fails_is_red_with_its_line_and_the_others_go_on(quick, here):
    here.change[GRAPH, 32] = ReportError("the C++ runner: cudaStreamEndCapture failed")
    here.change[LEGACY, 16] = lambda p: p * np.nan
    done = calls.study(quick)
    assert said(done, "enqueueV3 with CUDA graph, batch 32 failed: the C++ runner: cudaStreamEndCapture failed") == ["bad", "bad"]
    assert said(done, "execute_async_v2, batch 16 failed", "NaN or infinity") == ["bad", "bad"]
    assert len(done.measured) == 2 * (14 - 2)
    failed = [r for r in calls.records(done) if r.stats.get("failed")]
    assert {r.case["batch"] for r in failed} == {16, 32}


def test_an_engine_that_cannot_be_called_at_all_is_red(quick, here):
    here.change[REFERENCE, 32] = ReportError("TensorRT does not load this plan")
    done = calls.study(quick)
    assert not done.measured
    assert said(done, "TensorRT FP32, execute_async_v3, batch 32 failed: TensorRT does not load this plan") == ["bad"]


def test_rows_and_records_leave_nothing_out(quick, here):
    done = calls.study(quick)
    rows = calls.rows(done)
    assert [row["batches"] for row in rows[:2]] == ["1, 16 (4)", "1, 16 (4), 32 (20)"]  # 500 images; 32 by name is the reference
    assert len(rows) == 2 * 5 + 2
    assert rows[-1]["disagree"] == NO_CHIP
    assert {key for row in rows for key in row} == {column.key for column in calls.columns()}
    assert "500" in calls.caption(done).ja
    assert "batch size 32" in calls.caption(done).en
    records = calls.records(done)
    assert len(records) == 2 * (2 * 14 + 5)
    one = next(r for r in records if r.metric == "agreement" and r.case["graph"] and r.case["batch"] == 32)
    assert one.case == {"reference": "tensorrt execute_async_v3 batch 32", "api": "enqueueV3", "batch": 32, "graph": True}
    assert (one.value, one.runner, one.stats["last_batch"], one.artifact_sha256) == (1.0, "cpp", 20, ENGINE.sha256)
    assert all((r.value is None) == (r.precision == "int8") for r in records)
    assert json.dumps([asdict(r) for r in records], allow_nan=False)


def test_where_no_engine_runs_there_is_one_reason_and_nothing_is_touched(quick, monkeypatch):
    monkeypatch.setattr(tensorrt.TensorRT, "unavailable", classmethod(lambda cls, precision: NO_CHIP))
    for name in ("apis", "not_built", "write_samples"):
        monkeypatch.setattr(cpp, name, lambda *args: pytest.fail("must not be asked"))
    done = calls.study(quick)
    assert not done.measured
    assert levels(done) == ["note"]
    assert [row["disagree"] for row in calls.rows(done)] == [NO_CHIP, NO_CHIP]
    assert {r.reason for r in calls.records(done)} == {NO_CHIP}


def test_findings_are_in_both_languages(quick, here):
    here.change[COMPILED, 16] = lambda p: p[::-1]
    for finding in calls.findings(calls.study(quick)):
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", finding.text.ja)
        assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", finding.text.en)


def test_the_reference_gets_the_images_that_the_program_gets(quick, here):
    kept = {}

    def keep(name):
        def change(p):
            kept.setdefault(name, []).append(p)
            return p

        return change

    here.change[REFERENCE, 32], here.change[COMPILED, 32] = keep("python"), keep("cpp")
    calls.study(quick)
    wanted = expected(datasets.to_input(quick.images.x_test))
    assert np.array_equal(kept["cpp"][0], wanted)
    assert np.array_equal(np.concatenate(kept["python"])[:480], wanted[:480])
