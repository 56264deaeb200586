"""A sweep: everything in the same rounds, outputs looked at after the clock stops, reasons in place of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.cuda import CudaError
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment.candidate import HARNESS, Candidate
from lib.measure import sweep
from lib.measure.sweep import Arm
from lib.runners.base import Runner
from lib.session import Session
from lib.store.records import Reason

ONNX, INT8, NULL = Candidate("onnxrt", "fp32"), Candidate("onnxrt", "int8_qdq"), Candidate(HARNESS, "fp32")


class Fake(Runner):
    """Answers as it is told; not a backend of the report."""

    def __init__(self, session, answer, max_batch=None, min_batch=1, gpu=None):
        self.session, self.answer, self.gpu = session, answer, gpu
        self.max_batch, self.min_batch, self.tells_gpu_time = max_batch, min_batch, gpu is not None

    def open(self):
        pass

    def infer(self, batch):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(len(batch))

    def gpu_ms(self):
        return self.gpu


def right(n):
    return np.full((n, 10), 0.1, np.float32)


@pytest.fixture
def session(quick):
    return Session(quick.profile, "test_sweep")


def timed(session, *runners, sizes=(8,)):
    arms = {Arm(Candidate("onnxrt", f"p{k}"), size): runner for k, runner in enumerate(runners) for size in sizes}
    sweep.timed(session, arms)
    return [record for record in session.records if record.metric == "latency"]


def test_everything_is_timed_in_the_rounds_of_the_profile(session):
    sweep.timings(session, [ONNX, NULL], [1, 8])
    latencies = [record for record in session.records if record.metric == "latency"]
    assert [(r.candidate, r.batch_size) for r in latencies] == [(ONNX, 1), (ONNX, 8), (NULL, 1), (NULL, 8)]
    for record in latencies:
        assert len(record.samples) == session.profile.measuring.rounds
        assert record.value == record.stats["p50"] > 0
        assert record.stats["n"] >= len(record.samples)
        assert record.scope == "end_to_end"
    (load,) = [record for record in session.records if record.metric == "other_cpu"]
    assert load.value is None or 0 <= load.value <= 1


def test_what_cannot_run_here_says_why(session):
    sweep.timings(session, [Candidate("onnxrt_cuda", "fp32")], [8])
    (record,) = [record for record in session.records if record.metric == "latency"]
    assert record.value is None
    assert not record.reason.failed


def test_a_speed_of_int8_says_how_it_was_computed(session):
    sweep.timings(session, [ONNX, INT8], [8])
    assert {r.candidate: r.stats.get("mode") for r in session.records if r.metric == "latency"} == {ONNX: None, INT8: "precise"}


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (lambda n: right(n)[:, :9], "wrong_output"),
        (lambda n: np.full((n, 10), np.nan, np.float32), "wrong_output"),
        (lambda n: right(n) * 2, "wrong_output"),
        (lambda n: right(n).astype(np.float64), "wrong_output"),
        (WrongOutput("Σp"), "wrong_output"),
        (ReportError("boom"), "failed"),
        (CudaError("boom"), "failed"),
        (NotMeasured("not here"), "cannot"),
        (NotMeasured(Reason("no_gpu")), "no_gpu"),
    ],
)
def test_one_that_fails_is_a_reason_and_the_others_go_on(session, answer, key):
    bad, good = timed(session, Fake(session, answer), Fake(session, right))
    assert (bad.value, bad.reason.key) == (None, key)
    assert good.value > 0


def test_batches_that_an_engine_does_not_take_are_not_tried(session):
    latencies = timed(session, Fake(session, right, max_batch=8, min_batch=2), sizes=(1, 8, 32))
    assert [record.reason and record.reason.key for record in latencies] == ["too_small", None, "too_large"]
    assert latencies[2].reason.text.en == "the largest batch of this engine is 8"


def test_the_time_on_the_gpu_stands_beside(session):
    end_to_end, compute = timed(session, Fake(session, right, gpu=0.25))
    assert (end_to_end.scope, compute.scope) == ("end_to_end", "gpu_compute")
    assert compute.value == 0.25


def test_a_runner_that_times_itself_is_asked(session):
    from lib.measure import rounds

    runner = Fake(session, right)
    runner.timer = lambda batch: lambda seconds: rounds.Slice(np.full(5, 2.0), np.full(5, 1.0))
    end_to_end, compute = timed(session, runner)
    assert (end_to_end.value, compute.value) == (2.0, 1.0)


def test_inputs_repeat_where_there_are_fewer_images(session):
    session.images = replace(session.images, x_test=session.images.x_test[:3])
    made = sweep.inputs(session, 7)
    assert made.shape == session.spec.input_shape(7)
    assert (made[3] == made[0]).all()
