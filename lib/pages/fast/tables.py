"""The tables of notebook 10: here what to run, what each way brings, rivals, versions and the method; those of the pipeline, the ceiling
and the scenarios come from a module of their own."""

from __future__ import annotations

from collections import Counter

from lib.pages import common
from lib.pages.fast import ratios
from lib.pages.fast.arms import LEAST_S, OURS, TRTEXEC, Arm, Fast, W
from lib.pages.fast.chief import chief
from lib.pages.fast.choose import choices
from lib.pages.fast.ratios import JUDGED, Ratio
from lib.pages.fast.shown import MEGA, Row, absent, called, compared, label, named, nothing, shown
from lib.pages.fast.work import there
from lib.pages.fast.work_tables import ceiling, ceilings, layers, pipeline, pipeline_times, remedies, scenarios
from lib.show.table import Column, Table
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text

__all__ = ["answer", "ceiling", "ceilings", "chief", "every_version", "languages", "layers", "method", "pipeline", "pipeline_times"]
__all__ += ["remedies", "rivals", "scenarios", "several", "there", "versions", "ways"]


def answer(run: Run) -> Table:
    """One row a goal: what to run for it, with its throughput and latency."""
    found, limit, rows = Fast(run), run.profile.fast.limit_ms, list[Row]()
    for choice in choices(found):
        arm, best = choice.arm, "time" if choice.goal == "latency" else "throughput"
        row = named(arm) | {
            "what": found.label(arm),
            "goal": W(f"goals.{choice.goal}", limit=limit),
            "throughput": arm.rate,
            "time": arm.latency,
        }
        rows.append(row | {"best": {best}})
    keys = ("goal", "what", "batch_size", "throughput", "time")
    return Table(rows, shown(found, *keys), W("captions.answer"), nothing=W("captions.no_choice") if found.arms else nothing(found, "pace"))


def ways(run: Run) -> Table:
    """One row a batch size, precision, runner and way: on each TensorRT its throughput, how many times that of plain calls, and the memory
    of the GPU that it takes; folded."""
    found = Fast(run)
    times = {(one.own.candidate, one.own.batch, one.own.version): one.times for one in ratios.ways(found)}
    by: dict[tuple[object, int], dict[str, Arm]] = {}
    for arm in found.ours:
        by.setdefault((arm.candidate, arm.batch), {})[arm.version] = arm
    rows, names = list[Row](), sorted({arm.version for arm in found.ours}, key=lambda name: [*found.versions, ""].index(name)) or [""]
    for (_, batch), arms in by.items():
        first = next(iter(arms.values()))
        row: Row = called(first.candidate) | {"batch_size": batch, "answers": W(f"answers.{_worst(found, arms)}")}
        for name, arm in arms.items():
            row |= {f"rate {name}": arm.rate.value, f"ratio {name}": times.get((arm.candidate, batch, name))}
            row[f"memory {name}"] = _memory(found, arm)
        rows.append(row)
    lost = _lost(found, ours=True)
    rows += [{"called": row["runner"], "precision": row["precision"], f"rate {names[0]}": row["why"]} for row in lost]
    forms = {"rate": ("images/s", 0, False), "ratio": ("×", 2, True), "memory": ("MB", 0, False)}
    numbers = []
    for name in names:
        for key, form in forms.items():
            if key != "memory" or any(row.get(f"memory {name}") is not None for row in rows):
                told = W(f"columns.{key}_of", version=name) if len(names) > 1 and name else W(f"columns.{key}_alone")
                numbers.append(Column(f"{key} {name}", told, *form))
    text = shown(found, "called", "precision", "batch_size")
    return Table(rows, [*text, *numbers, *shown(found, "answers")], W("captions.ways"), folded=True)


def _worst(found: Fast, arms: dict[str, Arm]) -> str:
    """What is told of the answers of an arm on several TensorRTs."""
    told = [found.answers(arm) for arm in arms.values()]
    return next((one for one in ("wrong", "unchecked") if one in told), "right")


def _memory(found: Fast, arm: Arm) -> float | None:
    records = found.run.records("device_memory", candidate=arm.candidate, batch_size=arm.batch, case=arm.record.case)
    return next((MEGA * record.value for record in records if record.value is not None), None)


def _lost(found: Fast, ours: bool) -> list[Row]:
    """A row a runner and reason without a number."""
    lost: list[Record] = [r for r in found.run.records("pace", scope="end_to_end") if r.candidate and r.reason]
    plain = {(r.candidate.plain, r.reason): r for r in lost if r.candidate and (r.candidate.runner in OURS) == ours}
    return common.missing_rows(plain.values(), "why")


def languages(run: Run) -> Table:
    """One row a way that Python and C++ were both timed in: throughput of Python over that of C++; folded."""
    found = Fast(run)
    rows = [compared(one) for one in ratios.languages(found)]
    keys = ("called", "precision", "batch_size", "version", "python_cpp", "python_is")
    return Table(rows, shown(found, *keys), W("captions.languages"), folded=True, nothing=absent(found, "no_languages"))


def rivals(run: Run) -> Table:
    """One row a rival and pair: both throughputs, ours over it, and how the rival's outputs agree; folded."""
    found, rows = Fast(run), list[Row]()
    for one in sorted(ratios.rivals(found), key=lambda one: one.own.batch):
        rival, judged = one.base, found.judged(one.base, "agreement")
        row = compared(one) | {"rival": label(rival.candidate), "rival_precision": rival.candidate.precision_label}
        row |= {"rival_rate": rival.rate.value, "rate": one.own.rate.value}
        row |= {"agreement": common.share(judged) if judged else W("answers.unchecked"), "asked": judged and judged.stats.get("total")}
        rows.append(row)
    for row in _lost(found, ours=False):
        rows.append({"rival": row["runner"], "rival_precision": row["precision"], "rival_rate": row["why"]})
    keys = (
        "batch_size",
        "rival",
        "rival_precision",
        "rival_rate",
        "agreement",
        "asked",
        "called",
        "precision",
        "version",
        "rate",
        "ratio",
        "verdict",
    )
    return Table(rows, shown(found, *keys), W("captions.rivals"), folded=True, nothing=absent(found, "no_rivals"))


def several(run: Run) -> bool:
    """Whether two versions were timed in the same rounds."""
    return bool(ratios.versions(Fast(run)))


def versions(run: Run) -> Table:
    """One row a way of calling: in how many comparisons the newer TensorRT is faster, slower, the same, and how far."""
    found, by = Fast(run), dict[tuple[str, Text], list[Ratio]]()
    for one in ratios.judged(ratios.versions(found)):
        by.setdefault((one.own.version, label(one.own.candidate)), []).append(one)
    rows = []
    for (version, way), told in sorted(by.items(), key=lambda item: (item[0][0], item[1][0].own.place[1], item[1][0].own.way)):
        counts = Counter(one.verdict for one in told)
        low, high = (pick(told, key=lambda one: one.times.value).times for pick in (min, max))
        pair = W("labels.over", version=version, base=found.versions[0])
        rows.append({"version": pair, "called": way, "least": low, "most": high} | {key: counts[key] for key in JUDGED})
    base = found.versions[0] if len(found.versions) > 1 else W("labels.oldest")
    caption = W("captions.versions", least=found.least_ratio, base=base)
    several = ["version"] if len(found.versions) > 2 else []
    return Table(rows, shown(found, "called", *several, *JUDGED, "least", "most"), caption, nothing=absent(found, "one_version"))


def every_version(run: Run) -> Table:
    """Every such comparison; folded."""
    found = Fast(run)
    rows = [compared(one) | {"newer_rate": one.own.rate.value, "base_rate": one.base.rate.value} for one in ratios.versions(found)]
    keys = ("called", "precision", "batch_size", "version", "base_rate", "newer_rate", "ratio", "newer_is")
    return Table(rows, shown(found, *keys), W("captions.every_version"), folded=True, nothing=absent(found, "one_version"))


def method(run: Run) -> Table:
    """The settings of the measurement; folded."""
    found, asked = Fast(run), run.profile.fast
    values = {"rounds": asked.rounds, "slice": f"{asked.slice_s:g} s", "warmup": f"{asked.warmup_s:g} s", "server": f"{asked.server_s:g} s"}
    if any(arm.candidate.runner == TRTEXEC for arm in found.rivals):
        values["trtexec"] = f"{max(LEAST_S, asked.slice_s):g} s"
    values |= {"limit": f"{asked.limit_ms:g} ms", "least_ratio": f"{run.profile.measuring.least_ratio:.0%}"}
    values |= {"batches": ", ".join(map(str, asked.batch_sizes)), "large": ", ".join(map(str, asked.large_batches)) or "–"}
    rows = [{"setting": W(f"settings.{key}"), "value": str(value)} for key, value in values.items()]
    return Table(rows, shown(found, "setting", "value"), W("captions.method"), folded=True)
