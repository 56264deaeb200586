"""The tensors between the layers in a runner, against ONNX Runtime's in FP32: where in the network a difference begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import export, onnx_session, plans
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.models import onnx_graph
from lib.runners import RUNNERS
from lib.runners.base import as_float
from lib.runners.onnxrt import OnnxRuntime
from lib.runners.tensorrt import TensorRT
from lib.session import Session

if TYPE_CHECKING:
    import onnx

# Operators that compute: what else there is moves values about.
OPERATORS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Mul",
    "BatchNormalization",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Softmax",
)


class Layer(NamedTuple):
    """One tensor of the FP32 ONNX in two runners, a and b. index: its place among those compared, from 1.

    relative: ‖a − b‖ / ‖b‖ over all images; max_abs: largest absolute difference; both None where the values are not finite.
    """

    index: int
    tensor: str
    operator: str
    relative: float | None
    max_abs: float | None


def readable(candidate: Candidate) -> bool:
    """Whether the backend gives the tensors between its layers."""
    return issubclass(RUNNERS[candidate.runner], (OnnxRuntime, TensorRT))


def compare(session: Session, candidate: Candidate, x: np.ndarray) -> tuple[list[Layer], np.ndarray]:
    """The tensors that the FP32 ONNX and this candidate's network share, in graph order, and the candidate's outputs.

    x: model inputs (n, …), n no more than an engine takes. Raises ReportError where the runner does not give them.
    """
    import onnx

    runner = RUNNERS[candidate.runner](session, candidate)
    ours = isinstance(runner, OnnxRuntime)
    origin = runner.model(PRECISIONS[candidate.precision]) if ours else plans.onnx_variant(candidate.precision)
    full, variant = (onnx.load(export.onnx(session, name).file(export.ONNX_FILE)) for name in ("fp32", origin))
    named = {output: node.op_type for node in full.graph.node for output in node.output if node.op_type in OPERATORS}
    own = {output for node in variant.graph.node for output in node.output}
    shared = [tensor for tensor in named if tensor in own]
    base = marked(full, shared, x)
    got = marked(variant, shared, x, runner.start) if ours else plans.intermediate(session, candidate.precision, shared, x)
    found = [_layer(i, tensor, named[tensor], got[tensor], base[tensor]) for i, tensor in enumerate(shared, 1)]
    return found, as_float(got[session.spec.output])


def marked(
    network: onnx.ModelProto, tensors: list[str], x: np.ndarray, start: Callable[[bytes], Any] = onnx_session.start
) -> dict[str, np.ndarray]:
    """Values of `tensors` in ONNX Runtime, float32, from a copy of the network in which they are outputs. start: makes the session."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    there = {output.name for output in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in tensors if tensor not in there)
    run = start(copy.SerializeToString())
    found = run.run(tensors, {onnx_graph.real_inputs(copy.graph)[0].name: x})
    return {name: value.astype(np.float32) for name, value in zip(tensors, found, strict=True)}


def _layer(index: int, tensor: str, operator: str, got: np.ndarray, base: np.ndarray) -> Layer:
    if got.shape != base.shape:
        raise ReportError(f"tensor '{tensor}' has shape {got.shape}, in ONNX Runtime FP32 {base.shape}: not the same network")
    if not np.isfinite(got).all():
        return Layer(index, tensor, operator, None, None)
    apart, norm = got.astype(np.float64) - base, np.linalg.norm(base.astype(np.float64))
    relative = float(np.linalg.norm(apart) / norm) if norm else float(apart.any())
    return Layer(index, tensor, operator, relative, float(np.abs(apart).max()))
