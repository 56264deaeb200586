"""How many FLOP a node of an ONNX graph does, from the shapes of its tensors: a table from operator to arithmetic.

A multiplication and an addition are one FLOP each, as in the peaks that makers of GPUs state; a comparison, a root or an exponential is
one as well, whatever a chip spends on it. onnx-tool (1.0.1, MIT) was tried and not taken: it counts multiply-adds in weights of its own (an
exponential is 32), unknown operators as nothing, and folds the shapes itself where onnx has its own inference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

Dims = Sequence[int]
SOFTMAX = 5  # an element: largest, difference, exponential, sum, division
NORM = 5  # an element: mean, difference, square, scale, shift. Source: fvcore's norm_flop_counter


def _conv(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    """Weights are (outputs, inputs a group, kernel …): every output value is a product over all but the first."""
    return math.prod(made) * (2 * math.prod(given[1][1:]) + (len(given) > 2))


def _transposed(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    """Weights are (inputs, outputs a group, kernel …): every input value is spread over all but the first."""
    return 2 * math.prod(given[0]) * math.prod(given[1][1:]) + (math.prod(made) if len(given) > 2 else 0)


def _gemm(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    return math.prod(made) * (2 * given[0][0 if attribute(node, "transA", 0) else 1] + (len(given) > 2))


def _matmul(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    return 2 * math.prod(made) * given[0][-1]


def _pool(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    return math.prod(made) * math.prod(attribute(node, "kernel_shape", [1]))


def _each_given(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    return math.prod(given[0])


def _each_made(times: int) -> Callable[[onnx.NodeProto, list[Dims], Dims], int]:
    return lambda node, given, made: times * math.prod(made)


def _of_all(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int:
    return max(1, len(given) - 1) * math.prod(made)


# Elementwise: what follows another layer is done on its values before they leave the chip.
_ARITHMETIC = {"Abs", "Add", "Div", "Exp", "Log", "Mod", "Mul", "Neg", "Pow", "Reciprocal", "Sign", "Sin", "Cos", "Sqrt", "Sub", "Erf"}
_ACTIVATIONS = {"Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu", "Sigmoid", "Tanh"}
_ACTIVATIONS |= {"Softplus", "Softsign", "ThresholdedRelu"}
_LOGIC = {"And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Where", "Xor", "Ceil", "Floor", "Round"}
_VARIADIC = {"Sum", "Max", "Min", "Mean"}
_IN_PLACE = {"Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "Transpose"}
POINTWISE = frozenset({*_ARITHMETIC, *_ACTIVATIONS, *_LOGIC, *_VARIADIC, *_IN_PLACE, "BatchNormalization"})
# Nothing is computed and the values stay where they are: who reads the output reads the input.
VIEWS = frozenset({"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
# Nothing is computed; values move.
_MOVES = {"Concat", "ConstantOfShape", "DepthToSpace", "Expand", "Gather", "GatherElements", "GatherND", "OneHot", "Pad", "Range", "Shape"}
_MOVES |= {"Size", "Slice", "SpaceToDepth", "Split", "Tile", "Trilu"}

FLOP: dict[str, Callable[[onnx.NodeProto, list[Dims], Dims], int]] = {
    **dict.fromkeys((*_ARITHMETIC, *_ACTIVATIONS, *_LOGIC), _each_made(1)),
    **dict.fromkeys((*VIEWS, *_MOVES, *_IN_PLACE), _each_made(0)),
    **dict.fromkeys(_VARIADIC, _of_all),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ArgMax", "ArgMin"), _each_given),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"), _each_given),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _each_made(SOFTMAX)),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), _each_made(NORM)),
    "BatchNormalization": _each_made(2),  # its statistics are constants: a product and a sum
    "Conv": _conv,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "MatMul": _matmul,
}


def of(node: onnx.NodeProto, given: list[Dims], made: Dims) -> int | None:
    """FLOP of one node; given, made: shapes of its inputs (those that are there) and of its first output. None for an operator that is
    in no table: whoever adds up names it."""
    count = FLOP.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    return None if count is None else count(node, given, made)


def attribute(node: onnx.NodeProto, name: str, otherwise: Any) -> Any:
    """The value of a node's attribute, or `otherwise` where it has none."""
    import onnx

    return next((onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name), otherwise)
