"""The C++ runner of lib/cpp (`make cpp`) as a backend of the report, on the engines of the Python runner."""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import ReportError, WrongOutput
from lib.experiment import profile as config
from lib.experiment.candidate import PLAIN, Way
from lib.runners.base import Slice, Timer, check_batch
from lib.runners.tensorrt import EngineRunner, TensorRT
from lib.store import files
from lib.store.records import Reason
from lib.text import Text

PROGRAM = "REPORT_CPP_RUNNER"  # environment variable: another program than the one that `make cpp` builds
BUILT = config.ROOT / "build" / "cpp" / "runner"
START_S, LONGEST_S = 60, 900  # to start or end; for one pass over the images or one slice, loading included. What takes longer hangs
WRONG_OUTPUT = 3  # exit code: the engine ran, and its answers cannot be right
OWN = re.compile("^runner: (the output is wrong: )?")
AGAIN = "build it again with `make cpp`"


def program() -> Path:
    """The compiled C++ runner: $REPORT_CPP_RUNNER, or where `make cpp` puts it. It need not be there."""
    return Path(os.environ.get(PROGRAM) or BUILT)


def apis() -> tuple[str, ...] | Reason:
    """The calls that this build of the program has, "enqueueV3" and, against 8.x, "executeV2"; or why it cannot be started.

    It is tried, because libraries that it needs may be missing.
    """
    path = program()
    if path.is_file() and os.access(path, os.X_OK):
        return _apis(path, path.stat().st_mtime_ns)
    return Reason("cpp_no_program", {"variable": PROGRAM}) if os.environ.get(PROGRAM) else Reason("cpp_not_built")


def call(*words: object, limit_s: float = LONGEST_S) -> str:
    """What the program prints with these arguments. Raises WrongOutput where answers cannot be right, else ReportError."""
    try:
        done = subprocess.run(_command(*words), capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise ReportError(f"the C++ runner: did not end within {limit_s:g} s") from None
    except OSError as error:
        raise _does_not_start(error) from None
    if done.returncode:
        raise _failed(done.returncode, done.stderr)
    return done.stdout.decode(errors="replace")


def write_samples(path: Path, images: np.ndarray) -> Path:
    """Write model inputs as the .npy file that the program reads, batch by batch while it runs. Returns `path`."""
    with files.writable(path.parent):
        np.save(path, np.ascontiguousarray(images))
    return path


class Cpp(EngineRunner):
    """The program on the engine of the Python runner. `infer` starts it and loads the engine in every call, so that load times hold
    its start; a `timer` keeps one process for all batches, which times itself.

    way: api "enqueueV3" (the plain one: named tensors) or "executeV2" (bindings, 8.x); graph: enqueueV3 replayed as a CUDA graph.
    """

    name = "cpp"
    label = Text("TensorRT (C++)", "TensorRT（C++）")
    place = 60
    api = "enqueueV3"
    batches_itself = times_itself = True
    _server: Server | None = None
    _served: np.ndarray | None = None  # what `_server` has, or will have once it is asked

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """Why engines cannot be run on this system, or why the program cannot."""
        return TensorRT.unavailable(precision) or (found if isinstance(found := apis(), Reason) else None)

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        """The calls that the program has, beside the plain one."""
        found = apis()
        return [PLAIN] if isinstance(found, Reason) else [PLAIN, *(Way(api=api) for api in found if api != cls.api), Way(graph=True)]

    @classmethod
    def versions(cls) -> dict[str, str]:
        return {"program": files.sha256(program())}

    def prepare(self) -> None:
        """As the Python runner. The program refuses any other plan than the one that was checked."""
        super().prepare()
        self._sha256 = hashlib.sha256(self._plan).hexdigest()

    def open(self) -> None:
        """Make the folder that holds what the program reads and writes: the program itself is started when it is asked."""
        self._folder = tempfile.TemporaryDirectory()

    def close(self) -> None:
        self._stop()
        self._folder.cleanup()

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs, any n >= 1 -> outputs, float32 (n, classes), by a process of its own, which splits and fills up batches."""
        check_batch(batch, self.session.spec)
        samples, answers = write_samples(self._file("samples.npy"), batch), self._file("predictions.npy")
        answers.unlink(missing_ok=True)
        call(*self._words(samples), "--batch", self.max_batch or len(batch), "--predictions", answers)
        try:
            values = np.load(answers, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise ReportError(f"the C++ runner: wrote no predictions; {AGAIN}") from None
        if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(batch):
            raise ReportError(f"the C++ runner: predictions are {values.dtype} {values.shape}, of {len(batch)} images; {AGAIN}")
        return values

    def timer(self, batch: np.ndarray) -> Timer:
        """Of calls that the program times itself. All timers share one process while each batch begins the largest one."""
        check_batch(batch, self.session.spec, self.max_batch)
        self._serve(batch)

        def timed(seconds: float) -> Slice:
            self._serve(batch)
            if self._server is None or not self._server.alive:
                self._server = Server(*self._words(write_samples(self._file("served.npy"), self._served)), said=self._file("said"))
            return self._server.ask(len(batch), seconds)

        return timed

    def _serve(self, batch: np.ndarray) -> None:
        """Have the process that is asked next know these images."""
        if self._served is None or not np.array_equal(self._served[: len(batch)], batch):
            self._stop()
            self._served = batch

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._server = None

    def _words(self, samples: Path) -> list[object]:
        way, spec = self.candidate.way, self.session.spec
        words = ["--plan", self.artifact.file(self.file), "--sha256", self._sha256, "--samples", samples, "--api", way.api or self.api]
        words += ["--output", spec.output, "--outputs", "logits" if spec.logits else "probabilities"]
        return [*words, *(["--graph"] if way.graph else [])]

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name


class Server:
    """A process of `runner --serve`: a JSON object a line in, one out. It ends with `stop`, and when this process ends, with its input."""

    def __init__(self, *words: object, said: Path) -> None:
        """Start it. said: file that takes its messages. Raises ReportError where it does not start."""
        self.alive, self._said = True, said
        with open(said, "wb") as messages:
            try:
                self._process = subprocess.Popen(
                    _command(*words, "--serve"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages, bufsize=0
                )
            except OSError as error:
                raise _does_not_start(error) from None

    def ask(self, batch: int, seconds: float, limit_s: float = LONGEST_S) -> Slice:
        """A slice of calls with the first `batch` samples for about `seconds`, end to end and on the GPU. Raises WrongOutput or ReportError
        for what the program says failed (it can be asked again), and ReportError, `alive` False, for one that ended, hangs or answers
        otherwise."""
        with suppress(BrokenPipeError):  # its end is noticed when nothing comes
            self._process.stdin.write(json.dumps({"batch": batch, "seconds": seconds}).encode() + b"\n")
        line = self._line(limit_s + 2 * seconds)
        try:
            answer = json.loads(line)
            if "error" not in answer:
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
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))
            if not ready:
                self.stop(grace_s=0)
                raise ReportError(f"the C++ runner: did not answer within {limit_s:g} s")
            more = self._process.stdout.read(1 << 20)
            if not more:
                self.stop()
                raise _failed(self._process.returncode, self._said.read_bytes())
            line += more
        return line.rstrip()


@cache
def _apis(path: Path, changed_ns: int) -> tuple[str, ...] | Reason:
    """`apis` of one build of the program, which is asked once."""
    try:
        return tuple(map(str, json.loads(call("--apis", limit_s=START_S))))
    except ReportError as error:
        return Reason("cpp_does_not_start", {"message": str(error)})
    except (ValueError, TypeError):
        return Reason("cpp_does_not_start", {"message": f"the C++ runner: --apis names none; {AGAIN}"})


def _command(*words: object) -> list[str]:
    return [str(word) for word in (program(), *words)]


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
