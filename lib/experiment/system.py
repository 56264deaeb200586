"""What machine and which library versions a record was measured on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

from lib import cuda
from lib.stop import told

LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxruntime", "onnxruntime-gpu")
LIBRARIES += ("tensorrt", "tensorrt-rtx-cu13-libs", "numpy")
# What holds a library beside the distribution of its own name: NVIDIA's for each CUDA, and those of the bindings alone.
HOLDERS = {
    "tensorrt": ["tensorrt-bindings", *(f"tensorrt-{toolkit}{part}" for toolkit in ("cu13", "cu12", "cu11") for part in ("", "-bindings"))]
}
GPU_FIELDS = ("name", "compute_cap", "driver_version", "memory.total")
# What decides on kernels and so on answers, of x86 and of Arm: the width of vectors, half precision, INT8 products (exact or saturated).
CPU_FEATURES = {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni"}
CPU_FEATURES |= {"avx_vnni_int8", "amx_tile", "amx_int8", "amx_bf16", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"}


@cache
def describe() -> dict[str, Any]:
    """This system, as JSON. cores: those this process may use; cpu_features: of CPU_FEATURES; libraries: name -> version."""
    return {
        "cpu": told("cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cpu_features": sorted(CPU_FEATURES & {*told("cpuinfo", "flags").split(), *told("cpuinfo", "Features").split()}),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "gpus": gpus(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": versions(LIBRARIES),
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
    """The NVIDIA GPUs that CUDA programs see here, in CUDA's order (CUDA_VISIBLE_DEVICES chooses); everything runs on the first.

    nvidia-smi's name, compute_cap, driver_version, memory.total (MiB); empty where there is none.
    """
    query = ["nvidia-smi", f"--query-gpu={','.join(('pci.bus_id', *GPU_FIELDS))}", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    listed = [[value.strip() for value in line.split(",")] for line in lines if line.count(",") == len(GPU_FIELDS)]
    known = {cuda.bus_id(bus): dict(zip(GPU_FIELDS, values, strict=True)) for bus, *values in listed}
    return [known[bus] for bus in cuda.devices() if bus in known] if known else []


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each of these packages that is installed, under its own name also where one of HOLDERS has it."""
    found = {}
    for name in packages:
        for holder in (name, *HOLDERS.get(name, ())):
            with suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(holder)
                break
    return found


def slug(text: str) -> str:
    """Lower-case letters, digits, dots and hyphens of a text, for file names."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def version_order(text: str) -> list[int]:
    """Sorts versions: "8.6.1" before "10.6.0"."""
    return [int(part) for part in re.findall(r"\d+", text)]
