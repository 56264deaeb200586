"""What a loss of accuracy usually means, by how large it is: one sentence where a model of the user's own loses some.

The sizes are those that public threads report: NVIDIA/TensorRT#1411 (calibration), onnx/tensorflow-onnx#993 and wang-xinyu/tensorrtx#719
(layout, scale), ZFTurbo/VGG16-Pretrained-C#4 and huggingface/pytorch-image-models#2463 (colours, mean and std), mlcommons/inference#201
and NVIDIA/DALI#1111 (interpolation, crop).
"""

from __future__ import annotations

from collections.abc import Iterable

from lib import stats
from lib.experiment.candidate import Candidate, listed, ordered
from lib.experiment.precision import PRECISIONS
from lib.pages import common, who
from lib.store.records import Record
from lib.store.run import Run
from lib.words import Finding, Words

W = Words(__file__)
SCALE = 0.6  # of the reference's accuracy; what is left of it with another scale or layout
COLOURS = 0.04  # lost accuracy from which on mean, std or the order of colours is the likelier cause


def usual(run: Run, accuracies: Iterable[Record]) -> list[Finding]:
    """A note on what the surest losses against the reference usually mean; none where nothing is lost, nor of the model trained here.

    accuracies: of candidates, as `common.losses` takes them. The largest loss decides; INT8 alone has a cause of its own.
    """
    if not run.measured or run.profile.model is None:
        return []
    lost = {one.candidate: one for one in accuracies if one.candidate and _lost(one)}
    plain = {candidate: one for candidate, one in lost.items() if not _int8(candidate)}
    if not lost:
        return []
    if not plain:
        return [W.finding("note", "usual_cause", what=listed(ordered(lost)), **who.of(lost), cause=W("causes.calibration"))]
    worst = min(plain, key=lambda candidate: plain[candidate].value or 0)
    return [W.finding("note", "usual_cause", what=worst, **who.of([worst]), cause=W(f"causes.{_cause(run, plain[worst])}"))]


def _lost(one: Record) -> bool:
    """Whether it surely has less accuracy than the reference, by more than the margin of all pages."""
    counts = common.only(one)
    return bool(counts) and stats.loss(*counts, common.LOSS_MARGIN) == "over"


def _int8(candidate: Candidate) -> bool:
    row = PRECISIONS.get(candidate.precision)
    return row is not None and row.weights == "int8"


def _cause(run: Run, one: Record) -> str:
    only_reference, only_candidate, total = common.only(one)  # type: ignore[misc]  # `_lost` has asked for it
    reference = (one.stats["correct"] + only_reference - only_candidate) / total
    if stats.at_chance(one.stats["correct"], total, common.chance(run, one)):
        return "layout"
    if one.value <= SCALE * reference:
        return "scale"
    return "colours" if reference - one.value >= COLOURS else "resize"
