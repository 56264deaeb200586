"""What notebook 04 measures: what INT8 answers after each calibration, by ONNX Runtime's ranges and TensorRT's own, and what it costs."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lib import deadline, export, plans, progress
from lib.errors import NotMeasured, ReportError
from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.measure import accuracy, predictions, sweep
from lib.measure.kept import kept, recorded
from lib.pages import against, common
from lib.pages.int8.rules import CALIBRATED, EXPLICIT, EXPORTED, ONNX, TENSORRT
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store import files
from lib.store.records import Reason, Record
from lib.trt.calibrators import CALIBRATORS

BESIDE = [Candidate(TENSORRT, precision) for precision in ("fp32", "fp16", "int8_fp16", "int8_qdq")]  # what calibrated engines stand beside

Case = dict[str, Any]  # {"method": …, "images": …}: a calibration
Answer = Callable[[str, int], tuple[np.ndarray, str]]  # method, images -> answers to all test images, and the model's hash


def measure(session: Session) -> None:
    """Record accuracy and agreement with the reference of every calibration; size and latency of engines that are compared."""
    exported = [Candidate(ONNX, EXPORTED.precision, way) for way in RUNNERS[ONNX].ways(EXPORTED.precision)]
    accuracy.accuracies(session, [Candidate(ONNX, "fp32"), *exported, *BESIDE])
    against.record(session, exported if session.images.y_test is not None else [Candidate(ONNX, "fp32"), *exported, *BESIDE])
    session.record(*kept(session, "calibrations of ONNX Runtime", {}, lambda: recorded(session, _onnx)))
    images = plans.default_calibration(session).images or session.profile.engines.calibration_images  # where there are none: as asked
    engines = RUNNERS[TENSORRT].unavailable(CALIBRATED.precision) or partial(_engine, session)
    _study(session, CALIBRATED, [(method, count) for method in CALIBRATORS for count in _whole_batches(session)], engines)
    _costs(session, images)
    _implicit_and_explicit(session, images)


def _onnx(session: Session) -> None:
    """Every method and number of images of the profile, as explicit Q/DQ models through ONNX Runtime on the CPU."""
    calibrations = [(method, count) for count in counts(session) for method in session.profile.int8.methods]
    with tempfile.TemporaryDirectory() as folder:
        try:
            answer: Answer | Reason = RUNNERS[ONNX].unavailable(EXPORTED.precision) or _ranges(session, Path(folder))
        except ReportError as error:
            answer = sweep.why(error)
        _study(session, EXPORTED, calibrations, answer)


def counts(session: Session) -> list[int]:
    """The profile's numbers of images, ascending, as far as there are so many, and all that there are in place of larger ones; as asked
    where there are none at all."""
    asked = set(session.profile.int8.image_counts)
    there = min(max(asked), session.calibration_count)
    return sorted({min(count, there) for count in asked} if there else asked)


def _ranges(session: Session, folder: Path) -> Answer:
    """Answers of models that differ in their activations' ranges only. Each number of images begins with those of the smaller one.

    Counts must not descend: the histograms of one pass serve all.
    """
    from lib.export import calibration, quantize

    settings, read = session.profile.int8, 0
    images = export.calibration_images(session, max(settings.image_counts))
    prepared = quantize.prepare(export.onnx(session, "fp32").file(export.ONNX_FILE), folder / "prepared.onnx")
    histograms, target = calibration.Histograms(prepared, session.spec), folder / export.ONNX_FILE

    def answer(method: str, count: int) -> tuple[np.ndarray, str]:
        nonlocal read
        histograms.add(images[read:count])
        read = count
        quantize.apply(prepared, histograms.ranges(method, settings.percentile), target, folder / quantize.CACHE)
        with _Ranged(session, target) as runner:
            return predictions.run(runner, session.images.x_test), files.sha256(target)

    return answer


class _Ranged(OnnxRuntime):
    """The exported INT8 model with other ranges: the ONNX file `own` in its place."""

    def __init__(self, session: Session, own: Path) -> None:
        super().__init__(session, EXPORTED)
        self._own = own

    def prepare(self) -> None:
        """The file is there."""

    def open(self) -> None:
        self._run = self.start(self._own)


def _whole_batches(session: Session) -> list[int]:
    """The numbers of images as TensorRT reads them, in whole batches, and the default one; ascending."""
    batch = session.profile.engines.calibration_batch
    whole = {max(1, count // batch) * batch for count in counts(session)}
    return sorted((whole | {plans.default_calibration(session).images}) - {0})


def _engine(session: Session, method: str, images: int) -> tuple[np.ndarray, str]:
    """What an engine answers that TensorRT calibrated."""
    with _opened(session, CALIBRATED, calibration=plans.Calibration(method, images)) as runner:
        return predictions.run(runner, session.images.x_test), runner.artifact_sha256


def _opened(session: Session, candidate: Candidate, calibration: plans.Calibration | None = None) -> Runner:
    """A runner of an engine with this calibration, built now unless it is stored; not yet open."""
    return RUNNERS[TENSORRT](session, candidate, engine=plans.engine(session, candidate.precision, calibration))  # type: ignore[call-arg]


def _study(session: Session, candidate: Candidate, calibrations: Iterable[tuple[str, int]], answer: Answer | Reason) -> None:
    """Accuracy and agreement with the reference of each calibration, and of two methods with as many images which answers only
    one of them changes."""
    calibrations, changed = list(calibrations), defaultdict[int, dict[str, np.ndarray]](dict)
    with progress.bar(len(calibrations), f"{candidate.key}: calibrations") as bar:
        for method, images in calibrations:
            if candidate == CALIBRATED:
                deadline.check()  # the engines so far are stored, and building them is what takes long
            case = {"method": method, "images": images}
            try:
                if isinstance(answer, Reason):
                    raise NotMeasured(answer)
                values, sha256 = answer(method, images)
                apart = against.apart(session, candidate, values)
                changed[images][method] = np.isin(np.arange(apart.images), apart.disagree)
                right = _right(session, candidate, values, case=case, artifact_sha256=sha256)
                session.record(right, against.agreement(apart, candidate, case=case))
            except ReportError as error:
                reason = sweep.why(error)
                session.record(*(Record(m, "share", None, candidate, case=case, reason=reason) for m in ("accuracy", "agreement")))
            bar.update()
    for images, by in changed.items():
        for one, other in combinations(by, 2):
            case = {"method": one, "other": other, "images": images}
            session.record(_apart("agreement", candidate, case, {"only_method": by[one], "only_other": by[other]}))


def _right(session: Session, candidate: Candidate, outputs: np.ndarray, **more: Any) -> Record:
    """The accuracy of outputs, or that nobody knows it: agreement is told all the same. more: further fields of the record."""
    try:
        return accuracy.counted(session, candidate, outputs, **more)
    except NotMeasured as error:
        return Record("accuracy", "share", None, candidate, reason=sweep.why(error), **more)


def _apart(what: str, candidate: Candidate, case: Case, sides: dict[str, np.ndarray]) -> Record:
    """The share of images in the second of two sides minus that in the first. sides: bool (N,) each, by what counts the images that
    are in it alone."""
    one, other = sides.values()
    counts = dict(zip(sides, (int((one & ~other).sum()), int((other & ~one).sum())), strict=True))
    value = float(other.mean() - one.mean())
    return Record(f"{what}_difference", "difference", value, candidate, case=case, stats=counts | {"total": len(one)})


def _costs(session: Session, images: int) -> None:
    """Size of the plan and latency at the engines' largest batch: the default number of images by each calibrator, and BESIDE."""
    calibrated = [(CALIBRATED, plans.Calibration(method, images)) for method in CALIBRATORS]
    engines: list[tuple[Candidate, plans.Calibration | None]] = [(candidate, None) for candidate in BESIDE]
    with ExitStack() as stack:
        arms: dict[sweep.Arm, Runner | Reason] = {}
        for candidate, calibration in [*engines[:2], *calibrated, *engines[2:]]:
            case = calibration._asdict() if calibration else {}
            runner = sweep.entered(partial(_opened, calibration=calibration), session, candidate, stack)
            arms[sweep.Arm(candidate, session.profile.engines.max_batch, tuple(case.items()))] = runner
            if case or not session.earlier("file_size", candidate=candidate):
                plan = {"plan_sha256": plans.plan_sha256(runner.artifact)} if isinstance(runner, Runner) and runner.artifact else {}
                session.record(common.file_size(runner, candidate, case=case, stats=plan))
        sweep.timed(session, arms)


def _implicit_and_explicit(session: Session, images: int) -> None:
    """Accuracy of the default calibration minus that of explicit Q/DQ, on the same images; nothing where either is unknown."""
    if (labels := session.images.y_test) is None:
        return
    try:
        implicit, explicit = (predictions.of(session, c).argmax(axis=1) == labels for c in (CALIBRATED, EXPLICIT))
    except ReportError:
        return  # the accuracies say why
    case = {"method": PRECISIONS["int8"].calibrator, "images": images, "reference": EXPLICIT.key}
    session.record(_apart("accuracy", CALIBRATED, case, {"only_reference": explicit, "only_candidate": implicit}))
