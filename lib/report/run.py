"""A run: every notebook in order, then the pages."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.progress import LINES, say
from lib.report import execute, lock, notebooks, render
from lib.report.notebooks import Notebook
from lib.store import files, session


def run(profile: str, folder: Path = notebooks.FOLDER, first: str = "", last: str = "") -> Path:
    """Execute the notebooks of `folder` for a profile (name or YAML file), then render; returns html/index.html.

    first, last: numbers of the notebooks to begin and to end with ("" for all). Raises ConfigError before anything heavy
    is imported; ReportError if the outputs cannot be written, another run holds the profile, or a notebook fails: then the
    pages so far are rendered and the executed notebook lies in outputs/PROFILE/results/SYSTEM/executed.
    """
    settings = config.load(profile)
    datasets.check(settings)
    outputs = session.outputs(settings.name)
    chosen = choose(notebooks.find(folder), first, last)
    with lock.held(outputs), _ends_on_sigterm(), _environment(_variables()):
        shutil.rmtree(outputs / "work" / "executing", ignore_errors=True)  # of a run that was killed
        failure = _execute_all(chosen, profile, settings, outputs)
        index = render.render(settings, folder, system.system_id())
    if failure is not None:
        executed = _executed(outputs, failure.stage)
        raise ReportError(f"{failure}; see {shown(executed)} and the pages so far, {shown(index)}")
    return index


def choose(found: list[Notebook], first: str, last: str = "") -> list[Notebook]:
    """The notebooks from `first` to `last` ("3", "03" or "03_engines"), to either end for "". Raises ReportError for none."""
    begin = _index(found, "--from", first) if first else 0
    end = _index(found, "--to", last) if last else len(found) - 1
    if begin > end:
        raise ReportError(f"--from {first} --to {last}: no notebook lies between them")
    return found[begin : end + 1]


def _index(found: list[Notebook], option: str, wanted: str) -> int:
    numbers = [notebook.number for notebook in found]
    number = wanted[:2].rstrip("_").zfill(2)
    if number not in numbers or (len(wanted) > 2 and wanted not in {notebook.stage for notebook in found}):
        raise ReportError(f"{option} {wanted}: no such notebook; there are {', '.join(numbers)}")
    return numbers.index(number)


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s` or `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _execute_all(chosen: list[Notebook], profile: str, settings: config.Profile, outputs: Path) -> execute.Failure | None:
    """Execute notebooks in order up to the first that fails, with a line before and after each."""
    say(f"{settings.name}: {len(chosen)} notebooks, {chosen[0].stage} to {chosen[-1].stage}")
    parameters = {"profile": str(Path(profile).resolve()) if profile.endswith((".yaml", ".yml")) else profile}
    started = time.perf_counter()
    for number, notebook in enumerate(chosen, 1):
        at = f"[{number}/{len(chosen)}] {notebook.stage}"
        say(f"{at}: running")
        before = time.perf_counter()
        executed = _executed(outputs, notebook.stage)
        failure = execute.execute(notebook, parameters, executed, outputs / "work" / "executing", config.ROOT, _note(settings))
        left = len(chosen) - number
        took, total = duration(time.perf_counter() - before), duration(time.perf_counter() - started)
        if failure:
            say(f"{at}: failed after {took}; {left} not run")
            return failure
        say(f"{at}: done in {took}; {f'{left} left' if left else 'none left'}, {total} so far")
    return None


def _executed(outputs: Path, stage: str) -> Path:
    return outputs / "results" / system.system_id() / notebooks.EXECUTED / f"{stage}.ipynb"


def _note(settings: config.Profile) -> dict[str, Any]:
    """What an executed notebook says of its run, so that its page can be rendered anywhere."""
    return {
        "run_id": os.environ[session.RUN_ID],
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "profile": settings.name,
        "parameters": config.as_rows(settings),
        "system_id": system.system_id(),
        "system": system.describe(),
    }


def _variables() -> dict[str, str]:
    """Environment of the kernels: the project on their path, progress as lines, one run id, the same outputs folder."""
    path = [str(config.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(path),
        LINES: "lines",
        session.RUN_ID: secrets.token_hex(4),
        session.OUTPUTS: str(session.outputs("").resolve()),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, so that the kernel is shut down and the lock's note is taken away."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def clean(profile: str) -> Path:
    """Remove everything that runs of a profile have written, and return that folder. Raises ReportError if a run holds it."""
    outputs = session.outputs(config.load(profile).name)
    if outputs.is_dir():
        with lock.held(outputs), files.writable(outputs):
            shutil.rmtree(outputs)
    return outputs
