"""A recorded run says what was measured: nothing of it can be altered unseen, and what is altered on purpose is shown everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_report
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.report import failed, readme, render, shell
from lib.report.execute import Failure
from lib.report.notebooks import FOLDER
from lib.session import OUTPUTS
from lib.store import stage_file
from lib.store.records import Reason, Record
from lib.store.run import Run

ONNX, LITE = Candidate("onnxrt", "fp32"), Candidate("tflite", "fp16")
PAGES = ("02_export", "06_batching", "07_precision")
# What is altered: where, each part of the number as it was recorded and afterwards, and what readers see of it before and after.
ALTERED = (
    ("06_batching", {'"value": 31.41': '"value": 27.18', '"p50": 31.41': '"p50": 27.18'}, "31.41", "27.18"),
    ("07_precision", {'"value": 0.8763': '"value": 0.8612', '"correct": 8763': '"correct": 8612'}, "87.63", "86.12"),
    ("07_precision", {'"value": 16180000': '"value": 14140000'}, "16.18", "14.14"),
)


def latency(candidate: Candidate, ms: float, batch_size: int) -> Record:
    samples = [ms * scale for scale in (1.0, 1.004, 0.998, 1.001, 0.999, 1.003, 0.997, 1.002)]
    stats = {"p50": ms, "p90": ms * 1.02, "p95": ms * 1.03, "p99": None, "n": 800, "threads": 2}
    return Record("latency", "ms", ms, candidate, batch_size, "end_to_end", stats=stats, samples=samples)


def accuracy(candidate: Candidate, correct: int) -> Record:
    stats = {"correct": correct, "total": 10000, "largest_class": 1000, "only_reference": 9972 - correct, "only_candidate": 1000}
    return Record("accuracy", "share", correct / 10000, candidate, stats=stats)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """results/SYSTEM of a run of three of the project's own pages, and a try of a fourth that failed."""
    outputs = tmp_path_factory.mktemp("outputs")
    folder = outputs / "quickstart" / "results" / "a-system"
    none = Candidate("tensorrt", "fp16")
    small_report.recorded(folder, "02_export", [Record("export_time", "s", 1.25, ONNX)])
    timed = [latency(c, ms * size**0.5, size) for c, ms in ((SAVED_MODEL_REFERENCE, 9.0), (ONNX, 4.0)) for size in (1, 8)]
    timed += [latency(SAVED_MODEL_REFERENCE, 31.41, 32), latency(ONNX, 20.07, 32), latency(LITE, 25.02, 32)]
    timed += [Record("latency", "ms", None, none, 32, "end_to_end", reason=Reason("no_gpu"))]
    small_report.recorded(folder, "06_batching", [*timed, Record("other_cpu", "share", 0.01, stats={"gpu": {}})])
    found = [
        accuracy(ONNX, 8763),
        accuracy(LITE, 8972),
        Record("file_size", "bytes", 16180000, ONNX),
        Record("file_size", "bytes", 7490000, LITE),
    ]
    found += [Record("accuracy", "share", 0.8972, SAVED_MODEL_REFERENCE, stats={"correct": 8972, "total": 10000, "largest_class": 1000})]
    found += [Record("load_time", "s", 0.15, ONNX, stats={"min": 0.1, "max": 0.2, "n": 5})]
    found += [Record("accuracy", "share", None, none, reason=Reason("no_gpu"))]
    small_report.recorded(folder, "07_precision", found)
    failed.write(folder, Failure("01_train", 3, "x = 1", "ValueError: あ"), "2026-11-20T09:00:00+00:00", "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OUTPUTS, str(outputs))
        yield folder


@settings(max_examples=500)
@given(data=st.data())
def test_one_byte_altered_anywhere_is_refused_in_one_line_that_names_the_file(results: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(results.iterdir())))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
    try:
        with pytest.raises(ReportError) as caught:
            shell.gather("quickstart", FOLDER)
        assert str(caught.value).startswith(f"{path}:")
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(whole)


def test_the_run_itself_is_taken(results: Path) -> None:
    report = shell.gather("quickstart", FOLDER)
    assert [stage.notebook.stage for stage in report.stages if stage.there] == ["01_train", *PAGES]
    assert report.run.folder == results


def shown(folder: Path, notebooks: Path) -> dict[str, str]:
    """Everything that a reader sees: the text of every page with what its figures say, and the READMEs' tables."""
    index = render.render("quickstart", notebooks).index
    seen = {}
    for path in sorted(index.parent.rglob("*.html")):
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for unseen in soup.select("style, script, .hash, .source"):
            unseen.decompose()
        figures = " ".join(image["alt"] for image in soup.select("img"))
        seen[str(path.relative_to(index.parent))] = f"{soup.get_text(' ')} {figures}"
    for language in ("en", "ja"):
        seen[f"README {language}"] = readme.shown(shell.gather("quickstart", notebooks, folder.name), language, readme.CPU)
    return seen


def test_a_number_altered_on_purpose_is_shown_altered_everywhere(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OUTPUTS, str(tmp_path))
    folder = tmp_path / "quickstart" / "results" / results.name
    shutil.copytree(results, folder)
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for page in PAGES:
        shutil.copy(FOLDER / f"{page}.ipynb", notebooks)
    before = shown(folder, notebooks)
    for stage, changes, _, _ in ALTERED:
        path = folder / f"{stage}.jsonl"
        for old, new in changes.items():
            assert path.read_text().count(old) == 1
            path.write_text(path.read_text().replace(old, new))
        with pytest.raises(ReportError, match="altered since it was recorded"):
            Run.open(folder)
        stage_file.reseal(path)
    after = shown(folder, notebooks)
    assert before.keys() == after.keys()
    for _, _, was, now in ALTERED:
        assert sum(was in text for text in before.values()) >= 6, was  # a page, the overview and a README, in two languages
        for name, text in after.items():
            assert was not in text, (was, name)
            assert now not in before[name], (now, name)
            assert text.count(now) == before[name].count(was), (now, name)
