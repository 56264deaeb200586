"""The TensorRTs that TENSORRT_PYTHONS names: a worker (lib/trt/worker.py) in the environment of each, asked over pipes.

What a worker does to itself, it does to nobody else: one that does not start, ends in the middle, hangs or prints where it should not
is an error of that worker, in one line.
"""

from __future__ import annotations

import os
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from lib import deadline
from lib.errors import ConfigError, ReportError, WrongOutput
from lib.experiment import profile as config
from lib.experiment.strict import line
from lib.trt import wire
from lib.trt.versions import EngineError

# Environment variable: commands that start a Python, separated by semicolons, or a file with one a line. Either is found from the
# project's folder, in which workers start; the notebooks lie elsewhere.
PYTHONS = "TENSORRT_PYTHONS"
# Last word of a worker's command line, of this process alone: in a container it is no child, and yet its own (lib/measure/state.py).
MARK = f"worker-{secrets.token_hex(8)}"
START_S, ASK_S, BUILD_S = 120.0, 600.0, 3600.0  # how long a worker may take to start (a container too), to answer, to build an engine
OVER_S = 60.0  # how much longer than the run's minutes a step may take that was begun within them
NOISE = 1 << 16  # bytes that a start script may print before the worker speaks
LOOK_S = 1.0  # how often it is looked whether one that says nothing still lives: what it started may keep its output open
END_S, GRACE_S = 5.0, 10.0  # how long one may take to end that says no more, and one that is told to


class WorkerEnded(ReportError):
    """A worker that did not start, ended, hung or talked nonsense. It may be started again."""


def commands(text: str | None = None) -> list[list[str]]:
    """The commands of $TENSORRT_PYTHONS (or of `text`), split as a shell does; none without the variable.

    Raises ConfigError for a file that cannot be read, no command in it, and quotes that do not close.
    """
    given = (os.environ.get(PYTHONS) or "" if text is None else text).strip()
    lines, where, file = given.split(";"), PYTHONS, config.ROOT / given
    listed = bool(given) and ";" not in given and os.path.isfile(file) and not os.access(file, os.X_OK)
    if listed:
        where = f"{PYTHONS}: {given}"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: cannot be read ({line(str(error))})") from None
    try:
        found = [words for one in lines if (words := shlex.split(one, comments=listed))]
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; write commands separated by semicolons, or one a line in a file") from None
    if given and not found:
        raise ConfigError(f"{where}: no command in it; write commands that start a Python, such as /opt/trt8/bin/python")
    return found


def _or_file(command: list[str]) -> str:
    """Of a command that is not found: that its name might have been meant as that of a file of commands, "" where that cannot be."""
    name = command[0]
    alone = (os.environ.get(PYTHONS) or "").strip() == name and len(command) == 1
    if not alone or not (name.endswith(".txt") or "/" in name) or os.path.lexists(config.ROOT / name):
        return ""
    return "; a file with one command a line would also do, if it were there"


def program(module: str) -> str:
    """What a Python of any age runs a module of this project by, behind -c: old ones cannot even read it, so they are told apart before it
    is imported; it lies in the folder that they are started in."""
    too_old = "'Python %d.%d is too old: 3.10 or newer is needed' % sys.version_info[:2]"
    return (
        f"import sys; sys.version_info >= (3, 10) or sys.exit({too_old}); import runpy; runpy.run_module({module!r}, run_name='__main__')"
    )


class Worker:
    """A running worker. `about`: what it said of itself (lib/trt/worker.py); starts: how often it was started, for what it held before
    its last start is gone; bootstrap: the program that its Python runs. Not for several threads."""

    bootstrap: ClassVar[str] = program("lib.trt.worker")

    def __init__(self, command: list[str]) -> None:
        """Start it and ask what it is. Raises WorkerEnded where that fails."""
        self.command, self.starts = command, 0
        self.about: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._swept = False  # whether what the process started is ended too
        self._said = Path(tempfile.mkdtemp(prefix="worker-")) / "said.txt"
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What messages call it: its command without folders."""
        return line(" ".join([Path(self.command[0]).name, *self.command[1:]]))

    @property
    def tensorrt(self) -> str:
        """Its version of TensorRT, "" for none."""
        return str(self.about.get("tensorrt") or "")

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        if self._process is None or self._process.poll() is not None:
            self._sweep()
            return False
        return True

    def start(self) -> None:
        """Start it, again where it has ended: what it held is then gone. Raises WorkerEnded."""
        self._stop()
        environment = os.environ | {"TMPDIR": str(self._said.parent)}  # what one that is killed leaves there goes with the folder
        with open(self._said, "wb") as messages:
            try:
                self._process = subprocess.Popen(
                    [*self.command, "-c", self.bootstrap, MARK],
                    cwd=config.ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages,
                    bufsize=0, start_new_session=True,
                )  # fmt: skip
            except FileNotFoundError as error:  # named in full, for what is wrong may be its folder
                raise WorkerEnded(f"{line(' '.join(self.command))}: does not start ({error.strerror}){_or_file(self.command)}") from None
            except (OSError, ValueError) as error:
                raise WorkerEnded(f"{self.name}: does not start ({getattr(error, 'strerror', None) or error})") from None
        self.starts, self._swept = self.starts + 1, False
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        self._until = time.monotonic() + START_S
        try:
            self._greeted()
            self.about = self.ask("about", START_S)[0]
        except EngineError as error:
            self._stop()
            raise WorkerEnded(f"{self.name}: does not say what it is: {error}") from None
        except BaseException:
            self._stop()
            raise

    def ask(
        self, what: str, limit_s: float = ASK_S, arrays: dict[str, Any] | None = None, **message: Any
    ) -> tuple[dict[str, Any], wire.Arrays]:
        """Have it do one thing (a method of lib.trt.worker.Worker).

        Raises EngineError for what it says failed, WrongOutput for answers that it found wrong, it can be asked again; WorkerEnded where
        it ends, hangs for `limit_s` or answers otherwise; OutOfTime, and it is ended, OVER_S after the run's minutes.
        """
        if not self.alive:
            raise WorkerEnded(f"{self.name}: {self._end()}")
        self._until = time.monotonic() + limit_s
        try:
            with suppress(BrokenPipeError):  # its end is noticed when nothing comes
                wire.send(self, {"ask": what, **message}, arrays)  # type: ignore[arg-type]
            answer, given = wire.receive(self._read)
        except wire.Garbled as error:
            self._stop()
            raise WorkerEnded(line(f"{self.name}: answers otherwise than a worker does: {error}")) from None
        except BaseException:  # Ctrl-C too: what is left of this answer would be read as the next one
            self._stop()
            raise
        if "error" in answer:
            kind = WrongOutput if answer.get("wrong") else EngineError
            raise kind(line(f"TensorRT {self.tensorrt}: {answer['error']}" if self.tensorrt else str(answer["error"])))
        return answer, given

    def close(self) -> None:
        """End it, as its input does; it is killed where that takes too long."""
        self._stop(GRACE_S)
        shutil.rmtree(self._said.parent, ignore_errors=True)

    def write(self, data: bytes | memoryview) -> None:
        """Part of a message, for lib/trt/wire.py: waits for one that reads slowly no longer than the ask may take."""
        left = memoryview(data).cast("B")
        while left:
            self._ready(self._pipe, select.POLLOUT)
            with suppress(BlockingIOError):
                left = left[os.write(self._pipe, left) :]

    def flush(self) -> None:
        """Nothing waits."""

    def _greeted(self) -> None:
        """Skip what start scripts print, up to the worker's first word."""
        seen = b""
        while not seen.endswith(wire.HELLO):
            seen += self._read(1)
            if len(seen) > NOISE:
                raise WorkerEnded(f"{self.name}: prints {line(seen[:60].decode(errors='replace'))} …, and is no worker")

    def _read(self, size: int) -> bytes:
        """Exactly so many bytes of what it says."""
        assert self._process is not None
        assert self._process.stdout is not None
        parts, pipe = bytearray(), self._process.stdout.fileno()
        while len(parts) < size:
            self._ready(pipe, select.POLLIN)
            more = os.read(pipe, min(size - len(parts), 1 << 20))
            if not more:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_S)
                raise WorkerEnded(f"{self.name}: {self._end()}")
            parts += more
        return bytes(parts)

    def _ready(self, pipe: int, event: int) -> None:
        """Wait until a pipe is, no longer than the ask may take, and not for one that has ended and whose pipes somebody else holds."""
        waiting = select.poll()  # select() knows no more than 1,024 open files, and a notebook's process may have them
        waiting.register(pipe, event)
        while not waiting.poll(1000 * min(LOOK_S, max(0.0, self._until - time.monotonic()))):
            if not self.alive and not waiting.poll(1000 * LOOK_S):
                raise WorkerEnded(f"{self.name}: {self._end()}")
            if time.monotonic() >= self._until:
                self._stop()
                raise WorkerEnded(f"{self.name}: did not answer in time and was ended")
            if deadline.left_s() < -OVER_S:
                self._stop()
                raise deadline.OutOfTime(f"{self.name}: did not come to its end and was ended; the same command goes on from here")

    def _end(self) -> str:
        """How it ended, and the last that it said about it."""
        code = self._process.poll() if self._process is not None else None
        how = "says no more" if code is None else f"killed by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
        said = [one.strip() for one in self._said.read_text(errors="replace").splitlines() if one.strip()]
        return f"{how}: {line(said[-1])[:300]}" if said else how

    def _stop(self, grace_s: float = 0.0) -> None:
        if self._process is None:
            return
        process = self._process
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        self._sweep()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _sweep(self) -> None:
        """Kill it with all that it started, or what it left behind: once, as soon as its end is seen, for later its number may be that of
        somebody else's processes."""
        if self._process is not None and not self._swept:
            self._swept = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


@contextmanager
def workers(found: list[list[str]] | None = None) -> Iterator[list[Worker | WorkerEnded]]:
    """A worker for each of `commands()`, in their order, or why there is none; all are ended afterwards."""
    made: list[Worker | WorkerEnded] = []
    try:
        for command in commands() if found is None else found:
            try:
                made.append(Worker(command))
            except WorkerEnded as error:
                made.append(error)
        yield made
    finally:
        for one in made:
            if isinstance(one, Worker):
                one.close()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"
