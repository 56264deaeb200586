"""An ONNX graph as a list of steps and their constants: what a process needs that has PyTorch and knows no ONNX.

A step is [operator, names of its inputs, name of its output, attributes], JSON all of it, of the operators of `STEPS`. A product with a
constant, and the constants of its outputs that are added or multiplied right behind it, is one step "Linear" (weights (outputs, inputs),
bias), as a network written for PyTorch would have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import NotMeasured
from lib.experiment.spec import ModelSpec
from lib.models import onnx_graph
from lib.store.records import Reason

if TYPE_CHECKING:
    import onnx

Step = list[Any]
Constants = dict[str, np.ndarray]
SIZES = 2, 3  # batch sizes whose shapes are looked at: the dimension that is these is the batch
ARITHMETIC = ("Add", "Sub", "Mul", "Div")
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
STEPS = ("Conv", "MaxPool", "Linear", "Relu", "Softmax", "Transpose", "Reshape", "BatchNormalization", "Cast", *ARITHMETIC)


def steps(path: Path, spec: ModelSpec) -> tuple[list[Step], Constants]:
    """The steps of a model from `spec.input` to `spec.output`, in their order, and constants (floats as they are stored) by name.

    Raises NotMeasured, which names the operator, where one is not of STEPS or is used in another way than image classifiers use it.
    """
    import onnx

    model = onnx.load(path)
    return _Translation(model, spec).all()


class _Translation:
    def __init__(self, model: onnx.ModelProto, spec: ModelSpec) -> None:
        from onnx import numpy_helper

        self.model, self.spec = model, spec
        self.known: Constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        sizes = SIZES if spec.batch is None else (spec.batch, spec.batch)
        self.shapes = [onnx_graph.shapes(model, spec.input, spec.input_shape(size), strict=False) for size in sizes]
        self.made: list[Step] = []
        self.same: dict[str, str] = {}  # output of what changes nothing -> its input

    def all(self) -> tuple[list[Step], Constants]:
        for node in self._needed():
            self._add(node)
        folded = _folded(self.made, self.known, self.spec.output)
        used = {name for _, inputs, _, _ in folded for name in inputs}
        return folded, {name: value for name, value in self.known.items() if name in used}

    def _needed(self) -> list[onnx.NodeProto]:
        """The nodes that values come through: those that only compute shapes are not among them."""
        wanted, found = {self.spec.output}, []
        for node in reversed(self.model.graph.node):  # sorted, as ONNX asks
            if wanted & set(node.output) and node.op_type != "Constant":
                found.append(node)
                wanted |= set(node.input[:1] if node.op_type in VIEWS else node.input) - {""}
        return found[::-1]

    def _add(self, node: onnx.NodeProto) -> None:
        import onnx

        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        inputs = [self.same.get(name, name) for name in node.input]
        operator, output = node.op_type, node.output[0]
        if operator in ("Identity", "Dropout") and output != self.spec.output:
            self.same[output] = inputs[0]
            return
        if operator in VIEWS:
            operator, inputs, attributes = "Reshape", inputs[:1], {"shape": self._shape(node)}
        elif operator in ("Gemm", "MatMul"):
            operator, inputs, attributes = self._linear(node, inputs, attributes)
        else:
            attributes = self._attributes(node, attributes)
        self.made.append([operator, inputs, output, attributes])

    def _attributes(self, node: onnx.NodeProto, given: dict[str, Any]) -> dict[str, Any]:
        """What PyTorch's function needs to know, defaults filled in."""
        operator = node.op_type
        if operator in ("Conv", "MaxPool"):
            return self._window(node, given)
        if operator == "Softmax":
            return {"axis": given.get("axis", -1 if onnx_graph.opset(self.model) >= 13 else 1)}
        if operator == "Transpose":
            return {"perm": list(given["perm"])}
        if operator == "BatchNormalization" and not given.get("training_mode"):
            return {"epsilon": given.get("epsilon", 1e-5)}
        if operator == "Cast" and given["to"] in (1, 10):  # FLOAT, FLOAT16: which one the precision says
            return {}
        if operator in ("Relu", *ARITHMETIC):
            return {}
        raise _refused(operator)

    def _window(self, node: onnx.NodeProto, given: dict[str, Any]) -> dict[str, Any]:
        """Of a convolution or pooling over height and width. pads: left, right, top, bottom."""
        if node.op_type == "Conv" and node.input[1] not in self.known:
            raise _refused(node.op_type)
        kernel = list(given.get("kernel_shape") or self.known[node.input[1]].shape[2:])
        strides, dilations = list(given.get("strides", (1, 1))), list(given.get("dilations", (1, 1)))
        if len(kernel) != 2 or len(node.output) > 1:
            raise _refused(node.op_type)
        top, left, bottom, right = self._pads(node, given, kernel, strides, dilations)
        told = {"strides": strides, "dilations": dilations, "pads": [left, right, top, bottom]}
        if node.op_type == "Conv":
            return told | {"group": given.get("group", 1)}
        ceil = bool(given.get("ceil_mode"))
        if ceil and (left, top) != (right, bottom):  # PyTorch rounds up behind padding of its own only, as much at both ends
            raise _refused(node.op_type)
        return told | {"kernel": kernel, "ceil": ceil}

    def _pads(self, node: onnx.NodeProto, given: dict[str, Any], kernel: list[int], strides: list[int], dilations: list[int]) -> list[int]:
        automatic = given.get("auto_pad", b"NOTSET").decode()
        if automatic in ("NOTSET", "VALID"):
            return list(given.get("pads", (0, 0, 0, 0))) if automatic == "NOTSET" else [0, 0, 0, 0]
        dims = self.shapes[0].get(node.input[0])
        if dims is None or None in dims:
            raise _refused(node.op_type)
        before, after = [], []
        for size, window, stride, dilation in zip(dims[2:], kernel, strides, dilations, strict=True):
            missing = max(0, (-(-size // stride) - 1) * stride + dilation * (window - 1) + 1 - size)  # type: ignore[operator]
            less, more = missing // 2, missing - missing // 2
            before.append(less if automatic == "SAME_UPPER" else more)
            after.append(more if automatic == "SAME_UPPER" else less)
        return before + after

    def _linear(self, node: onnx.NodeProto, inputs: list[str], given: dict[str, Any]) -> tuple[str, list[str], dict[str, Any]]:
        """Rows of features times a constant. Weights become (outputs, inputs)."""
        weights = self.known.get(inputs[1])
        scaled = any(given.get(name, 1.0) != 1.0 for name in ("alpha", "beta")) or given.get("transA")
        if weights is None or weights.ndim != 2 or scaled:
            raise _refused(node.op_type)
        names = [f"{node.output[0]} weights", f"{node.output[0]} bias"][: len(inputs) - 1]
        self.known[names[0]] = np.ascontiguousarray(weights if given.get("transB") else weights.T)
        if len(inputs) > 2:
            bias = self.known.get(inputs[2])
            if bias is None or bias.size != len(self.known[names[0]]):
                raise _refused(node.op_type)
            self.known[names[1]] = bias.reshape(-1)
        return "Linear", [inputs[0], *names], {}

    def _shape(self, node: onnx.NodeProto) -> list[int]:
        """What a view makes, -1 for the batch, from shapes that follow from the input's: an exporter may compute it in many nodes."""
        few, more = (found.get(node.output[0]) for found in self.shapes)
        if few is None or more is None or None in few or None in more:
            raise _refused(node.op_type)
        made = [a if a == b else -1 for a, b in zip(few, more, strict=True)]
        if made.count(-1) > 1:
            raise _refused(node.op_type)
        return made  # type: ignore[return-value]


def _folded(made: list[Step], known: Constants, output: str) -> list[Step]:
    """The steps, with constants of a product's outputs that follow it put into its weights and bias (in float64, then rounded)."""
    readers: dict[str, int] = {}
    for _, inputs, _, _ in made:
        for name in inputs:
            readers[name] = readers.get(name, 0) + 1
    folded: list[Step] = []
    for step in made:
        operator, inputs, result, _ = step
        before = folded[-1] if folded else None
        if before is None or before[0] != "Linear" or operator not in ARITHMETIC or before[2] == output:
            folded.append(step)
            continue
        constant, first = _other(inputs, before[2], known)
        count = len(known[before[1][1]])
        fits = constant is not None and readers[before[2]] == 1 and constant.size == count and constant.shape[-1:] == (count,)
        if constant is None or not fits or (operator in ("Sub", "Div") and not first):
            folded.append(step)
            continue
        _put(before, operator, constant.reshape(-1).astype(np.float64), result, known)
    return folded


def _other(inputs: list[str], product: str, known: Constants) -> tuple[np.ndarray | None, bool]:
    """The constant beside a product, None for none, and whether the product stands first."""
    if product not in inputs:
        return None, False
    first = inputs[0] == product
    return known.get(inputs[1 if first else 0]), first


def _put(linear: Step, operator: str, constant: np.ndarray, result: str, known: Constants) -> None:
    weights = known[linear[1][1]]
    bias = known[linear[1][2]].astype(np.float64) if len(linear[1]) > 2 else np.zeros(len(weights))
    if operator in ("Mul", "Div"):
        factor = constant if operator == "Mul" else 1 / constant
        scaled, bias = weights.astype(np.float64) * factor[:, None], bias * factor
    else:
        scaled, bias = weights, bias + (constant if operator == "Add" else -constant)
    names = [f"{result} weights", f"{result} bias"]
    known |= {name: value.astype(weights.dtype) for name, value in zip(names, (scaled, bias), strict=True)}
    linear[1][1:], linear[2] = names, result


def _refused(operator: str) -> NotMeasured:
    return NotMeasured(Reason("operator_not_translated", {"operator": operator}))
