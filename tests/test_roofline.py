"""lib/measure/roofline.py over engines: layers as TensorRT 8.5.3.1 named and timed them on an H200 (batch 16), and made-up ones."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_network
from onnx import TensorProto, helper, numpy_helper

from lib.errors import NotMeasured, ReportError
from lib.measure import roofline, work
from lib.measure.roofline import ARITHMETIC, COPIES, KERNELS, LAUNCHES, Ceiling
from lib.plans.ceiling import WITHIN, Rate
from lib.store.records import Reason

BATCH = 16
H200 = {"fp16": Rate(10**12, [1.25, 1.25]), "int8": Rate(10**12, [0.8, 0.8]), WITHIN: Rate(10**9, [0.25, 0.25])}
SCALE = "standardise_1/Cast/x + (Unnamed Layer* 1) [Shuffle] + standardise_1/mul + standardise_1/Cast_1/x + (Unnamed Layer* 4) [Shuffle]"
SCALE += " + standardise_1/add"
SHUFFLE, FLAT = "norm1_1_1/batchnorm/mul_1", "Transpose + flatten_1/Reshape_1 + reshape_before_dense1_1/MatMul"
DENSE = (
    "dense1_1/MatMul + norm_dense1_1/batchnorm/mul + (Unnamed Layer* 36) [Shuffle] + unsqueeze_node_after_norm_dense1_1/batchnorm/mul + "
    "(Unnamed Layer* 36) [Shuffle]_(Unnamed Layer* 36) [Shuffle]_output + norm_dense1_1/batchnorm/mul_1 + norm_dense1_1/batchnorm/sub + "
    "(Unnamed Layer* 39) [Shuffle] + unsqueeze_node_after_norm_dense1_1/batchnorm/sub + (Unnamed Layer* 39) [Shuffle]_(Unnamed Layer* 39) "
    "[Shuffle]_output + norm_dense1_1/batchnorm/add_1 + relu_dense1_1/Relu"
)
FP16 = {  # layer -> µs
    f"Reformatting CopyNode for Input Tensor 0 to {SCALE}": 7.1,
    SCALE: 4.6,
    f"Reformatting CopyNode for Input Tensor 0 to {SHUFFLE}": 0.0,
    SHUFFLE: 5.1,
    "Conv + relu1_1_1/Relu": 6.3,
    "Conv_1 + relu1_2_1/Relu": 9.5,
    "pool1_1/MaxPool2d": 4.6,
    "Conv_2 + relu2_1_1/Relu": 8.8,
    "pool2_1/MaxPool2d": 4.5,
    "Conv_3 + relu3_1_1/Relu": 9.8,
    "Conv_4 + relu3_2_1/Relu": 11.8,
    "pool3_1/MaxPool2d": 4.9,
    "Conv_5 + relu4_1_1/Relu": 11.4,
    "pool4_1/MaxPool2d": 4.3,
    FLAT: 4.4,
    DENSE: 8.2,
    "logits_1/MatMul": 5.7,
    "Reformatting CopyNode for Input Tensor 0 to reshape_after_logits_1/MatMul": 3.9,
    "reshape_after_logits_1/MatMul": 0.0,
    "probabilities_1/Softmax": 3.6,
}
LOGITS = (
    "logits_1/Cast/ReadVariableOp_quantized + transpose_before_logits_1/MatMul + logits_1/MatMul + logits_1/BiasAdd/ReadVariableOp + "
    "(Unnamed Layer* 107) [Shuffle] + unsqueeze_node_after_logits_1/BiasAdd/ReadVariableOp + (Unnamed Layer* 107) [Shuffle]_(Unnamed "
    "Layer* 107) [Shuffle]_output + (Unnamed Layer* 108) [ElementWise]"
)
QDQ = {
    "PWN(standardise_1/Cast/x + (Unnamed Layer* 33) [Shuffle] + standardise_1/mul, standardise_1/Cast_1/x + (Unnamed Layer* 36) [Shuffle] "
    "+ standardise_1/add)": 6.1,
    SHUFFLE: 5.5,
    "Reformatting CopyNode for Input Tensor 0 to conv1_1_1/convolution/merged_input_quantized + Conv + relu1_1_1/Relu": 11.3,
    "conv1_1_1/convolution/merged_input_quantized + Conv + relu1_1_1/Relu": 7.2,
    "conv1_2_1/convolution/merged_input_quantized + Conv_1 + relu1_2_1/Relu": 8.1,
    "pool1_1/MaxPool2d": 4.8,
    "conv2_1_1/convolution/merged_input_quantized + Conv_2 + relu2_1_1/Relu": 7.8,
    "pool2_1/MaxPool2d": 4.6,
    "conv3_1_1/convolution/merged_input_quantized + Conv_3 + relu3_1_1/Relu": 8.0,
    "conv3_2_1/convolution/merged_input_quantized + Conv_4 + relu3_2_1/Relu": 9.2,
    "pool3_1/MaxPool2d": 4.6,
    "conv4_1_1/convolution/merged_input_quantized + Conv_5 + relu4_1_1/Relu": 9.0,
    "pool4_1/MaxPool2d": 4.4,
    FLAT: 4.8,
    "dense1_1/Cast/ReadVariableOp_quantized + transpose_before_dense1_1/MatMul + dense1_1/MatMul": 7.2,
    LOGITS: 8.5,
    "copied_squeeze_after_(Unnamed Layer* 108) [ElementWise]": 0.0,
    "probabilities_1/Softmax": 3.6,
}
PLACED = [
    "standardise_1/mul",
    "Conv",
    "Conv_1",
    "pool1_1/MaxPool2d",
    "Conv_2",
    "pool2_1/MaxPool2d",
    "Conv_3",
    "Conv_4",
    "pool3_1/MaxPool2d",
]
PLACED += ["Conv_5", "pool4_1/MaxPool2d", "dense1_1/MatMul", "logits_1/MatMul", "probabilities_1/Softmax"]
BLOCKS = [[("Conv", "relu1_1_1", 3, 32), ("Conv_1", "relu1_2_1", 32, 64)], [("Conv_2", "relu2_1_1", 64, 128)]]
BLOCKS += [[("Conv_3", "relu3_1_1", 128, 256), ("Conv_4", "relu3_2_1", 256, 256)], [("Conv_5", "relu4_1_1", 256, 512)]]


class Network:
    """The cifar10 profile's VGG as its export names nodes, with weights of zeros. quantized: as lib/export/quantize.py does."""

    def __init__(self, quantized):
        self.quantized, self.nodes, self.constants, self.tensor = quantized, [], {"s": np.float32(0.1), "z": np.int8(0)}, "images"

    def add(self, operator, name, *constants, **attributes):
        given = [self.tensor, *(self.constant(f"{name}_c{i}", value) for i, value in enumerate(constants))]
        self.node(operator, given, name, **attributes)
        self.tensor = name

    def constant(self, name, value):
        self.constants[name] = value
        return name

    def node(self, operator, given, name, **attributes):
        self.nodes.append(helper.make_node(operator, given, [name], name=name, **attributes))
        return name

    def product(self, operator, name, shape, **attributes):
        weights = self.constant(f"{name}_w", np.zeros(shape, np.int8 if self.quantized else np.float32))
        if self.quantized:
            given = self.node("QuantizeLinear", [self.tensor, "s", "z"], f"{self.tensor}_QuantizeLinear")
            self.tensor = self.node("DequantizeLinear", [given, "s", "z"], f"{self.tensor}_DequantizeLinear")
            weights = self.node("DequantizeLinear", [weights, "s", "z"], f"{name}_DequantizeLinear")
        self.node(operator, [self.tensor, weights], name, **attributes)
        self.tensor = name

    def write(self, path):
        self.add("Mul", "standardise_1/mul", np.float32(2))
        self.add("Add", "standardise_1/add", np.float32(-1))
        self.add("Transpose", SHUFFLE, perm=[0, 3, 1, 2])
        for number, block in enumerate(BLOCKS, 1):
            for name, relu, before, after in block:
                self.product("Conv", name, (after, before, 3, 3), pads=[1] * 4)
                self.add("Relu", f"{relu}/Relu")
            self.add("MaxPool", f"pool{number}_1/MaxPool2d", kernel_shape=[2, 2], strides=[2, 2])
        self.add("Transpose", "Transpose", perm=[0, 2, 3, 1])
        self.add("Reshape", "flatten_1/Reshape_1", np.int64([-1, 2048]))
        self.product("MatMul", "dense1_1/MatMul", (2048, 768))
        self.add("Mul", "norm_dense1_1/batchnorm/mul_1", np.zeros(768, np.float32))
        self.add("Add", "norm_dense1_1/batchnorm/add_1", np.zeros(768, np.float32))
        self.add("Relu", "relu_dense1_1/Relu")
        self.product("MatMul", "logits_1/MatMul", (768, 10))
        self.add("Add", "logits_1/BiasAdd", np.zeros(10, np.float32))
        self.add("Softmax", "probabilities_1/Softmax")
        ends = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("batch", 32, 32, 3))]
        ends.append(helper.make_tensor_value_info(self.tensor, TensorProto.FLOAT, ("batch", 10)))
        stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "g", ends[:1], ends[1:], stored)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vgg")
    return {name: Network(name == "int8_qdq").write(folder / f"{name}.onnx") for name in ("fp32", "int8_qdq")}


def of_engine(file, precision, times_us, **more):
    times = [(name, us / 1e3) for name, us in times_us.items()]
    return roofline.of_engine(file, precision, BATCH, times, Ceiling.of(H200, precision), **more)


@pytest.mark.parametrize(("precision", "times"), [("fp16", FP16), ("int8_qdq", QDQ)])
def test_every_layer_of_a_recorded_engine_finds_its_place(files, precision, times):
    found = of_engine(files["int8_qdq" if precision == "int8_qdq" else "fp32"], precision, times, compute_ms=0.098)
    assert found.missing is None
    assert [one.work.name for one in found.placed.values()] == PLACED
    assert {name: one.seconds for name, one in found.placed.items()} == pytest.approx({name: times[name] / 1e6 for name in found.placed})
    assert found.others == pytest.approx({name: us / 1e6 for name, us in times.items() if name not in found.placed})
    assert {SHUFFLE, FLAT} < found.others.keys()
    assert sum(one.work.flop for one in found.placed.values()) == found.whole.work.flop
    assert found.whole.seconds == pytest.approx(98e-6)
    assert all(0 < one.share < 1 for one in found.placed.values())
    assert 0.03 < found.whole.share < 0.08  # 1 ms has room for 800 or 1250 GFLOP, 16 images are 3.7
    assert found.held_back_by == KERNELS


def test_bytes_are_those_of_the_type_that_is_computed_in(files):
    fp16, int8, explicit = (
        of_engine(files["fp32" if precision != "int8_qdq" else precision], precision, times, compute_ms=1.0)
        for precision, times in (("fp16", FP16), ("int8", FP16), ("int8_qdq", QDQ))
    )
    bytes_of = [{one.work.name: one.work.bytes for one in found.placed.values()} for found in (fp16, int8, explicit)]
    pixels, conv = BATCH * 32 * 32, 32 * 64 * 9
    assert [one["Conv_1"] - conv * size for one, size in zip(bytes_of, (2, 1, 1), strict=True)] == [
        pixels * 96 * size for size in (2, 1, 1)
    ]
    assert bytes_of[2]["pool1_1/MaxPool2d"] == bytes_of[1]["pool1_1/MaxPool2d"] == pixels * 64 * 5 // 4  # quantized before it, not after
    assert bytes_of[2]["probabilities_1/Softmax"] == 2 * BATCH * 10 * 4


def test_what_holds_it_back_follows_from_the_times_around_it(files):
    def held(**more):
        return of_engine(files["fp32"], "fp16", FP16, **more).held_back_by

    assert held(compute_ms=0.098, enqueue_ms=0.0785) == LAUNCHES
    assert held(compute_ms=0.098, enqueue_ms=0.078, copies_ms=0.098) == COPIES
    assert held(compute_ms=0.098, enqueue_ms=0.078, copies_ms=0.097) == KERNELS
    assert held(compute_ms=0.010) == ARITHMETIC


def test_without_a_time_of_the_whole_it_is_the_sum_of_its_layers(files):
    assert of_engine(files["fp32"], "fp16", FP16).whole.seconds == pytest.approx(sum(FP16.values()) / 1e6)


def test_times_of_one_name_add_up(files):
    times = [(name, us / 1e3) for name, us in FP16.items()] + [("Conv_5 + relu4_1_1/Relu", 0.001)]
    found = roofline.of_engine(files["fp32"], "fp16", BATCH, times, Ceiling.of(H200, "fp16"))
    assert found.placed["Conv_5 + relu4_1_1/Relu"].seconds == pytest.approx(12.4e-6)


def test_work_that_no_layer_names_or_that_took_no_time_is_missing(files):
    times = {name: us for name, us in FP16.items() if not name.startswith("Conv_5")} | {"logits_1/MatMul": 0.0}
    found = of_engine(files["fp32"], "fp16", times)
    assert {"Conv_5", "logits_1/MatMul"} < set(found.missing.nodes)
    assert [one.work.name for one in found.placed.values()] == [name for name in PLACED if name not in ("Conv_5", "logits_1/MatMul")]
    everything = [found.missing, *(one.work for one in found.placed.values())]
    assert work.total(everything).flop == found.whole.work.flop


def test_numbered_layers_are_found_by_their_metadata(files):
    """As TensorRT 10 tells them."""
    names = {f"__myl_{number}_myl0_{number}": name for number, name in enumerate(FP16)}
    told = {
        number: "".join(f"[ONNX Layer: {node}]\x1e" for node in name.split(" + ")) for number, name in names.items() if "Copy" not in name
    }
    times = {number: FP16[name] for number, name in names.items()}
    assert of_engine(files["fp32"], "fp16", times).placed == {}
    found = of_engine(files["fp32"], "fp16", times, told=told)
    assert found.missing is None
    assert [one.work.name for one in found.placed.values()] == PLACED


def test_a_foreign_node_does_all_between_its_ends_that_nobody_else_names(files):
    times = {"{ForeignNode[standardise_1/mul...Conv_3]}": 50.0, "Conv_2 + relu2_1_1/Relu": 8.8, "logits_1/MatMul": 5.7}
    found = of_engine(files["fp32"], "fp16", times)
    first, second, last = found.placed.values()
    assert {"Conv", "Conv_1", "pool2_1/MaxPool2d", "Conv_3"} < set(first.work.nodes)
    assert not {"Conv_2", "Conv_4"} & set(first.work.nodes)
    assert (second.work.name, last.work.name) == ("Conv_2", "logits_1/MatMul")
    assert {"Conv_4", "probabilities_1/Softmax"} < set(found.missing.nodes)


def test_nothing_that_ran_is_refused(files):
    assert "nothing ran" in small_network.said(ReportError, lambda: of_engine(files["fp32"], "fp16", dict.fromkeys(FP16, 0.0)))


def test_a_ceiling_is_the_rates_of_its_type_and_of_copies_within_the_card():
    fp16 = Ceiling.of(H200, "fp16")
    assert (fp16.flop_s, fp16.bytes_s) == (pytest.approx(8e14), pytest.approx(4e12))
    assert Ceiling.of(H200, "int8") == Ceiling.of(H200, "int8_qdq") == Ceiling.of(H200, "int8_fp16")
    assert Ceiling.of(H200, "int8").flop_s == pytest.approx(1.25e15)


@pytest.mark.parametrize(
    ("rates", "precision", "key"),
    [(H200, "tf32", "not_recorded"), (H200 | {WITHIN: Reason("no_gpu")}, "fp16", "no_gpu"), ({}, "fp16", "not_recorded")],
)
def test_without_both_rates_there_is_no_ceiling(rates, precision, key):
    with pytest.raises(NotMeasured) as caught:
        Ceiling.of(rates, precision)
    assert caught.value.reason.key == key
