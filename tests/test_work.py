"""lib/measure/{flop,work,roofline}.py: counted by hand, by im2col, and properties that hold whatever the network is."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import small_network
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lib import export
from lib.errors import ReportError
from lib.measure import roofline, work
from lib.measure.roofline import ARITHMETIC, COPIES, LAUNCHES, MEMORY, Ceiling, Placed
from lib.models import vgg

FLOAT = 4


def network(nodes, shape, constants=None, made="y", rank=4):
    """A model of nodes from x to y; constants: name -> array, or shape of random floats."""
    values = [
        numpy_helper.from_array(value if isinstance(value, np.ndarray) else np.zeros(value, np.float32), name)
        for name, value in (constants or {}).items()
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), (made, [None] * rank))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(operator, given, made, **attributes):
    return helper.make_node(operator, given.split(), made.split(), name=f"{operator}_{made}", **attributes)


def only(model, shape, width=None):
    (layer,) = work.layers(model, "x", shape, width)
    assert layer.unknown == ()
    return layer


sizes = st.integers(1, 6)


@given(images=sizes, channels=sizes, filters=sizes, kernel=st.integers(1, 3), size=st.integers(3, 9), stride=st.integers(1, 2))
def test_a_convolution_is_its_im2col_product(images, channels, filters, kernel, size, stride):
    shape, weights = (images, channels, size, size), {"w": (filters, channels, kernel, kernel)}
    conv = network([node("Conv", "x w", "y", strides=[stride, stride])], [None, *shape[1:]], weights)
    places = ((size - kernel) // stride + 1) ** 2
    columns = channels * kernel * kernel
    product = network([node("MatMul", "x w", "y")], [None, columns], {"w": (columns, filters)}, rank=2)
    assert only(conv, shape).flop == only(product, (images * places, columns)).flop > 0


@given(images=sizes, groups=st.integers(1, 4), each=st.integers(1, 3), bias=st.booleans())
def test_of_grouped_convolutions_each_group_sees_its_own_channels(images, groups, each, bias):
    channels = groups * each
    weights = {"w": (channels, each, 3, 3)} | ({"b": (channels,)} if bias else {})
    layer = only(
        network([node("Conv", "x w b" if bias else "x w", "y", group=groups)], [None, channels, 5, 5], weights), (images, channels, 5, 5)
    )
    made = images * channels * 9
    assert layer.flop == made * (2 * each * 9 + bias)
    assert layer.bytes == FLOAT * (images * channels * 25 + channels * each * 9 + made + bias * channels)


COUNTED = [  # nodes, constants, FLOP for x (2, 8, 6, 6) -> hand count
    ([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2])], {}, 2 * 8 * 9 * 4),
    ([node("AveragePool", "x", "y", kernel_shape=[3, 3])], {}, 2 * 8 * 16 * 9),
    ([node("GlobalAveragePool", "x", "y")], {}, 2 * 8 * 36),
    ([node("ReduceMean", "x", "y", axes=[2, 3])], {}, 2 * 8 * 36),
    ([node("Relu", "x", "y")], {}, 576),
    ([node("Sum", "x x x", "y")], {}, 2 * 576),
    ([node("Softmax", "x", "y", axis=1)], {}, 5 * 576),
    ([node("BatchNormalization", "x s b m v", "y")], dict.fromkeys("sbmv", (8,)), 2 * 576),
    ([node("LayerNormalization", "x s", "y", axis=-1)], {"s": (6,)}, 5 * 576),
    ([node("ConvTranspose", "x w b", "y", strides=[2, 2])], {"w": (8, 4, 2, 2), "b": (4,)}, 2 * 576 * 16 + 2 * 4 * 144),
    ([node("Transpose", "x", "y", perm=[0, 2, 3, 1])], {}, 0),
    ([node("MatMul", "x w", "y")], {"w": (6, 5)}, 2 * 2 * 8 * 6 * 5 * 6),
]


@pytest.mark.parametrize(("nodes", "constants", "flop"), COUNTED, ids=lambda value: value[0].op_type if isinstance(value, list) else "")
def test_operators_by_hand(nodes, constants, flop):
    assert only(network(nodes, [None, 8, 6, 6], constants), (2, 8, 6, 6)).flop == flop


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_adds_its_bias(transposed):
    weights = (5, 7) if transposed else (7, 5)
    model = network([node("Gemm", "x w b", "y", transB=transposed)], [None, 7], {"w": weights, "b": (5,)}, rank=2)
    assert only(model, (3, 7)).flop == 3 * 5 * (2 * 7 + 1)


@given(images=st.integers(1, 4096), times=st.integers(1, 64))
@settings(max_examples=15)
def test_flop_grow_with_the_images_and_weights_are_read_once_a_batch(images, times, tmp_path_factory):
    model = onnx.load(small_network.write(tmp_path_factory.getbasetemp() / "small.onnx"))
    one, few, many = (work.whole(model, vgg.SPEC.input, vgg.SPEC.input_shape(count)) for count in (1, images, images * times))
    assert many.flop == times * few.flop == images * times * one.flop
    weights = FLOAT * sum(math.prod(value.dims) for value in model.graph.initializer if value.data_type == TensorProto.FLOAT)
    assert one.bytes - weights == FLOAT * (32 * 32 * 3 + 10)
    assert many.bytes - weights == images * times * (one.bytes - weights)


def test_layers_of_the_trained_network_come_to_the_count_by_hand(quick):
    """Of a VGG as lib/models/vgg.py builds it: batch normalisation of convolutions is folded into them by the export."""
    model = onnx.load(export.onnx(quick, "fp32").file(export.ONNX_FILE))
    train, images, size, channels, flop = quick.profile.train, 3, 32, 3, 2 * 32 * 32 * 3
    for block in train.conv_filters:
        for filters in block:
            flop += size * size * filters * (2 * 9 * channels + 1 + 1)  # the product, its bias, ReLU
            channels = filters
        size //= 2
        flop += size * size * channels * 4
    flop += train.dense_units * (2 * size * size * channels + 2 + 1) + 10 * (2 * train.dense_units + 1) + 5 * 10
    found = work.layers(model, quick.spec.input, quick.spec.input_shape(images))
    assert work.total(found).flop == images * flop == work.whole(model, quick.spec.input, quick.spec.input_shape(images)).flop
    assert [layer.kind for layer in found] == ["Mul", *(["Conv", "MaxPool"] * 2), "MatMul", "MatMul", "Softmax"]
    assert not work.total(found).unknown


@pytest.mark.parametrize("variant", ["fp16", "int8_qdq"])
def test_precisions_of_one_network_do_the_same_work_on_fewer_bytes(quick, variant):
    full, less = (onnx.load(export.onnx(quick, name).file(export.ONNX_FILE)) for name in ("fp32", variant))
    shape = quick.spec.input_shape(8)
    full, narrow, less = (work.layers(model, quick.spec.input, shape, width) for model, width in ((full, None), (full, 2), (less, None)))
    assert work.total(full).flop == work.total(narrow).flop == work.total(less).flop
    assert work.total(less).bytes < work.total(full).bytes
    assert work.total(narrow).bytes < 0.6 * work.total(full).bytes
    assert [layer.nodes[0] for layer in full][1:] == [layer.nodes[0] for layer in narrow][1:]


def test_quantizing_is_no_work_and_an_int8_kernel_reads_and_writes_int8(tmp_path):
    model = onnx.load(small_network.write(tmp_path / "q.onnx", quantized=True))
    found = {layer.name: layer for layer in work.layers(model, vgg.SPEC.input, vgg.SPEC.input_shape(2))}
    values, filters = 2 * 32 * 32, small_network.FILTERS
    conv = found["conv1"]
    assert conv.nodes == ("conv1", "conv1_relu", "conv2_q")
    assert conv.flop == values * filters * (2 * 27 + 1)
    assert conv.bytes == values * 3 + filters * 27 + values * filters  # all of one byte
    assert found["conv2"].bytes == values * filters + filters * filters * 9 + FLOAT * values * filters


def test_an_addition_of_two_branches_is_done_by_the_later_one():
    nodes = [
        node("Conv", "x v", "a", pads=[1] * 4),
        node("Relu", "a", "r"),
        node("Conv", "r w", "b", pads=[1] * 4),
        node("Add", "b r", "s"),
        node("Relu", "s", "y"),
    ]
    model = network(nodes, [None, 4, 8, 8], {"v": (4, 4, 3, 3), "w": (4, 4, 3, 3)})
    first, second = work.layers(model, "x", (1, 4, 8, 8))
    assert (first.nodes, second.nodes) == (("Conv_a", "Relu_r"), ("Conv_b", "Add_s", "Relu_y"))
    tensor, weights = FLOAT * 256, FLOAT * 144
    assert (first.bytes, second.bytes) == (2 * tensor + weights, 2 * tensor + weights)
    assert work.whole(model, "x", (1, 4, 8, 8)).bytes == 2 * tensor + 2 * weights


def test_what_is_not_counted_is_named():
    own = helper.make_node("Magic", ["a"], ["b"], domain="com.example")
    nodes = [node("Relu", "x", "a"), own, node("LRN", "a", "c", size=3), node("Add", "b c", "y")]
    model = network(nodes, [None, 4, 8, 8])
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    found = work.layers(model, "x", (1, 4, 8, 8))
    assert (
        work.total(found).unknown == work.whole(model, "x", (1, 4, 8, 8)).unknown == ("Add", "LRN", "com.example.Magic")
    )  # Add: of no shape
    assert work.total(found).flop == 256


def test_another_input_is_refused():
    model = network([node("Relu", "x", "y")], [None, 4, 8, 8])
    assert "no input 'images'; it has x" in small_network.said(ReportError, lambda: work.layers(model, "images", (1, 4, 8, 8)))


def test_layers_of_an_engine_are_found_by_the_nodes_in_their_names():
    """Names as TensorRT 8.5 gave them on an H200."""
    nodes = [node("Mul", "x s", "a"), node("Conv", "a w", "b", pads=[1] * 4), node("Relu", "b", "c")]
    nodes.append(node("MaxPool", "c", "y", kernel_shape=[2, 2]))
    model = network(nodes, [None, 4, 8, 8], {"s": (1,), "w": (4, 4, 3, 3)})
    for made, name in zip(model.graph.node, ("standardise/mul", "Conv_1", "relu1/Relu", "pool1/MaxPool2d"), strict=True):
        made.name = name
    mul, conv, pool = work.layers(model, "x", (1, 4, 8, 8))
    engine = [
        "PWN(standardise/Cast/x + (Unnamed Layer* 33) [Shuffle] + standardise/mul, standardise/Cast_1/x)",
        "Reformatting CopyNode for Input Tensor 0 to Conv_1 + relu1/Relu",
        "merged_input_quantized + Conv_1 + relu1/Relu",
        "Conv_11",
        "reshape_after_pool1/MaxPool2d",
    ]
    assert work.done_by([mul, conv, pool], engine) == dict(zip([*engine, ""], [mul, None, conv, None, None, pool], strict=True))
    both = work.done_by([mul, conv, pool], ["{ForeignNode[standardise/mul...Conv_1]}"])
    assert both == {"{ForeignNode[standardise/mul...Conv_1]}": work.total([mul, conv]), "": pool}


def test_every_layer_of_the_small_network_is_in_an_engine_of_its_names(tmp_path):
    model = onnx.load(small_network.write(tmp_path / "small.onnx"))
    found = work.layers(model, vgg.SPEC.input, vgg.SPEC.input_shape(1))
    assert work.done_by(found, [" + ".join(layer.nodes) for layer in found])[""] is None


rates = st.floats(1e6, 1e16)
works = st.builds(work.Layer, st.just("n"), st.just("Conv"), st.just(()), st.integers(0, 10**15), st.integers(1, 10**12))


@given(rates, rates, works, st.floats(1e-9, 1e3))
def test_share_is_of_what_is_attainable_and_nothing_is_faster_than_either_limit(flop_s, bytes_s, done, seconds):
    ceiling = Ceiling(flop_s, bytes_s)
    placed = Placed(done, seconds, ceiling)
    assert ceiling.attainable(done.intensity) <= flop_s
    assert math.isclose(ceiling.attainable(ceiling.ridge), flop_s)
    if done.flop:
        assert math.isclose(placed.share, placed.flop_s / ceiling.attainable(done.intensity), rel_tol=1e-9)
    assert placed.share > 0
    assert (placed.lost_s > 0) == (seconds > ceiling.least_s(done))
    assert (ceiling.limit(done) == ARITHMETIC) == (done.flop / flop_s >= done.bytes / bytes_s)


@given(rates, rates, st.lists(works, min_size=1, max_size=6))
def test_layers_one_after_the_other_take_at_least_as_long_as_all_in_one(flop_s, bytes_s, parts):
    ceiling = Ceiling(flop_s, bytes_s)
    assert roofline.least_s(parts, ceiling) >= ceiling.least_s(work.total(parts)) * (1 - 1e-9)


def test_what_holds_a_network_back():
    ceiling = Ceiling(100.0, 10.0)
    heavy, wide = work.Layer("h", "Conv", (), 1000, 1), work.Layer("w", "Relu", (), 1, 200)
    assert roofline.held_back_by([heavy], ceiling, 1.0, enqueue_s=0.81) == LAUNCHES
    assert roofline.held_back_by([heavy], ceiling, 1.0, enqueue_s=0.8, copies_s=1.0) == COPIES
    assert roofline.held_back_by([heavy, wide], ceiling, 1.0, 0.8, 0.9) == MEMORY  # 10 s and 20 s
    assert roofline.held_back_by([heavy, heavy, heavy, wide], ceiling, 1.0) == ARITHMETIC
    far, near = Placed(heavy, 30.0, ceiling), Placed(wide, 21.0, ceiling)
    assert roofline.furthest([near, far]) == [far, near]
    assert (far.share, near.share) == (pytest.approx(1 / 3), pytest.approx(20 / 21))


@pytest.mark.parametrize("made", [lambda: Ceiling(0.0, 1.0), lambda: Placed(work.Layer("n", "", (), 1, 1), 0.0, Ceiling(1.0, 1.0))])
def test_what_took_no_time_is_refused(made):
    small_network.said(ReportError, made)
