"""A PyTorch module of the steps of lib/rivals/translate.py, and what calls it: host memory to host memory, eager or compiled.

Runs in the process of lib/rivals/torch_worker.py. The module is a torch.fx graph, which is straight code as a person would have written
it: nothing interprets steps while it is timed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

EAGER = ""
WARM_CALLS = 5  # of a compiled module: it compiles, warms up, records its graph, and replays it from then on
TYPES = {"fp32": "float32", "tf32": "float32", "fp16": "float16"}  # of weights and arithmetic; inputs and outputs stay float32


def module(steps: list[list[Any]], constants: dict[str, np.ndarray], given: str, output: str, precision: str) -> Any:
    """A torch.fx.GraphModule: input as the model takes it (its own layout and type) -> float32 outputs. Constants are in `TYPES`."""
    import torch
    from torch import fx

    kind = getattr(torch, TYPES[precision])
    root, graph = torch.nn.Module(), fx.Graph()
    made = {given: graph.call_method("to", (graph.placeholder("images"), kind))}
    for number, (name, value) in enumerate(constants.items()):
        root.register_buffer(f"c{number}", torch.from_numpy(np.array(value)).to(kind))
        made[name] = graph.get_attr(f"c{number}")
    for step, inputs, result, attributes in steps:
        made[result] = _FUNCTIONS[step](graph, *(made[name] if name else None for name in inputs), **attributes)
    graph.output(graph.call_method("to", (made[output], torch.float32)))
    graph.lint()
    return fx.GraphModule(root, graph)


class Call:
    """One batch size of a module on a device ("cuda" or "cpu"): buffers, and the module compiled for it.

    mode: of torch.compile, EAGER for none. graphs_skipped: whether PyTorch went on without the CUDA graphs of its mode, which it says in a
    warning only.
    """

    def __init__(self, network: Any, batch: np.ndarray, device: str, mode: str) -> None:
        import torch

        self._torch, self._gpu = torch, device == "cuda"
        self.given = torch.from_numpy(batch.copy())
        if self._gpu:
            self.given = self.given.pin_memory()
        self._device = torch.empty_like(self.given, device=device)
        self._run: Callable[[Any], Any] = network
        if mode:
            self._run = torch.compile(network, mode=mode, dynamic=False, fullgraph=True)
        skips = self._skips()
        with torch.inference_mode():
            first = self._run(self._device.copy_(self.given))
        self.made = torch.empty(first.shape, dtype=first.dtype, pin_memory=self._gpu)
        for _ in range(WARM_CALLS):
            self.run()
        self.graphs_skipped = bool(self._gpu and mode) and self._skips() > skips

    def fill(self, batch: np.ndarray) -> None:
        """Put a batch into `given`, and nothing that could be an answer into `made`."""
        self.given.copy_(self._torch.from_numpy(batch.copy()))
        self.blank()

    def blank(self) -> None:
        """Put what no model answers into `made`, so that a call which writes nothing is seen."""
        self.made.fill_(float("nan"))

    def run(self) -> None:
        """From `given` to `made`, both in pinned host memory. Returns when it is there."""
        with self._torch.inference_mode():
            self._device.copy_(self.given, non_blocking=True)
            self._fetch(self._run(self._device))

    def gpu_ms(self) -> float:
        """Milliseconds on the GPU between two events around a call of the module alone."""
        start, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        with self._torch.inference_mode():
            start.record()
            self._run(self._device)
            end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    @property
    def tells_gpu_time(self) -> bool:
        """Whether there is a GPU to ask."""
        return self._gpu

    def _fetch(self, made: Any) -> None:
        self.made.copy_(made, non_blocking=True)
        if self._gpu:
            self._torch.cuda.current_stream().synchronize()

    def _skips(self) -> int:
        """How often the compiler did without the CUDA graphs that it was asked for."""
        from torch._dynamo.utils import counters

        return int(counters["inductor"]["cudagraph_skips"])


def settle(precision: str) -> None:
    """What holds for a whole process: whether FP32 products are TF32, convolutions by the fastest algorithm, and as many compiled batch
    sizes as are asked for (over 8 of them PyTorch would go on in eager mode and not say so)."""
    import torch
    import torch._dynamo

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    config = torch._dynamo.config
    for limit in ("recompile_limit", "cache_size_limit"):  # its name from 2.6 on, and before
        if hasattr(config, limit):
            setattr(config, limit, 1000)
            break


def _conv(graph: Any, x: Any, weights: Any, bias: Any = None, *, strides: Any, dilations: Any, pads: Any, group: int) -> Any:
    from torch.nn import functional

    x, padding = _padded(graph, x, pads, 0.0)
    return graph.call_function(functional.conv2d, (x, weights, bias, tuple(strides), padding, tuple(dilations), group))


def _max_pool(graph: Any, x: Any, *, kernel: Any, strides: Any, dilations: Any, pads: Any, ceil: bool) -> Any:
    from torch.nn import functional

    x, padding = _padded(graph, x, pads, float("-inf"))
    return graph.call_function(functional.max_pool2d, (x, tuple(kernel), tuple(strides), padding, tuple(dilations), ceil))


def _padded(graph: Any, x: Any, pads: list[int], value: float) -> tuple[Any, tuple[int, int]]:
    """The input and how much the operator itself pads: as much at both ends, or nothing behind a padding of its own."""
    from torch.nn import functional

    left, right, top, bottom = pads
    if left == right and top == bottom:
        return x, (top, left)
    return graph.call_function(functional.pad, (x, tuple(pads), "constant", value)), (0, 0)


def _named(name: str, **fixed: Any) -> Callable[..., Any]:
    """A function of torch.nn.functional, on tensors alone."""

    def add(graph: Any, *tensors: Any) -> Any:
        from torch.nn import functional

        return graph.call_function(getattr(functional, name), tensors, fixed)

    return add


def _batch_norm(graph: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *, epsilon: float) -> Any:
    from torch.nn import functional

    return graph.call_function(functional.batch_norm, (x, mean, variance, weight, bias, False, 0.0, epsilon))


def _arithmetic(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda graph, *tensors: graph.call_function(function, tensors)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Linear": _named("linear"),
    "Relu": _named("relu"),
    "Softmax": lambda graph, x, *, axis: graph.call_method("softmax", (x, axis)),
    "Transpose": lambda graph, x, *, perm: graph.call_method("permute", (x, tuple(perm))),
    "Reshape": lambda graph, x, *, shape: graph.call_method("reshape", (x, tuple(shape))),
    "BatchNormalization": _batch_norm,
    "Cast": lambda graph, x: x,  # there is one type between the input and the output
    "Add": _arithmetic(operator.add),
    "Sub": _arithmetic(operator.sub),
    "Mul": _arithmetic(operator.mul),
    "Div": _arithmetic(operator.truediv),
}
