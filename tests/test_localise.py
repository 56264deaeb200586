"""lib/pages/consistency/measure.py on the real exports in ONNX Runtime, and on networks that are broken in a known place."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import numpy as np
import onnx
import pytest

from lib import export, trt
from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import candidate as pairs
from lib.experiment.candidate import Pair
from lib.measure import compare, predictions
from lib.pages.consistency import layer_figures as figures
from lib.pages.consistency import layer_tables as localise_tables
from lib.pages.consistency import measure as localise
from lib.pages.consistency import tables as consistency
from lib.text import LANGUAGES, Text

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
NO_CHIP = Text("no such chip", "チップがない")
KEYS = ("savedmodel/fp32", "onnxrt/fp32", "onnxrt/fp16", "onnxrt/int8_qdq")


@pytest.fixture(scope="module")
def done(quick):
    """The study of notebook 05 as far as ONNX Runtime goes, with a TensorRT that cannot run."""
    every = [pair for pair in pairs.all_pairs() if pair.key in KEYS]
    answers = {pair.key: predictions.of(quick, pair.runner, pair.precision) for pair in every}
    every.append(Pair("tensorrt", "fp16", Text("TensorRT", "TensorRT"), NO_CHIP))
    return consistency.Study(every, answers, dict.fromkeys(answers, "sha"), compare.matrix(answers), "here")


@pytest.fixture(scope="module")
def images(quick):
    return datasets.to_input(quick.images.x_test[:16])


def pair_of(done, key):
    return next(pair for pair in done.pairs if pair.key == key)


def over(done, *keys, by=0.6):
    """The same study in which these runners give every image another class."""
    answers = dict(done.answers)
    for key in keys:
        answers[key] = np.roll(answers[key], 1, axis=1) * np.float32(by) + np.float32((1 - by) / 10)
    return replace(done, answers=answers, matrix=compare.matrix(answers))


def test_where_none_is_over_its_tolerance_the_farthest_of_a_runner_is_shown(quick, done):
    found = localise.study(quick, done)
    (trace,) = found.traces
    assert (trace.pair.key, trace.over, trace.reason) == ("onnxrt/int8_qdq", False, None)
    assert len(trace.images) == len(set(trace.images)) == 32
    (finding,) = localise.findings(found)
    assert finding.level == "note"
    assert "(within its tolerance; of this runner's precisions the farthest from the SavedModel)" in finding.text.en
    assert "この実行系の数値精度の中でSavedModelから最も離れている" in finding.text.ja
    assert f"changed a probability by up to {trace.marking:.1e}" in finding.text.en


def test_every_runner_over_its_tolerance_is_shown_but_the_yardstick(quick, done):
    found = localise.study(quick, over(done, "onnxrt/fp16", "onnxrt/int8_qdq", "onnxrt/fp32"))
    assert [(t.pair.key, t.over) for t in found.traces] == [("onnxrt/fp16", True), ("onnxrt/int8_qdq", True)]
    assert found.export_over
    bad = [f for f in localise.findings(found) if f.level == "bad"]
    assert len(bad) == 1
    assert "begins in the export" in bad[0].text.en


def test_images_with_another_class_come_first_then_the_farthest(done):
    answers = np.full((6, 2), 0.5, np.float32) + np.float32([0.1, -0.1])
    got = answers.copy()
    got[1] += [0.05, -0.05]
    got[2] -= [0.2, -0.2]  # another class
    got[4] -= [0.15, -0.15]  # another class, less far
    got[5] += [0.3, -0.3]
    study = replace(done, answers={consistency.REFERENCE: answers, "onnxrt/fp16": got})
    assert localise.worst_images(study, pair_of(done, "onnxrt/fp16"), 5) == [2, 4, 5, 1, 0]


@pytest.mark.parametrize(("precision", "most"), [("fp32", 0.0), ("fp16", 5e-3), ("int8_qdq", 0.1)])
def test_tensors_of_the_exports_are_compared_in_graph_order(quick, done, images, precision, most):
    layers, probabilities = localise.compare(quick, pair_of(done, f"onnxrt/{precision}"), images)
    assert [layer.index for layer in layers] == list(range(1, len(layers) + 1))
    operators = [layer.operator for layer in layers]
    assert operators.count("Conv") == operators.count("MaxPool") == 2
    assert (operators[0], operators[-1], layers[-1].tensor) == ("Mul", "Softmax", "probabilities")
    assert max(layer.relative for layer in layers) <= most
    assert (max(layer.relative for layer in layers) > 0) == (precision != "fp32")
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-2)


def test_tensors_that_a_variant_lacks_are_left_out(quick, done, images):
    full, _ = localise.compare(quick, pair_of(done, "onnxrt/fp16"), images)
    fused, _ = localise.compare(quick, pair_of(done, "onnxrt/int8_qdq"), images)
    assert {layer.tensor for layer in fused} < {layer.tensor for layer in full}  # MatMul and Add have become one Gemm
    assert next(layer for layer in fused if layer.tensor.startswith("logits")).operator == "Add"


def test_marked_gives_the_values_that_the_network_computes(quick, images):
    network = onnx.load(export.onnx(quick, "fp32").file("model.onnx"))
    before = network.SerializeToString()
    conv, relu = (next(n.output[0] for n in network.graph.node if n.op_type == kind) for kind in ("Conv", "Relu"))
    got = localise.marked(network, [conv, relu, "probabilities"], images)
    assert np.array_equal(np.maximum(got[conv], 0), got[relu])
    assert np.allclose(got["probabilities"].argmax(1), predictions.of(quick, "onnxrt", "fp32")[:16].argmax(1))
    assert network.SerializeToString() == before


@pytest.fixture
def broken(quick, monkeypatch, tmp_path):
    """`broken(operator, factor)`: the FP16 export as FP32 with the first weights of `operator` multiplied."""

    def breaking(operator, factor):
        network = onnx.load(export.onnx(quick, "fp32").file("model.onnx"))
        node = next(n for n in network.graph.node if n.op_type == operator)
        weights = next(t for t in network.graph.initializer if t.name == node.input[1])
        weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32(factor), weights.name))
        onnx.save(network, tmp_path / "model.onnx")
        real = export.onnx

        class Stored:
            sha256 = "broken"

            def file(self, name):
                return tmp_path / name

        monkeypatch.setattr(export, "onnx", lambda session, variant: Stored() if variant == "fp16" else real(session, variant))
        return node.output[0]

    return breaking


def test_a_difference_begins_at_the_layer_that_was_changed(quick, done, broken):
    tensor = broken("MatMul", 1.5)
    found = localise.study(quick, over(done, "onnxrt/fp16"))
    (trace,) = found.traces
    assert trace.begins.tensor == tensor
    assert trace.begins.relative == pytest.approx(0.5, abs=1e-3)
    before = [layer for layer in trace.layers if layer.index < trace.begins.index]
    assert max(layer.relative for layer in before) < 1e-6
    (finding,) = localise.findings(found)
    assert f"begins at {tensor} (MatMul, {trace.begins.index} of {len(trace.layers)} tensors): 5.0e-01" in finding.text.en
    marks = [row["tensor"] for row in localise_tables.rows(found) if row.get("begins")]
    assert marks == [tensor]


def test_a_change_below_the_stated_multiple_of_a_rounding_is_rounding(quick, done, broken):
    broken("MatMul", 1 + 10 * localise.ROUNDING["fp16"])
    found = localise.study(quick, over(done, "onnxrt/fp16"))
    assert found.traces[0].begins is None
    assert "no tensor is over 16 roundings (7.8e-03)" in localise.findings(found)[0].text.en


def test_overflow_is_where_it_begins_and_has_no_number(quick, done, broken):
    tensor = broken("Conv", 3e38)
    found = localise.study(quick, over(done, "onnxrt/fp16"))
    (trace,) = found.traces
    assert (trace.begins.tensor, trace.begins.relative, trace.marking) == (tensor, None, None)
    assert "overflow" in localise.findings(found)[0].text.en
    records = localise.records(found)
    assert json.dumps([asdict(r) for r in records], allow_nan=False)
    lost = [r for r in records if r.reason == localise.NOT_FINITE]
    assert {r.metric for r in lost} == {"relative_difference", "marking_difference"}
    for language in LANGUAGES:
        figures.depth(found)(language).canvas.draw()


def test_a_network_of_another_shape_is_no_comparison(quick, done, images, monkeypatch):
    monkeypatch.setattr(localise, "_values", lambda *args: {name: np.zeros((16, 3), np.float32) for name in args[3]})
    with pytest.raises(ReportError, match=r"has shape \(16, 3\), .* not the same network"):
        localise.compare(quick, pair_of(done, "onnxrt/fp16"), images)


@pytest.fixture
def tensorrt(done, monkeypatch):
    """The study with a TensorRT of INT8 that is over its tolerance, and what lib.trt is asked for."""
    pair, asked = Pair("tensorrt", "int8", Text("TensorRT", "TensorRT"), None), {}
    answers = done.answers | {pair.key: done.answers["onnxrt/fp32"]}
    study = replace(done, pairs=[*done.pairs, pair], answers=answers, artifacts=done.artifacts | {pair.key: "engine"})
    study = over(study, pair.key)

    def intermediate(session, precision, tensors, x):
        asked.update(precision=precision, tensors=tensors, x=x)
        network = onnx.load(export.onnx(session, "fp32").file("model.onnx"))
        return {name: value + np.float32(1e-3) for name, value in localise.marked(network, tensors, x).items()}

    monkeypatch.setattr(trt, "intermediate", intermediate)
    monkeypatch.setattr(trt, "onnx_variant", lambda precision: "fp32")
    return study, asked


def test_tensorrt_is_asked_for_the_tensors_of_its_network(quick, tensorrt):
    study, asked = tensorrt
    (trace,) = localise.study(quick, study).traces
    assert (asked["precision"], asked["x"].shape) == ("int8", (32, 32, 32, 3))
    assert np.array_equal(asked["x"], datasets.to_input(quick.images.x_test[trace.images]))
    assert asked["tensors"] == [layer.tensor for layer in trace.layers]
    assert trace.layers[0].max_abs == pytest.approx(1e-3, rel=1e-2)
    assert trace.artifact_sha256 == "engine"


@pytest.fixture
def several(done, tensorrt):
    """TensorRT at two precisions beside ONNX Runtime, all within tolerance, and a runner that answers as the SavedModel does."""
    label = Text("other", "他")
    keys = {"tensorrt/int8": "onnxrt/fp16", "tensorrt/fp32": "onnxrt/fp32", "onnxrt_cuda/fp32": "savedmodel/fp32"}
    answers = done.answers | {key: done.answers[like] for key, like in keys.items()}
    more = [Pair(*key.split("/"), label, None) for key in keys]
    return replace(
        done, pairs=[*done.pairs, *more], answers=answers, artifacts=dict.fromkeys(answers, "sha"), matrix=compare.matrix(answers)
    )


def test_the_farthest_of_each_runner_is_shown_whoever_is_farthest_of_all(quick, several):
    found = localise.study(quick, several)
    assert [(t.pair.key, t.over) for t in found.traces] == [("onnxrt/int8_qdq", False), ("tensorrt/int8", False)]
    assert [f.text.en.count("farthest from the SavedModel") for f in localise.findings(found)] == [1, 1]
    labels = [row["runner"].en for row in localise_tables.rows(found)]
    assert labels == sorted(labels, key=labels.index)  # a runner's rows lie together
    lines = [line for line in figures.depth(found)("en").axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 2


def test_a_runner_that_answers_as_the_savedmodel_does_has_no_difference_to_localise(quick, several):
    keys = ("savedmodel/fp32", "onnxrt_cuda/fp32")
    same = replace(several, pairs=[pair_of(several, key) for key in keys], answers={key: several.answers[key] for key in keys})
    assert localise.study(quick, same).traces == []


def test_what_tensorrt_refuses_is_a_reason(quick, tensorrt, monkeypatch):
    def refuse(*args):
        raise ReportError("the network has no tensor 'Conv'")

    monkeypatch.setattr(trt, "intermediate", refuse)
    found = localise.study(quick, tensorrt[0])
    assert "was not compared layer by layer: the network has no tensor 'Conv'" in localise.findings(found)[0].text.en
    record = next(r for r in localise.records(found) if r.runner == "tensorrt" and r.precision == "int8")
    assert record.reason.en == "the network has no tensor 'Conv'"
    assert any(row.get("relative") == record.reason for row in localise_tables.rows(found))


def test_rows_and_records_say_what_did_not_run(quick, done):
    found = localise.study(quick, done)
    rows, records = localise_tables.rows(found), localise.records(found)
    assert rows[-1] == {"runner": Text("TensorRT", "TensorRT"), "precision": Text("FP16", "FP16"), "relative": NO_CHIP}
    assert {key for row in rows for key in row} == {column.key for column in localise_tables.columns()}
    assert [r.reason for r in records if r.runner == "tensorrt"] == [NO_CHIP]
    layers = [r for r in records if r.value is not None and r.metric == "relative_difference"]
    assert len(layers) == len(found.traces[0].layers) == len(rows) - 1
    assert len({r.case["tensor"] for r in layers}) == len(layers)
    (marking,) = [r for r in records if r.metric == "marking_difference"]
    assert 0 <= marking.value < 0.1
    assert "32 test images on which each runner differs most" in localise_tables.caption(found).en


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figure_has_a_line_a_runner_on_a_logarithmic_axis(quick, done, language):
    found = localise.study(quick, over(done, "onnxrt/fp16", "onnxrt/int8_qdq"))
    axes = figures.depth(found)(language).axes[0]
    assert axes.get_xscale() == "log"
    assert bool(JAPANESE.search(axes.get_xlabel())) == (language == "ja")
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert [line.get_color() for line in drawn] == ["#009E73", "#D55E00"]
    labels = [text.get_text() for text in axes.texts]
    assert sum("ONNX Runtime" in label for label in labels) == 2
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "probabilities"


def test_where_nothing_can_be_compared_the_page_says_so(quick, done, monkeypatch):
    pages = []
    monkeypatch.setattr(figures.show, "html", lambda make: pages.append([make(language) for language in LANGUAGES]))
    only = replace(done, pairs=[pair_of(done, key) for key in KEYS[:2]], answers={key: done.answers[key] for key in KEYS[:2]})
    found = localise.study(quick, only)
    figures.show_depth(found)
    assert "No runner that ran here differs from the SavedModel" in pages[0][0]
    assert JAPANESE.search(pages[0][1])
    assert (found.traces, localise.findings(found), localise_tables.rows(found)) == ([], [], [])
