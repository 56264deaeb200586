"""A classifier small enough to build in a test, as ONNX: its input and output are those of the exported models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lib import model

CLASSES, FILTERS = 10, 32
SCALE_IN, SCALE_W = 1 / 127, 0.004


def write(path: Path, quantized: bool = False, seed: int = 0) -> Path:
    """NHWC images -> transpose, convolution, ReLU, pooling, dense, softmax. quantized: Q/DQ before the convolution."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.15, (FILTERS, 3, 3, 3)).astype(np.float32)
    dense = rng.normal(0, 0.25, (FILTERS * 8 * 8, CLASSES)).astype(np.float32)
    values = {"bias": np.zeros(FILTERS, np.float32), "dense": dense}
    nodes, source, weights = [helper.make_node("Transpose", [model.INPUT], ["nchw"], name="transpose", perm=[0, 3, 1, 2])], "nchw", "kernel"
    if quantized:
        values |= {"s_in": np.float32(SCALE_IN), "s_w": np.float32(SCALE_W), "zero": np.int8(0)}
        values["kernel_q"] = np.clip(np.round(kernel / SCALE_W), -127, 127).astype(np.int8)
        nodes += [
            helper.make_node("QuantizeLinear", ["nchw", "s_in", "zero"], ["nchw_q"], name="q"),
            helper.make_node("DequantizeLinear", ["nchw_q", "s_in", "zero"], ["nchw_d"], name="dq"),
            helper.make_node("DequantizeLinear", ["kernel_q", "s_w", "zero"], ["kernel_d"], name="dq_w"),
        ]
        source, weights = "nchw_d", "kernel_d"
    else:
        values["kernel"] = kernel
    nodes += [
        helper.make_node("Conv", [source, weights, "bias"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
        helper.make_node("MaxPool", ["relu"], ["pool"], name="pool", kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pool"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "dense"], ["logits"], name="matmul"),
        helper.make_node("Softmax", ["logits"], [model.OUTPUT], name="softmax"),
    ]
    given = [helper.make_tensor_value_info(model.INPUT, TensorProto.FLOAT, ("batch", 32, 32, 3))]
    made = [helper.make_tensor_value_info(model.OUTPUT, TensorProto.FLOAT, ("batch", CLASSES))]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "small", given, made, constants)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    return path
