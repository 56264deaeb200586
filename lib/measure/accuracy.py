"""How many test images a candidate has right, and which only it or only the reference has: counts, recorded once a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lib.errors import NotMeasured, ReportError
from lib.experiment.candidate import Candidate
from lib.measure import predictions, sweep
from lib.runners import RUNNERS
from lib.session import Session
from lib.store.records import Reason, Record


def accuracies(session: Session, candidates: Iterable[Candidate]) -> None:
    """Record the accuracy of each candidate that no earlier page of this run has recorded; its reason where it has no answers."""
    known = {record.candidate for record in session.earlier("accuracy")}
    for candidate in candidates:
        if candidate in known:
            continue
        try:
            answers = predictions.of(session, candidate)
            sha256 = RUNNERS[candidate.runner](session, candidate).artifact_sha256
            session.record(counted(session, candidate, answers, artifact_sha256=sha256))
        except ReportError as error:
            session.record(Record("accuracy", "share", None, candidate, reason=sweep.why(error)))


def counted(session: Session, candidate: Candidate, answers: np.ndarray, **more: Any) -> Record:
    """The accuracy record of answers, float32 (N, classes), to all test images. `more`: further fields of the record.

    stats: correct, total, largest_class (images of the most frequent class) and, but for the reference itself, only_reference and
    only_candidate: images that the one alone has right. Raises NotMeasured where nobody knows the right classes.
    """
    labels, reference = session.images.y_test, session.profile.reference
    if labels is None:
        raise NotMeasured(Reason("no_labels"))
    right = answers.argmax(axis=1) == labels
    stats = {"correct": int(right.sum()), "total": len(right), "largest_class": int(np.bincount(labels).max())}
    if candidate != reference or more.get("case"):
        expected = predictions.of(session, reference).argmax(axis=1) == labels
        stats |= {"only_reference": int((expected & ~right).sum()), "only_candidate": int((right & ~expected).sum())}
    return Record("accuracy", "share", stats["correct"] / stats["total"], candidate, stats=stats, **more)
