"""`make bench`: a profile's candidates timed against each other in a few minutes, and the ways to call them faster; held against an
earlier run.

It measures as the report does, in the same rounds and with the same models and engines, the ways as notebook 10 does, and compares as
`make compare` does (lib/report/versus). What it measures lies in a folder of its own, sealed as all records are; results/ is never
touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import Any

from lib import export, progress, runners, session, stats
from lib.errors import ConfigError, ReportError, shown
from lib.experiment import profile as profiles
from lib.experiment import system
from lib.experiment.candidate import ONNX_REFERENCE, Candidate, listed, ordered
from lib.experiment.profile import Profile
from lib.experiment.sections import paced
from lib.measure import kept, sweep
from lib.measure.fast import blocks, paces
from lib.measure.fast.production import PIPELINE
from lib.pages import common
from lib.pages.fast import piped, ratios, rules
from lib.pages.fast.arms import Arm, Fast, W
from lib.pages.fast.chief import chief
from lib.pages.fast.ratios import Ratio
from lib.report import shell
from lib.report.versus import numbers, sides
from lib.report.versus.findings import findings
from lib.report.versus.numbers import BETTER, SAME, UNDECIDED, WORSE, Compared
from lib.runners import RUNNERS
from lib.session import Session
from lib.show.table import plain
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.words import COMMON

ASKED = "asked_time"  # metric: seconds that timing was to take
FOLDER, STAGE, WAYS = "bench", "00_bench", "01_ways"  # outputs/PROFILE/bench/SYSTEM/TIME-RUN/00_bench.jsonl and 01_ways.jsonl
MINUTES, ROUNDS = 2.0, 16
WAY_ROUNDS = 8  # fewer: a slice of trtexec is a process, and there may be thirty ways
NOTHING_SHARED = 2  # exit code
TIMED = (*common.TIMED, blocks.PACE)
SHARE = ROUNDS + 1  # slices of each candidate, that of warming up too
SAID = {WORSE: "slower", BETTER: "faster", SAME: "no difference", UNDECIDED: "cannot be told", "": "not judged"}
HEAD = ("candidate", "batch", "median ms", "ms a call [95 %]", "images/s [95 %]", "times as fast [95 %]", "as")
WAYS_HEAD = ("way", "batch", "ms a batch [95 %]", "images/s [95 %]", "times as fast [95 %]", "as")
VERSIONS_HEAD = ("way", "batch", "times as fast [95 %]", "as", "it is")
AGAINST = ("new / old [95 %]", "new is")
LEFT = ("candidate", "way", "as", "it is", "new is", "Comparison", "TensorRT", "Outcome")  # columns of words
Key = tuple[Candidate | None, int | None]


def bench(given: str, against: str = "", minutes: float | None = None, limit: float | None = None) -> tuple[str, int]:
    """Time the profile's candidates; returns what to print, and the exit code: 0, or, against an earlier run, 3 where something is
    slower or failed, 4 where no comparison was decided, 2 where both share nothing.

    given: a profile, as `profile.locate` takes it; against: as `before` does, "" for nothing; minutes: that timing takes, against an
    earlier run as many as that took; limit: ratio of speeds that counts as a difference, None for the larger `measuring.least_ratio` of
    both. Missing models and engines are made first, as the report would. Raises ReportError.
    """
    profile = profiles.load(given)
    session.check(profile)
    old = before(against) if against else None
    seconds = (_asked_s(old) or math.inf) if old else 60 * (minutes or MINUTES)
    if minutes and seconds != 60 * minutes:
        why = "slices of another length do not compare, so everything is timed as in the earlier run"
        raise ConfigError(f"--minutes {minutes:g}: {why}; leave it out beside --against")
    return told(measured(profile, seconds, old), old, limit)


def before(given: str) -> Run:
    """An earlier run.

    given: a folder of bench/SYSTEM, results/SYSTEM of a report, one that holds such folders (of which the last run is meant), a file of
    records in one, or a profile that was reported on. Raises ReportError where that is nothing or was altered.
    """
    path = Path(given)
    found = sides.there(str(path.parent) if path.is_file() else given) or sides.there(str(path / system.system_id()))
    if found is None:
        raise ConfigError(f"'{given}': nothing recorded there; name a folder below outputs/PROFILE/bench, or results/SYSTEM of a report")
    return found


def measured(profile: Profile, seconds: float, like: Run | None = None) -> Run:
    """Time every candidate that runs here at batch size 1 and at the one that notebook 07 compares at, then the ways of notebook 10 and
    its pipeline (paces.measure); keep the records in a new folder.

    seconds: that timing takes, inf for no limit, either half of it: ROUNDS and WAY_ROUNDS rounds, of slices that fill them; fewer rounds
    where single calls are too long for that. like: an earlier run, whose rounds, slices and warming up are taken in their place; raises
    ConfigError where that had another dataset or other classes.
    """
    every = runners.candidates(profile)
    here = [candidate for candidate in every if not RUNNERS[candidate.runner].unavailable(candidate.precision)]
    asked = Session(profile, STAGE)
    if like and (theirs := (like.info.dataset, like.info.class_names)) != asked.dataset:
        had, has = (shorten(f"{label} ({', '.join(classes)})", 80, placeholder=" …") for label, classes in (theirs, asked.dataset))
        raise ConfigError(f"{shown(like.folder)}: another dataset, {had}; this profile's: {has}")
    only_one = asked.profile.model is not None and asked.spec.batch is not None
    sizes = sorted({asked.profile.precision.batch_size} | (set() if only_one else {1}))
    half = seconds / 2
    asked.profile = _like(asked.profile, like.profile) if like else _filling(asked.profile, half / (SHARE * max(1, len(here) * len(sizes))))
    named, long = " and ".join(map(str, sizes)), f"about {progress.duration(seconds)}" if seconds < math.inf else "timed as in that report"
    progress.say(
        f"{len(here)} of {len(every)} candidates at batch {named}, then the ways of notebook 10: {long}, "
        "once their models and engines are there and open"
    )
    sweep.timings(asked, every, sizes, half * ROUNDS / SHARE)
    _name_model(asked)
    if seconds < math.inf:
        asked.record(Record(ASKED, "s", seconds))
    ways = Session(asked.profile, WAYS, asked.run_id, started_at=asked.started_at)
    try:
        paces.measure(ways, None if like else half)
    finally:
        kept.forget(ways.folder, WAYS)  # nobody goes on with a bench
    asked.profile = ways.profile
    time = asked.started_at[:19].replace(":", "")
    folder = asked.folder / FOLDER / system.system_id() / f"{time}-{asked.run_id}"
    ways.save(folder)
    return asked.save(folder)


def _filling(profile: Profile, slice_s: float) -> Profile:
    """A profile with slices of candidates of that length; those of ways are found when it is known what is open."""
    slice_s = min(60.0, slice_s)
    warmup_s = {"warmup_s": min(slice_s, profile.measuring.warmup_s)}
    measuring = profile.measuring.model_copy(update={"rounds": ROUNDS, "slice_s": slice_s} | warmup_s)
    fast = profile.fast.model_copy(update={"rounds": WAY_ROUNDS, "warmup_s": min(slice_s, profile.fast.warmup_s)})
    return profile.model_copy(update={"measuring": measuring, "fast": fast})


def _like(profile: Profile, other: Profile) -> Profile:
    """A profile that times as another one does."""
    return profile.model_copy(update={"measuring": paced(profile.measuring, other.measuring), "fast": paced(profile.fast, other.fast)})


def _asked_s(run: Run) -> float | None:
    """The seconds that a bench was to take, None of a report."""
    return next((record.value for record in run.everywhere() if record.metric == ASKED), None)


def _name_model(session: Session) -> None:
    """Record which model was timed: neither the reference nor ONNX Runtime, whose records would tell it, need be installed here."""
    with suppress(ReportError, ModuleNotFoundError):  # it cannot be exported here: what would need it says why
        onnx = export.onnx(session, ONNX_REFERENCE.precision)
        session.record(Record("model_size", "bytes", onnx.size(export.ONNX_FILE), ONNX_REFERENCE, artifact_sha256=onnx.sha256))


def told(new: Run, old: Run | None, limit: float | None = None) -> tuple[str, int]:
    """The tables of a run, what else is to be known of it, and, against `old`, how both compare; and the exit code of that. limit: as of
    `bench`."""
    differs = sides.differences(old, new) if old else []
    mine, old = _end_to_end(new), _end_to_end(old) if old else None
    latencies = {_key(record): record for record in mine.records("latency") if record.value is not None}
    limit = limit or (numbers.least(old, mine) if old else 0.0)
    found = numbers.compared(old, mine, limit) if old else []
    apart = {(one.candidate, one.batch_size): one for one in found if one.metric == "latency"} if old else None
    rows = [_row(record, latencies, mine.profile.reference, apart) for record in latencies.values()]
    lines = _table([HEAD + (AGAINST if old else ()), *rows])
    rounds = max((len(record.samples) for record in latencies.values()), default=0)
    lines += ["", f"{rounds} rounds; reference: {mine.profile.reference.label.en}; kept: {shown(new.folder)}"]
    legend = "median ms: of single calls; the other numbers: of the rounds' means"
    lines.append(legend + ", new / old of speeds: above 1 is faster" * bool(old))
    lines += [f"{finding.level}: {finding.text.en}" for finding in common.disturbed(mine)]
    if lost := _lost(mine.records("latency")):
        lines.append(f"not measured: {lost}")
    whole = Fast(new.of(WAYS))
    lines += [*_ways(Fast(mine.of(WAYS)), found if old else None), *_chief(whole), *_versions(whole)]
    if old is None:
        return "\n".join(lines), 0
    said, code = _compared(old, mine, found, limit, sides.lead(differs).en)
    return "\n".join([*lines, "", *said]), code


def _compared(old: Run, new: Run, found: Sequence[Compared], limit: float, lead: str) -> tuple[list[str], int]:
    """What else differs (`lead`), what the numbers say, and the exit code."""
    broken = numbers.broken(old, new)
    lines = [f"A, the old run: {shown(old.folder)}, {shell.when(old.info.started_at)}; B: this one; a difference counts beyond {limit:.1%}"]
    lines += [lead]
    lines += [f"{finding.level}: {finding.text.en}" for finding in findings(old, new, found)]
    if not found and not broken:
        return [*lines, f"error: nothing shared with {shown(old.folder)}: no candidate and batch size on the same images"], NOTHING_SHARED
    return lines, numbers.exit_code(found, broken)


def _row(record: Record, latencies: dict[Key, Record], reference: Candidate, apart: dict[Key, Compared] | None) -> tuple[str, ...]:
    assert record.candidate is not None
    own, size = common.full(record.candidate), record.batch_size
    base, name = (
        (reference, "reference") if record.candidate.precision == own.precision or (own, size) not in latencies else (own, "own FP32")
    )
    ratio = common.speedup(record, latencies.get((base, size)))
    row = (record.candidate.label.en, str(size), f"{record.value:.4g}", f"{stats.time(record.samples):.4g}", _rate(common.rate(record)))
    row += (f"{ratio:.3f}", name) if ratio else ("–", "–")
    return row if apart is None else row + _against(apart.get((record.candidate, size)))


def _against(one: Compared | None) -> tuple[str, str]:
    return (f"{one.apart:.3f}" if one.apart else "–", SAID[one.said]) if one else ("–", "not in the old run")


def _ways(found: Fast, compared: Sequence[Compared] | None) -> list[str]:
    """The table of the ways to call, and what is to be known of them. compared: with the old run, None where there is none."""
    over_plain = {ratio.own.record.key: ratio for ratio in ratios.ways(found)}
    apart = {one.b.key: one for one in compared} if compared is not None else None
    rows = [_way(found, arm, over_plain.get(arm.record.key), apart) for arm in found.arms]
    lines = ["", *_table([WAYS_HEAD + (AGAINST if apart is not None else ()), *rows])] if rows else []
    lines += [""]
    if rows:
        counts = " to ".join(map(str, dict.fromkeys(each(len(arm.record.samples) for arm in found.arms) for each in (min, max))))
        lines.append(f"{counts} rounds, shared by all ways of a batch size; ms a batch: from the end of one to the end of the next")
    wrong = [f"{found.label(arm).en} at batch {arm.batch}" for arm in found.arms if found.answers(arm) == "wrong"]
    lines += [f"bad: answers wrongly, so that its speed counts for nothing: {'; '.join(wrong)}"] if wrong else []
    lines += [
        f"warn: {block}: {COMMON(f'findings.{key}', **values).en}" for block in found.blocks for key, values in found.disturbed(block)
    ]
    lost = _lost(found.run.records(blocks.PACE))
    return [*lines, f"not measured: {lost}"] if lost else lines


def _chief(found: Fast) -> list[str]:
    """The comparisons that notebook 10 shows in one table: lanes, rivals, C++, the pipeline, the highest throughput; and of the pipeline
    how much of the host's memory it takes, or why there is none."""
    if not found.versions:
        return []  # what a processor can stands in the table of the ways
    shown = chief(found.run)
    head = [column.heading("en") for column in shown.columns]
    rows = [[plain(row.get(column.key), column, "en") for column in shown.columns] for row in shown.rows]
    lines = ["", *_table([head, *rows])] if rows else []
    if memories := [one.memory for one in piped.fastest(found) if one.memory is not None]:
        lines += ["", f"host memory of a pipeline: up to {max(memories):.2f} times its ring of buffers"]
        lines += [f"{finding.level}: {finding.text.en}" for finding in rules.memory(found)]
    lost = _lost(found.run.records(PIPELINE))
    return [*lines, f"pipeline not measured: {lost}"] if lost else lines


def _versions(found: Fast) -> list[str]:
    """The table of what every TensorRT gains over the oldest one, in each way that both were called in."""
    told = ratios.versions(found)
    rows = [
        (found.label(one.own).en, str(one.own.batch), f"{one.times:.3f}", one.base.version, W(f"verdicts.{one.verdict}").en) for one in told
    ]
    return ["", *_table([VERSIONS_HEAD, *rows])] if rows else []


def _way(found: Fast, arm: Arm, over: Ratio | None, apart: dict[tuple[Any, ...], Compared] | None) -> tuple[str, ...]:
    took = f"{stats.time(arm.record.samples):.4g}"
    row = (found.label(arm).en, str(arm.batch), took, _rate(arm.rate), *((f"{over.times:.3f}", "plain calls") if over else ("–", "–")))
    return row if apart is None else row + _against(apart.get(arm.record.key))


def _rate(images_s: Interval) -> str:
    return format(images_s, ",.0f" if images_s.value >= 100 else ".2f")


def _lost(records: Iterable[Record]) -> str:
    """Each reason why there is no number, with all that it holds for."""
    lost = common.lacking(record for record in records if record.candidate)
    return " | ".join(f"{listed(ordered(found)).en}: {why.en}" for why, found in lost.items())


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, as wide as they must be: words left, numbers right. rows: their heads first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [
        [text.ljust(width) if of in LEFT else text.rjust(width) for of, text, width in zip(rows[0], row, widths, strict=True)]
        for row in rows
    ]
    return ["  ".join(row).rstrip() for row in cells]


def _key(record: Record) -> Key:
    return record.candidate, record.batch_size


def _end_to_end(run: Run) -> Run:
    """A run with nothing but what it timed from host memory to host memory, what disturbed that, and what the ways of notebook 10
    answered."""
    files = {}
    for stage, file in run.files.items():
        own = [record for record in file.records if record.metric in TIMED or (record.metric in numbers.QUALITY and record.case)]
        files[stage] = file._replace(records=[record for record in own if record.scope != "gpu_compute"])
    return Run(run.folder, run.stage, files)
