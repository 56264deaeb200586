"""What the system is doing at the moment: read before and after a measurement, never changed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from lib.experiment import system

GPU_STATE = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu", "clocks_throttle_reasons.active")


def now() -> dict[str, Any]:
    """Load average of the last minute, mean CPU clock in MHz (where Linux tells) and, of each GPU, `GPU_STATE`.

    gpus: clocks in MHz, power in W, temperature in °C, throttle reasons as nvidia-smi's bit mask; absent without a GPU.
    """
    state: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)}
    if (mhz := _cpu_mhz()) is not None:
        state["cpu_mhz"] = mhz
    if system.gpus():
        state["gpus"] = _gpus()
    return state


def _cpu_mhz() -> float | None:
    """Mean of the cores' clocks in MHz, from /proc/cpuinfo."""
    try:
        clocks = re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return round(sum(map(float, clocks)) / len(clocks), 1) if clocks else None


def _gpus() -> list[dict[str, str]]:
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_STATE)}", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    return [dict(zip(GPU_STATE, (part.strip() for part in line.split(",")), strict=False)) for line in lines]
