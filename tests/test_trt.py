"""lib.trt with TensorRT for RTX itself: it parses and builds on a machine with no GPU."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydantic import ValidationError

from lib import plans, trt
from lib.errors import ArtifactError, NotMeasured
from lib.experiment import profile as config
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.plans import bound, stored
from lib.store import artifacts
from lib.store.records import Reason
from lib.text import Text
from lib.trt import build, inspect, versions
from lib.trt.log import logger

needs_rtx = pytest.mark.skipif(versions.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")
SETTINGS = config.Engines(min_batch=1, opt_batch=4, max_batch=8, workspace_mib=64, calibration_images=64, calibration_batch=32)


def network(path, kind=np.float32, quantized=False, shape=("batch", 16, 8, 8)):
    """A convolution and a ReLU as ONNX, in a type, or with Q/DQ nodes before the convolution."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    weights = np.random.default_rng(0).normal(size=(64, 16, 3, 3)).astype(kind)
    nodes, values, source, kernel = [], [numpy_helper.from_array(weights, "w")], "x", "w"
    if quantized:
        scale, zero = numpy_helper.from_array(np.float32(0.05), "scale"), numpy_helper.from_array(np.int8(0), "zero")
        values = [scale, zero, numpy_helper.from_array(np.clip(weights * 20, -127, 127).astype(np.int8), "wq")]
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], name="quantize"),
            helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"], name="dequantize"),
            helper.make_node("DequantizeLinear", ["wq", "scale", "zero"], ["wd"], name="dequantize_w"),
        ]
        source, kernel = "xd", "wd"
    nodes.append(helper.make_node("Conv", [source, kernel], ["c"], name="conv", pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", ["c"], ["y"], name="relu"))
    inputs = [helper.make_tensor_value_info("x", element, shape)]
    outputs = [helper.make_tensor_value_info("y", element, (shape[0], 64, *shape[2:]))]
    graph = helper.make_graph(nodes, "small", inputs, outputs, values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory):
    return network(tmp_path_factory.mktemp("onnx") / "fp32.onnx")


def refusal(onnx_file, precision="fp32", settings=SETTINGS):
    with pytest.raises(trt.EngineError) as caught:
        build.build(onnx_file, precision, settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What TensorRT builds


@needs_rtx
@pytest.mark.parametrize(
    ("precision", "kind", "quantized", "types"),
    [
        ("fp32", np.float32, False, {"fp32": 1}),
        ("tf32", np.float32, False, {"fp32": 1}),
        ("fp16", np.float16, False, {"fp16": 1}),
        ("int8_qdq", np.float32, True, {"int8": 1}),
    ],
)
def test_builds_each_precision_from_its_own_onnx(tmp_path, precision, kind, quantized, types):
    built = build.build(network(tmp_path / "n.onnx", kind, quantized), precision, SETTINGS)
    assert built.plan[:4] == b"vtrt"  # TensorRT's own mark
    assert inspect.product_types(built.layers) == types
    assert 1 <= len(built.build_s) <= build.REPEATS
    assert all(seconds > 0 for seconds in built.build_s)
    assert inspect.weights_bytes(built.log)
    assert not any("VERBOSE" in line for line in built.log)


@needs_rtx
def test_tf32_is_a_plan_of_its_own(fp32):
    first, again, tf32 = (build.build(fp32, precision, SETTINGS).plan for precision in ("fp32", "fp32", "tf32"))
    assert first == again
    assert first != tf32


@needs_rtx
def test_the_optimization_profile_is_in_the_plan(fp32):
    wide = SETTINGS.model_copy(update={"max_batch": 64})
    assert build.build(fp32, "fp32", SETTINGS).plan != build.build(fp32, "fp32", wide).plan


@needs_rtx
def test_flags_profile_and_workspace_reach_the_builder(fp32):
    module, log = versions.module(), logger(versions.module())
    builder = module.Builder(log)
    made = builder.create_network(build._network_flags(module, by_types=True))
    parser = module.OnnxParser(made, log)
    build._parse(parser, made, fp32)
    for precision, tf32 in (("fp32", False), ("fp16", False), ("tf32", True)):
        made_config = build._config(module, builder, made, precision, SETTINGS, by_types=True)
        assert made_config.get_flag(module.BuilderFlag.TF32) is tf32
        assert made_config.get_memory_pool_limit(module.MemoryPoolType.WORKSPACE) == 64 << 20
        assert made_config.num_optimization_profiles == 1
    shapes = build._profile(builder, made, (1, 4, 8)).get_shape("x")
    assert [tuple(shape) for shape in shapes] == [(1, 16, 8, 8), (4, 16, 8, 8), (8, 16, 8, 8)]


# What it refuses


@needs_rtx
@pytest.mark.parametrize(
    ("precision", "kind"), [("fp16", np.float32), ("int8_qdq", np.float32), ("fp32", np.float16), ("tf32", np.float16)]
)
def test_never_builds_under_another_name(tmp_path, precision, kind):
    said = refusal(network(tmp_path / "n.onnx", kind), precision)
    assert f"{precision} needs" in said
    assert "give the ONNX" in said


@needs_rtx
def test_the_parsers_words_reach_the_user(tmp_path):
    unsupported = tmp_path / "op.onnx"
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 4)) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Frobnicate", ["x"], ["y"], name="odd", domain="made.up")], "g", sides[:1], sides[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("made.up", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), unsupported)
    said = refusal(unsupported)
    assert "'odd' (Frobnicate)" in said
    assert "Plugin not found" in said


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "node 3: bad thing"),  # 8.x
        ({"node_name": lambda: "odd", "node_operator": lambda: "Conv"}, "node 3 'odd' (Conv): bad thing"),
        ({"node_name": lambda: "", "node_operator": lambda: "Conv"}, "node 3 (Conv): bad thing"),
        ({"node": lambda: -1}, "bad thing"),
    ],
)
def test_a_parser_that_says_less_of_a_node_leaves_no_gap(told, said):
    error = SimpleNamespace(**({"node": lambda: 3, "desc": lambda: "bad\n thing"} | told))
    assert inspect.parser_errors(SimpleNamespace(num_errors=1, get_error=lambda index: error)) == said


@needs_rtx
def test_files_that_are_no_network(tmp_path, fp32):
    broken, truncated, empty = (tmp_path / name for name in ("broken.onnx", "truncated.onnx", "empty.onnx"))
    broken.write_bytes(b"\xff" * 99)
    truncated.write_bytes(fp32.read_bytes()[:-40])
    empty.write_bytes(b"")  # TensorRT's parser takes it without an error
    assert "Failed to parse the ONNX model" in refusal(broken)
    assert "parser refuses it" in refusal(truncated)
    assert "holds no network" in refusal(empty)
    assert "no such ONNX file" in refusal(tmp_path / "absent.onnx")


@needs_rtx
def test_only_the_batch_may_be_dynamic(tmp_path):
    assert "only the first dimension" in refusal(network(tmp_path / "n.onnx", shape=("batch", 16, "height", 8)))


@needs_rtx
def test_calibrated_precisions_say_why_they_are_not_built():
    for precision in ("int8", "int8_fp16"):
        reason = plans.not_buildable(precision)
        assert "no INT8 calibrators" in reason.text.en
        assert "キャリブレーター" in reason.text.ja
    assert [p for p in PRECISIONS if plans.not_buildable(p) is None] == ["fp32", "tf32", "fp16", "int8_qdq"]


# Other versions of TensorRT, by the features they have


def fake(flags, **parts):
    return SimpleNamespace(BuilderFlag=SimpleNamespace(**dict.fromkeys(flags, 1)), **parts)


def test_with_flags_the_flags_decide():
    old = fake(["FP16", "INT8", "TF32"], IInt8EntropyCalibrator2=object)
    assert not trt.typed(old)
    assert [plans.onnx_variant(p, typed=False) for p in PRECISIONS] == ["fp32", "fp32", "fp32", "fp32", "fp32", "int8_qdq"]
    assert plans.not_buildable("fp16", old) is None
    assert plans.not_buildable("int8", old) is None


def test_without_flags_the_onnx_decides_and_a_missing_flag_is_a_reason():
    new = fake(["TF32"])
    assert trt.typed(new)
    assert plans.onnx_variant("fp16", trt.typed(new)) == "fp16"
    assert plans.not_buildable("fp16", new) is None
    assert "no TF32 flag" in plans.not_buildable("tf32", fake([])).text.en
    assert "no INT8 flag" in plans.not_buildable("int8_qdq", fake(["FP16"])).text.en


def test_network_flags_by_what_is_there():
    creation = SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=3)
    weak = fake(["FP16"], NetworkDefinitionCreationFlag=creation)
    assert build._network_flags(weak, by_types=False) == 1
    assert build._network_flags(weak, by_types=True) == 8  # 10.x has both
    assert build._network_flags(fake([], NetworkDefinitionCreationFlag=creation), by_types=True) == 8
    assert build._network_flags(fake([], NetworkDefinitionCreationFlag=SimpleNamespace()), by_types=True) == 0
    old = fake(["FP16"], NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0), __version__="8.5.3.1")
    with pytest.raises(trt.EngineError, match=r"8\.5\.3\.1 has no strongly typed networks"):
        build._network_flags(old, by_types=True)


def test_features_are_looked_for_on_the_module():
    module = SimpleNamespace(ICudaEngine=SimpleNamespace(num_bindings=1))
    here = {f.key for f in trt.FEATURES if f.here(module)}
    assert here == {"bindings"}


def test_importing_lib_trt_imports_no_tensorrt():
    code = "import sys, lib.trt, lib.trt.build; print([m for m in sys.modules if m.startswith(('tensorrt', 'onnx'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=config.ROOT)
    assert out.stdout.strip() == "[]"


def test_without_tensorrt_everything_says_so(monkeypatch):
    monkeypatch.setattr(versions, "flavour", lambda: None)
    assert plans.not_buildable("fp32") == plans.NOT_INSTALLED
    assert versions.version() == ""
    with pytest.raises(trt.EngineError, match="not installed"):
        versions.module()
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "NVIDIA H200"}])
    assert plans.unavailable() == plans.NOT_INSTALLED
    assert plans.NOT_INSTALLED.text == Text("TensorRT is not installed", "TensorRTがインストールされていない")


def test_no_gpu_is_the_reason(monkeypatch):
    monkeypatch.setattr(system, "gpus", list)
    assert plans.unavailable() == Reason("no_gpu")
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "NVIDIA H200"}])
    monkeypatch.setattr(versions, "flavour", lambda: "tensorrt")
    monkeypatch.setattr("lib.cuda.installed", lambda: False)
    assert plans.unavailable() == Reason("not_installed", {"package": "pycuda"})


# Plans that can be trusted


@pytest.fixture
def plan(tmp_path, fp32):
    if versions.flavour() != "tensorrt_rtx":
        pytest.skip("TensorRT for RTX is not what this system builds with")
    store, identity = artifacts.Store(tmp_path), stored.identity(fp32, "fp32", SETTINGS)
    session = SimpleNamespace(profile=SimpleNamespace(engines=SETTINGS), folder=tmp_path)
    artifact = store.get_or_build(stored.KIND, identity, lambda folder: stored._write(session, folder, fp32, "fp32", None))
    return artifact.path.parent, identity


def load_plan(folder, expected):
    return bound.read(folder, stored.KIND, stored.PLAN, expected)


def rejection(folder, expected):
    with pytest.raises(ArtifactError) as caught:
        load_plan(folder, expected)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "remove" in str(caught.value)
    return str(caught.value)


def test_a_plan_loads_where_it_was_built(plan):
    folder, identity = plan
    data = load_plan(folder, identity)
    assert data == (folder / "payload" / "model.plan").read_bytes()
    assert (folder / "payload" / "build.log").read_text()
    assert json.loads((folder / "payload" / "layers.json").read_text())[0].keys() == {"name", "kind", "type", "shape"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tensorrt", "10.16.0.1", "TensorRT version"),
        ("flavour", "tensorrt", "TensorRT flavour"),
        ("gpu", "NVIDIA H200", "GPU"),
        ("compute_capability", "9.0", "compute capability"),
        ("onnx_sha256", "0" * 64, "ONNX"),
        ("precision", "fp16", "precision"),
        ("calibration", "0" * 64, "calibration cache"),
        ("flags", ["FP16"], "builder flags"),
        ("profile", [1, 1, 1], "optimization profile"),
        ("workspace_mib", 1, "workspace (MiB)"),
        ("version", 0, "version of this project's builder"),
    ],
)
def test_a_plan_of_something_else_is_refused_in_words(plan, field, value, words):
    folder, identity = plan
    assert f"its {words} is" in rejection(folder, identity | {field: value})


def test_altered_plans_are_refused(plan):
    folder, identity = plan
    path = folder / "payload" / "model.plan"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "altered or truncated" in rejection(folder, identity)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "altered or truncated" in rejection(folder, identity)
    path.unlink()
    assert "cannot be read" in rejection(folder, identity)
    path.write_bytes(whole)
    assert load_plan(folder, identity) == whole
    (folder / "manifest.json").unlink()
    assert "manifest.json" in rejection(folder, identity)


def test_another_kind_of_artifact_is_no_plan(tmp_path, plan):
    artifact = artifacts.Store(tmp_path).get_or_build("model", {}, lambda folder: (folder / "model.plan").write_bytes(b"code") and None)
    assert "kind is 'model'" in rejection(artifact.path.parent, plan[1])


# The engines of a session


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A session whose export is the small network above."""
    folder = tmp_path_factory.mktemp("opened")
    variants = {"fp32": (np.float32, False), "fp16": (np.float16, False), "int8_qdq": (np.float32, True)}

    def exported(session, variant):
        path = folder / "onnx" / variant / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            network(path, *variants[variant])
        return SimpleNamespace(file=lambda name: path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lib.export.onnx", exported)
        profile = SimpleNamespace(engines=SETTINGS)
        yield SimpleNamespace(profile=profile, store=artifacts.Store(folder / "artifacts"), folder=folder)


@needs_rtx
def test_every_precision_that_can_be_built_has_an_engine_of_its_own(opened):
    made = {p: plans.engine(opened, p) for p in PRECISIONS if plans.not_buildable(p) is None}
    assert {p: engine.info["product_types"] for p, engine in made.items()} == {
        "fp32": {"fp32": 1},
        "tf32": {"fp32": 1},
        "fp16": {"fp16": 1},
        "int8_qdq": {"int8": 1},
    }
    assert len({plans.plan_sha256(engine) for engine in made.values()}) == len(made)
    for precision, engine in made.items():
        assert plans.trusted(opened, precision, engine) == engine.file(plans.PLAN).read_bytes()
        for other in {"fp32", "fp16"} - {precision}:
            with pytest.raises(ArtifactError, match=r"its (precision|ONNX) is"):
                plans.trusted(opened, other, engine)


@needs_rtx
def test_a_second_run_reuses_the_engine(opened, monkeypatch):
    first = plans.engine(opened, "fp32")
    monkeypatch.setattr(stored, "_write", lambda *_: pytest.fail("built again"))
    assert plans.engine(opened, "fp32").sha256 == first.sha256


@needs_rtx
def test_a_plan_is_known_by_its_own_hash(opened):
    engine = plans.engine(opened, "fp32")
    assert plans.plan_sha256(engine) == hashlib.sha256(engine.file(plans.PLAN).read_bytes()).hexdigest() != engine.sha256


@needs_rtx
def test_checking_a_plan_reads_it_once(opened, monkeypatch):
    engine, read = plans.engine(opened, "fp32"), []
    whole = type(engine.path).read_bytes
    monkeypatch.setattr(type(engine.path), "read_bytes", lambda path: read.append(path.name) or whole(path))
    plans.trusted(opened, "fp32", engine)
    assert read.count(plans.PLAN) == 1


@needs_rtx
def test_engine_of_a_precision_that_cannot_be_built(opened):
    with pytest.raises(NotMeasured, match=r"tensorrt int8: .*no INT8 calibrators") as caught:
        plans.engine(opened, "int8")
    assert caught.value.reason == plans.not_buildable("int8")


def test_a_batch_that_no_tensor_can_have_is_refused_before_the_bindings_are_reached():
    with pytest.raises(ValidationError, match="max_batch"):
        config.Engines(**SETTINGS.model_dump() | {"max_batch": 10**30})


def test_a_new_row_needs_no_other_table(monkeypatch):
    row = dataclasses.replace(
        PRECISIONS["fp16"],
        key="bf16",
        trt_flags=("!TF32", "BF16"),
        trt_typed_onnx="bf16",
        layer_types=("bf16", "fp32"),
        product_type="bf16",
    )
    monkeypatch.setitem(PRECISIONS, "bf16", row)
    assert plans.onnx_variant("bf16", typed=False) == "fp32"
    assert plans.onnx_variant("bf16", typed=True) == "bf16"
    assert plans.not_buildable("bf16", fake(["FP16"])) == Reason("no_builder_flag", {"flag": "BF16"})
    assert plans.not_buildable("bf16", fake([])) is None
    assert inspect.other_than_asked("bf16", {"bf16": 3, "fp32": 1}) == ""
    assert "asked for bf16" in inspect.other_than_asked("bf16", {"fp16": 4})
