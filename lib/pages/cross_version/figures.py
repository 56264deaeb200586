"""Plots of notebook 08: the ratio of versions and every build as a dot, a panel a way of calling; one number of every system."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lib.pages.cross_version import speed, system_tables, systems
from lib.pages.cross_version.versions import Calling, Spot, Versions, W
from lib.show import figure as base
from lib.show.table import Figure
from lib.stats import Interval
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Language, Text

MARKERS = ("o", "s", "^", "D", "v", "P")  # of versions, the lowest first
SHADES = ("#8c8c8c", "#7a1fa2", "#8b4513", "#1a1a1a", "#c2185b", "#4e7d00")  # of versions: none is a precision's
ROW_IN, LEAST_IN = 0.23, 1.2  # height of a row of a panel, and of all that is not a row
VERSION_IN = 0.15  # by which a row of numbers is higher for each further version
NARROW = 0.01  # of 1: an axis shows at least so much on both sides


class Panels(NamedTuple):
    """How dots stand: a panel a calling, a row a spot of it (whose calling is left out)."""

    callings: list[Calling]
    rows: list[Spot]

    def spot(self, row: Spot, calling: Calling) -> Spot:
        """The spot that a row of a panel is."""
        return row._replace(calling=calling)


def answer(run: Run) -> Figure:
    """The figure of the first screen: versions on this machine where several ran, else the systems' plans."""
    return ratios(run, "end_to_end") if len(Versions(run).names) > 1 else compare(run, "file_size")


def ratios(run: Run, scope: str) -> Figure:
    """Throughput of each version over that of the lowest with its interval; filled where a difference, or that there is none, is shown."""
    found = Versions(run)
    told = {(one.spot, one.other): one for one in speed.comparisons(found, scope)} if len(found.names) > 1 else {}
    panels = _panels([spot for spot, _ in told])
    if not told:
        return base.sentence(W("captions.no_comparison"))
    least = speed.least_ratio(found)

    def paint(axes: base.Axes, calling: Calling) -> None:
        axes.axvspan(1 / (1 + least), 1 + least, color="grey", alpha=0.15, linewidth=0)
        for y, row in enumerate(panels.rows):
            for place, other in enumerate(found.others):
                if one := told.get((panels.spot(row, calling), other)):
                    height = y + _offset(place, len(found.others))
                    _ratio(axes, one.ratio, height, MARKERS[place % len(MARKERS)], row.engine.candidate.colour, one.verdict)

    looks = [{"marker": MARKERS[place % len(MARKERS)], "color": "black"} for place in range(len(found.others))]
    names = _legend(list(map(found.label, found.others)), looks)
    height_in = ROW_IN + VERSION_IN * (len(found.others) - 1)
    values = {"base": found.base, "others": found.others, "least": least}
    label, alt = W(f"axes.ratio_{scope}", base=found.base), W(f"alts.ratio_{scope}", **values)
    return _draw(panels, paint, label, alt, W("captions.ratio", **values), names, height_in)


def builds(run: Run) -> Figure:
    """Throughput of every build, end to end, over the mean of the lowest version's builds; a colour a version."""
    found = Versions(run)
    spots = [spot for spot in found.spots if spot.scope == "end_to_end" and not spot.engine.variant]
    dots = {(spot, name): own for spot in spots for name in found.names if (own := speed.relative(found, name, spot))}
    panels = _panels([spot for spot, _ in dots])
    if not dots:
        return base.sentence(W("captions.no_builds"))

    def paint(axes: base.Axes, calling: Calling) -> None:
        for y, row in enumerate(panels.rows):
            for place, name in enumerate(found.names):
                own = dots.get((panels.spot(row, calling), name), [])
                height = np.full(len(own), y + _offset(place, len(found.names)))
                axes.plot(own, height, MARKERS[place % len(MARKERS)], color=SHADES[place % len(SHADES)], markersize=4, alpha=0.75)

    looks = [{"marker": MARKERS[place % len(MARKERS)], "color": SHADES[place % len(SHADES)]} for place in range(len(found.names))]
    names = _legend(list(map(found.label, found.names)), looks)
    alt, caption = (W(f"{group}.builds", base=found.base, versions=found.names) for group in ("alts", "captions"))
    return _draw(panels, paint, W("axes.builds", base=found.base), alt, caption, names)


def compare(run: Run, metric: str) -> Figure:
    """Horizontal bars of a metric of system_tables.METRICS, grouped by system, in the precisions' colours; only what was measured."""
    (unit, _, digits), what, rows = system_tables.METRICS[metric], W(f"columns.{metric}"), list[base.Row]()
    for system, candidate in [(each, candidate) for each in systems.compared(run)[0] for candidate in systems.candidates([each])]:
        if not isinstance(value := system_tables.value(system, metric, candidate), Reason):
            name = Text(*(f"{precision} | {system.name}" for precision in candidate.precision_label))
            rows.append(base.Row(name, candidate.colour, value))
    label = Text(*(f"{word} ({unit})" for word in what))
    return base.bar_chart(rows, digits, label, W("alts.compare", what=what), W("captions.compare", what=what))


def _panels(spots: list[Spot]) -> Panels:
    callings = sorted({spot.calling for spot in spots}, key=lambda calling: (calling.runner != "tensorrt", calling))
    first = {(spot.engine, spot.batch_size): spot for spot in reversed(spots)}
    return Panels(callings, sorted(first.values(), key=lambda spot: (spot.engine.place, spot.batch_size)))


def _draw(
    panels: Panels,
    paint: Callable[[base.Axes, Calling], None],
    label: Text,
    alt: Text,
    caption: Text,
    legend: list[dict[str, Any]],
    row_in: float = ROW_IN,
) -> Figure:
    """Panels side by side that share both axes, with a line at 1."""
    rows = panels.rows

    def painted(drawn: Any, language: Language) -> None:
        every = np.atleast_1d(drawn)
        for axes, calling in zip(every, panels.callings, strict=True):
            axes.axvline(1.0, color="grey", linewidth=1, linestyle=":")
            paint(axes, calling)
            axes.set_title(calling.label.in_(language), fontsize=9)
            axes.set_ylim(len(rows) - 0.4, -0.6)
            names = [_row(row).in_(language) if axes is every[0] else "" for row in rows]
            axes.set_yticks(range(len(rows)), names, fontsize=8)
            axes.grid(False, axis="y")
            axes.tick_params(axis="x", labelsize=8)
            for y in range(1, len(rows)):  # a line between precisions
                if rows[y].engine != rows[y - 1].engine:
                    axes.axhline(y - 0.5, color="grey", linewidth=0.5, alpha=0.5)
        _share(list(every))
        every[0].figure.supxlabel(label.in_(language), fontsize=9)
        if len(legend) > 1:
            lines = [every[0].plot([], [], linestyle="none", **one)[0] for one in legend]
            every[0].figure.legend(handles=lines, loc="outside upper right", ncols=len(lines), fontsize=8, frameon=False)

    return base.plot(painted, alt, caption, columns=len(panels.callings), height_in=LEAST_IN + row_in * len(rows))


def _ratio(axes: base.Axes, ratio: Interval, y: float, marker: str, colour: str, verdict: str) -> None:
    """A dot with its interval and its number; hollow where nothing is claimed."""
    value, low, high = ratio
    known = low > 0 and math.isfinite(high)
    ends = [[value - low], [high - value]] if known else None
    fill = "white" if verdict in ("undecided", "disturbed") else colour
    axes.errorbar(value, y, xerr=ends, fmt=marker, color=colour, markerfacecolor=fill, markersize=4.5, capsize=2, elinewidth=1)
    axes.annotate(f"{value:.2f}", (high if known else value, y), (4, 0), textcoords="offset points", fontsize=7, va="center")


def _share(every: list[base.Axes]) -> None:
    """One range for all panels, with room for the numbers on the right."""
    low, high = min(axes.get_xlim()[0] for axes in every), max(axes.get_xlim()[1] for axes in every)
    low, high = min(low, 1 - NARROW), max(high, 1 + NARROW)
    for axes in every:
        axes.set_xlim(low, high + 0.2 * (high - low))
        axes.locator_params(axis="x", nbins=4)


def _row(row: Spot) -> Text:
    return W("labels.row", engine=row.engine.label, batch=row.batch_size)


def _offset(place: int, count: int) -> float:
    """Where in a row the dots of one of several versions stand."""
    return (place - (count - 1) / 2) / (count + 1)


def _legend(names: list[str], looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"label": name, "markersize": 5} | look for name, look in zip(names, looks, strict=True)]
