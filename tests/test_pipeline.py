"""lib/serving/pipeline.py over lanes of the CPU: order, overlap, memory, and errors in every stage."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.serving import runs
from lib.serving.lanes import Direct, threaded
from lib.serving.pipeline import Pipeline

WIDTH, CLASSES = 12, 10


def outputs_of(x):
    """Row -> scores with the largest at the row's first value: its class stands in the image."""
    return np.eye(CLASSES, dtype=np.float32)[x[:, 0].astype(int) % CLASSES]


def images_of(count):
    rows = np.zeros((count, WIDTH), np.float32)
    rows[:, 0] = np.random.default_rng(0).integers(0, CLASSES, count)
    return rows


def decode_of(images):
    return lambda start, stop: images[start:stop]


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("pipeline", "lane"))]


@given(count=st.integers(1, 200), batch=st.integers(1, 33), lanes=st.integers(1, 4), readers=st.integers(1, 3), more=st.integers(1, 3))
@settings(max_examples=30)
def test_answers_are_in_the_order_of_the_images_whatever_the_ring(count, batch, lanes, readers, more):
    images, random = images_of(count), np.random.default_rng(1)

    def infer(x):
        time.sleep(random.uniform(0, 2e-4))
        return outputs_of(x)

    with threaded(infer, lanes, batch) as made:
        ran = Pipeline(made, batch, (WIDTH,), readers=readers, buffers=lanes + more).run(decode_of(images), count)
    assert ran.answers.tolist() == images[:, 0].astype(int).tolist()
    assert not ours()


def test_it_runs_on_lanes_that_compute_when_they_are_asked_and_keeps_outputs_if_told():
    images = images_of(50)
    pipeline = Pipeline([Direct(outputs_of, 16)], 16, (WIDTH,))
    for _ in range(2):
        ran = pipeline.run(decode_of(images), 50, lambda outputs: outputs)
        assert np.array_equal(ran.answers, outputs_of(images))


def test_stages_run_at_the_same_time_and_the_slowest_is_told():
    """20 batches; each stage sleeps, so that cores are not what limits."""
    images = images_of(160)

    def slow(seconds, then):
        def doing(*given):
            time.sleep(seconds)
            return then(*given)

        return doing

    with threaded(slow(0.02, outputs_of), 2, 8) as lanes:
        pipeline = Pipeline(lanes, 8, (WIDTH,), readers=2)
        every = [pipeline.run(slow(0.02, decode_of(images)), 160) for _ in range(3)]
        balanced = min(every, key=lambda run: run.seconds)  # the one that other programs disturbed least
        reading = pipeline.run(slow(0.06, decode_of(images)), 160)
        computing = pipeline.run(decode_of(images), 160)
    assert balanced.seconds < 0.7 * 20 * (0.02 + 0.02)
    assert balanced.busy_s["decode"] >= 20 * 0.02
    assert reading.starved_s > 1.4 * reading.waited_s  # 2.1 where nothing disturbs: both readers are done at the same time
    assert computing.waited_s > 2 * computing.starved_s


class Paced:
    """A lane that sleeps where it is told to: handing over, computing."""

    max_batch = 8

    def __init__(self, submit_s=0.0, result_s=0.0):
        self.submit_s, self.result_s = submit_s, result_s

    def submit(self, inputs):
        time.sleep(self.submit_s)
        self.inputs = inputs

    def result(self):
        time.sleep(self.result_s)
        return outputs_of(self.inputs)


@pytest.mark.parametrize("slow", ["launched_s", "waited_s", "collected_s", "starved_s"])
def test_what_takes_the_feeding_thread_longest_is_told(slow):
    """20 batches, of which each takes 5 ms in one place: the caller's thread has no time that nobody tells."""
    images, nap = images_of(160), 0.005

    def sleepy(outputs):
        time.sleep(nap if slow == "collected_s" else 0)
        return outputs.argmax(1)

    def decode(start, stop):
        time.sleep(nap if slow == "starved_s" else 0)
        return images[start:stop]

    lanes = [Paced(nap * (slow == "launched_s"), nap * (slow == "waited_s")) for _ in range(2)]
    ran = Pipeline(lanes, 8, (WIDTH,)).run(decode, 160, sleepy)
    told = {key: getattr(ran, key) for key in ("launched_s", "waited_s", "collected_s", "starved_s")}
    assert max(told, key=told.get) == slow
    assert told[slow] >= 0.9 * 20 * nap
    assert 0 <= ran.seconds - sum(told.values()) < 0.5 * ran.seconds


def test_memory_is_the_ring_however_many_images():
    row, batch, count = 1024, 64, 64 * 100
    images = np.broadcast_to(np.zeros((1, row), np.float32), (count, row))  # takes no memory itself
    with threaded(lambda x: x[:, :CLASSES].copy(), 2, batch) as lanes:
        gc.collect()
        tracemalloc.start()
        pipeline = Pipeline(lanes, batch, (row,))
        before = tracemalloc.get_traced_memory()[0] - pipeline.ring_bytes
        pipeline.run(decode_of(images), count)
        most = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
    assert pipeline.ring_bytes == 4 * batch * row * 4
    assert most < 1.2 * pipeline.ring_bytes


class Failing:
    """A lane whose submit or result fails at the nth batch."""

    max_batch = 8

    def __init__(self, stage, after):
        self.stage, self.left, self.open = stage, after, False

    def submit(self, inputs):
        self.left -= 1
        if self.stage == "submit" and self.left < 0:
            raise ReportError("broken on purpose")
        self.inputs, self.open = inputs, True

    def result(self):
        self.open = False
        if self.stage == "result" and self.left < 0:
            raise ReportError("broken on purpose")
        return outputs_of(self.inputs)


def fail_in(stage, after):
    """Run a pipeline of 13 batches whose `stage` fails at its nth batch; returns its lanes."""
    images, calls = images_of(100), iter(range(100))

    def counted(name, then):
        def doing(*given):
            if stage == name and next(calls) >= after:
                raise ReportError("broken on purpose")
            return then(*given)

        return doing

    lanes = [Failing(stage, after // 2), Failing(stage, after // 2)]
    pipeline = Pipeline(lanes, 8, (WIDTH,), readers=2)
    with pytest.raises(ReportError, match="broken on purpose"):
        pipeline.run(counted("decode", decode_of(images)), 100, counted("answer", lambda outputs: outputs.argmax(1)))
    return lanes


@pytest.mark.parametrize("after", [0, 1, 4, 11])
@pytest.mark.parametrize("stage", ["decode", "submit", "result", "answer"])
def test_an_error_in_any_stage_ends_it_cleanly(stage, after):
    lanes = fail_in(stage, after)
    assert not ours()
    assert not any(lane.open for lane in lanes)  # what was handed over was waited for


def test_a_hundred_pipelines_ended_by_an_error_leave_no_thread_and_no_memory():
    threads = threading.active_count()

    def ten():
        for stage in ("decode", "submit", "result", "answer", "decode") * 2:
            fail_in(stage, 5)
        gc.collect()

    ten()

    def held():
        """Bytes that files of ours hold, not what measures the coverage of these tests."""
        found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/lib/serving/*"), tracemalloc.Filter(True, __file__)])
        return sum(each.size for each in found.statistics("filename"))

    tracemalloc.start()
    ten()
    after_ten = held()
    for _ in range(9):
        ten()
    grown = held() - after_ten
    tracemalloc.stop()
    assert threading.active_count() == threads
    assert grown < 20_000  # one buffer of the ring alone has 384 bytes; 90 rings would be 170,000


@pytest.mark.parametrize("stage", ["decode", "answer"])
def test_the_ring_of_a_pipeline_that_failed_goes_without_a_garbage_collection(stage):
    """It may be hundreds of megabytes of pinned memory, and what it leaves is collected at some time or other."""
    ring = []

    def allocate(shape, dtype):
        made = np.empty(shape, dtype)
        ring.append(weakref.ref(made))
        return made

    def broken(*given):
        raise ZeroDivisionError

    def run():
        images = images_of(100)
        calls = {"decode": decode_of(images), "answer": lambda outputs: outputs.argmax(1)} | {stage: broken}
        with pytest.raises(ReportError):
            Pipeline([Direct(outputs_of, 8)], 8, (WIDTH,), readers=2, allocate=allocate).run(calls["decode"], 100, calls["answer"])

    gc.disable()
    try:
        run()
        assert len(ring) == 4
        assert not any(one() is not None for one in ring)
    finally:
        gc.enable()


def test_after_an_error_it_runs_again():
    images = images_of(40)
    pipeline = Pipeline([Direct(outputs_of, 8)], 8, (WIDTH,))

    def broken(start, stop):
        raise ZeroDivisionError("what\never")

    with pytest.raises(ReportError) as caught:
        pipeline.run(broken, 40)
    assert str(caught.value) == "pipeline: ZeroDivisionError: what"
    assert pipeline.run(decode_of(images), 40).answers.tolist() == images[:, 0].astype(int).tolist()


def test_who_stops_it_is_heard():
    def stopped(start, stop):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline([Direct(outputs_of, 8)], 8, (WIDTH,)).run(stopped, 40)
    assert not ours()


WRONG_IMAGES = [np.zeros((8, WIDTH), np.float64), np.zeros((7, WIDTH), np.float32), np.zeros((8, 1), np.float32)]


@pytest.mark.parametrize("wrong", WRONG_IMAGES, ids=lambda x: f"{x.dtype}{x.shape}")
def test_images_that_do_not_fit_are_refused_not_broadcast(wrong):
    with pytest.raises(ReportError, match=r"images 0 to 8: .* do not fit"):
        Pipeline([Direct(outputs_of, 8)], 8, (WIDTH,)).run(lambda start, stop: wrong, 8)


def test_a_lane_that_answers_for_other_images_is_refused():
    with pytest.raises(ReportError, match="7 answers for 8 images"):
        Pipeline([Direct(lambda x: outputs_of(x)[1:], 8)], 8, (WIDTH,)).run(decode_of(images_of(8)), 8)


LANE = Direct(outputs_of, 8)
IMPOSSIBLE = {
    "no lane": ([], 8, {}),
    "no reader": ([LANE], 8, {"readers": 0}),
    "as many buffers as lanes": ([LANE, LANE], 8, {"buffers": 2}),
    "too large a batch": ([LANE], 9, {}),
    "no batch": ([LANE], 0, {}),
}


@pytest.mark.parametrize(("lanes", "batch", "more"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_pipeline_that_cannot_run_is_refused(lanes, batch, more):
    with pytest.raises(ReportError):
        Pipeline(lanes, batch, (WIDTH,), **more)


def test_no_images_are_refused():
    with pytest.raises(ReportError, match="0 images"):
        Pipeline([LANE], 8, (WIDTH,)).run(decode_of(images_of(1)), 0)


# Several passes, and what is told of a run


@given(count=st.integers(1, 30), batch=st.integers(1, 12), times=st.integers(1, 5), lanes=st.integers(1, 3), readers=st.integers(1, 2))
@settings(max_examples=40)
def test_several_passes_fill_batches_across_their_ends(count, batch, times, lanes, readers):
    images, sizes = images_of(count), []

    def infer(x):
        sizes.append(len(x))
        return outputs_of(x)

    made = [Direct(infer, batch) for _ in range(lanes)]
    ran = Pipeline(made, batch, (WIDTH,), readers=readers).run(decode_of(images), count, times=times)
    assert ran.answers.tolist() == images[:, 0].astype(int).tolist()
    assert ran.changed == 0
    assert sum(sizes) == count * times
    assert all(size == batch for size in sizes[:-1])


@pytest.mark.parametrize("answer", [lambda outputs: outputs.argmax(1), lambda outputs: outputs])
def test_answers_of_a_later_pass_that_differ_are_counted(answer):
    images, calls = images_of(20), iter(range(100))

    def infer(x):
        return outputs_of(x + 1) if next(calls) == 3 else outputs_of(x)  # rows 24 to 31: 4 to 11 of the second pass

    ran = Pipeline([Direct(infer, 8)], 8, (WIDTH,)).run(decode_of(images), 20, answer, times=3)
    assert ran.changed == 8
    assert np.array_equal(ran.answers, answer(outputs_of(images)))


def test_memory_is_the_ring_and_what_a_run_takes_beyond_it():
    images = np.zeros((2048, 4096), np.float32)  # 32 MiB
    images[:, 0] = np.arange(2048) % CLASSES
    memory_of = {}
    for extra in (0, 64 << 20):

        def infer(x, extra=extra):
            held = np.ones(extra, np.uint8)
            time.sleep(0.005)
            return outputs_of(x) + held[:0].sum()

        piped = runs.pipeline([Direct(infer, 128)], images, 128, times=2, readers=2)
        assert piped.ran.answers.tolist() == (np.arange(2048) % CLASSES).tolist()
        assert piped.ring_bytes == 4 * 128 * 4096 * 4
        assert (piped.images, piped.images_s) == (4096, 4096 / piped.ran.seconds)
        memory_of[extra] = piped.peak_bytes
    assert memory_of[0] >= piped.ring_bytes
    assert memory_of[64 << 20] > memory_of[0] + (40 << 20)


def test_pinned_memory_that_the_system_does_not_count_counts():
    room = np.ones(1 << 20, np.float32)
    buffers = iter(np.split(room, 8))  # was there before
    piped = runs.pipeline([Direct(outputs_of, 8)], images_of(8), 8, allocate=lambda shape, dtype: next(buffers)[: 8 * WIDTH].reshape(shape))
    assert piped.peak_bytes >= piped.ring_bytes == 3 * 8 * WIDTH * 4


def test_outputs_and_what_decodes_and_classes_that_a_model_gives():
    images = images_of(20)
    given = {"count": 20, "shape": (WIDTH,)}
    assert np.array_equal(
        runs.pipeline([Direct(outputs_of, 8)], decode_of(images), 8, classes=False, **given).ran.answers, outputs_of(images)
    )
    classes = Direct(lambda x: x[:, 0].astype(np.int32), 8)
    assert runs.pipeline([classes], images, 8).ran.answers.tolist() == images[:, 0].tolist()
    with pytest.raises(ReportError, match="0 images, 1 times"):
        runs.pipeline([classes], images[:0], 8)
    assert not [thread for thread in threading.enumerate() if thread.name == "memory"]
