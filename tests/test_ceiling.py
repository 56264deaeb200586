"""lib/plans/ceiling.py and lib/trt/ceiling.py: the right matrices, times and reasons. The GPU and the worker are stand-ins."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import onnx_session
from lib.errors import WrongOutput
from lib.experiment import profile as config
from lib.measure import work
from lib.plans import ceiling as plans_ceiling
from lib.plans.ceiling import COPIES, FROM_GPU, NEEDED_MIB, TO_GPU, WITHIN, Rate, Sizes
from lib.plans.remote import WorkerEnded
from lib.trt import build, ceiling, versions
from lib.trt.versions import EngineError

SMALL = Sizes(rows=64, ends=16, inner=32, depth=2)
GPU = {"name": "NVIDIA H100 80GB HBM3", "memory.total": "81559"}
TYPES = ("fp16", "int8", "fp32", "tf32")
needs_rtx = pytest.mark.skipif(versions.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")


def answers(product):
    return onnx_session.start(product.onnx).run(["y"], {"x": product.given})[0]


# --- the chain


@pytest.mark.parametrize("kind", TYPES)
def test_the_chain_is_what_it_is_said_to_be(kind):
    made = plans_ceiling.product(kind, SMALL)
    got = answers(made)
    assert (got.shape, got.dtype) == ((64, 16), np.float16 if kind == "fp16" else np.float32)
    assert made.rows == [0, 1, 62, 63]
    apart = np.linalg.norm(got[made.rows] - made.expected) / np.linalg.norm(made.expected)
    assert apart < {"fp16": 3e-3, "int8": 2e-2}.get(kind, 1e-5)
    assert 0.5 < got.astype(float).std() < 2  # neither dies away nor grows from product to product
    onnx.checker.check_model(onnx.load_model_from_string(made.onnx), full_check=True)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.sampled_from(TYPES))
@settings(max_examples=25)
def test_its_flop_are_those_of_its_onnx(rows, ends, inner, depth, kind):
    sizes = Sizes(rows, ends, inner, depth)
    model = onnx.load_model_from_string(plans_ceiling.product(kind, sizes).onnx)
    assert work.whole(model, "x", (rows, ends)).flop == sizes.flop


def test_the_large_one_is_bound_by_arithmetic_and_takes_milliseconds():
    """On the largest and the smallest of today's cards: by far more FLOP a byte than any has, and no gigabytes."""
    sizes = plans_ceiling.LARGE
    moved = sum(2 * (sizes.rows * (a + b) + a * b) for a, b in zip(sizes.widths, sizes.widths[1:], strict=False))
    assert sizes.flop / moved > 1500
    assert 2e-3 < sizes.flop / 1e15 < 1  # s
    assert moved < 2 << 30


@needs_rtx
@pytest.mark.parametrize("kind", ["fp16", "int8", "fp32"])
def test_tensorrt_builds_it_in_its_type(kind, tmp_path):
    (tmp_path / "chain.onnx").write_bytes(plans_ceiling.product(kind, SMALL).onnx)
    built = build.build(tmp_path / "chain.onnx", plans_ceiling.PRECISION_OF[kind], SimpleNamespace(**plans_ceiling.SETTINGS))
    assert built.plan
    assert {layer.type for layer in built.layers if layer.is_product} == {kind}


def test_the_settings_are_those_that_builds_read():
    assert plans_ceiling.SETTINGS.keys() <= config.Engines.model_fields.keys()


# --- rounds


class Worker:
    """A worker whose engines are computed by ONNX Runtime. spoil: what asking changes or raises, a function of (ask, number of calls)."""

    def __init__(self, gpu=GPU, cuda=True, lacking=None, types=None, spoil=lambda ask, number: None):
        self.about = {"gpu": gpu, "cuda": cuda, "lacking": lacking or {}}
        self.alive, self.asked, self.held = True, [], {}
        self._types, self._spoil = types, spoil

    def ask(self, what, limit_s=0.0, arrays=None, **message):
        self.asked.append(what)
        spoilt = self._spoil(what, self.asked.count(what))
        told, made = getattr(self, f"_{what}")(**{**(arrays or {}), **message})
        return told, made | (spoilt or {})

    def _build(self, onnx, precision, settings):
        return {}, {"plan": precision.encode() + b" " + onnx}

    def _open(self, plan):
        precision, _, network = plan.partition(b" ")
        kind = self._types or {"int8_qdq": "int8"}.get(precision.decode(), precision.decode())
        number = len(self.asked)
        self.held[number] = network
        return {"engine": number, "layers": [["product", "CaskGemmConvolution", kind, ""]] * 4}, {}

    def _time(self, engine, batch, output, seconds):
        (found,) = onnx_session.start(self.held[engine]).run([output], {"x": batch})
        return {}, {"gpu_ms": np.array([2.0, 4.0]), "latencies_ms": np.array([9.0]), "output": found}

    def _copies(self, seconds, size):
        assert size == ceiling.SIZE
        return {}, {WITHIN: np.array([0.5]), TO_GPU: np.array([8.0, 12.0]), FROM_GPU: np.array([20.0])}

    def _close(self, engine):
        del self.held[engine]
        return {}, {}


def measured(worker, **more):
    return plans_ceiling.measure(worker, slice_s=0.0, sizes=SMALL, **({"rounds": 3} | more))


def test_each_round_tells_a_time_of_each():
    worker = Worker()
    found = measured(worker, types=TYPES)
    assert found.keys() == {*TYPES, *COPIES}
    for kind in TYPES:
        assert found[kind] == Rate(SMALL.flop, [3.0] * 3)
    assert found[WITHIN] == Rate(2 * ceiling.SIZE, [0.5] * 3)  # read and written
    assert found[TO_GPU] == Rate(ceiling.SIZE, [10.0] * 3)
    assert found[FROM_GPU].per_s.value == pytest.approx(ceiling.SIZE / 0.02)
    assert not worker.held


def test_its_interval_is_over_rounds():
    found = Rate(6_000, [2.0, 3.0, 4.0]).per_s
    assert found.value == pytest.approx(6e6 / 24 ** (1 / 3))
    assert found.low < found.value < found.high


def test_the_order_is_drawn_anew_each_round():
    worker = Worker()
    measured(worker, rounds=12)
    order = [what for what in worker.asked if what in ("time", "copies")]
    assert len({tuple(order[i : i + 3]) for i in range(0, len(order), 3)}) == 3  # copies first, second or last


@pytest.mark.parametrize(
    ("worker", "reason"),
    [
        (Worker(gpu=None), "no_gpu"),
        (Worker(cuda=False), "not_installed"),
        (Worker(gpu=GPU | {"memory.total": str(NEEDED_MIB - 1)}), "small_gpu"),
    ],
)
def test_where_nothing_can_be_measured_that_is_the_reason_of_all(worker, reason):
    found = measured(worker)
    assert {one.key for one in found.values()} == {reason}
    assert found.keys() == {"fp16", "int8", *COPIES}
    assert all(one.text.en and one.text.ja for one in found.values())
    assert not worker.asked


def test_a_card_that_tells_no_memory_is_tried():
    assert isinstance(measured(Worker(gpu=GPU | {"memory.total": "[N/A]"}))["fp16"], Rate)


def raises(error, at, from_call=1):
    def spoil(what, number):
        if what == at and number >= from_call:
            raise error

    return spoil


@pytest.mark.parametrize("at", ["build", "open"])
def test_what_does_not_build_or_open_is_left_out_and_the_rest_is_measured(at):
    found = measured(Worker(spoil=raises(EngineError("out of memory"), at, from_call=2)))
    assert isinstance(found["fp16"], Rate)
    assert (found["int8"].key, found["int8"].values) == ("failed", {"message": "out of memory"})
    assert len(found[WITHIN].rounds_ms) == 3


def test_what_this_tensorrt_lacks_is_its_reason():
    worker = Worker(lacking={"int8_qdq": ["no_builder_flag", {"flag": "INT8"}]})
    assert measured(worker)["int8"].key == "no_builder_flag"
    assert worker.asked.count("build") == 1


def test_what_runs_in_another_type_is_no_ceiling_of_it():
    worker = Worker(types="fp32")
    found = measured(worker)
    assert found["fp16"].values["message"] == "products were asked for in fp16 and run in fp32"
    assert "time" not in worker.asked
    assert not worker.held


def test_what_fails_in_a_round_is_not_asked_again():
    worker = Worker(spoil=raises(EngineError("a sticky error"), "copies", from_call=2))
    found = measured(worker)
    assert {found[key].values["message"] for key in COPIES} == {"a sticky error"}
    assert worker.asked.count("copies") == 2
    assert len(found["fp16"].rounds_ms) == 3


@pytest.mark.parametrize("wrong", [lambda y: y * 0, lambda y: y[::-1], lambda y: y * np.nan], ids=["zeros", "rows", "nan"])
def test_what_computes_nothing_is_fast_and_no_ceiling(wrong):
    made = plans_ceiling.product("int8", SMALL)
    bad = wrong(answers(made))
    found = measured(Worker(spoil=lambda what, number: {"output": bad} if what == "time" else None), types=["int8"])
    assert found["int8"].key == "wrong_output"
    assert isinstance(found[WITHIN], Rate)


def test_a_worker_that_ends_is_not_asked_to_close():
    def ends(what, number):
        if what == "time":
            worker.alive = False
            raise WorkerEnded("killed by SIGSEGV")

    worker = Worker(spoil=ends)
    with pytest.raises(WorkerEnded):
        measured(worker)
    assert "close" not in worker.asked


# --- copies


class Card:
    """lib.cuda as far as copies go: memory is the host's, an event is a counter. broken: the copy that does nothing."""

    def __init__(self, broken=""):
        self.freed, self.pinned, self.log = 0, lambda shape, dtype: np.empty(shape, dtype), []
        card = self

        class DeviceMemory:
            def __init__(self, size):
                self.data = np.empty(size, np.uint8)

            def close(self):
                card.freed += 1

        class Stream:
            def copy(self, source, target):
                card.done("within", target.data, source.data, broken)

            def upload(self, host, device):
                card.done("to_gpu", device.data, host, broken)

            def download(self, device, host):
                card.done("from_gpu", host, device.data, broken)

            def timed(self, work):
                work()
                return 8.0 * {"to_gpu": 10, "within": 1, "from_gpu": 20}[card.log[-1]]

            def synchronize(self):
                card.log.append("wait")

        self.DeviceMemory, self.Stream = DeviceMemory, Stream

    def done(self, what, target, source, broken):
        self.log.append(what)
        if what != broken:
            target[:] = source


SIZE = 2 * ceiling.BLOCK


def test_copies_are_timed_in_rows_and_one_alone_is_told(monkeypatch):
    monkeypatch.setattr(ceiling, "cuda", card := Card())
    found = ceiling.copies(0.0, SIZE)
    assert {key: times.tolist() for key, times in found.items()} == {TO_GPU: [10.0], WITHIN: [1.0], FROM_GPU: [20.0]}
    assert found.keys() == set(COPIES)
    assert card.log == [*["to_gpu"] * 16, *["within"] * 16, *["from_gpu"] * 16, "wait"]  # a row that does not count, one that does
    assert card.freed == 2


@pytest.mark.parametrize("broken", COPIES)
def test_a_copy_that_does_nothing_is_noticed(broken, monkeypatch):
    monkeypatch.setattr(ceiling, "cuda", card := Card(broken))
    with pytest.raises(WrongOutput, match="other bytes came back"):
        ceiling.copies(0.0, SIZE)
    assert card.freed == 2


def test_they_go_on_for_so_many_seconds(monkeypatch):
    monkeypatch.setattr(ceiling, "cuda", Card())
    clock = iter(np.arange(0, 100, 0.25))
    monkeypatch.setattr(ceiling, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert [len(times) for times in ceiling.copies(1.0, SIZE).values()] == [4, 4, 4]
