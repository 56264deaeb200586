"""The READMEs' tables come from records, and the committed ones from the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_report
import yaml

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment import sections
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.report import readme
from lib.store.records import Reason, Record
from lib.store.run import Run

RECORDED = config.ROOT / "outputs" / "cifar10"
ONNX, TENSORRT = Candidate("onnxrt", "fp32"), Candidate("tensorrt", "fp16")
FOUND = [
    Record("accuracy", "share", 0.8972, SAVED_MODEL_REFERENCE, stats={"correct": 8972, "total": 10000}),
    Record("file_size", "bytes", 14_970_000, ONNX),
    Record("accuracy", "share", None, TENSORRT, reason=Reason("no_gpu")),
]


def timed(candidate: Candidate, ms: float) -> Record:
    return Record("latency", "ms", ms, candidate, 32, "end_to_end", samples=[ms * scale for scale in (0.999, 1.0, 1.001, 1.0)])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results/SYSTEM of one stage."""
    folder = tmp_path / "results" / "one"
    small_report.recorded(folder, "07_precision", [*FOUND, timed(SAVED_MODEL_REFERENCE, 10.0), timed(ONNX, 20.0)])
    return folder


def test_the_table_stands_between_the_markers_of_both_languages(results: Path, tmp_path: Path) -> None:
    for name in readme.READMES.values():
        (tmp_path / name).write_text("before\n<!-- headline -->\nold\n<!-- /headline -->\nafter\n", encoding="utf-8")
    written = readme.update(results, tmp_path)
    english, japanese = (path.read_text(encoding="utf-8") for path in written)
    assert "| TensorFlow SavedModel | FP32 | 89.72 [89.11, 90.30] | – | – | **10.00** | **3,200** [" in english
    assert "| ONNX Runtime (CPU) | FP32 | – | 14.97 | – | 20.00 | 1,600 [" in english
    assert "| TensorRT | FP16 | not measured | – | – | – | – |" in english
    assert "digits; A CPU, 2 cores, no NVIDIA GPU; ONNX Runtime 1.31; 2026-11-20; batch size 32, end to end." in english
    assert "未測定" in japanese
    assert "digits。A CPU、2コア、NVIDIA GPUなし。ONNX Runtime 1.31。2026-11-20測定。" in japanese
    assert english.startswith("before\n<!-- headline -->\n|")
    assert english.endswith("\n<!-- /headline -->\nafter\n")
    assert "old" not in english
    assert readme.update(results, tmp_path)[0].read_text(encoding="utf-8") == english


def test_without_markers_it_says_where_to_put_them(results: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(ReportError, match=r"README\.md: no line <!-- headline -->"):
        readme.update(results, tmp_path)


def test_which_system_has_to_be_named_where_there_are_several(results: Path, tmp_path: Path) -> None:
    assert readme.find(tmp_path, "") == results
    with pytest.raises(ReportError, match="there are: one"):
        readme.find(tmp_path, "two")
    small_report.recorded(results.parent / "two", "07_precision", [])
    with pytest.raises(ReportError, match="there are: one, two"):
        readme.find(tmp_path, "")
    assert readme.find(tmp_path, "one") == results


def test_the_engines_have_a_table_of_their_own_where_they_ran(results: Path) -> None:
    assert readme.tables(Run.open(results).newest(), "en").keys() == {"headline"}
    engines = [*FOUND[1:], timed(TENSORRT, 0.4), Record("latency", "ms", 0.3, TENSORRT, 32, "gpu_compute", samples=[0.3] * 4)]
    run = small_report.recorded(results.parent / "two", "04_int8", engines)
    made = readme.tables(run, "en")
    assert made.keys() == {"engines"}
    assert "| TensorRT | FP16 | not measured | – | – | 0.40 | 80,000 [" in made["engines"]
    assert "| 0.300 |" in made["engines"]
    assert "ONNX Runtime (CPU)" not in made["engines"]


def test_the_committed_tables_are_those_of_committed_records() -> None:
    systems = [path for path in RECORDED.glob("results/*") if path.is_dir()]  # your own runs lie beside them
    for language, name in readme.READMES.items():
        text = (config.ROOT / name).read_text(encoding="utf-8")
        made = [readme.tables(Run.open(system).newest(), language) for system in systems]
        for block in ("headline", "engines"):
            assert any(tables.get(block, "nothing") in text for tables in made), (name, block)


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


def test_the_readmes_show_a_profile_that_is_one() -> None:
    for name in readme.READMES.values():
        text = (config.ROOT / name).read_text(encoding="utf-8")
        shown = text.split("```yaml\n")[1].split("```")[0]
        assert config.Profile.model_validate({"name": "flowers"} | yaml.safe_load(shown)).preprocess.resize == "shortest_edge"
        assert text.index("make new MODEL=") < text.index("<!-- headline -->")  # on the first screen
