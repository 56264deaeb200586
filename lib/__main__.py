"""Command line of the report: `python -m lib --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.errors import ReportError
from lib.experiment import profile as config

DESCRIPTION = "Measures a model's way to TensorRT and writes the report, in English and Japanese."
DEBUG = "REPORT_DEBUG"  # environment variable: errors that nobody foresaw are shown with their traceback
INTERRUPTED = 130  # the exit status shells give a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for what went wrong, 2 for a profile that cannot be used.

    What went wrong is one line on standard error. Nothing heavy is imported before the profile has been checked.
    """
    options = _parser().parse_args(arguments)
    if options.outputs:
        os.environ["REPORT_OUTPUTS"] = str(Path(options.outputs).resolve())
    try:
        profile = config.load(options.profile)
        _say(COMMANDS[options.command](options, profile))
    except ReportError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return error.exit_code
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        sys.stderr.write(f"error: unexpected {said}; with {DEBUG}=1 it is shown in full\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped; the same command reuses what is built and measures again\n")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.add_argument(
            "--profile", default="quickstart", metavar="NAME|FILE", help="a profile of params/, or a YAML file (default: quickstart)"
        )
        command.add_argument("--outputs", default="", metavar="DIR", help="where runs write (default: outputs)")
        if name in ("run", "render", "lab"):
            command.add_argument("--notebooks", default="", metavar="DIR", help="folder of the notebooks (default: notebooks)")
        if name == "readme":
            command.add_argument("--system", default="", metavar="ID", help="whose results, a folder of results/ (default: the only one)")
        if name == "run":
            command.add_argument("--from", dest="first", default="", metavar="NN", help="begin with notebook NN")
            command.add_argument("--to", dest="last", default="", metavar="NN", help="end with notebook NN")
        if name == "render":
            command.add_argument("--system", default="", metavar="ID", help="whose run, a folder of results/ (default: the last one's)")
    return parser


def _run(options: argparse.Namespace, profile: config.Profile) -> str:
    """Execute the notebooks, then render the pages."""
    from lib.report import run

    return f"{run.shown(run.run(options.profile, _notebooks(options), options.first, options.last))}"


def _render(options: argparse.Namespace, profile: config.Profile) -> str:
    """Render the pages again from what was executed and recorded."""
    from lib.report import render, run

    return f"{run.shown(render.render(profile, _notebooks(options), options.system))}"


def _check(options: argparse.Namespace, profile: config.Profile) -> str:
    """Check a profile and that its dataset is where it says."""
    from lib.data import dataset as datasets

    datasets.check(profile)
    return f"{options.profile}: fine, {len(config.as_rows(profile))} parameters"


def _clean(options: argparse.Namespace, profile: config.Profile) -> str:
    """Remove what runs of a profile have written."""
    from lib.report import run

    return f"{run.shown(run.clean(options.profile))}: removed"


def _readme(options: argparse.Namespace, profile: config.Profile) -> str:
    """Write the tables of a recorded run into the READMEs."""
    from lib.report import readme, run
    from lib.store import session

    results = readme.find(session.outputs(profile.name), options.system)
    return ", ".join(run.shown(path) for path in readme.update(profile, results)) + ": tables written"


def _lab(options: argparse.Namespace, profile: config.Profile) -> str:
    """Open the notebooks in JupyterLab."""
    path = os.pathsep.join([str(config.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    as_root = ["--allow-root"] if os.geteuid() == 0 else []  # in a container; JupyterLab refuses otherwise
    command = [sys.executable, "-m", "jupyterlab", *as_root, str(_notebooks(options))]
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path})


def _notebooks(options: argparse.Namespace) -> Path:
    return Path(options.notebooks).resolve() if options.notebooks else config.ROOT / "notebooks"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


COMMANDS = {"run": _run, "render": _render, "check": _check, "lab": _lab, "readme": _readme, "clean": _clean}


if __name__ == "__main__":
    sys.exit(main())
