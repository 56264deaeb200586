"""Notebook 03: engines that are what their name says, their sizes, and their layers. A GPU times layers: those times are made up."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import matplotlib.text
import numpy as np
import pytest
from records import keys, made_run, missing

from lib import plans, trt
from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.pages.engines import exhibits, figures, layers, measure, rules, tables
from lib.session import Session
from lib.show.table import table_html
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.text import LANGUAGES

STAGE = "03_engines"
COPY = "Reformatting CopyNode for Input Tensor 0 to "
CONV, POOL, DENSE, SOFTMAX = "Conv + relu1_1_1/Relu", "pool1_1/MaxPool2d", "logits_1/MatMul", "probabilities_1/Softmax"
NO_INT8 = Reason("no_calibrator")


def layer(name, kind, of, ms):
    return exhibits.Layer(name=name, kind=kind, type=of, tactic=f"kernel_{of}", ms=ms, p10_ms=0.9 * ms, p90_ms=1.1 * ms)


def engine_of(conv="fp32", dense="fp32", pool="fp32", speed=1.0):
    """A reformat, a convolution with 70 % of the time, pooling, a matrix product and a softmax, in the types that are given."""
    return [
        layer(COPY + CONV, "Reformat", conv, 0.1 / speed),
        layer(CONV, "CaskConvolution", conv, 0.7 / speed),
        layer(POOL, "CaskPooling", pool, 0.05 / speed),
        layer(DENSE, "CaskGemmMatrixMultiply", dense, 0.1 / speed),
        layer(SOFTMAX, "CudaSoftMax", "fp32", 0.05 / speed),
    ]


GOOD = {
    "fp32": engine_of(),
    "tf32": engine_of("tf32", "tf32", speed=2),
    "fp16": engine_of("fp16", "fp16", "fp16", speed=4),
    "int8_qdq": engine_of("int8", "fp32", "int8", speed=5),
}
SIZES = {"fp32": 15_000_000, "tf32": 15_100_000, "fp16": 7_500_000, "int8_qdq": 4_000_000}


def built(precision, size=1_000_000, plan="", weights=None, seconds=(2.0,), **network):
    """Records of an engine, and what it was built from and came to."""
    candidate = Candidate("tensorrt", precision)
    unstated = None if weights else Reason("not_in_build_log")
    records = [
        Record("file_size", "bytes", size, candidate, stats={"plan_sha256": plan or precision}),
        Record("weights_size", "bytes", weights, candidate, reason=unstated),
        Record("build_time", "s", float(np.median(seconds)), candidate, samples=list(seconds), stats={"timing_cache": precision != "fp32"}),
    ]
    return records, exhibits.Network(candidate=candidate.key, onnx="fp32", **{"asked": {"fp32": 2}, "found": None} | network)


def run_of(*engines, more=(), timed=None, tensorrt="TensorRT 8.5.3.1"):
    """A page with these engines; timed: {precision: layers}."""
    profiles = [exhibits.Profile(candidate=f"tensorrt/{precision}", layers=own) for precision, own in (timed or {}).items()]
    shown = {
        "features": exhibits.Features(tensorrt=tensorrt, features=[exhibits.Feature(key="calibrator", path="a.b", here=True)]),
        "networks": exhibits.Networks(engines=[network for _, network in engines]),
        "layers": exhibits.Profiles(engines=profiles),
    }
    return made_run(STAGE, [*(record for records, _ in engines for record in records), *more], shown)


def profiled(timed=None):
    return run_of(*(built(precision, size) for precision, size in SIZES.items()), timed=GOOD if timed is None else timed)


def found(run, key):
    return [finding for finding in rules.findings(run) if finding.key == key]


def bad(run):
    return [key for level, key in keys(rules.findings(run)) if level == "bad"]


# Engines


def test_lower_precisions_that_shrink_the_plan_are_good():
    run = profiled()
    (number,), (sizes,) = found(run, "built"), found(run, "sizes")
    assert number.text.en == "TensorRT 8.5.3.1 built engines in 4 of 4 precisions."
    assert (sizes.level, [part.en for part in sizes.values["engines"]]) == ("good", ["FP16 0.50", "INT8 (explicit) 0.27"])
    rows = {row["precision"].en: row for row in tables.engines(run).rows}
    assert rows["FP16"]["size_ratio"] == pytest.approx(0.5)
    assert [name for name, row in rows.items() if row.get("best")] == ["INT8 (explicit)"]
    assert [rows["FP32"]["cache"].en, rows["FP16"]["cache"].en] == ["no", "yes"]
    assert bad(run) == []


def test_a_plan_that_does_not_shrink_is_no_good_news():
    assert found(run_of(built("fp32"), built("fp16", 1_200_000)), "sizes")[0].level == "note"


def test_weights_that_do_not_shrink_are_red():
    large = 1_000_000
    assert bad(run_of(built("fp32", weights=large), built("fp16", weights=large), built("tf32", weights=large))) == ["weights"]
    assert bad(run_of(built("fp32", weights=large), built("fp16", weights=large // 2))) == []


def test_so_few_weights_that_whole_blocks_hide_their_type_are_not_judged():
    assert bad(run_of(built("fp32", weights=1032), built("fp16", weights=1040))) == []


def test_one_plan_under_two_names():
    """INT8 with FP16 allowed may come out as INT8 alone; FP16 that came out as FP32 carries a wrong name."""
    (note,) = found(run_of(built("int8", plan="a"), built("int8_fp16", plan="a"), built("fp32")), "same_plan")
    assert note.level == "note"
    assert [label.en for label in note.values["engines"]] == ["INT8 (calibrated)", "INT8 + FP16"]
    assert bad(run_of(built("fp32", plan="a"), built("fp16", plan="a"))) == ["same_plan_wrong"]
    assert bad(run_of(built("fp32", plan="a"), built("int8", plan="a"), built("int8_fp16", plan="a"))) == ["same_plan_wrong"]
    assert not any("same_plan" in key for _, key in keys(rules.findings(profiled())))


@pytest.mark.parametrize("types", [{"fp32": 2}, {"fp16": 1, "int8": 1}])
def test_fp16_that_came_out_as_something_else_is_red(types):
    run = run_of(built("fp32", found={"fp32": 2}), built("fp16", found=types))
    assert bad(run) == ["other_type"]
    (finding,) = found(run, "other_type")
    assert finding.values["engine"].en == "FP16"


def test_types_inside_the_engine_are_shown():
    inside = {"fp32": {"fp32": 2}, "tf32": {"": 2}, "fp16": None, "int8": {"int8": 1}}
    run = run_of(*(built(precision, found=types) for precision, types in inside.items()))
    shown = [row["found"] for row in tables.engines(run).rows]
    assert [cell if isinstance(cell, str) else cell.en for cell in shown] == [
        "2 × FP32",
        "not told by the engine inspector",
        "needs a GPU to read",
        "1 × INT8",
    ]
    assert bad(run) == []


def test_a_build_that_failed_is_red_and_what_cannot_be_built_is_a_note():
    failed = missing("file_size", "bytes", "tensorrt/fp16", "failed", values={"message": "asked for fp16, but …"})
    later = missing("layers_time", "ms", "tensorrt/fp16", "failed", batch_size=16, values={"message": "asked for fp16, but …"})
    lacking = [missing("file_size", "bytes", f"tensorrt/{precision}", "no_calibrator") for precision in ("int8", "int8_fp16")]
    run = run_of(built("fp32"), more=[failed, later, *lacking])
    assert bad(run) == ["failed"]
    assert "asked for fp16" in found(run, "failed")[0].text.ja
    assert "batch" not in found(run, "failed")[0].text.en
    (note,) = found(run, "unmeasured")
    assert "TensorRT INT8 (calibrated) and INT8 + FP16" in note.text.en
    assert found(run, "built")[0].values == {"tensorrt": "TensorRT 8.5.3.1", "count": 1, "total": 4}
    assert [row["precision"].en for row in tables.engines(run).rows] == ["FP32", "FP16", "INT8 (calibrated), INT8 + FP16"]


def test_several_builds_show_the_fastest_and_the_slowest():
    row = tables.engines(run_of(built("fp32", seconds=(3.0, 1.0, 2.0)))).rows[0]
    assert row["build"] == Interval(2.0, 1.0, 3.0)
    html = table_html(tables.engines(run_of(built("fp32", seconds=(2.0,)))), "en")
    assert "[2.00" not in html


def test_without_a_gpu_the_reason_is_one_note():
    late = [missing("layers_time", "ms", f"tensorrt/{p}", batch_size=16, scope="gpu_compute") for p in ("fp32", "fp16")]
    never = missing("layers_time", "ms", "tensorrt/int8", "no_calibrator", batch_size=16, scope="gpu_compute")
    run = run_of(built("fp32"), built("fp16"), more=[*late, never, missing("file_size", "bytes", "tensorrt/int8", "no_calibrator")])
    (note,) = found(run, "not_run")
    assert "TensorRT FP32 and FP16 were not timed here (no NVIDIA GPU on this system)" in note.text.en
    assert "このシステムにNVIDIA GPUがない" in note.text.ja
    assert [row["sum"] for row in tables.summary(run).rows] == [Reason("no_gpu"), NO_INT8]


def test_a_disturbed_machine_comes_first():
    busy = Record("other_cpu", "share", 0.5, stats={"gpu": {}})
    assert keys(rules.findings(run_of(built("fp32"), timed={"fp32": engine_of()}, more=[busy])))[0] == ("warn", "disturbed")


@pytest.mark.parametrize("records", [[], [missing("file_size", "bytes", "tensorrt/int8", "no_calibrator")]])
def test_a_run_without_numbers_is_shown_all_the_same(records):
    run = made_run(STAGE, records)
    rules.findings(run)
    for language in LANGUAGES:
        for table in (tables.engines, tables.summary, tables.all_layers, tables.features):
            assert table_html(table(run), language)
        for figure in (figures.sizes, figures.times):
            figure(run).draw(language)


def test_features_have_words_and_one_without_is_shown_by_its_key():
    for feature in trt.FEATURES:
        assert {feature.key} <= rules.W.groups["features"].keys() & rules.W.groups["since"].keys()
    listed = [exhibits.Feature(key="calibrator", path="a.b", here=None), exhibits.Feature(key="later", path="c.d", here=False)]
    run = made_run(STAGE, [], {"features": exhibits.Features(tensorrt="", features=listed)})
    rows = tables.features(run).rows
    assert [row["feature"].en for row in rows] == ["INT8 calibrators", "later"]
    assert [row["here"].en for row in rows] == ["TensorRT is not installed", "no"]
    assert "none is installed" in tables.features(run).caption.en


# Layers


def test_engines_that_do_what_was_asked_are_good_and_others_are_named():
    run = profiled()
    assert [label.en for label in found(run, "in_type")[0].values["engines"]] == ["FP32", "TF32", "FP16"]
    assert "INT8 (explicit) 1 of 2 (others logits_1/MatMul: FP32)." in found(run, "partly_in_type")[0].text.en
    assert {row["longest"] for row in tables.summary(run).rows} == {"Conv + relu1_1_1"}


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8_qdq"])
def test_an_engine_without_a_layer_in_its_type_is_red(precision):
    run = profiled({precision: engine_of()})
    assert bad(run) == ["no_layer"]
    assert found(run, "no_layer")[0].values["engine"] == PRECISIONS[precision].label
    assert not found(run, "in_type")
    assert not found(run, "partly_in_type")


def test_tf32_in_an_fp32_engine_is_red_and_named():
    run = profiled({"fp32": engine_of("tf32")})
    assert bad(run) == ["alien_layers"]
    assert "These are Conv + relu1_1_1: TF32." in found(run, "alien_layers")[0].text.en


def test_types_that_were_not_told_condemn_no_engine():
    run = profiled({"fp16": engine_of("", "", "fp32")})
    assert bad(run) == []
    assert "FP16 0 of 2" in found(run, "partly_in_type")[0].text.en
    assert "不明" in table_html(tables.all_layers(run), "ja")


def test_a_reformat_into_another_type_is_no_computing_in_it():
    own = [layer(COPY + CONV, "Reformat", "int8", 0.1), *engine_of()[1:]]
    assert bad(profiled({"fp32": own})) == []
    assert bad(profiled({"int8": own})) == ["no_layer"]


def test_where_no_product_is_named_the_layers_with_most_of_the_time_are_heavy():
    own = [layer(str(ms), "", "fp32", ms) for ms in (0.05, 0.5, 0.35, 0.1)]
    assert [each.ms for each in layers.heavy(own)] == [0.5, 0.35]


def test_more_layers_than_a_finding_names_are_counted():
    run = profiled({"fp32": [layer(f"Conv_{k}", "Conv", "tf32", 1.0) for k in range(5)]})
    assert found(run, "alien_layers")[0].text.en.endswith(", 2 more.")


def test_tables_compare_the_engines_in_their_units():
    rows = tables.summary(profiled()).rows
    assert [row["sum"] for row in rows] == pytest.approx([1000, 500, 250, 200])
    assert [row["sum_ratio"] for row in rows] == pytest.approx([1, 0.5, 0.25, 0.2])
    assert [row["heavy"].en for row in rows] == ["2 of 2", "2 of 2", "2 of 2", "1 of 2"]
    assert tables.summary(profiled({"fp16": GOOD["fp16"]})).rows[0]["sum_ratio"] is None
    every = tables.all_layers(profiled()).rows
    assert [(row["precision"], row["index"]) for row in every] == [(PRECISIONS[p].label, i) for p in GOOD for i in range(5)]
    assert every[1]["time"] == pytest.approx((700, 630, 770))
    assert sum(row["share"] for row in every[:5]) == pytest.approx(100)


def test_layers_without_any_time_have_no_share():
    run = profiled({"fp32": [layer(CONV, "Conv", "fp32", 0.0)]})
    assert tables.summary(run).rows[0]["share_longest"] == 0
    assert tables.summary(run).rows[0]["sum_ratio"] is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (CONV, "Conv + relu1_1_1"),
        (COPY + CONV, "reformat → Conv"),
        ("Reformatting CopyNode for Output Tensor 0 to logits_1/MatMul", "logits_1/MatMul → reformat"),
        ("PWN(standardise_1/mul + (Unnamed Layer* 3) [Shuffle], PWN(standardise_1/add))", "standardise_1/mul"),
        ("conv2_1/merged_input + relu1/Relu_QuantizeLinear_quantize_scale_node + Conv_2 + relu2/Relu", "Conv_2 + relu2"),
        ("logits_1/MatMul/MatMulAddFusion", "logits_1/MatMul"),
        ("{ForeignNode[dense1/MatMul...logits/BiasAdd]}", "dense1/MatMul + logits"),
        ("a_name_without_any_structure_at_all", "a_name_without_any_struct…"),
        ("", ""),
    ],
)
def test_names_are_shortened(name, shown):
    assert layers.short(name) == shown


# Figures


def words(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_drawn_without_a_missing_glyph(language):
    run = profiled(GOOD | {"int8": engine_of("int8", "", "int8")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.sizes(run).draw(language).savefig("/dev/null", format="png")
        figure = figures.times(run).draw(language)
        figure.savefig("/dev/null", format="png")
    assert rules.type_label("").in_(language) in " ".join(words(figure))
    assert rules.W("axes.time").in_(language) in words(figure)


def test_bars_are_the_times_in_the_colour_of_the_type():
    panels = figures.times(profiled()).draw("en").axes
    for panel, own in zip(panels, GOOD.values(), strict=True):
        bars = [patch for container in panel.containers for patch in container]
        assert [bar.get_width() for bar in bars] == pytest.approx([1e3 * each.ms for each in own])
    colours = [container[0].get_facecolor() for container in panels[3].containers]
    assert len(set(colours)) == 3  # reformatting, INT8, FP32
    assert colours[1] == colours[2] != colours[3] == colours[4]


def test_layers_of_one_operation_share_a_row():
    fused = [layer(f"{CONV} + {POOL}", "CaskConvolution", "int8", 0.1), layer("Cast", "Cast", "fp32", 0.1), *GOOD["int8_qdq"][3:]]
    panels = figures.times(profiled({"fp32": GOOD["fp32"], "int8_qdq": fused})).draw("en").axes
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["reformat → Conv", "Conv + relu1_1_1", "Cast", "pool1_1/MaxPool2d", "logits_1/MatMul", "probabilities_1/Softmax"]
    assert [round(container[0].get_y() + container[0].get_height() / 2) for container in panels[1].containers] == [1, 2, 4, 5]


def test_layers_of_one_name_have_rows_of_their_own():
    (panel,) = figures.times(profiled({"fp32": [layer("Conv", "Conv", "fp32", 0.1), layer("Conv", "Conv", "fp32", 0.2)]})).draw("ja").axes
    assert [container[0].get_width() for container in panel.containers] == pytest.approx([100, 200])


def test_alt_texts_say_the_numbers():
    alt = figures.times(profiled()).alt
    assert "FP16 (5 layers, 250 µs, longest Conv + relu1_1_1 with 70%)" in alt.en
    assert "FP16（5層で250 µs、最長はConv + relu1_1_1で70%）" in alt.ja
    assert "FP16 7.50 MB" in figures.sizes(profiled()).alt.en


# Measuring


@pytest.fixture
def session(quick):
    return Session(quick.profile, STAGE)


@pytest.fixture
def engines(session, monkeypatch):
    """Engines of fp32 and fp16 that need no TensorRT; int8 has no calibrator. They may be changed."""
    info = {"build_s": [3.0, 1.0, 2.0], "calibration_s": None, "timing_cache": False, "weights_bytes": None, "onnx": "fp32"}
    info |= {"product_types": {"fp32": 2}, "engine_types": None, "system_id": system.system_id()}
    made = {precision: artifact(precision, dict(info)) for precision in ("fp32", "fp16")}
    monkeypatch.setattr(trt, "flavour", lambda: None)
    monkeypatch.setattr(plans, "unavailable", lambda: Reason("no_gpu"))
    monkeypatch.setattr(plans, "not_buildable", lambda precision: None if precision in made else NO_INT8)
    monkeypatch.setattr(plans, "engine", lambda _, precision: made[precision])
    monkeypatch.setattr(plans, "plan_sha256", lambda engine: engine.sha256)
    return made


def artifact(precision, info):
    return SimpleNamespace(precision=precision, sha256=f"sha of {precision}", info=info, size=lambda name: SIZES[precision])


def measured(session):
    measure.measure(session)
    return made_run(STAGE, session.records, session.exhibits)


def test_every_precision_has_its_numbers_or_its_reason(session, engines):
    run = measured(session)
    size, time = (run.find(metric, rules.BASE) for metric in ("file_size", "build_time"))
    assert (size.value, size.stats, size.artifact_sha256) == (15_000_000, {"plan_sha256": "sha of fp32"}, "sha of fp32")
    assert (time.value, time.samples, time.stats) == (2.0, [3.0, 1.0, 2.0], {"timing_cache": False})
    assert run.find("weights_size", rules.BASE).reason == Reason("not_in_build_log")
    assert run.find("file_size", Candidate("tensorrt", "int8")).reason == NO_INT8
    assert {c.precision for c in run.candidates("file_size")} == set(PRECISIONS)
    assert [r.reason for r in run.records("layers_time")][:3] == [Reason("no_gpu"), NO_INT8, Reason("no_gpu")]
    assert not run.records("other_cpu")  # nothing was timed
    assert bad(run) == []


def test_an_engine_from_another_system_has_no_times_here(session, engines):
    engines["fp32"].info |= {"system_id": "elsewhere", "calibration_s": 14.8}
    engines["fp16"].info |= {"calibration_s": 14.8}
    run = measured(session)
    for metric in ("build_time", "calibration_time"):
        assert run.find(metric, rules.BASE).reason == Reason("built_elsewhere")
    assert run.find("calibration_time", Candidate("tensorrt", "fp16")).value == 14.8
    assert tables.engines(run).rows[0]["build"] == Reason("built_elsewhere")


def test_a_build_that_fails_leaves_the_others(session, engines, monkeypatch):
    def engine(_, precision):
        if precision == "fp16":
            raise trt.EngineError("asked for fp16, but the convolutions of the finished engine run: 2 in fp32")
        return engines[precision]

    monkeypatch.setattr(plans, "engine", engine)
    run = measured(session)
    assert rules.built(run) == [rules.BASE]
    assert bad(run) == ["failed"]


def test_layers_are_timed_where_there_is_a_gpu(session, engines, monkeypatch):
    def layer_times(_, precision, engine, images, repeats):
        assert (engine.precision, repeats, images.dtype) == (precision, measure.REPEATS, np.float32)
        assert images.shape == (session.profile.engines.opt_batch, 32, 32, 3)
        if precision == "fp16":
            raise ReportError("no memory left")
        return [plans.LayerTime(CONV, "CaskConvolution", "fp32", "tactic", times_ms=[0.9, 1.0, 1.1])]

    monkeypatch.setattr(plans, "unavailable", lambda: None)
    monkeypatch.setattr(plans, "layer_times", layer_times)
    run = measured(session)
    (own,) = rules.profiles(run)[rules.BASE]
    assert (own.name, own.kind, own.type, own.tactic) == (CONV, "CaskConvolution", "fp32", "tactic")
    assert (own.ms, own.p10_ms, own.p90_ms) == pytest.approx((1.0, 0.92, 1.08))
    time = run.find("layers_time", rules.BASE)
    assert (time.value, time.batch_size, time.scope) == (1.0, session.profile.engines.opt_batch, "gpu_compute")
    assert run.records("other_cpu")
    assert bad(run) == ["failed"]


def test_a_profiler_without_layers_is_a_reason(session, engines, monkeypatch):
    monkeypatch.setattr(plans, "unavailable", lambda: None)
    monkeypatch.setattr(plans, "layer_times", lambda *_: [])
    run = measured(session)
    assert run.find("layers_time", rules.BASE).reason == Reason("no_layers")
    assert not rules.profiles(run)


@pytest.mark.skipif(trt.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")
def test_the_tiny_model_is_built(session):
    run = measured(session)
    assert [c.precision for c in rules.built(run)] == ["fp32", "tf32", "fp16", "int8_qdq"]
    assert rules.networks(run)[Candidate("tensorrt", "int8_qdq")].asked.keys() == {"int8"}
    assert len({run.find("file_size", c).stats["plan_sha256"] for c in rules.built(run)}) == 4
    assert len(tables.features(run).rows) == len(trt.FEATURES)
    assert bad(run) == []


def test_of_many_layers_those_that_take_the_most_time_are_drawn():
    rows = [f"layer{number}" for number in range(200)]
    timed = {
        row: exhibits.Layer(name=row, kind="", type="", tactic="", ms=number, p10_ms=0, p90_ms=number) for number, row in enumerate(rows)
    }
    assert figures._longest(rows, [timed, {}]) == rows[-figures.MOST :]
    assert figures._longest(rows[:3], [timed]) == rows[:3]
