"""lib/serving/{lanes,answers,batcher,loadgen,scenarios,server}.py on ONNX Runtime, and on lanes that are slow, wrong or broken."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lib import onnx_session
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.serving import loadgen, runs, scenarios, server
from lib.serving.answers import Answers, Asked, as_report_error
from lib.serving.batcher import Batcher
from lib.serving.lanes import Direct, call, drain, threaded
from lib.serving.load import BACK, LOWERED, under_load
from lib.serving.loadgen import Outcome
from lib.serving.runs import Scene
from lib.serving.server import Serving, highest_rate

needs_loadgen = pytest.mark.skipif(not loadgen.installed(), reason="mlcommons-loadgen is not installed")
CLASSES, WIDTH, IMAGES = 10, 48, 64


@pytest.fixture(scope="module")
def asked():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(IMAGES, WIDTH)).astype(np.float32)
    return Asked(inputs, infer_by_hand(inputs), 1e-5)


def weights():
    return np.random.default_rng(1).normal(size=(WIDTH, CLASSES)).astype(np.float32)


def infer_by_hand(x):
    scores = np.exp(x @ weights())
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def infer():
    """A matrix and a softmax in ONNX Runtime."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["s"]), helper.make_node("Softmax", ["s"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", size)) for name, size in (("x", WIDTH), ("y", CLASSES))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(weights(), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnx_session.start(model.SerializeToString())
    return lambda x: session.run(["y"], {"x": x})[0]


def slow(seconds, then=infer_by_hand):
    """Takes `seconds` a call, whatever its size: a lane of `max_batch` does max_batch / seconds images a second."""

    def infer(x):
        time.sleep(seconds)
        return then(x)

    return infer


GONE = ReportError("the GPU is gone")


def breaking(after, error=GONE, then=infer_by_hand):
    """Right for `after` calls, then an error on each."""
    calls = iter(range(10**9))

    def infer(x):
        if next(calls) >= after:
            raise error
        return then(x)

    return infer


def run(scenario, infer, asked, seconds, batch=8):
    """A scenario on a function: one lane, three threads or two workers of which the first is right."""
    if scenario == "SingleStream":
        return scenarios.single_stream(Direct(infer, 1), asked, seconds)
    if scenario == "Offline":
        with threaded(infer, 3, batch) as lanes:
            return scenarios.offline(lanes, asked, seconds, batch)
    return server.server([Direct(slow(0.001), batch), Direct(infer, batch)], asked, 2000, seconds, Serving(bound=64))


def ours():
    return {thread for thread in threading.enumerate() if thread.name.startswith(("lane", "server"))}


@needs_loadgen
def test_single_stream_on_onnx_runtime(asked, infer):
    outcome = scenarios.single_stream(Direct(infer, 1), asked, 0.3)
    assert outcome.scenario == "SingleStream"
    assert outcome.latencies_ms["p90"] > outcome.latencies_ms["p50"] > 0
    assert outcome.samples >= 100
    assert 0.3 <= outcome.samples / outcome.rate < 3


@needs_loadgen
def test_offline_on_onnx_runtime_gives_every_image_its_answer(asked, infer):
    with threaded(infer, 2, 16) as lanes:
        outcome = scenarios.offline(lanes, asked, 0.3, 16)
    assert outcome.scenario == "Offline"
    assert outcome.samples % 16 == 0
    assert outcome.rate > 1000
    assert not ours()


@needs_loadgen
def test_offline_lanes_run_side_by_side(asked):
    rates = []
    for count in (1, 4):
        with threaded(slow(0.01), count, 8) as lanes:
            rates.append(scenarios.offline(lanes, asked, 0.4, 8).rate)
    assert rates[0] < 805  # 8 images in 10 ms
    assert rates[1] > 2 * rates[0]


@needs_loadgen
@pytest.mark.parametrize("coalesce", [False, True])
def test_server_on_onnx_runtime(asked, infer, coalesce):
    outcome = server.server([Direct(infer, 8), Direct(infer, 8)], asked, 1500, 1.0, Serving(limit_ms=1000, coalesce=coalesce))
    assert outcome.valid, outcome.short
    assert outcome.scheduled == pytest.approx(1500, rel=0.15)
    assert outcome.latencies_ms["p99"] > 0
    assert not ours()


@needs_loadgen
def test_overload_makes_a_server_slower_not_wrong_and_its_queue_stays_bounded(asked, monkeypatch):
    made = []

    class Watched(Batcher):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(server, "Batcher", Watched)
    capacity, bound = 4 / 0.004, 20
    began = time.perf_counter()
    outcome = server.server([Direct(slow(0.004), 4)], asked, 4 * capacity, 1.0, Serving(limit_ms=15, bound=bound))
    assert time.perf_counter() - began < 6
    assert not outcome.valid
    assert outcome.latencies_ms["p99"] > 500  # the last ones were due 1 s before they could be issued
    assert outcome.rate < 1.05 * capacity
    assert made[0].most == bound


@needs_loadgen
def test_a_server_below_its_capacity_has_the_latency_of_its_lanes(asked):
    outcome = server.server([Direct(slow(0.005), 8), Direct(slow(0.005), 8)], asked, 1000, 1.2, Serving(limit_ms=200, bound=1000))
    assert 5 <= outcome.latencies_ms["p50"] < 60
    assert outcome.valid, outcome.short


@needs_loadgen
def test_images_wait_for_a_fuller_batch_as_long_as_they_are_told(asked):
    sizes = []

    def infer(x):
        sizes.append(len(x))
        return infer_by_hand(x)

    server.server([Direct(infer, 32)], asked, 1000, 1.1, Serving(limit_ms=500, max_wait_ms=20))
    assert np.mean(sizes[6:-1]) > 8  # 20 ms at 1,000 a second: about twenty


BROKEN = {
    "a word of its own": (GONE, "the GPU is gone"),
    "anything else": (ValueError("no such\nshape"), "{scenario}: ValueError: no such"),
}


@needs_loadgen
@pytest.mark.parametrize(("error", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("scenario", ["SingleStream", "Offline", "Server"])
def test_an_error_in_a_lane_ends_a_test_cleanly(asked, infer, scenario, error, said):
    broken = breaking(300 if scenario == "Offline" else 200, error, slow(0.001))
    began = time.perf_counter()
    with pytest.raises(ReportError) as caught:
        run(scenario, broken, asked, 3.0)
    assert str(caught.value) == said.format(scenario=scenario)
    assert time.perf_counter() - began < 4
    assert not ours()
    test_single_stream_on_onnx_runtime(asked, infer)  # and the next test works


@needs_loadgen
def test_an_error_of_the_last_batch_of_a_server_ends_it_too(asked):
    """After LoadGen has sent all it has; the batch that fails is the only one that is open."""

    def infer(x):
        if len(x) == 1 and threading.current_thread().name == "server-0":
            time.sleep(3)
            raise ReportError("too late")
        return infer_by_hand(x)

    with pytest.raises(ReportError, match="too late"):
        server.server([Direct(infer, 1)], asked, 900, 1.3, Serving(bound=2000))


@needs_loadgen
def test_who_stops_a_test_is_heard_after_it(asked):
    with pytest.raises(KeyboardInterrupt):
        scenarios.single_stream(Direct(breaking(30, KeyboardInterrupt(), slow(0.01)), 1), asked, 0.5)


@needs_loadgen
@pytest.mark.parametrize("scenario", ["SingleStream", "Offline", "Server"])
@pytest.mark.parametrize("wrong", [np.nan, 0.1])
def test_wrong_answers_are_found_after_the_clock(asked, scenario, wrong):
    def infer(x):
        answer = infer_by_hand(x)
        answer[(x == asked.inputs[40]).all(1)] += wrong
        return answer

    with pytest.raises(WrongOutput, match="#40"):
        run(scenario, infer, asked, 0.6)


@needs_loadgen
def test_one_lane_of_several_that_answers_for_other_images_is_found(asked):
    with threaded(infer_by_hand, 3, 8) as lanes:
        lanes[1]._infer = lambda x: infer_by_hand(x[::-1])
        with pytest.raises(WrongOutput, match="lane 2"):
            scenarios.offline(lanes, asked, 0.2, 8)


def test_batches_that_no_lane_takes_are_refused(asked):
    for batch in (9, 128):
        with pytest.raises(ReportError, match=f"batches of {batch}: there are 64 images, and lanes take 8"):
            scenarios.offline([Direct(infer_by_hand, 8)], asked, 1.0, batch)


def test_without_the_package_there_is_a_reason(asked, monkeypatch):
    monkeypatch.setattr(loadgen.importlib.util, "find_spec", lambda name: None)
    assert not loadgen.installed()
    with pytest.raises(NotMeasured, match=r"^SingleStream: mlcommons-loadgen is not installed; install it"):
        scenarios.single_stream(Direct(infer_by_hand, 1), asked, 0.1)


@needs_loadgen
def test_a_setting_that_loadgen_does_not_have_is_refused():
    with pytest.raises(ReportError, match="no setting server_speed"):
        loadgen.run("Server", lambda queries: None, lambda: None, 1, {"server_speed": 1})


def test_a_log_without_a_result_is_refused():
    with pytest.raises(ReportError, match="result_query_count"):
        loadgen.read("Server", ':::MLLOG {"key": "a", "value": 1}\nnoise\n')


def outcome_at(rate, p99):
    return Outcome("Server", p99 <= 15, {"p99": p99}, 1000, rate, rate, "")


@given(capacity=st.floats(20, 1e6), first=st.floats(10, 1e6))
@settings(max_examples=30)
def test_bisection_finds_the_highest_rate_in_a_few_runs(capacity, first):
    """Of a server whose latency goes up as a queue's does."""
    best, tried = highest_rate(lambda rate: outcome_at(rate, 5 / max(1 - rate / capacity, 1e-9)), first, 15.0, runs=40)
    true = capacity * 2 / 3
    if true > 2 * server.P99 / server.LONGEST_S:
        assert true / 1.03 < best.rate <= true
        assert len(tried) <= 8 + abs(math.log2(first / true))
    assert all(one.latencies_ms["p99"] > 15 or one.rate <= best.rate for one in tried)


def test_bisection_stops_where_no_rate_holds_and_after_its_runs():
    best, tried = highest_rate(lambda rate: outcome_at(rate, 99.0), 1000.0, 15.0)
    assert best is None
    assert [one.rate for one in tried] == [*(1000 / 2**n for n in range(5)), server.P99 / server.LONGEST_S]
    best, tried = highest_rate(lambda rate: outcome_at(rate, 1.0), 1000.0, 15.0, runs=3)
    assert best.rate == 4000
    assert len(tried) == 3


def test_a_rate_is_looked_for_no_longer_than_may_be_but_in_some_runs():
    for most_s, count in ((0.0, server.LEAST_RUNS), (math.inf, 8)):
        best, tried = highest_rate(lambda rate: outcome_at(rate, 1.0 if rate < 3000 else 99.0), 1000.0, 15.0, most_s=most_s)
        assert len(tried) == count
        assert 2000 <= best.rate < 3000


def test_bisection_takes_no_run_whose_percentile_is_unknown():
    best, _ = highest_rate(lambda rate: outcome_at(rate, 1.0)._replace(latencies_ms={"p99": None}), 100.0, 15.0)
    assert best is None


@needs_loadgen
@pytest.mark.slow
def test_the_highest_rate_of_a_lane_of_known_capacity(asked):
    """One lane, batches of 8 in 4 ms: 2,000 a second, somewhat more for a second with so high a limit, which a busy machine keeps too."""
    lane, serving = Direct(slow(0.004), 8), Serving(limit_ms=300)
    best, tried = highest_rate(lambda rate: server.server([lane], asked, rate, 1.0, serving), 500, serving.limit_ms, runs=5)
    assert 250 <= best.scheduled <= 3500
    assert best.latencies_ms["p99"] <= 300
    assert any((one.latencies_ms["p99"] or 999) > 300 for one in tried)


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 12), st.integers(1, 7))
@settings(max_examples=25)
def test_a_batcher_keeps_order_loses_nothing_and_holds_no_more_than_it_may(sizes, bound, most):
    batcher, taken = Batcher(bound), []
    pieces = [list(range(start, start + size)) for start, size in zip(np.cumsum([0, *sizes]).tolist(), sizes, strict=False)]

    def consume():
        while batch := batcher.take(most):
            taken.append(batch)

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert all(batcher.put(piece) == [] for piece in pieces)
    while batcher._queue:
        time.sleep(1e-4)
    assert batcher.close() == []
    consumer.join(5)
    assert [one for batch in taken for one in batch] == list(range(sum(sizes)))
    assert all(len(batch) <= most for batch in taken)
    assert batcher.most <= bound


def test_who_waits_at_a_full_batcher_goes_on_when_it_is_closed():
    batcher, refused = Batcher(2), []
    waiting = threading.Thread(target=lambda: refused.extend(batcher.put([1, 2, 3, 4])))
    waiting.start()
    while batcher.most < 2:
        time.sleep(1e-3)
    assert waiting.is_alive()
    assert batcher.close() == [1, 2]
    waiting.join(5)
    assert refused == [3, 4]
    assert batcher.take(1) == []
    assert batcher.put([5]) == [5]


def test_a_batch_leaves_when_it_is_full_or_old_enough_or_nothing_more_will_come():
    batcher = Batcher(100, max_wait_s=0.2)
    batcher.put(range(5))
    began = time.monotonic()
    assert batcher.take(4) == [0, 1, 2, 3]
    assert time.monotonic() - began < 0.15
    assert batcher.take(4) == [4]
    assert time.monotonic() - began >= 0.19
    batcher.put([5])
    batcher.hurry()
    began = time.monotonic()
    assert batcher.take(4) == [5]
    assert time.monotonic() - began < 0.15


@pytest.mark.parametrize("arguments", [(0,), (1, -1.0), (1, math.nan)])
def test_a_batcher_that_cannot_be_is_refused(arguments):
    with pytest.raises(ReportError):
        Batcher(*arguments)


def test_answers_of_another_shape_are_wrong(asked):
    answers = Answers(1, IMAGES)
    with pytest.raises(WrongOutput, match="lane 1"):
        answers.put(0, slice(0, 2), np.zeros((3, CLASSES), np.float32))
    answers.put(0, [5, 5, 6], np.zeros((3, CLASSES + 1), np.float32))
    assert answers.answered == 2
    with pytest.raises(WrongOutput, match=r"\(64, 11\) ≠ \(64, 10\)"):
        answers.check(asked)


def test_lanes_say_their_own_errors_and_end_with_their_block():
    with threaded(breaking(1), 1, 4) as (lane,):
        assert call(lane, np.zeros((2, WIDTH), np.float32)).shape == (2, CLASSES)
        with pytest.raises(ReportError, match="nothing was submitted"):
            lane.result()
        lane.submit(np.zeros((2, WIDTH), np.float32))
        drain([lane])
        with pytest.raises(ReportError, match="the GPU is gone"):
            call(lane, np.zeros((2, WIDTH), np.float32))
    assert not ours()


def test_what_a_person_is_told_of_an_error():
    own, stop = ReportError("x"), KeyboardInterrupt()
    assert as_report_error(own, "here") is own
    assert as_report_error(stop, "here") is stop
    assert str(as_report_error(ZeroDivisionError(), "here")) == "here: ZeroDivisionError: "


@needs_loadgen
@pytest.mark.parametrize("kind", runs.KINDS)
def test_every_kind_of_run_is_told_with_its_memory(asked, infer, kind):
    lanes = [Direct(infer, 8), Direct(infer, 8)]
    scene = runs.scenario(kind, lanes, asked, 0.2, batch=8, rate=2000, serving=Serving(limit_ms=1000))
    assert scene.outcome.scenario == runs.KINDS[kind]
    assert scene.outcome.rate > 0
    assert 0 <= scene.peak_bytes < 1 << 30
    with pytest.raises(ReportError, match="no scenario 'offlin'; there are single_stream, offline, server"):
        runs.scenario("offlin", lanes, asked, 0.2)


@needs_loadgen
def test_classes_that_a_model_gives_are_checked_too(asked):
    classes = asked._replace(expected=asked.expected.argmax(1).astype(np.int32), atol=0)
    lane = Direct(lambda x: infer_by_hand(x).argmax(1).astype(np.int32), 8)
    assert scenarios.offline([lane], classes, 0.1, 8).samples
    wrong = classes._replace(expected=(classes.expected + (np.arange(IMAGES) == 40)).astype(np.int32))
    with pytest.raises(WrongOutput, match="#40"):
        scenarios.offline([lane], wrong, 0.1, 8)


@given(st.floats(100, 1e5), st.floats(1, 1e6), st.floats(0.5, 1.0), st.booleans())
@settings(max_examples=60)
def test_a_rate_is_held_for_long_before_it_is_told(capacity, first, long_share, overloaded):
    """Of a server whose p99 is over the limit above a capacity, which is smaller where a run is long."""
    made = []

    def measured(rate, seconds):
        made.append((rate, seconds))
        over = rate > (capacity if seconds == 2 else capacity * long_share)
        return Scene(Outcome("Server", not over, {"p99": 30.0 if over else 10.0}, 1000, rate, rate, ""), 1 << 20)

    load = under_load(measured, first, 15, 2, 60, 5 * overloaded)
    assert load.tried == [
        (rate, 10.0 if rate <= capacity * (1 if seconds == 2 else long_share) else 30.0) for rate, seconds in made[: len(load.tried)]
    ]
    assert not load.tried or [seconds for _, seconds in made].count(60) == (load.rate is not None)  # what fails does so in a shorter run
    short = [rate for rate, seconds in made if seconds == 2]
    best = max((rate for rate in short if rate <= capacity), default=None)
    if load.rate is None:
        assert best is None or best * BACK**LOWERED > capacity * long_share
        assert load.held is load.overload is None
        return
    assert load.held.outcome.latencies_ms["p99"] == 10
    assert load.rate <= best
    assert (load.rate, 60) in made
    assert [made[-1]] == ([(2 * load.rate, 5)] if overloaded else [(load.rate, 60)])
    assert (load.overload is None) == (not overloaded)
