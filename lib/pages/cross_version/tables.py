"""The tables of notebook 08, all that it shows beside figures: here those about speed, builds, answers, cost and what ran; the others, and
the headings of its sections, come from modules of their own."""

from __future__ import annotations

from statistics import median
from typing import Any

from lib.pages import against
from lib.pages.cross_version import answers, costs, speed
from lib.pages.cross_version.answers import Answers
from lib.pages.cross_version.code import changing, kept
from lib.pages.cross_version.fusions import layers, side_by_side
from lib.pages.cross_version.sections import section, several
from lib.pages.cross_version.speed import Comparison
from lib.pages.cross_version.system_tables import overview, ratios, results
from lib.pages.cross_version.versions import CPP, FOREIGN, PYTHON, SAVED, Engine, Spot, Versions, W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run
from lib.text import Text

__all__ = ["answer", "builds", "changing", "cost", "every", "filled", "kept", "layers", "method", "overview", "plans", "ratios", "results"]
__all__ += ["same", "section", "several", "side_by_side", "speeds", "within", "workers"]
Row = dict[str, Any]
COMPARED_VARIANTS = ("", "shared_scales", "strongly_typed")
COSTS = {"build_time": ("s", 1.0, 1), "file_size": ("MB", 1e-6, 2), "device_memory": ("MB", 1e-6, 2), "load_time": ("ms", 1.0, 1)}


def answer(run: Run) -> Table:
    """The table of the first screen: versions on this machine where several ran, else the systems, without rows where there is one."""
    return speeds(run) if several(run) else ratios(run)


def filled(*tables: Table) -> list[Table]:
    """Those that have something to show."""
    return [table for table in tables if table.rows]


def speeds(run: Run) -> Table:
    """One row an engine and batch size, called in one way: images/s of each version, their ratio, and what may be said of it."""
    found = Versions(run)
    calling = speed.main_calling(found)
    spots = [spot for spot in found.spots if spot.scope == "end_to_end" and spot.calling == calling and not spot.engine.variant]
    if calling is None:
        return Table([], columns(W, "precision"), W("captions.speeds_empty"), nothing=W("captions.not_timed"))
    caption = W("captions.speeds", calling=calling.label, base=found.base, least=speed.least_ratio(found))
    return _speeds(found, spots, columns(W, "precision batch_size"), caption)


def every(run: Run, scope: str) -> Table:
    """The same for every way of calling and for engines that were built in other ways; folded."""
    found = Versions(run)
    spots = [spot for spot in found.spots if spot.scope == scope and spot.engine.variant in COMPARED_VARIANTS]
    return _speeds(found, spots, columns(W, "precision batch_size calling"), W(f"captions.every_{scope}", base=found.base), folded=True)


def _speeds(found: Versions, spots: list[Spot], names: list[Column], caption: Text, folded: bool = False) -> Table:
    rates = [Column(f"rate {name}", W("columns.rate_of", version=name), "images/s", 0) for name in found.names]
    told = [Column(f"ratio {name}", _of("ratio_of", found, name), "×", 3, interval=True) for name in found.others]
    said = [Column(f"verdict {name}", _of("verdict_of", found, name)) for name in found.others]
    pairs = [column for both in zip(told, said, strict=True) for column in both]
    rivals = {spot: record for spot in spots if (record := found.rivals(spot)) is not None}
    rival = [Column("rival", W("columns.rival"), "images/s", 0)] if any(r.value is not None for r in rivals.values()) else []
    rows = []
    for spot in spots:
        row: Row = {"precision": spot.engine.label, "batch_size": spot.batch_size, "calling": spot.calling.label}
        row |= {f"rate {name}": speed.rate(found, name, spot) for name in found.names}
        if (record := rivals.get(spot)) is not None:
            row["rival"] = record.reason or 1e3 * spot.batch_size / speed.stats.time(record.samples).value
        for name in found.others:
            row |= _told(name, speed.compared(found, spot, name))
        rows.append(row)
    return Table(rows, names + rates + pairs + rival, caption, folded)


def _told(name: str, one: Comparison | None) -> Row:
    """The cells of a comparison; a claimed gain is marked."""
    if one is None:
        return {f"verdict {name}": "–"}
    marked = {"best": {f"ratio {name}"}} if one.verdict == "faster" else {}
    return {f"ratio {name}": one.ratio, f"verdict {name}": W(f"verdicts.{one.verdict}")} | marked


def _of(key: str, found: Versions, name: str) -> Text:
    """A header, which names the version where there are several."""
    return W(f"columns.{key}", version=name, base=found.base) if len(found.others) > 1 else W(f"columns.{key.removesuffix('_of')}")


def builds(run: Run) -> Table:
    """One row a precision and version: how far its builds spread (%), from the saved cache too, their tactics, what is to be found."""
    found, rows = Versions(run), list[Row]()
    for engine in [engine for engine in found.engines if not engine.variant]:
        least = speed.findable(found, engine)
        for version in found.names:
            row: Row = {"precision": engine.label, "version": version, "builds": speed.count(found, version, engine) or None}
            row |= {"tactics": _tactics(found, version, engine), "findable": 100 * least if least else None}
            row |= {"tactics_saved": _tactics(found, version, Engine(engine.precision, SAVED))}
            spreads, saved = speed.spreads(found, version, engine), speed.saved(found, version, engine)
            row |= {"spread": 100 * median(spreads)} if spreads else {}
            row |= {"spread_empty": 100 * saved[0], "spread_saved": 100 * saved[1]} if saved else {}
            rows.append(row)
    percent = [Column(key, W(f"columns.{key}"), "%", 2) for key in ("spread", "spread_empty", "spread_saved")]
    shown = [Column("builds", W("columns.builds"), "", 0), *percent, Column("findable", W("columns.findable"), "%", 1)]
    return Table(rows, columns(W, "precision version tactics tactics_saved") + shown, W("captions.builds_table"))


def _tactics(found: Versions, version: str, engine: Engine) -> Text | str:
    told = costs.tactics(found, version, engine)
    return W("labels.tactics", count=told[0], builds=told[1]) if told else "–"


def same(run: Run) -> Table:
    """One row a precision and pair of versions: how far their answers are apart over all test images, and their accuracies."""
    found = Versions(run)
    told = [one for one in answers.found(found, answers.BETWEEN) if one.runner == PYTHON and one.engine.variant != SAVED]
    return _answers(found, told, W("captions.same"), accuracies=True)


def within(run: Run) -> Table:
    """The same from build to build of one version, of Python and C++, and between versions in C++; folded."""
    found = Versions(run)
    told = answers.found(found, answers.WITHIN) + [one for one in answers.found(found, answers.BETWEEN) if one.runner == CPP]
    return _answers(found, told, W("captions.within"), folded=True)


def _answers(found: Versions, told: list[Answers], caption: Text, accuracies: bool = False, folded: bool = False) -> Table:
    labelled = against.labelled(found.run)
    metric = "accuracy" if labelled else "agreement"
    rows = []
    for one in told:
        row: Row = {"precision": one.engine.label, "compared": _compared(found, one)}
        row |= {"same_bits": one.reason if one.same_share is None else 100 * one.same_share, "max_abs": one.largest or 0.0}
        row |= {"images_changed": one.changes, "difference": one.points}
        if one.reason is not None:
            row |= dict.fromkeys(("max_abs", "images_changed", "difference"), one.reason)
        if accuracies:
            row |= {f"{metric}_before": answers.judged(found, *_base(found, one), metric)}
            row |= {f"{metric}_after": answers.judged(found, one.version, one.engine, metric)}
        rows.append(row)
    shown = [Column("same_bits", W("columns.same_bits"), "%", 2), *columns(W, "max_abs")]
    shown += [Column("images_changed", W("columns.images_changed"), "", 0, interval=True)]
    shown += columns(W, "difference") if labelled else []
    both = [f"{metric}_before", f"{metric}_after"] if accuracies else []
    shown += [Column(key, W(f"columns.{key}"), "%", 2) for key in both]
    return Table(rows, columns(W, "precision compared") + shown, caption, folded)


def _base(found: Versions, one: Answers) -> tuple[str, Engine]:
    """The version and engine that answers are compared with."""
    return (one.version, Engine(one.engine.precision)) if one.against == "by_flag" else (found.base, Engine(one.engine.precision))


def _compared(found: Versions, one: Answers) -> Text:
    """What two sides a row compares; the caller's language where it is C++ on both."""
    said = W(f"against.{one.against}", version=one.version, base=found.base)
    return W("labels.by_cpp", compared=said) if one.runner == CPP and one.against != "python" else said


def cost(run: Run) -> Table:
    """One row a precision and version: build time (from the saved timing cache too), plan, device memory and load time, medians with their
    ranges over builds."""
    found = Versions(run)
    rows = [
        {"precision": engine.label, "version": version}
        | {metric: costs.cost(found, metric, version, engine, factor) for metric, (_, factor, _) in COSTS.items()}
        | {"build_saved": None if engine.variant else costs.cost(found, "build_time", version, Engine(engine.precision, SAVED))}
        for engine in found.engines
        if engine.variant != SAVED
        for version in found.names
        if any(costs.cost(found, metric, version, engine) for metric in COSTS)
    ]
    numbers = [Column(m, W(f"columns.{m}"), unit, digits, interval=True) for m, (unit, _, digits) in COSTS.items()]
    numbers.insert(1, Column("build_saved", W("columns.build_saved"), "s", 1, interval=True))
    return Table(rows, columns(W, "precision version") + numbers, W("captions.cost"))


def workers(run: Run) -> Table:
    """One row a command that was named: which TensorRT it brought, or why none."""
    rows = []
    for record in Versions(run).workers:
        told = record.stats
        row: Row = {"worker": record.case.get("worker"), "ran": record.reason.text if record.reason else W("labels.ran")}
        rows.append(row | {"version": told.get("tensorrt") or "–", "python": told.get("python") or "–", "gpu": told.get("gpu") or "–"})
    return Table(rows, columns(W, "worker version python gpu ran"), W("captions.workers"))


def plans(run: Run) -> Table:
    """One row a version and another's plan: what it said when it was given that."""
    rows = [
        {"version": record.case.get("tensorrt"), "plan_of": record.case.get("plan_of")}
        | {"said": record.reason.text if record.reason else str(record.stats.get("message", "–"))}
        for record in run.records(FOREIGN)
    ]
    return Table(rows, columns(W, "version plan_of said"), W("captions.plans"))


def method(run: Run) -> Table:
    """The settings of the measurement; folded."""
    measuring, found = run.profile.versions.timed(run.profile.measuring), Versions(run)
    shown = {
        "builds": max((speed.count(found, name, engine) for name in found.names for engine in found.engines), default=0),
        "rounds": measuring.rounds,
        "slice": f"{measuring.slice_s:g} s",
        "warmup": f"{measuring.warmup_s:g} s",
        "least_ratio": f"{measuring.least_ratio:.0%}",
    }
    rows = [{"setting": W(f"settings.{key}"), "value": str(value)} for key, value in shown.items()]
    return Table(rows, columns(W, "setting value"), W("captions.method"), folded=True)
