"""SavedModel to TFLite: FP32, FP16 weights, INT8 arithmetic."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lib import models
from lib.errors import ReportError
from lib.experiment.spec import ModelSpec
from lib.models import saved_model as saved_model_file

HEAVY = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def build(saved_model: Path, spec: ModelSpec, variant: str, images: np.ndarray | None, target: Path) -> dict[str, Any]:
    """Convert the SavedModel into `target` and check it; returns the manifest's info.

    variant: "fp32", "fp16" or "int8"; images: model inputs that calibrate "int8".
    Raises ReportError if the conversion fails or the result is not what `check` demands.
    """
    models.tensorflow()  # takes seconds to import, which are not the conversion's

    started = time.perf_counter()
    target.write_bytes(convert(saved_model, spec, variant, images))
    info = check(target, spec, variant)
    if images is not None:
        info["calibration_images"] = len(images)
    return info | {"seconds": round(time.perf_counter() - started, 2)}


def convert(saved_model: Path, spec: ModelSpec, variant: str, images: np.ndarray | None) -> bytes:
    """The signature `serving_default` as a TFLite flatbuffer, input and output float32.

    Source: tf.lite.TFLiteConverter; "int8" allows integer kernels only, so nothing stays in float unseen.
    """
    tf = models.tensorflow()
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=[saved_model_file.signature_of(saved_model)])
    if variant != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        converter.representative_dataset = lambda: ({spec.input: np.repeat(image[None], spec.batch or 1, axis=0)} for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        with models.quiet():
            return converter.convert()
    except Exception as error:  # the converter raises its own and ValueError, RuntimeError, ... from C++
        raise ReportError(f"tflite {variant}: the export failed: {str(error).strip().splitlines()[0]}") from error


def check(path: Path, spec: ModelSpec, variant: str) -> dict[str, Any]:
    """Check a TFLite file and describe it: nodes {operator: count}, bytes.

    Holds: one input of the spec's shape, one float32 output, built-in operators only; in "int8" convolutions
    and dense layers work on int8. Raises ReportError that says which does not hold.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    flat = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph, types = flat.subgraphs[0], schema.TensorType
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or graph.tensors[graph.outputs[0]].type != types.FLOAT32:
        raise ReportError(f"{path.name}: input and output must be one tensor each, the output float32")
    given, wanted = graph.tensors[graph.inputs[0]], [spec.batch or -1, *spec.row_shape]
    shape = list(given.shape if given.shapeSignature is None else given.shapeSignature)
    if shape != wanted:
        raise ReportError(f"{path.name}: the input has shape {shape}, expected {wanted}")
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in flat.operatorCodes]
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    nodes = Counter(names[codes[op.opcodeIndex]] for op in graph.operators)
    if "CUSTOM" in nodes:
        raise ReportError(f"{path.name}: holds custom operators, which no plain TFLite runtime has")
    heavy = [op for op in graph.operators if names[codes[op.opcodeIndex]] in HEAVY]
    if not heavy or (variant == "int8" and any(graph.tensors[op.inputs[0]].type != types.INT8 for op in heavy)):
        raise ReportError(f"{path.name}: a convolution or dense layer is missing or not in int8")
    return {"nodes": dict(sorted(nodes.items(), key=lambda item: (-item[1], item[0]))), "bytes": path.stat().st_size}
