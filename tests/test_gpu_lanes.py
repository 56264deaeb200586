"""Lanes on a GPU, in workers (TENSORRT_PYTHONS, or the TensorRT of here): answers of every way to the bit, and memory that comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import small_network
from conftest import PYTHONS
from small_network import said

from lib import cuda
from lib.errors import ReportError
from lib.experiment import system
from lib.plans import lanes, remote
from lib.plans.lanes import Held, Recipe
from lib.plans.remote import Worker
from lib.serving import runs
from lib.serving.answers import Asked
from lib.serving.memory import resident
from lib.serving.pipeline import Pipeline
from lib.session import Session
from lib.trt import versions
from lib.trt.lane import Lanes
from lib.trt.lane_commands import Ringed
from lib.trt.versions import EngineError

BATCH, LANES = 32, 8
MIB = 1 << 20
APART = {"fp32": 1e-5, "fp16": 2e-2, "int8_qdq": 2e-2}  # of probabilities by other kernels of one precision
OPENINGS = int(os.environ.get("REPORT_OPENINGS", "1000"))
LAUNCHES = int(os.environ.get("REPORT_LAUNCHES", "10000"))
pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def team() -> Iterator[list[Worker]]:
    """A worker for each TensorRT that there is."""
    with remote.workers(remote.commands(PYTHONS) or [[sys.executable]]) as started:
        found = [one for one in started if isinstance(one, Worker) and one.about["gpu"] and one.about["flavour"] and one.about["cuda"]]
        if not found:
            pytest.skip("needs a GPU, TensorRT and pycuda")
        yield sorted(found, key=lambda one: system.version_order(one.tensorrt))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, team: list[Worker]) -> Iterator[Session]:
    """The quickstart's session with the small network in place of its exported model."""
    with small_network.opened(tmp_path_factory.mktemp("lanes"), "10_throughput") as found:
        yield found


@pytest.fixture(scope="module")
def images(opened: Session) -> np.ndarray:
    return opened.to_input(opened.images.x_test)[: 20 * BATCH]


def engine(opened: Session, worker: Worker, precision: str = "fp32", count: int = LANES) -> Any:
    return lanes.build(opened, worker, Recipe(precision, count, BATCH, BATCH))


def plainly(worker: Worker, artifact: Any, images: np.ndarray, output: str) -> np.ndarray:
    """What lib.trt.execution answers with the same plan."""
    told, _ = worker.ask("open", arrays={"plan": lanes.plan(worker, artifact)})
    try:
        parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        found = [worker.ask("infer", arrays={"batch": part}, engine=told["engine"], output=output)[1]["output"] for part in parts]
    finally:
        worker.ask("close", engine=told["engine"])
    return np.concatenate(found)


def memory(worker: Worker) -> dict[str, int]:
    return worker.ask("memory")[0]


def same_memory(worker: Worker, before: dict[str, int], what: str) -> None:
    after = memory(worker)
    host, device = after["host_bytes"] - before["host_bytes"], before["free_bytes"] - after["free_bytes"]
    print(f"\n  {worker.tensorrt}: {what}: host {host / MIB:+.2f} MiB, GPU {device / MIB:+.2f} MiB")
    assert device < 2 * MIB
    assert host < 16 * MIB


@pytest.mark.parametrize("precision", APART)
def test_lanes_answer_as_plain_calls_to_the_bit(opened, team, images, precision):
    """On 8.x each lane has a profile, which may have other kernels than the first one, the plain calls': there lanes are close to these."""
    for worker in team:
        made = engine(opened, worker, precision)
        expected = plainly(worker, made, images, opened.spec.output)
        for count in (1, 2, LANES):
            for graph in (False, True):
                with Held(worker, made, count, BATCH, graph=graph, output=opened.spec.output) as held:
                    found, seen = held.answers(images), []
                    one = held.timer(images[:BATCH], seen.append)(0.02)
                    assert np.array_equal(held.answers(images), found)  # also after it was timed
                apart = float(np.abs(found - expected).max())
                rate = BATCH / one.latencies_ms.mean() * 1e3
                print(f"\n  {worker.tensorrt} {precision} {count} lanes{' graph' * graph}: {rate:,.0f} images/s, apart {apart:.3g}")
                assert len(seen) == count
                most = 0 if count == 1 or worker.about["shared_profiles"] else APART[precision]
                assert apart <= most
                assert all(np.abs(output - expected[:BATCH]).max() <= most for output in seen)


def test_a_graph_answers_as_its_lane_without_one_to_the_bit(opened, team, images):
    for worker in team:
        made = engine(opened, worker)
        answers = []
        for graph in (False, True):
            with Held(worker, made, LANES, BATCH, graph=graph, output=opened.spec.output) as held:
                answers.append(held.answers(images))
        assert np.array_equal(*answers)


def test_graphs_of_several_batch_sizes_of_one_context(opened, team, images):
    """After another one was captured, and launched, each still computes its own."""
    for worker in team:
        made, sizes = engine(opened, worker), (1, 4, 16, BATCH)
        expected = {}
        for size in sizes:
            with Held(worker, made, 1, size, graph=False, output=opened.spec.output) as held:
                expected[size] = held.answers(images[:size])
        with Held(worker, made, 1, BATCH, sizes=sizes[:-1], output=opened.spec.output) as held:
            for size in (*sizes, *sizes[::-1], 4, 32, 1):
                assert np.array_equal(held.answers(images[:size]), expected[size]), size
            np.testing.assert_allclose(held.answers(images[:3]), expected[4][:3], atol=1e-6)


def test_lanes_with_graphs_are_faster_and_the_gpu_alone_is_not_slower_than_the_call(opened, team, images):
    for worker in team:
        made, means = engine(opened, worker, "fp16"), {}
        for count, graph in ((1, False), (1, True), (LANES, True)):
            with Held(worker, made, count, BATCH, graph=graph, output=opened.spec.output) as held:
                timed = held.timer(images[:BATCH], lambda output: None)
                slices = [timed(0.1) for _ in range(3)]
                means[count, graph] = float(np.median([one.latencies_ms.mean() for one in slices]))
                print(f"\n  {worker.tensorrt} {count} lanes{' graph' * graph}: {means[count, graph]:.4f} ms, enqueue {held.enqueue_ms}")
                if count == 1:
                    gpu_ms = float(np.median([np.median(one.gpu_ms) for one in slices]))
                    print(f"  GPU alone {gpu_ms:.4f} ms")
                    assert 0 < gpu_ms < 1.1 * means[count, graph]
        assert means[LANES, True] < 0.8 * means[1, False]


def test_what_is_refused_leaves_the_worker_right(opened, team, images):
    for worker in team:
        made = engine(opened, worker)
        with Held(worker, made, 2, BATCH, output=opened.spec.output) as held:
            right = held.answers(images[:BATCH])
            assert "takes 1 to 32" in said(EngineError, lambda held=held: held.timer(images[: BATCH + 1], print)(0.01))
            assert np.array_equal(held.answers(images[:BATCH]), right)
        assert "take 1 to 32" in said(EngineError, Held(worker, made, 2, 64).open)
        if not worker.about["shared_profiles"]:
            alone = engine(opened, worker, count=1)
            assert "wants an optimization profile for each" in said(EngineError, Held(worker, alone, 2, BATCH).open)


@pytest.mark.parametrize("graph", [False, True])
def test_a_pipeline_gives_what_its_lanes_give(opened, team, images, graph):
    for worker in team:
        with Held(worker, engine(opened, worker), 3, BATCH, graph=graph, output=opened.spec.output) as held:
            right = held.answers(images)
            last = images[: 3 * BATCH + 5]  # and a part of a batch
            found = held.pipeline(last, classes=False, readers=2).ran.answers
            np.testing.assert_allclose(found, right[: len(last)], atol=1e-5)
            piped = held.pipeline(images, readers=2, times=20)
            assert np.array_equal(piped.ran.answers, right.argmax(axis=1))
            assert piped.ran.changed == 0
            ring, most = piped.ring_bytes / MIB, piped.peak_bytes / MIB
            print(f"\n  {worker.tensorrt}: {piped.images_s:.0f} images/s, ring {ring:.2f}, at most {most:.2f} MiB")
            before = memory(worker)
            for _ in range(100):
                held.pipeline(images)
            same_memory(worker, before, "100 pipelines")


def test_a_hundred_pipelines_ended_by_an_error_leave_memory_as_after_the_first_ten(opened, team, images):
    """In this process, whose readers can be made to fail."""
    same = [worker for worker in team if versions.flavour() and worker.tensorrt == versions.version()]
    if not same:
        pytest.skip("needs the TensorRT of a worker in this environment too")
    plan, drawn = lanes.plan(same[0], engine(opened, same[0])), np.random.default_rng(0)
    with Lanes(plan, 3, BATCH, output=opened.spec.output) as held:
        ringed = [Ringed(one) for one in held.lanes]

        def ten() -> None:
            for number in drawn.integers(1, -(-len(images) // BATCH), 10):  # a batch that there is, and not the first

                def decode(start: int, stop: int, number: int = number) -> np.ndarray:
                    if start >= number * BATCH:
                        raise OSError("a file that is gone")
                    return images[start:stop]

                with pytest.raises(ReportError, match="pipeline: OSError: a file that is gone"):
                    Pipeline(ringed, BATCH, images.shape[1:], readers=2, allocate=cuda.pinned).run(decode, len(images))

        ten()
        before = cuda.free_bytes(), resident()
        for _ in range(9):
            ten()
        assert before[0] - cuda.free_bytes() < 2 * MIB
        assert resident() - before[1] < 16 * MIB
        right = held.answers(images)
        assert np.array_equal(runs.pipeline(ringed, images, BATCH, allocate=cuda.pinned).ran.answers, right.argmax(axis=1))


def test_scenarios_run_over_lanes(opened, team, images):
    able = [worker for worker in team if worker.about["loadgen"]]
    if not able:
        pytest.skip("needs mlcommons-loadgen")
    for worker in able:
        with Held(worker, engine(opened, worker), 4, BATCH, sizes=[1, 8], output=opened.spec.output) as held:
            asked = Asked(images, held.answers(images), 1e-4)
            for kind in runs.KINDS:
                print(f"\n  {worker.tensorrt} {kind}: {held.scenario(kind, asked, 1.0, rate=2000)}")


def test_layers_are_timed_and_say_what_they_do(opened, team, images):
    for worker in team:
        found = lanes.layer_times(worker, engine(opened, worker, "fp16"), images[:BATCH], 5)
        assert all(times.shape == (5,) and times.min() >= 0 for _, times in found)
        assert sum(times.mean() for _, times in found) > 0
        print(f"\n  {worker.tensorrt}: {[(layer.name, layer.metadata) for layer, _ in found]}")
        assert any("Conv" in layer.name + layer.metadata or "conv" in layer.name + layer.metadata for layer, _ in found)


def test_copies_are_measured(team):
    for worker in team:
        found = worker.ask("copies", seconds=0.1, size=256 * MIB)[1]
        rates = {key: 256 * MIB / times.mean() / 1e6 for key, times in found.items()}  # GB/s
        print(f"\n  {worker.tensorrt}: {rates}")
        assert 1 < rates["to_gpu"] < 1000
        assert 1 < rates["from_gpu"] < 1000
        assert rates["to_gpu"] < rates["within"] < 20000


def test_a_thousand_loads_and_closes_leave_memory_as_after_the_first_ten(opened, team, images):
    for worker in team:
        given = {"plan": lanes.plan(worker, engine(opened, worker))}

        def cycle(worker=worker, given=given):
            number = worker.ask("lanes_open", arrays=given, lanes=2, batch=BATCH)[0]["number"]
            found = worker.ask("lanes_answers", arrays={"images": images[: 2 * BATCH]}, number=number)[1]["output"]
            worker.ask("lanes_close", number=number)
            return found

        for _ in range(10):
            right = cycle()
        before = memory(worker)
        for _ in range(OPENINGS - 10):
            last = cycle()
        same_memory(worker, before, f"{OPENINGS} loads")
        assert np.array_equal(last, right)


def test_ten_thousand_graph_launches_leave_memory_as_after_the_first_ten(opened, team, images):
    for worker in team:
        with Held(worker, engine(opened, worker), LANES, BATCH, output=opened.spec.output) as held:
            timed = held.timer(images[:BATCH], lambda output: None)
            launches = 0
            timed(0.0)
            timed(0.0)
            before = memory(worker)
            while launches < LAUNCHES:
                launches += len(timed(0.2).latencies_ms)
            same_memory(worker, before, f"{launches} launches of graphs")
            assert held.answers(images[:BATCH]).shape == (BATCH, small_network.CLASSES)
