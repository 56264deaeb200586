"""Why a backend cannot run on this system: a library or a GPU is missing."""

from __future__ import annotations

import importlib.util

from lib.experiment import system
from lib.store.records import Reason


def not_installed(module: str, package: str) -> Reason | None:
    """The reason "package is not installed" if `module` cannot be found, else None. Imports nothing."""
    return None if importlib.util.find_spec(module) is not None else Reason("not_installed", {"package": package})


def no_gpu() -> Reason | None:
    """The reason "no NVIDIA GPU on this system" where nvidia-smi lists none, else None."""
    return None if system.gpus() else Reason("no_gpu")
