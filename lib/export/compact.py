"""The network as a server wants it: uint8 images in, the preprocessing inside it, and classes out in place of all its outputs.

Names of input and output stay. TensorRT takes uint8 as a network's input only, and only to cast it to float at once, so the cast comes
first, whatever the layout (NvInferRuntimeCommon.h of 8.5, NvInferRuntimeBase.h of 10.6, DataType::kUINT8); it has the classes as int32.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import export
from lib.data.preprocess import Rules
from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.spec import ModelSpec
from lib.export import structure
from lib.models import onnx_graph
from lib.session import Session
from lib.store import files
from lib.store.artifacts import Artifact

if TYPE_CHECKING:
    import onnx

VERSION = 1  # of the rules below; a change makes old artifacts stale
TYPELESS = ("Cast", "CastLike", "Shape")  # what reads a tensor of another type as well, and gives what it gave
Step = tuple[str, str, Any, dict[str, Any]]  # name, operator, its second input (None for none), attributes


def onnx(session: Session, variant: str, *, byte_input: bool = False, classes: bool = False) -> Artifact:
    """The model as `export.onnx(session, variant)` has it, payload `model.onnx`, and

    byte_input: with the input uint8 (n, height, width, channels), RGB or gray, as the dataset holds images (`session.images`);
    classes: with the output int32 (n,), the first of the largest outputs of each image. Names of both and everything between them stay.
    Raises ReportError as `export.onnx` does, and for what `build` refuses.
    """
    full = export.onnx(session, variant)
    if not (byte_input or classes):
        return full
    source, rules = full.file(export.ONNX_FILE), session.rules if byte_input else None
    arithmetic = {name: getattr(rules, name) for name in ("scale", "mean", "std", "channels")} if rules else {}
    inputs = {"variant": variant, "onnx": files.sha256(source), "bytes": arithmetic, "classes": classes, "compact": VERSION}

    def write(folder: Path) -> dict[str, Any]:
        return build(source, session.spec, rules, classes, folder / export.ONNX_FILE) | {"libraries": system.describe()["libraries"]}

    return session.store.get_or_build("onnx", inputs, write)


def byte_spec(spec: ModelSpec) -> ModelSpec:
    """What the model with bytes in takes; `input_shape` is then that of its input."""
    return replace(spec, dtype="uint8", layout="NHWC")


def build(source: Path, spec: ModelSpec, rules: Rules | None, classes: bool, target: Path) -> dict[str, Any]:
    """Write the ONNX `source` with bytes in (where there are `rules`) and classes out; returns the manifest's info.

    Raises ReportError for a model that takes bytes in another order and does more with them than cast them, and for what is no valid
    ONNX afterwards.
    """
    import onnx

    started = time.perf_counter()
    model = onnx.load(source)
    model.ir_version = max(model.ir_version, 4)  # the first with initializers that are no inputs
    if rules is not None:
        bytes_in(model, spec, rules)
    if classes:
        classes_out(model, spec)
    onnx.save(model, target)
    info = structure.check(target, spec if rules is None else byte_spec(spec))
    return info | {"seconds": round(time.perf_counter() - started, 2)}


def bytes_in(model: onnx.ModelProto, spec: ModelSpec, rules: Rules) -> None:
    """Give a model, in place, uint8 images (n, height, width, channels) as input: lib.data.preprocess.to_input as nodes before it.

    In float32 and in the order in which that does it, so both give the same to the bit. What quantized the input quantizes what these
    nodes give. Raises ReportError as `build`.
    """
    from onnx import TensorProto

    graph = model.graph
    if spec.dtype == "uint8" and (spec.layout, rules.channels) == ("NHWC", "RGB"):
        return  # it takes them as they are
    users = {node.op_type for node in onnx_graph.nodes(graph) if spec.input in node.input}
    if spec.dtype == "uint8" and (others := sorted(users - set(TYPELESS))):
        raise ReportError(
            f"the model takes bytes as {spec.layout} {rules.channels} and does more than cast them ({', '.join(others)}); "
            "export it with float inputs to have bytes put in order inside it"
        )
    added = list(_added(graph, "preprocess", list(_steps(spec, rules)), spec.input, _renamed(graph, spec.input)))
    (value,) = onnx_graph.real_inputs(graph)
    batch = _batch(value)
    value.type.tensor_type.elem_type = TensorProto.UINT8
    onnx_graph.set_shape(value, (batch, *spec.image_shape))
    _set_nodes(graph, [*added, *graph.node])


def classes_out(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Give a model, in place, the class of each image as output, int32 (n,): the first of the largest of its outputs."""
    from onnx import TensorProto

    graph = model.graph
    steps: list[Step] = [
        ("argmax", "ArgMax", None, {"axis": 1, "keepdims": 0}),
        ("cast", "Cast", None, {"to": TensorProto.INT32}),
    ]
    (value,) = graph.output
    batch = _batch(value)
    outputs = _renamed(graph, spec.output)
    added = list(_added(graph, "classes", steps, outputs, spec.output))
    value.type.tensor_type.elem_type = TensorProto.INT32
    onnx_graph.set_shape(value, (batch,))
    _set_nodes(graph, [*graph.node, *added])


def _steps(spec: ModelSpec, rules: Rules) -> Iterator[Step]:
    """The preprocessing of bytes (n, height, width, channels), a node each."""
    from onnx import TensorProto

    yield "cast", "Cast", None, {"to": TensorProto.FLOAT}
    if rules.channels == "BGR":
        yield "channels", "Gather", np.arange(spec.channels, dtype=np.int64)[::-1].copy(), {"axis": 3}
    if rules.scale != 1:
        yield "scale", "Div", np.float32(1 / rules.scale), {}
    if any(rules.mean):
        yield "mean", "Sub", np.float32(rules.mean), {}
    if set(rules.std) != {1.0}:
        yield "std", "Div", np.float32(rules.std), {}
    if spec.dtype == "float16":
        yield "half", "Cast", None, {"to": TensorProto.FLOAT16}
    if spec.layout == "NCHW":
        yield "layout", "Transpose", None, {"perm": [0, 3, 1, 2]}


def _added(graph: onnx.GraphProto, scope: str, steps: list[Step], source: str, target: str) -> Iterator[onnx.NodeProto]:
    """The nodes of steps one after the other, from the tensor `source` to `target`; their constants are entered into the graph."""
    from onnx import helper, numpy_helper

    for number, (label, operator, constant, attributes) in enumerate(steps, 1):
        name, given = _free(graph, f"{scope}/{label}"), [source]
        if constant is not None:
            given.append(_free(graph, f"{name}/by"))
            graph.initializer.append(numpy_helper.from_array(np.asarray(constant), given[1]))
        source = target if number == len(steps) else name
        yield helper.make_node(operator, given, [source], name=name, **attributes)


def _renamed(graph: onnx.GraphProto, tensor: str) -> str:
    """Give a tensor another name in all nodes that make or read it; returns the name."""
    new = _free(graph, f"{tensor}/inside")
    for node in onnx_graph.nodes(graph):
        for names in (node.input, node.output):
            names[:] = [new if name == tensor else name for name in names]
    for hint in [value for value in graph.value_info if value.name == tensor]:
        graph.value_info.remove(hint)
    return new


def _free(graph: onnx.GraphProto, name: str) -> str:
    """The name, or one like it that nothing in the graph has."""
    taken = {tensor.name for tensor in (*graph.initializer, *graph.input, *graph.output)}
    taken |= {used for node in onnx_graph.nodes(graph) for used in (node.name, *node.input, *node.output)}
    while name in taken:
        name += "_"
    return name


def _batch(value: onnx.ValueInfoProto) -> int | str | None:
    """The first dimension of a tensor: its number, its name, or None."""
    first = value.type.tensor_type.shape.dim[0]
    return first.dim_value or first.dim_param or None


def _set_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]  # a graph empties those that it lets go of
    del graph.node[:]
    graph.node.extend(kept)
