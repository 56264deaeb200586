"""The READMEs' results come from records, the committed ones from the committed records; what else they show is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_fast
import pytest
import small_report
import yaml
from PIL import Image
from test_pages_browser import CHROMIUM

from lib import session
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment import sections
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.report import notebooks, pictures, readme, shell, verdict
from lib.report.shell import Report
from lib.store.records import Reason, Record
from lib.text import Language

RECORDED = config.ROOT / "outputs" / "cifar10"
BLOCKS = (readme.GPU, readme.CPU, readme.VERSIONS, readme.FAST)
ONNX, TENSORRT = Candidate("onnxrt", "fp32"), Candidate("tensorrt", "fp16")
FOUND = [
    Record("accuracy", "share", 0.8972, SAVED_MODEL_REFERENCE, stats={"correct": 8972, "total": 10000}),
    Record("file_size", "bytes", 14_970_000, ONNX),
    Record("accuracy", "share", None, TENSORRT, reason=Reason("no_gpu")),
]


def timed(candidate: Candidate, ms: float) -> Record:
    return Record("latency", "ms", ms, candidate, 32, "end_to_end", samples=[ms * scale for scale in (0.999, 1.0, 1.001, 1.0)])


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """outputs/quickstart/results/one, of a machine without a GPU; its notebook and READMEs to be filled lie beside outputs."""
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path / "outputs"))
    folder = tmp_path / "outputs" / "quickstart" / "results" / "one"
    small_report.recorded(folder, "07_precision", [*FOUND, timed(SAVED_MODEL_REFERENCE, 10.0), timed(ONNX, 20.0)])
    small_report.write(tmp_path / "notebooks", "07_precision")
    for name in readme.READMES.values():
        blocks = "".join(f"before {block}\n<!-- {block} -->\nold\n<!-- /{block} -->\nafter {block}\n" for block in BLOCKS)
        (tmp_path / name).write_text(blocks, encoding="utf-8")
    return folder


@pytest.fixture
def gpu(results: Path) -> Report:
    """The report of another system, on which TensorRT ran."""
    answered = Record("accuracy", "share", 0.8971, TENSORRT, stats={"correct": 8971, "total": 10000})
    red = Record("look", "count", 7, stats={"level": "bad"})
    lost = Record("accuracy", "share", None, Candidate("tensorrt", "int8"), reason=Reason("no_calibrators"))
    found = [*FOUND[:2], answered, lost, timed(SAVED_MODEL_REFERENCE, 10.0), timed(TENSORRT, 0.4)]
    small_report.recorded(results.parent / "two", "07_precision", found)
    small_report.full(results.parents[3] / "notebooks", "08_note")
    small_report.recorded(results.parent / "two", "08_note", [red])
    return gathered(results.parent / "two")


def gathered(results: Path) -> Report:
    return shell.gather("quickstart", results.parents[3] / "notebooks", results.name)


def between(text: str, block: str) -> str:
    return text.split(f"<!-- {block} -->\n")[1].split(f"<!-- /{block} -->")[0]


def test_a_run_without_a_gpu_is_told_in_both_languages(results: Path, tmp_path: Path) -> None:
    report = gathered(results)
    english, japanese = (path.read_text(encoding="utf-8") for path in readme.update(report, tmp_path))
    told = between(english, "cpu")
    assert told.startswith("**Undecided: TensorRT did not run on this machine (no NVIDIA GPU on this system).**\n\n| Candidate |")
    assert "| TensorFlow SavedModel FP32 | 89.72 [89.11, 90.30] | **3,200** [" in told
    assert (
        "[Measured 2026-11-20](outputs/quickstart/results/one), notebooks 07: digits; A CPU, 2 cores, no NVIDIA GPU; ONNX Runtime 1.31"
        in told
    )
    assert "TensorRT FP16" not in told  # was not measured
    assert "![" not in told
    assert "digits。A CPU、2コア、NVIDIA GPUなし。ONNX Runtime 1.31。" in between(japanese, "cpu")
    assert english.startswith("before gpu\n<!-- gpu -->\nold\n<!-- /gpu -->\nafter gpu\nbefore cpu\n<!-- cpu -->\n**")
    assert "\n<!-- /cpu -->\nafter cpu\n" in english
    assert readme.update(report, tmp_path)[0].read_text(encoding="utf-8") == english


def test_a_run_on_a_gpu_has_a_picture_its_verdict_and_what_is_wrong(gpu: Report, tmp_path: Path) -> None:
    english, japanese = (path.read_text(encoding="utf-8") for path in readme.update(gpu, tmp_path))
    told = between(english, "gpu")
    assert between(english, "cpu") == "old\n"
    assert "](outputs/quickstart/report.en.png)\n" in told
    assert "](outputs/quickstart/report.ja.png)\n" in between(japanese, "gpu")
    assert "| TensorRT FP16 | undecided | 89.71 [89.10, 90.29] | **80,000** [" in told
    assert "| TensorRT FP16 | 判定不能 | 89.71 [89.10, 90.29] | **80,000** [" in between(japanese, "gpu")
    assert "INT8" not in told.split("| --- |")[1]  # its row: not measured
    assert "<span" not in told
    assert told.endswith("below the profile's minimum of 95.00%. Look at <7>\n")
    assert between(japanese, "gpu").endswith("。<7>を見よ\n")
    assert "\n**Problems:** TensorFlow SavedModel FP32: accuracy 89.72% is " in told
    assert "\n**問題：** " in between(japanese, "gpu")


def test_a_candidate_of_which_the_columns_would_have_nothing_is_no_row(results: Path) -> None:
    same = Record("agreement", "share", 1.0, ONNX, stats={"correct": 10000, "total": 10000})
    small_report.recorded(results, "07_precision", [*FOUND, same, timed(SAVED_MODEL_REFERENCE, 10.0)])
    assert "ONNX Runtime (CPU)" not in readme.shown(gathered(results), "en", readme.CPU)


def test_where_nothing_may_be_claimed_of_speed_the_table_stands_alone(results: Path) -> None:
    folder = results.parent / "three"
    small_report.recorded(folder, "07_precision", [*FOUND[:2], timed(SAVED_MODEL_REFERENCE, 10.0), timed(TENSORRT, 0.4)])
    busy = [replace(one, value=0.9) if one.metric == "other_cpu" else one for one in made_fast.Made().records()]
    small_report.recorded(folder, readme.WAYS, busy)
    small_report.full(results.parents[3] / "notebooks", readme.WAYS)
    report = gathered(folder)
    assert readme.FAST in readme.blocks(report)
    assert readme.shown(report, "en", readme.FAST).startswith("![First screen of the page on speed")


def test_without_markers_it_says_where_to_put_them(results: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(ReportError, match=r"README\.md: no line <!-- cpu -->"):
        readme.update(gathered(results), tmp_path)


def test_which_system_has_to_be_named_where_there_are_several(results: Path) -> None:
    folder = results.parents[1]
    assert readme.find(folder, "") == results
    with pytest.raises(ReportError, match="there are: one"):
        readme.find(folder, "two")
    small_report.recorded(results.parent / "two", "07_precision", [])
    with pytest.raises(ReportError, match="there are: one, two"):
        readme.find(folder, "")
    assert readme.find(folder, "one") == results


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: no picture was taken")
def test_the_pictures_are_the_first_screens_and_say_of_which_run(gpu: Report, tmp_path: Path) -> None:
    for language, colour in (("en", "#ff0000"), ("ja", "#0000ff")):
        page = tmp_path / "html" / language / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<body style='background:{colour}; margin:0'><div style='height:3000px'>", encoding="utf-8")
    taken = pictures.take(gpu, tmp_path / "html", tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in taken] == ["outputs/quickstart/report.en.png", "outputs/quickstart/report.ja.png"]
    for path, colour in zip(taken, ((255, 0, 0), (0, 0, 255)), strict=True):
        with Image.open(path) as picture:
            assert (picture.size, picture.text) == ((pictures.WIDTH, pictures.HEIGHT), {pictures.RUN: "run"})
            assert picture.convert("RGB").getpixel((640, 400)) == colour


def test_without_a_browser_it_says_what_to_install(gpu: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "playwright", None)
    with pytest.raises(ReportError, match=r"^pictures are taken by Playwright \(make test installs it\)"):
        pictures.take(gpu, tmp_path / "html", tmp_path)


@pytest.fixture(scope="module")
def committed() -> dict[str, list[Report]]:
    """Block -> the recorded runs that it may be of: your own lie beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(session.OUTPUTS, raising=False)
        reports = [shell.gather(RECORDED.name, notebooks.FOLDER, path.name) for path in RECORDED.glob("results/*") if path.is_dir()]
    return {block: [report for report in reports if block in readme.blocks(report)] for block in BLOCKS}


@pytest.mark.parametrize("language", readme.READMES)
@pytest.mark.parametrize("block", BLOCKS)
def test_the_committed_results_are_those_of_committed_records(committed: dict[str, list[Report]], block: str, language: Language) -> None:
    text = (config.ROOT / readme.READMES[language]).read_text(encoding="utf-8")
    assert between(text, block) in [readme.shown(report, language, block) for report in committed[block]]


@pytest.mark.parametrize("language", readme.READMES)
@pytest.mark.parametrize("block", readme.PICTURES)
def test_the_committed_picture_is_of_the_run_in_the_table(committed: dict[str, list[Report]], block: str, language: Language) -> None:
    text = between((config.ROOT / readme.READMES[language]).read_text(encoding="utf-8"), block)
    (report,) = [one for one in committed[block] if readme.shown(one, language, block) == text]
    path = config.ROOT / readme.picture(report, language, block)
    with Image.open(path) as picture:
        assert (picture.size, picture.text) == ((pictures.WIDTH, pictures.HEIGHT), {pictures.RUN: report.run.info.run_id})
    assert path.stat().st_size < 200_000


REFERENCE = (config.PARAMS / "README.md").read_text(encoding="utf-8")
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in REFERENCE.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("section", [sections.Model, sections.Dataset, Preprocess, sections.Train], ids=lambda section: section.__name__)
def test_the_reference_names_every_key(section) -> None:
    part = REFERENCE.split(f"\n### {section.__name__.lower()}\n")[1].split("\n### ")[0]
    named = {key.strip().strip("`") for line in part.splitlines() if line.startswith("| `") for key in line.split("|")[1].split(",")}
    presets = PRESETS.keys() if section is Preprocess else set()
    assert named == section.model_fields.keys() | presets


def test_the_reference_has_the_default_of_every_key_that_has_one() -> None:
    told = {cells[0].strip("`"): cells[1] for cells in CELLS if "." in cells[0] and len(cells) == 3}
    there = {
        f"{name}.{key}": value
        for name, field in config.Profile.model_fields.items()
        if name not in ("name", "dataset", "model", "train", "preprocess")
        for key, value in field.default
    }
    assert {key: value for key, value in told.items() if key in there} == {key: str(value).replace("'", "") for key, value in there.items()}


def test_the_reference_has_the_limits_of_every_precision() -> None:
    told = {key: cells[1:] for cells in CELLS for key in cells[0].split(", ") if key in PRECISIONS}
    assert {key: [float(number) for number in numbers] for key, numbers in told.items()} == {
        key: [row.max_abs_difference, row.min_agreement] for key, row in PRECISIONS.items()
    }


def shown(name: str, which: int) -> Any:
    """A README's first, second … example of YAML."""
    return yaml.safe_load((config.ROOT / name).read_text(encoding="utf-8").split("```yaml\n")[1 + which].split("```")[0])


@pytest.mark.parametrize("name", readme.READMES.values())
def test_the_readmes_show_a_profile_that_is_one(name: str) -> None:
    profile = config.Profile.model_validate({"name": "flowers"} | shown(name, 0) | shown(name, 1))
    assert (profile.preprocess.preset, profile.accept.latency_p99_ms) == ("imagenet", 5.0)


@pytest.mark.parametrize("name", readme.READMES.values())
def test_the_readmes_workflow_asks_for_what_there_is(name: str, tmp_path: Path) -> None:
    (job,) = shown(name, 2)["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if "make" in step.get("run", "")]
    dry = command.replace("make -C report", f"make -n -C '{config.ROOT}'")
    done = subprocess.run(["bash", "-ec", dry], cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**os.environ, **job["env"]})
    (made,) = [line for line in done.stdout.splitlines() if " -m lib run" in line]
    assert (job["env"]["REPORT_PYTHON"] in made, made.endswith(" --strict")) == (True, True)
    html = f"out/{Path(command.split('PROFILE=')[1].split()[0]).stem}/html"
    assert f"{html}/*/summary.md" in next(step["run"] for step in job["steps"] if "summary" in step.get("run", ""))
    assert job["steps"][-1]["with"]["path"] == html
    assert "summary.md" in verdict.FORMS


@pytest.mark.parametrize("name", readme.READMES.values())
def test_the_result_comes_first_then_the_commands_then_your_own_model(name: str) -> None:
    text = (config.ROOT / name).read_text(encoding="utf-8")
    order = ["<!-- gpu -->", "report.", "<!-- versions -->", "<!-- fast -->", "\nmake report ", "make new MODEL=", "<!-- cpu -->"]
    assert sorted(order, key=text.index) == order
    assert not re.search("not measured|未測定", text[: text.index("<!-- /gpu -->")])
