"""What else the machine did while something was measured: read beside the measurement, never changed, judged by `disturbances`."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

from lib import cuda
from lib.plans import remote
from lib.words import COMMON

PROC = Path("/proc")
OTHER_CPU = 0.10  # share of the processor time over which other programs make timings doubtful
GPU_EVERY_MS = 500
GPU_NUMBERS = {"sm_mhz": "clocks.sm", "memory_mhz": "clocks.mem", "power_w": "power.draw", "temperature_c": "temperature.gpu"}
# Why clocks are below their highest: bits of NVML's nvmlClocksEventReasons (nvml.h), from the lowest.
LIMITS = ("idle", "application_clocks", "power_cap", "hardware_slowdown", "sync_boost", "thermal_software", "thermal_hardware")
LIMITS += ("power_brake", "display_clocks")
# The others are idleness, settings, or the card's own power limit: they hold for every run of this card under this load.
DOUBTFUL = ("hardware_slowdown", "thermal_software", "thermal_hardware", "power_brake")


@dataclass
class Seen:
    """What `watch` saw, filled when it ends. other_cpu: share of the processor time that other programs used, None where it is not told.

    gpu (JSON), empty without a GPU: `samples`, how often it was looked at; the keys of GPU_NUMBERS as [smallest, median, largest];
    `limits`, {why clocks were below their highest (LIMITS): share of the samples}; `others`, how many other processes computed on it.
    gpu_rounds: the same but for `others` of each stretch that `mark` ended.
    """

    other_cpu: float | None = None
    gpu: dict[str, Any] = field(default_factory=dict)
    gpu_rounds: list[dict[str, Any]] = field(default_factory=list)
    mark: Callable[[], None] = lambda: None


class _Ticks(NamedTuple):
    total: int  # of the cores this process may use, idle time too
    programs: int  # what any program used of it, and what the host withheld (steal)
    own: int  # what this process, its children and theirs used


@contextmanager
def watch() -> Iterator[Seen]:
    """Watch the machine while the block runs. other_cpu counts the cores that this process may use; what its children use is its own.

    The GPU is looked at twice a second by one nvidia-smi, which asks and sets nothing.
    """
    seen, gpu = Seen(), next(iter(cuda.devices()), None)
    with tempfile.TemporaryFile("w+") as told:
        asking = _ask_on(gpu, told) if gpu else None
        ends: list[int] = []
        if asking is not None:
            seen.mark = lambda: ends.append(os.fstat(told.fileno()).st_size)
        before = _ticks()
        try:
            yield seen
        finally:
            seen.other_cpu = _others(before, _ticks())
            if asking is not None and gpu:
                asking.terminate()
                asking.wait()
                told.seek(0)
                text = told.read()
                seen.gpu = _gpu(text) | {"others": _gpu_others(gpu)}
                seen.gpu_rounds = [_gpu(text[start:end]) for start, end in pairwise([0, *ends])]


def disturbances(other_cpu: float | None, gpu: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What of a recorded `Seen` makes timings doubtful: (key, values) of sentences in `findings` of lib/words.yaml."""
    found: list[tuple[str, dict[str, Any]]] = []
    if other_cpu is not None and other_cpu > OTHER_CPU:
        found.append(("disturbed", {"share": other_cpu}))
    if held := [limit for limit in DOUBTFUL if gpu.get("limits", {}).get(limit)]:
        found.append(("throttled", {"why": [COMMON(f"gpu_limits.{limit}") for limit in held]}))
    if gpu.get("others"):
        found.append(("gpu_shared", {"count": gpu["others"]}))
    return found


def _ticks() -> _Ticks | None:
    try:
        cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        lines = [line.split() for line in (PROC / "stat").read_text().splitlines()]
        # user, nice, system, idle, iowait, irq, softirq, steal (man 5 proc_stat); interrupts are nobody's
        counts = [[int(count) for count in line[1:9]] for line in lines if line and line[0] in cores]
        programs = sum(user + nice + kernel + steal for user, nice, kernel, _, _, _, _, steal in counts)
        processes = _processes()
        return _Ticks(sum(map(sum, counts)), programs, sum(processes[pid][1] for pid in _family(processes)))
    except (OSError, ValueError, AttributeError):  # no Linux, or a /proc that tells less
        return None


def _others(before: _Ticks | None, after: _Ticks | None) -> float | None:
    if before is None or after is None or after.total <= before.total:
        return None
    own = max(0, after.own - before.own)
    return min(1.0, max(0.0, (after.programs - before.programs - own) / (after.total - before.total)))


def _processes() -> dict[int, tuple[int, int]]:
    """{process: (its parent, ticks that it and its children that ended used)} of all that can be seen."""
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            numbers = path.read_text(errors="replace").rpartition(")")[2].split()  # the name in brackets may hold anything
        except OSError:
            continue  # it ended just now
        found[int(path.parent.name)] = int(numbers[1]), sum(map(int, numbers[11:15]))
    return found


def _family(processes: dict[int, tuple[int, int]]) -> set[int]:
    """This process, its workers, which containers keep elsewhere, and all below them."""
    family, found = set(), {pid for pid in processes if pid == os.getpid() or _is_worker(pid)}
    while found:
        family |= found
        found = {pid for pid, (parent, _) in processes.items() if parent in family} - family
    return family


def _is_worker(pid: int) -> bool:
    try:
        return remote.MARK.encode() in (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:  # it ended just now, or is not to be looked at
        return False


def _ask_on(gpu: str, told: IO[str]) -> subprocess.Popen[str] | None:
    """A nvidia-smi that writes the state of one GPU (its bus id) into a file until it is ended."""
    query = f"--query-gpu={','.join(GPU_NUMBERS.values())},clocks_throttle_reasons.active"
    command = ["nvidia-smi", "-i", gpu, query, "--format=csv,noheader,nounits", f"--loop-ms={GPU_EVERY_MS}"]
    try:
        return subprocess.Popen(command, stdout=told, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None


def _gpu(told: str) -> dict[str, Any]:
    """What nvidia-smi told, a line a sample, as in `Seen` but for `others`. What a card does not tell is left out."""
    lines = [line.split(", ") for line in told.splitlines() if line.count(", ") == len(GPU_NUMBERS)]
    found: dict[str, Any] = {"samples": len(lines)}
    for place, name in enumerate(GPU_NUMBERS):
        numbers = [float(line[place]) for line in lines if line[place][:1].isdigit()]  # not [N/A] or [Not Supported]
        if numbers:
            found[name] = [min(numbers), statistics.median(numbers), max(numbers)]
    masks = [int(line[-1], 16) for line in lines if line[-1].startswith("0x")]
    counted = Counter(limit for mask in masks for bit, limit in enumerate(LIMITS) if mask >> bit & 1)
    return found | {"limits": {limit: count / len(masks) for limit, count in counted.items()}}


def _gpu_others(gpu: str) -> int:
    """How many processes that are not this one's compute on a GPU; those that a container hides are not counted."""
    query = ["nvidia-smi", "-i", gpu, "--query-compute-apps=pid", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    processes = _processes()
    there = {int(pid) for pid in told.split() if pid.isdigit()}
    return len(there & processes.keys() - _family(processes))
