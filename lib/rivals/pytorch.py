"""PyTorch with the weights of this project's ONNX, in a process of its own (lib/rivals/torch_worker.py)."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from lib import export
from lib.errors import ConfigError, NotMeasured, WrongOutput
from lib.experiment import system
from lib.experiment.candidate import PLAIN, Way
from lib.experiment.strict import line
from lib.plans.remote import BUILD_S, Worker, program
from lib.rivals import translate
from lib.runners.base import Runner, as_float, check_batch, wrong_output
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text
from lib.timer import Slice, Timer

PYTHON = "REPORT_PYTORCH"  # environment variable: the command that starts a Python with PyTorch, this one without it
NEEDED = Reason("not_installed", {"package": "PyTorch"})
# Way.api -> mode of torch.compile. Both replay CUDA graphs; the second times kernels of its own, which takes minutes a batch size.
MODES = {"compiled": "reduce-overhead", "max_autotune": "max-autotune"}


def command() -> list[str]:
    """What starts a Python with PyTorch, split as a shell does. Raises ConfigError for quotes that do not close."""
    try:
        return shlex.split(os.environ.get(PYTHON) or "") or [sys.executable]
    except ValueError as error:
        raise ConfigError(f"{PYTHON}: {error}; write a command that starts a Python, such as /opt/torch/bin/python") from None


class TorchProcess(Worker):
    """A running lib/rivals/torch_worker.py. Raises as Worker does."""

    bootstrap = program("lib.rivals.torch_worker")


class PyTorch(Runner):
    """A translation of the FP32 ONNX: channels_last, FP16 by half weights, pinned host memory in and out; cuDNN picks its algorithms.

    way: eager (the plain one), or api of MODES with graph: torch.compile with CUDA graphs. A process for each, with a network of its own.
    """

    name = "pytorch"
    label = Text("PyTorch", "PyTorch")
    place = 35
    column, libraries = "onnxrt_cuda", ()
    times_itself = True
    device: ClassVar[str] = "cuda"

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """No GPU, or neither PyTorch here nor another Python named. What that one lacks is told when it is opened."""
        if cls.device == "cuda" and not system.gpus():
            return Reason("no_gpu")
        return None if os.environ.get(PYTHON) or importlib.util.find_spec("torch") else NEEDED

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        return [PLAIN, *(Way(api=api, graph=True) for api in MODES)]

    @cached_property
    def artifact(self) -> Artifact:
        """The FP32 ONNX: what precision it is computed in, PyTorch is told."""
        return export.onnx(self.session, "fp32")

    def prepare(self) -> None:
        """Export and translate. Raises NotMeasured that names an operator which is not translated."""
        super().prepare()
        self._steps, self._constants = translate.steps(self.artifact.file(export.ONNX_FILE), self.session.spec)

    def open(self) -> None:
        """Start the process and give it the network."""
        self._given: dict[int, np.ndarray] = {}  # batch size -> what the process holds of it
        self._process = TorchProcess(command())
        try:
            self._able()
            spec, names = self.session.spec, list(self._constants)
            how = {"precision": self.precision, "device": self.device, "mode": MODES.get(self.candidate.way.api, "")}
            given = {f"c{number}": self._constants[name] for number, name in enumerate(names)}
            self._process.ask("load", arrays=given, steps=self._steps, names=names, input=spec.input, output=spec.output, **how)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._process.close()

    def told(self) -> dict[str, Any]:
        """torch: its version; mode: of torch.compile, "" for none."""
        return {"torch": self._process.about["torch"], "mode": MODES.get(self.candidate.way.api, "")}

    def infer(self, batch: np.ndarray) -> np.ndarray:
        check_batch(batch, self.session.spec)
        told, found = self._process.ask("infer", BUILD_S, {"batch": batch})
        if told["graphs_skipped"]:
            raise NotMeasured(Reason("graph_not_captured", {"who": self.label.en}), self.candidate.key)
        return as_float(found["output"])

    def timer(self, batch: np.ndarray) -> Timer:
        """Of calls that the process times, with a batch that lies in its pinned memory already."""
        check_batch(batch, self.session.spec)

        def timed(seconds: float) -> Slice:
            if self._given.get(len(batch)) is not batch:
                self.infer(batch)  # compiles while all are warmed up, off the clock
                self._given[len(batch)] = batch
            _, found = self._process.ask("time", size=len(batch), seconds=seconds)
            if problem := wrong_output(as_float(found["output"]), len(batch), self.session.spec):
                raise WrongOutput(problem)
            return Slice(found["latencies_ms"], found.get("gpu_ms"))

        return timed

    def _able(self) -> None:
        about = self._process.about
        if not about["torch"]:
            raise NotMeasured(NEEDED, f"{self._process.name}: {line(about['problem'])}")
        if self.device == "cuda" and not about["gpu"]:
            raise NotMeasured(Reason("torch_no_gpu", {"torch": about["torch"]}), self._process.name)
