"""lib/pages/precision/measure.py on real runners, at the tiny profile."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lib import stats
from lib.experiment import candidate as pairs
from lib.measure import predictions
from lib.pages.precision import measure as ps


@pytest.fixture(scope="module")
def done(quick):
    return ps.study(quick)


def test_every_pair_has_every_metric_or_its_reason(done, quick):
    metrics = {"accuracy", "mcnemar_p", "file_size", "load_time", "latency", "throughput", "throughput_ratio"}
    for pair in pairs.all_pairs():
        have = {r.metric for r in done.records if (r.runner, r.precision) == (pair.runner, pair.precision)}
        own = {"throughput_ratio"} if pair.precision == "fp32" and pair.reason is None else set()
        own |= {"mcnemar_p"} if pair.key == ps.REFERENCE else set()
        assert have == metrics - own, pair.key
        assert all((done.get(pair, m).value is None) == (pair.reason is not None) for m in have)


def test_accuracy_is_that_of_the_stored_predictions(done, quick):
    for pair in done.measured:
        right = predictions.of(quick, pair.runner, pair.precision).argmax(axis=1) == quick.images.y_test
        one = done.get(pair, "accuracy")
        assert one.value == right.mean()
        assert (one.stats["ci_low"], one.stats["ci_high"]) == stats.wilson(int(right.sum()), len(right))


def test_sizes_shrink_with_the_precision(done):
    by = {pair.key: done.value(pair, "file_size") for pair in done.measured}
    assert by["onnxrt/int8_qdq"] < by["onnxrt/fp16"] < by["onnxrt/fp32"]


def test_times_are_positive_and_at_the_profiles_batch_size(done, quick):
    for pair in done.measured:
        load, rate = done.get(pair, "load_time"), done.get(pair, "throughput")
        assert 0 < load.stats["min"] <= load.value <= load.stats["max"]
        assert len(load.samples) == ps.LOADS
        assert rate.value > 0
        assert (rate.batch_size, rate.scope) == (quick.profile.precision.batch_size, "end_to_end")


def test_the_first_opening_does_not_count(quick, monkeypatch):
    class Slow:
        artifact_sha256, opened = "sha", 0

        def __init__(self, session, precision): ...

        def __enter__(self):
            Slow.opened += 1
            self.cost = 100.0 if Slow.opened == 1 else 1.0
            return self

        def __exit__(self, *exc): ...

        def infer(self, batch):
            assert batch.shape == (1, 32, 32, 3)
            clock[0] += self.cost

    clock = [0.0]
    monkeypatch.setattr(ps.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr("lib.runners.RUNNERS", {"slow": Slow})
    (record,) = ps.load_times(quick, [pairs.Pair("slow", "fp32", pairs.CPP, None)], loads=3)
    assert (record.value, record.samples, record.stats["max"]) == (1.0, [1.0, 1.0, 1.0], 1.0)


def test_a_pair_against_itself_has_nothing_discordant():
    right = np.array([True, False, True])
    one = ps.paired(right, right, {"runner": "a", "precision": "fp32"})
    assert (one.value, one.stats["only_reference"], one.stats["only_this"], one.stats["difference"]) == (1.0, 0, 0, 0)


def test_a_reference_that_is_only_stored_is_compared_with_and_not_timed(quick, monkeypatch):
    wanted = predictions.of(quick, *pairs.REFERENCE)
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    done = ps.study(quick)
    reference = done.measured[0]
    assert (reference.key, reference.reason.en) == (ps.REFERENCE, "TensorFlow is not installed")
    assert done.value(reference, "accuracy") == (wanted.argmax(axis=1) == quick.images.y_test).mean()
    assert done.value(reference, "file_size") > 1000
    assert {done.get(reference, m).reason for m in ("load_time", "latency", "throughput")} == {reference.reason}
    assert all(done.get(pair, "mcnemar_p").value is not None for pair in done.measured[1:])
    assert ps.accuracy_rows(done)[0]["correct"] == done.get(reference, "accuracy").stats["correct"]
    assert ps.cost_rows(done)[0]["load"] == ps.cost_rows(done)[0]["throughput"] == reference.reason
