"""What several pages say by the same rule: disturbed machines, what failed, what was not measured and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from lib import stats
from lib.experiment.candidate import HARNESS, Candidate, listed, ordered
from lib.measure.state import disturbances
from lib.pages import who
from lib.stats import Interval
from lib.store.records import WINDOWS, Reason, Record
from lib.store.run import Run
from lib.text import Text, joined
from lib.words import COMMON, Finding

TIMED = ("latency", "layers_time", "other_cpu")  # metrics that a page has where it timed anything
COMPARED = "07_precision"  # shows all candidates at one batch size
SWEEP = "06_batching"  # measures every candidate at every batch size; other pages read its timings
NOT_RECORDED = Reason("not_recorded")
NO_LABELS = Reason("no_labels")
K = TypeVar("K")
Row = dict[str, Any]  # of a table
Curve = dict[int, Record]  # batch size -> latency
LOSS_MARGIN = 0.01  # accuracy lost against the reference that is a problem: one percentage point


def value(run: Run, metric: str, candidate: Candidate | None = None, **where: Any) -> float | None:
    """The number that a run holds (`Run.find`), None where it has none."""
    record = run.find(metric, candidate, **where)
    return record.value if record else None


def number(record: Record | None, factor: float = 1.0) -> float | Reason:
    """What a table's cell shows of a record: its value times `factor`, or why there is none."""
    if record is None or record.value is None:
        return (record and record.reason) or NOT_RECORDED
    return factor * record.value


def file_size(found: Any, candidate: Candidate, **more: Any) -> Record:
    """The file_size (bytes) of a runner that is ready (`found`), or why there is none. more: further fields of the record."""
    if isinstance(found, Reason):
        return Record("file_size", "bytes", None, candidate, reason=found, **more)
    return Record("file_size", "bytes", found.size_bytes, candidate, artifact_sha256=found.artifact_sha256, **more)


def share(record: Record | None, of: str = "correct") -> Interval | Reason:
    """A share of images (%) with its Wilson interval, or why there is none. of: the "correct" ones or the "others"."""
    if record is None or record.value is None:
        return number(record)  # type: ignore[return-value]  # the reason
    correct, total = record.stats["correct"], record.stats["total"]
    return percent(stats.wilson(correct if of == "correct" else total - correct, total))


def only(record: Record | None) -> tuple[int, int, int] | None:
    """Images that the reference alone has right, that the candidate alone has, and all; None where an accuracy does not tell."""
    if record is None or record.value is None or "only_reference" not in record.stats:
        return None
    return record.stats["only_reference"], record.stats["only_candidate"], record.stats["total"]


def points(record: Record | None) -> Interval | None:
    """Accuracy minus the reference's in percentage points, paired by image."""
    counts = only(record)
    return percent(stats.paired(*counts)) if counts else None


def timed(run: Run) -> Run:
    """The page whose timings this one shows: its own where it measured any, else those of 06, unless that is of another run."""
    sweep = run.of(SWEEP)
    apart = run.measured and sweep.measured and run.info.run_id != sweep.info.run_id
    return run if apart or any(map(run.records, TIMED)) else sweep


def latency(run: Run, candidate: Candidate, **where: Any) -> Record | None:
    """The latency of a candidate that stands beside all others': one that 07 shows, else of whichever page has one."""
    together = timed(run.of(COMPARED)).records("latency", candidate=candidate, case={}, **where)
    return next(iter(together), None) or run.find("latency", candidate, **where)


def disturbed(run: Run) -> list[Finding]:
    """What made the timings that a page shows doubtful, in amber."""
    seen = [(record.value, record.stats.get("gpu") or {}) for record in timed(run).records("other_cpu")]
    alone = [COMMON.finding("warn", "not_rounds")] if any(map(one_block, timed(run).records("latency"))) else []
    return alone + [COMMON.finding("warn", key, **values) for one in seen for key, values in disturbances(*one)]


def one_block(latency: Record) -> bool:
    """Whether a latency was measured in one block of calls, as an earlier version did: it shares no round with any other."""
    return latency.stats.get("rounds") == WINDOWS


def calm(run: Run) -> bool:
    """Whether winners may be named."""
    return not disturbed(run)


def undisturbed(run: Run, record: Record) -> bool:
    """`calm` of the page that measured a record."""
    return all(calm(run.of(stage)) for stage, file in run.files.items() if any(one is record for one in file.records))


def unsettled(run: Run, latencies: Mapping[Any, Record], noun: str = "candidates") -> list[Finding]:
    """A note on latencies whose rounds do not agree. Keys: what a sentence calls them (Candidate, Text); noun: as `who.of` has it."""
    shaky = [name for name, latency in latencies.items() if not settled(run, latency)]
    return [COMMON.finding("note", "unsettled", what=shaky, **who.of(shaky, noun))] if shaky else []


def same_plan(sizes: Iterable[Record | None]) -> list[list[Record]]:
    """The sizes of engines that are one and the same plan, together."""
    plans: dict[str, list[Record]] = defaultdict(list)
    for size in sizes:
        if size is not None and "plan_sha256" in size.stats:
            plans[size.stats["plan_sha256"]].append(size)
    return [twins for twins in plans.values() if len(twins) > 1]


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
    """Whether two latencies come from the same rounds."""
    return len(a.samples) == len(b.samples) > 1 and not one_block(a) and not one_block(b)


def speedup(a: Record | None, b: Record | None) -> Interval | None:
    """Throughput of a over that of b, paired by round; None for what was not measured in the same rounds, or is the same."""
    if a is None or b is None or a is b or not paired(a, b):
        return None
    work = (a.batch_size or 1) / (b.batch_size or 1)
    return Interval(*(work * end for end in stats.speedup(a.samples, b.samples)))


def slower(run: Run, latencies: Mapping[Candidate, Record]) -> dict[Candidate, Interval]:
    """{candidate: its throughput over that of its backend's FP32} where it is surely lower by more than the least ratio.

    Empty on a disturbed machine.
    """
    if not latencies or not calm(run):
        return {}
    least = timed(run).profile.measuring.least_ratio
    told = {c: speedup(own, latencies.get(full(c))) for c, own in latencies.items() if len(own.samples) >= stats.LEAST_ROUNDS}
    return {candidate: ratio for candidate, ratio in told.items() if ratio and ratio.high < 1 / (1 + least)}


def full(candidate: Candidate) -> Candidate:
    """FP32 of the same backend, called the same way."""
    return Candidate(candidate.runner, "fp32", candidate.way)


def contenders(run: Run, latencies: Mapping[Any, Record]) -> set[Any]:
    """Keys of the latencies with the highest throughput and of all that cannot be told from it: all of them where they are not from
    the same rounds; none on a disturbed machine."""
    if not latencies or not calm(run):
        return set()
    first, *others = latencies.values()
    if not all(paired(first, other) for other in others):
        return set(latencies)
    work = {key: float(latency.batch_size or 1) for key, latency in latencies.items()}
    rounds = {key: latency.samples for key, latency in latencies.items()}
    return set(stats.best(rounds, timed(run).profile.measuring.least_ratio, work))


def best_rates(run: Run, latencies: Mapping[Any, Record]) -> set[Any]:
    """The `contenders`, to be marked in a table; none where nobody is left out."""
    found = contenders(run, latencies)
    return found if len(found) < len(latencies) else set()


def told_rate(latency: Record) -> Interval | float:
    """Images per second to be shown: with the interval over rounds, without one where an earlier version timed each in one block."""
    return rate(latency).value if one_block(latency) else rate(latency)


def mark(rows: list[Row], key: str = "size", digits: int = 2) -> None:
    """Mark the rows whose number in a column, as it is shown, is the smallest; none where all are alike."""
    values = {place: round(float(row[key]), digits) for place, row in enumerate(rows) if isinstance(row.get(key), (int, float))}
    best = [place for place, value in values.items() if value == min(values.values())]
    for place in best if len(best) < len(values) else []:
        rows[place].setdefault("best", set()).add(key)


def chance(run: Run, accuracy: Record) -> float:
    """What guessing gives on the test images: one class in so many, or the share of the most frequent class."""
    return max(1 / max(1, len(run.info.class_names)), accuracy.stats.get("largest_class", 0) / accuracy.stats["total"])


def at_chance(run: Run, accuracies: Iterable[Record]) -> list[Finding]:
    """Red for every accuracy that cannot be told from guessing: such a model has nothing to lose."""
    found = []
    for one in accuracies:
        if one.value is not None and stats.at_chance(one.stats["correct"], one.stats["total"], chance(run, one)):
            found.append(COMMON.finding("bad", "at_chance", candidate=one.candidate, accuracy=share(one), chance=chance(run, one)))
    return found


def losses(accuracies: Iterable[Record]) -> list[Finding]:
    """What accuracy each loses against the reference, by the paired interval: red where more than the margin is lost, good
    where so much is ruled out, a note where these images can tell neither."""
    by: dict[str, list[tuple[Candidate, Interval]]] = defaultdict(list)
    for one in accuracies:
        counts, correct, largest = only(one), one.stats.get("correct", 1), one.stats.get("largest_class", 0)
        guesses = counts and stats.at_chance(correct, counts[2], largest / counts[2])
        if one.candidate and counts and not guesses:  # who only guesses has nothing to lose
            by[stats.loss(*counts, LOSS_MARGIN)].append((one.candidate, percent(stats.paired(*counts))))
    most, found = 100 * LOSS_MARGIN, []
    for key, level in (("over", "bad"), ("undecided", "note")):
        found += [COMMON.finding(level, f"loss_{key}", candidate=c, points=apart, margin=most) for c, apart in by[key]]  # type: ignore[arg-type]
    if within := by["within"]:
        low, high = min(apart.low for _, apart in within), max(apart.high for _, apart in within)
        kept = [candidate for candidate, _ in within]
        values = {"count": len(within), "what": listed(ordered(kept)), **who.of(kept)}
        found.append(COMMON.finding("good", "loss_within", **values, low=low, high=high, margin=most))
    return found


def percent(interval: Interval) -> Interval:
    """Shares as percentages, differences of shares as percentage points."""
    return Interval(*(100 * end for end in interval))


def by_reason(records: Iterable[Record], of: Callable[[Record], K], failed: bool = False) -> dict[Reason, list[K]]:
    """{why there is no number: what lacks one, each once}; failed: of what went wrong, else of what could not be measured."""
    found: dict[Reason, dict[K, None]] = defaultdict(dict)
    for record in records:
        if record.reason is not None and record.reason.failed == failed:
            found[record.reason][of(record)] = None
    return {reason: list(lacking) for reason, lacking in found.items()}


def failures(records: Iterable[Record]) -> list[Finding]:
    """A red finding for each candidate and reason that should have been measured and was not."""
    lost = _lost(record for record in records if record.reason and record.reason.failed)
    told = [(candidate or COMMON("who.something"), who.at(at, reason.text)) for (candidate, reason), at in lost.items()]
    return [COMMON.finding("bad", "failed", candidate=c, why=why, because=who.because(why), **who.of([c])) for c, why in told]


def unmeasured(records: Iterable[Record]) -> list[Finding]:
    """A note for every reason why something was not measured: the candidates that lack it, with the batch sizes where others have some."""
    asked = (record for record in records if record.reason != NO_LABELS)  # lib/pages/against.py says so once
    records = [record for record in asked if record.candidate and record.candidate.runner != HARNESS]
    lost = lacking(record for record in records if not (record.reason and record.reason.failed))
    said = {why: {"what": listed(ordered(those)), **who.of(those)} for why, those in lost.items()}
    return [COMMON.finding("note", "unmeasured", why=why, because=who.because(why), **values) for why, values in said.items()]


def lacking(records: Iterable[Record]) -> dict[Text, list[Candidate]]:
    """{why there is no number, with the batch sizes where the candidate has a number at others: the candidates}."""
    records = list(records)
    some = {record.candidate for record in records if record.value is not None}
    found: dict[Text, list[Candidate]] = defaultdict(list)
    for (candidate, reason), at in _lost(record for record in records if record.reason).items():
        found[who.at(at, reason.text) if candidate in some else reason.text].append(candidate)
    return found


def _lost(records: Iterable[Record]) -> dict[tuple[Any, Any], list[int]]:
    """{(candidate, reason): batch sizes without a number}."""
    found: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for record in records:
        found[record.candidate, record.reason].append(record.batch_size or 0)
    return found


def missing_rows(records: Iterable[Record], *keys: str, more: Callable[[list[Record]], Row] | None = None) -> list[Row]:
    """Table rows of candidates without a number: one a backend and reason, with its precisions; the reason stands in columns `keys`.

    more: further cells of the records that share a row.
    """
    groups: dict[tuple[str, Reason], list[Record]] = defaultdict(list)
    for record in records:
        if record.reason is not None and record.candidate:
            groups[record.candidate.runner, record.reason].append(record)
    rows = []
    for (_, reason), lost in groups.items():
        found = ordered(record.candidate for record in lost if record.candidate)
        row = {"runner": found[0].runner_label, "precision": joined(dict.fromkeys(candidate.precision_label for candidate in found))}
        rows.append(row | (more(lost) if more else {}) | dict.fromkeys(keys, reason))
    return rows
