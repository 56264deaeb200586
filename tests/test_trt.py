"""lib.trt with TensorRT for RTX itself: it parses and builds on a machine with no GPU."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lib import trt
from lib.errors import ArtifactError, NotMeasured
from lib.experiment import profile as config
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.pages.engines import figures
from lib.pages.engines import tables as engines
from lib.store import artifacts
from lib.store.records import Record
from lib.text import LANGUAGES, Text
from lib.trt import build, inspect, plans, versions
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
    made = builder.create_network(build._network_flags(module))
    parser = module.OnnxParser(made, log)
    build._parse(parser, made, fp32)
    for precision, tf32 in (("fp32", False), ("fp16", False), ("tf32", True)):
        made_config = build._config(module, builder, made, precision, SETTINGS)
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
        reason = trt.not_buildable(precision)
        assert "no INT8 calibrators" in reason.en
        assert "キャリブレーター" in reason.ja
    assert [p for p in PRECISIONS if trt.not_buildable(p) is None] == ["fp32", "tf32", "fp16", "int8_qdq"]


# Other versions of TensorRT, by the features they have


def fake(flags, **parts):
    return SimpleNamespace(BuilderFlag=SimpleNamespace(**dict.fromkeys(flags, 1)), **parts)


def test_with_flags_the_flags_decide():
    old = fake(["FP16", "INT8", "TF32"], IInt8EntropyCalibrator2=object)
    assert not trt.typed(old)
    assert [trt.onnx_variant(p, old) for p in PRECISIONS] == ["fp32", "fp32", "fp32", "fp32", "fp32", "int8_qdq"]
    assert trt.not_buildable("fp16", old) is None
    assert trt.not_buildable("int8", old) is None


def test_without_flags_the_onnx_decides_and_a_missing_flag_is_a_reason():
    new = fake(["TF32"])
    assert trt.typed(new)
    assert trt.onnx_variant("fp16", new) == "fp16"
    assert trt.not_buildable("fp16", new) is None
    assert "no TF32 flag" in trt.not_buildable("tf32", fake([])).en
    assert "no INT8 flag" in trt.not_buildable("int8_qdq", fake(["FP16"])).en


def test_network_flags_by_what_is_there():
    creation = SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=3)
    assert build._network_flags(fake(["FP16"], NetworkDefinitionCreationFlag=creation)) == 1
    assert build._network_flags(fake([], NetworkDefinitionCreationFlag=creation)) == 8
    assert build._network_flags(fake([], NetworkDefinitionCreationFlag=SimpleNamespace())) == 0


def test_features_are_looked_for_on_the_module():
    module = SimpleNamespace(ICudaEngine=SimpleNamespace(num_bindings=1))
    here = {f.key for f in trt.FEATURES if f.here(module)}
    assert here == {"bindings"}


def test_importing_lib_trt_imports_no_tensorrt():
    code = (
        "import sys, lib.trt, lib.pages.engines.tables, lib.trt.build; "
        "print([m for m in sys.modules if m.startswith(('tensorrt', 'onnx'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=config.ROOT)
    assert out.stdout.strip() == "[]"


def test_without_tensorrt_everything_says_so(monkeypatch):
    for module in (versions, trt, engines.trt):
        monkeypatch.setattr(module, "flavour", lambda: None)
    assert trt.not_buildable("fp32") == trt.NOT_INSTALLED
    assert versions.version() == ""
    with pytest.raises(trt.EngineError, match="not installed"):
        versions.module()
    assert {row["here"] for row in engines.feature_rows()} == {trt.NOT_INSTALLED}


def test_no_gpu_is_the_reason(monkeypatch):
    monkeypatch.setattr(system, "gpus", list)
    assert trt.unavailable() == Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない")


# Plans that can be trusted


@pytest.fixture
def plan(tmp_path, fp32):
    if versions.flavour() != "tensorrt_rtx":
        pytest.skip("TensorRT for RTX is not what this system builds with")
    store, identity = artifacts.Store(tmp_path), plans.identity(fp32, "fp32", SETTINGS)
    session = SimpleNamespace(profile=SimpleNamespace(engines=SETTINGS), folder=tmp_path)
    artifact = store.get_or_build(plans.KIND, identity, lambda folder: plans._write(session, folder, fp32, "fp32", None))
    return artifact.path.parent, identity


def rejection(folder, expected):
    with pytest.raises(ArtifactError) as caught:
        trt.load_plan(folder, expected)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "remove" in str(caught.value)
    return str(caught.value)


def test_a_plan_loads_where_it_was_built(plan):
    folder, identity = plan
    data = trt.load_plan(folder, identity)
    assert data == (folder / "payload" / "model.plan").read_bytes()
    assert (folder / "payload" / "build.log").read_text()
    assert json.loads((folder / "payload" / "layers.json").read_text())[0].keys() == {"name", "kind", "type", "shape"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tensorrt", "10.16.0.1"),
        ("flavour", "tensorrt"),
        ("gpu", "NVIDIA H200"),
        ("compute_capability", "9.0"),
        ("onnx_sha256", "0" * 64),
        ("precision", "fp16"),
        ("calibration", "0" * 64),
        ("flags", ["FP16"]),
        ("profile", [1, 1, 1]),
        ("workspace_mib", 1),
        ("version", 0),
    ],
)
def test_a_plan_of_something_else_is_refused_by_field(plan, field, value):
    folder, identity = plan
    assert identity.keys() == plans.FIELDS.keys()  # every field of the identity is checked
    assert f"its {plans.FIELDS[field]} is" in rejection(folder, identity | {field: value})


def test_altered_plans_are_refused(plan):
    folder, identity = plan
    path = folder / "payload" / "model.plan"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "altered or truncated" in rejection(folder, identity)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "altered or truncated" in rejection(folder, identity)
    path.unlink()
    assert "missing" in rejection(folder, identity)
    path.write_bytes(whole)
    assert trt.load_plan(folder, identity) == whole
    (folder / "manifest.json").unlink()
    assert "manifest.json" in rejection(folder, identity)


def test_an_engine_runs_under_its_own_precision_only(built):
    session, listed = built
    for engine in (e for e in listed if e.artifact):
        assert trt.trusted(session, engine.precision, engine.artifact) == engine.artifact.file("model.plan").read_bytes()
        for other in {"fp32", "fp16"} - {engine.precision}:
            with pytest.raises(ArtifactError, match=r"its (precision|ONNX) is"):
                trt.trusted(session, other, engine.artifact)


def test_another_kind_of_artifact_is_no_plan(tmp_path, plan):
    artifact = artifacts.Store(tmp_path).get_or_build("model", {}, lambda folder: (folder / "model.plan").write_bytes(b"code") and None)
    assert "kind is 'model'" in rejection(artifact.path.parent, plan[1])


# Notebook 03


def session_with_exports(folder, patch):
    """A session whose export is the small network above: what is tested is what 03 makes of the files."""
    variants = {"fp32": (np.float32, False), "fp16": (np.float16, False), "int8_qdq": (np.float32, True)}

    def exported(session, variant):
        path = folder / "onnx" / variant / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            network(path, *variants[variant])
        return SimpleNamespace(file=lambda name: path)

    patch.setattr("lib.export.onnx", exported)
    own = {"store": artifacts.Store(folder / "artifacts"), "folder": folder, "run_id": "run", "stage": "03_engines"}
    return SimpleNamespace(profile=SimpleNamespace(engines=SETTINGS), **own)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if versions.flavour() != "tensorrt_rtx":
        pytest.skip("TensorRT for RTX is not what this system builds with")
    with pytest.MonkeyPatch.context() as patch:
        session = session_with_exports(tmp_path_factory.mktemp("built"), patch)
        yield session, engines.build_all(session)


def test_notebook_03_shows_every_precision(built):
    _, listed = built
    rows = engines.rows(listed)
    assert [row["precision"] for row in rows] == [p.label for p in PRECISIONS.values()]
    assert rows[0]["ratio"] == 1
    assert rows[2]["products"] == "1 × FP16"
    assert rows[0]["fastest_s"] <= rows[0]["build_s"] <= rows[0]["slowest_s"]
    assert "calibrators" in rows[3]["size_mb"].en
    assert len(engines.feature_rows()) == len(trt.FEATURES)


def test_notebook_03_records_are_complete(built):
    session, listed = built
    measured = engines.records(session, listed)
    found = {(r.metric, r.precision): r for r in measured}
    assert len(found) == len(measured) == 4 * len(PRECISIONS)
    assert found["plan_size", "fp32"].value == listed[0].artifact.size("model.plan")
    assert found["build_time", "fp32"].samples == listed[0].artifact.info["build_s"]
    if not system.gpus():
        assert found["latency", "fp32"].reason == found["throughput", "fp32"].reason == trt.unavailable()
        assert found["latency", "fp32"].artifact_sha256 == listed[0].artifact.sha256
        assert found["throughput", "int8"].reason == trt.not_buildable("int8")
        rows = engines.run_rows(measured)
        assert [row["precision"] for row in rows] == [p.label for p in PRECISIONS.values()]
        assert {row[key].en for row in rows[:3] for key in ("latency", "gpu", "throughput", "ratio")} == {trt.unavailable().en}


def test_engines_that_run_are_measured_and_compared_with_fp32(built, monkeypatch):
    session, listed = built
    rates = {"fp32": 100.0, "tf32": 150.0, "fp16": 300.0, "int8_qdq": 400.0}

    def run(session, configurations):
        for runner, precision, size in configurations:
            common = {"runner": runner, "precision": precision, "batch_size": size, "scope": sweep.SCOPE}
            yield Record("latency", "ms", 1e3 * size / rates[precision], **common)
            stats = {"ci_low": None, "ci_high": None} | ({"gpu_compute": {"p50": 0.5, "stable": True}} if precision == "fp16" else {})
            yield Record("throughput", "images/s", rates[precision], stats=stats, **common)

    monkeypatch.setattr(sweep, "run", run)
    rows = engines.run_rows(engines.records(session, listed))
    assert [row.get("ratio") for row in rows[:3]] == [None, 1.5, 3.0]
    assert (rows[2]["batch"], rows[2]["latency"], rows[2]["throughput"]) == (4, pytest.approx(40 / 3), 300)
    assert [row["gpu"] for row in rows[:3]] == [None, None, 0.5]
    assert rows[3]["throughput"] == trt.not_buildable("int8")
    assert "ratio" not in engines.run_rows(engines.records(session, listed[1:]))[0]  # without FP32 there is nothing to compare with


def test_the_types_inside_the_engine_are_shown_and_compared_with_the_precision(built, monkeypatch):
    _, listed = built
    if not system.gpus():
        assert engines.rows(listed)[0]["inside"] == engines.NEEDS_GPU
    told = {"fp32": {"fp32": 8, "tf32": 1}, "tf32": {"tf32": 8, "fp32": 1}, "fp16": {"fp32": 9}, "int8_qdq": {"int8": 9, "": 1}}
    for e in listed:
        if e.artifact:
            monkeypatch.setitem(e.artifact.info, "engine_types", told[e.precision])
    rows = engines.rows(listed)
    assert (rows[0]["inside"], rows[3]["inside"], rows[5]["inside"]) == ("8 × FP32, 1 × TF32", "", "1 × ?, 9 × INT8")
    bad = [f.text.en for f in engines.findings(listed) if f.level == "bad"]
    assert [text.split(" engine run in another type: ") for text in bad] == [
        ["The convolutions and matrix products of the FP32", "8 × FP32, 1 × TF32."],
        ["The convolutions and matrix products of the FP16", "9 × FP32."],
    ]


@pytest.mark.parametrize("told", [{}, {"": 9}])
def test_types_that_could_not_be_read_back_are_a_note(built, monkeypatch, told):
    _, listed = built
    for e in listed:
        if e.artifact:
            monkeypatch.setitem(e.artifact.info, "engine_types", {e.precision.removesuffix("_qdq"): 9})
    assert not any("could not be read back" in f.text.en for f in engines.findings(listed))
    monkeypatch.setitem(listed[2].artifact.info, "engine_types", told)
    (found,) = [f for f in engines.findings(listed) if "could not be read back" in f.text.en]
    assert (found.level, found.text.en) == ("note", "The precision of FP16 could not be read back from the finished engine.")
    assert "数値精度を読み出せなかった：FP16" in found.text.ja


def test_engines_that_were_not_opened_are_not_said_to_tell_nothing(built, monkeypatch):
    _, listed = built
    for e in listed:
        if e.artifact:
            monkeypatch.setitem(e.artifact.info, "engine_types", None)
    assert not any("could not be read back" in f.text.en for f in engines.findings(listed))


def test_a_single_build_has_no_interval_and_calibration_has_its_seconds(built, monkeypatch):
    session, listed = built
    assert [row["calibration_s"] for row in engines.rows(listed)] == [None] * len(listed)
    monkeypatch.setitem(listed[0].artifact.info, "build_s", [2.5])
    monkeypatch.setitem(listed[0].artifact.info, "calibration_s", 7.25)
    row = engines.rows(listed)[0]
    assert (row["build_s"], row["fastest_s"], row["slowest_s"], row["calibration_s"]) == (2.5, None, None, 7.25)
    (time,) = [r for r in engines.records(session, listed) if (r.metric, r.precision) == ("build_time", "fp32")]
    assert time.stats["calibration_s"] == 7.25
    monkeypatch.setattr(system, "system_id", lambda: "elsewhere")
    assert [row["calibration_s"] for row in engines.rows(listed)[:2]] == [engines.ELSEWHERE, None]


def test_whether_a_timing_cache_was_at_hand_is_shown(built, monkeypatch):
    session, listed = built
    monkeypatch.setitem(listed[0].artifact.info, "timing_cache", True)
    assert [row["cache"] for row in engines.rows(listed)[:4]] == [engines.YES, engines.NO, engines.NO, ""]
    times = [r for r in engines.records(session, listed) if r.metric == "build_time"]
    assert [r.stats.get("timing_cache") for r in times[:4]] == [True, False, False, None]


def test_a_second_run_reuses_the_engines(built):
    session, _ = built
    assert not any(e.artifact.fresh for e in engines.build_all(session) if e.artifact)


def test_an_engine_from_another_system_has_no_build_time_here(built, monkeypatch):
    _, listed = built
    monkeypatch.setattr(system, "system_id", lambda: "elsewhere")
    assert engines.rows(listed)[0]["build_s"] == engines.ELSEWHERE
    build_times = [r for r in engines.records(built[0], listed) if r.metric == "build_time"]
    assert all(r.value is None for r in build_times)


@needs_rtx
def test_a_failing_build_is_a_red_finding_and_the_others_go_on(tmp_path, monkeypatch):
    broken = tmp_path / "onnx" / "fp16" / "model.onnx"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\xff" * 99)
    listed = engines.build_all(session_with_exports(tmp_path, monkeypatch))
    assert [e.precision for e in listed if e.failed] == ["fp16"]
    (bad,) = [f for f in engines.findings(listed) if f.level == "bad"]
    assert "Failed to parse" in bad.text.en
    assert "構築に失敗した" in bad.text.ja


def test_one_plan_under_two_names_is_a_red_finding(built):
    _, listed = built
    twin = engines.Engine("tf32", listed[0].artifact)
    assert any(f.level == "bad" and "one and the same plan" in f.text.en for f in engines.findings([listed[0], twin]))
    assert not any("same plan" in f.text.en for f in engines.findings(listed))


def test_one_plan_that_was_measured_twice_says_what_a_difference_is_worth(built):
    session, listed = built
    twins = [listed[0], engines.Engine("tf32", listed[0].artifact)]
    sizes = [r for r in engines.records(session, twins) if r.metric == "plan_size"]
    rates = [
        Record("throughput", "images/s", v, runner="tensorrt", precision=p, batch_size=4) for p, v in (("fp32", 1000.0), ("tf32", 1025.0))
    ]
    (found,) = [f for f in engines.findings(twins, sizes + rates) if "measured 2 times" in f.text.en]
    assert "at batch size 4 (FP32; TF32): throughputs up to 1.025 times apart" in found.text.en
    assert "最大1.025倍" in found.text.ja
    assert not any("measured 2 times" in f.text.en for f in engines.findings(twins, sizes + rates[:1]))


def test_weights_that_do_not_shrink_are_a_red_finding(built, monkeypatch):
    _, listed = built
    assert not any(f.level == "bad" for f in engines.findings(listed))
    monkeypatch.setitem(listed[2].artifact.info, "weights_bytes", listed[0].artifact.info["weights_bytes"])
    assert [f.text.en for f in engines.findings(listed) if f.level == "bad"] == ["The weights of the FP16 plan did not shrink."]


def test_findings_say_what_cannot_be_run(built):
    said = [f.text.en for f in engines.findings(built[1])]
    assert any("4 of 6 precisions" in text for text in said)
    if not system.gpus():
        assert any("not measured: no NVIDIA GPU on this system" in text for text in said)


def test_engine_of_a_precision_that_cannot_be_built(built):
    with pytest.raises(NotMeasured, match="no INT8 calibrators"):
        trt.engine(built[0], "int8")


def test_figure_of_sizes(built):
    _, listed = built
    for language in LANGUAGES:
        axes = figures.sizes(listed, language).axes[0]
        assert [t.get_text() for t in axes.get_yticklabels()] == [e.label.in_(language) for e in listed if e.artifact]
    assert "FP16" in figures.sizes_alt(listed).en
    assert "no engine" in figures.sizes_alt([]).en
    assert figures.sizes([], "ja")
