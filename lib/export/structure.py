"""What an exported ONNX must look like, whatever its precision."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import ReportError
from lib.models.vgg import INPUT, OUTPUT

if TYPE_CHECKING:
    import onnx

# What a VGG with folded batch normalisation needs; anything else means that a conversion went another way.
COMPUTE = frozenset({"Conv", "Relu", "MaxPool", "MatMul", "Gemm", "Add", "Mul", "Softmax"})
SHAPING = frozenset({"Transpose", "Reshape", "Shape", "Gather", "Slice", "Concat", "Cast", "Squeeze", "Unsqueeze", "Flatten"})
QUANTIZATION = frozenset({"QuantizeLinear", "DequantizeLinear"})
FLOAT = 1  # onnx.TensorProto.FLOAT


def check(path: Path) -> dict[str, Any]:
    """Check an ONNX file and describe it: opset, nodes {operator: count}, most frequent first, parameters, bytes.

    Holds: valid for onnx.checker with shape inference, one float32 input `images` (free, 32, 32, 3), one float32
    output `probabilities` (free, classes), standard operators only, no more than this network needs.
    Raises ReportError that says which does not hold.
    """
    import onnx

    checked = onnx.load(path)
    try:
        onnx.checker.check_model(checked, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ReportError(f"{path.name}: not valid ONNX: {str(error).strip().splitlines()[0]}") from None
    _check_ends(path.name, checked.graph)
    # Operators outside ONNX's own domain as `domain.operator`.
    names = Counter(f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type for node in checked.graph.node)
    if unexpected := names.keys() - (COMPUTE | SHAPING | QUANTIZATION):
        raise ReportError(f"{path.name}: operator {', '.join(sorted(unexpected))} is not expected in this network")
    return {
        "opset": next(entry.version for entry in checked.opset_import if entry.domain in ("", "ai.onnx")),
        "nodes": dict(sorted(names.items(), key=lambda item: (-item[1], item[0]))),
        "parameters": sum(math.prod(tensor.dims) for tensor in checked.graph.initializer),  # all stored values
        "bytes": path.stat().st_size,
    }


def _check_ends(name: str, graph: onnx.GraphProto) -> None:
    for value, expected, shape in ((graph.input, INPUT, [None, 32, 32, 3]), (graph.output, OUTPUT, [None, "classes"])):
        if [v.name for v in value] != [expected]:
            raise ReportError(f"{name}: expected the one tensor '{expected}', got {[v.name for v in value]}")
        tensor = value[0].type.tensor_type
        dims = [dim.dim_value or None for dim in tensor.shape.dim]
        if tensor.elem_type != FLOAT:
            raise ReportError(f"{name}: '{expected}' must be float32")
        if len(dims) != len(shape) or dims[0] is not None or any(isinstance(s, int) and d != s for d, s in zip(dims, shape, strict=True)):
            raise ReportError(f"{name}: '{expected}' has shape {dims}, the first dimension must be free and the rest {shape[1:]}")
