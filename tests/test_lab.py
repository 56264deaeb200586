"""Notebooks in JupyterLab: Run All from where they lie, what they say before they measure, and errors of one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import small_report

from lib import session
from lib.experiment import profile as config
from lib.experiment.system import system_id
from lib.pages import before, page
from lib.session import Session
from lib.show import interactive
from lib.show import table as show

QUICK = config.ROOT / "notebooks" / "08_cross_version.ipynb"  # measures nothing without TensorRT
STAGE = "02_note"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """outputs/quickstart/results of a test."""
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path / "outputs"))
    for name in (page.REPLAY, session.RUN_ID, show.ONLY):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "outputs" / "quickstart" / "results"


def test_run_all_takes_the_profile_of_make_lab_and_says_what_it_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_profile: Callable[..., Path]
) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv(page.PROFILE, str(write_profile("mine")))
    monkeypatch.setenv(show.ONLY, "ja")
    node = nbformat.read(QUICK, 4)
    done = NotebookClient(node, timeout=240, resources={"metadata": {"path": str(QUICK.parent)}}).execute()
    html = [output.data["text/html"] for cell in done.cells for output in cell.get("outputs", []) if "text/html" in output.get("data", {})]
    path = tmp_path / "outputs" / "mine" / "results" / system_id() / f"{QUICK.stem}.jsonl"
    assert html[0].startswith('<p lang="ja">プロファイルmineをこのシステムで測定する')
    assert f"結果を{path}に書く" in html[0]
    assert html[1] == f"<script>{interactive.script()}</script>"
    assert not any("<script" in one or "Measures" in one for one in html[2:])
    assert path.exists()


def said(language: str = "en") -> str:
    lines = before.said(Session(config.load("quickstart"), STAGE))
    return " ".join(line.in_("ja" if language == "ja" else "en") for line in lines)


def test_what_was_never_measured_is_said_so(place: Path) -> None:
    assert said().startswith(
        "Measures profile quickstart on this system (model: trained here; images: digits). How long that takes is not known"
    )
    assert f"Writes {place / system_id() / STAGE}.jsonl; " in said()
    assert "まだ測定したことがない" in said("ja")


@pytest.mark.parametrize(("seconds", "en", "ja"), [(31.4, "took 31 s", "31秒かかった"), (3600.0, "took 60 min", "60分かかった")])
def test_the_last_time_here_is_told_before_another_system(place: Path, seconds: float, en: str, ja: str) -> None:
    small_report.recorded(place / "another", STAGE, [], seconds=7.0, started_at="2026-11-19T10:00:00+00:00")
    assert "not measured here yet; on another that took 7 s." in said()
    small_report.recorded(place / "newer", STAGE, [], seconds=8.0)
    assert "newerでは8秒かかった。" in said("ja")
    small_report.recorded(place / system_id(), STAGE, [], seconds=seconds, started_at="2026-11-18T10:00:00+00:00")
    assert f"The last time here, 2026-11-18 10:00 UTC, that {en}." in said()
    assert f"前回（2026-11-18 10:00 UTC）は{ja}。" in said("ja")
    assert f"Replaces {place / system_id() / STAGE}.jsonl; " in said()


def test_other_parameters_are_no_promise(place: Path, write_profile: Callable[..., Path]) -> None:
    other = config.load(str(write_profile(**{"train.epochs": 1}))).model_dump()
    small_report.recorded(place / system_id(), STAGE, [], profile=other)
    assert "with other parameters, that took 1 s" in said()


def test_records_that_were_altered_tell_no_time(place: Path) -> None:
    small_report.recorded(place / system_id(), STAGE, [])
    path = place / system_id() / f"{STAGE}.jsonl"
    path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": 2.0'))
    assert "not known" in said()
    assert "Replaces" in said()


def test_a_model_of_ones_own_is_named(tmp_path: Path) -> None:
    profile = config.Profile.model_validate({"name": "quickstart", "model": {"file": "flowers.onnx"}})
    assert before._model(profile) == "flowers.onnx"
    assert before._images(profile) == before.W("before.random")


@pytest.mark.parametrize(("variable", "times"), [("", 1), (session.RUN_ID, 0), (page.REPLAY, 0)])
def test_pages_have_no_word_of_it(monkeypatch: pytest.MonkeyPatch, place: Path, variable: str, times: int) -> None:
    told: list[Any] = []
    monkeypatch.setattr(before, "announce", told.append)
    monkeypatch.setattr(Session, "save", lambda measuring: None)
    if variable:
        monkeypatch.setenv(variable, str(place))
    page.Page("quickstart", STAGE).measure(lambda measuring: None)
    assert len(told) == times


def test_an_error_for_people_is_one_line_in_a_notebook_and_any_other_a_traceback(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(config.ROOT), "IPYTHONDIR": str(tmp_path)}
    shown = []
    for raised in ("ConfigError('set a to 1')", "ValueError('x')"):
        code = f"from lib.errors import ConfigError\nraise {raised}"
        command = [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", code]
        shown.append(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False).stdout.strip())
    assert shown[0] == "ConfigError: set a to 1"
    assert "Traceback" in shown[1]
