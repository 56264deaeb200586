"""A run: every notebook in order, then the pages."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from lib import session
from lib.deadline import OutOfTime
from lib.errors import ReportError, shown
from lib.experiment import profile as config
from lib.experiment import system
from lib.pages.page import REPLAY
from lib.progress import LINES, duration, say
from lib.report import failed, notebooks, render, unfinished
from lib.report.execute import Failure, Kernel
from lib.report.limit import Limit
from lib.report.notebooks import Notebook
from lib.report.render import Outcome
from lib.report.unfinished import Job
from lib.store import files, stage_file
from lib.store.stage_file import Stage

LOCK = ".lock"
GOES_ON = "stopped; the same command goes on with this run"  # one with a limit, that is
HOLDER = ".lock.txt"  # who holds it, in words: the lock itself is an advisory lock of the system that ends with its process


class Ended(NamedTuple):
    """How a run ended. executed: stage -> notebook, of those that were executed and did not fail; failure: that ended it; stopped: where
    its time was over, in words."""

    executed: dict[str, Any]
    failure: Failure | None = None
    stopped: str = ""


def run(profile: str, folder: Path = notebooks.FOLDER, first: str = "", last: str = "", minutes: float | None = None) -> Outcome:
    """Execute the notebooks of `folder` for a profile (name or YAML file), then render their pages.

    first, last: numbers of the notebooks to begin and to end with ("" for all). minutes: after which it stops where nothing is lost; such a
    run, however it ends, is gone on with by the next one that is asked the same (lib/report/unfinished.py).
    Raises ConfigError before anything heavy is imported; ReportError if the outputs cannot be written, another run holds the profile, or a
    notebook fails: then the pages so far are rendered and the notebook, as far as it came, lies in outputs/PROFILE/work/failed. Raises
    OutOfTime where the minutes were over, when the pages so far are rendered.
    """
    limit = Limit(minutes)
    settings = config.load(profile)
    session.check(settings)
    outputs = session.outputs(settings.name)
    chosen = choose(notebooks.fitting(notebooks.find(folder), settings.model_dump()), first, last)
    with held(outputs):
        recorded = _recorded(chosen, outputs / "results" / system.system_id())
        run_ids = {stage: info.run_id for stage, info in recorded.items()}
        stages = [notebook.stage for notebook in chosen]
        job = unfinished.begin(outputs, settings, stages, bool(first or last), run_ids, lasting=minutes is not None)
        try:
            ended = _execute_all(job, chosen, profile, {stage: info.seconds for stage, info in recorded.items()}, limit)
            outcome = _rendered(settings, folder, ended, outputs)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(GOES_ON if job.lasting else "") from None
        left = len(chosen) - len(job.state.done)
        if not left:
            job.forget()
    if ended.stopped:
        pages = f"the pages so far: {shown(outcome.index)}" if outcome else "there is nothing to show yet"
        counted = f"{left} notebook{'' if left == 1 else 's'} left"
        raise OutOfTime(f"stopped after {limit.said()}, {ended.stopped}: run the same command again to go on; {counted}; {pages}")
    assert outcome is not None  # only where it was stopped is there nothing to show
    if ended.failure is not None:
        raise ReportError(f"{ended.failure}; see {shown(_kept(outputs, ended.failure.stage))} and the pages so far, {shown(outcome.index)}")
    return outcome.checked()


def _rendered(settings: config.Profile, folder: Path, ended: Ended, outputs: Path) -> Outcome | None:
    """The pages of what there is, None where a run was stopped before there was anything. Raises ReportError, with what failed before,
    where they cannot be written."""
    here = system.system_id()
    if ended.stopped and not any((outputs / "results" / here).glob("[0-9][0-9]_*.json*")):
        return None
    try:
        return render.write(settings.name, folder, here, ended.executed, settings.model_dump(), settings.accept)
    except ReportError as error:
        if ended.failure is None:
            raise
        said = f"{ended.failure}; see {shown(_kept(outputs, ended.failure.stage))}; pages could not be written: {error}"
        raise ReportError(said) from None


def choose(found: list[Notebook], first: str, last: str = "") -> list[Notebook]:
    """The notebooks from `first` to `last` ("3", "03" or "03_engines"), to either end for "". Raises ReportError for none."""
    begin = _index(found, "--from", first) if first else 0
    end = _index(found, "--to", last) if last else len(found) - 1
    if begin > end:
        raise ReportError(f"--from {first} --to {last}: no notebook lies between them")
    return found[begin : end + 1]


def _index(found: list[Notebook], option: str, wanted: str) -> int:
    for index, notebook in enumerate(found):
        if wanted.zfill(2) in (notebook.number, notebook.stage):
            return index
    raise ReportError(f"{option} {wanted}: no such notebook; there are {', '.join(notebook.number for notebook in found)}")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` (outputs/PROFILE), which is made if need be.

    Raises ReportError, one line, if another run holds it (which process, since when) or if `folder` cannot be written.
    A killed holder leaves no lock behind: the system drops it (flock, through filelock.FileLock).
    """
    from filelock import FileLock, Timeout

    holder = folder / HOLDER
    with files.writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            # The holder may not have said who it is yet.
            who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
            raise ReportError(f"{folder}: {who} is running this profile; wait for it, or stop it first") from None
    try:
        files.write_text(holder, f"process {os.getpid()} on {platform.node()} (since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S UTC})")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _recorded(chosen: list[Notebook], results: Path) -> dict[str, Stage]:
    """Stage -> who recorded it here the last time, of those that have run.

    What nobody can read and is about to be replaced is renamed (to `NN_name.jsonl.damaged`): it must not stop the run that mends it.
    """
    recorded = {}
    for path in (results / f"{notebook.stage}.jsonl" for notebook in chosen):
        try:
            if path.exists():
                recorded[path.stem] = stage_file.read(path).stage
        except ReportError as error:
            path.replace(path.with_suffix(".jsonl.damaged"))
            say(f"{error}; it is measured again, and was set aside as {path.name}.damaged")
    return recorded


def _execute_all(job: Job, chosen: list[Notebook], profile: str, earlier: Mapping[str, float], limit: Limit) -> Ended:
    """Execute what is not done in order, with a line before and after each, up to the first notebook that fails, or to the limit.

    earlier: stage -> seconds that it took the last time. However short the limit, one notebook is begun.
    """
    import nbformat

    which = f"{len(chosen)} notebooks, {chosen[0].stage} to {chosen[-1].stage}" if chosen[1:] else f"1 notebook, {chosen[0].stage}"
    say(f"{job.state.profile['name']}: {which}")
    parameters = {"profile": str(config.locate(profile)) if profile.endswith(config.FILES) else profile}
    results, work, run_id = job.outputs / "results" / system.system_id(), job.outputs / "work", job.state.run_id
    begun, executed = time.perf_counter(), dict[str, Any]()
    shutil.rmtree(work / "failed", ignore_errors=True)
    for number, notebook in enumerate(chosen, 1):
        if notebook.stage in job.state.done:
            continue
        if executed and limit.too_late(earlier.get(notebook.stage)):
            return Ended(executed, stopped=f"before {notebook.stage}")
        at, before = f"[{number}/{len(chosen)}] {notebook.stage}", time.perf_counter()
        started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        say(f"{at}: running" + (f", took about {_roundly(earlier[notebook.stage])} last time" if notebook.stage in earlier else ""))
        with Kernel(notebook.path.parent, work / "measuring", notebook.stage, _variables(run_id) | limit.variables()) as kernel:
            node, failure = kernel.execute(notebooks.read(notebook.path), parameters, notebook.stage)
        took, total = duration(time.perf_counter() - before), duration(time.perf_counter() - begun)
        left = len(chosen) - number
        if failure and failure.out_of_time:
            say(f"{at}: stopped after {took}, to be gone on with; {left} not run")
            return Ended(executed, stopped=f"in {notebook.stage}")
        if failure:
            failed.write(results, failure, started_at, run_id)
            files.write_text(_kept(job.outputs, notebook.stage), nbformat.writes(node) + "\n")
            say(f"{at}: failed after {took}; {left} not run")
            return Ended(executed, failure)
        with files.writable(results):
            failed.path(results, notebook.stage).unlink(missing_ok=True)
        executed[notebook.stage] = node
        job.done(notebook.stage)
        say(f"{at}: done in {took}; {f'{left} left' if left else 'none left'}, {total} so far")
    return Ended(executed)


def _roundly(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, seconds):.0f} s"


def _kept(outputs: Path, stage: str) -> Path:
    """Where a notebook that failed can be looked at, with its traceback."""
    return outputs / "work" / "failed" / f"{stage}.ipynb"


def _variables(run_id: str) -> dict[str, str]:
    """Environment of the kernels that measure: progress as lines, one run id, the same outputs folder."""
    return {
        REPLAY: "",
        LINES: "lines",
        session.RUN_ID: run_id,
        session.OUTPUTS: str(session.outputs("").resolve()),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
    }


def clean(profile: str) -> Path:
    """Remove everything that runs of a profile (its name) have written, and return that folder. Raises ReportError if a run holds it."""
    outputs = session.outputs(profile)
    if outputs.is_dir():
        with held(outputs), files.writable(outputs):
            shutil.rmtree(outputs)
    return outputs
