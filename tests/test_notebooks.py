"""The notebooks: which of them a profile has, and in other front ends than this project's, where they run as they lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import small_report

from lib import session
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.pages import page
from lib.report import failed, notebooks, render, run, shell
from lib.report.execute import Failure
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


def test_a_profile_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    given = "2024"  # papermill makes a number of it; other values: tests/test_profile.py
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


TRAINED = config.load("quickstart").model_dump()
OWN = config.Profile.model_validate({"name": "quickstart", "model": {"file": "mine.onnx"}}).model_dump()


@pytest.mark.parametrize(("values", "first", "other"), [(TRAINED, "01_train", "01_model"), (OWN, "01_model", "01_train")])
def test_a_profile_has_the_first_page_that_is_about_its_model(values: dict[str, Any], first: str, other: str) -> None:
    found = notebooks.fitting(notebooks.find(), values)
    assert [notebook.number for notebook in found] == [f"{number:02}" for number in (*range(1, 9), 10)]
    for option in ("1", "01", first):
        assert [notebook.stage for notebook in run.choose(found, option, option)] == [first]
    assert run.choose(found, "", first) == found[:1]
    with pytest.raises(ReportError, match=f"--from {other}: no such notebook"):
        run.choose(found, other)


def test_notebooks_none_of_which_is_for_a_profile_are_refused() -> None:
    found = [notebook for notebook in notebooks.find() if notebook.stage == "01_train"]
    with pytest.raises(ReportError, match="profile quickstart: none of these notebooks is for it"):
        notebooks.fitting(found, OWN)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of small notebooks, of which the first two are for one kind of profile each."""
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path / "outputs"))
    folder = tmp_path / "notebooks"
    for stage in ("01_model", "01_train", "02_more"):
        path = small_report.write(folder, stage)
        if stage != "02_more":
            node = nbformat.read(path, 4)
            node.metadata["report"] = {"profile": stage[3:]}
            nbformat.write(node, path)
    return folder


def stages(folder: Path, asked: dict[str, Any] | None = None) -> list[str]:
    return [stage.notebook.stage for stage in shell.gather("quickstart", folder, asked=asked).stages]


@pytest.mark.parametrize(("values", "first"), [(TRAINED, "01_train"), (OWN, "01_model")])
def test_what_is_recorded_decides_which_notebooks_are_listed(both: Path, values: dict[str, Any], first: str) -> None:
    small_report.recorded(session.outputs("quickstart") / "results" / "a-system", "02_more", [], profile=values)
    assert stages(both) == [first, "02_more"]
    assert stages(both, TRAINED) == ["01_train", "02_more"]  # what runs now decides before what ran


def test_the_one_that_does_not_fit_has_no_page_and_is_not_missed(both: Path) -> None:
    results = session.outputs("quickstart") / "results" / "a-system"
    small_report.recorded(results, "01_train", [], profile=TRAINED, started_at="2026-11-19T10:00:00+00:00")  # before the profile changed
    small_report.recorded(results, "01_model", [], profile=OWN)
    index = render.render("quickstart", both).index
    assert sorted(path.name for path in (index.parent / "a-system" / "en").iterdir()) == ["01_model.html", "index.html"]
    text = (index.parent / "a-system" / "en" / "index.html").read_text(encoding="utf-8")
    assert "01_train" not in text
    assert "02_more" in text


def test_a_first_try_that_failed_is_shown_though_nothing_is_recorded(both: Path) -> None:
    results = session.outputs("quickstart") / "results" / "a-system"
    results.mkdir(parents=True)
    failed.write(results, Failure("01_model", 3, "x = 1", "ValueError: no"), "2026-11-20T09:00:00+00:00", "run")
    assert stages(both) == ["01_model", "02_more"]


def test_a_run_executes_the_one_that_fits(both: Path) -> None:
    run.run("quickstart", both, "", "1")
    (results,) = (session.outputs("quickstart") / "results").iterdir()
    assert [path.name for path in results.iterdir()] == ["01_train.jsonl"]
