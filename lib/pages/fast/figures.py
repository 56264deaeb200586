"""The plots of notebook 10: throughput, ratios, the roofline, a server under load. A colour a precision, a marker a TensorRT."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.system import version_order
from lib.pages.fast import ratios, work
from lib.pages.fast.arms import CPU, PYTHON, Arm, Fast, W, runner_label, way_label
from lib.pages.fast.exhibits import PlacedEngine
from lib.pages.fast.ratios import CLAIMED, Ratio
from lib.pages.fast.shown import absent, sentences
from lib.pages.fast.work_tables import slowed
from lib.show import figure as base
from lib.show.table import Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language, Text

MARKERS, OTHER = ("o", "s", "D", "^"), "v"  # a version each, in their order; beside these what runs on no TensorRT
PANELS = 3  # batch sizes of a figure, at most: the smallest and the largest ones
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # of a decade, where ticks may stand
MOST_TICKS = {1: 6, 2: 4, 3: 2}  # panels beside each other -> ticks of each
TERA = 1e12
WIDEST = 3.0  # times a value, and below it as much: how far an interval is drawn
ROW_IN, LEAST_IN = 0.25, 1.0
SPREAD = 0.8  # of a row's height, over which its dots are spread: equal ones would hide each other
KINDS = {PYTHON: ("plain", "graph", "lanes", "compact"), "cpp": ("plain", "lanes", "compact"), CPU: ("plain", "lanes")}  # rows of `answer`


class Dot(NamedTuple):
    """Something in a row of a panel. sure: filled; version: of its TensorRT, "" for none."""

    value: Interval
    colour: str
    version: str
    sure: bool

    @property
    def ends(self) -> tuple[float, float]:
        """Of its interval as far as it is drawn: all of it, but for what next to nothing is known of."""
        value, low, high = self.value
        return max(low, value / WIDEST), min(high, value * WIDEST)


Cells = dict[tuple[Text, int], list[Dot]]  # (row, batch size of the panel) -> what stands there


def answer(run: Run) -> Figure:
    """Images/s of the ways that matter and of the fastest of each rival, a panel a batch size, on a logarithmic axis."""
    found = Fast(run)
    cells: Cells = {}
    for arm in _fastest(found):
        cells.setdefault((_row(arm), arm.batch), []).append(Dot(arm.rate, arm.candidate.colour, arm.version, found.sure(arm)))
    sizes = _sizes(found, cells)
    return _dots(found, cells, sizes, "rate", "{:,.0f}", W("captions.none_timed"))


def ways(run: Run) -> Figure:
    """Throughput of each way over plain calls of the same runner."""
    found = Fast(run)
    cells: Cells = {}
    for one in ratios.ways(found):
        cells.setdefault((_called(one.own.candidate), one.own.batch), []).append(_ratio(one, one.own.candidate))
    return _dots(found, cells, _sizes(found, cells), "ways", "{:.2f}", W("captions.no_ways"))


def rivals(run: Run) -> Figure:
    """Throughput of ours over each rival of the same rounds."""
    found = Fast(run)
    cells: Cells = {}
    compared = ratios.rivals(found)
    for one in compared:
        row = W(f"labels.against_{one.kind}", rival=_called(one.base.candidate)) if one.kind else _called(one.base.candidate)
        cells.setdefault((row, one.own.batch), []).append(_ratio(one, one.base.candidate))
    return _dots(found, cells, _sizes(found, cells), "rivals", "{:.2f}", absent(found, "no_rivals"), meets=_meets(compared))


def roofline(run: Run) -> Figure:
    """The layers of engines under their card's ceilings: FLOP/s over FLOP a byte, both logarithmic, a panel a batch size."""
    found = Fast(run)
    there = [engine for engine in work.engines(found) if work.placed(found, engine)]
    sizes = _few(sorted({engine.batch_size for engine in there}))
    if not there:
        return base.sentence(W("captions.no_roofline"))
    versions = sorted({engine.tensorrt for engine in there}, key=version_order)

    def paint(drawn: Any, language: Language) -> None:
        every = np.atleast_1d(drawn)
        for axes, size in zip(every, sizes, strict=True):
            own = [engine for engine in there if engine.batch_size == size]
            axes.set(xscale="log", yscale="log")
            for engine in own:
                _layers(axes, found, engine, _marker(engine.tensorrt, versions))
            _ceilings(axes, found, own, versions[-1])
            axes.set_title(W("labels.batch", batch=size).in_(language), fontsize=9)
            for axis in (axes.xaxis, axes.yaxis):
                base.logarithmic(axes, axis, fine=False)
        low = min(axes.get_ylim()[0] for axes in every)
        high = max(axes.get_ylim()[1] for axes in every)
        for axes in every:
            axes.set_ylim(low, high)
            axes.tick_params(labelsize=8, labelleft=axes is every[0])
        every[0].set_ylabel(W("axes.flop_s").in_(language), fontsize=9)
        every[0].figure.supxlabel(W("axes.intensity").in_(language), fontsize=9)
        _legend(every[0], {engine.precision for engine in there}, versions, language)

    names = [W("labels.batch", batch=size) for size in sizes]
    caption = W("captions.roofline", slowed=slowed(found))
    return base.plot(paint, W("alts.roofline", sizes=names), caption, columns=len(sizes), height_in=3.4)


def server(run: Run) -> Figure:
    """The 99th percentile over the rate of each server that was tried, and the limit."""
    found = Fast(run)
    there = [record for record in work.scenarios(found) if record.metric == "server" and work.tried(record)]
    if not there:
        return base.sentence(W("captions.no_server"))
    versions = sorted({str(record.case.get("tensorrt", "")) for record in there}, key=version_order)
    limit = found.run.profile.fast.limit_ms

    def paint(axes: base.Axes, language: Language) -> None:
        for record in there:
            rates, p99 = zip(*work.tried(record), strict=True)
            style: dict[str, Any] = {"color": record.candidate.colour, "linewidth": 0}  # type: ignore[union-attr]
            style["marker"] = _marker(str(record.case.get("tensorrt", "")), versions)
            axes.plot(rates, p99, markersize=4.5, alpha=0.7, **style)
            if work.held(record):
                axes.plot([record.value], [record.stats["p99_ms"]], markersize=9, markeredgecolor="black", **style)
        axes.axhline(limit, color="grey", linewidth=1, linestyle=":")
        axes.set_yscale("log")
        base.logarithmic(axes, axes.yaxis)
        axes.xaxis.set_major_formatter("{x:,.10g}")
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(W("axes.asked").in_(language))
        axes.set_ylabel(W("axes.p99").in_(language))
        _legend(axes, {record.candidate.precision for record in there if record.candidate}, versions, language)

    return base.plot(paint, W("alts.server", limit=limit), W("captions.server_figure", limit=limit), height_in=3.0)


def _fastest(found: Fast) -> list[Arm]:
    """Of each row of `answer`, precision, TensorRT and batch size the fastest; those that answer wrongly are shown too."""
    kept: dict[tuple[Any, ...], Arm] = {}
    for arm in found.arms:
        kind = arm.kind if arm.ours else ""
        if not arm.ours or kind in KINDS.get(arm.candidate.runner, ()):
            key = (arm.candidate.runner, kind, arm.candidate.precision, arm.version, arm.block)
            if key not in kept or arm.rate.value > kept[key].rate.value:
                kept[key] = arm
    order = [kind for kinds in KINDS.values() for kind in kinds]
    return sorted(kept.values(), key=lambda arm: (arm.place[:2], order.index(arm.kind) if arm.ours else 0))


def _row(arm: Arm) -> Text:
    runner = runner_label(arm.candidate)
    return W("labels.called", runner=runner, way=W(f"kinds.{arm.kind}")) if arm.ours else runner


def _called(candidate: Candidate) -> Text:
    return W("labels.called", runner=runner_label(candidate), way=way_label(candidate))


def _ratio(one: Ratio, shown: Candidate) -> Dot:
    return Dot(one.times, shown.colour, one.own.version, one.verdict in CLAIMED)


def _meets(compared: Iterable[Ratio]) -> Text:
    """Sentences on rivals whose precision is not that of ours."""
    by: dict[Text, dict[Text, None]] = {}
    for one in compared:
        if one.own.candidate.precision != one.base.candidate.precision:
            by.setdefault(one.own.candidate.precision_label, {})[one.base.candidate.precision_label] = None
    return sentences(W("parts.meets", own=own, rivals=list(theirs)) for own, theirs in by.items())


def _sizes(found: Fast, cells: Cells) -> list[int]:
    """Batch sizes of the panels: those at which all ways are compared, and the largest."""
    there = sorted({size for _, size in cells})
    asked = [size for size in there if size in found.run.profile.fast.batch_sizes]
    return _few(sorted({*asked, *there[-1:]}))


def _few(sizes: list[int]) -> list[int]:
    return sizes if len(sizes) <= PANELS else [sizes[0], *sizes[1 - PANELS :]]


def _dots(found: Fast, cells: Cells, sizes: list[int], key: str, form: str, nothing: Text, **said: Any) -> Figure:
    """Rows of dots with intervals, a panel a batch size; beside a row stands its largest number, or of rivals its smallest. said: more of
    the caption."""
    rows = list(dict.fromkeys(row for row, size in cells if size in sizes))
    if not rows:
        return base.sentence(nothing)
    shown = [dot for (_, size), dots in cells.items() if size in sizes for dot in dots]

    def paint(drawn: Any, language: Language) -> None:
        every = np.atleast_1d(drawn)
        for axes, size in zip(every, sizes, strict=True):
            if key != "rate":
                axes.axvline(1.0, color="grey", linewidth=1, linestyle=":")
            for y, row in enumerate(rows):
                _paint_row(axes, y, cells.get((row, size), []), found.versions, form, min if key == "rivals" else max)
            axes.set_title(W("labels.batch", batch=size).in_(language), fontsize=9)
            axes.set_ylim(len(rows) - 0.4, -0.6)
            axes.set_yticks(range(len(rows)), [row.in_(language) if axes is every[0] else "" for row in rows], fontsize=8)
            axes.grid(False, axis="y")
            axes.tick_params(axis="x", labelsize=8)
            ends = [end for row in rows for dot in cells.get((row, size), []) for end in dot.ends]
            _logarithmic(axes, ends + [1.0] * (key != "rate" and bool(ends)), len(sizes))
        every[0].figure.supxlabel(W(f"axes.{key}").in_(language), fontsize=9)
        _legend(every[0], {dot.colour for dot in shown}, sorted({dot.version for dot in shown}, key=version_order), language)

    names = [W("labels.batch", batch=size) for size in sizes]
    caption = W(f"captions.{key}_figure", least=found.least_ratio, **said)
    height = LEAST_IN + ROW_IN * len(rows)
    return base.plot(paint, W(f"alts.{key}", rows=len(rows), sizes=names), caption, columns=len(sizes), height_in=height)


def _paint_row(axes: base.Axes, y: int, dots: Iterable[Dot], versions: list[str], form: str, told: Callable[..., float]) -> None:
    there = list(dots)
    step = min(0.28, SPREAD / len(there)) if there else 0.0
    for number, dot in enumerate(there):
        height = y + (number - (len(there) - 1) / 2) * step
        value, (low, high) = dot.value.value, dot.ends
        style = {"color": dot.colour, "markerfacecolor": dot.colour if dot.sure else "white", "markersize": 4.5, "elinewidth": 1}
        axes.errorbar(value, height, xerr=[[value - low], [high - value]], fmt=_marker(dot.version, versions), **style)
    if there:
        number, right = told(dot.value.value for dot in there), max(dot.ends[1] for dot in there)
        axes.annotate(form.format(number), (right, y), (5, 0), textcoords="offset points", fontsize=7, va="center")


def _marker(version: str, versions: list[str]) -> str:
    if version in versions:
        return MARKERS[versions.index(version) % len(MARKERS)]
    return OTHER if len(versions) > 1 else MARKERS[0]


def _logarithmic(axes: base.Axes, values: list[float], panels: int) -> None:
    """An axis around these values, with room for a number on the right; as many ticks as have room."""
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    span = max(math.log10(high / low), 0.3)
    low, high = low / 10 ** (0.08 * span + 0.05), high * 10 ** (0.12 * panels * span + 0.1)
    every = [step * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high))) for step in STEPS]
    ticks = [tick for tick in every if low <= tick <= high]
    for fewer in ((1.0, 2.0, 5.0), (1.0,)):  # round ones alone where there are enough of them
        round_ = [tick for tick in ticks if any(math.isclose(tick / 10 ** math.floor(math.log10(tick) + 1e-9), step) for step in fewer)]
        ticks = round_ if len(ticks) > MOST_TICKS[panels] and len(round_) > 1 else ticks
    while len(ticks) > MOST_TICKS[panels]:
        ticks = ticks[::2]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(low, high)


def _layers(axes: base.Axes, found: Fast, engine: PlacedEngine, marker: str) -> None:
    """A dot a layer of an engine, its area the share of the time."""
    whole = sum(layer.ms for layer in engine.layers)
    style: dict[str, Any] = {"color": _colour(engine.precision), "marker": marker, "alpha": 0.55, "linewidth": 0}
    for one in work.placed(found, engine):
        axes.scatter(one.work.flop / one.work.bytes, one.flop_s / TERA, 12 + 200 * 1e3 * one.seconds / whole, **style)


def _ceilings(axes: base.Axes, found: Fast, engines: Iterable[PlacedEngine], newest: str) -> None:
    """What the card reaches at most, as the newest TensorRT measured it, in each precision of the panel, over what its layers span."""
    left, right = axes.get_xlim()
    for precision in dict.fromkeys(engine.precision for engine in engines):
        above = work.ceiling(found, precision, newest)
        if above is not None:
            left, right = min(max(left, 0.1), above.ridge / 20), max(right, above.ridge * 8)
            levels = [rate / TERA for rate in (above.bytes_s * left, above.flop_s, above.flop_s)]
            axes.plot([left, above.ridge, right], levels, color=_colour(precision), linewidth=1.2)


def _colour(precision: str) -> str:
    return Candidate(PYTHON, precision).colour


def _legend(axes: base.Axes, shown: set[str], versions: list[str], language: Language) -> None:
    """A dot a precision (its key or its colour) that is there, and a marker a TensorRT where there are several; versions: "" for none."""
    there = [row for key, row in PRECISIONS.items() if key in shown or row.colour in shown]
    lines = [axes.plot([], [], "o", color=row.colour, label=row.label.in_(language), markersize=5)[0] for row in there]
    named = [version for version in versions if version]
    if len(named) > 1:
        for version in (*named, *[""] * (len(named) < len(versions))):
            label = version or W("labels.no_version").in_(language)
            lines.append(axes.plot([], [], _marker(version, named), color="black", linestyle="", label=label, markersize=5)[0])
    if len(lines) > 1:
        axes.figure.legend(handles=lines, loc="outside upper right", ncols=min(7, len(lines)), fontsize=8, frameon=False)
