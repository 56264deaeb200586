"""lib/measure/layers.py on the real exports in ONNX Runtime, and on networks that are broken in a known place."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from lib import export, plans
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.measure import layers, predictions
from lib.runners import candidates

FP32, FP16, INT8 = (Candidate("onnxrt", precision) for precision in ("fp32", "fp16", "int8_qdq"))


@pytest.fixture(scope="module")
def images(quick):
    return quick.to_input(quick.images.x_test[:16])


@pytest.mark.parametrize(("candidate", "most"), [(FP32, 0.0), (FP16, 5e-3), (INT8, 0.1)])
def test_tensors_of_the_exports_are_compared_in_graph_order(quick, images, candidate, most):
    found, probabilities = layers.compare(quick, candidate, images)
    assert [layer.index for layer in found] == list(range(1, len(found) + 1))
    operators = [layer.operator for layer in found]
    assert operators.count("Conv") == operators.count("MaxPool") == 2
    assert (operators[0], operators[-1], found[-1].tensor) == ("Mul", "Softmax", "probabilities")
    assert max(layer.relative for layer in found) <= most
    assert (max(layer.relative for layer in found) > 0) == (candidate != FP32)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-2)


def test_tensors_that_a_variant_lacks_are_left_out(quick, images):
    full, fused = (layers.compare(quick, candidate, images)[0] for candidate in (FP16, INT8))
    assert {layer.tensor for layer in fused} < {layer.tensor for layer in full}  # MatMul and Add have become one Gemm
    assert next(layer for layer in fused if layer.tensor.startswith("logits")).operator == "Add"


def test_marked_gives_the_values_that_the_network_computes(quick, images):
    network = onnx.load(export.onnx(quick, "fp32").file("model.onnx"))
    before = network.SerializeToString()
    conv, relu = (next(n.output[0] for n in network.graph.node if n.op_type == kind) for kind in ("Conv", "Relu"))
    got = layers.marked(network, [conv, relu, "probabilities"], images)
    assert np.array_equal(np.maximum(got[conv], 0), got[relu])
    assert np.allclose(got["probabilities"].argmax(1), predictions.of(quick, FP32)[:16].argmax(1))
    assert network.SerializeToString() == before


@pytest.fixture
def broken(quick, monkeypatch, tmp_path):
    """`broken(operator, factor)`: the FP16 export as FP32 with the first weights of `operator` multiplied; its output's name."""

    def breaking(operator, factor):
        network = onnx.load(export.onnx(quick, "fp32").file("model.onnx"))
        node = next(n for n in network.graph.node if n.op_type == operator)
        weights = next(t for t in network.graph.initializer if t.name == node.input[1])
        weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32(factor), weights.name))
        onnx.save(network, tmp_path / "model.onnx")
        real = export.onnx

        class Stored:
            def file(self, name):
                return tmp_path / name

        monkeypatch.setattr(export, "onnx", lambda session, variant: Stored() if variant == "fp16" else real(session, variant))
        return node.output[0]

    return breaking


def test_what_was_changed_is_where_tensors_begin_to_differ(quick, images, broken):
    tensor = broken("MatMul", 1.5)
    found = {layer.tensor: layer for layer in layers.compare(quick, FP16, images)[0]}
    assert found[tensor].relative == pytest.approx(0.5, abs=1e-3)
    assert max(layer.relative for layer in found.values() if layer.index < found[tensor].index) < 1e-6


def test_overflow_has_no_number(quick, images, broken):
    tensor = broken("Conv", 3e38)
    found = {layer.tensor: layer for layer in layers.compare(quick, FP16, images)[0]}
    assert (found[tensor].relative, found[tensor].max_abs) == (None, None)


def test_a_network_of_another_shape_is_no_comparison(quick, images, monkeypatch):
    monkeypatch.setattr(plans, "intermediate", lambda _, precision, tensors, x: dict.fromkeys(tensors, np.zeros((16, 3), np.float32)))
    monkeypatch.setattr(plans, "onnx_variant", lambda precision: "fp32")
    with pytest.raises(ReportError, match=r"has shape \(16, 3\), .* not the same network"):
        layers.compare(quick, Candidate("tensorrt", "int8"), images)


def test_tensorrt_is_asked_for_the_tensors_of_its_network(quick, images, monkeypatch):
    asked = {}

    def intermediate(session, precision, tensors, x):
        asked.update(precision=precision, tensors=tensors, x=x)
        network = onnx.load(export.onnx(session, "fp32").file("model.onnx"))
        return {name: value + np.float32(1e-3) for name, value in layers.marked(network, tensors, x).items()}

    monkeypatch.setattr(plans, "intermediate", intermediate)
    monkeypatch.setattr(plans, "onnx_variant", lambda precision: "fp32")
    found, _ = layers.compare(quick, Candidate("tensorrt", "int8"), images)
    assert (asked["precision"], asked["tensors"]) == ("int8", [layer.tensor for layer in found])
    assert asked["x"] is images
    assert found[0].max_abs == pytest.approx(1e-3, rel=1e-2)


def test_backends_that_give_their_tensors_are_known(quick):
    assert {one.runner for one in candidates(quick.profile) if layers.readable(one)} == {"onnxrt", "onnxrt_cuda", "tensorrt"}
