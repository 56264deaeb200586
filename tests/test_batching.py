"""The sweep on runners that the test makes, and what notebook 06 says of records whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib.cuda import CudaError
from lib.errors import NotMeasured
from lib.experiment import system
from lib.measure import state, sweep
from lib.measure.sweep import Configuration
from lib.pages.batching import figures
from lib.pages.batching import rules as batching
from lib.pages.batching import tables as batching_tables
from lib.runners import RUNNERS, null
from lib.store.records import Record
from lib.store.session import Session
from lib.text import LANGUAGES, Text

SIZES = (1, 8, 32)
REASON = Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない")


def pair(runner: str, precision: str, size: int, rate: float, spread: float = 0.05, stable: bool = True, load: float = 1.0) -> list[Record]:
    """Latency and throughput of one configuration with a known throughput."""
    latency_ms = 1e3 * size / rate
    stats = {"stable": stable, "threads": 2, "n": 500, "after": {"load": load}, "before": {"load": load}}
    percentiles = {"p50": latency_ms, "p90": latency_ms * 1.2, "p95": latency_ms * 1.3, "p99": None}
    common = {"runner": runner, "precision": precision, "batch_size": size, "scope": sweep.SCOPE}
    return [
        Record("latency", "ms", latency_ms, **common, stats=stats | percentiles),
        Record("throughput", "images/s", rate, **common, stats=stats | {"ci_low": rate * (1 - spread), "ci_high": rate * (1 + spread)}),
    ]


def empty(runner: str, precision: str, size: int, reason: Text = REASON, **stats: bool) -> list[Record]:
    common = {"runner": runner, "precision": precision, "batch_size": size, "scope": sweep.SCOPE, "reason": reason, "stats": stats}
    return [Record("latency", "ms", None, **common), Record("throughput", "images/s", None, **common)]


@pytest.fixture
def recorded() -> list[Record]:
    rates = {
        ("savedmodel", "fp32"): (500, 2000, 2100),
        ("onnxrt", "fp32"): (1000, 3000, 4000),
        ("onnxrt", "int8_qdq"): (900, 2000, 2500),
        ("null", "fp32"): (1e6, 8e6, 3e7),
    }
    records = [r for key, values in rates.items() for size, rate in zip(SIZES, values, strict=True) for r in pair(*key, size, rate)]
    return records + [r for size in SIZES for r in empty("tensorrt", "fp16", size)]


def said(records: list[Record], *words: str) -> list[str]:
    """Levels of the findings that hold all words."""
    return [f.level for f in batching.findings(records) if all(word in f.text.en for word in words)]


def test_findings_name_the_best_batch_and_the_gain(recorded: list[Record]) -> None:
    assert said(recorded, "ONNX Runtime (CPU) FP32", "at batch 32", "4,000 images/s [3,800, 4,200]", "interval is 32")
    assert said(recorded, "SavedModel FP32", "at batch 32", "interval is 8")  # 2,000 lies in 2,100 ± 5 %
    assert said(
        recorded,
        "Batch 32 against 1",
        "most with TensorFlow SavedModel FP32, 4.20×",
        "(CPU) INT8 (explicit), 2.78×",
    )
    assert said(recorded, "ONNX Runtime (CPU) INT8 (explicit) is slower than FP32", "0.62×") == ["note"]
    assert said(recorded, "All 12 measurements were stable") == ["good"]
    assert said(recorded, "Not measured: TensorRT (no NVIDIA GPU on this system)") == ["note"]
    calibrated = recorded + empty("tensorrt", "int8", 1, Text("no calibrators", "なし"))
    assert said(calibrated, "Not measured: TensorRT FP16 (no NVIDIA GPU on this system)") == ["note"]
    assert said(calibrated, "Not measured: TensorRT INT8 (calibrated) (no calibrators)") == ["note"]
    over = Text("the largest batch of this engine is 8", "最大バッチサイズは8である")
    partly = calibrated + pair("tensorrt", "int8_qdq", 1, 100) + empty("tensorrt", "int8_qdq", 32, over)
    assert said(partly, "Not measured: TensorRT INT8 (explicit) (batch 32: the largest batch of this engine is 8)") == ["note"]
    assert batching_tables.detail(partly)[-1]["batch_size"] == "32"
    part = pair("cpp", "fp32", 1, 100) + empty("cpp", "fp32", 32, over) + empty("cpp", "fp32", 64, over)
    assert said(recorded + part, "Not measured: TensorRT (C++) (batch 32, 64: the largest batch of this engine is 8)") == ["note"]
    assert said(recorded, "up to 0.1% of a latency") == ["good"]
    assert not said(recorded, "Other programs")
    assert "bad" not in {f.level for f in batching.findings(recorded)}


def test_findings_doubt_what_is_doubtful(recorded: list[Record]) -> None:
    shaky = recorded + pair("tflite", "fp32", 8, 100, stable=False, load=5.5)
    assert said(shaky, "1 of 13 measurements were not stable") == ["note"]
    assert said(shaky, "load average up to 5.5 on 2 cores") == ["note"]
    assert said(shaky, "TensorFlow Lite (CPU) FP32: highest") == ["note"]
    shaky_int8 = [r for r in recorded if r.precision != "int8_qdq"] + pair("onnxrt", "int8_qdq", 32, 100, stable=False)
    assert not said(shaky_int8, "slower than FP32")
    for rate, share, level in ((10_000, "10.0%", "note"), (3_900, "25.6%", "bad")):
        slow_harness = [r for r in recorded if r.runner != "null"] + pair("null", "fp32", 1, rate)
        assert said(slow_harness, f"Measuring itself costs up to {share}", "is not the runner's") == [level]
    wrong = recorded + empty("tflite", "fp16", 1, Text("broken", "不正"), wrong_output=True)
    assert said(wrong, "TensorFlow Lite (CPU) FP16, batch 1: broken") == ["bad"]
    assert not said(wrong, "Not measured: TensorFlow Lite")
    lost = recorded + empty("tflite", "fp16", 8, Text("failed: no memory", "失敗した：メモリ不足"), failed=True)
    assert said(lost, "TensorFlow Lite (CPU) FP16, batch 8: failed: no memory") == ["bad"]
    assert not said(lost, "Not measured: TensorFlow Lite")
    assert batching_tables.detail(lost)[-1]["batch_size"] == "8"


def test_no_measurement_at_all_is_still_a_report() -> None:
    records = empty("tensorrt", "fp16", 1)
    assert [f.level for f in batching.findings(records)] == ["note"]
    assert [row["throughput"] for row in batching_tables.summary(records)] == [REASON]
    assert figures.throughput(records, "en") is not None


def test_a_difference_within_the_intervals_is_no_finding(recorded: list[Record]) -> None:
    close = [r for r in recorded if r.precision != "int8_qdq"] + pair("onnxrt", "fp16", 32, 3900)
    assert not said(close, "slower than FP32")


def test_tables_leave_nothing_out(recorded: list[Record]) -> None:
    rows = batching_tables.detail(recorded)
    assert len(rows) == 12 + 1  # what cannot run is one row for all batch sizes
    assert rows[-1]["throughput"] == REASON
    assert rows[-1]["batch_size"] == batching_tables.ALL
    assert rows[0]["p99"] is None
    summary = {(row["runner"].en, row["precision"].en): row for row in batching_tables.summary(recorded)}
    assert len(summary) == 4
    best = summary["TensorFlow SavedModel", "FP32"]
    assert (best["batch_size"], best["enough"], best["throughput"]) == (32, 8, 2100)
    assert best["gain"] == pytest.approx(4.2)
    assert best["gain_low"] < 4.2 < best["gain_high"]
    assert "batch 32 over batch 1" in batching_tables.summary_caption(recorded).en


def test_method_and_folded_table_in_both_languages(recorded: list[Record], quick: Session) -> None:
    values = {row["what"].en: row["value"] for row in batching_tables.method(quick)}
    assert values["calls that a percentile needs"] == "p90: 100, p95: 200, p99: 1,000"
    assert values["seed of the random order"] == quick.run_id
    for language in LANGUAGES:
        html = batching_tables.folded(recorded, language)
        assert html.count("<tr>") == 1 + 13
        assert REASON.in_(language) in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("draw", [figures.throughput, figures.latency])
def test_figures_have_a_panel_a_runner_and_log_axes(draw, language, recorded: list[Record]) -> None:
    shaky = recorded + [r for size in SIZES for name in ("tflite", "onnxrt_cuda") for r in pair(name, "fp16", size, 100, stable=False)]
    figure = draw(shaky, language)
    figure.canvas.draw()
    titles = [panel.get_title() for panel in figure.axes if panel.get_title()]
    assert titles == [RUNNERS[name].label.in_(language) for name in ("savedmodel", "onnxrt", "onnxrt_cuda", "tflite")]
    assert {panel.get_xscale() for panel in figure.axes[:4]} == {"log"}
    assert ("対数" if language == "ja" else "log") in figure.axes[0].get_ylabel()
    labels = figure.axes[1].texts
    assert [text.get_color() for text in labels] == [batching.PRECISIONS[p].colour for p in ("fp32", "int8_qdq")][
        :: 1 if draw == figures.latency else -1
    ]


def test_labels_keep_apart_and_inside() -> None:
    moved = figures._apart({"a": 0.99, "b": 0.98, "c": 0.1})
    assert max(moved.values()) <= figures.CEILING < 1
    assert moved["c"] == 0.1
    assert abs(moved["a"] - moved["b"]) >= figures.LABEL_GAP - 1e-9


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [([1, 8, 32, 64, 256], [1, 8, 32, 256]), ([2**k for k in range(9)], [1, 4, 16, 64, 256]), ([4], [4]), ([1, 2], [1, 2])],
)
def test_batch_sizes_whose_numbers_would_touch_have_no_tick(sizes, shown) -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    axes.set_xscale("log")
    figures._ticks(axes, sizes)
    assert [int(tick.get_text()) for tick in axes.get_xticklabels()] == shown


class Broken(null.Null):
    """Fast, because it computes nothing right."""

    name, label, precisions = "broken", Text("broken", "故障"), ("fp32",)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return np.full((len(batch), 10), np.nan, np.float32)


class Small(null.Null):
    """Takes no more than eight images."""

    name, label, max_batch = "small", Text("small", "小"), 8


class OnGpu(null.Null):
    """Tells how long the GPU took: a microsecond an image."""

    name, label = "on_gpu", Text("on GPU", "GPU上")

    def infer(self, batch: np.ndarray) -> np.ndarray:
        self.last = len(batch)
        return super().infer(batch)

    def gpu_ms(self) -> float:
        return self.last * 1e-3


class Lost(OnGpu):
    """Fails once the GPU alone is timed."""

    name, label = "lost", Text("lost", "喪失")

    def gpu_ms(self) -> float:
        raise CudaError("timing on the GPU: CUDA says: launch failed")


class Spoilt(OnGpu):
    """Answers right until the GPU alone is timed."""

    name, label, spoilt = "spoilt", Text("spoilt", "破損"), False

    def infer(self, batch: np.ndarray) -> np.ndarray:
        return super().infer(batch) * (np.nan if self.spoilt else 1)

    def gpu_ms(self) -> float:
        self.spoilt = True
        return super().gpu_ms()


class Restless(OnGpu):
    """Takes longer each time."""

    name, label, calls = "restless", Text("restless", "不安定"), 1.0

    def gpu_ms(self) -> float:
        self.calls *= 100
        return self.calls


class Unstartable(null.Null):
    """Looks as if it could run."""

    name, label = "unstartable", Text("unstartable", "起動不可")

    def __enter__(self) -> Unstartable:
        raise NotMeasured("no driver")


class Unloadable(null.Null):
    """Should start and does not."""

    name, label = "unloadable", Text("unloadable", "読込不可")

    def __enter__(self) -> Unloadable:
        raise CudaError("allocating 12 bytes on the GPU: no device memory left")


class Unlaunched(null.Null):
    """Starts, then fails at batch 32."""

    name, label = "unlaunched", Text("unlaunched", "実行不可")

    def infer(self, batch: np.ndarray) -> np.ndarray:
        if len(batch) == 32:
            raise CudaError("waiting for the GPU: CUDA says: launch failed")
        return super().infer(batch)


class Unfit(null.Null):
    """Finds only when it runs that this system cannot."""

    name, label = "unfit", Text("unfit", "不適合")

    def infer(self, batch: np.ndarray) -> np.ndarray:
        raise NotMeasured("no such instruction")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    for runner in (Broken, Small, OnGpu, Lost, Spoilt, Restless, Unstartable, Unloadable, Unlaunched, Unfit):
        monkeypatch.setitem(RUNNERS, runner.name, runner)


@pytest.mark.usefixtures("made")
def test_sweep_gives_two_records_of_every_configuration_in_the_order_asked_for(quick: Session) -> None:
    asked = [Configuration(name, "fp32", size) for name in ("null", "broken", "small", "unstartable", "tensorrt") for size in (32, 1)]
    records = sweep.run(quick, asked)
    assert [(r.runner, r.precision, r.batch_size) for r in records[::2]] == [tuple(c) for c in asked]
    assert [(r.metric, r.unit, r.scope) for r in records[:2]] == [("latency", "ms", "end_to_end"), ("throughput", "images/s", "end_to_end")]
    by = {(r.runner, r.batch_size): r for r in records if r.metric == "latency"}
    assert by["null", 32].value == by["null", 32].stats["p50"] == pytest.approx(np.median(by["null", 32].samples))
    assert len(by["null", 32].samples) == by["null", 32].stats["n"]
    assert {"before", "after", "threads", "stable", "window_means_ms"} <= by["null", 32].stats.keys()
    assert by["broken", 1].stats == {"wrong_output": True}
    assert by["broken", 1].reason is not None
    assert by["small", 1].value is not None
    assert by["small", 32].reason == Text("the largest batch of this engine is 8", "このエンジンの最大バッチサイズは8である")
    assert "no driver" in by["unstartable", 1].reason.en
    assert by["tensorrt", 1].reason == RUNNERS["tensorrt"].unavailable("fp32")


@pytest.mark.usefixtures("made")
def test_time_on_the_gpu_stands_beside_that_of_the_call_and_in_the_table(quick: Session) -> None:
    records = sweep.run(quick, [Configuration(name, "fp32", size) for name in ("null", "on_gpu") for size in (1, 32)])
    by = {(r.runner, r.metric, r.batch_size): r for r in records}
    latency = by["on_gpu", "latency", 32]
    assert latency.stats["gpu_compute"] | {"p50": 0.032, "stable": True} == latency.stats["gpu_compute"]
    assert latency.value != sweep.on_gpu(latency) == pytest.approx(0.032)
    assert sweep.on_gpu(by["on_gpu", "throughput", 1]) == pytest.approx(0.001)
    assert sweep.on_gpu(by["null", "latency", 1]) is None
    assert [row["gpu"] for row in batching_tables.detail(records)] == [None, None, pytest.approx(0.001), pytest.approx(0.032)]
    assert "GPU compute" in batching_tables.folded(records, "en")
    assert "GPU compute" not in batching_tables.folded(records[:4], "en")


@pytest.mark.usefixtures("made")
def test_what_goes_wrong_while_the_gpu_is_timed_is_told(quick: Session) -> None:
    records = sweep.run(quick, [Configuration(name, "fp32", 1) for name in ("lost", "spoilt", "restless")])
    lost, spoilt, restless = (r for r in records if r.metric == "latency")
    assert "launch failed" in lost.reason.en
    assert lost.stats == {"failed": True}
    assert "not all values are finite" in spoilt.reason.en
    assert spoilt.stats == {"wrong_output": True}
    assert restless.value is not None
    assert sweep.on_gpu(restless) == sweep.UNSETTLED
    assert sweep.on_gpu(lost) == lost.reason


@pytest.mark.usefixtures("made")
def test_a_failure_is_a_record_of_its_own_and_the_others_go_on(quick: Session) -> None:
    names = ("unloadable", "null", "unlaunched", "unfit", "broken", "unstartable")
    records = sweep.run(quick, [Configuration(name, "fp32", size) for name in names for size in (1, 32)])
    by = {(r.runner, r.batch_size): r for r in records if r.metric == "throughput"}
    assert [key for key, r in by.items() if r.value is not None] == [("null", 1), ("null", 32), ("unlaunched", 1)]
    said = "waiting for the GPU: CUDA says: launch failed"
    assert by["unlaunched", 32].reason == Text(f"failed: {said}", f"失敗した：{said}")
    assert "failed: allocating 12 bytes on the GPU" in by["unloadable", 1].reason.en
    assert {key for key, r in by.items() if r.stats == {"failed": True}} == {("unloadable", 1), ("unloadable", 32), ("unlaunched", 32)}
    assert by["unfit", 1].reason.en == "no such instruction"
    assert {r.runner for r in by.values() if sweep.invalid(r)} == {"unloadable", "unlaunched", "broken"}


def test_order_is_drawn_from_run_and_stage(quick: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [Configuration("null", "fp32", size) for size in range(1, 21)]

    def order(opened: Session) -> list[int]:
        measured: list[int] = []

        def note(session: Session, configuration: Configuration, runner: object) -> list[Record]:
            measured.append(configuration.batch_size)
            return []

        monkeypatch.setattr(sweep, "_measured", note)
        sweep.run(opened, asked)
        return measured

    first = order(replace(quick, run_id="a"))
    assert sorted(first) == [c.batch_size for c in asked] != first
    assert order(replace(quick, run_id="a")) == first
    assert order(replace(quick, run_id="b")) != first
    assert order(replace(quick, run_id="a", stage="other")) != first


def test_inputs_repeat_images_where_there_are_too_few() -> None:
    x = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((3, 32, 32, 3), np.uint8)
    batch = sweep.inputs(x, 5)
    assert batch.shape == (5, 32, 32, 3)
    assert batch.dtype == np.float32
    assert np.allclose(batch[:, 0, 0, 0] * 255, [0, 1, 2, 0, 1])


def test_everything_is_every_runner_precision_and_batch_size() -> None:
    configurations = sweep.everything([1, 2])
    assert len(configurations) == len(set(configurations)) == 2 * sum(len(r.precisions) for r in RUNNERS.values())


def test_state_reads_gpus_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "gpus", list)
    assert "gpus" not in state.now()
    assert state.now()["load"] >= 0
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "a GPU"}])

    class Done:
        stdout = "1980, 2619, 120.50, 41, 0x0000000000000000\n"

    monkeypatch.setattr(state.subprocess, "run", lambda *args, **options: Done)
    assert state.now()["gpus"] == [dict(zip(state.GPU_STATE, ("1980", "2619", "120.50", "41", "0x0000000000000000"), strict=True))]

    def missing(*args: object, **options: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(state.subprocess, "run", missing)
    assert state.now()["gpus"] == []


def test_a_timing_that_failed_is_a_red_finding():
    reason = Text("failed: no launch", "失敗した：起動できない")
    common = {"runner": "tensorrt", "precision": "fp16", "batch_size": 16, "scope": "end_to_end"}
    lost = Record("latency", "ms", None, reason=reason, stats={"failed": True}, **common)
    absent = Record("latency", "ms", None, reason=Text("no GPU", "GPUがない"), **common)
    (found,) = sweep.failures([lost, absent, Record("latency", "ms", 1.0, **common)])
    assert (found.level, found.text.en) == ("bad", "FP16, timing: failed: no launch.")
