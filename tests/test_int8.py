"""The calibration study: ranges from histograms, the records it makes, the findings it draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lib import export, stats
from lib.data import dataset as datasets
from lib.export import calibration, quantize
from lib.models import train as training
from lib.pages.int8 import figures
from lib.pages.int8 import tables as int8
from lib.store import session
from lib.store.records import Record
from lib.text import LANGUAGES


@pytest.fixture(scope="session")
def prepared(quick, tmp_path_factory):
    source = export.onnx(quick, "fp32").file(export.ONNX_FILE)
    return quantize.prepare(source, tmp_path_factory.mktemp("int8") / "prepared.onnx")


@pytest.fixture(scope="session")
def records(quick):
    return int8.study(quick)


def activations_of(prepared, names, images):
    import onnx
    import onnxruntime

    network = onnx.shape_inference.infer_shapes(onnx.load(prepared))
    network.graph.output.extend(value for value in network.graph.value_info if value.name in names)
    run = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, run.run(names, {"images": images}), strict=True))


def test_ranges_are_those_of_the_activations(quick, prepared):
    images = datasets.calibration_subset(quick.images.x_train, 70, 1)
    histograms = calibration.Histograms(prepared)
    histograms.add(images)
    values = activations_of(prepared, histograms.tensors, images)
    found = {method: histograms.ranges(method, 99.0) for method in calibration.METHODS}
    assert len(histograms.tensors) == 4  # two convolutions, two dense layers
    for name, value in values.items():
        low, high = found["minmax"][name]
        assert low == pytest.approx(value.min(), abs=1e-5)
        assert high == pytest.approx(value.max(), abs=1e-5)
        width = 2 * np.abs(value).max() / calibration.BINS
        assert found["percentile"][name][1] == pytest.approx(float(np.quantile(value, 0.995)), abs=float(3 * width))
        assert low <= found["entropy"][name][0] <= 0 < found["entropy"][name][1] <= high + width
    assert any(found["entropy"][name][1] < 0.95 * found["minmax"][name][1] for name in values)  # it does choose


def test_images_may_come_in_parts(quick, prepared):
    images = datasets.calibration_subset(quick.images.x_train, 64, 1)
    whole, parts = calibration.Histograms(prepared), calibration.Histograms(prepared)
    whole.add(images)
    parts.add(images[:32])
    parts.ranges("entropy", 99.9)  # asking changes nothing
    parts.add(images[32:])
    for method in calibration.METHODS:
        assert whole.ranges(method, 99.9) == parts.ranges(method, 99.9)


def test_chunks_bound_what_is_in_memory(prepared, monkeypatch):
    histograms, sizes = calibration.Histograms(prepared), []
    real = histograms._collector.collect
    monkeypatch.setattr(histograms._collector, "collect", lambda found: (sizes.append(len(next(iter(found.values())))), real(found)))
    histograms.add(np.zeros((calibration.CHUNK * 2 + 1, 32, 32, 3), np.float32))
    assert sizes == [calibration.CHUNK, calibration.CHUNK, 1]


def test_nothing_is_printed(quick, prepared, capsys):
    histograms = calibration.Histograms(prepared)
    histograms.add(datasets.calibration_subset(quick.images.x_train, 8, 1))
    histograms.ranges("entropy", 99.9)
    histograms.ranges("percentile", 99.9)
    assert capsys.readouterr().out == ""


def test_the_study_measures_every_combination_on_the_whole_test_set(quick, records):
    settings, tested = quick.profile.int8, len(quick.images.y_test)
    cases = {(r.case["method"], r.case["images"]) for r in records if r.case}
    assert cases == {(method, count) for method in settings.methods for count in settings.image_counts}
    assert len(records) == 1 + 2 * len(cases)
    for record in records:
        count = record.stats["disagreeing" if record.metric == "disagreement" else "correct"]
        assert record.stats["tested"] == tested
        assert record.value == count / tested
        assert (record.stats["ci_low"], record.stats["ci_high"]) == stats.wilson(count, tested)


def test_the_study_agrees_with_the_exported_model(quick, records):
    """The combination that is also exported answers alike: same calibration, same rules."""
    from lib.measure import predictions

    count = quick.profile.export.calibration_images
    own = [r for r in records if r.case == {"method": export.CALIBRATION, "images": count}]
    answers = predictions.of(quick, "onnxrt", "int8_qdq").argmax(1)
    assert own[0].value == (answers == quick.images.y_test).mean()


def test_more_images_than_there_are_is_capped_and_said(quick, write_profile, records):
    asked = session.start(str(write_profile(stem="tiny", **{"int8.image_counts": [32, 5000, 9000]})), "test")
    there = len(training.split(quick.profile.train, quick.images)[0])  # without the validation images
    assert int8.image_counts(asked) == [32, there]
    said = int8.findings(asked, records)[-1].text
    assert f"9,000 calibration images; there are {there:,}" in said.en
    assert f"{there:,}枚" in said.ja
    assert not int8._capped(quick)


def _with(records: list[Record], metric: str, method: str, value: float, **stats: float) -> list[Record]:
    chosen = [r.metric == metric and r.case.get("method") == method for r in records]
    return [replace(r, value=value, stats=r.stats | stats) if this else r for r, this in zip(records, chosen, strict=True)]


def test_a_loss_over_one_point_is_red_only_for_the_exported_method(quick, records):
    assert not [f for f in int8.findings(quick, records) if f.level == "bad"]
    baseline = records[0].value
    for loss, level in ((0.0099, "good"), (0.0101, "bad")):
        found = int8.findings(quick, _with(records, "accuracy", export.CALIBRATION, baseline - loss))
        assert next(f for f in found if export.CALIBRATION in f.text.en).level == level
    other = next(method for method in int8.METHOD_NAMES if method != export.CALIBRATION)
    assert "bad" not in {f.level for f in int8.findings(quick, _with(records, "accuracy", other, baseline - 0.2))}


def test_findings_name_the_steadiest_method_and_when_it_settles(quick, records):
    changed = records
    for method, value in (("entropy", 0.05), ("minmax", 0.02), ("percentile", 0.001)):
        changed = _with(changed, "disagreement", method, value, ci_low=0.5 * value, ci_high=2 * value)
    first = min(int8.image_counts(quick))
    changed = [
        replace(r, value=0.2) if r.metric == "disagreement" and r.case == {"method": "minmax", "images": first} else r for r in changed
    ]
    texts = [f.text.en for f in int8.findings(quick, changed)]
    assert any("fewest answers change by: percentile 0.10%." in text for text in texts)
    close = _with(changed, "disagreement", "minmax", 0.004, ci_low=0.0015, ci_high=0.01)
    assert any(
        "change by these, which are not told apart: min-max 0.40%, percentile 0.10%" in f.text.en for f in int8.findings(quick, close)
    )
    last = max(int8.image_counts(quick))
    assert any(text.startswith(f"Min-max: from {last:,} images") for text in texts)
    assert any(text.startswith(f"Entropy: from {first:,} images") for text in texts)


def test_rows_and_figures_show_every_combination(quick, records):
    rows = int8.rows(records)
    assert len(rows) == len(quick.profile.int8.methods) * len(quick.profile.int8.image_counts)
    assert all({column.key for column in int8.columns()} <= row.keys() for row in rows)
    assert rows[0]["loss"] == pytest.approx(100 * records[0].value - rows[0]["accuracy"])
    for metric in ("accuracy", "disagreement"):
        for language in LANGUAGES:
            drawn = figures.curves(records, metric, language)
            labels = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
            assert {int8.METHOD_NAMES[method].in_(language) for method in quick.profile.int8.methods} <= set(labels)
        assert "%" in figures.alt(records, metric).ja
