"""A user's SavedModel folder: what its signature takes and gives, read from its description. To run one is to run the graph inside, which
may read and write files: use those you trust. Reading `spec` and `copy` run nothing."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import models
from lib.errors import ConfigError
from lib.experiment.spec import ModelSpec
from lib.models import tensors

FOLDER = "saved_model"
PB = "saved_model.pb"
TAG, SIGNATURE, INIT = "serve", "serving_default", "__saved_model_init_op"
CALLS = frozenset({"StatefulPartitionedCall", "PartitionedCall"})
THROUGH = frozenset({"Identity", "IdentityN", "Cast", "Reshape", "Squeeze", "EnsureShape", "StopGradient", "PreventGradient"})
ACTIVATIONS = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})  # TensorFlow's run over the last dimension
PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})  # call a function of the program that saved them


def spec(path: Path, output: str | None, kind: str | None, layout: str | None, size: tuple[int, int] | None) -> ModelSpec:
    """What the signature `serving_default`, or the only one, takes and gives; input and output have the names of the signature.

    output, kind, layout, size: model.output, model.kind, model.layout and preprocess.size of the profile, None where it is silent.
    An output is probabilities if a Softmax makes it (seen through calls of functions), else logits. Raises ConfigError for a folder that
    is no SavedModel or lacks its variables, no or several signatures, operators that are not TensorFlow's, and see lib.models.tensors.
    """
    graph = _graph(path)
    _, signature = _signature(path, graph)
    given = _input(path, signature, layout, size)
    if given.layout != "NHWC":
        raise ConfigError(f"{path}: input '{given.name}' has its channels first; TensorFlow on a CPU needs them last, save it so")
    output = tensors.one_output(path, sorted(signature.outputs), output)
    made = signature.outputs[output]
    classes = tensors.classes_of(path, output, _dims(made), _dtype(made), given.batch)
    logits = tensors.is_logits(path, output, _made_by(graph.graph_def, made.name), kind)
    tensors.check_finite(path, _variables(path))
    return ModelSpec(given.name, given.dtype, given.layout, given.size, given.channels, output, classes, logits, given.batch)


def signature_of(path: Path) -> str:
    """The name of the signature that counts: `serving_default`, or the only one. Raises ConfigError as `spec` does."""
    return _signature(path, _graph(path))[0]


def copy(path: Path, target: Path, spec: ModelSpec) -> dict[str, Any]:
    """Copy the folder as `saved_model` into the folder `target`. Returns its signature, operators {operator: count}, parameters, bytes."""
    graph = _graph(path)
    shutil.copytree(path, target / FOLDER)
    return {
        "signature": _signature(path, graph)[0],
        "nodes": dict(Counter(node.op for node in _nodes(graph.graph_def)).most_common()),
        "parameters": sum(math.prod(values.shape) for _, values in _variables(path)),
        "bytes": sum(file.stat().st_size for file in (target / FOLDER).rglob("*") if file.is_file()),
    }


def _graph(path: Path) -> Any:
    """The MetaGraphDef for serving."""
    from google.protobuf.message import DecodeError

    if not (path / PB).is_file():
        raise ConfigError(f"{path}: there is no {PB} in it; set model.file to a SavedModel folder, an .onnx or a .keras file")
    models.tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    try:
        graphs = saved_model_pb2.SavedModel.FromString((path / PB).read_bytes()).meta_graphs
    except DecodeError:
        raise ConfigError(f"{path}: its {PB} is damaged; save or copy the model again") from None
    graph = next((graph for graph in graphs if TAG in graph.meta_info_def.tags), None)
    if graph is None:
        raise ConfigError(f"{path}: it was not saved for serving (no tag '{TAG}'); save it again with tf.saved_model.save")
    used = {node.op for node in _nodes(graph.graph_def)}
    functions = {function.signature.name for function in graph.graph_def.library.function}
    if custom := sorted(op for op in used - functions if op in PYTHON or op_def_registry.get(op) is None):
        raise ConfigError(f"{path}: operators that TensorFlow does not have: {', '.join(custom)}; save the model without them")
    if "VarHandleOp" in used and not (path / "variables" / "variables.index").is_file():
        raise ConfigError(f"{path}: its variables are missing (variables/variables.index); copy the whole folder")
    return graph


def _signature(path: Path, graph: Any) -> tuple[str, Any]:
    """(name, SignatureDef) of the one that counts."""
    found = {name: signature for name, signature in graph.signature_def.items() if name != INIT and signature.outputs}
    if not found:
        raise ConfigError(f"{path}: it has no signatures; save it with tf.saved_model.save(…, signatures={{'{SIGNATURE}': …}})")
    if SIGNATURE not in found and len(found) > 1:
        raise ConfigError(f"{path}: it has the signatures {', '.join(sorted(found))}; save it with one of them as '{SIGNATURE}'")
    name = SIGNATURE if SIGNATURE in found else next(iter(found))
    return name, found[name]


def _input(path: Path, signature: Any, layout: str | None, size: tuple[int, int] | None) -> tensors.Input:
    name = tensors.only_input(path, sorted(signature.inputs))
    return tensors.image_input(path, name, _dims(signature.inputs[name]), _dtype(signature.inputs[name]), layout, size)


def _dims(tensor: Any) -> list[int | None] | None:
    """Of a TensorInfo."""
    shape = tensor.tensor_shape
    return None if shape.unknown_rank else [dim.size if dim.size > 0 else None for dim in shape.dim]


def _dtype(tensor: Any) -> str:
    return models.tensorflow().dtypes.as_dtype(tensor.dtype).name


def _variables(path: Path) -> Iterator[tuple[str, Any]]:
    """(name, array) of the numbers in the variables' files, one at a time."""
    if not (path / "variables" / "variables.index").is_file():
        return
    tf = models.tensorflow()
    try:
        reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        for name in sorted(reader.get_variable_to_shape_map()):
            if (values := reader.get_tensor(name)).__class__.__module__ == "numpy":  # the object graph is bytes
                yield name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"), values
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{path}: its variables cannot be read: {tensors.first_line(error)}; copy the whole folder again") from None


def _nodes(graph_def: Any) -> Iterator[Any]:
    """All NodeDefs, those of functions too."""
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def


@dataclass(frozen=True)
class _Scope:
    """A graph or a function's body. nodes: by name; returned: output argument -> the tensor it is; outputs: those arguments in order."""

    nodes: Mapping[str, Any]
    returned: Mapping[str, str]
    outputs: list[str]


def _made_by(graph_def: Any, tensor: str) -> str | None:
    """What makes a tensor of the graph, as lib.models.tensors.is_logits takes it: followed from its end through what keeps values and
    into the functions that are called. An argument of a function ends the search, which then says None."""
    functions = {
        function.signature.name: _Scope(
            {node.name: node for node in function.node_def}, function.ret, [argument.name for argument in function.signature.output_arg]
        )
        for function in graph_def.library.function
    }
    scope = _Scope({node.name: node for node in graph_def.node}, {}, [])
    while True:
        name, *rest = tensor.split(":")  # NODE:INDEX in a graph, NODE:OUTPUT:INDEX in a function
        node, index = scope.nodes.get(name), int(rest[-1]) if rest else 0
        if node is None:
            return None
        if node.op in CALLS:
            scope = functions[node.attr["f"].func.name]
            tensor = scope.returned[scope.outputs[index]]
        elif node.op in THROUGH:
            tensor = node.input[index if node.op == "IdentityN" else 0]
        else:
            return node.op if node.op in ACTIVATIONS else None
