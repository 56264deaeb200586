"""PyTorch in a process of its own, whose Python may be another one than the report's. Speaks as lib/trt/worker.py does.

It needs NumPy and PyTorch there, and of this project what lib/trt/worker.py imports.
"""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from lib.errors import ReportError
from lib.rivals import torch_network
from lib.timer import timer, uncollected
from lib.trt import worker


class TorchWorker:
    """What can be asked, a method each. Holds one network, for what PyTorch computes in is a setting of the process."""

    def __init__(self) -> None:
        self._calls: dict[int, torch_network.Call] = {}

    def about(self) -> worker.Answer:
        """Which PyTorch this is and on which GPU. torch: "" where it cannot be imported, `problem` then says why; gpu: "" for none."""
        # Compiling in this process: a pool of others would outlive it. To be said before the import.
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
        told = {"python": platform.python_version(), "torch": "", "gpu": "", "problem": ""}
        try:
            import torch
        except (ImportError, OSError) as error:
            return told | {"problem": str(error)}, {}
        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
        return told | {"torch": torch.__version__, "cuda": torch.version.cuda or "", "gpu": gpu}, {}

    def load(self, steps: list[Any], names: list[str], input: str, output: str, precision: str, **more: Any) -> worker.Answer:
        """Take a network (lib/rivals/translate.py). names: of its constants, which come as c0, c1 …; more: `device`, and `mode` of
        torch.compile, "" for none."""
        self._device, self._mode = more["device"], more["mode"]
        torch_network.settle(precision)
        constants = {name: more[f"c{number}"] for number, name in enumerate(names)}
        made = torch_network.module(steps, constants, input, output, precision).eval()
        import torch

        self._network, self._calls = made.to(self._device, memory_format=torch.channels_last), {}
        return {}, {}

    def infer(self, batch: np.ndarray) -> worker.Answer:
        """The outputs of a batch of model inputs. The first of its size allocates, and compiles where that is asked for.
        graphs_skipped: whether CUDA graphs were asked for and PyTorch went on without."""
        call = self._of(batch)
        call.fill(batch)
        call.run()
        return {"graphs_skipped": call.graphs_skipped}, {"output": call.made.numpy()}

    def time(self, size: int, seconds: float) -> worker.Answer:
        """A slice of calls with the batch that `infer` was given last, end to end and, on a GPU, there; and the output of the last one."""
        call = self._calls.get(size)
        if call is None:
            raise ReportError(f"no batch of {size} was given")
        call.blank()
        with uncollected():
            one = timer(call.run, call.gpu_ms if call.tells_gpu_time else None)(seconds)
        told = {"latencies_ms": one.latencies_ms, "output": call.made.numpy()}
        return {}, told if one.gpu_ms is None else told | {"gpu_ms": one.gpu_ms}

    def end(self) -> None:
        """Let go of everything."""
        self._calls.clear()

    def _of(self, batch: np.ndarray) -> torch_network.Call:
        if len(batch) not in self._calls:
            self._calls[len(batch)] = torch_network.Call(self._network, batch, self._device, self._mode)
        return self._calls[len(batch)]


if __name__ == "__main__":
    worker.main(TorchWorker())  # type: ignore[arg-type]  it is served by its methods' names
