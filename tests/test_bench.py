"""`make bench`: one table, records of its own, and an earlier run held against this one. The runners are stand-ins that time themselves."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_report
from made_fast import NEW, OLD, WAYS, Made
from records import latency, missing

from lib import bench, session, stop
from lib.__main__ import main
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.measure import sweep
from lib.measure.fast import paces
from lib.measure.state import Seen
from lib.report.versus import sides
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.session import Session
from lib.store.records import Reason, Record
from lib.timer import Slice

NOISE = (1.002, 0.999, 1.001, 0.998)  # over again in every four rounds: how often warming up calls depends on the clock
REFERENCE, FP32, INT8, LITE = (
    Candidate(*key) for key in (("savedmodel", "fp32"), ("onnxrt", "fp32"), ("onnxrt", "int8_qdq"), ("tflite", "fp32"))
)
MS = {REFERENCE: 0.04, FP32: 0.02, INT8: 0.01, LITE: 0.03}  # a call of one image; of 32 it takes 16 times as long


class Bench:
    """The machine that is stood in for. ms: {candidate: ms a call, or what its timer raises}; other_cpu: what else it does; ways: what is
    recorded of the ways to call; model: its SHA-256, "" where it cannot be exported."""

    def __init__(self, outputs: Path) -> None:
        self.outputs, self.ms, self.other_cpu, self.ways, self.model = outputs, dict[Candidate, Any](MS), 0.0, list[Record](), "a" * 64

    def onnx(self, session: Session, variant: str) -> SimpleNamespace:
        if not self.model:
            raise ModuleNotFoundError("tensorflow")
        return SimpleNamespace(size=lambda name: 1000, sha256=self.model)

    @property
    def kept(self) -> list[Path]:
        """The records of all runs, the oldest first."""
        return sorted((self.outputs / "quickstart" / "bench").rglob(f"{bench.STAGE}.jsonl"), key=lambda path: path.stat().st_mtime_ns)

    def __call__(self, against: Path | str = "", minutes: str = "0.01", percent: str = "") -> int:
        return main(["bench", "--minutes", minutes, "--against", str(against), "--percent", percent])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    """The quickstart on a machine whose runners are stand-ins; TensorRT's cannot run there."""
    machine = Bench(tmp_path)

    class Fake(Runner):
        precisions = ("fp32",)

        def open(self) -> None:
            pass

        def infer(self, batch: np.ndarray) -> np.ndarray:
            raise AssertionError("a stand-in times itself")

        def timer(self, batch: np.ndarray) -> Callable[[float], Slice]:
            ms, noise = machine.ms[self.candidate], itertools.cycle(NOISE)

            def timed(seconds: float) -> Slice:
                if isinstance(ms, BaseException):
                    raise ms
                return Slice(np.full(4, ms * (16 if len(batch) == 32 else 1) * next(noise)))

            return timed

    class Absent(Fake):
        @classmethod
        def unavailable(cls, precision: str) -> Reason | None:
            return Reason("no_gpu")

    @contextmanager
    def watch() -> Any:
        yield Seen(other_cpu=machine.other_cpu)

    fakes = {"savedmodel": Fake, "onnxrt": type("Two", (Fake,), {"precisions": ("fp32", "int8_qdq")}), "tflite": Fake, "tensorrt": Absent}
    real = dict(RUNNERS)  # put back in this order: monkeypatch would turn it round
    RUNNERS.clear()
    RUNNERS.update(fakes)
    monkeypatch.setattr(sweep.state, "watch", watch)
    monkeypatch.setattr(paces, "measure", lambda session, seconds: session.record(*machine.ways))
    images = SimpleNamespace(x_test=np.zeros((40, 32, 32, 3), np.uint8), label="digits", class_names=["0", "1"])
    monkeypatch.setattr(Session, "images", images)
    monkeypatch.setattr(bench.export, "onnx", machine.onnx)
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    yield machine
    RUNNERS.clear()
    RUNNERS.update(real)


def rows(out: str) -> dict[tuple[str, str], list[str]]:
    """{(candidate, batch): cells} of a table in columns that two blanks keep apart."""
    head, *lines = out.split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert all(len(line) <= len(head.split("  ")) for line in cells)
    return {(line[0], line[1]): line[2:] for line in cells}


def test_one_table_with_intervals_and_what_is_missing_at_its_end(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert made() == 0
    out, err = capsys.readouterr()
    found = rows(out)
    assert set(found) == {(one.label.en, size) for one in MS for size in ("1", "32")}
    median, took, rate, ratio, of = found[INT8.label.en, "32"]
    assert (float(median), of) == (pytest.approx(0.16, rel=0.01), "own FP32")
    assert took.startswith("0.16 [0.159")
    assert rate.startswith("200,000 [")
    assert ratio.startswith("2.000 [")
    assert (found[FP32.label.en, "1"][3][:7], found[FP32.label.en, "1"][4]) == ("2.000 [", "reference")
    assert found[REFERENCE.label.en, "1"][3:] == ["–", "–"]
    assert f"not measured: {Candidate('tensorrt', 'fp32').label.en}: no NVIDIA GPU on this system" in out
    assert "4 of 5 candidates at batch 1 and 32" in err


def test_its_records_are_sealed_and_results_are_not_touched(made: Bench) -> None:
    made()
    path = made.kept[0]
    run = sides.there(str(path.parent))
    assert run is not None
    assert run.info.stage == path.stem == bench.STAGE
    assert {(one.candidate, one.batch_size) for one in run.records("latency") if one.value} == {
        (one, size) for one in MS for size in (1, 32)
    }
    assert not (made.outputs / "quickstart" / "results").exists()
    path.write_text(path.read_text().replace("onnxrt/fp32", "onnxrt/fp16"))
    with pytest.raises(ReportError, match="altered since it was recorded"):
        bench.before(str(path))


@pytest.mark.parametrize("how", [lambda path: path, lambda path: path.parent, lambda path: path.parents[1], lambda path: path.parents[2]])
def test_against_a_run_that_was_the_same_it_says_0(made: Bench, how: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]) -> None:
    made()
    capsys.readouterr()
    assert made(how(made.kept[0])) == 0
    out = capsys.readouterr().out
    assert {cells[-1] for cells in rows(out).values()} == {"no difference"}
    assert "A and B have the same dataset, model, system, versions" in out
    assert len(made.kept) == 2
    assert not (made.outputs / "quickstart" / "work").exists()


@pytest.mark.parametrize(
    ("models", "said"), [("ab", "A and B differ in the model. What"), (("", ""), "no record tells whether A and B have")]
)
def test_which_model_it_was_is_known_where_it_can_be_exported(
    made: Bench, models: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine with neither TensorFlow nor ONNX Runtime too: no candidate's own records tell it there."""
    for model in models:
        made.model = model and model * 64
        made(made.kept[0] if made.kept else "")
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("factor", "said", "code"), [(1.5, "slower", 3), (0.5, "faster", 0), (1.02, "cannot be told", 0)])
def test_what_is_slower_beyond_interval_and_least_ratio_ends_with_3(
    made: Bench, factor: float, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made()
    capsys.readouterr()
    made.ms[FP32] = factor * MS[FP32]
    assert made(made.kept[0]) == code
    out = capsys.readouterr().out
    found = rows(out)
    assert {found[FP32.label.en, size][-1] for size in ("1", "32")} == {said}
    assert found[FP32.label.en, "1"][-2].startswith(f"{1 / factor:.3f} [")
    assert found[LITE.label.en, "1"][-1] == "no difference"
    assert (f"bad: B is slower: {FP32.label.en}" in out) == (code == 3)


def test_a_larger_difference_may_be_asked_for(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    made.ms[FP32] = 1.5 * MS[FP32]
    capsys.readouterr()
    assert made(made.kept[0], percent="60") == 0
    assert "a difference counts beyond 60.0%" in capsys.readouterr().out


def test_against_an_earlier_run_everything_is_timed_as_in_that_one(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A slice of another length has another mean, of the same thing."""
    made(minutes="0.02")
    made(made.kept[0], minutes="")
    one, other = (sides.there(str(path.parent)) for path in made.kept)
    assert one is not None
    assert other is not None
    assert one.profile.measuring == other.profile.measuring
    assert bench._asked_s(one) == bench._asked_s(other) == pytest.approx(1.2)
    capsys.readouterr()
    assert made(made.kept[0], minutes="1") == 2
    assert capsys.readouterr().err.startswith("error: --minutes 1: slices of another length do not compare, so everything is timed as in")
    assert len(made.kept) == 2


def test_against_a_report_everything_is_timed_as_in_that_one(made: Bench) -> None:
    results = made.outputs / "quickstart" / "results" / "elsewhere"
    measuring, fast = {"rounds": 5, "slice_s": 0.003, "warmup_s": 0.001}, {"rounds": 4, "slice_s": 0.002, "warmup_s": 0.0}
    other = bench.profiles.load("quickstart").model_dump()
    other["measuring"] |= measuring
    other["fast"] |= fast
    small_report.recorded(results, "06_batching", [latency(FP32.key, NOISE, batch_size=1)], profile=other)
    made(results, minutes="")
    run = sides.there(str(made.kept[0].parent))
    assert run is not None
    assert measuring.items() <= run.profile.measuring.model_dump().items()
    assert fast.items() <= run.profile.fast.model_dump().items()
    assert {len(one.samples) for one in run.records("latency") if one.value} == {5}


def test_where_every_comparison_is_undecided_it_ends_with_4(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    capsys.readouterr()
    made.ms = {one: 1.02 * ms for one, ms in MS.items()}
    assert made(made.kept[0]) == 4
    out = capsys.readouterr().out
    assert {cells[-1] for cells in rows(out).values()} == {"cannot be told"}
    assert "warn: Nothing was decided" in out


def test_what_fails_now_and_did_not_before_ends_with_3(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    made.ms[LITE] = ReportError("it fell over")
    capsys.readouterr()
    assert made(made.kept[0]) == 3
    out = capsys.readouterr().out
    assert f"not measured: {LITE.label.en}: failed: it fell over" in out
    assert f"bad: {LITE.label.en} was measured in A and failed in B" in out


def test_a_disturbed_machine_judges_nothing_and_says_so(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    made.ms[FP32], made.other_cpu = 9.0, 0.5
    capsys.readouterr()
    assert made(made.kept[0]) == 4
    out = capsys.readouterr().out
    assert "other programs used 50% of the processor time" in out
    assert {cells[-1] for cells in rows(out).values()} == {"not judged"}


def test_a_report_s_latencies_serve_too_and_what_else_differs_is_said(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    results = made.outputs / "quickstart" / "results" / "elsewhere"
    before = [latency(FP32.key, [0.01 * noise for noise in NOISE], batch_size=1), latency("cpp/fp16", NOISE, batch_size=1)]
    before.append(latency(INT8.key, NOISE, batch_size=1, scope="gpu_compute"))
    small_report.recorded(results, "06_batching", before)
    assert made(results, minutes="") == 3
    out = capsys.readouterr().out
    found = rows(out)
    assert found[FP32.label.en, "1"][-1] == "slower"
    assert found[INT8.label.en, "1"][-1] == "not in the old run"
    assert re.search(r"A and B differ in the system and versions \(.*, …\), and no record tells whether they have the same model\.", out)
    assert f"Measured in A only: {Candidate.parse('cpp/fp16').label.en}" in out


def test_nothing_in_common_is_one_line_and_2(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    results = made.outputs / "quickstart" / "results" / "here"
    small_report.recorded(results, "06_batching", [latency("cpp/fp16", NOISE, batch_size=1)])
    assert made(results, minutes="") == 2
    assert "error: nothing shared with " in capsys.readouterr().out.splitlines()[-1]


def test_a_run_that_is_stopped_leaves_the_earlier_ones_as_they_were(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    (path,) = made.kept
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    made.ms[LITE] = KeyboardInterrupt()
    assert made(path) == stop.STATUS
    assert capsys.readouterr().err.endswith("error: stopped; the same command reuses what is built and measures again\n")
    assert {file: file.read_bytes() for file in (made.outputs / "quickstart" / "bench").rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("given", ["nowhere", "/", "quickstart", "with space/出力"])
def test_what_is_no_run_is_one_line(made: Bench, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(given) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: '{given}': nothing recorded there; name a folder")
    assert not made.kept


def test_minutes_that_are_none_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--minutes", "-1"]) == 2
    assert capsys.readouterr().err.startswith("error: --minutes -1: give a positive number")


def test_precisions_that_stand_alone_are_held_against_the_reference(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    RUNNERS["onnxrt"].precisions = ("int8_qdq",)
    assert made() == 0
    *_, ratio, of = rows(capsys.readouterr().out)[INT8.label.en, "1"]
    assert (ratio[:7], of) == ("4.000 [", "reference")


LANES = "tensorrt/fp16/+graph+lanes8"


def ways(*versions: str, **given: Any) -> list[Record]:
    """What the ways of a card would be: FP16 in both small batch sizes, beside rivals, and in large ones, with a pipeline."""
    kept = ("pace", "agreement", "accuracy", "other_cpu", "pipeline")
    return [one for one in Made(versions=versions or (NEW,), precisions=("fp16",), **given).records() if one.metric in kept]


def tables(out: str) -> list[dict[tuple[str, str], list[str]]]:
    """`rows` of each table, the heads left out."""
    parts = [part for part in out.split("\n\n") if part.startswith(("candidate", "way", "Comparison"))]
    return [rows(part) for part in parts]


def test_every_way_of_notebook_10_has_a_row_and_its_chief_comparisons(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made.ways = [*ways(OLD, NEW), missing("pace", "ms", "pytorch/tf32", "not_installed", batch_size=32, values={"package": "torch"})]
    assert made() == 0
    out = capsys.readouterr().out
    _, arms, ratios, newer = tables(out)
    ours, rate, times, of = arms[f"Python FP16 (8 lanes with graphs) on TensorRT {OLD}", "32"]
    assert (float(times.split()[0]), of) == (pytest.approx(3.1, rel=0.01), "plain calls")
    assert float(ours.split()[0]) == pytest.approx(0.125 / 3.1, rel=0.05)
    assert float(rate.split()[0].replace(",", "")) == pytest.approx(32e3 * 3.1 / 0.125, rel=0.05)
    assert arms["PyTorch FP16 (eager)", "1"][2:] == ["–", "–"]
    assert len([size for _, size in arms if size in ("1", "32")]) == 2 * (2 * 2 * len(WAYS) + 8)
    told = " ".join(pair for pair, _ in ratios)
    assert {label for label in ("PyTorch", "Polygraphy", "trtexec", "C++", "highest throughput") if label not in told} == set()
    assert newer[f"Python FP16 (8 lanes with graphs) on TensorRT {NEW}", "32"][1:] == [OLD, "slower"]
    version, _, _, ratio, outcome = ratios["Python FP16 (8 lanes with graphs) / Python FP16 (plain calls)", "32"]
    assert (version, ratio[:4], outcome) == (NEW, "2.68", "faster")
    (_, _, alone, ratio, outcome) = next(row for (pair, _), row in ratios.items() if "pipeline / GPU alone" in pair)
    assert (alone, ratio[:5], outcome) == ("1,785,368", "0.986", "held back by the lanes' own work (90%)")
    assert "\nhost memory of a pipeline: up to 1.08 times its ring of buffers\n" in out
    assert "not measured: PyTorch TF32: torch is not installed" in out
    assert "6 rounds, shared by all ways" in out


@pytest.mark.parametrize(("times", "said", "code"), [(1.0, "cannot be told", 0), (0.5, "slower", 3), (2.0, "faster", 0)])
def test_a_way_that_is_slower_beyond_its_interval_ends_with_3(
    made: Bench, times: float, said: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made.ways = ways()
    made()
    capsys.readouterr()
    made.ways = ways(ways=WAYS | {"+graph+lanes8": times * WAYS["+graph+lanes8"]})
    assert made(made.kept[0]) == code
    out = capsys.readouterr().out
    _, arms, _ = tables(out)
    assert arms["Python FP16 (8 lanes with graphs)", "32"][-1] == said
    assert arms["Python FP16 (one CUDA graph)", "32"][-1] == "no difference"
    assert (f"bad: B is slower: {Candidate.parse(LANES).label.en} on TensorRT {NEW} (end to end)" in out) == (code == 3)


def test_a_way_that_answers_wrongly_or_fails_now_ends_with_3(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made.ways = ways()
    made()
    capsys.readouterr()
    label = Candidate.parse(LANES).label.en
    made.ways = ways(wrong=[LANES])
    assert made(made.kept[0]) == 3
    out = capsys.readouterr().out
    assert "bad: answers wrongly, so that its speed counts for nothing: Python FP16 (8 lanes with graphs) at batch 1; " in out
    assert f"bad: {label} was measured in A and failed in B. Why: the output is wrong: 70.0%" in out
    assert made(made.kept[1]) == 0  # it was wrong before too
    lost = missing("pace", "ms", LANES, "failed", batch_size=32, scope="end_to_end", case={"tensorrt": NEW}, values={"message": "no"})
    made.ways = [lost if one.key == lost.key else one for one in ways()]
    capsys.readouterr()
    assert made(made.kept[0]) == 3
    assert f"bad: {label} was measured in A and failed in B. Why: failed: no" in capsys.readouterr().out


def test_a_disturbed_block_of_ways_is_not_judged_and_the_others_are(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made.ways = ways()
    made()
    capsys.readouterr()
    made.ways = ways(busy={"fp16 32": 0.5}, ways={way: times / 2 for way, times in WAYS.items()})
    assert made(made.kept[0]) == 3
    out = capsys.readouterr().out
    _, arms, ratios = tables(out)
    assert {cells[-1] for (_, size), cells in arms.items() if size == "32"} == {"not judged"}
    assert arms["Python FP16 (8 lanes with graphs)", "1"][-1] == "slower"
    assert {cells[-1] for (_, size), cells in ratios.items() if size == "32"} == {"disturbed"}
    assert "warn: fp16 32: " in out
    assert "warn: fp16 1: " not in out


def test_ways_of_another_tensorrt_are_not_the_old_run_s(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    made.ways = ways(OLD)
    made()
    capsys.readouterr()
    made.ways = ways(NEW)
    assert made(made.kept[0]) == 0
    _, arms, _ = tables(capsys.readouterr().out)
    assert arms["Python FP16 (8 lanes with graphs)", "32"][-1] == "not in the old run"
    assert arms["PyTorch FP16 (eager)", "32"][-1] == "cannot be told"


def test_other_images_are_said_before_anything_is_timed(
    made: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made()
    before = made.kept[0].parent
    monkeypatch.setattr(Session.images, "class_names", ["0", "2"])
    monkeypatch.setattr(sweep, "timings", lambda *given: pytest.fail("timed"))
    assert made(before, minutes="") == 2
    (said,) = capsys.readouterr().err.splitlines()[-1:]
    assert said.startswith("error: ")
    assert said.endswith(": another dataset, digits (0, 1); this profile's: digits (0, 2)")
