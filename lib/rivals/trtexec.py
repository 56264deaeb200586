"""NVIDIA's trtexec on this project's plan, where the user has one: started as its users start it, its log read."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment import system
from lib.experiment.candidate import PLAIN, Candidate
from lib.experiment.strict import line
from lib.rivals import trtexec_log
from lib.rivals.planned import OnPlan
from lib.runners.base import check_batch, wrong_output
from lib.store.records import Reason
from lib.text import Text
from lib.timer import Slice, Timer

PROGRAM = "TRTEXEC"  # environment variable: the path of trtexec. None is shipped
IN_FLIGHT = 2  # requests that one of its streams keeps in flight, on one pair of buffers: `mDepth` of its sampleInference.cpp
SPINNING = "spinning"  # Way.api: a busy wait and a thread a stream, where by default it waits for an event and one thread feeds them all
WARM_UP_MS = 200  # its own default
LEAST_S = 1.0  # that it measures (3 by default): what holds a process up for a moment takes most of a tenth of a second
HELP_S, MORE_S = 60, 300  # what it may take to print its help; to start, load a plan, warm up and end, beside the time asked for


class Options(NamedTuple):
    """What a trtexec has. version: of the TensorRT that it was compiled for, as "8.5.3"; streams: what its option for them is called;
    ours: options that make 11.0 and later count copies, as earlier ones do; graph, no_graph: which ask for graphs and for none (11.0
    replays graphs unless it is told otherwise); spins: whether it waits for the GPU in a busy loop by default, as 11.0 does; spin,
    threads: options for a busy loop where that is not so, and for a thread a stream; profiles: whether it can choose an optimization
    profile."""

    version: str
    streams: str
    ours: tuple[str, ...]
    graph: tuple[str, ...]
    no_graph: tuple[str, ...]
    spins: bool
    spin: tuple[str, ...]
    threads: tuple[str, ...]
    profiles: bool


class Trtexec(OnPlan):
    """`trtexec --loadEngine`, copies counted. A process a slice: it loads the plan, warms up, and measures for the seconds asked for,
    LEAST_S at least.

    way: graph, `--useCudaGraph`; lanes: its streams, which keep IN_FLIGHT requests each: N of them compare with IN_FLIGHT * N lanes; api:
    "" or SPINNING.
    Its throughput is told as one time between batches. A graph that it did not capture, of which it only warns, is no measurement.
    """

    name = "trtexec"
    label = Text("trtexec", "trtexec")
    place = 61
    libraries = ()
    times_itself = True

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """No GPU, no program named, or what is named is none; else None."""
        path = os.environ.get(PROGRAM)
        if not path:
            return Reason("no_trtexec", {"variable": PROGRAM})
        if not (os.path.isfile(path) and os.access(path, os.X_OK)):
            return Reason("cpp_no_program", {"variable": PROGRAM})
        return None if system.gpus() else Reason("no_gpu")

    @classmethod
    def takes(cls, candidate: Candidate) -> bool:
        """With or without a graph, with any number of streams, with floats, by its defaults or SPINNING."""
        return candidate.way.api in ("", SPINNING) and replace(candidate.way, api="", graph=False, lanes=1) == PLAIN

    @classmethod
    def versions(cls) -> dict[str, str]:
        return {"trtexec": options(os.environ[PROGRAM]).version}

    def open(self) -> None:
        """Ask the program what it can do, and write the plan for it."""
        self._program = os.environ[PROGRAM]
        self._options = options(self._program)
        if self.given.profile and not self._options.profiles:
            raise NotMeasured(Reason("trtexec_first_profile", {"tensorrt": self._options.version}), self.candidate.key)
        self._folder = tempfile.TemporaryDirectory()
        self._file("model.plan").write_bytes(self._plan)
        self._latency_ms: dict[str, dict[str, float]] = {}
        self._warnings: dict[str, None] = {}

    def close(self) -> None:
        self._folder.cleanup()

    def told(self) -> dict[str, Any]:
        """trtexec: what it is and does by default; latency_ms: batch size -> what it said last of single requests; warnings: its own."""
        spins = self._options.spins or self.candidate.way.api == SPINNING
        about = {"version": self._options.version, "spins": spins, "in_flight": IN_FLIGHT * self.candidate.way.lanes}
        return {"trtexec": about, "latency_ms": self._latency_ms, "warnings": list(self._warnings)}

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs -> what it answered last, float32 (n, classes), in the six digits that it writes."""
        return self._ran(batch, 0.0)[1]

    def timer(self, batch: np.ndarray) -> Timer:
        """Of its own measurements on this batch, the last outputs of each looked at."""
        check_batch(batch, self.session.spec, self.max_batch)

        def timed(seconds: float) -> Slice:
            log, output = self._ran(batch, max(seconds, LEAST_S))
            if problem := wrong_output(output, len(batch), self.session.spec):
                raise WrongOutput(f"trtexec: {problem}")
            self._latency_ms[str(len(batch))] = log.latency_ms
            self._warnings |= dict.fromkeys(log.warnings)
            return Slice(np.array([1e3 / log.queries_a_second]))

        return timed

    def _ran(self, batch: np.ndarray, seconds: float) -> tuple[trtexec_log.Log, np.ndarray]:
        check_batch(batch, self.session.spec, self.max_batch)
        outputs = self._file("outputs.json")
        outputs.unlink(missing_ok=True)
        np.ascontiguousarray(batch).tofile(self._file("batch.bin"))
        found = trtexec_log.read(*_said([self._program, *self._words(batch, seconds)], seconds + MORE_S))
        if found.error:
            raise ReportError(line(f"trtexec: {found.error}")[:400])
        if self.candidate.way.graph and found.no_graph:
            raise NotMeasured(Reason("graph_not_captured", {"who": self.label.en}), self.candidate.key)
        return found, self._outputs(outputs, len(batch))

    def _words(self, batch: np.ndarray, seconds: float) -> list[str]:
        way, spec, knows = self.candidate.way, self.session.spec, self._options
        words = [f"--loadEngine={self._file('model.plan')}", f"--shapes='{spec.input}':{'x'.join(map(str, batch.shape))}"]
        words += [f"--loadInputs='{spec.input}':{self._file('batch.bin')}", f"--exportOutput={self._file('outputs.json')}"]
        words += [f"--duration={seconds:g}", f"--warmUp={WARM_UP_MS}", "--percentile=90,95,99", "--avgRuns=1000000"]  # no line a few calls
        words += [f"{knows.streams}={way.lanes}", *knows.ours, *(knows.graph if way.graph else knows.no_graph)]
        if way.api == SPINNING:
            words += [*knows.spin, *(knows.threads if way.lanes > 1 else ())]
        return [*words, f"--useProfile={self.given.profile}"] if self.given.profile else words

    def _outputs(self, path: Path, size: int) -> np.ndarray:
        try:
            tensors = {one["name"]: one["values"] for one in json.loads(path.read_text(encoding="utf-8"))}
            return np.array(tensors[self.session.spec.output], np.float32).reshape(size, -1)
        except (OSError, ValueError, KeyError, TypeError) as error:  # nan is no JSON
            raise WrongOutput(line(f"trtexec: no outputs of {size} images ({error})")[:300]) from None

    def _file(self, name: str) -> Path:
        return Path(self._folder.name) / name


@cache
def options(program: str) -> Options:
    """What a trtexec can do, from its help. Raises ReportError where it does not start or says nothing of the kind."""
    text, code = _said([program, "--help"], HELP_S)
    version = trtexec_log.version(text)
    if not version or "--loadEngine" not in text:
        last = next(iter(text.strip().splitlines()[-1:]), "it prints nothing")
        raise ReportError(line(f"{PROGRAM}: {Path(program).name} is no trtexec, or does not start (exit code {code}): {last}")[:400])
    on_by_default = "--noCudaGraph" in text  # 11.0 on
    return Options(
        version,
        "--infStreams" if "--infStreams" in text else "--streams",
        ("--includeDataTransfers",) if "--includeDataTransfers" in text else (),
        () if on_by_default else ("--useCudaGraph",),
        ("--noCudaGraph",) if on_by_default else (),
        "--noSpinWait" in text,
        ("--useSpinWait",) if "--useSpinWait" in text and "--noSpinWait" not in text else (),
        ("--threads",) if "--threads" in text else (),
        "--useProfile" in text,
    )


def _said(words: list[str], limit_s: float) -> tuple[str, int]:
    """All that it prints, and its exit code."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise ReportError(f"trtexec: did not end within {limit_s:g} s") from None
    except OSError as error:
        raise ReportError(f"trtexec: does not start ({error.strerror or error})") from None
    return done.stdout.decode(errors="replace"), done.returncode
