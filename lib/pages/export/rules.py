"""What the exports say, by rule: within the tolerance of their precision (lib/experiment/precision.py) or not, INT8's loss, sizes."""

from __future__ import annotations

from lib.experiment.candidate import Candidate
from lib.pages import against, causes, common, who
from lib.pages.export.exhibits import File, Files
from lib.pages.tolerance import NONE, limits, source
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


def file_label(run: Run, candidate: Candidate) -> Text:
    """The same, and whether it is the file that the model came as."""
    return W("parts.given", file=label(candidate)) if candidate == against.reference(run) else label(candidate)


def formats(run: Run) -> list[str]:
    """Backends that check a format of which there are files, keys of FORMATS; ONNX's where there are none."""
    there = {candidate.runner for candidate in files(run)}
    return [runner for runner in FORMATS if runner in there] or [BASELINE.runner]


def files(run: Run) -> dict[Candidate, File]:
    """What is inside the exported files."""
    found = run.exhibit("files", Files) or Files(files=[])
    return {Candidate.parse(file.candidate): file for file in found.files}


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    checked = run.candidates("max_abs")
    told = {candidate: _within(run, candidate) for candidate in checked}
    inside = [candidate for candidate, good in told.items() if good]
    found = [_outside(run, candidate) for candidate, good in told.items() if good is False]
    if inside:
        names = [label(candidate) for candidate in inside]
        what = {"files": names, "count": len(inside), **who.of(names, "files", len(inside) + len(found))}
        found.append(W.finding("good", "within", **what, reference=against.reference(run)))
    accuracies = [one for candidate in checked if (one := run.find("accuracy", candidate, case={})) is not None]
    found += against.unlabelled(run) + common.losses(accuracies) + causes.usual(run, accuracies)
    found += common.failures(run.records("max_abs"))
    return found + _sizes(run) + common.unmeasured(run.records("max_abs"))


def _within(run: Run, candidate: Candidate) -> bool | None:
    """Whether a file stays within what its precision is expected to change; None where that is not recorded."""
    apart, same = common.value(run, "max_abs", candidate), run.find("agreement", candidate)
    if apart is None or same is None or same.value is None or (expected := limits(run, candidate)) is NONE:
        return None
    worst = max(apart, common.value(run, "batch_difference", candidate) or 0)  # batches of two sizes must answer alike, too
    return expected.hold(worst, same.stats["correct"], same.stats["total"])


def _outside(run: Run, candidate: Candidate) -> Finding:
    same, expected = run.find("agreement", candidate), limits(run, candidate)
    values = {"apart": common.value(run, "max_abs", candidate), "agreement": same.value, "total": same.stats["total"]}  # type: ignore[union-attr]
    values |= {"reference": against.reference(run), "source": source(run, candidate)}
    return W.finding("bad", "outside", file=label(candidate), **values, limit=expected.max_abs, least=expected.agreement)


def _sizes(run: Run) -> list[Finding]:
    """How large the ONNX files of lower precisions are against FP32."""
    base, shares = common.value(run, "file_size", BASELINE), list[Text]()
    for candidate in run.candidates("file_size") if base else ():
        if candidate.runner == BASELINE.runner and candidate != BASELINE and (size := common.value(run, "file_size", candidate)):
            shares.append(Text(*(f"{named} {size / base:.0%}" for named in candidate.precision_label)))
    return [W.finding("note", "sizes", shares=shares)] if shares else []
