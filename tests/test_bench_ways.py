"""`make bench` measures the ways of notebook 10 in the time it says: on the processor for real, on stand-ins of two TensorRTs."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from own import make
from stand_in_fast import command

from lib import bench, session
from lib.experiment import profile as config
from lib.measure import state
from lib.measure.fast import engines, here, paces, ways
from lib.measure.fast.engines import Pair
from lib.measure.state import Seen
from lib.plans import remote
from lib.report.versus import numbers
from lib.session import Session
from lib.store import stage_file
from lib.store.records import Reason, Record
from lib.store.run import Run

OLD, NEW, SECONDS = "8.5.3.1", "10.6.0", 8.0
SMALL = """
engines: {calibration_images: 16, calibration_batch: 8}
fast: {batch_sizes: [1, 8], lanes: [2], precisions: [fp16, int8_qdq], large_batches: [16]}
"""


@contextmanager
def calm() -> Iterator[Seen]:
    """Whatever else runs on these cores."""
    yield Seen(other_cpu=0.0)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's ONNX model of five classes, with pictures as files."""
    path = make.shapes(tmp_path_factory.mktemp("model"), test=5, calibration=4)
    path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ran(profile: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, float]:
    """A bench of the processor, and the seconds that it took; do not change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(tmp_path_factory.mktemp("outputs")))
        patch.delenv(remote.PYTHONS, raising=False)
        patch.setattr(here, "_absent", lambda: Reason("no_gpu"))
        patch.setattr(state, "watch", calm)
        started = time.monotonic()
        run = bench.measured(config.load(str(profile)), SECONDS)
        return run, time.monotonic() - started


def of_ways(run: Run) -> list[Record]:
    """What was timed of the ways."""
    return [one for one in run.of(bench.WAYS).records("pace") if one.value]


def test_without_a_gpu_the_processor_s_ways_are_timed_and_the_others_said(ran: tuple[Run, float]) -> None:
    run, seconds = ran
    lanes = {(one.candidate.key, one.batch_size) for one in of_ways(run) if one.candidate}
    assert lanes == {(key, size) for key in ("onnxrt/fp32", "onnxrt/fp32/+lanes2") for size in (1, 8)}
    assert {len(one.samples) for one in of_ways(run)} <= set(range(3, bench.WAY_ROUNDS + 1))
    said, code = bench.told(run, None)
    assert code == 0
    assert said.count("(2 lanes)") == 2
    assert "not measured: TensorRT FP16, INT8 (explicit): no NVIDIA GPU on this system" in said.splitlines()
    assert run.of(bench.WAYS).profile == run.profile
    assert 0.4 * SECONDS < seconds < 3 * SECONDS  # models that are missing are made besides


@pytest.mark.parametrize(("factor", "codes"), [(1.0, {0, 4}), (0.02, {3})])
def test_against_itself_it_ends_well_and_against_a_faster_run_with_3(
    ran: tuple[Run, float], factor: float, codes: set[int], tmp_path: Path
) -> None:
    """factor: what the lanes of the run of before took of the time that they take now."""
    run, _ = ran
    for name in (bench.STAGE, bench.WAYS):
        lines = (run.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        path = tmp_path / "before" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(faster(line, factor) if "+lanes2" in line else line for line in lines), encoding="utf-8")
        stage_file.reseal(path)
    said, code = bench.told(run, bench.before(str(tmp_path / "before")))
    assert code in codes, said
    assert ("bad: B is slower: ONNX Runtime (CPU) FP32 (2 lanes) (end to end)" in said) == (code == 3)


def faster(line: str, factor: float) -> str:
    """A record whose times are so many times as long."""
    values: dict[str, Any] = json.loads(line)
    record = values["record"]
    record["samples"] = [factor * ms for ms in record.get("samples", [])]
    return json.dumps(values, ensure_ascii=False) + "\n"


def session_of(profile: Path, run_id: str, **fast: Any) -> Session:
    """What the ways of a bench are measured with, in small. fast: of the profile's section, besides."""
    loaded = config.load(str(profile))
    small = loaded.fast.model_copy(update={"batch_sizes": [8], "rounds": 3, "warmup_s": 0.0} | fast)
    return Session(loaded.model_copy(update={"fast": small}), bench.WAYS, run_id=run_id)


def test_of_every_tensorrt_small_batches_the_largest_and_a_pipeline_are_timed(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.PYTHONS, "; ".join(shlex.join(command(version)) for version in (OLD, NEW)))
    asked = session_of(profile, "bench")
    paces.measure(asked, 0.1)
    paces_ = [one for one in asked.records if one.metric == "pace" and one.value and one.candidate]
    timed = {(one.batch_size, one.candidate.key, one.case["tensorrt"]) for one in paces_}
    called = {8: ("", "/+graph", "/+graph+lanes2", "/+graph+lanes2+uint8+classes", "/+graph+uint8+classes")}
    called[16] = ("/+graph+lanes3", "/+graph+lanes3+uint8+classes", "/+graph+uint8+classes")
    expected = {(size, f"tensorrt/fp16{way}", version) for version in (OLD, NEW) for size in called for way in called[size]}
    assert timed == expected | {(16, f"tensorrt/int8_qdq{way}", version) for version in (OLD, NEW) for way in called[16]}
    assert {one.metric for one in asked.records} == {"pace", "agreement", "accuracy", "device_memory", "other_cpu", "pipeline"}
    piped = [one for one in asked.records if one.metric == "pipeline"]
    through = [(one.candidate.precision, one.case["tensorrt"], one.case["source"]) for one in piped if one.candidate]
    assert through == [(precision, version, "memory") for precision in ("fp16", "int8_qdq") for version in (OLD, NEW)]
    assert all(one.value and one.batch_size in called for one in piped), [one.reason for one in piped]
    trtexec = {one.candidate.key for one in asked.records if one.candidate and one.candidate.runner == "trtexec"}
    assert trtexec == {"trtexec/fp16/+graph", "trtexec/fp16/+graph+lanes2"}  # by its defaults alone: a process a slice takes its time
    assert asked.profile.fast.slice_s == paces.LEAST_SLICE_S


class Planned(NamedTuple):
    """A block of 20 slices, which take 5 s beyond their own time."""

    session: Session
    seconds: float = 0.0
    images: int | None = None

    @property
    def timed_s(self) -> float:
        """As a block's."""
        return 5 + 20 * self.session.profile.fast.slice_s

    def measured(self) -> list[Record]:
        """Nothing but the seconds that it may take."""
        return [Record("build_time", "s", self.seconds)]


@pytest.mark.parametrize(("seconds", "slice_s"), [(20.0, 0.5), (0.5, paces.LEAST_SLICE_S), (1e6, paces.MOST_SLICE_S)])
def test_slices_fill_the_seconds_and_what_is_not_timed_takes_none_of_them(profile: Path, seconds: float, slice_s: float) -> None:
    asked = Session(config.load(str(profile)), bench.WAYS)
    timed = [Planned(asked), Planned(asked)]
    paces._fill(asked, timed, seconds)  # type: ignore[arg-type]
    assert asked.profile.fast.slice_s == pytest.approx(slice_s)
    found = paces._measured([*timed, Planned(asked)])  # type: ignore[list-item]
    assert [one.value for one in found] == [pytest.approx(paces.LONGER * (5 + 20 * slice_s))] * 3


def test_where_the_largest_batch_finds_no_memory_the_next_one_is_timed(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.PYTHONS, shlex.join(command(NEW)))
    monkeypatch.setattr(
        ways,
        "large",
        lambda session, precision, size, pairs, real=ways.large: real(
            session, precision, size, pairs if size < 32 else [failing(one) for one in pairs]
        ),
    )
    asked = session_of(profile, "bench", large_batches=[16, 24, 32, 1 << 20])
    paces.measure(asked, 0.1)
    timed = {(one.candidate.precision, one.batch_size) for one in asked.records if one.metric == "pace" and one.value and one.candidate}
    assert timed == {("fp16", 8), ("fp16", 24), ("int8_qdq", 24)}
    assert {one.reason.key for one in asked.records if one.metric == "pace" and one.batch_size == 32 and one.reason} == {"failed"}


def failing(pair: Pair) -> Pair:
    return pair._replace(plain=pair.plain._replace(built=Reason("failed")), compact=pair.compact._replace(built=Reason("failed")))


def test_a_precision_whose_engines_cannot_be_built_any_more_has_failed(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.PYTHONS, shlex.join(command(NEW)))
    runs = []
    for name in ("before", "after"):
        asked = session_of(profile, name)
        paces.measure(asked, 0.1)
        runs.append(asked.save(asked.folder / name))
        monkeypatch.setattr(engines, "_built", no_int8)
    before, after = runs
    assert {one.key for one in numbers.broken(before, after)} == {
        f"tensorrt/int8_qdq/+graph{way}" for way in ("+uint8+classes", "+lanes3", "+lanes3+uint8+classes")
    }
    assert "failed" in {one.reason.key for one in after.records("pipeline") if one.reason}


def no_int8(session: Session, worker: Any, recipe: Any, way: Any, like: Any, real: Any = engines._built) -> engines.Engine:
    one = real(session, worker, recipe, way, like)
    return one._replace(built=Reason("failed")) if recipe.precision == "int8_qdq" else one


def test_without_large_batches_every_precision_is_timed_at_the_small_ones(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote.PYTHONS, shlex.join(command(NEW)))
    asked = session_of(profile, "bench", large_batches=[])
    monkeypatch.setattr(paces, "IMAGES", 3)
    paces.measure(asked, 0.1)
    timed = {(one.candidate.precision, one.batch_size) for one in asked.records if one.metric == "pace" and one.value and one.candidate}
    assert timed == {("fp16", 8), ("int8_qdq", 8)}
    assert [one.candidate.precision for one in asked.records if one.metric == "pipeline" and one.value and one.candidate] == [
        "fp16",
        "int8_qdq",
    ]
    assert {one.stats["total"] for one in asked.records if one.metric == "agreement" and one.value is not None} == {3}
