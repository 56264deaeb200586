"""The layers of the finished engines: records, tables, findings and the figure. The times are made up: a GPU measures them."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import matplotlib.text
import numpy as np
import pytest

from lib import trt
from lib.experiment.precision import PRECISIONS
from lib.pages.engines import layer_figures as figures
from lib.pages.engines import layers as engine_layers
from lib.pages.engines.tables import Engine
from lib.store.records import Record
from lib.text import LANGUAGES, Text

NO_GPU = Text("no GPU here", "GPUがない")
NO_INT8 = Text("no calibrators", "キャリブレーターがない")
COPY = "Reformatting CopyNode for Input Tensor 0 to "
CONV, POOL, DENSE, SOFTMAX = "Conv + relu1_1_1/Relu", "pool1_1/MaxPool2d", "logits_1/MatMul", "probabilities_1/Softmax"


def layer(index, name, kind, of, ms, tactic=""):
    return trt.LayerTime(index, name, kind, of, tactic, [] if ms is None else [0.9 * ms, ms, 1.1 * ms])


def engine_of(conv="fp32", dense="fp32", pool="fp32", speed=1.0):
    """A reformat, a convolution with 70 % of the time, pooling, a matrix product and a softmax, in the types that are given."""
    return [
        layer(0, COPY + CONV, "Reformat", conv, 0.1 / speed),
        layer(1, CONV, "CaskConvolution", conv, 0.7 / speed, f"sm80_xmma_fprop_{conv}"),
        layer(2, POOL, "CaskPooling", pool, 0.05 / speed),
        layer(3, DENSE, "CaskGemmMatrixMultiply", dense, 0.1 / speed),
        layer(4, SOFTMAX, "CudaSoftMax", "fp32", 0.05 / speed),
    ]


GOOD = {
    "fp32": engine_of(),
    "tf32": engine_of("tf32", "tf32", speed=2),
    "fp16": engine_of("fp16", "fp16", "fp16", speed=4),
    "int8_qdq": engine_of("int8", "fp32", "int8", speed=5),
}


@pytest.fixture
def session():
    profile = SimpleNamespace(engines=SimpleNamespace(opt_batch=16))
    return SimpleNamespace(profile=profile, images=SimpleNamespace(x_test=np.full((4, 32, 32, 3), 255, np.uint8)))


@pytest.fixture
def measured(session, monkeypatch):
    """`measured({"fp32": layers})`: the records of engines with these layers; an exception instead of layers is raised."""

    def of(layers):
        def layer_times(session, precision, artifact, images, repeats):
            assert precision == artifact.precision
            assert images.shape == (16, 32, 32, 3)
            assert images.dtype == np.float32
            assert images.max() == 1
            if isinstance(layers[artifact.precision], Exception):
                raise layers[artifact.precision]
            return layers[artifact.precision]

        monkeypatch.setattr(trt, "unavailable", lambda: None)
        monkeypatch.setattr(trt, "layer_times", layer_times, raising=False)
        return engine_layers.measure(session, [built(precision) for precision in layers])

    return of


def built(precision):
    return Engine(precision, SimpleNamespace(sha256=f"sha of {precision}", precision=precision))


def said(records, level, language="en"):
    return [f.text.in_(language) for f in engine_layers.findings(records) if f.level == level]


# Records


def test_one_record_a_layer(measured):
    records = measured(GOOD)
    assert len(records) == 5 * len(GOOD)
    conv = records[1]
    assert (conv.metric, conv.unit, conv.value, conv.runner, conv.precision) == ("layer_time", "ms", 0.7, "tensorrt", "fp32")
    assert (conv.batch_size, conv.scope, conv.artifact_sha256) == (16, "gpu_compute", "sha of fp32")
    assert conv.case == {"index": 1, "layer": CONV, "kind": "CaskConvolution", "type": "fp32", "tactic": "sm80_xmma_fprop_fp32"}
    assert conv.stats == {"n": 3, "p10_ms": pytest.approx(0.644), "p90_ms": pytest.approx(0.756), "share": pytest.approx(0.7)}


def test_shares_of_an_engine_add_to_one(measured):
    for layers in engine_layers.timed(measured(GOOD)).values():
        assert sum(r.stats["share"] for r in layers) == pytest.approx(1)


def test_a_layer_without_time_says_so_and_has_no_share(measured):
    records = measured({"fp32": [*GOOD["fp32"], layer(5, "Shape", "NoOp", "", None)]})
    assert (records[5].value, records[5].reason, records[5].case["layer"]) == (None, engine_layers.UNTIMED, "Shape")
    assert sum(r.stats["share"] for r in records[:5]) == pytest.approx(1)
    assert engine_layers.rows(records)[5]["time"] == engine_layers.UNTIMED
    assert engine_layers.summary(records)[0]["layers"] == 5


def test_without_a_gpu_every_precision_has_its_reason(session, monkeypatch):
    monkeypatch.setattr(trt, "unavailable", lambda: NO_GPU)
    monkeypatch.setattr(trt, "layer_times", lambda *arguments: pytest.fail("an engine was run"), raising=False)
    records = engine_layers.measure(session, [built("fp32"), Engine("int8", reason=NO_INT8)])
    assert [(r.value, r.reason, r.case) for r in records] == [(None, NO_GPU, {}), (None, NO_INT8, {})]
    assert [row["time"] for row in engine_layers.rows(records)] == [NO_GPU, NO_INT8]
    assert [row["sum"] for row in engine_layers.summary(records)] == [NO_GPU, NO_INT8]
    assert engine_layers.timed(records) == {}
    (note,) = engine_layers.findings(records)  # why INT8 is not built is said where engines are built
    assert note == ("note", ("Time of the layers: not measured: no GPU here.", "層ごとの時間：未測定（理由：GPUがない）。"))


def test_an_engine_that_cannot_be_timed_leaves_the_others(measured):
    records = measured({"fp32": GOOD["fp32"], "tf32": trt.EngineError("no memory left"), "fp16": []})
    assert list(engine_layers.timed(records)) == ["fp32"]
    assert [r.reason.en for r in records if r.value is None] == ["no memory left", engine_layers.NO_LAYERS.en]
    assert any("no memory left" in text for text in said(records, "note"))


# Tables


def test_rows_are_sorted_and_in_the_columns_units(measured):
    rows = engine_layers.rows(reversed(measured(GOOD)))
    assert [(row["precision"], row["index"]) for row in rows] == [(PRECISIONS[p].label, i) for p in GOOD for i in range(5)]
    assert (rows[1]["time"], rows[1]["low"], rows[1]["share"]) == (pytest.approx(700), pytest.approx(644), pytest.approx(70))
    assert rows[1]["layer"] == CONV
    assert {c.key for c in engine_layers.columns()} <= rows[1].keys()


def test_a_type_that_was_not_told_shows_so(measured):
    records = measured({"fp32": engine_of(pool="")})
    assert engine_layers.rows(records)[2]["type"] == engine_layers.UNTOLD
    assert "not told" in engine_layers.folded(records, "en")
    assert "不明" in engine_layers.folded(records, "ja")


def test_summary_compares_the_engines(measured):
    summary = {row["precision"].en: row for row in engine_layers.summary(measured(GOOD))}
    assert [row["sum"] for row in summary.values()] == pytest.approx([1000, 500, 250, 200])
    assert [row["ratio"] for row in summary.values()] == pytest.approx([1, 0.5, 0.25, 0.2])
    assert summary["FP16"]["longest"] == "Conv + relu1_1_1"
    assert [row["heavy"].en for row in summary.values()] == ["2 of 2", "2 of 2", "2 of 2", "1 of 2"]
    alone = engine_layers.summary(measured({"fp16": GOOD["fp16"]}))[0]
    assert alone["ratio"] is None


# Names


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
    assert engine_layers.short(name) == shown


# Findings


def test_engines_that_do_what_was_asked_are_good_and_others_are_named(measured):
    records = measured(GOOD)
    assert said(records, "bad") == []
    assert said(records, "good") == ["All heavy layers run in the type that was asked: FP32, TF32, FP16."]
    notes = said(records, "note")
    assert "INT8 (explicit): 1 of the 2 heavy layers run in the type that was asked; others: logits_1/MatMul (FP32)." in notes
    assert any("share of the time: Conv + relu1_1_1 (FP32 70%, TF32 70%" in text for text in notes)
    assert any("against FP32: TF32 0.50, FP16 0.25, INT8 (explicit) 0.20. Layers are timed one by one" in text for text in notes)
    assert any("層を1つずつ測定する" in text for text in said(records, "note", "ja"))


def test_an_engine_without_its_type_is_bad(measured):
    for precision, asked in (("fp16", "FP16"), ("int8", "INT8"), ("int8_qdq", "INT8")):
        (bad,) = said(measured({precision: engine_of()}), "bad")
        assert f"No layer of the {PRECISIONS[precision].label.en} engine runs in {asked}" in bad


def test_tf32_in_an_fp32_engine_is_bad_and_named(measured):
    (bad,) = said(measured({"fp32": engine_of("tf32")}), "bad")
    assert bad == "Layers of the FP32 engine run in a type that was not asked for: Conv + relu1_1_1 (TF32)."
    assert said(measured({"fp32": engine_of("tf32")}), "good") == []


def test_types_that_were_not_told_condemn_no_engine(measured):
    records = measured({"fp16": engine_of("", "", "fp32")})
    assert said(records, "bad") == []
    assert any("0 of the 2 heavy layers" in text and "(not told)" in text for text in said(records, "note"))


def test_a_reformat_into_another_type_is_no_computing_in_it(measured):
    layers = engine_of()
    layers[0] = layer(0, COPY + CONV, "Reformat", "int8", 0.1)
    assert said(measured({"fp32": layers}), "bad") == []
    assert said(measured({"int8": layers}), "bad")


# Figure


def words(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figure_is_drawn_without_a_missing_glyph(measured, language):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.times(measured(GOOD | {"int8": engine_of("int8", "", "int8")}), language)
        figure.savefig("/dev/null", format="png")
        figures.times([], language).savefig("/dev/null", format="png")
    assert engine_layers.UNTOLD.in_(language) in " ".join(words(figure))
    assert figures.TIME.in_(language) in words(figure)


def test_bars_are_the_times_in_the_colour_of_the_type(measured):
    panels = figures.times(measured(GOOD), "en").axes
    assert len(panels) == len(GOOD)
    for panel, layers in zip(panels, GOOD.values(), strict=True):
        bars = [patch for container in panel.containers for patch in container]
        assert [bar.get_width() for bar in bars] == pytest.approx([1e3 * np.median(layer.times_ms) for layer in layers])
    colours = [container[0].get_facecolor() for container in panels[3].containers]
    assert len(set(colours)) == 3  # reformatting, INT8, FP32
    assert colours[1] == colours[2] != colours[3] == colours[4]


def test_layers_of_one_operation_share_a_row(measured):
    fused = [layer(0, f"{CONV} + {POOL}", "CaskConvolution", "int8", 0.1), layer(1, "Cast", "Cast", "fp32", 0.1), *GOOD["int8_qdq"][3:]]
    panels = figures.times(measured({"fp32": GOOD["fp32"], "int8_qdq": fused}), "en").axes
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["reformat → Conv", "Conv + relu1_1_1", "Cast", "pool1_1/MaxPool2d", "logits_1/MatMul", "probabilities_1/Softmax"]
    places = [round(container[0].get_y() + container[0].get_height() / 2) for container in panels[1].containers]
    assert places == [1, 2, 4, 5]


def test_layers_of_one_name_have_rows_of_their_own(measured):
    twice = [layer(0, "Conv", "Conv", "fp32", 0.1), layer(1, "Conv", "Conv", "fp32", 0.2)]
    (panel,) = figures.times(measured({"fp32": twice}), "ja").axes
    assert [container[0].get_width() for container in panel.containers] == pytest.approx([100, 200])
    assert len(panel.get_yticklabels()) == 2


def test_alt_text_says_the_numbers(measured):
    alt = figures.alt(measured(GOOD))
    assert "FP16 5 layers, 250 µs, longest Conv + relu1_1_1 with 70%" in alt.en
    assert "FP16は5層で250 µs、最長はConv + relu1_1_1で70%" in alt.ja
    assert "none was timed" in figures.alt([]).en
    assert figures.alt([Record("layer_time", "ms", None, precision="fp32", reason=NO_GPU)]) == figures.alt([])
