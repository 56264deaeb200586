"""A Python whose PyTorch is none, for REPORT_PYTORCH: `python stand_in_torch.py FAULT -c PROGRAM …` runs PROGRAM as the real one would.

Networks are computed by tests/numpy_network.py. FAULT: "none", "no_gpu", "skips" (CUDA graphs), "nan" (answers), "ends" (in a slice).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

FAULT = sys.argv[1]
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
import numpy_network  # noqa: E402


class Network:
    """What `module` makes."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def eval(self) -> Network:
        return self

    def to(self, device: str, memory_format: str) -> Network:
        return self

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return numpy_network.run(*self.given, batch).astype(np.float32)


class Output:
    """A tensor as far as it is asked."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def numpy(self) -> np.ndarray:
        return self.array


class Call:
    """As lib.rivals.torch_network.Call, and quick: an answer is computed when a batch is given."""

    tells_gpu_time = True

    def __init__(self, network: Network, batch: np.ndarray, device: str, mode: str) -> None:
        self.network, self.graphs_skipped = network, FAULT == "skips" and bool(mode)
        self.fill(batch)

    def fill(self, batch: np.ndarray) -> None:
        self.answer = self.network(batch)
        self.blank()

    def blank(self) -> None:
        self.made = Output(np.full_like(self.answer, np.nan))

    def run(self) -> None:
        if FAULT != "nan":
            self.made = Output(self.answer)

    def gpu_ms(self) -> float:
        if FAULT == "ends":
            os._exit(9)
        return 0.5


torch, network = ModuleType("torch"), ModuleType("lib.rivals.torch_network")
torch.__dict__.update(
    __version__="2.11.0",
    version=SimpleNamespace(cuda="13.0"),
    channels_last="channels_last",
    cuda=SimpleNamespace(is_available=lambda: FAULT != "no_gpu", get_device_name=lambda number: "NVIDIA H100 80GB HBM3"),
)
network.__dict__.update(module=lambda steps, constants, given, output, precision: Network(steps, constants, given, output), Call=Call)
network.settle = lambda precision: None
sys.modules |= {"torch": torch, "lib.rivals.torch_network": network}
exec(sys.argv[sys.argv.index("-c") + 1])
