"""What notebook 04 says by rule: what INT8 loses, which calibration changes the fewest answers, how many images it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from lib import stats
from lib.experiment.candidate import PLAIN, Candidate, listed, ordered
from lib.experiment.precision import PRECISIONS
from lib.pages import against, causes, common, who
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON, Finding, Words

W = Words(__file__)
ONNX, TENSORRT = "onnxrt", "tensorrt"
EXPORTED, CALIBRATED, EXPLICIT = Candidate(ONNX, "int8_qdq"), Candidate(TENSORRT, "int8"), Candidate(TENSORRT, "int8_qdq")
SETTLED_PER_MILLE = 2  # of the test images: as good as the largest count is one whose changed answers are so close in number
ALPHA = 1 - stats.CONFIDENCE
NO_IMAGES = Reason("no_calibration_images")


class Model(NamedTuple):
    """A candidate and, where it is one of this page's calibrations, the method and the number of calibration images."""

    candidate: Candidate
    method: str = ""
    images: int = 0

    @classmethod
    def of(cls, record: Record) -> Model:
        """What a record is about."""
        assert record.candidate is not None
        return cls(record.candidate, str(record.case.get("method", "")), int(record.case.get("images", 0)))

    @property
    def case(self) -> dict[str, Any]:
        """Of its records."""
        return {"method": self.method, "images": self.images} if self.method else {}

    @property
    def calibration(self) -> Text:
        """In words; how a model without a calibration of its own got its ranges."""
        if self.method:
            return W("calibrations.by", method=method(self.method), images=self.images)
        if self.candidate.way != PLAIN:
            return W("calibrations.default_mode")
        return W(f"calibrations.{self.candidate.precision}") if self.candidate.precision in W.groups["calibrations"] else Text("–", "–")

    @property
    def label(self) -> Text:
        """In a sentence."""
        candidate = self.candidate.plain
        if self.method:
            return W("parts.calibrated", candidate=candidate, method=method(self.method), images=self.images)
        return candidate.label if self.candidate == candidate else W("parts.default_mode", candidate=candidate)


def method(name: str) -> Text:
    """A calibration method in words."""
    return W.groups["methods"].get(name, Text(name, name))


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    rules = (_losses, _steadiest, _settling, _saturates, _against_explicit, _same_plan)
    asked = [r for r in run.records() if r.metric in ("accuracy", "latency") and r.candidate]
    told = against.unlabelled(run) + [finding for rule in rules for finding in rule(run)]
    told += common.unsettled(run, {model.label: latency for model, latency in latencies(run).items()}, "models")
    without = [record for record in asked if record.reason == NO_IMAGES]
    others = [record for record in asked if record not in without]
    return common.disturbed(run) + _failures(asked) + told + _nothing_to_calibrate(without) + common.unmeasured(others)


def compared(run: Run) -> list[Model]:
    """The models that stand beside each other: the exported ones in ONNX Runtime, and the engines that were to be timed."""
    of = [record.candidate for record in run.everywhere("accuracy", case={}) if record.candidate]
    exported = ordered(c for c in of if c.runner == ONNX and c.precision in ("fp32", EXPORTED.precision))
    return [Model(candidate) for candidate in exported] + [Model.of(r) for r in run.records("latency", scope="end_to_end") if r.candidate]


def calibrations(run: Run, runner: str) -> list[Model]:
    """The calibrations of a backend, those without a number too: by method, then by number of images."""
    found = {Model.of(r) for r in run.records("agreement") if r.candidate and r.candidate.runner == runner and "method" in r.case}
    return sorted(found, key=lambda model: (model.method, model.images))


def found(run: Run, metric: str, model: Model) -> Record | None:
    """A model's record of a metric."""
    return run.find(metric, model.candidate, case=model.case)


def changed(run: Run, model: Model) -> int | None:
    """How many test images have another class than the reference gives; None where that was not measured."""
    one = found(run, "agreement", model)
    return one.stats["total"] - one.stats["correct"] if one is not None and one.value is not None else None


def latencies(run: Run, scope: str = "end_to_end") -> dict[Model, Record]:
    """Those of this page that have a value."""
    return {Model.of(r): r for r in run.records("latency", scope=scope) if r.candidate and r.value is not None}


def default(run: Run) -> Model | None:
    """TensorRT's calibration that every INT8 engine of the report has."""
    method = PRECISIONS["int8"].calibrator
    return next((model for model in compared(run) if (model.candidate, model.method) == (CALIBRATED, method)), None)


def _at(run: Run, runner: str) -> int:
    """The number of images at which methods are compared: the default one, else the largest; 0 where there is none."""
    done = {model.images for model in calibrations(run, runner) if changed(run, model) is not None}
    usual = default(run) if runner == TENSORRT else None
    return usual.images if usual and usual.images in done else max(done, default=0)


def _failures(asked: list[Record]) -> list[Finding]:
    """Red: what should have been measured and was not, with its calibration."""
    lost = common.by_reason(asked, lambda record: Model.of(record).label, failed=True)
    said = {reason.text: {"candidate": labels, **who.of(labels, "models")} for reason, labels in lost.items()}
    return [COMMON.finding("bad", "failed", why=why, because=who.because(why), **values) for why, values in said.items()]


def _nothing_to_calibrate(without: list[Record]) -> list[Finding]:
    """One note on all that lacks calibration images."""
    what = ordered(record.candidate for record in without if record.candidate)
    return [W.finding("note", "nothing_to_calibrate", what=listed(what), **who.of(what))] if what else []


def _losses(run: Run) -> list[Finding]:
    """INT8 as the report uses it, by the rule of all pages; a note on other calibrations that lose more."""
    usual = default(run)
    rows = ((model, PRECISIONS.get(model.candidate.precision)) for model in compared(run) if model.candidate.way == PLAIN)
    quantized = [model for model, row in rows if row is not None and row.weights == "int8"]
    used = [model for model in quantized if not model.method or model == usual or model.candidate != CALIBRATED]
    others = [model for model in quantized if model not in used]
    others += [model for model in calibrations(run, ONNX) if model.images == _at(run, ONNX)]
    over = [m for m in others if (only := common.only(found(run, "accuracy", m))) and stats.loss(*only, common.LOSS_MARGIN) == "over"]
    accuracies = [one for model in used if (one := found(run, "accuracy", model))]
    made = common.losses(accuracies) + causes.usual(run, accuracies)
    if over:
        what = [W("parts.points", model=m.label, points=common.points(found(run, "accuracy", m))) for m in over]
        made.append(W.finding("note", "loss_elsewhere", what=what, count=len(what), margin=100 * common.LOSS_MARGIN))
    return made


def _steadiest(run: Run) -> Iterator[Finding]:
    """The method that changes the fewest answers, or that this cannot be told: McNemar's tests of two methods on the same images,
    adjusted by Holm for all pairs."""
    for candidate in (EXPORTED, CALIBRATED):
        images = _at(run, candidate.runner)
        own = {m.method: n for m in calibrations(run, candidate.runner) if m.images == images and (n := changed(run, m)) is not None}
        apart = [r for r in run.records("agreement_difference", candidate=candidate) if r.case.get("images") == images]
        if len(own) < 2 or not apart:
            continue
        adjusted = stats.holm([stats.mcnemar(r.stats["only_method"], r.stats["only_other"]) for r in apart])
        p = {frozenset((r.case["method"], r.case["other"])): value for r, value in zip(apart, adjusted, strict=True)}
        best = min(own, key=lambda name: own[name])
        alike = [name for name in sorted(own, key=lambda name: own[name]) if name == best or p.get(frozenset((best, name)), 1) >= ALPHA]
        shares = [W("parts.changed", method=method(name), share=own[name] / apart[0].stats["total"]) for name in alike]
        key = "steadiest" if len(alike) == 1 else "steadiest_unknown" if len(alike) == len(own) else "steadiest_some"
        yield W.finding("note", key, runner=candidate.runner_label, images=images, methods=shares)


def _settling(run: Run) -> Iterator[Finding]:
    """From how many images on each method changes as many answers as with the largest number, give or take SETTLED_PER_MILLE."""
    for candidate in (EXPORTED, CALIBRATED):
        curves: dict[str, dict[int, int]] = defaultdict(dict)
        for model in calibrations(run, candidate.runner):
            if (own := changed(run, model)) is not None:
                curves[model.method][model.images] = own
        total = max((r.stats.get("total", 0) for r in run.records("agreement", candidate=candidate)), default=0)
        curves = {name: curve for name, curve in curves.items() if len(curve) > 1}
        if curves:
            enough = {name: settles(curve, total) for name, curve in curves.items()}
            late = [images for name, images in enough.items() if images == max(curves[name])]
            told = W("parts.unsettled", images=max(late)) if late else W("parts.settles", images=max(enough.values()))
            methods = [W("parts.enough", method=method(name), images=images) for name, images in enough.items()]
            yield W.finding("note", "settling", runner=candidate.runner_label, told=told, methods=methods, points=SETTLED_PER_MILLE / 10)


def settles(curve: dict[int, int], total: int) -> int:
    """The smallest number of images from which on the changed answers ({images: count}, of `total`) stay close to the last."""
    _, last = max(curve.items())
    far = max((images for images, own in curve.items() if 1000 * abs(own - last) > SETTLED_PER_MILLE * total), default=0)
    return min(images for images in curve if images > far)


def _saturates(run: Run) -> Iterator[Finding]:
    """What the exported INT8 model becomes in ONNX Runtime's default mode, where that is another."""
    for model in compared(run):
        default_mode, precise = model.candidate, Model(EXPORTED)
        if default_mode.runner != ONNX or default_mode.way == PLAIN:
            continue
        values = {"changed": changed(run, model), "precise": changed(run, precise)}
        values |= {key: common.value(run, "max_abs", m.candidate, case=m.case) for key, m in (("far", model), ("near", precise))}
        if None not in values.values():
            yield W.finding("note", "saturates", total=found(run, "agreement", model).stats["total"], **values)  # type: ignore[union-attr]


def _against_explicit(run: Run) -> Iterator[Finding]:
    """Implicit INT8 at the default calibration beside explicit Q/DQ: accuracy, and speed where it was measured."""
    timed = latencies(run) if common.calm(run) else {}
    for record in run.records("accuracy_difference", candidate=CALIBRATED):
        if record.case.get("reference") != EXPLICIT.key:  # an earlier version also compared with FP32
            continue
        model = Model.of(record)
        own, base, values = timed.get(model), timed.get(Model(EXPLICIT)), {"model": model.label, "points": common.points(record)}
        if own and base and (ratio := common.speedup(own, base)):
            speed = W(f"speeds.{stats.compared(own.samples, base.samples, run.profile.measuring.least_ratio)}", ratio=ratio)
            yield W.finding("note", "beside_explicit_timed", speed=speed, batch=own.batch_size, **values)
        else:
            yield W.finding("note", "beside_explicit", **values)


def _same_plan(run: Run) -> Iterator[Finding]:
    """Engines that are one and the same plan: how far apart one thing measured twice lies."""
    timed = latencies(run)
    for sizes in common.same_plan(found(run, "file_size", model) for model in timed):
        first, *others = map(Model.of, sizes)
        for other in others:
            if ratio := common.speedup(timed[first], timed[other]):
                yield W.finding("note", "same_plan", models=[first.label, other.label], ratio=ratio)
