"""What is added in one place is everywhere: a precision is a row, a backend a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lib.experiment import profile
from lib.experiment.precision import PRECISIONS

BACKEND = '''"""A backend that knows no model: it answers the brightness of ten pixels."""

import numpy as np

from lib.runners.base import Runner, check_batch
from lib.text import Text


class Echo(Runner):
    name, label, place = "echo", Text("Echo", "こだま"), 25

    @classmethod
    def model(cls, row):
        return row.onnxrt

    def open(self):
        pass

    def infer(self, batch):
        check_batch(batch, self.session.spec)
        pixels = batch.reshape(len(batch), -1)[:, :10] + np.float32(0.1)
        return pixels / pixels.sum(axis=1, keepdims=True)
'''
PRECISION = """
from dataclasses import replace  # noqa: E402

PRECISIONS["fp16_loose"] = replace(FP16, key="fp16_loose", label=Text("FP16 (loose)", "FP16（緩）"), colour="#123456")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, to which one file was added for a backend and one row for a precision."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("lib", "params", "notebooks"):
        shutil.copytree(profile.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "lib" / "runners" / "echo.py").write_text(BACKEND)
    with (root / "lib" / "experiment" / "precision.py").open("a") as file:
        file.write(PRECISION)
    return root


@pytest.fixture
def told(project: Path, tmp_path: Path) -> Callable[[str], Any]:
    """`told(program)` runs a program in the copy and returns what it prints, read as JSON."""

    def run(program: str) -> Any:
        environment = os.environ | {"PYTHONPATH": str(project), "REPORT_OUTPUTS": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", program], cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_candidates_labels_and_colours_know_both(told: Callable[[str], Any]) -> None:
    found = told("""
import json
import lib.pages
from lib.experiment import profile
from lib import runners
from lib.experiment.candidate import LABELS, Candidate, ordered
every = runners.candidates(profile.load("quickstart"))
one = Candidate.parse("echo/fp16_loose")
print(json.dumps({
    "keys": [c.key for c in every], "sorted": ordered(reversed(every)) == every, "label": one.label, "colour": one.colour,
    "labels": list(LABELS)}))
""")
    assert found["labels"][:4] == ["savedmodel", "onnxrt", "echo", "onnxrt_cuda"]
    assert [key for key in found["keys"] if key.startswith("echo/")] == ["echo/fp32", "echo/fp16", "echo/int8_qdq", "echo/fp16_loose"]
    assert {"onnxrt/fp16_loose", "onnxrt_cuda/fp16_loose", "tflite/fp16_loose", "tensorrt/fp16_loose", "cpp/fp16_loose"} <= {*found["keys"]}
    assert found["sorted"]
    assert found["label"] == ["Echo FP16 (loose)", "こだま FP16（緩）"]
    assert found["colour"] == "#123456"


def test_the_added_are_measured_like_all_others(told: Callable[[str], Any]) -> None:
    found = told("""
import json
from lib.experiment import profile
from lib.experiment.candidate import Candidate
from lib.measure import predictions, sweep
from lib.session import Session
session = Session(profile.load("quickstart"), "06_batching")
one = Candidate.parse("echo/fp16_loose")
answers = predictions.of(session, one)
sweep.timings(session, [one], [1, 8])
print(json.dumps({"shape": answers.shape, "measured": [[r.candidate.key, r.batch_size, r.value] for r in session.records if r.candidate]}))
""")
    assert found["shape"] == [500, 10]
    assert [measured[:2] for measured in found["measured"]] == [["echo/fp16_loose", 1], ["echo/fp16_loose", 8]]
    assert all(value > 0 for *_, value in found["measured"])


def test_tensorrt_knows_what_an_added_precision_asks_of_its_layers(told: Callable[[str], Any]) -> None:
    told_of = told("""
import json
from lib.trt import inspect
print(json.dumps([inspect.other_than_asked("fp16_loose", found) for found in ({"fp16": 3, "fp32": 1}, {"int8": 1})]))
""")
    assert [bool(wrong) for wrong in told_of] == [False, True]


def test_nothing_was_added_here() -> None:
    assert "fp16_loose" not in PRECISIONS
