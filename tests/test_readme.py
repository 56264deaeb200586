"""The READMEs' headline table comes from records, and the committed one from the committed records."""

from __future__ import annotations

import json

import pytest

from lib import config, records
from lib.errors import ReportError
from lib.records import Record
from lib.report import readme
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
    assert "CIFAR-10; A CPU, 2 cores, no GPU; TensorFlow 2.21.0, ONNX Runtime 1.31; 2026-11-20; batch size 32" in english
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


def test_the_committed_table_is_that_of_committed_records():
    systems = [path.parent for path in RECORDED.glob("results/*/07_precision.jsonl")]  # your own runs lie beside them
    for language, name in readme.READMES.items():
        text = (config.ROOT / name).read_text(encoding="utf-8")
        assert any(readme.table(PROFILE, system, language) in text for system in systems), name
