"""The command line: what it answers, how fast it refuses, and what it does not import on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lib.__main__ import main
from lib.experiment import profile as config

HEAVY = ("tensorflow", "keras", "nbconvert", "papermill", "matplotlib", "pandas", "onnx", "onnxruntime")


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lib", *arguments], cwd=config.ROOT, capture_output=True, text=True, timeout=60)


def _seconds_of_children() -> float:
    """Processor time, which does not depend on what else the machine does."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.epoch": 3}, "key 'train.epoch': unknown"),
        ({"train.epochs": "many"}, "key 'train.epochs'"),
        ({"train.batch_size": -1}, "key 'train.batch_size'"),
        ({"train.seed": None}, "key 'train.seed': missing"),
    ],
)
def test_a_bad_profile_is_one_line_and_exit_code_2(write_profile: Callable[..., Path], changes: dict[str, object], said: str) -> None:
    path = write_profile(**changes)
    before = _seconds_of_children()
    done = cli("run", "--profile", str(path))
    assert _seconds_of_children() - before < 3
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert said in done.stderr


def test_a_missing_profile_names_those_there_are() -> None:
    done = cli("check", "--profile", "nothing")
    assert done.returncode == 2
    assert done.stderr == "error: params/nothing.yaml: no such profile; there are: cifar10, quickstart\n"


@pytest.mark.parametrize("command", ["run", "render", "check", "clean", "lab"])
def test_nothing_heavy_is_imported_before_the_profile_is_checked(command: str) -> None:
    check = f"import sys; from lib.__main__ import main; code = main([{command!r}, '--profile', 'nothing'])\n"
    check += f"heavy = sorted(set({HEAVY}) & set(sys.modules)); assert (code, heavy) == (2, []), (code, heavy)"
    done = subprocess.run([sys.executable, "-c", check], cwd=config.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_check_says_that_a_profile_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    for name in config.available():
        assert main(["check", "--profile", name]) == 0
        assert capsys.readouterr().out.startswith(f"{name}: fine, ")


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in ("run", "render", "check", "lab", "clean"))
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--profile", "--outputs", "--from", "--notebooks"))


def test_render_before_any_run_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import small_report

    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    small_report.write(tmp_path / "notebooks", "01_a")
    assert main(["render", "--notebooks", str(tmp_path / "notebooks")]) == 1
    assert "nothing executed yet; run it first: python -m lib run --profile quickstart" in capsys.readouterr().err


def test_what_no_one_foresaw_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(profile: str) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr(config, "load", broken)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "error: unexpected ZeroDivisionError: first second; with REPORT_DEBUG=1 it is shown in full\n"
    monkeypatch.setenv("REPORT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["check"])
