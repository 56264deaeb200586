"""Calibration by TensorRT on engines whose answers the test decides; the real ones need a GPU."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from lib import stats, trt
from lib.cuda import CudaError
from lib.errors import NotMeasured
from lib.experiment import profile as config
from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.pages.int8 import figures as cpu_figures
from lib.pages.int8 import measure as study
from lib.pages.int8 import results
from lib.pages.int8 import tables as int8
from lib.pages.int8 import trt_figures as figures
from lib.runners.base import Runner
from lib.show import table as show
from lib.store import session
from lib.store.records import Record
from lib.text import LANGUAGES, Finding, Text

NO_GPU = Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない")
NO_CALIBRATOR = Text("no INT8 calibrators", "INT8キャリブレーターがない")
TESTED = 500
COUNTS = (32, 64, 320)
SIZES = {"fp32": 4000, "fp16": 2000, "int8": 1000, "int8_fp16": 900, "int8_qdq": 1200}
# Variant (precision, method, images) -> how many of the first test images FP32 has right and it has wrong
LOST = {("int8", "entropy", 32): 40, ("int8", "entropy", 64): 4, ("int8", "entropy", 320): 2, ("int8", "minmax", 32): 10}
LOST |= {
    ("int8", "minmax", 64): 10,
    ("int8", "minmax", 320): 10,
    ("fp16", "", 0): 0,
    ("int8_fp16", "entropy", 320): 2,
    ("int8_qdq", "", 0): 1,
}


@dataclass
class Engine:
    """Stands for an artifact: what was asked for is all that it knows, and where its plan lies."""

    precision: str
    method: str
    images: int
    folder: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def file(self, name: str) -> Path:
        return self.folder / name

    def size(self, name: str) -> int:
        assert name == "model.plan"
        return SIZES[self.precision]


class World:
    """TensorRT as the test wants it: which engines fail, which precisions it lacks, how many answers each loses."""

    def __init__(self, opened: session.Session, folder: Path) -> None:
        self.folder, self.plans = folder, {}
        self.labels, self.images = opened.images.y_test, opened.images.x_test
        self.lost, self.reasons, self.errors = dict(LOST), {}, {}
        self.built: list[tuple] = []
        self.opened: list[tuple] = []
        self.fail_second_open: dict[str, Exception] = {}

    def engine(self, opened: session.Session, precision: str, calibration: trt.Calibration | None = None) -> Engine:
        key = (precision, *(calibration or ("", 0)))
        self.built.append(key)
        if key in self.errors:
            raise self.errors[key]
        folder = self.folder / "-".join(map(str, key))
        folder.mkdir(exist_ok=True)
        (folder / "model.plan").write_text(self.plans.get(key, repr(key)))
        return Engine(*key, folder)

    def answers(self, engine: Engine, images: np.ndarray) -> np.ndarray:
        """All right but for the first, which only FP32 and those that lose nothing have right."""
        places = [self.where[image.tobytes()] for image in images]
        lost = self.lost.get((engine.precision, engine.method, engine.images), 0)
        classes = [(self.labels[i] + (i < lost)) % 10 for i in places]
        return np.eye(10, dtype=np.float32)[classes]


@pytest.fixture
def world(quick: session.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(quick, tmp_path)
    inputs = sweep.inputs(made.images, len(made.images))
    made.where = {image.tobytes(): i for i, image in reversed(list(enumerate(inputs)))}

    class Fake(Runner):
        name, label, precisions = "tensorrt", Text("TensorRT", "TensorRT"), tuple(PRECISIONS)

        def __init__(self, opened: session.Session, precision: str, engine: Engine) -> None:
            super().__init__(opened, precision)
            self.engine, self.max_batch = engine, opened.profile.engines.max_batch

        @property
        def artifact_sha256(self) -> str:
            return self.engine.sha256

        @property
        def size_bytes(self) -> int:
            return self.engine.size("model.plan")

        @classmethod
        def unavailable(cls, precision: str) -> Text | None:
            return made.reasons.get(precision)

        def __enter__(self) -> Fake:
            if self.precision in made.fail_second_open and self.engine in made.opened:
                raise made.fail_second_open[self.precision]
            made.opened.append(self.engine)
            return self

        def __exit__(self, *exc: object) -> None:
            pass

        def infer(self, batch: np.ndarray) -> np.ndarray:
            assert 1 <= len(batch) <= self.max_batch
            return made.answers(self.engine, batch)

    monkeypatch.setattr(study, "TensorRT", Fake)
    monkeypatch.setattr(trt, "engine", made.engine)
    return made


def one(records: list[Record], metric: str, precision: str, **case: object) -> Record:
    found = [r for r in records if (r.metric, r.precision, r.case) == (metric, precision, case)]
    assert len(found) == 1, (metric, precision, case, len(found))
    return found[0]


def said(records: list[Record], *words: str) -> list[Finding]:
    return [f for f in results.findings(records) if all(word in f.text.en for word in words)]


def test_image_counts_are_those_of_the_cpu_study_and_the_default_in_whole_batches(quick, write_profile):
    assert study.image_counts(quick) == list(COUNTS)
    there = len(quick.images.x_train) - quick.profile.train.validation_images
    asked = session.start(str(write_profile(**{"int8.image_counts": [1, 33, 100, 5000], "engines.calibration_images": 9000})), "test")
    largest = there // 32 * 32
    assert study.image_counts(asked) == [32, 96, largest]
    assert study.default_images(asked) == largest < there
    assert not [v for v in study.variants(asked) if v.images % 32]


def test_every_calibrator_and_count_is_built_once_and_asked_on_all_test_images(quick, world):
    records = study.study(quick)
    assert world.built[0] == ("fp32", "", 0)
    assert sorted(world.built) == sorted([*LOST, ("fp32", "", 0)])
    labels = quick.images.y_test
    for method in study.METHODS:
        for images in COUNTS:
            case, lost = {"method": method, "images": images}, LOST["int8", method, images]
            accuracy, other = one(records, "accuracy", "int8", **case), one(records, "disagreement", "int8", **case)
            assert accuracy.value == (TESTED - lost) / TESTED
            assert other.value == lost / TESTED
            assert accuracy.stats == dict(zip(("ci_low", "ci_high"), stats.wilson(TESTED - lost, TESTED), strict=True)) | {
                "correct": TESTED - lost,
                "tested": TESTED,
            }
            assert (other.stats["ci_low"], other.stats["ci_high"]) == stats.wilson(lost, TESTED)
            test = one(records, "mcnemar_p", "int8", **case, reference="tensorrt/fp32")
            wrong = np.arange(len(labels)) < lost
            assert test.value == stats.mcnemar(np.ones(TESTED, bool), ~wrong).p_value
            assert (test.stats["only_reference"], test.stats["only_this"]) == (lost, 0)
            assert test.stats["difference"] == -lost / TESTED
    assert one(records, "accuracy", "fp32").value == 1
    assert all(r.artifact_sha256 for r in records)
    assert {r.runner for r in records} == {"tensorrt"}


def test_the_comparison_has_times_and_sizes_of_six_engines(quick, world):
    records = study.study(quick)
    default = {"entropy": {"method": "entropy", "images": 320}, "minmax": {"method": "minmax", "images": 320}}
    engines = [("fp32", {}), ("fp16", {}), *(("int8", case) for case in default.values())]
    engines += [("int8_fp16", default["entropy"]), ("int8_qdq", {})]
    assert [(r.precision, r.case) for r in results.compared(records)] == engines
    for precision, case in engines:
        rate, latency = one(records, "throughput", precision, **case), one(records, "latency", precision, **case)
        assert (rate.batch_size, rate.scope) == (quick.profile.engines.max_batch, "end_to_end")
        assert {"stable", "before", "after", "n"} <= latency.stats.keys()
        assert latency.samples
        assert one(records, "file_size", precision, **case).value == SIZES[precision]
        if precision != "fp32":
            own = case | {"reference": "tensorrt/fp32"}
            assert one(records, "file_size_ratio", precision, **own).value == SIZES[precision] / SIZES["fp32"]
            full = one(records, "throughput", "fp32")
            assert one(records, "throughput_ratio", precision, **own).value == pytest.approx(rate.value / full.value)
    explicit = default["entropy"] | {"reference": "tensorrt/int8_qdq"}
    test = one(records, "mcnemar_p", "int8", **explicit)
    assert (test.stats["only_reference"], test.stats["only_this"]) == (1, 0)  # it loses two images, Q/DQ one of them
    rates = [one(records, "throughput", "int8", **default["entropy"]).value, one(records, "throughput", "int8_qdq").value]
    assert one(records, "throughput_ratio", "int8", **explicit).value == pytest.approx(rates[0] / rates[1])


def test_all_engines_are_there_before_the_first_is_timed_and_the_order_is_drawn(quick, world, monkeypatch):
    timed: list[tuple] = []
    real = sweep._measured

    def note(opened, configuration, runner):
        timed.append((len(world.built), configuration.precision))
        return real(opened, configuration, runner)

    monkeypatch.setattr(sweep, "_measured", note)
    study.study(replace(quick, run_id="a"))
    assert {built for built, _ in timed} == {len(LOST) + 1}
    first = [precision for _, precision in timed]
    timed.clear()
    study.study(replace(quick, run_id="d"))
    assert sorted(first) == sorted(precision for _, precision in timed)
    assert first != [precision for _, precision in timed]


def test_a_machine_without_gpu_says_so_in_every_place(quick):
    if study.TensorRT.unavailable("fp32") is None:
        pytest.skip("this system runs engines")
    records, reason = study.study(quick), study.TensorRT.unavailable("fp32")
    assert {(r.value, r.reason) for r in records} == {(None, reason)}
    shown = {"accuracy", "disagreement", "mcnemar_p", "file_size", "file_size_ratio", "throughput", "throughput_ratio", "latency"}
    assert {r.metric for r in records} == shown
    for rows, columns in tables(records):
        assert len(rows) == 1
        assert {rows[0][c.key] for c in columns if c.digits is not None} == {reason}
        for language in LANGUAGES:
            html = show.table_html(rows, columns, Text("a", "b"), language)
            assert html.count("<sup>") == 1
            assert reason.in_(language) in html
    found = results.findings(records)
    assert [f.level for f in found] == ["note"]
    assert reason.en in found[0].text.en
    assert reason.ja in found[0].text.ja


def tables(records):
    found = [(results.calibration_rows(records), results.calibration_columns())]
    return found + [(results.comparison_rows(records, c), c) for c in (results.accuracy_columns(), results.cost_columns())]


def test_figures_show_nothing_where_nothing_was_measured(quick, world, monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr(show, "figure", lambda draw, alt, caption: shown.append(alt.en))
    world.reasons = dict.fromkeys(PRECISIONS, NO_GPU)
    display(study.study(quick))
    assert not shown
    world.reasons = {}
    display(study.study(quick))
    assert len(shown) == 3


def display(records):
    for metric in ("accuracy", "disagreement"):
        figures.show_curves(records, metric)
    figures.show_comparison(records)


def test_a_tensorrt_without_calibrators_still_compares_what_it_builds(quick, world):
    world.reasons = {"int8": NO_CALIBRATOR, "int8_fp16": NO_CALIBRATOR}
    records = study.study(quick)
    assert not [key for key in world.built if key[0] in world.reasons]
    (calibration, columns), (accuracy, _), (cost, _) = tables(records)
    assert len(calibration) == 1
    assert calibration[0]["method"].en == "entropy; min-max"
    assert {calibration[0][c.key] for c in columns if c.digits is not None} == {NO_CALIBRATOR}
    by = {(row["engine"].en, row["calibration"].en): row for row in accuracy}
    assert by["FP32", "–"]["accuracy"] == 100
    assert by["FP32", "–"]["difference"] is None
    assert by["INT8 (explicit)", "Q/DQ nodes of the ONNX"]["difference"] == pytest.approx(-100 / TESTED)
    assert by["INT8 (calibrated)", "entropy, 320 images"]["p"] == NO_CALIBRATOR
    assert [row["ratio"] is NO_CALIBRATOR for row in cost] == [False, False, True, True, True, False]
    assert [f.level for f in said(records, "Not measured: TensorRT INT8 (calibrated), INT8 + FP16")] == ["note"]
    assert said(records, "INT8 (explicit): 0.20 points below")
    assert not said(records, "beside explicit")
    assert not said(records, "answers change")


def test_an_engine_that_fails_is_a_row_with_its_reason_and_red(quick, world):
    key = ("int8", "minmax", 64)
    world.errors = {key: trt.EngineError("calibration failed at batch 2 of 2: no memory")}
    records = study.study(quick)
    row = next(r for r in results.calibration_rows(records) if (r["method"].en, r["images"]) == ("min-max", 64))
    assert "batch 2 of 2" in row["accuracy"].en
    assert "エンジンが失敗した" in row["accuracy"].ja
    assert row["accuracy"] == row["p"] == row["disagreement"] == row["loss"]
    assert len(results.calibration_rows(records)) == 6
    assert [f.level for f in said(records, "Not measured: TensorRT INT8 (calibrated), min-max, 64 images")] == ["bad"]
    assert said(records, "Min-max: from 32 images on")  # the others still count


def test_calibrations_that_fail_for_several_reasons_are_a_row_each(quick, world):
    swept = [key for key in LOST if key[0] == "int8"]
    world.errors = {key: trt.EngineError(f"tactic {place % 2}") for place, key in enumerate(swept)}
    rows = results.calibration_rows(study.study(quick))
    assert len(rows) == len(swept)
    assert {row["accuracy"].en for row in rows} == {"the engine failed: tactic 0", "the engine failed: tactic 1"}


def test_without_an_fp32_engine_nothing_is_compared_and_its_reason_stands_everywhere(quick, world):
    world.errors = {("fp32", "", 0): trt.EngineError("the parser refused it")}
    records = study.study(quick)
    assert world.built == [("fp32", "", 0)]
    assert {r.value for r in records} == {None}
    assert all("the parser refused it" in r.reason.en for r in records)
    assert [f.level for f in results.findings(records)] == ["bad"]


@pytest.mark.parametrize(("error", "failed"), [(CudaError, True), (NotMeasured, False)])
def test_an_engine_that_cannot_be_timed_keeps_its_accuracy(quick, world, error, failed):
    world.fail_second_open = {"int8_qdq": error("no device memory left")}
    records = study.study(quick)
    assert one(records, "accuracy", "int8_qdq").value == (TESTED - 1) / TESTED
    assert "no device memory" in one(records, "throughput", "int8_qdq").reason.en
    assert sweep.invalid(one(records, "throughput", "int8_qdq")) == failed
    assert "no device memory" in one(records, "throughput_ratio", "int8_qdq", reference="tensorrt/fp32").reason.en
    assert [f.level for f in said(records, "INT8 (explicit): the engine failed")] == ["bad"]
    beside = said(records, "beside explicit Q/DQ")
    assert len(beside) == 1
    assert "throughput" not in beside[0].text.en


@pytest.mark.parametrize(
    ("lost", "level", "en", "ja"),
    [
        (2, "note", "whether a loss is over 0.5 points cannot be told with 500 test images", "500枚のテスト画像では判定できない"),
        (3, "bad", "a loss over 0.5 points", "低下は0.5ポイントを超える"),
    ],
)
def test_a_loss_over_half_a_point_is_red_at_the_default_calibration(quick, world, lost, level, en, ja):
    world.lost["int8", "entropy", 320] = lost  # of 500: 0.4 and 0.6 points
    records = study.study(quick)
    found = said(records, "TensorRT INT8 (calibrated), entropy, 320 images:", "below FP32")
    assert [f.level for f in found] == [level]
    right = np.arange(TESTED) >= lost
    p, between = stats.mcnemar(np.ones(TESTED, bool), right).p_value, stats.paired_difference(np.ones(TESTED, bool), right)
    low, high = 100 * between.low, 100 * between.high
    assert f"{en} (95 % interval {low:+.2f} to {high:+.2f}; McNemar p = {p:.2g})." in found[0].text.en
    assert f"{ja}（95%信頼区間 {low:+.2f}～{high:+.2f}、McNemar検定のp = {p:.2g}）。" in found[0].text.ja
    assert "エントロピー法、320枚" in found[0].text.ja
    other = said(records, "TensorRT INT8 (calibrated), min-max, 320 images: 2.00 points below FP32", "a loss over 0.5 points")
    assert [f.level for f in other] == ["note"]  # no engine of the report is calibrated like this


def test_no_loss_is_said_only_where_the_interval_rules_one_out(quick, world):
    world.lost["int8", "entropy", 320] = 0  # nothing lost, and still 500 images do not rule out half a point
    (found,) = said(study.study(quick), "TensorRT INT8 (calibrated), entropy, 320 images: the same accuracy")
    assert found.level == "note"
    assert "cannot be told with 500 test images" in found.text.en
    world.lost["fp32", "", 0] = 5
    (found,) = said(study.study(quick), "TensorRT INT8 (calibrated), entropy, 320 images: 1.00 points above")
    assert found.level == "good"
    assert "no loss over 0.5 points" in found.text.en
    assert "0.5ポイントを超える低下はない" in found.text.ja


def test_the_steadiest_calibrator_is_named_only_where_the_intervals_are_apart(quick, world):
    (found,) = said(study.study(quick), "TensorRT: with 320 images the methods are not told apart")
    assert "entropy 0.40%, min-max 2.00%" in found.text.en
    assert "エントロピー法 0.40%、最小最大法 2.00%" in found.text.ja
    world.lost["int8", "minmax", 320] = 40
    records = study.study(quick)
    assert said(records, "TensorRT: with 320 images the fewest answers change by: entropy 0.40%.")
    assert not said(records, "not told apart")
    world.errors = {("int8", "minmax", 320): trt.EngineError("no memory")}
    assert not said(study.study(quick), "with 320 images the")  # one alone is compared with nothing


def test_one_plan_measured_twice_says_how_far_two_measurements_lie_apart(quick, world):
    assert not said(study.study(quick), "One and the same plan")
    twins = [("int8", "entropy", 320), ("int8_fp16", "entropy", 320)]
    world.plans = dict.fromkeys(twins, "equal")
    records = study.study(quick)
    case = {"method": "entropy", "images": 320}
    hashes = [one(records, "file_size", precision, **case).stats["plan_sha256"] for precision, *_ in twins]
    assert hashes == [hashlib.sha256(b"equal").hexdigest()] * 2
    rates = {"int8": 209000.0, "int8_fp16": 205000.0}
    records = [replace(r, value=rates[r.precision]) if r.metric == "throughput" and r.precision in rates else r for r in records]
    (found,) = said(records, "One and the same plan was measured 2 times")
    assert found.level == "note"
    assert "INT8 (calibrated), entropy, 320 images; TensorRT INT8 + FP16" in found.text.en
    for text in found.text:
        assert f"{209 / 205:.3f}" in text
    untimed = [replace(r, value=None, reason=NO_GPU) if (r.metric, r.precision) == ("throughput", "int8_fp16") else r for r in records]
    assert not said(untimed, "One and the same plan")


def test_findings_name_settling_and_explicit(quick, world):
    records = study.study(quick)
    assert said(records, "Entropy: from 320 images on")  # 64 images: 4 of 500 differ, 0.4 points more
    assert said(records, "Min-max: from 32 images on")
    beside = said(
        records, "TensorRT INT8 (calibrated), entropy, 320 images, beside explicit Q/DQ: -0.20 points in accuracy (McNemar p = 1)"
    )
    assert len(beside) == 1
    assert "times the throughput" in beside[0].text.en
    shaky = [replace(r, stats=r.stats | {"stable": r.precision != "fp16"}) for r in records]
    assert [f.text.en for f in said(shaky, "did not become stable")] == ["Latency did not become stable: TensorRT FP16."]
    for finding in results.findings(records):
        assert "None" not in "".join(finding.text)


def test_tables_show_every_calibration_and_engine(quick, world):
    records = study.study(quick)
    (calibration, columns), (accuracy, accuracy_columns), (cost, cost_columns) = tables(records)
    assert [(row["method"].en, row["images"]) for row in calibration] == [(m, n) for m in ("entropy", "min-max") for n in COUNTS]
    assert calibration[0]["loss"] == pytest.approx(8)
    assert calibration[0]["disagreement"] == pytest.approx(8)
    assert calibration[0]["p"] < 1e-6
    assert len(accuracy) == len(cost) == 6
    assert cost[0]["size"] == pytest.approx(0.004)
    assert cost[0]["ratio"] is None
    assert cost[2]["size_ratio"] == pytest.approx(0.25)
    assert "entropy with 320 images in 10 batches of 32" in results.calibration_caption(quick).en
    assert "noise within one measurement only" in results.cost_caption(quick).en
    assert "1回の測定内のばらつきだけ" in results.cost_caption(quick).ja
    for rows, shown in ((calibration, columns), (accuracy, accuracy_columns), (cost, cost_columns)):
        for row in rows:
            assert {column.key for column in shown} <= row.keys()
        for language in LANGUAGES:
            assert show.NOT_MEASURED.in_(language) not in show.table_html(rows, shown, results.cost_caption(quick), language)


def test_figures_draw_in_both_languages(quick, world):
    records = study.study(quick)
    swept = figures.measured(records)
    for language in LANGUAGES:
        drawn = cpu_figures.curves(swept, "accuracy", language)
        labels = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
        assert labels == ["FP32", *(int8.METHOD_NAMES[method].in_(language) for method in study.METHODS)]
        drawn = figures.comparison(records)(language)
        drawn.canvas.draw()
        left, right = drawn.axes
        assert len(left.get_yticks()) == 5
        assert [text.get_text() for text in left.texts] == ["+0.00", "-0.40", "-2.00", "-0.40", "-0.20"]
        assert len(right.texts) == 5
        assert int8.METHOD_NAMES["minmax"].in_(language) in left.get_yticklabels()[2].get_text()
    assert "INT8 (calibrated), min-max -2.00 points" in figures.comparison_alt(records).en
    untimed = [replace(r, value=None, reason=NO_GPU) if r.metric == "throughput_ratio" else r for r in records]
    assert not figures.comparison(untimed)("en").axes[1].texts


def test_the_cpu_findings_and_these_can_be_told_apart(quick, world):
    """Both stand in one box."""
    assert all("TensorRT" in f.text.en and "TensorRT" in f.text.ja for f in results.findings(study.study(quick)))
    measured = SimpleNamespace(en="ONNX Runtime", ja="ONNX Runtime")
    found = int8.settling("entropy", int8.pairs(study.study(quick), "int8"), measured)
    assert "(ONNX Runtime)" in found.text.en
    assert "ONNX Runtime" in found.text.ja


def test_the_notebook_shows_three_tables_and_three_figures_on_a_gpu(quick, world, monkeypatch):
    cells = nbformat.read(config.ROOT / "notebooks" / "04_int8.ipynb", as_version=4).cells
    shown: list[str] = []
    monkeypatch.setattr(show, "table", lambda rows, columns, caption: shown.append("table"))
    monkeypatch.setattr(show, "figure", lambda draw, alt, caption: shown.append("figure"))
    own = {"s": quick, "show": show}
    first = next(i for i, cell in enumerate(cells) if "int8_tensorrt.study" in cell.source)
    for cell in cells[first:-1]:
        if cell.cell_type == "code":
            exec(cell.source, own)  # the project's own notebook
    assert shown == ["table", "figure", "figure", "table", "table", "figure"]
