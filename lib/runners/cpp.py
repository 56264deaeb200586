"""The C++ runner of lib/cpp (`make cpp`) as a runner of the report: a process a call, on the engines of the Python runner."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib.errors import NotMeasured, ReportError
from lib.experiment import profile as config
from lib.experiment.candidate import CPP
from lib.runners.base import check_batch
from lib.runners.tensorrt import EngineRunner, TensorRT
from lib.store import files, records
from lib.text import Text

if TYPE_CHECKING:
    from lib.store.artifacts import Artifact
    from lib.store.records import Record
    from lib.store.session import Session

PROGRAM = "REPORT_CPP_RUNNER"  # environment variable: another program than the one that `make cpp` builds
BUILT = config.ROOT / "build" / "cpp" / "runner"
NOT_BUILT = Text("the C++ runner is not built: run `make cpp`", "C++実行系がビルドされていない：`make cpp`を実行する")
API = "enqueueV3"
START_S, LONGEST_S = 60, 900  # to start, and for one pass over the images; what takes longer hangs
LINE = re.compile("^runner: ")


def program() -> Path:
    """The compiled C++ runner: $REPORT_CPP_RUNNER, or where `make cpp` puts it. It need not be there."""
    return Path(os.environ.get(PROGRAM) or BUILT)


def not_built() -> Text | None:
    """Why the program cannot be started, or None. It is tried, because libraries that it needs may be missing."""
    path = program()
    if path.is_file() and os.access(path, os.X_OK):
        _, problem = _help(path, path.stat().st_mtime_ns)
        return Text(problem, f"C++実行系を起動できない：{problem}") if problem else None
    if not os.environ.get(PROGRAM):
        return NOT_BUILT
    return Text(f"{PROGRAM} names {path}, which is no program", f"{PROGRAM}が示す{path}は実行できるファイルではない")


def apis() -> list[str]:
    """The calls that this build of the program has, as its --help names them: "enqueueV3" and, against 8.x, "executeV2"."""
    text, problem = _help(program(), program().stat().st_mtime_ns)
    if problem:
        raise ReportError(problem)
    named = re.search(r"--api (\S+)", text)
    if named is None:
        raise ReportError(f"{program()} --help: names no --api; build it again with `make cpp`")
    return named[1].split("|")


def call(*words: object, limit_s: float = LONGEST_S) -> str:
    """Run the program with these arguments and return what it printed. Raises ReportError with its own line where it fails."""
    command = [str(word) for word in (program(), *words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise ReportError(f"the C++ runner: did not end within {limit_s:g} s") from None
    except OSError as error:
        raise ReportError(f"the C++ runner: {program()} does not start ({error.strerror}); build it again with `make cpp`") from None
    if done.returncode:
        raise ReportError(f"the C++ runner: {_reason(done)}")
    return done.stdout


def predict(plan: Path, sha256: str, samples: Path, count: int, batch: int, api: str = API, graph: bool = False) -> np.ndarray:
    """Probabilities, float32 (count, classes), that the program gives for the `count` images of a .npy file.

    batch: images a call, the last one shorter; api: one of `apis`; graph: as a CUDA graph; sha256: of the plan's bytes.
    Raises ReportError for what the program refuses and for predictions that are not these images'.
    """
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "predictions.csv"
        options = ("--batch", batch, "--api", api, "--sha256", sha256, "--predictions", answers, *(["--graph"] if graph else []))
        call("--plan", plan, "--samples", samples, *options)
        return read_predictions(answers, count)


def read_predictions(path: Path, count: int) -> np.ndarray:
    """float32 (count, classes) of a CSV sample_id,class,probability_0,… of the images 0 to count - 1, in this order.

    Raises ReportError that names the line for anything else, NaN and a class that is not the most probable one included.
    """
    try:
        header, *lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        raise ReportError("the C++ runner: wrote no predictions; build it again with `make cpp`") from None
    classes = header.count(",") - 1
    if classes < 1 or header.split(",") != ["sample_id", "class", *(f"probability_{c}" for c in range(classes))]:
        raise ReportError(f"the C++ runner: line 1 of its predictions is not a header, but '{header[:60]}'")
    if len(lines) != count:
        raise ReportError(f"the C++ runner: predictions of {len(lines)} images in place of {count}")
    return np.stack([_row(line, number, classes) for number, line in enumerate(lines)])


def write_samples(path: Path, images: np.ndarray) -> Path:
    """Write float32 (n, 32, 32, 3) as the .npy file that the program reads. Returns `path`."""
    with files.writable(path.parent):
        np.save(path, np.ascontiguousarray(images))
    return path


class Cpp(EngineRunner):
    """The program on the engine of the Python runner, with named tensors (enqueueV3). It loads the engine in every call."""

    name = "cpp"
    label = CPP
    batches_itself = True

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """Why engines cannot be run on this system, or that the program is not built."""
        return TensorRT.unavailable(precision) or not_built()

    @classmethod
    def versions(cls) -> dict[str, str]:
        """The hash of the program."""
        return {"program": files.sha256(program())}

    def __enter__(self) -> Cpp:
        if reason := self.unavailable(self.precision):
            raise NotMeasured(f"{self.name}: {reason.en}")
        self._plan, self._sha256 = trusted(self.session, self.precision, self.artifact)
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *exc: object) -> None:
        self._folder.cleanup()

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1, any n >= 1 -> probabilities, float32 (n, classes), in one process."""
        check_batch(batch)
        samples = write_samples(Path(self._folder.name) / "samples.npy", batch)
        return predict(self._plan, self._sha256, samples, len(batch), self.max_batch or len(batch))

    def own_records(self, batch: np.ndarray, settings: config.Measuring) -> list[Record]:
        """Latency (end to end, on the GPU) and throughput of this batch, measured and written by the program itself.

        Raises ReportError for what the program refuses and for records that are not of this engine and batch.
        """
        check_batch(batch, self.max_batch)
        folder = Path(self._folder.name)
        samples, target = write_samples(folder / "samples.npy", batch), folder / "measured.jsonl"
        target.unlink(missing_ok=True)
        limit_s = LONGEST_S + 2 * (settings.warmup_s + settings.limit_s + settings.window_s)
        what = ("--plan", self._plan, "--samples", samples, "--sha256", self._sha256, "--batch", len(batch), "--api", API)
        call(*what, "--precision", self.precision, "--records", target, *_settings(settings), limit_s=limit_s)
        return _own(records.read(folder, target.stem), self.precision, len(batch), self._sha256)


def trusted(session: Session, precision: str, engine: Artifact) -> tuple[Path, str]:
    """Path and SHA-256 of the plan of an engine of this session, checked as the Python runner checks what it loads.

    The hash is of the bytes that were checked: the program refuses a file that has changed since.

    Raises ArtifactError for a plan that was altered or built for something else.
    """
    from lib import trt

    plan = trt.trusted(session, precision, engine)
    return engine.file("model.plan"), hashlib.sha256(plan).hexdigest()


@cache
def _help(path: Path, changed_ns: int) -> tuple[str, str]:
    """What the program prints for --help, and what went wrong; asked once for each build of it."""
    try:
        return call("--help", limit_s=START_S), ""
    except ReportError as error:
        return "", str(error)


def _settings(settings: config.Measuring) -> list[object]:
    given = {
        "--warmup-s": settings.warmup_s,
        "--window-s": settings.window_s,
        "--stable-windows": settings.stable_windows,
        "--tolerance": settings.tolerance,
        "--limit-s": settings.limit_s,
    }
    return [word for pair in given.items() for word in pair]


def _own(written: Sequence[Record], precision: str, batch: int, sha256: str) -> list[Record]:
    """The program's records, if they are of what was asked for and hold what a sweep needs."""
    wanted = ("cpp", precision, batch, sha256)
    for record in written:
        got = (record.runner, record.precision, record.batch_size, record.artifact_sha256)
        if got != wanted:
            raise ReportError(f"the C++ runner: measured {got} in place of {wanted}; build it again with `make cpp`")
    there = {(r.metric, r.scope): r for r in written if r.value is not None}
    latency = there.get(("latency", "end_to_end"))
    if latency is None or not latency.samples or ("throughput", "end_to_end") not in there:
        raise ReportError("the C++ runner: its records lack latency or throughput end to end; build it again with `make cpp`")
    return list(written)


def _row(line: str, number: int, classes: int) -> np.ndarray:
    """The probabilities of one line, float32 (classes,)."""
    cells = line.split(",")
    where = f"the C++ runner: line {number + 2} of its predictions"
    try:
        image, best, values = int(cells[0]), int(cells[1]), np.array(cells[2:], np.float32)
    except (ValueError, IndexError):
        raise ReportError(f"{where} holds no numbers: '{line[:60]}'") from None
    if image != number or len(values) != classes:
        raise ReportError(f"{where} is of image {image} with {len(values)} classes, wanted image {number} with {classes}")
    if not np.isfinite(values).all() or best != values.argmax():
        raise ReportError(f"{where} holds NaN or infinity, or a class that is not the most probable one")
    return values


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The program's last line about itself, else its last line, else how it ended."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    own = [line for line in lines if LINE.match(line)]
    if own or lines:
        return LINE.sub("", (own or lines)[-1]).strip()
    return f"killed by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else f"ended with exit code {done.returncode}"
