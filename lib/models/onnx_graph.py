"""Reading an ONNX graph: its nodes, tensors and shapes, and what makes an output. Never the bytes of large weights, unless asked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import ConfigError
from lib.models import tensors

if TYPE_CHECKING:
    import numpy as np
    import onnx

STANDARD = ("", "ai.onnx", "ai.onnx.ml")
# What changes neither the order of the values nor what they mean; Q/DQ as tools put it behind the last node too.
THROUGH = frozenset(
    {"Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout", "QuantizeLinear", "DequantizeLinear"}
)
ACTIVATIONS = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
SMALL = 1024  # values of a tensor that may be a shape; what has more is only weights to shape inference


def load(path: Path) -> onnx.ModelProto:
    """The model without its external data, functions of its own (PyTorch's exporter writes some) put in their places.

    Raises ConfigError for a file that is no ONNX, external data that is missing, operators that are not standard (com.microsoft is not),
    and a graph that onnx.checker with shape inference refuses.
    """
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); set model.file to an ONNX file") from None
    except DecodeError:
        raise ConfigError(f"{path}: is no ONNX model, or half of one; export or download it again") from None
    if not model.graph.node:
        raise ConfigError(f"{path}: there is no graph in it; export or download the model again")
    newest = onnx.defs.onnx_opset_version()
    if opset(model) > newest:  # the checker lets it pass where it knows the operators
        raise ConfigError(f"{path}: opset {opset(model)} is newer than this onnx reads; export it again, with opset {newest} or less")
    _check_external(path, model)
    inlined = onnx.inliner.inline_local_functions(model) if model.functions else model
    if custom := sorted(name for name in operators(inlined.graph) if "." in name and name.rpartition(".")[0] not in STANDARD):
        raise ConfigError(f"{path}: operators that ONNX does not define: {', '.join(custom)}; export the model with standard ones only")
    try:
        onnx.checker.check_model(str(path), full_check=True)  # by path: a model may be larger than what one message can hold
    except Exception as error:  # of the checker's classes, of shape inference's, and of the converter between the two languages
        said = tensors.first_line(error).rstrip(": ")
        raise ConfigError(
            f"{path}: ONNX cannot check it: {said}; export it again, with opset {onnx.defs.onnx_opset_version()} or less"
        ) from None
    return inlined


def weights_beside(path: Path) -> list[Path]:
    """The files that hold external data of an ONNX file, as far as they are there; none of one that cannot be read: `load` says why."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except (OSError, DecodeError):
        return []
    return [part for name in external_files(model) if (part := path.parent / name).is_file()]


def _check_external(path: Path, model: onnx.ModelProto) -> None:
    missing, folder = [], path.parent.resolve()
    for location in external_files(model):
        file = folder / location
        if ".." in Path(location).parts or Path(location).is_absolute():
            raise ConfigError(f"{path}: its weights are to lie outside its folder ('{location}'); save it with external data beside it")
        if not file.is_file():
            missing.append(location)
    if missing:
        raise ConfigError(f"{path}: weights stored outside the file are missing: {', '.join(missing)}; put them beside it")


def external_files(model: onnx.ModelProto) -> list[str]:
    """Names of the files that hold external data, relative to the model's folder, each once."""
    import onnx

    external = (tensor for _, tensor in constants(model.graph) if tensor.data_location == onnx.TensorProto.EXTERNAL)
    return list(dict.fromkeys(entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"))


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model uses."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those of branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def operators(graph: onnx.GraphProto) -> dict[str, int]:
    """{operator: number of nodes}, most frequent first; operators outside ONNX's own domain as `domain.operator`."""
    names = (f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type for node in nodes(graph))
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def constants(graph: onnx.GraphProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """(name, tensor) of all that is stored in the model: initializers and the values of Constant nodes, those of branches too."""
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                if tensor.data_type:
                    yield tensor.name or (node.output[0] if node.output else node.name), tensor
            for inner in (attribute.g, *attribute.graphs):
                yield from constants(inner)


def values(path: Path, model: onnx.ModelProto) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of `constants`, external ones read from beside `path`, one at a time."""
    import onnx

    for name, tensor in constants(model.graph):
        try:
            yield name, onnx.numpy_helper.to_array(tensor, base_dir=str(path.parent))
        except (
            OSError,
            ValueError,
            onnx.checker.ValidationError,
        ) as error:  # too short a file, a link
            raise ConfigError(f"{path}: the weights '{name}' cannot be read: {tensors.first_line(error)}; export the model again") from None


def real_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Inputs that a caller must give: not the initializers, which old exporters list among the inputs."""
    stored = {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in stored]


def dims_of(value: onnx.ValueInfoProto) -> list[int | None] | None:
    """The shape of a tensor, None for a dimension that is free: a symbol, nothing, or the 0 or -1 of some exporters. None where not even
    the rank is known."""
    tensor = value.type.tensor_type
    return [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim] if tensor.HasField("shape") else None


def dtype_of(value: onnx.ValueInfoProto) -> str:
    """NumPy's name of a tensor's type, or what the value is instead."""
    import onnx

    kind = value.type.tensor_type.elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(kind).name if kind else "no tensor"


def set_shape(value: onnx.ValueInfoProto, dims: Sequence[int | str | None]) -> None:
    """Give a tensor this shape: numbers, names of free dimensions, None for the unknown."""
    shape = value.type.tensor_type.shape
    shape.Clear()
    value.type.tensor_type.shape.SetInParent()
    for dim in dims:
        added = shape.dim.add()
        if isinstance(dim, str):
            added.dim_param = dim
        elif dim is not None:
            added.dim_value = dim


def shapes(model: onnx.ModelProto, name: str, dims: Sequence[int | str], strict: bool) -> dict[str, list[int | None] | None]:
    """Shapes of `inferred`."""
    return {key: dims_of(value) for key, value in inferred(model, name, dims, strict).items()}


def inferred(model: onnx.ModelProto, name: str, dims: Sequence[int | str], strict: bool) -> dict[str, onnx.ValueInfoProto]:
    """Types and shapes of all tensors but small constants once the input `name` has the shape `dims`: what follows from it, not what the
    file says of its outputs, which exporters often leave as they were in the one example they saw. strict: raise
    onnx.shape_inference.InferenceError where the graph cannot take that shape."""
    import onnx

    skeleton = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    graph = skeleton.graph
    graph.node.extend(model.graph.node)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    for value in real_inputs(model.graph):
        graph.input.append(value)
        if value.name == name:
            set_shape(graph.input[-1], dims)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL:
            graph.initializer.append(tensor)
        else:  # only its shape is looked at
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    for value in model.graph.output:
        graph.output.add(name=value.name).type.tensor_type.elem_type = value.type.tensor_type.elem_type
    found = onnx.shape_inference.infer_shapes(skeleton, check_type=strict, strict_mode=strict, data_prop=True).graph
    return {value.name: value for value in (*found.input, *found.value_info, *found.output)}


def made_by(model: onnx.ModelProto, output: str, classes: int, found: dict[str, list[int | None] | None]) -> str | None:
    """What makes the output, as lib.models.tensors.is_logits takes it, seen through what does not change values. found: of `shapes`."""
    producers = {name: node for node in model.graph.node for name in node.output}
    node = producers.get(output)
    while node is not None and node.op_type in THROUGH:
        node = producers.get(node.input[0])
    if node is None or node.op_type not in ACTIVATIONS:
        return None
    if node.op_type == "Sigmoid" or _over_classes(node, opset(model), found.get(node.input[0]), classes):
        return node.op_type
    return tensors.OTHER_AXIS


def _over_classes(node: onnx.NodeProto, version: int, dims: list[int | None] | None, classes: int) -> bool:
    """Whether a Softmax adds up over the classes. Before opset 13 it runs over all dimensions from its axis on. Source: ONNX changelog."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1 if version >= 13 else 1)
    if dims is None:
        return axis in (1, -1)
    axis %= len(dims)
    over = dims[axis : axis + 1] if version >= 13 else dims[axis:]
    return axis > 0 and None not in over and math.prod(over) == classes


def tensor_names(path: Path) -> set[str]:
    """The names of all inputs of an ONNX and of what its nodes make."""
    graph = load(path).graph
    return {one.name for one in graph.input} | {name for node in graph.node for name in node.output}
