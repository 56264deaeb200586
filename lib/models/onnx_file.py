"""A user's ONNX file: what it takes and gives, and a copy that every later step can use."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import ConfigError
from lib.experiment.spec import ModelSpec
from lib.models import onnx_graph, tensors

if TYPE_CHECKING:
    import onnx

FILE = "model.onnx"
BATCH = "batch"  # what the copy calls a free first dimension
OPSET = 13  # the first with scales a channel in QuantizeLinear, which INT8 needs
LIMIT = 2**31 - 2**20  # bytes that one protobuf message holds, with room for what is not weights
CLOSE = 1e-3  # of the outputs' spread: how far a graph in a newer opset may be from the one it was


def spec(path: Path, output: str | None, kind: str | None, layout: str | None, size: tuple[int, int] | None) -> ModelSpec:
    """What the model in the file takes and gives. Only onnx is needed, weights outside the file are read once (for NaN), none is run.

    output, kind, layout, size: model.output, model.kind, model.layout and preprocess.size of the profile, None where it is silent.
    Any opset that onnx reads will do, quantized models (QuantizeLinear inside) too. An output of (batch, classes, 1, 1) and the like is
    taken as (batch, classes), and `copy` makes it so. Probabilities are what comes from a Softmax over the classes, by way of nodes that
    do not change values; all else is logits. A graph that works for one batch size alone has that one, whatever its input says.
    Raises ConfigError for what cannot be used: see lib.models.tensors and lib.models.onnx_graph.load.
    """
    model = onnx_graph.load(path)
    value = _input(path, model)
    given = tensors.image_input(path, value.name, onnx_graph.dims_of(value), onnx_graph.dtype_of(value), layout, size)
    outputs = {value.name: value for value in model.graph.output}
    name = tensors.one_output(path, outputs, output)
    batch = given.batch or _held_batch(model, given, name)
    dims = (batch or 1, *given.shape[1:])
    try:
        found = onnx_graph.shapes(model, given.name, dims, strict=None in onnx_graph.dims_of(value)[1:])
    except Exception as error:  # onnx raises more than InferenceError here; with the file's own shape it has passed the checker
        said = tensors.first_line(error)
        raise ConfigError(f"{path}: cannot take preprocess.size {tensors.shown(given.size)}: {said}; set another size") from None
    held = found.get(name) or onnx_graph.dims_of(outputs[name])
    if batch is None and held and held[0] not in (None, 1) and None in onnx_graph.dims_of(value)[1:]:
        raise ConfigError(f"{path}: with preprocess.size {tensors.shown(given.size)} one image gives {held[0]} rows; set another size")
    classes = tensors.classes_of(path, name, held, onnx_graph.dtype_of(outputs[name]), batch, flattened=True)
    logits = tensors.is_logits(path, name, onnx_graph.made_by(model, name, classes, found), kind)
    tensors.check_finite(path, onnx_graph.values(path, model))
    return ModelSpec(given.name, given.dtype, given.layout, given.size, given.channels, name, classes, logits, batch)


def _input(path: Path, model: onnx.ModelProto) -> onnx.ValueInfoProto:
    inputs = {value.name: value for value in onnx_graph.real_inputs(model.graph)}
    return inputs[tensors.only_input(path, list(inputs))]


def _held_batch(model: onnx.ModelProto, given: tensors.Input, output: str) -> int | None:
    """The one batch size that a graph with a free batch gives all the same: a reshape in it says so. None where it is free indeed."""
    dims = onnx_graph.shapes(model, given.name, (BATCH, *given.shape[1:]), strict=False).get(output)
    return dims[0] if dims else None


def copy(path: Path, target: Path, spec: ModelSpec) -> dict[str, Any]:
    """Write the model into the folder `target` as `model.onnx` and return `describe` of it, with `not_converted`: why it kept its opset.

    The copy holds its external data (beside it, under its own names, where the whole is over 2 GiB) and has one input and the one output
    of the spec, with the spec's shapes, the first dimension called `batch` where it is free. Names of tensors stay. An opset below 13 is
    converted where onnx can do it and onnxruntime finds the same outputs; else the graph stays as it is.
    """
    import onnx

    model = onnx_graph.load(path)
    _set_ends(model, spec)
    info: dict[str, Any] = {}
    outside = onnx_graph.external_files(model)
    if _bytes(model) < LIMIT:
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
        if onnx_graph.opset(model) < OPSET:
            model, why = _converted(model, spec)
            info = {"not_converted": why} if why else {}
    else:
        for location in outside:
            (target / location).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.parent / location, target / location)
    onnx.save(model, target / FILE)
    onnx.checker.check_model(str(target / FILE), full_check=True)
    return describe(target / FILE) | info


def _bytes(model: onnx.ModelProto) -> int:
    """Of the model with its external data inside."""
    import onnx

    external = [tensor for _, tensor in onnx_graph.constants(model.graph) if tensor.data_location == onnx.TensorProto.EXTERNAL]
    widths = [onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize for tensor in external]
    return model.ByteSize() + sum(math.prod(tensor.dims) * width for tensor, width in zip(external, widths, strict=True))


def _set_ends(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Leave the spec's input and output alone, with its shapes. Hints inside are dropped: they may name dimensions that are fixed now."""
    graph = model.graph
    model.ir_version = max(model.ir_version, 4)  # the first in which an initializer need not be an input
    dims = onnx_graph.shapes(model, spec.input, spec.input_shape(spec.batch or 1), strict=False).get(spec.output)
    given = next(value for value in graph.input if value.name == spec.input)
    onnx_graph.set_shape(given, (spec.batch or BATCH, *spec.row_shape))
    made = next(value for value in graph.output if value.name == spec.output)
    long = dims or onnx_graph.dims_of(made) or ()
    onnx_graph.set_shape(made, (spec.batch or BATCH, spec.classes))
    kept_input, kept_output = type(given).FromString(given.SerializeToString()), type(made).FromString(made.SerializeToString())
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(kept_input)
    graph.output.append(kept_output)
    if len(long) > 2:
        _flatten(graph, spec.output)


def _flatten(graph: onnx.GraphProto, output: str) -> None:
    """Let the output come from a Flatten of what made it, under the name it has."""
    import onnx

    inner = f"{output}_before_flatten"
    for node in onnx_graph.nodes(graph):
        for names in (node.input, node.output):
            names[:] = [inner if name == output else name for name in names]
    graph.node.append(onnx.helper.make_node("Flatten", [inner], [output], name=f"{output}_flatten", axis=1))


def _converted(model: onnx.ModelProto, spec: ModelSpec) -> tuple[onnx.ModelProto, str | None]:
    """The model in opset 13, or itself and why: onnx lacks a way for an operator, or the outputs are others than before."""
    import onnx

    try:
        newer = onnx.version_converter.convert_version(model, OPSET)
        onnx.checker.check_model(newer, full_check=True)
        if [[value.name for value in ends] for ends in (newer.graph.input, newer.graph.output)] != [[spec.input], [spec.output]]:
            return model, "the converter renamed its input or output"
        difference = _difference(model, newer, spec)
    except Exception as error:  # neither library says which errors it raises; the model is usable as it is
        return model, tensors.first_line(error)
    return (newer, None) if difference <= CLOSE else (model, f"the converted outputs differ by {difference:.2g} of their spread")


def _difference(model: onnx.ModelProto, newer: onnx.ModelProto, spec: ModelSpec) -> float:
    """Largest difference of the outputs of two models on random input, relative to the spread of the first's."""
    import numpy as np
    import onnxruntime

    shape = spec.input_shape(spec.batch or 2)
    images = np.random.default_rng(0).uniform(0, 255 if spec.dtype == "uint8" else 1, shape).astype(spec.dtype)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    outputs = []
    for each in (model, newer):
        session = onnxruntime.InferenceSession(each.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs.append(session.run([spec.output], {spec.input: images})[0].astype(np.float64))
    return float(np.abs(outputs[0] - outputs[1]).max() / (np.ptp(outputs[0]) or 1))


def describe(path: Path) -> dict[str, Any]:
    """Of an ONNX file: opset, nodes {operator: count}, parameters (values stored in initializers), bytes (external data counted)."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    outside = sum((path.parent / location).stat().st_size for location in onnx_graph.external_files(model))
    return {
        "opset": onnx_graph.opset(model),
        "nodes": onnx_graph.operators(model.graph),
        "parameters": sum(math.prod(tensor.dims) for tensor in model.graph.initializer),
        "bytes": path.stat().st_size + outside,
    }
