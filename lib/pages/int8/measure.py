"""Calibration by TensorRT: calibrator × number of images, and calibrated engines beside explicit Q/DQ, on the GPU."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import progress, trt
from lib.errors import NotMeasured, ReportError
from lib.experiment.precision import PRECISIONS
from lib.measure import predictions, sweep
from lib.pages.int8 import tables as int8
from lib.pages.precision import measure as precision_study
from lib.runners.tensorrt import TensorRT
from lib.store import files
from lib.store.records import Record
from lib.text import Text
from lib.trt import same_plan

if TYPE_CHECKING:
    from lib.runners.base import Runner
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

METHODS = ("entropy", "minmax")  # IInt8EntropyCalibrator2, IInt8MinMaxCalibrator
DEFAULT_METHOD = PRECISIONS["int8"].calibrator  # of every INT8 engine outside this study
RUNNER = TensorRT.name
FULL, EXPLICIT = f"{RUNNER}/fp32", f"{RUNNER}/int8_qdq"  # what engines are compared with
PLAN = "model.plan"
UNITS = {"accuracy": "1", "disagreement": "1", "mcnemar_p": "1", "file_size": "bytes", "file_size_ratio": "1"}


class Variant(NamedTuple):
    """One engine: a key of PRECISIONS and, where TensorRT calibrates, the calibrator and the number of training images."""

    precision: str
    method: str = ""
    images: int = 0

    @property
    def case(self) -> dict[str, Any]:
        """What tells its records from those of other engines of the same precision."""
        return {"method": self.method, "images": self.images} if self.method else {}


@dataclass(frozen=True)
class Engine:
    """A variant with its engine and the classes it answers on all test images, int64 (N,), or the reason why there are none.

    failed: this TensorRT has what it takes and the engine failed all the same.
    """

    variant: Variant
    artifact: Artifact | None = None
    classes: np.ndarray | None = None
    reason: Text | None = None
    failed: bool = False

    @property
    def common(self) -> dict[str, Any]:
        """What its records share, but for the case."""
        sha256 = self.artifact.sha256 if self.artifact else ""
        return {"runner": RUNNER, "precision": self.variant.precision, "artifact_sha256": sha256}

    def empty(self, metric: str, reference: str = "") -> Record:
        """The record of a metric that there is no number for. reference: what it would have been compared with."""
        stats = {"failed": True} if self.failed else {}
        return Record(metric, UNITS[metric], None, reason=self.reason, stats=stats, case=self.case(reference), **self.common)

    def case(self, reference: str = "") -> dict[str, Any]:
        """The case of its records, with what it is compared with."""
        return self.variant.case | ({"reference": reference} if reference else {})


def study(session: Session) -> list[Record]:
    """Build, test and time the engines of `variants`, FP32 first. What this system cannot do is a record with the reason.

    Of every engine: `accuracy` (all test images; stats correct, tested, ci_low, ci_high); beside FP32 `mcnemar_p`
    (case reference; stats only_reference, only_this, difference, difference_low, difference_high). Of precision int8:
    `disagreement` (share of images whose class is not the FP32 engine's). Of those that `compared` names: `file_size`
    (bytes of the plan; stats plan_sha256), `file_size_ratio` to FP32, and end to end at the engines' largest batch `latency`, `throughput`
    and `throughput_ratio`. Calibrated engines have case method, images. The default calibration is also compared with
    explicit Q/DQ: `mcnemar_p` and `throughput_ratio` with that reference.
    """
    engines = _engines(session)
    at_hand = [engine for engine in engines if compared(session, engine.variant)]
    found = [record for engine in engines for record in _answers(session, engine, engines[0])]
    found += [record for engine in at_hand for record in _sizes(engine, engines[0])]
    times = _times(session, at_hand)
    return found + times + _ratios(times) + _against_explicit(session, at_hand, times)


def variants(session: Session) -> list[Variant]:
    """FP32, FP16, every calibrator × number of images, INT8 with FP16 allowed at the default calibration, explicit Q/DQ."""
    swept = [Variant("int8", method, images) for method in METHODS for images in image_counts(session)]
    mixed = Variant("int8_fp16", DEFAULT_METHOD, default_images(session))
    return [Variant("fp32"), Variant("fp16"), *swept, mixed, Variant("int8_qdq")]


def image_counts(session: Session) -> list[int]:
    """The counts of the CPU study and the default one, ascending, each in whole batches of `engines.calibration_batch`."""
    return sorted({*(_whole_batches(session, count) for count in int8.image_counts(session)), default_images(session)})


def default_images(session: Session) -> int:
    """The number of images of the calibration that every other INT8 engine has."""
    return trt.default_calibration(session).images


def compared(session: Session, variant: Variant) -> bool:
    """Whether an engine stands in the comparison with explicit Q/DQ: all that are not swept, and these at the default count."""
    return variant.precision != "int8" or variant.images == default_images(session)


def _whole_batches(session: Session, count: int) -> int:
    batch = session.profile.engines.calibration_batch
    return max(1, count // batch) * batch


def _engines(session: Session) -> list[Engine]:
    """Every variant, built and asked. Without an FP32 engine nothing has a reference, so its reason is that of all."""
    first, *others = variants(session)
    full = _engine(session, first)
    if full.reason is not None:
        return [replace(full, variant=variant) for variant in (first, *others)]
    found = [full]
    with progress.bar(len(others), "INT8 and other engines by TensorRT") as bar:
        for variant in others:
            found.append(_engine(session, variant))
            bar.update()
    return found


def _engine(session: Session, variant: Variant) -> Engine:
    precision = variant.precision
    if reason := TensorRT.unavailable(precision):
        return Engine(variant, reason=reason)
    calibration = trt.Calibration(variant.method, variant.images) if variant.method else None
    try:
        artifact = trt.engine(session, precision, calibration)
        with TensorRT(session, precision, engine=artifact) as runner:
            return Engine(variant, artifact, predictions.run(runner, session.images.x_test).argmax(axis=1))
    except ReportError as error:
        return Engine(variant, reason=_failure(error), failed=not isinstance(error, NotMeasured))


def _failure(error: ReportError) -> Text:
    return Text(f"the engine failed: {error}", f"エンジンが失敗した：{error}")


def _answers(session: Session, engine: Engine, full: Engine) -> list[Record]:
    """Accuracy, for the swept precision disagreement, and McNemar's test against the FP32 engine."""
    swept, other = engine.variant.precision == "int8", engine.variant != full.variant
    if engine.classes is None or full.classes is None:
        made = [engine.empty("accuracy")] + [engine.empty("disagreement")] * swept
        return made + [engine.empty("mcnemar_p", FULL)] * other
    common = engine.common | {"case": engine.case()}
    made = [int8.accuracy_record(engine.classes, session.images.y_test, common)]
    if swept:
        made.append(int8.disagreement_record(engine.classes, full.classes, common))
    return made + [_paired(session, engine, full, FULL)] * other


def _paired(session: Session, engine: Engine, other: Engine, reference: str) -> Record:
    """McNemar's test of two engines on the same images, named as what `engine` differs by from `reference`."""
    labels = session.images.y_test
    return replace(precision_study.paired(other.classes == labels, engine.classes == labels, engine.common), case=engine.case(reference))


def _sizes(engine: Engine, full: Engine) -> list[Record]:
    """Bytes of the plan, and its ratio to the FP32 plan."""
    other = engine.variant != full.variant
    if engine.artifact is None or full.artifact is None:
        return [engine.empty("file_size")] + [engine.empty("file_size_ratio", FULL)] * other
    size, base = engine.artifact.size(PLAN), full.artifact.size(PLAN)
    own = {same_plan.HASH: files.sha256(engine.artifact.file(PLAN))}
    made = [Record("file_size", UNITS["file_size"], float(size), case=engine.case(), stats=own, **engine.common)]
    return made + [Record("file_size_ratio", UNITS["file_size_ratio"], size / base, case=engine.case(FULL), **engine.common)] * other


def _times(session: Session, engines: list[Engine]) -> list[Record]:
    """Latency and throughput at the largest batch, all in one random order, with every engine open at once."""
    size = session.profile.engines.max_batch
    with ExitStack() as stack:
        opened = [(sweep.Configuration(RUNNER, engine.variant.precision, size), _open(session, engine, stack)) for engine in engines]
        measured = sweep.run_opened(session, opened)
    return [replace(record, case=engine.case()) for engine, records in zip(engines, measured, strict=True) for record in records]


def _open(session: Session, engine: Engine, stack: ExitStack) -> Runner | Text | sweep.Failed:
    if engine.reason is not None:
        return sweep.Failed(engine.reason) if engine.failed else engine.reason
    try:
        return stack.enter_context(TensorRT(session, engine.variant.precision, engine=engine.artifact))
    except NotMeasured as error:
        return _failure(error)
    except ReportError as error:
        return sweep.Failed(_failure(error))


def _ratios(times: list[Record]) -> list[Record]:
    """throughput_ratio of every engine to the FP32 one, the first."""
    full, *others = (record for record in times if record.metric == "throughput")
    return [_ratio(rate, full, FULL) for rate in others]


def _ratio(rate: Record, base: Record, reference: str) -> Record:
    """One throughput over another; stats ci_low, ci_high where the samples gave an interval."""
    kept = {key: getattr(rate, key) for key in ("runner", "precision", "batch_size", "scope", "artifact_sha256")}
    case = rate.case | {"reference": reference}
    if reason := rate.reason or base.reason:
        return Record("throughput_ratio", "1", None, reason=reason, case=case, **kept)
    between = sweep.ratio(rate, base)
    interval = {"ci_low": between.low, "ci_high": between.high} if between.low < between.high else {}
    return Record("throughput_ratio", "1", between.value, case=case, stats=interval, **kept)


def _against_explicit(session: Session, engines: list[Engine], times: list[Record]) -> list[Record]:
    """The default calibration beside explicit Q/DQ: McNemar's test and ratio of throughputs. [] where either is missing."""
    asked = {engine.variant: engine for engine in engines if engine.classes is not None}
    implicit, explicit = asked.get(Variant("int8", DEFAULT_METHOD, default_images(session))), asked.get(Variant("int8_qdq"))
    if implicit is None or explicit is None:
        return []
    rates = {(r.precision, r.case.get("method", "")): r for r in times if r.metric == "throughput"}
    ratio = _ratio(rates["int8", DEFAULT_METHOD], rates["int8_qdq", ""], EXPLICIT)
    return [_paired(session, implicit, explicit, EXPLICIT), ratio]
