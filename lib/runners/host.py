"""What the runners ask of the system they run on: how many threads, which libraries, which GPU."""

from __future__ import annotations

import importlib.util
import os

from lib.experiment import system
from lib.text import Text

NO_GPU = Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない")


def threads() -> int:
    """Threads that every runner computes with: the cores this process may use, as `taskset` or a container left them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def not_installed(module: str, package: str) -> Text | None:
    """The reason "package is not installed" if `module` cannot be found, else None. Imports nothing."""
    if importlib.util.find_spec(module) is not None:
        return None
    return Text(f"{package} is not installed", f"{package}がインストールされていない")


def no_gpu() -> Text | None:
    """The reason "no NVIDIA GPU on this system" where nvidia-smi lists none, else None."""
    return None if system.gpus() else NO_GPU
