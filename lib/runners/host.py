"""What the runners ask of the system they run on: how many threads, which libraries, which GPU."""

from __future__ import annotations

import importlib.util

from lib.experiment import system
from lib.onnx_session import threads
from lib.store.records import Reason

__all__ = ["no_gpu", "not_installed", "threads"]


def not_installed(module: str, package: str) -> Reason | None:
    """The reason "package is not installed" if `module` cannot be found, else None. Imports nothing."""
    return None if importlib.util.find_spec(module) is not None else Reason("not_installed", {"package": package})


def no_gpu() -> Reason | None:
    """The reason "no NVIDIA GPU on this system" where nvidia-smi lists none, else None."""
    return None if system.gpus() else Reason("no_gpu")
