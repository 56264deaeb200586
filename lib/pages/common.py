"""What several pages say by the same rule: disturbed machines, what failed, what was not measured and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from lib import stats
from lib.experiment.candidate import HARNESS, Candidate, listed, ordered
from lib.measure.state import disturbances
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON, Finding

SWEEP = "06_batching"  # measures every candidate at every batch size; other pages read its timings
NOT_RECORDED = Reason("not_recorded")
WINDOWS = "windows"  # stats "rounds" of latencies that an earlier version measured in one block each
Curve = dict[int, Record]  # batch size -> latency
LOSS_MARGIN = 0.01  # accuracy lost against the reference that is a problem: one percentage point


def timed(run: Run) -> Run:
    """The page whose timings this one shows: its own where it measured any, else those of 06."""
    return run if run.records("latency") else run.of(SWEEP)


def disturbed(run: Run) -> list[Finding]:
    """What made the timings that a page shows doubtful, in amber."""
    found = []
    for record in timed(run).records("other_cpu"):
        for key, values in disturbances(record.value, record.stats.get("gpu") or {}):
            found.append(COMMON.finding("warn", key, **values))
    return found


def calm(run: Run) -> bool:
    """Whether winners may be named."""
    return not disturbed(run)


def curves(run: Run, scope: str = "end_to_end") -> dict[Candidate, Curve]:
    """{candidate: {batch size: latency}} of what has a value, in the order of the report, batch sizes ascending; no harness."""
    found: dict[Candidate, Curve] = defaultdict(dict)
    for record in sorted(timed(run).records("latency", scope=scope), key=lambda r: r.batch_size or 0):
        if record.value is not None and record.candidate and record.candidate.runner != HARNESS and not record.case:
            found[record.candidate][record.batch_size or 0] = record
    return {candidate: found[candidate] for candidate in ordered(found)}


def rate(latency: Record) -> Interval:
    """Images per second of a latency, over its rounds."""
    return stats.rate(latency.samples, latency.batch_size or 1)


def settled(run: Run, latency: Record) -> bool:
    """Whether the rounds of a latency agree as closely as the profile asks."""
    return stats.settled(latency.samples, timed(run).profile.measuring.tolerance)


def paired(a: Record, b: Record) -> bool:
    """Whether two latencies come from the same rounds. Windows of one block, as an earlier version measured them, do not."""
    return len(a.samples) == len(b.samples) > 1 and WINDOWS not in (a.stats.get("rounds"), b.stats.get("rounds"))


def speedup(a: Record, b: Record) -> Interval | None:
    """Throughput of a over that of b, paired by round; None for what was not measured in the same rounds."""
    if not paired(a, b):
        return None
    work = (a.batch_size or 1) / (b.batch_size or 1)
    return Interval(*(work * end for end in stats.speedup(a.samples, b.samples)))


def slower(run: Run, a: Record, b: Record) -> bool:
    """Whether the throughput of a is surely below that of b by more than the least ratio; never said on a disturbed machine."""
    ratio, least = speedup(a, b), timed(run).profile.measuring.least_ratio
    return ratio is not None and calm(run) and len(a.samples) >= stats.LEAST_ROUNDS and ratio.high < 1 / (1 + least)


def best_rates(run: Run, latencies: Mapping[Any, Record]) -> set[Any]:
    """Keys of the latencies with the highest throughput and of all that cannot be told from it; none on a disturbed machine,
    none where nothing is left out."""
    rounds, first = {key: latency.samples for key, latency in latencies.items()}, next(iter(latencies.values()), None)
    if len(rounds) < 2 or not calm(run) or not all(paired(first, latency) for latency in latencies.values()):
        return set()
    work = {key: float(latency.batch_size or 1) for key, latency in latencies.items()}
    found = stats.best(rounds, timed(run).profile.measuring.least_ratio, work)
    return set(found) if len(found) < len(rounds) else set()


def mark(rows: list[dict[str, Any]], key: str, digits: int, largest: bool = False) -> None:
    """Mark the rows whose number in a column, as it is shown, is the smallest (or largest); none where all are alike."""
    values = {place: round(float(row[key]), digits) for place, row in enumerate(rows) if isinstance(row.get(key), (int, float))}
    top = (max if largest else min)(values.values(), default=None)
    best = [place for place, value in values.items() if value == top]
    for place in best if len(best) < len(values) else []:
        rows[place].setdefault("best", set()).add(key)


def chance(run: Run, accuracy: Record) -> float:
    """What guessing gives on the test images: one class in so many, or the share of the most frequent class."""
    shares = [1 / max(1, len(run.info.class_names)), accuracy.stats.get("largest_class", 0) / accuracy.stats["total"]]
    return max(shares)


def at_chance(run: Run, accuracies: Iterable[Record]) -> list[Finding]:
    """Red for every accuracy that cannot be told from guessing: such a model has nothing to lose."""
    found = []
    for one in accuracies:
        if one.value is not None and stats.at_chance(one.stats["correct"], one.stats["total"], chance(run, one)):
            interval = stats.wilson(one.stats["correct"], one.stats["total"])
            values = {"accuracy": percent(interval), "chance": chance(run, one)}
            found.append(COMMON.finding("bad", "at_chance", candidate=one.candidate, **values))
    return found


def losses(accuracies: Iterable[Record], margin: float = LOSS_MARGIN) -> list[Finding]:
    """What accuracy each loses against the reference, by the paired interval: red where more than the margin is lost, good
    where so much is ruled out, a note where these images can tell neither."""
    by: dict[str, list[tuple[Candidate, Interval]]] = defaultdict(list)
    for one in accuracies:
        if one.value is not None and one.candidate and "only_reference" in one.stats:
            counts = one.stats["only_reference"], one.stats["only_candidate"], one.stats["total"]
            by[stats.loss(*counts, margin)].append((one.candidate, percent(stats.paired(*counts))))
    points, found = 100 * margin, []
    for key, level in (("over", "bad"), ("undecided", "note")):
        found += [COMMON.finding(level, f"loss_{key}", candidate=c, points=apart, margin=points) for c, apart in by[key]]  # type: ignore[arg-type]
    if within := by["within"]:
        low, high = min(apart.low for _, apart in within), max(apart.high for _, apart in within)
        what = listed(ordered(candidate for candidate, _ in within))
        found.append(COMMON.finding("good", "loss_within", count=len(within), what=what, low=low, high=high, margin=points))
    return found


def percent(interval: Interval) -> Interval:
    """Shares as percentages, differences of shares as percentage points."""
    return Interval(*(100 * end for end in interval))


def failures(records: Iterable[Record]) -> list[Finding]:
    """A red finding for each candidate and reason that should have been measured and was not."""
    lost: dict[tuple[Candidate | None, Reason], list[int]] = defaultdict(list)
    for record in records:
        if record.reason is not None and record.reason.failed:
            lost[record.candidate, record.reason].append(record.batch_size or 0)
    return [
        COMMON.finding("bad", "failed", candidate=candidate or Text("", ""), why=_at(sizes, reason.text))
        for (candidate, reason), sizes in lost.items()
    ]


def unmeasured(records: Iterable[Record]) -> list[Finding]:
    """A note for every reason why something was not measured: the candidates that lack it, with the batch sizes where others have some."""
    records = [record for record in records if record.candidate and record.candidate.runner != HARNESS]
    some = {record.candidate for record in records if record.value is not None}
    sizes: dict[tuple[Candidate, Reason], list[int]] = defaultdict(list)
    for record in records:
        if record.reason is not None and not record.reason.failed and record.candidate:
            sizes[record.candidate, record.reason].append(record.batch_size or 0)
    lost: dict[Text, list[Candidate]] = defaultdict(list)
    for (candidate, reason), at in sizes.items():
        lost[_at(at, reason.text) if candidate in some else reason.text].append(candidate)
    return [COMMON.finding("note", "unmeasured", what=listed(ordered(candidates)), why=why) for why, candidates in lost.items()]


def missing_rows(records: Iterable[Record], column: str) -> list[dict[str, Any]]:
    """Table rows of candidates without a number: one a backend and reason, with its precisions; the reason stands in `column`."""
    groups: dict[tuple[str, Reason], list[Candidate]] = defaultdict(list)
    for record in records:
        if record.reason is not None and record.candidate:
            groups[record.candidate.runner, record.reason].append(record.candidate)
    rows = []
    for (_, reason), candidates in groups.items():
        labels = [candidate.precision_label for candidate in ordered(candidates)]
        precisions = Text(", ".join(label.en for label in labels), "、".join(label.ja for label in labels))
        rows.append({"runner": candidates[0].runner_label, "precision": precisions, column: reason})
    return rows


def _at(sizes: Iterable[int], why: Text) -> Text:
    at = [str(size) for size in sorted(set(sizes)) if size]
    return COMMON("captions.at_batch", sizes=at, why=why) if at else why
