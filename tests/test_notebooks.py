"""The notebooks in other front ends than this project's: they run where they lie, and refuse what they are given in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib import session
from lib.experiment import profile as config
from lib.pages import page
from lib.store.run import Run

NOTEBOOKS = sorted((config.ROOT / "notebooks").glob("*.ipynb"))
QUICK = config.ROOT / "notebooks" / "08_cross_version.ipynb"  # measures nothing


def front_end(module: str, *words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One of Jupyter's commands in another folder, as a person types it: nothing of this project in the environment."""
    environment = os.environ | {session.OUTPUTS: str(cwd / "outputs")}
    for name in ("PYTHONPATH", page.REPLAY, page.PROFILE, session.RUN_ID):
        environment.pop(name, None)
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_nbconvert_runs_a_notebook_from_another_folder(tmp_path: Path) -> None:
    done = front_end("nbconvert", "--execute", "--to", "notebook", QUICK, "--output-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in json.loads((tmp_path / QUICK.name).read_text())["cells"] for output in cell.get("outputs", [])]
    assert sum(output["output_type"] == "display_data" for output in outputs) >= 4  # tables and figures in both languages
    (results,) = (tmp_path / "outputs" / "quickstart" / "results").iterdir()
    assert Run.open(results, QUICK.stem).measured


@pytest.mark.parametrize("given", ["2024", "3.5", "True"])
def test_a_profile_that_is_no_text_is_one_line(tmp_path: Path, given: str) -> None:
    words = (QUICK, tmp_path / "out.ipynb", "--cwd", QUICK.parent, "--log-level", "ERROR", "--no-progress-bar")
    done = front_end("papermill", *words, "-p", "profile", given, cwd=tmp_path)
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "ConfigError" in line]
    assert lines, done.stderr
    assert f"is no text; write a profile's name in quotes (with papermill: -r profile {given})" in lines[-1]
    assert "AttributeError" not in done.stderr + (tmp_path / "out.ipynb").read_text()
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_finds_lib_where_it_lies(path: Path) -> None:
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    (start,) = [place for place, cell in enumerate(cells) if "start(profile" in cell]
    command = [sys.executable, "-c", "\n".join(cells[:start])]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
