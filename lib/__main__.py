"""Command line of the report: `python -m lib --help`."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib import stop
from lib.deadline import OutOfTime
from lib.errors import ConfigError, ReportError, shown

if TYPE_CHECKING:
    from lib.report.run import Outcome

DESCRIPTION = "Measures a model's way to TensorRT and writes the report, in English and Japanese."
DEBUG = "REPORT_DEBUG"  # environment variable: errors that nobody foresaw are shown with their traceback
STOPPED = "stopped; the same command reuses what is built and measures again"
PROBLEMS = 3  # that the last lines of a run name
ROOT = Path(__file__).resolve().parents[1]


def program() -> int:
    """`main`, stopped by signals in one line and with one exit status."""
    try:
        stop.listen()
        return main()
    finally:
        stop.ignore()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for what went wrong, 2 for a profile that cannot be used, 5 where --minutes were over;
    with --strict 3 where nothing may go to production and 4 where that is undecided; of `compare` and `bench` 3 where something is worse
    and 4 where nothing could be judged.

    What went wrong is one line on standard error. Nothing heavy is imported before the profile has been checked.
    """
    try:
        return _run_command(_parser().parse_args(arguments))
    except KeyboardInterrupt as error:
        sys.stderr.write(f"error: {str(error) or STOPPED}\n")
        return stop.STATUS


def _run_command(options: argparse.Namespace) -> int:
    try:
        from lib.experiment import profile

        if outputs := options.outputs or os.environ.get(profile.OUTPUTS):
            os.environ[profile.OUTPUTS] = os.path.abspath(outputs)  # kernels run in another folder
        if "profile" in options:
            options.name = profile.locate(options.profile).stem  # of a file that need not be there any more: records hold the parameters
        done = COMMANDS[options.command](options)
        said, code = done if isinstance(done, tuple) else (done, 0)
        sys.stdout.write(f"{said}\n")
        return code
    except ReportError as error:
        sys.stderr.write(f"{'' if isinstance(error, OutOfTime) else 'error: '}{' '.join(str(error).split())}\n")
        return error.exit_code
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        sys.stderr.write(f"error: unexpected {said}; with {DEBUG}=1 it is shown in full\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        option = commands.add_parser(name, help=function.__doc__, description=function.__doc__).add_argument
        if name == "new":
            option("--model", required=True, metavar="FILE", help="an .onnx, a .keras or a SavedModel folder")
            option("--data", default="", metavar="DIR|NPZ", help="images in test/CLASS/ and calibration/CLASS/, or an .npz (default: none)")
            option("--to", default="", metavar="FILE|NAME", help="the profile to write (default: beside the model, of its name)")
        elif name == "compare":
            option("a", metavar="A", help="the run of before: a folder results/SYSTEM, or a profile, or PROFILE/SYSTEM")
            option("b", metavar="B", help="the run that is judged")
            option("--to", default="", metavar="FILE|DIR", help="the page to write (default: html/compare/ beside B's pages)")
        else:
            option(
                "--profile", default="quickstart", metavar="NAME|FILE", help="a profile of params/, or a YAML file (default: quickstart)"
            )
        option("--outputs", default="", metavar="DIR", help="where runs write (default: outputs)")
        if name in ("run", "render", "lab"):
            option("--notebooks", default="", type=_notebooks, metavar="DIR", help="folder of the notebooks (default: notebooks)")
        if name in ("run", "render"):
            option("--strict", action="store_true", help="end with the verdict: exit code 0 accepted, 3 rejected, 4 undecided")
        if name in ("render", "share", "readme", "seal", "migrate"):
            default = "the last one's" if name == "render" else "the only one"
            option("--system", default="", metavar="ID", help=f"whose results, a folder of results/ (default: {default})")
        if name in ("compare", "bench"):
            least = "a difference of speed that counts (default: measuring.least_ratio of the profiles)"
            option("--percent", default="", metavar="N", help=least)
        if name == "bench":
            earlier = "an earlier run, below bench/ of the outputs or results/SYSTEM of a report, to compare with; exit code 3 where slower"
            option("--against", default="", metavar="DIR", help=earlier)
            option(
                "--minutes",
                default="",
                metavar="N",
                help="how long timing takes, half of it the ways of notebook 10 (default: 2, or as in the earlier run); not counted are "
                "models and engines that are missing and rivals that start slowly",
            )
        if name == "run":
            option("--from", dest="first", default="", metavar="NN", help="begin with notebook NN")
            option("--to", dest="last", default="", metavar="NN", help="end with notebook NN")
            limit = "stop after so many, where nothing is lost, with exit code 5; the same command goes on"
            option("--minutes", default="", metavar="N", help=limit)
    return parser


def _notebooks(given: str) -> Path:
    return Path(os.path.abspath(given or ROOT / "notebooks"))


def _run(options: argparse.Namespace) -> tuple[str, int]:
    """Execute the notebooks, then render the pages."""
    minutes = _minutes(options.minutes)
    from lib.experiment import profile

    profile.load(options.profile)
    from lib.report import run

    return _outcome(run.run(options.profile, options.notebooks, options.first, options.last, minutes), options.strict)


def _minutes(given: str) -> float | None:
    """A limit in minutes, None for "". Raises ConfigError for what is no positive number."""
    return _positive(given, "--minutes", "--minutes 9 (make: MINUTES=9)")


def _positive(given: str, option: str, example: str) -> float | None:
    try:
        number = float(given or "inf")
    except ValueError:
        number = math.nan
    if given and not 0 < number < math.inf:
        raise ConfigError(f"{option} {given}: give a positive number, as in {example}")
    return number if given else None


def _share_of(percent: str) -> float | None:
    """What --percent asks for, as a share."""
    number = _positive(percent, "--percent", "--percent 10 (make: PERCENT=10)")
    return number and number / 100


def _render(options: argparse.Namespace) -> tuple[str, int]:
    """Render the pages again from what was recorded, with the parameters that were recorded; the limits are those of the profile now."""
    from lib.experiment import profile
    from lib.report import render

    there = profile.locate(options.profile).exists()  # else the limits are those that were recorded
    accept = profile.load(options.profile).accept if there else None
    if accept is None:
        _recorded(options)
    return _outcome(render.render(options.name, options.notebooks, options.system, accept), options.strict)


def _compare(options: argparse.Namespace) -> tuple[str, int]:
    """Compare two runs: what differs beyond its interval, on a page; exit code 3 where B is worse, 4 where nothing was decided."""
    from lib.report.versus import page

    return page.compare(options.a, options.b, options.to, _share_of(options.percent))


def _bench(options: argparse.Namespace) -> tuple[str, int]:
    """Time the candidates of a profile, and the ways of notebook 10, in a few minutes; against an earlier run exit code 3 where something
    is slower or failed, 4 where nothing was decided, 2 where both share nothing."""
    minutes = _positive(options.minutes, "--minutes", "--minutes 5 (make: MINUTES=5)")
    from lib import bench

    return bench.bench(options.profile, options.against, minutes, _share_of(options.percent))


def _share(options: argparse.Namespace) -> str:
    """Pack the pages for others: a zip, and the overview as one HTML file."""
    _recorded(options)
    from lib.report import share

    return share.share(options.name, options.system)


def _new(options: argparse.Namespace) -> str:
    """Write a profile of a model of your own, with all that its file and its images say."""
    from lib.report import new

    return new.new(options.model, options.data, options.to)


def _check(options: argparse.Namespace) -> str:
    """Check a profile, and that its model and dataset are there and fit together."""
    from lib.experiment import profile

    checked = profile.load(options.profile)
    from lib import session

    session.check(checked)
    return f"{options.profile}: fine, {len(profile.as_rows(checked))} parameters"


def _clean(options: argparse.Namespace) -> str:
    """Remove what runs of a profile have written."""
    _recorded(options)
    from lib.report import run

    return f"{shown(run.clean(options.name))}: removed"


def _readme(options: argparse.Namespace) -> str:
    """Write verdict, table and picture of a recorded run into the READMEs, and its pages."""
    results = _results(options)
    from lib.report import notebooks, pictures, readme, render, shell

    html = render.render(options.name, system=results.name).index.parent / results.name
    report = shell.gather(options.name, notebooks.FOLDER, results.name)
    return f"{_listed([*readme.update(report), *pictures.take(report, html)])}: written"


def _seal(options: argparse.Namespace) -> str:
    """Seal recorded files again that were altered on purpose."""
    results = _results(options)
    from lib.store import stage_file

    paths = sorted(results.glob("[0-9][0-9]_*.jsonl"))
    for path in paths:
        stage_file.reseal(path)
    return f"{_listed(paths)}: sealed"


def _migrate(options: argparse.Namespace) -> str:
    """Bring results of an earlier version into today's form."""
    results = _results(options)
    from lib.store import migrate

    return f"{_listed(migrate.migrate(results))}: brought into today's form"


def _lab(options: argparse.Namespace) -> str:
    """Open the notebooks in JupyterLab, on this profile where they name none."""
    from lib.experiment import profile

    profile.load(options.profile)
    from lib.pages import page

    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    as_root = ["--allow-root"] if os.geteuid() == 0 else []  # in a container; JupyterLab refuses otherwise
    command = [sys.executable, "-m", "jupyterlab", *as_root, str(options.notebooks)]
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path, page.PROFILE: str(profile.locate(options.profile))})


def _results(options: argparse.Namespace) -> Path:
    """results/SYSTEM that a command works on."""
    _recorded(options)
    from lib import session
    from lib.report import readme

    return readme.find(session.outputs(options.name), options.system)


def _recorded(options: argparse.Namespace) -> None:
    """Raise ConfigError for a profile that is none and of which no run wrote anything: its name is a mistake."""
    from lib.experiment import profile

    if not profile.locate(options.profile).exists():
        from lib import session

        if not session.outputs(options.name).is_dir():
            profile.load(options.profile)


def _outcome(outcome: Outcome, strict: bool) -> tuple[str, int]:
    """The last lines of a run and its exit code: the verdict; the first red findings; how many are red and amber, and where they stand."""
    problems, doubtful = outcome.findings.get("bad", 0), outcome.findings.get("warn", 0)
    counted = f"{problems} problem{'' if problems == 1 else 's'}, {doubtful} doubtful: open {shown(outcome.index)}"
    more = len(outcome.problems) - PROBLEMS
    named = [*outcome.problems[:PROBLEMS], *([f"and {more} more problem{'' if more == 1 else 's'}"] if more > 0 else [])]
    return "\n".join(filter(None, [outcome.told, *named, counted])), outcome.exit_code if strict else 0


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(map(shown, paths)) or "nothing"


COMMANDS = {
    one.__name__[1:]: one for one in (_run, _new, _render, _compare, _bench, _share, _check, _lab, _readme, _seal, _migrate, _clean)
}


if __name__ == "__main__":
    sys.exit(program())
