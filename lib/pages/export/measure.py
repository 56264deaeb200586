"""What notebook 02 measures: it exports the model in every format and asks each file whether it still answers as the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib import export, runners
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.measure import accuracy, compare, sweep
from lib.pages import against
from lib.pages.export.exhibits import File, Files, Sample, Samples
from lib.runners import RUNNERS
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Record

CHECKED_BY = ("onnxrt", "tflite")  # backends that run the exported files on any system
BATCHES = (1, 3)  # sizes that one exported file must take; their answers may differ by what rounding does


def measure(session: Session) -> None:
    """Record of each export its size, the seconds of its conversion, and how far its answers are from the reference's."""
    candidates = [candidate for candidate in runners.candidates(session.profile) if candidate.runner in CHECKED_BY]
    accuracy.accuracies(session, dict.fromkeys([session.profile.reference, *candidates]))
    compare.record_spread(session)
    files = [_measured(session, candidate) for candidate in candidates]
    session.exhibit("files", Files(files=[file for file in files if file is not None]))
    listed = sorted(export.samples(session).path.iterdir())
    session.exhibit("samples", Samples(files=[Sample(name=path.name, bytes=path.stat().st_size) for path in listed]))


def _measured(session: Session, candidate: Candidate) -> File | None:
    """Record one exported file; None where it could not be made or does not run: then the reason is recorded.

    The file that was given is the reference itself: there is nothing to compare it with.
    """
    reference = session.profile.reference
    try:
        artifact: Artifact = RUNNERS[candidate.runner](session, candidate).artifact  # type: ignore[assignment]  # exported files have one
        apart = None if candidate == reference else against.apart(session, candidate)
        batches = _batch_difference(session, candidate)
    except ReportError as error:
        session.record(Record("max_abs", "difference", None, candidate, reason=sweep.why(error)))
        return None

    def record(metric: str, unit: str, value: float, **stats: Any) -> None:
        session.record(Record(metric, unit, value, candidate, stats=stats, artifact_sha256=artifact.sha256))

    record("file_size", "bytes", artifact.info["bytes"])
    if "seconds" in artifact.info:  # else it is the file that was given
        record("export_time", "s", float(artifact.info["seconds"]))
    if apart is not None:
        record("max_abs", "difference", apart.max_abs, total=apart.images)
        session.record(against.agreement(apart, candidate, artifact_sha256=artifact.sha256))
    if batches is not None:
        record("batch_difference", "difference", batches, batch_sizes=list(BATCHES))
    return File(candidate=candidate.key, nodes=artifact.info["nodes"], opset=artifact.info.get("opset"))


def _batch_difference(session: Session, candidate: Candidate) -> float | None:
    """Largest difference between the answers to the same test images in batches of either size; None for a model of one batch size."""
    if session.spec.batch is not None:
        return None
    count = int(np.prod(BATCHES))
    images = session.to_input(session.images.x_test[:count])
    with RUNNERS[candidate.runner](session, candidate) as run:
        answers = [np.concatenate([run.infer(images[at : at + size]).copy() for at in range(0, count, size)]) for size in BATCHES]
    return float(np.abs(answers[0] - answers[1]).max())
