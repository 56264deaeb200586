"""The READMEs' tables come from records, and the committed ones from the committed records."""

from __future__ import annotations

import json

import pytest

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.report import readme
from lib.store import records
from lib.store.records import Record
from lib.text import Text

PROFILE = config.load("cifar10")
SYSTEM = {"cpu": "A CPU", "cores": 2, "gpus": [], "libraries": {"tensorflow": "2.21.0", "onnxruntime": "1.31"}}
RECORDED = config.ROOT / "outputs" / "cifar10"


@pytest.fixture
def results(tmp_path):
    own = {"stage": "07_precision", "dataset": "CIFAR-10", "started_at": "2026-11-20T10:00:00+00:00"}
    folder = tmp_path / "results" / "one"
    reason = Text("no GPU", "GPUがない")
    found = [
        Record("accuracy", "1", 0.8972, "onnxrt", "fp32", stats={"ci_low": 0.8911, "ci_high": 0.903}, **own),
        Record("file_size", "bytes", 14_970_000.0, "onnxrt", "fp32", **own),
        Record("accuracy", "1", None, "tensorrt", "fp16", reason=reason, **own),
    ]
    records.write(folder, "07_precision", found, [])
    (folder / "system.json").write_text(json.dumps(SYSTEM))
    return folder


def test_the_table_stands_between_the_markers_of_both_languages(results, tmp_path):
    for name in readme.READMES.values():
        (tmp_path / name).write_text("before\n<!-- headline -->\nold\n<!-- /headline -->\nafter\n", encoding="utf-8")
    written = readme.update(PROFILE, results, tmp_path)
    english, japanese = (path.read_text(encoding="utf-8") for path in written)
    assert "| ONNX Runtime (CPU) | FP32 | 89.72 [89.11, 90.30] | 14.97 | – | – | – |" in english
    assert "| TensorRT | FP16 | not measured | – | – | – | – |" in english
    assert (
        "CIFAR-10; A CPU, 2 cores, no GPU; TensorFlow 2.21.0, ONNX Runtime 1.31, TensorRT for RTX –; 2026-11-20; batch size 32" in english
    )
    assert "未測定" in japanese
    assert english.startswith("before\n<!-- headline -->\n|")
    assert english.endswith("\n<!-- /headline -->\nafter\n")
    assert "old" not in english
    assert readme.update(PROFILE, results, tmp_path)[0].read_text(encoding="utf-8") == english


def test_without_markers_it_says_where_to_put_them(results, tmp_path):
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(ReportError, match=r"README\.md: no line <!-- headline -->"):
        readme.update(PROFILE, results, tmp_path)


def test_which_system_has_to_be_named_where_there_are_several(results, tmp_path):
    assert readme.find(tmp_path, "") == results
    with pytest.raises(ReportError, match="there are: one"):
        readme.find(tmp_path, "two")
    records.write(results.parent / "two", "07_precision", [], [])
    with pytest.raises(ReportError, match="there are: one, two"):
        readme.find(tmp_path, "")
    assert readme.find(tmp_path, "one") == results


def test_the_engines_have_a_table_of_their_own_where_they_ran(results):
    assert readme.tables(PROFILE, results, "en").keys() == {"headline"}
    own = {"stage": "04_int8", "dataset": "CIFAR-10", "started_at": "2026-11-21T10:00:00+00:00", "runner": "tensorrt"}
    timed = {"batch_size": 32, "scope": "end_to_end"}
    full, half = ({"precision": precision, **own} for precision in ("fp32", "fp16"))
    found = [
        Record("accuracy", "1", 0.8972, stats={"ci_low": 0.8911, "ci_high": 0.903}, **full),
        Record("throughput", "images/s", 73583.0, stats={"ci_low": 73424.0, "ci_high": 73744.0}, **full, **timed),
        Record("throughput", "images/s", None, reason=Text("the build failed", "構築に失敗した"), **half, **timed),
    ]
    records.write(results, "04_int8", found, [])
    (results / "system.json").write_text(json.dumps(SYSTEM | {"gpus": [{"name": "A GPU"}], "libraries": {"tensorrt": "8.5"}}))
    table = readme.tables(PROFILE, results, "en")["engines"]
    assert "| FP32 | – | 89.72 [89.11, 90.30] | – | 73,583 [73,424, 73,744] |" in table
    assert "| FP16 | – | – | – | not measured |" in table
    assert "CIFAR-10; A GPU, TensorRT 8.5; 2026-11-21; batch size 32" in table


def test_the_committed_tables_are_those_of_committed_records():
    systems = [path for path in RECORDED.glob("results/*") if path.is_dir()]  # your own runs lie beside them
    for language, name in readme.READMES.items():
        text = (config.ROOT / name).read_text(encoding="utf-8")
        made = [readme.tables(PROFILE, system, language) for system in systems]
        for block in ("headline", "engines"):
            assert any(tables.get(block, "nothing") in text for tables in made), (name, block)
