"""The reference, and agreement with it, which stands in the place of accuracy where nobody knows the right classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib.errors import ReportError
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.measure import compare, predictions, sweep
from lib.measure.compare import Difference
from lib.pages import common
from lib.pages.common import NO_LABELS
from lib.session import Session
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON, Finding

UNITS = {"agreement": "share", "max_abs": "difference"}


def reference(run: Run) -> Candidate:
    """What every other candidate of a page is compared with; the SavedModel where the page has recorded nothing."""
    return run.profile.reference if run.measured else SAVED_MODEL_REFERENCE


def labelled(run: Run) -> bool:
    """Whether somebody knows the right classes of the test images: no accuracy is missing for want of labels, or some are there."""
    accuracies = run.everywhere("accuracy")
    return any(one.value is not None for one in accuracies) or all(one.reason != NO_LABELS for one in accuracies)


def unlabelled(run: Run) -> list[Finding]:
    """One note in place of all that could be said of accuracy, where nobody knows the right classes."""
    return [] if labelled(run) else [COMMON.finding("note", "no_labels", reference=reference(run))]


def agreement(found: Difference, candidate: Candidate, metric: str = "agreement", **more: Any) -> Record:
    """How many images have the same class, as `found`. more: further fields of the record; stats go beside the counts."""
    counts = {"correct": found.images - len(found.disagree), "total": found.images}
    return Record(metric, "share", found.agreement, candidate, stats=counts | more.pop("stats", {}), **more)


def apart(session: Session, candidate: Candidate, outputs: Any = None) -> Difference:
    """How far outputs, float32 (N, classes), of a candidate (its own where none are given) lie from the reference's."""
    reference = session.profile.reference
    own = predictions.of(session, candidate) if outputs is None else outputs
    return compare.difference(predictions.of(session, reference), own, (reference.key, candidate.key))


def record(session: Session, candidates: Iterable[Candidate]) -> None:
    """Record agreement and max_abs of each candidate but the reference where no earlier page of this run has; else why there is none."""
    for candidate in candidates:
        if candidate == session.profile.reference:
            continue
        try:
            found = apart(session, candidate)
            made = [agreement(found, candidate), Record("max_abs", UNITS["max_abs"], found.max_abs, candidate)]
        except ReportError as error:
            made = [Record(metric, unit, None, candidate, reason=sweep.why(error)) for metric, unit in UNITS.items()]
        session.record(*(one for one in made if not session.earlier(one.metric, candidate=candidate)))


def share(run: Run, candidate: Candidate, of: str = "correct") -> Interval | Reason | None:
    """Images (%) with the reference's class ("correct") or another ("others"), with their interval; None for the reference itself."""
    return None if candidate == reference(run) else common.share(run.find("agreement", candidate), of)


def said(*sentences: Text) -> Text:
    """Sentences, one behind the other."""
    english, japanese = zip(*sentences, strict=True)
    return Text(" ".join(english), "".join(japanese))


def marking(rows: Iterable[common.Row]) -> list[Text]:
    """What a table of speeds says of the cells that are marked in it, in a sentence; none where none is."""
    marked = set[str]().union(*(row.get("best", ()) for row in rows))
    return [COMMON(f"captions.marked_{'_'.join(sorted(marked))}")] if marked else []
