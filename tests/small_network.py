"""A classifier small enough to build in a test, as ONNX: its input and output are those of the exported models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lib import session
from lib.experiment import profile as config
from lib.models import vgg as model
from lib.session import Session

CLASSES, FILTERS = 10, 64
STEPS = {"conv1": (1 / 127, 0.004), "conv2": (0.02, 0.001)}  # of INT8: of the input and of the weights


def write(path: Path, quantized: bool = False, seed: int = 0) -> Path:
    """NHWC images -> transpose, two convolutions with ReLU, pooling, dense, softmax. quantized: Q/DQ before the convolutions."""
    rng = np.random.default_rng(seed)
    kernels = {"conv1": rng.normal(0, 0.15, (FILTERS, 3, 3, 3)), "conv2": rng.normal(0, 0.03, (FILTERS, FILTERS, 3, 3))}
    values = {"dense": rng.normal(0, 0.2, (FILTERS * 8 * 8, CLASSES)).astype(np.float32)}
    values["flat_shape"] = np.array([-1, FILTERS * 8 * 8], np.int64)
    nodes, source = [helper.make_node("Transpose", [model.SPEC.input], ["nchw"], name="transpose", perm=[0, 3, 1, 2])], "nchw"
    for name, kernel in kernels.items():
        given = _quantized(name, kernel, source, nodes, values) if quantized else [source, f"{name}_w"]
        if not quantized:
            values[f"{name}_w"] = kernel.astype(np.float32)
        nodes += [
            helper.make_node("Conv", given, [name], name=name, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [name], [f"{name}_relu"], name=f"{name}_relu"),
        ]
        source = f"{name}_relu"
    nodes += [
        helper.make_node("MaxPool", [source], ["pool"], name="pool", kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Reshape", ["pool", "flat_shape"], ["flat"], name="flatten"),  # as tf2onnx writes it
        helper.make_node("MatMul", ["flat", "dense"], ["logits"], name="matmul"),
        helper.make_node("Softmax", ["logits"], [model.SPEC.output], name="softmax"),
    ]
    given = [helper.make_tensor_value_info(model.SPEC.input, TensorProto.FLOAT, ("batch", 32, 32, 3))]
    made = [helper.make_tensor_value_info(model.SPEC.output, TensorProto.FLOAT, ("batch", CLASSES))]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "small", given, made, constants)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    return path


def _quantized(name: str, kernel: np.ndarray, source: str, nodes: list[onnx.NodeProto], values: dict[str, np.ndarray]) -> list[str]:
    """Add Q/DQ for a convolution's input and DQ for its INT8 weights; returns the convolution's inputs."""
    step, step_w = STEPS[name]
    values |= {f"{name}_s": np.float32(step), f"{name}_sw": np.float32(step_w), f"{name}_zero": np.int8(0)}
    values[f"{name}_wq"] = np.clip(np.round(kernel / step_w), -127, 127).astype(np.int8)
    nodes += [
        helper.make_node("QuantizeLinear", [source, f"{name}_s", f"{name}_zero"], [f"{name}_q"], name=f"{name}_q"),
        helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_s", f"{name}_zero"], [f"{name}_d"], name=f"{name}_dq"),
        helper.make_node("DequantizeLinear", [f"{name}_wq", f"{name}_sw", f"{name}_zero"], [f"{name}_wd"], name=f"{name}_dqw"),
    ]
    return [f"{name}_d", f"{name}_wd"]


@contextmanager
def opened(folder: Path, stage: str) -> Iterator[Session]:
    """The quickstart's session in `folder`, with the small network in place of its exported model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(folder / "outputs"))

        def exported(_: Session, variant: str) -> SimpleNamespace:
            path = folder / variant / "model.onnx"
            path.parent.mkdir(exist_ok=True)
            if not path.exists():
                write(path, quantized=variant == "int8_qdq")
            return SimpleNamespace(file=lambda name: path)

        patch.setattr("lib.export.onnx", exported)
        yield Session(config.load("quickstart"), stage)


def said(kind: type[Exception], call: Callable[[], object]) -> str:
    """The one line of the error that `call` raises, printed."""
    with pytest.raises(kind) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    print(f"\n  {kind.__name__}: {line}")
    return line
