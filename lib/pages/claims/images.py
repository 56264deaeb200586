"""Claims about images: accuracies, losses, answers that are the same, and what is said not to run at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.claims import claims, documents, numbers
from lib.pages.claims.claims import W
from lib.pages.claims.verdicts import Answer
from lib.stats import Interval
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text, joined


def loss(rule: claims.Loss, run: Run) -> Answer | Reason:
    """No candidate loses accuracy; or why nobody knows: a sure loss refutes it, a margin that is ruled out confirms it."""
    told: list[tuple[Candidate, Interval]] = []
    for candidate in map(Candidate.parse, rule.of):
        counts = numbers.alone(run, candidate, rule.than)
        if isinstance(counts, Reason):
            return counts
        told.append((candidate, common.percent(stats.paired(*counts))))
    ours = joined(W("ours.points", candidate=candidate, points=points) for candidate, points in told)
    losing, margin = [candidate for candidate, points in told if points.high < 0], 100 * common.LOSS_MARGIN
    if losing:
        return Answer("fails", W("why.loses", what=losing), ours)
    if all(points.low >= -margin for _, points in told):
        return Answer("holds", W("why.loses_nothing", margin=margin), ours)
    return Answer("unknown", W("why.may_lose", margin=margin), ours)


def accuracy(rule: claims.Accuracy, run: Run) -> Answer | Reason:
    """An accuracy, by whether our interval contains it; or why we have none."""
    found = numbers.right(run, Candidate.parse(rule.of))
    if isinstance(found, Reason):
        return found
    share = common.share(found)
    ours = W("ours.share", share=share)
    if isinstance(share, Reason):
        return share
    if not rule.of_any_model:
        return Answer("unknown", W("why.other_model"), ours)
    inside = share.low <= 100 * rule.claimed <= share.high
    return Answer("holds" if inside else "fails", W("why.inside" if inside else "why.outside"), ours)


def same(rule: claims.Same, run: Run) -> Answer | Reason:
    """Answers that are the same, over all test images; or why they were not compared."""
    told: list[tuple[Candidate, numbers.Differing]] = []
    for candidate in map(Candidate.parse, rule.of):
        found = numbers.differing(run, candidate, rule.to)
        if isinstance(found, Reason):
            return found
        told.append((candidate, found))
    ours = joined(_differ(candidate, one) for candidate, one in told)
    changing = [candidate for candidate, one in told if one.differ and one.share.low > rule.allowed]
    changing += [candidate for candidate, one in told if one.differ and not rule.allowed and candidate not in changing]
    if changing:
        return Answer("fails", W("why.changes", what=changing), ours)
    if any(rule.limit is not None and (one.max_abs is None or one.max_abs > rule.limit) for _, one in told):
        return Answer("fails", W("why.over_limit", limit=rule.limit), ours)
    if rule.allowed and any(one.share.high > rule.allowed for _, one in told):
        return Answer("unknown", W("why.may_change", allowed=100 * rule.allowed), ours)
    key = "few_change" if rule.allowed else "same"
    return Answer("holds", W(f"why.{key}", allowed=100 * rule.allowed, images=max(one.total for _, one in told)), ours)


def _differ(candidate: Candidate, one: numbers.Differing) -> Text:
    values: dict[str, Any] = {"candidate": candidate, "differ": one.differ, "total": one.total}
    if one.max_abs is None:
        return W("ours.differ", **values)
    return W("ours.differ_exact" if one.max_abs == 0 else "ours.differ_most", **values, most=one.max_abs)


def batches(rule: claims.Batches, run: Run) -> Answer | Reason:
    """Answers that do not depend on the batch size, whichever way the engine is called; or why that was not tried."""
    wanted = Candidate.parse(rule.of)
    calls = [r for r in run.everywhere("call_agreement") if r.candidate and r.candidate.plain == wanted and r.value is not None]
    sizes = sorted({r.batch_size for r in calls if r.batch_size})
    if len(sizes) < 2:
        whys = [r.reason for r in run.everywhere("call_agreement") if r.candidate and r.candidate.plain == wanted and r.reason]
        return next(iter(whys), common.NOT_RECORDED)
    differ = max(int(r.stats["total"]) - int(r.stats["correct"]) for r in calls)  # type: ignore[arg-type]
    largest = max(float(r.stats.get("max_abs") or 0) for r in calls)  # type: ignore[arg-type]
    ours = _differ(wanted, numbers.Differing(differ, int(calls[0].stats["total"]), largest))  # type: ignore[arg-type]
    if differ:
        return Answer("fails", W("why.batches_change", sizes=sizes), ours)
    return Answer("holds", W("why.batches_same" if largest == 0 else "why.batches_close", sizes=sizes), ours)


def ran(rule: claims.Ran, run: Run) -> Answer | Reason:
    """What is said not to exist on a version, refuted by a record of it there; or that no such version is recorded."""
    candidate = Candidate.parse(rule.of)
    for file in run.files.values():
        library = str((file.stage.system.get("libraries") or {}).get("tensorrt", ""))  # type: ignore[union-attr]
        for record in file.records:
            version = str(record.case.get("tensorrt", library))
            if (
                (record.metric, record.candidate) == (rule.metric, candidate)
                and record.value is not None
                and version.startswith(rule.tensorrt)
            ):
                total = int(record.stats.get("total", 0))  # type: ignore[arg-type]
                return Answer("fails", W("why.ran", version=version), W("ours.ran", version=version, candidate=candidate, images=total))
    return Reason.verbatim(W("why.no_version", version=rule.tensorrt))


def guessing(rule: claims.Guessing, run: Run) -> Answer | Reason:
    """By its own numbers; our accuracy stands beside them."""
    found = numbers.right(run, Candidate.parse(rule.of))
    return found if isinstance(found, Reason) else replace(documents.guessed(rule), ours=W("ours.share", share=common.share(found)))
