"""SavedModel to ONNX by tf2onnx, with names that are the same in every conversion."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import models
from lib.errors import ReportError
from lib.experiment.spec import ModelSpec
from lib.export import saved, structure

if TYPE_CHECKING:
    import onnx

SCOPE = re.compile(r"^(StatefulPartitionedCall/)*(vgg_\d+/)?")  # what TensorFlow puts before a Keras layer's name
COUNTER = re.compile(r"(__\d+)+(?=$|:|/)|:0$")  # of tf2onnx: depends on what the process converted before


def build(saved_model: Path, spec: ModelSpec, opset: int, target: Path) -> dict[str, Any]:
    """Convert the SavedModel into `target` and check it; returns the manifest's info.

    Raises ReportError if tf2onnx logs an error or the result is not what `structure` demands.
    """
    import onnx

    models.tensorflow()  # takes seconds to import, which are not the conversion's
    import tf2onnx  # noqa: F401

    started = time.perf_counter()
    converted = convert(saved_model, spec, opset)
    onnx.save(converted, target)
    return structure.check(target, spec) | {"seconds": round(time.perf_counter() - started, 2)}


def convert(saved_model: Path, spec: ModelSpec, opset: int) -> onnx.ModelProto:
    """The signature `serving_default` as ONNX, with input and output as `spec` says.

    Source: tf2onnx.convert.from_function. Raises ReportError if tf2onnx fails or logs an error.
    """
    import tf2onnx

    tf = models.tensorflow()
    # The loaded object must stay alive: a signature holds its variables weakly.
    loaded = tf.saved_model.load(str(saved_model))
    signature = saved.served(loaded)
    given = tf.TensorSpec((spec.batch, *spec.row_shape), spec.dtype, name=spec.input)
    function = tf.function(
        lambda images: {spec.output: signature(**{spec.input: images})[spec.output]}, input_signature=[given], autograph=False
    )
    with errors_raised("tf2onnx"):
        converted, _ = tf2onnx.convert.from_function(function, input_signature=[given], opset=opset)
    captured = function.get_concrete_function(given).graph.captures
    return stable_names(_constants(converted, {inner.op.name: outer for outer, inner in captured}), spec)


def _constants(converted: onnx.ModelProto, captured: dict[str, Any]) -> onnx.ModelProto:
    """Make initializers, in place, of inputs that are tensors which the function captured (a Normalization layer's mean): tf2onnx folds
    variables alone. captured: TensorFlow's tensor of each placeholder."""
    from onnx import numpy_helper

    inputs, used = list(converted.graph.input), {name for node in converted.graph.node for name in node.input}
    del converted.graph.input[:]
    for value in inputs:
        if (tensor := captured.get(value.name.split(":")[0])) is None:
            converted.graph.input.append(value)
        elif value.name in used:
            converted.graph.initializer.append(numpy_helper.from_array(tensor.numpy(), value.name))
    return converted


@contextmanager
def errors_raised(logger: str) -> Iterator[None]:
    """Raise ReportError if anything is logged as an error below `logger`, or if the block raises.

    tf2onnx swallows the failure of a rewriter: it logs it and returns a model that may be wrong.
    """
    heard: list[str] = []
    cause: Exception | None = None
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    listened = logging.getLogger(logger)
    listened.addHandler(handler)
    try:
        yield
    except Exception as error:
        heard.append(str(error))
        cause = error
    finally:
        listened.removeHandler(handler)
    if heard:
        first, *_ = heard[0].strip().split("\n")
        raise ReportError(f"{logger}: the export failed: {first or 'no reason given'}") from cause


def stable_names(converted: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Rename, in place, nodes and tensors after their Keras layers, without scopes and counters, and the free dimension `batch`.

    Two conversions of one SavedModel then give the same bytes, so that what is built from them (engines, caches) can be reused.
    """
    graph = converted.graph
    tensors, nodes = _Names({spec.input, spec.output}, {tensor.name for tensor in graph.initializer}), _Names()
    for node in graph.node:
        node.name = nodes[node.name]
        for names in (node.input, node.output):
            names[:] = [tensors[name] if name else "" for name in names]
    for value in (*graph.initializer, *graph.value_info, *graph.input, *graph.output):
        value.name = tensors[value.name]
    for value in (*graph.input, *graph.output):
        if spec.batch is None:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # only hints, with counted dimension names; whoever needs shapes infers them
    graph.doc_string = ""  # names a traced function by a counter
    ordered = sorted(graph.initializer, key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(ordered)
    return converted


class _Names(dict[str, str]):
    """Old name -> new name, made up when first asked for; no two old names share a new one."""

    def __init__(self, kept: Iterable[str] = (), constants: Iterable[str] = ()) -> None:
        super().__init__({name: name for name in kept})
        self.constants = set(constants)

    def __missing__(self, old: str) -> str:
        base = COUNTER.sub("", SCOPE.sub("", old)) or "tensor"
        if old in self.constants and "/" not in base:
            base = "constant"  # tf2onnx merges equal constants of its own and keeps the name of any one
        new, count, taken = base, 1, set(self.values())
        while new in taken:
            new, count = f"{base}_{count}", count + 1
        self[old] = new
        return new
