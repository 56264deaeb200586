"""What the exports say, by rule: within the tolerance of their precision (lib/experiment/precision.py) or not, INT8's loss, sizes."""

from __future__ import annotations

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.pages import common
from lib.stats import wilson
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Words

W = Words(__file__)
FORMATS = {"onnxrt": "ONNX", "tflite": "TFLite"}  # backend that checks a file -> format
BASELINE = Candidate("onnxrt", "fp32")


def label(candidate: Candidate) -> Text:
    """Format and precision, such as "ONNX FP16"."""
    form, precision = FORMATS.get(candidate.runner, candidate.runner), candidate.precision_label
    return Text(f"{form} {precision.en}", f"{form} {precision.ja}")


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    checked = run.candidates("max_abs")
    told = {candidate: _within(run, candidate) for candidate in checked}
    inside = [candidate for candidate, good in told.items() if good]
    found = [_outside(run, candidate) for candidate, good in told.items() if good is False]
    if inside:
        found.append(W.finding("good", "within", files=[label(candidate) for candidate in inside], count=len(inside)))
    accuracies = [one for candidate in checked if (one := run.find("accuracy", candidate, case={})) is not None]
    return found + common.losses(accuracies) + common.failures(accuracies) + _sizes(run)


def _within(run: Run, candidate: Candidate) -> bool | None:
    """Whether a file stays within what its precision is expected to change; None where that is not recorded.

    Its agreement may fall short of the expected share by no more than what so many images leave open (Wilson).
    """
    apart, batches, same = (run.find(metric, candidate) for metric in ("max_abs", "batch_difference", "agreement"))
    expected = PRECISIONS.get(candidate.precision)
    if apart is None or same is None or expected is None or apart.value is None or same.value is None:
        return None
    worst = max(apart.value, batches.value if batches and batches.value is not None else 0)  # batches of two sizes must answer alike, too
    agrees = same.value >= expected.min_agreement or wilson(same.stats["correct"], same.stats["total"]).high >= expected.min_agreement < 1
    return worst <= expected.max_abs_difference and agrees


def _outside(run: Run, candidate: Candidate) -> Finding:
    apart, same, expected = run.find("max_abs", candidate), run.find("agreement", candidate), PRECISIONS[candidate.precision]
    limits = {"limit": expected.max_abs_difference, "least": expected.min_agreement}
    values = {"apart": apart.value if apart else 0, "agreement": same.value if same else 0, "total": same.stats["total"] if same else 0}
    return W.finding("bad", "outside", file=label(candidate), **values, **limits)


def _sizes(run: Run) -> list[Finding]:
    """How large the ONNX files of lower precisions are against FP32."""
    base = run.find("file_size", BASELINE)
    if base is None or not base.value:
        return []
    sizes = {candidate: run.find("file_size", candidate) for candidate in run.candidates("file_size")}
    shares = [
        Text(*(f"{named} {size.value / base.value:.0%}" for named in candidate.precision_label))
        for candidate, size in sizes.items()
        if candidate.runner == BASELINE.runner and candidate != BASELINE and size and size.value is not None
    ]
    return [W.finding("note", "sizes", shares=shares)] if shares else []
