"""The compiled C++ runner of lib/cpp (`make cpp`): which program is for which TensorRT, and how it is asked.

A build of it is for one version of TensorRT. Those of several stand side by side, and each is found by its version.
"""

from __future__ import annotations

import glob
import json
import math
import os
import re
import select
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib import trt
from lib.errors import ReportError, WrongOutput, shown
from lib.experiment import profile as config
from lib.store.records import Reason
from lib.timer import Slice

PROGRAM = "REPORT_CPP_RUNNER"  # environment variable: another program than those that `make cpp` builds
HOLE = "{version}"  # stands in paths for a version of TensorRT
BUILT = str(config.ROOT / "build" / f"cpp-{HOLE}" / "runner")
NUMBERS = r"\d+(?:\.\d+)*"
START_S, LONGEST_S = 60, 900  # to start or end; for one pass over the images or one slice, loading included. What takes longer hangs
WRONG_OUTPUT = 3  # exit code: the engine ran, and its answers cannot be right
OWN = re.compile("^runner: (the output is wrong: )?")
AGAIN = "build it again with `make cpp`"


class Build(NamedTuple):
    """What a program says that it is. apis: its calls; tensorrt: the version it was compiled for, "8.5.3.1"; library: of the one that
    it loads, "8.5.3"."""

    apis: tuple[str, ...]
    tensorrt: str
    library: str


def same(one: str, other: str) -> bool:
    """Whether two texts can mean one version of TensorRT: what both tell is equal. Headers say "10.6.0.26" where Python says "10.6.0" and
    a library "10.6.0"; "10.0.0b6" counts as "10.0.0"."""
    told = [tuple(map(int, found[0].split("."))) if (found := re.match(NUMBERS, text)) else () for text in (one, other)]
    return all(told) and all(a == b for a, b in zip(*told, strict=False))


def program(version: str = "") -> Path:
    """The compiled C++ runner for a version of TensorRT, that of this environment where none is named. It need not be there.

    It is where `make cpp` puts it, build/cpp-VERSION/runner, or where $REPORT_CPP_RUNNER says, in which "{version}" may stand for the
    version. The longest version that fits is taken, and of these the highest.
    """
    place = os.environ.get(PROGRAM) or BUILT
    if HOLE not in place:
        return Path(place)
    version = version or trt.version()
    first, *rest = map(re.escape, place.split(HOLE))
    pattern = re.compile(f"{first}(?P<version>{NUMBERS}){'(?P=version)'.join(rest)}")
    there = [found for path in glob.glob("*".join(map(glob.escape, place.split(HOLE)))) if (found := pattern.fullmatch(path))]
    fitting = [found for found in there if same(found["version"], version)]
    return Path(max(fitting, key=lambda found: _order(found["version"]))[0] if fitting else place.replace(HOLE, version))


def apis(version: str = "") -> tuple[str, ...] | Reason:
    """The calls that the program for this TensorRT has, "enqueueV3" and, of 8.x, "executeV2"; or why it cannot be used: it is not there,
    does not start, because libraries that it needs are missing, or is for another version."""
    version = version or trt.version()
    path = program(version)
    if not (path.is_file() and os.access(path, os.X_OK)):
        fixed = HOLE not in (os.environ.get(PROGRAM) or BUILT)
        return Reason("cpp_no_program", {"variable": PROGRAM}) if fixed else Reason("cpp_not_built", {"tensorrt": version})
    build = _build(path, path.stat().st_mtime_ns)
    if isinstance(build, Reason):
        return build
    if not (same(build.tensorrt, version) and same(build.library, version)):
        what = f"{shown(path)} is built for TensorRT {build.tensorrt} and loads {build.library}, wanted {version}"
        return Reason("cpp_does_not_start", {"message": f"the C++ runner: {what}; build one for that with `make cpp`"})
    return build.apis


def call(*words: object, path: Path | None = None, limit_s: float = LONGEST_S) -> str:
    """What the program (None: that of this environment's TensorRT) prints with these arguments. Raises WrongOutput where answers cannot
    be right, else ReportError."""
    try:
        done = subprocess.run(_command(path, *words), capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise ReportError(f"the C++ runner: did not end within {limit_s:g} s") from None
    except OSError as error:
        raise _does_not_start(error) from None
    if done.returncode:
        raise _failed(done.returncode, done.stderr)
    return done.stdout.decode(errors="replace")


class Server:
    """A process of `runner --serve`: a JSON object a line in, one out. It ends with `stop`, and when this process ends, with its input.

    enqueue_ms: median host time that launching one batch of the last slice took; NaN before the first.
    """

    enqueue_ms = math.nan

    def __init__(self, *words: object, said: Path, path: Path | None = None) -> None:
        """Start it. said: file that takes its messages; path: as of `call`. Raises ReportError where it does not start."""
        self.alive, self._said = True, said
        with open(said, "wb") as messages:
            try:
                self._process = subprocess.Popen(
                    _command(path, *words, "--serve"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages, bufsize=0
                )
            except OSError as error:
                raise _does_not_start(error) from None

    def ask(self, batch: int, seconds: float, limit_s: float = LONGEST_S) -> Slice:
        """A slice of calls with the first `batch` samples for about `seconds`, end to end and, of one lane, on the GPU; of several lanes
        with the times between completed batches as latencies. Raises WrongOutput or ReportError for what the program says failed (it can
        be asked again), and ReportError, `alive` False, for one that ended, hangs or answers otherwise."""
        with suppress(BrokenPipeError):  # its end is noticed when nothing comes
            self._process.stdin.write(json.dumps({"batch": batch, "seconds": seconds}).encode() + b"\n")
        line = self._line(limit_s + 2 * seconds)
        try:
            answer = json.loads(line)
            if "error" not in answer:
                self.enqueue_ms = float(_times([answer["enqueue_ms"]])[0])
                return Slice(_times(answer["latencies_ms"]), None if answer["gpu_ms"] is None else _times(answer["gpu_ms"]))
            kind, message = answer["kind"], str(answer["error"])
        except (ValueError, TypeError, KeyError):
            self.stop(grace_s=0)
            raise ReportError(f"the C++ runner: answers '{line[:60].decode(errors='replace')}', no times; {AGAIN}") from None
        raise WrongOutput(message) if kind == "wrong_output" else ReportError(f"the C++ runner: {message}")

    def stop(self, grace_s: float = START_S) -> None:
        """Have it end, as its input does, and wait for that; it is killed where that takes longer than grace_s."""
        self.alive = False
        self._process.stdin.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _line(self, limit_s: float) -> bytes:
        """What it says next, up to the end of the line."""
        until, line = time.monotonic() + limit_s, b""
        waiting = select.poll()  # select() knows no more than 1,024 open files
        waiting.register(self._process.stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
                self.stop(grace_s=0)
                raise ReportError(f"the C++ runner: did not answer within {limit_s:g} s")
            more = self._process.stdout.read(1 << 20)
            if not more:
                self.stop()
                raise _failed(self._process.returncode, self._said.read_bytes())
            line += more
        return line.rstrip()


@cache
def _build(path: Path, changed_ns: int) -> Build | Reason:
    """What a program is, which is asked once; or why it cannot be started."""
    try:
        told = json.loads(call("--version", path=path, limit_s=START_S))
        return Build(tuple(map(str, told["apis"])), str(told["tensorrt"]), str(told["library"]))
    except ReportError as error:
        return Reason("cpp_does_not_start", {"message": str(error)})
    except (ValueError, TypeError, KeyError):
        return Reason("cpp_does_not_start", {"message": f"the C++ runner: --version does not tell what it is; {AGAIN}"})


def _order(version: str) -> tuple[int, tuple[int, ...]]:
    numbers = tuple(map(int, version.split(".")))
    return len(numbers), numbers


def _command(path: Path | None, *words: object) -> list[str]:
    return [str(word) for word in (path or program(), *words)]


def _times(values: Any) -> np.ndarray:
    """ms of calls, float64 (n,), n >= 1. Raises ValueError or TypeError for anything else."""
    times = np.array(values, np.float64)
    if times.ndim != 1 or not times.size or not np.isfinite(times).all():
        raise ValueError("no times")
    return times


def _does_not_start(error: OSError) -> ReportError:
    return ReportError(f"the C++ runner: does not start ({error.strerror}); {AGAIN}")


def _failed(code: int, stderr: bytes) -> ReportError:
    """Why the program ended: its last line about itself, else its last line, else how it ended."""
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    own = [line for line in lines if OWN.match(line)] or lines
    if own:
        line = OWN.sub("", own[-1]).strip()
        return WrongOutput(line) if code == WRONG_OUTPUT else ReportError(f"the C++ runner: {line}")
    return ReportError(f"the C++ runner: {f'killed by {signal.Signals(-code).name}' if code < 0 else f'ended with exit code {code}'}")
