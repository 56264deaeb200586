"""What machine and which library versions a record was measured on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx-cu13-libs", "numpy")
GPU_FIELDS = ("name", "compute_cap", "driver_version", "memory.total")


@cache
def describe() -> dict[str, Any]:
    """This system, as JSON.

    cpu: model name; cores: those this process may use; memory_gib: total; gpus: one dict a GPU (nvidia-smi's
    name, compute_cap, driver_version, memory.total in MiB); os, python; libraries: {name: version} of what is installed.
    """
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "gpus": gpus(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


@cache
def system_id() -> str:
    """A readable name of this system and a hash of its description, e.g. `amd-epyc-2c-trt-rtx1.7-1a2b3c`."""
    system = describe()
    device = system["gpus"][0]["name"] if system["gpus"] else f"{system['cpu']} {system['cores']}c"
    libraries = system["libraries"]
    trt = f"trt{libraries['tensorrt']}" if "tensorrt" in libraries else f"rtx{libraries.get('tensorrt-rtx-cu13-libs', '-none')}"
    digest = hashlib.sha256(json.dumps(system, sort_keys=True).encode()).hexdigest()[:6]
    return f"{slug(device)}-{slug(trt)}-{digest}"


@cache
def gpus() -> list[dict[str, str]]:
    """NVIDIA GPUs as nvidia-smi lists them, empty where there is none."""
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    return [dict(zip(GPU_FIELDS, (part.strip() for part in line.split(",")), strict=True)) for line in lines if line.count(",") == 3]


def slug(text: str) -> str:
    """Lower-case letters, digits, dots and hyphens of a text, for file names."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def _cpu() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
