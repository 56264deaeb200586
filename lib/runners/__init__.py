"""RUNNERS: the backends of the experiment, a class each, found by looking into this folder. Importing imports none of their libraries.

With lib/experiment/precision.py it is the whole experiment: every backend at each of its precisions is a row of the report.
A new backend is a file here with a subclass of Runner (lib/runners/base.py), a new precision a row there: nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil

from lib.experiment.candidate import HARNESS, LABELS, Candidate
from lib.experiment.profile import Profile
from lib.runners.base import Runner


def _found() -> dict[str, type[Runner]]:
    """The classes of this folder's modules that have a name, by it, sorted by their place."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    made = {each for module in modules for each in vars(module).values() if type(each) is type(Runner) and issubclass(each, Runner)}
    named = [each for each in made if "name" in vars(each)]
    return {each.name: each for each in sorted(named, key=lambda each: each.place)}


RUNNERS: dict[str, type[Runner]] = _found()
LABELS |= {name: runner.label for name, runner in RUNNERS.items()}


def candidates(profile: Profile) -> list[Candidate]:
    """Every backend that suits a profile's model, but for the harness, at each of its precisions, called the plain way, in the order of
    the report."""
    suited = [(name, runner) for name, runner in RUNNERS.items() if name != HARNESS and runner.suits(profile)]
    return [Candidate(name, precision) for name, runner in suited for precision in runner.precisions]
