"""lib/export/compact.py: bytes in and classes out are the same network, whatever its layout, precision and preprocessing."""

from __future__ import annotations

from dataclasses import replace

import models
import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper, numpy_helper

from lib import export, onnx_session
from lib.data import preprocess
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.experiment.spec import ModelSpec
from lib.export import compact
from lib.models import onnx_file, onnx_graph
from lib.trt import build, versions
from lib.trt.log import logger

needs_rtx = pytest.mark.skipif(versions.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")


def answers(path, spec, given):
    return onnx_session.start(path).run([spec.output], {spec.input: given})[0]


def nodes_of(path):
    return onnx.load(path).graph.node


def spec_of(path, layout):
    return onnx_file.spec(path, None, None, layout, None)


def pixels(spec, count=5):
    values = np.random.default_rng(0).integers(0, 256, (count, *spec.image_shape), dtype=np.uint8)
    values[0], values[1] = 0, 255
    return values


def both(source, spec, rules, folder):
    """The same images through the original and through bytes in and classes out: outputs, outputs, classes, classes alone."""
    images = pixels(spec)
    for name, taken, classes in (("bytes", rules, False), ("both", rules, True), ("classes", None, True)):
        compact.build(source, spec, taken, classes, folder / f"{name}.onnx")
    inputs = preprocess.to_input(images, rules, spec)
    own, less = answers(source, spec, inputs), answers(folder / "bytes.onnx", spec, images)
    return own, less, answers(folder / "both.onnx", spec, images), answers(folder / "classes.onnx", spec, inputs)


# --- of a session


@pytest.mark.parametrize("variant", export.ONNX_VARIANTS)
def test_every_export_answers_the_same_from_bytes_and_in_classes(quick, variant):
    images, full = quick.images.x_test, export.onnx(quick, variant)
    made = {how: compact.onnx(quick, variant, byte_input=how[0], classes=how[1]) for how in ((1, 0), (0, 1), (1, 1))}
    inputs = quick.to_input(images)
    own = answers(full.file(export.ONNX_FILE), quick.spec, inputs)
    got = {how: answers(one.file(export.ONNX_FILE), quick.spec, images if how[0] else inputs) for how, one in made.items()}
    np.testing.assert_allclose(got[1, 0], own, rtol=1e-6, atol=0)
    for how in ((0, 1), (1, 1)):
        assert (got[how].dtype, got[how].shape) == (np.int32, (len(images),))
        assert np.array_equal(got[how], own.argmax(axis=1))
    assert len({full.sha256, *(one.sha256 for one in made.values())}) == 4
    assert {one.info["opset"] for one in made.values()} == {full.info["opset"]}


def test_it_is_built_once_and_neither_is_the_export_itself(quick, monkeypatch):
    first = compact.onnx(quick, "fp32", byte_input=True, classes=True)
    monkeypatch.setattr(compact, "build", None)
    assert compact.onnx(quick, "fp32", byte_input=True, classes=True) == first
    assert compact.onnx(quick, "fp32") == export.onnx(quick, "fp32")


def test_other_rules_are_another_artifact(quick, monkeypatch):
    first = compact.onnx(quick, "fp32", byte_input=True)
    monkeypatch.setitem(quick.__dict__, "rules", replace(quick.rules, mean=(0.25,) * quick.spec.channels))
    assert compact.onnx(quick, "fp32", byte_input=True).path != first.path


def test_the_byte_spec_says_what_it_takes():
    spec = ModelSpec("x", "float16", "NCHW", (4, 6), 3, "y", 5, logits=True)
    assert compact.byte_spec(spec).input_shape(2) == (2, 4, 6, 3)
    assert (compact.byte_spec(spec).dtype, compact.byte_spec(spec).output) == ("uint8", "y")


# --- of any model

SECTIONS = {**{name: {"preset": name} for name in PRESETS}, "own": {"scale": 0.017, "mean": [0.4, 0.1, 0.3], "std": [2, 0.5, 1]}}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("section", SECTIONS)
def test_all_preprocessing_is_the_same_inside(layout, dtype, section, tmp_path):
    scale = 1 / 255 if section in ("caffe", "none") else 1.0  # inside the model, so that its ReLU6 does not flatten all
    source = models.onnx_classifier(tmp_path, layout=layout, dtype=dtype, size=(6, 8), scale=scale)
    spec = spec_of(source, layout)
    rules = preprocess.resolve(Preprocess(**SECTIONS[section]), spec, None)
    own, less, classes, alone = both(source, spec, rules, tmp_path)
    assert len(np.unique(own, axis=0)) == len(own)  # what is fed in matters
    np.testing.assert_allclose(less, own, rtol=1e-6, atol=0)
    assert np.array_equal(classes, own.argmax(axis=1))
    assert np.array_equal(alone, classes)
    taken = onnx_graph.real_inputs(onnx.load(tmp_path / "bytes.onnx").graph)[0]
    assert onnx_graph.dtype_of(taken) == "uint8"
    assert onnx_graph.dims_of(taken) == [None, 6, 8, 3]
    first, *others = (node for node in nodes_of(tmp_path / "bytes.onnx") if spec.input in node.input)
    assert (first.op_type, others) == ("Cast", [])  # all that TensorRT takes bytes for


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_gray_images_of_a_fixed_batch_and_an_old_opset(layout, tmp_path):
    source = models.onnx_classifier(tmp_path, layout=layout, channels=1, batch=5, opset=9, listed=True, end="Softmax")
    spec = spec_of(source, layout)
    assert spec.batch == 5
    own, less, classes, _ = both(source, spec, preprocess.resolve(Preprocess(scale=0.01, mean=[0.5], std=[0.3]), spec, None), tmp_path)
    np.testing.assert_allclose(less, own, rtol=1e-6, atol=0)
    assert np.array_equal(classes, own.argmax(axis=1))
    graph = onnx.load(tmp_path / "both.onnx").graph
    assert [onnx_graph.dims_of(value) for value in (onnx_graph.real_inputs(graph)[0], graph.output[0])] == [[5, 8, 8, 1], [5]]


def test_what_quantized_the_input_quantizes_what_the_preprocessing_gives(tmp_path):
    source, target = small_network.write(tmp_path / "q.onnx", quantized=True), tmp_path / "bytes.onnx"
    spec = spec_of(source, "NHWC")
    rules = preprocess.resolve(Preprocess(preset="imagenet"), spec, None)
    own, less, classes, _ = both(source, spec, rules, tmp_path)
    assert np.array_equal(less, own)
    assert np.array_equal(classes, own.argmax(axis=1))
    chain, tensor = [], spec.input
    while not chain or chain[-1] != "Conv":
        (node,) = (node for node in nodes_of(target) if tensor in node.input)
        chain.append(node.op_type)
        tensor = node.output[0]
    assert chain == ["Cast", "Div", "Sub", "Div", "Transpose", "QuantizeLinear", "DequantizeLinear", "Conv"]


def test_of_equal_outputs_the_first_is_the_class_and_names_that_are_taken_stay(tmp_path):
    """A network whose own names are those that would be added, and whose output others read."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["preprocess/cast"], name="preprocess/cast"),
        helper.make_node("Identity", ["preprocess/cast"], ["y"], name="classes/argmax"),
        helper.make_node("Relu", ["y"], ["x/inside"], name="reader"),
    ]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 1, 1, 3)),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 3)),
    ]
    hint = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 3))
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], value_info=[hint])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    spec = ModelSpec("x", "float32", "NHWC", (1, 1), 3, "y", 3, logits=True)
    compact.build(tmp_path / "m.onnx", spec, preprocess.resolve(Preprocess(scale=0.5), spec, None), True, tmp_path / "c.onnx")
    images = np.uint8([[7, 9, 9], [4, 4, 4], [1, 2, 3], [200, 100, 200]]).reshape(4, 1, 1, 3)
    assert answers(tmp_path / "c.onnx", spec, images).tolist() == [1, 0, 2, 0]
    names = [node.name for node in nodes_of(tmp_path / "c.onnx")]
    assert len(set(names)) == len(names)


# --- of a model that takes bytes


def test_a_model_of_bytes_takes_them_as_they_are(tmp_path):
    source = models.onnx_classifier(tmp_path, layout="NHWC", dtype="uint8", scale=1 / 255)
    spec = spec_of(source, "NHWC")
    own, less, classes, _ = both(source, spec, preprocess.resolve(None, spec, None), tmp_path)
    assert np.array_equal(less, own)
    assert np.array_equal(classes, own.argmax(axis=1))
    assert nodes_of(tmp_path / "bytes.onnx") == nodes_of(source)


@pytest.mark.parametrize(("layout", "channels"), [("NCHW", "RGB"), ("NHWC", "BGR"), ("NCHW", "BGR")])
def test_bytes_in_another_order_are_put_in_order_behind_the_cast(layout, channels, tmp_path):
    source = models.onnx_classifier(tmp_path, layout=layout, dtype="uint8", scale=1 / 255)
    spec = spec_of(source, layout)
    own, less, classes, _ = both(source, spec, preprocess.resolve(Preprocess(channels=channels), spec, None), tmp_path)
    assert np.array_equal(less, own)
    assert np.array_equal(classes, own.argmax(axis=1))


def test_bytes_in_another_order_that_are_not_cast_are_refused(tmp_path):
    source = models.onnx_classifier(tmp_path, dtype="uint8")
    model = onnx.load(source)
    model.graph.node.insert(0, helper.make_node("Mul", [models.INPUT, "two"], ["twice"], name="twice"))
    model.graph.node[1].input[0] = "twice"
    model.graph.initializer.append(numpy_helper.from_array(np.uint8(2), "two"))
    onnx.save(model, source)
    spec = spec_of(source, "NCHW")
    refused = small_network.said(
        ReportError, lambda: compact.build(source, spec, preprocess.resolve(None, spec, None), False, tmp_path / "b.onnx")
    )
    assert "takes bytes as NCHW RGB and does more than cast them (Mul)" in refused


# --- TensorRT


SETTINGS = config.Engines(min_batch=1, opt_batch=2, max_batch=4, workspace_mib=64, calibration_images=8, calibration_batch=8)


@needs_rtx
@pytest.mark.parametrize("variant", export.ONNX_VARIANTS)
def test_tensorrt_builds_every_export(quick, variant):
    source = compact.onnx(quick, variant, byte_input=True, classes=True).file(export.ONNX_FILE)
    assert build.build(source, variant, SETTINGS).plan


@needs_rtx
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_tensorrt_takes_bytes_in_any_order_and_gives_int32(dtype, layout, tmp_path):
    source = models.onnx_classifier(tmp_path, layout=layout, dtype=dtype)
    spec = spec_of(source, layout)
    compact.build(source, spec, preprocess.resolve(Preprocess(preset="caffe", std=[2, 3, 4]), spec, None), True, tmp_path / "c.onnx")
    assert build.build(tmp_path / "c.onnx", "fp16" if dtype == "float16" else "fp32", SETTINGS).plan
    trt = versions.module()
    log = logger(trt)
    network = trt.Builder(log).create_network(0)
    assert trt.OnnxParser(network, log).parse_from_file(str(tmp_path / "c.onnx")), log.lines
    assert [tensor.dtype.name for tensor in (network.get_input(0), network.get_output(0))] == ["UINT8", "INT32"]
