"""What notebook 04 measures: ranges from histograms, every calibration on all test images, engines as the test wants them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lib import export, plans, trt
from lib.errors import NotMeasured
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.experiment.precision import PRECISIONS
from lib.export import calibration, quantize
from lib.measure import predictions
from lib.pages.int8 import figures, measure, rules, tables
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.session import Session
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.text import Text
from lib.trt.calibrators import CALIBRATORS

COUNTS = (32, 64, 320)  # of the tiny profile in whole batches, and the default
LOST = {("entropy", 32): 40, ("entropy", 64): 4, ("entropy", 320): 2, ("minmax", 32): 10, ("minmax", 64): 10, ("minmax", 320): 10}
SIZES = {"fp32": 4000, "fp16": 2000, "int8": 1000, "int8_fp16": 900, "int8_qdq": 1200}


@pytest.fixture(scope="session")
def prepared(quick, tmp_path_factory):
    source = export.onnx(quick, "fp32").file(export.ONNX_FILE)
    return quantize.prepare(source, tmp_path_factory.mktemp("int8") / "prepared.onnx")


def activations_of(prepared, names, images):
    import onnx
    import onnxruntime

    network = onnx.shape_inference.infer_shapes(onnx.load(prepared))
    network.graph.output.extend(value for value in network.graph.value_info if value.name in names)
    run = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, run.run(names, {"images": images}), strict=True))


def test_ranges_are_those_of_the_activations(quick, prepared):
    images = quick.to_input(quick.calibration(70))
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
    images = quick.to_input(quick.calibration(64))
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
    histograms.add(quick.to_input(quick.calibration(8)))
    histograms.ranges("entropy", 99.9)
    histograms.ranges("percentile", 99.9)
    assert capsys.readouterr().out == ""


class World:
    """TensorRT as the test wants it: which engines fail, which precisions it lacks, how many of the first images it answers otherwise."""

    def __init__(self, reference: np.ndarray) -> None:
        self.reference, self.built = reference, list[tuple]()
        self.lost: dict[tuple, int] = dict(LOST)
        self.reasons: dict[str, Reason] = {}
        self.errors: dict[tuple, Exception] = {}

    def engine(self, session: Session, precision: str, calibration: plans.Calibration | None = None) -> SimpleNamespace:
        """Stands for an artifact."""
        if calibration is None and PRECISIONS[precision].calibrator:
            calibration = plans.default_calibration(session)
        key = (precision, *(calibration or ()))
        self.built.append(key)
        if key in self.errors:
            raise self.errors[key]
        return SimpleNamespace(key=key, sha256="-".join(map(str, key)), size=lambda _: SIZES[precision])

    def answers(self, engine: SimpleNamespace, places: list[int]) -> np.ndarray:
        """The reference's, but for the first: those are rolled by a class."""
        lost = self.lost.get(engine.key[1:], 0)
        return np.stack([np.roll(self.reference[i], 1 if i < lost else 0) for i in places])


@pytest.fixture
def session(quick: Session) -> Session:
    return replace(quick, stage="04_int8", records=[], exhibits={}, run_id="int8")


@pytest.fixture
def world(session: Session, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(predictions.of(session, SAVED_MODEL_REFERENCE))
    inputs = session.to_input(session.images.x_test)
    where = {image.tobytes(): i for i, image in reversed(list(enumerate(inputs)))}

    class Fake(Runner):
        label, libraries = Text("TensorRT", "TensorRT"), ()

        def __init__(self, session: Session, candidate: Candidate, engine: SimpleNamespace | None = None) -> None:
            super().__init__(session, candidate)
            self.artifact = engine or made.engine(session, candidate.precision)
            self.max_batch = session.profile.engines.max_batch

        @classmethod
        def model(cls, row) -> str:
            return row.trt_onnx

        @classmethod
        def unavailable(cls, precision: str) -> Reason | None:
            return made.reasons.get(precision)

        def open(self) -> None:
            pass

        def infer(self, batch: np.ndarray) -> np.ndarray:
            assert 1 <= len(batch) <= self.max_batch
            return made.answers(self.artifact, [where[image.tobytes()] for image in batch])

    Fake.name = "tensorrt"  # afterwards: a class with a name is entered into the labels of the report
    monkeypatch.setitem(RUNNERS, "tensorrt", Fake)
    monkeypatch.setattr(plans, "engine", made.engine)
    monkeypatch.setattr(plans, "plan_sha256", lambda engine: engine.sha256)
    plain = predictions.of

    def of(session: Session, candidate: Candidate) -> np.ndarray:
        """Not stored: what the fakes answer changes from test to test."""
        if candidate.runner != "tensorrt":
            return plain(session, candidate)
        if reason := Fake.unavailable(candidate.precision):
            raise NotMeasured(reason)
        with Fake(session, candidate) as runner:
            return predictions.run(runner, session.images.x_test)

    monkeypatch.setattr(predictions, "of", of)
    monkeypatch.setattr(measure, "_onnx", lambda session: None)  # has a test of its own
    return made


def one(session: Session, metric: str, candidate: str, **case: object) -> Record:
    found = [r for r in session.records if (r.metric, r.candidate, r.case) == (metric, Candidate.parse(candidate), case)]
    assert len(found) == 1, (metric, candidate, case, len(found))
    return found[0]


def test_every_method_and_count_answers_all_test_images_through_onnx_runtime(session: Session) -> None:
    settings, total = session.profile.int8, len(session.images.y_test)
    measure._onnx(session)
    for method in settings.methods:
        for images in settings.image_counts:
            accuracy = one(session, "accuracy", "onnxrt/int8_qdq", method=method, images=images)
            agreement = one(session, "agreement", "onnxrt/int8_qdq", method=method, images=images)
            assert accuracy.stats["total"] == agreement.stats["total"] == total
            assert accuracy.stats["only_reference"] + accuracy.stats["only_candidate"] <= total - agreement.stats["correct"]
            assert accuracy.artifact_sha256
    pairs = [r for r in session.records if r.metric == "agreement_difference"]
    assert len(pairs) == 3 * len(settings.image_counts)
    for pair in pairs:
        images = pair.case["images"]
        own, other = (one(session, "agreement", "onnxrt/int8_qdq", method=pair.case[key], images=images) for key in ("method", "other"))
        assert pair.value == pytest.approx(own.value - other.value)
    # the combination that is also exported answers alike: same calibration, same rules
    exported = predictions.of(session, Candidate("onnxrt", "int8_qdq")).argmax(axis=1)
    case = {"method": export.CALIBRATION, "images": session.profile.export.calibration_images}
    assert one(session, "accuracy", "onnxrt/int8_qdq", **case).value == (exported == session.images.y_test).mean()


def test_what_keeps_onnx_runtime_from_running_is_the_reason_of_every_calibration(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = Reason("not_installed", {"package": "ONNX Runtime"})
    monkeypatch.setattr(RUNNERS["onnxrt"], "unavailable", classmethod(lambda cls, precision: reason))
    measure._onnx(session)
    assert len(session.records) == 2 * len(session.profile.int8.methods) * len(session.profile.int8.image_counts)
    assert {r.reason for r in session.records} == {reason}


def test_a_model_with_other_ranges_that_answers_no_numbers_is_a_wrong_output(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def infer(self: Runner, batch: np.ndarray) -> np.ndarray:
        return np.full((len(batch), len(session.images.class_names)), np.nan, np.float32)

    monkeypatch.setattr(measure._Ranged, "infer", infer)
    measure._onnx(session)
    assert len(session.records) == 2 * len(session.profile.int8.methods) * len(session.profile.int8.image_counts)
    assert {(r.value, r.reason.key) for r in session.records} == {(None, "wrong_output")}


def test_every_calibrator_and_count_is_measured_and_the_engines_beside_are_timed(session: Session, world: World) -> None:
    measure.measure(session)
    total = len(session.images.y_test)
    for (method, images), lost in LOST.items():
        assert one(session, "agreement", "tensorrt/int8", method=method, images=images).stats == {"correct": total - lost, "total": total}
    pair = one(session, "agreement_difference", "tensorrt/int8", method="entropy", other="minmax", images=320)
    assert pair.stats == {"only_method": 0, "only_other": 8, "total": total}
    timed = [r for r in session.records if r.metric == "latency"]
    default = [{"method": method, "images": 320} for method in CALIBRATORS]
    assert [(r.candidate.precision, r.case) for r in timed] == [
        ("fp32", {}),
        ("fp16", {}),
        *(("int8", case) for case in default),
        ("int8_fp16", {}),
        ("int8_qdq", {}),
    ]
    for latency in timed:
        assert latency.batch_size == session.profile.engines.max_batch
        assert len(latency.samples) == session.profile.measuring.rounds
        assert one(session, "file_size", latency.candidate.key, **latency.case).value == SIZES[latency.candidate.precision]
    assert one(session, "max_abs", "onnxrt/int8_qdq").value > 0
    implicit = one(session, "accuracy_difference", "tensorrt/int8", **default[0], reference="tensorrt/int8_qdq")
    assert implicit.stats["only_reference"] + implicit.stats["only_candidate"] <= 2
    run = session.save()
    assert [f.key for f in rules.findings(run) if f.level == "bad"] == []
    assert len(tables.comparison(run).rows) >= 8
    assert figures.comparison(run).draw("en").axes[1].texts  # speeds beside


def test_without_labels_every_agreement_is_measured_and_every_accuracy_says_why(session: Session, world: World) -> None:
    session.__dict__["images"] = replace(session.images, y_test=None)
    measure.measure(session)
    assert {r.reason for r in session.records if r.metric == "accuracy"} == {Reason("no_labels")}
    for (method, images), lost in LOST.items():
        agreement = one(session, "agreement", "tensorrt/int8", method=method, images=images)
        assert agreement.stats["total"] - agreement.stats["correct"] == lost
    for candidate in ("onnxrt/fp32", "onnxrt/int8_qdq", "tensorrt/fp16", "tensorrt/int8_qdq"):
        assert one(session, "agreement", candidate).value
    assert not [r for r in session.records if r.metric == "accuracy_difference"]
    run = session.save()
    said = [(f.level, f.key) for f in rules.findings(run)]
    assert said.count(("note", "no_labels")) == 1
    assert not [key for level, key in said if level == "bad"]
    assert [row["changed"] for row in tables.comparison(run).rows if isinstance(row["changed"], Interval)]
    assert figures.comparison(run).draw("ja").axes


@pytest.mark.parametrize(("there", "found"), [(1000, [32, 64]), (64, [32, 64]), (50, [32, 50]), (20, [20]), (0, [32, 64])])
def test_counts_are_of_images_that_there_are_each_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, there: int, found: list[int]
) -> None:
    images = np.zeros((there, 32, 32, 3), np.uint8)
    monkeypatch.setattr(Session, "_to_calibrate", images)
    assert measure.counts(session) == found


def test_without_calibration_images_every_calibration_says_so_and_nothing_is_red(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "_to_calibrate", property(lambda self: self.images.x_train[:0]))
    measure._onnx(session)
    assert {r.reason for r in session.records} == {Reason("no_calibration_images")}
    assert len(session.records) == 2 * len(session.profile.int8.methods) * len(session.profile.int8.image_counts)
    assert [(f.level, f.key) for f in rules.findings(session.save())] == [("note", "nothing_to_calibrate")]


def test_a_number_that_an_earlier_page_of_the_run_has_is_not_measured_again(session: Session, world: World) -> None:
    earlier = replace(session, stage="03_engines", records=[], exhibits={})
    earlier.record(Record("file_size", "bytes", 7, Candidate("tensorrt", "fp16")))
    earlier.record(Record("max_abs", "difference", 0.5, Candidate("onnxrt", "int8_qdq")))
    earlier.save()
    measure.measure(session)
    of = [(r.metric, r.candidate.key) for r in session.records if r.candidate and not r.case]
    assert ("file_size", "tensorrt/fp16") not in of
    assert ("file_size", "tensorrt/fp32") in of
    assert ("max_abs", "onnxrt/int8_qdq") not in of
    (session.results / "03_engines.jsonl").unlink()


def test_an_engine_that_fails_is_a_reason_and_the_others_go_on(session: Session, world: World) -> None:
    world.errors = {("int8", "minmax", 320): trt.EngineError("calibration failed at batch 2 of 10: no memory")}
    world.reasons = {"fp16": Reason("no_gpu")}
    measure.measure(session)
    lost = one(session, "accuracy", "tensorrt/int8", method="minmax", images=320)
    assert lost.reason.failed
    assert "batch 2 of 10" in lost.reason.text.en
    assert one(session, "latency", "tensorrt/int8", method="minmax", images=320).reason == lost.reason
    assert one(session, "latency", "tensorrt/fp16").reason == Reason("no_gpu")
    assert one(session, "latency", "tensorrt/int8", method="entropy", images=320).value
    run = session.save()
    (bad,) = [f for f in rules.findings(run) if f.level == "bad"]  # once, though accuracy and latency both lack
    assert "min-max on 320 images" in bad.text.en
    assert "最小最大法（320枚）" in bad.text.ja


def test_the_default_mode_is_measured_where_it_differs(session: Session, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib.runners import onnxrt

    monkeypatch.setattr(onnxrt, "saturates", lambda: True)
    measure.measure(session)
    for candidate in ("onnxrt/int8_qdq", "onnxrt/int8_qdq/default_int8"):
        assert one(session, "accuracy", candidate).value
        assert one(session, "agreement", candidate).value
    assert "saturates" in [f.key for f in rules.findings(session.save())]
    session.records.clear()
    monkeypatch.setattr(onnxrt, "saturates", lambda: False)
    measure.measure(session)
    assert not [r for r in session.records if r.candidate and r.candidate.way.key == "default_int8"]
