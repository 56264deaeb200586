"""The rivals: ONNX Runtime with IO binding (on the CPU here), the others by stand-ins, and PyTorch itself where it is."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy_network
import pytest
import stand_in_trtexec
from hypothesis import given, settings
from hypothesis import strategies as st
from models import onnx_classifier

from lib import export, onnx_session, trt
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment import system
from lib.experiment.candidate import LABELS, PLAIN, Candidate, Way
from lib.experiment.spec import ModelSpec
from lib.measure import rounds, sweep
from lib.pages.fast import arms
from lib.rivals import pytorch, translate, trtexec, trtexec_log
from lib.rivals.every import RIVALS
from lib.rivals.onnxrt_bound import Bound, OnnxRuntimeBound
from lib.rivals.planned import Given
from lib.rivals.polygraphy import Polygraphy
from lib.rivals.pytorch import PyTorch
from lib.rivals.trtexec import Trtexec
from lib.runners import RUNNERS
from lib.store.records import Reason

GRAPH = Way(graph=True)
TESTS = Path(__file__).resolve().parent
needs_torch = pytest.mark.skipif(not os.environ.get(pytorch.PYTHON), reason=f"{pytorch.PYTHON} names no Python with PyTorch")


@pytest.fixture(scope="module")
def images(quick):
    return quick.to_input(quick.images.x_test[:32])


@pytest.fixture(scope="module")
def reference(quick, images):
    with RUNNERS["onnxrt"](quick, Candidate("onnxrt", "fp32")) as runner:
        return runner.infer(images)


@pytest.fixture
def gpu(monkeypatch):
    """A system that says it has a GPU."""
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "NVIDIA H100 80GB HBM3"}])


def refused(wanted: type[ReportError], what: str):
    return pytest.raises(wanted, match=rf"\A[^\n]*{what}[^\n]*\Z")


# All of them


def test_rivals_are_no_backends_and_have_names():
    assert set(RIVALS) == {"onnxrt_bound", "pytorch", "polygraphy", "trtexec"}
    assert not set(RIVALS) & set(RUNNERS)
    assert all(LABELS[name] == rival.label and all(rival.label) for name, rival in RIVALS.items())
    assert {precision for rival in RIVALS.values() for precision in rival.precisions} >= {"fp32", "tf32", "fp16"}


@pytest.mark.parametrize("name", RIVALS)
def test_what_is_not_there_has_a_reason_in_both_languages(name, monkeypatch):
    monkeypatch.setattr(system, "gpus", list)
    monkeypatch.delenv(trtexec.PROGRAM, raising=False)
    reason = RIVALS[name].unavailable("fp16")
    assert reason is not None
    assert reason.text.en != reason.key
    assert reason.text.ja != reason.text.en


# ONNX Runtime with IO binding


class Cpu(OnnxRuntimeBound):
    provider, device = onnx_session.CPU, "cpu"

    @classmethod
    def unavailable(cls, precision):
        return None


def bound(session, precision="fp32"):
    return Cpu(session, Candidate("onnxrt_bound", precision))


def test_bound_memory_gives_the_same_answers_at_every_batch_size(quick, images, reference):
    with bound(quick) as runner:
        first = runner.infer(images)
        assert np.abs(first - reference).max() < 1e-6
        for size in (1, 7, 32, 1):
            assert np.abs(runner.infer(images[-size:]) - reference[-size:]).max() < 1e-6
        assert np.abs(first - reference).max() < 1e-6  # no later call wrote into it
        with refused(ReportError, "input must be"):
            runner.infer(images.astype(np.float64))


def test_half_precision_bound_answers_in_float32(quick, images, reference):
    with bound(quick, "fp16") as runner:
        assert np.abs(runner.infer(images) - reference).max() < 2e-2


def test_several_batch_sizes_of_one_session_go_through_the_same_rounds(quick, images):
    with ExitStack() as stack:
        runner = sweep.opened(lambda: bound(quick), stack)
        records = sweep.measured(quick, {sweep.Arm(runner.candidate, size): runner for size in (1, 8)})
    latencies = [record for record in records if record.metric == "latency"]
    assert [record.batch_size for record in latencies] == [1, 8]
    assert all(record.value > 0 and record.reason is None for record in latencies)


def test_a_run_that_writes_nothing_is_seen(quick, images, monkeypatch):
    with bound(quick) as runner:
        timed = runner.timer(images)
        timed(0.001)
        monkeypatch.setattr(Bound, "run", lambda self: None)
        with refused(WrongOutput, "NaN"):
            timed(0.001)


def test_what_onnx_runtime_raises_is_one_line_and_ends_no_other_measurement(quick, images, monkeypatch):
    def fails(self):
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0\nsecond line")

    with bound(quick) as runner:
        monkeypatch.setattr(Bound, "run", fails)
        _, failed = rounds.run({"a": runner.timer(images)}, quick.profile.measuring, "seed")
        assert str(failed["a"]) == "ONNX Runtime (CUDA, IO binding): CUDA failure 2: out of memory ; GPU=0"


@pytest.mark.parametrize(("precision", "tf32"), [("fp32", "0"), ("tf32", "1")])
def test_tf32_is_off_or_on_as_the_precision_says(quick, precision, tf32, monkeypatch):
    seen = []
    monkeypatch.setattr(onnx_session, "start", lambda model, provider, options, precise: seen.append((provider, options)))
    monkeypatch.setattr(OnnxRuntimeBound, "unavailable", classmethod(lambda cls, precision: None))
    runner = OnnxRuntimeBound(quick, Candidate("onnxrt_bound", precision))
    runner.prepare()
    runner.open()
    assert seen == [("CUDAExecutionProvider", {"use_tf32": tf32})]


# From ONNX to steps


def spec(path, shape, output="y"):
    return ModelSpec("x", "float32", "NCHW", tuple(shape[1:]), shape[0], output, 1, logits=True)


def network(folder, nodes, constants, shape, opset=17):
    """An ONNX of a line of nodes from x, (n, *shape), to y."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [made], **attributes) for operator, inputs, made, attributes in nodes],
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path = folder / "made.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def same(path, shape):
    """Check a translation of an ONNX against ONNX Runtime; returns its operators."""
    import onnxruntime

    made, constants = translate.steps(path, spec(path, shape))
    x = np.random.default_rng(3).normal(0, 1, (5, *shape)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(str(path), providers=[onnx_session.CPU]).run(["y"], {"x": x})[0]
    found = numpy_network.run(made, constants, "x", "y", x)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 2e-5 * max(1, np.abs(wanted).max())
    return [step[0] for step in made]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("variant", ["fp32", "fp16"])
def test_the_exported_network_is_translated_whole(quick, images, reference, variant):
    made, constants = translate.steps(export.onnx(quick, variant).file(export.ONNX_FILE), quick.spec)
    found = numpy_network.run(made, constants, quick.spec.input, quick.spec.output, images)
    assert np.abs(found - reference).max() < (1e-5 if variant == "fp32" else 2e-2)
    operators = [step[0] for step in made]
    assert "Reshape" in operators  # exported as six nodes that compute its shape
    assert operators.count("Linear") == 2
    assert not {"Shape", "MatMul"} & set(operators)
    assert all(name in constants for step in made if step[0] == "Linear" for name in step[1][1:])


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 1, 2, 1], "strides": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID", "dilations": [2, 1]},
        {},
    ],
    ids=str,
)
def test_windows(tmp_path, attributes):
    conv = ("Conv", ["x", "w", "b"], "c", {"kernel_shape": [3, 3], **attributes})
    pool = ("MaxPool", ["c"], "y", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1})
    path = network(tmp_path, [conv, pool], {"w": normal(4, 2, 3, 3), "b": normal(4)}, (2, 8, 7))
    assert same(path, (2, 8, 7)) == ["Conv", "MaxPool"]


def test_padded_pooling_grouped_convolution_and_batch_normalization(tmp_path):
    nodes = [
        ("Conv", ["x", "w"], "c", {"group": 2, "kernel_shape": [1, 1]}),
        ("BatchNormalization", ["c", "s", "b", "m", "v"], "n", {"epsilon": 1e-3}),
        ("Relu", ["n"], "r", {}),
        ("Identity", ["r"], "i", {}),
        ("MaxPool", ["i"], "p", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
        ("Flatten", ["p"], "f", {"axis": 1}),
        ("Softmax", ["f"], "y", {}),
    ]
    constants = {"w": normal(6, 1, 1, 1), "s": normal(6), "b": normal(6), "m": normal(6), "v": np.abs(normal(6)) + 0.1}
    assert same(network(tmp_path, nodes, constants, (2, 6, 6)), (2, 6, 6)) == [
        "Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Softmax",
    ]  # fmt: skip


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm(tmp_path, trans):
    weights = normal(3, 12) if trans else normal(12, 3)
    nodes = [("Flatten", ["x"], "f", {}), ("Gemm", ["f", "w", "b"], "y", {"transB": trans})]
    assert same(network(tmp_path, nodes, {"w": weights, "b": normal(3)}, (3, 2, 2)), (3, 2, 2)) == ["Reshape", "Linear"]


CHAIN = st.lists(st.tuples(st.sampled_from(translate.ARITHMETIC), st.booleans(), st.sampled_from(["one", "row", "rows"])), max_size=5)


@settings(max_examples=40)
@given(CHAIN)
def test_constants_behind_a_product_are_put_into_it_and_change_nothing(tmp_path_factory, chain):
    nodes, constants, last = [("Flatten", ["x"], "f", {}), ("MatMul", ["f", "w"], "m", {})], {"w": normal(12, 3)}, "m"
    shapes = {"one": (), "row": (3,), "rows": (1, 3)}
    for number, (operator, first, shape) in enumerate(chain):
        constants[f"c{number}"] = np.asarray(np.abs(normal(*shapes[shape], seed=number)) + 0.5, np.float32)
        pair = [last, f"c{number}"] if first or operator == "Div" else [f"c{number}", last]
        nodes.append((operator, pair, last := f"t{number}", {}))
    nodes.append(("Relu", [last], "y", {}))
    operators = same(network(tmp_path_factory.mktemp("chain"), nodes, constants, (3, 2, 2)), (3, 2, 2))
    if all(shape != "one" and (first or operator in ("Add", "Mul", "Div")) for operator, first, shape in chain):
        assert operators == ["Reshape", "Linear", "Relu"]


def test_a_product_that_is_read_twice_keeps_its_value(tmp_path):
    nodes = [
        ("Flatten", ["x"], "f", {}),
        ("MatMul", ["f", "w"], "m", {}),
        ("Add", ["m", "b"], "a", {}),
        ("Mul", ["a", "m"], "y", {}),
    ]
    path = network(tmp_path, nodes, {"w": normal(12, 3), "b": normal(3)}, (3, 2, 2))
    assert same(path, (3, 2, 2)) == ["Reshape", "Linear", "Add", "Mul"]


@pytest.mark.parametrize(
    ("operator", "nodes"),
    [
        ("Sigmoid", [("Sigmoid", ["x"], "y", {})]),
        ("Gemm", [("Flatten", ["x"], "f", {}), ("Gemm", ["f", "w"], "y", {"alpha": 2.0})]),
        ("MatMul", [("Flatten", ["x"], "f", {}), ("MatMul", ["w", "f"], "y", {})]),
        ("Cast", [("Cast", ["x"], "c", {"to": 7}), ("Cast", ["c"], "y", {"to": 1})]),
        ("Conv", [("Conv", ["x", "x"], "y", {})]),
        ("MaxPool", [("MaxPool", ["x"], "y", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1], "ceil_mode": 1})]),
    ],
)
def test_what_is_not_translated_is_named(tmp_path, operator, nodes):
    path = network(tmp_path, nodes, {"w": normal(12, 3)}, (3, 2, 2))
    with refused(NotMeasured, operator) as caught:
        translate.steps(path, spec(path, (3, 2, 2)))
    assert caught.value.reason == Reason("operator_not_translated", {"operator": operator})


def test_a_user_s_model_with_another_operator_is_refused(tmp_path):
    path = onnx_classifier(tmp_path)
    with refused(NotMeasured, "Clip"):
        translate.steps(path, ModelSpec("pixels", "float32", "NCHW", (8, 8), 3, "scores", 5, logits=True))


# PyTorch


@pytest.fixture
def stand_in(monkeypatch, gpu):
    """`stand_in(fault)` puts tests/stand_in_torch.py where PyTorch is looked for."""

    def put(fault="none"):
        monkeypatch.setenv(pytorch.PYTHON, shlex.join([sys.executable, str(TESTS / "stand_in_torch.py"), fault]))

    return put


COMPILED = Way(api="compiled", graph=True)


def torch(session, precision="fp16", way=PLAIN, made=PyTorch):
    return made(session, Candidate("pytorch", precision, way))


@pytest.mark.parametrize("way", [PLAIN, COMPILED], ids=lambda way: way.key)
def test_pytorch_answers_and_times_itself_in_its_process(quick, images, reference, stand_in, way):
    stand_in()
    with torch(quick, way=way) as runner:
        assert np.abs(runner.infer(images[:4]) - reference[:4]).max() < 1e-5
        timed = runner.timer(images)
        one = timed(0.01)
        assert one.latencies_ms.min() > 0
        assert set(one.gpu_ms) == {0.5}
        assert runner.told() == {"torch": "2.11.0", "mode": "reduce-overhead" if way is COMPILED else ""}
        process = runner._process
        assert "runpy" not in process.name
        assert "\n" not in process.name
    assert not process.alive


def test_the_ways_of_pytorch():
    assert PyTorch.ways("fp16")[0] == PLAIN
    assert {way.key for way in PyTorch.ways("fp16")} == {"", "compiled+graph", "max_autotune+graph"}
    assert PyTorch.precisions == ("fp32", "tf32", "fp16")


@pytest.mark.parametrize(
    ("fault", "key"), [("skips", "graph_not_captured"), ("no_gpu", "torch_no_gpu"), ("nan", "wrong_output"), ("ends", "failed")]
)
def test_every_fault_of_pytorch_is_a_reason(quick, images, stand_in, fault, key):
    stand_in(fault)
    candidate = Candidate("pytorch", "fp16", COMPILED)
    with ExitStack() as stack:
        runner = sweep.opened(lambda: PyTorch(quick, candidate), stack)
        record = sweep.measured(quick, {sweep.Arm(candidate, 8): runner})[0]
    assert record.reason.key == key
    assert record.reason.text.en != key


def test_a_python_without_pytorch_says_so(quick, monkeypatch, gpu, tmp_path):
    hidden = tmp_path / "hidden.py"
    hidden.write_text("import sys\nsys.modules['torch'] = None\nsys.path.insert(0, '')\nexec(sys.argv[sys.argv.index('-c') + 1])\n")
    monkeypatch.setenv(pytorch.PYTHON, shlex.join([sys.executable, str(hidden)]))
    with refused(NotMeasured, "PyTorch is not installed") as caught:
        torch(quick).__enter__()
    assert caught.value.reason == pytorch.NEEDED


def test_a_command_that_does_not_start_is_an_error_of_one_line(quick, monkeypatch, gpu):
    monkeypatch.setenv(pytorch.PYTHON, "/nowhere/python")
    with refused(ReportError, "python: does not start"):
        torch(quick).__enter__()
    monkeypatch.setenv(pytorch.PYTHON, "'open")
    with refused(ReportError, "REPORT_PYTORCH: No closing quotation; write a command"):
        torch(quick).__enter__()


class TorchOnCpu(PyTorch):
    device = "cpu"


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("way", [PLAIN, COMPILED], ids=lambda way: way.key)
@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("fp16", 1e-2)])
def test_real_pytorch_answers_as_onnx_runtime(quick, images, reference, precision, most, way):
    with torch(quick, precision, way, TorchOnCpu) as runner:
        for size in (32, 5):
            assert np.abs(runner.infer(images[:size]) - reference[:size]).max() < most
        one = runner.timer(images)(0.05)
        assert one.latencies_ms.min() > 0
        assert one.gpu_ms is None


@needs_torch
def test_real_pytorch_has_every_operator_that_is_translated(tmp_path, quick, monkeypatch):
    nodes = [
        ("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}),
        ("Conv", ["t", "w"], "c", {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "strides": [2, 1]}),
        ("BatchNormalization", ["c", "s", "s", "s", "v"], "n", {}),
        ("Sub", ["one", "n"], "a", {}),
        ("Div", ["a", "two"], "d", {}),
        ("MaxPool", ["d"], "p", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
        ("Relu", ["p"], "r", {}),
        ("Flatten", ["r"], "f", {}),
        ("Gemm", ["f", "g", "h"], "l", {"transB": 1}),
        ("Mul", ["l", "two"], "m", {}),
        ("Add", ["m", "one"], "o", {}),
        ("Softmax", ["o"], "y", {"axis": 1}),
    ]
    two, one = np.float32(2), np.float32(1)
    constants = {
        "w": normal(4, 2, 3, 3),
        "s": normal(4),
        "v": np.abs(normal(4)),
        "one": one,
        "two": two,
        "g": normal(3, 24),
        "h": normal(3),
    }
    path, shape = network(tmp_path, nodes, constants, (2, 7, 8)), (2, 7, 8)
    assert len(set(same(path, shape))) >= 10
    made, known = translate.steps(path, spec(path, shape))
    x = normal(5, *shape, seed=4)
    process = pytorch.TorchProcess(pytorch.command())
    try:
        arrays = {f"c{number}": value for number, value in enumerate(known.values())}
        how = {"precision": "fp32", "device": "cpu", "mode": ""}
        process.ask("load", arrays=arrays, steps=made, names=list(known), input="x", output="y", **how)
        found = process.ask("infer", arrays={"batch": x})[1]["output"]
    finally:
        process.close()
    assert np.abs(found - numpy_network.run(made, known, "x", "y", x)).max() < 1e-5


# Polygraphy

POLYGRAPHY = '''
"""As much of Polygraphy as is called: a lazy loader, and a runner that answers in a buffer of its own, again and again."""
import numpy as np
import onnxruntime

class PolygraphyException(Exception):
    pass

class EngineFromBytes:
    def __init__(self, plan):
        self.plan = plan
    def __call__(self):
        if not self.plan.startswith(b"\\x08"):
            raise PolygraphyException("Could not deserialize engine. See log for details.\\nmore")
        return onnxruntime.InferenceSession(self.plan, providers=["CPUExecutionProvider"])

class TrtRunner:
    profiles = []
    def __init__(self, engine, optimization_profile=None):
        self.engine, self.active = engine, False
        self.profiles.append(optimization_profile)
    def activate(self):
        self.session, self.active, self.buffers = self.engine(), True, {}
    def deactivate(self):
        self.active = False
    def infer(self, feed_dict):
        if not self.active:
            raise PolygraphyException("Must be activated prior to calling infer()")
        ((name, array),) = feed_dict.items()
        if len(array) == 13:
            raise PolygraphyException("For input: images, failed to set shape to: (13, 32, 32, 3)")
        output = self.session.get_outputs()[0].name
        made = self.session.run([output], {name: array})[0]
        kept = self.buffers.setdefault(made.shape, made)
        kept[...] = made
        return {output: kept}
    def last_inference_time(self):
        return 0.002
'''


@pytest.fixture
def fake_polygraphy(tmp_path, monkeypatch, gpu):
    for folder in ("polygraphy", "polygraphy/backend", "polygraphy/backend/trt"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(POLYGRAPHY if folder.endswith("trt") else "")
    for name in [name for name in sys.modules if name.split(".")[0] == "polygraphy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(trt, "flavour", lambda: "tensorrt")
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "polygraphy"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def plan(quick):
    """An ONNX in place of a plan: stand-ins run it."""
    artifact = export.onnx(quick, "fp32")
    return Given(artifact, artifact.file(export.ONNX_FILE).read_bytes, (1, 32))


def polygraphy(session, plan):
    return Polygraphy(session, Candidate("polygraphy", "fp16"), plan)


def test_polygraphy_answers_on_our_plan(quick, images, reference, plan, fake_polygraphy):
    with polygraphy(quick, plan._replace(profile=1)) as runner:
        first = runner.infer(images)
        assert np.abs(first - reference).max() < 1e-6
        runner.infer(images[::-1].copy())
        assert np.abs(first - reference).max() < 1e-6  # Polygraphy's own buffer holds another answer now
        one = runner.timer(images[:8])(0.01)
        assert one.latencies_ms.min() > 0
        assert one.gpu_ms is None
        assert runner.told() == {"infer_ms": {"8": 2.0}}
        with refused(ReportError, "over the largest"):
            runner.infer(np.concatenate([images, images]))
        assert sys.modules["polygraphy.backend.trt"].TrtRunner.profiles == [1]
        assert runner.artifact_sha256 == plan.artifact.sha256


def test_what_polygraphy_raises_is_one_line(quick, images, plan, fake_polygraphy):
    with refused(ReportError, "Polygraphy TrtRunner: Could not deserialize engine"):
        polygraphy(quick, plan._replace(read=lambda: b"no plan")).__enter__()
    with polygraphy(quick, plan) as runner, refused(ReportError, "failed to set shape"):
        runner.timer(images[:13])(0.01)


def test_polygraphy_needs_tensorrt_itself(fake_polygraphy, monkeypatch):
    assert Polygraphy.unavailable("fp16") is None
    monkeypatch.setattr(trt, "flavour", lambda: "tensorrt_rtx")
    assert Polygraphy.unavailable("fp16") == Reason("not_installed", {"package": "TensorRT"})


# trtexec


def test_pages_know_of_trtexec_what_it_does() -> None:
    """They import no rivals."""
    assert ({Trtexec.name: trtexec.IN_FLIGHT}, trtexec.LEAST_S) == (arms.IN_FLIGHT, arms.LEAST_S)


@pytest.mark.parametrize(
    ("name", "queries", "latency", "no_graph"),
    [
        ("10", 130.298, {"min": 5.38672, "max": 13.3664, "mean": 7.60628, "median": 7.16092, "p90": 10.2996, "p99": 12.9675}, False),
        ("8.6-graph", 72.047, {"median": 14.4604, "p95": 14.4811}, False),
        ("8.4", 41087.7, {"mean": 0.402238, "p99": 0.420288}, False),
        ("no-graph", 0.0, {}, True),
    ],
)
def test_real_logs_are_read(name, queries, latency, no_graph):
    found = trtexec_log.read((TESTS / "data" / "trtexec" / f"{name}.log").read_text())
    assert found.queries_a_second == queries
    assert found.latency_ms.items() >= latency.items()
    assert found.no_graph is no_graph
    assert bool(found.error) is not bool(queries)


@pytest.mark.parametrize(("number", "version"), [("8503", "8.5.3"), ("8601", "8.6.1"), ("9200", "9.2.0"), ("100600", "10.6.0")])
def test_versions_are_read(number, version):
    assert trtexec_log.version(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] # trtexec --help") == version
    assert trtexec_log.version("usage: ls") == ""


@given(st.text(), st.sampled_from(["", "[I] Throughput: ", "[I] Latency: ", "[E] ", "&&&& FAILED "]))
def test_any_text_is_read(text, before):
    found = trtexec_log.read(before + text)
    assert (found.queries_a_second > 0) or found.error


def test_eleven_goes_on_without_a_graph_in_other_words():
    assert trtexec_log.read("[W] CUDA graph capture failed. The inference will be launched without using CUDA graph.").no_graph
    assert not trtexec_log.read("[I] Successfully captured CUDA graph for the current execution context").no_graph


@pytest.fixture
def program(tmp_path, monkeypatch, gpu):
    """`program(version, fault)` puts tests/stand_in_trtexec.py where TRTEXEC says; what it was asked is in the file that it returns."""

    def put(version="10.6", fault=""):
        path = stand_in_trtexec.write(tmp_path / f"trtexec{version}{fault}", version, fault)
        monkeypatch.setenv(trtexec.PROGRAM, str(path))
        return Path(f"{path}.asked")

    return put


def runs(session, plan, way=PLAIN):
    return Trtexec(session, Candidate("trtexec", "fp16", way), plan)


@pytest.mark.parametrize(
    ("version", "way", "there", "not_there"),
    [
        ("8.5", PLAIN, "--streams=1", "--useCudaGraph"),
        ("8.5", Way(graph=True, lanes=8), "--streams=8 --useCudaGraph", "--infStreams"),
        ("10.6", Way(graph=True, lanes=8), "--infStreams=8 --useCudaGraph", "--streams"),
        ("11.0", Way(graph=True), "--infStreams=1 --includeDataTransfers", "CudaGraph"),
        ("11.0", PLAIN, "--infStreams=1 --includeDataTransfers --noCudaGraph", "--useCudaGraph"),
        ("8.5", Way(trtexec.SPINNING, graph=True, lanes=8), "--streams=8 --useCudaGraph --useSpinWait --threads", "--infStreams"),
        ("10.6", Way(trtexec.SPINNING, graph=True), "--infStreams=1 --useCudaGraph --useSpinWait", "--threads"),
        ("10.6", Way(graph=True), "--infStreams=1", "SpinWait"),
        ("11.0", Way(trtexec.SPINNING, graph=True, lanes=2), "--infStreams=2 --includeDataTransfers --threads", "SpinWait"),
    ],
    ids=str,
)
def test_trtexec_is_asked_in_the_words_of_its_version(quick, images, plan, program, version, way, there, not_there):
    asked = program(version)
    with runs(quick, plan, way) as runner:
        one = runner.timer(images)(1.25)
        about = runner.told()
    assert one.latencies_ms.tolist() == [0.5]
    assert there in asked.read_text()
    assert not_there not in asked.read_text()
    assert "--noDataTransfers" not in asked.read_text()
    assert f"--shapes='images':32x{'x'.join(map(str, quick.spec.row_shape))}" in asked.read_text()
    assert "--duration=1.25 --warmUp=200" in asked.read_text()
    assert about["latency_ms"] == {"32": {"min": 0.4, "max": 1.5, "mean": 0.6, "median": 0.5, "p90": 0.7, "p95": 0.8, "p99": 1.2}}
    assert about["trtexec"]["in_flight"] == 2 * way.lanes
    assert about["trtexec"]["spins"] is (version == "11.0" or bool(way.api))
    assert about["warnings"] == ["GPU compute time is unstable, with coefficient of variance = 2%."]


def test_trtexec_answers_on_the_images_that_it_is_given(quick, images, plan, program):
    program()
    with runs(quick, plan) as runner:
        found = runner.infer(images[:3])
    wanted = np.exp(images[:3].reshape(3, -1)[:, :10])
    assert np.abs(found - wanted / wanted.sum(1, keepdims=True)).max() < 1e-5


@pytest.mark.parametrize(
    ("fault", "key", "said"),
    [
        ("no_graph", "graph_not_captured", "trtexec captured no CUDA graph"),
        ("nan", "wrong_output", "no outputs of 8 images"),
        ("refused", "failed", "Error[6]: The engine plan file is not compatible"),
        ("crash", "failed", "ended with exit code 134"),
        ("zero", "failed", "it printed no throughput"),
    ],
)
def test_every_fault_of_trtexec_is_a_reason(quick, plan, program, fault, key, said):
    program("8.5", fault)
    candidate = Candidate("trtexec", "fp16", GRAPH)
    with ExitStack() as stack:
        runner = sweep.opened(lambda: Trtexec(quick, candidate, plan), stack)
        record = sweep.measured(quick, {sweep.Arm(candidate, 8): runner})[0]
    assert record.reason.key == key
    assert said in record.reason.text.en


def test_one_that_hangs_is_ended(quick, images, plan, program, monkeypatch):
    program("8.5", "hangs")
    monkeypatch.setattr(trtexec, "MORE_S", 1.0)
    with runs(quick, plan) as runner, refused(ReportError, "did not end within 1 s"):
        runner.infer(images[:1])


def test_a_graph_is_asked_for_only_by_its_way(quick, images, plan, program):
    program("8.5", "no_graph")
    with runs(quick, plan) as runner:  # the warning is of what was not asked for
        assert runner.timer(images)(0.1).latencies_ms.size == 1
    assert Trtexec.takes(Candidate("trtexec", "fp16", Way(graph=True, lanes=3)))
    assert Trtexec.takes(Candidate("trtexec", "fp16", Way(trtexec.SPINNING, graph=True, lanes=3)))
    assert not Trtexec.takes(Candidate("trtexec", "fp16", Way("compiled", graph=True)))
    assert not Trtexec.takes(Candidate("trtexec", "fp16", Way(byte_input=True)))


def test_another_profile_than_the_first_needs_one_that_can_choose(quick, images, plan, program):
    program("8.5")
    with refused(NotMeasured, "first optimization profile only"):
        runs(quick, plan._replace(profile=2)).__enter__()
    asked = program("10.6")
    with runs(quick, plan._replace(profile=2)) as runner:
        runner.infer(images[:1])
    assert "--useProfile=2" in asked.read_text()


def test_a_program_that_is_no_trtexec(quick, plan, tmp_path, monkeypatch, gpu):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho usage\n")
    monkeypatch.setenv(trtexec.PROGRAM, str(other))
    assert Trtexec.unavailable("fp16") == Reason("cpp_no_program", {"variable": "TRTEXEC"})
    other.chmod(0o755)
    assert Trtexec.unavailable("fp16") is None
    with refused(ReportError, "other is no trtexec.*usage"):
        runs(quick, plan).__enter__()
    other.write_bytes(b"\x7fELF")
    trtexec.options.cache_clear()
    with refused(ReportError, "does not start"):
        runs(quick, plan).__enter__()
