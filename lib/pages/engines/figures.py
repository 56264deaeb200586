"""Plots of notebook 03: the sizes of the plans; the time of every layer, one panel an engine, coloured by the type it runs in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lib.experiment import precision as precisions
from lib.pages import against, common
from lib.pages.engines import layers, rules
from lib.pages.engines.exhibits import Layer
from lib.pages.engines.rules import W
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.store.run import Run
from lib.text import Language

WIDTH_IN, NAMES_IN, LABEL_IN = 9.2, 1.9, 0.45  # of the page; of the layers' names; of a number and a type beside a bar
ROW_IN, HEAD_IN = 0.175, 1.1  # of one layer; of titles and axis
GREY = "#999999"
US = 1e3  # a ms
MOST = 80  # layers below each other; of more those that take the most time


def sizes(run: Run) -> Figure:
    """Horizontal bars, one an engine, in the colour of its precision: plan size in MB (10^6 bytes)."""
    rows = [base.Row(c.precision_label, c.colour, (common.value(run, "file_size", c) or 0) / 1e6) for c in rules.built(run)]
    shown = [W("parts.size", engine=row.name, size=row.value) for row in rows]
    return base.bar_chart(rows, 2, W("axes.size"), W("alts.sizes", engines=shown), W("captions.sizes"))


def times(run: Run) -> Figure:
    """Horizontal bars of the median time (µs), one row a layer, one panel an engine; layers of one operation share a row."""
    timed = rules.profiles(run)
    if not timed:
        return base.sentence(NOT_RECORDED)
    engines = {candidate: layers.by_operation(own) for candidate, own in timed.items()}
    every = base.merged(engines.values())
    order = _longest(every, engines.values())
    names = {row: layers.short(by[row].name) for by in reversed(engines.values()) for row in by}
    sums, shown = {}, []
    for candidate, own in timed.items():
        top, sums[candidate] = layers.longest(own), US * layers.total_ms(own)
        values = {"engine": candidate.precision_label, "count": len(own), "sum": sums[candidate]}
        shown.append(W("parts.engine", **values, layer=layers.short(top.name), share=layers.share(top, own)))

    def paint(axes: Any, language: Language) -> None:
        panels = list(np.ravel(axes))
        for panel, (candidate, by) in zip(panels, engines.items(), strict=False):
            _bars(panel, [by.get(row) for row in order], language)
            # In a narrow panel what stands in brackets takes a line of its own.
            title = candidate.precision_label.in_(language).replace(" (", "\n(").replace("\uff08", "\n\uff08")
            panel.set_title(f"{title}\n{W('axes.sum', sum=sums[candidate]).in_(language)}", fontsize=8)
        _axes(panels, max((layer.ms for own in timed.values() for layer in own), default=0.0), [names[row] for row in order])
        panels[0].figure.supxlabel(W("axes.time").in_(language), fontsize=8)

    size = {"columns": len(engines), "width_in": WIDTH_IN, "height_in": HEAD_IN + ROW_IN * max(len(order), 1)}
    caption = W("captions.times") if order == every else against.said(W("captions.times"), W("captions.times_longest", most=MOST))
    return base.plot(paint, W("alts.times", engines=shown), caption, **size)


def _longest(rows: list[str], engines: Iterable[dict[str, Layer]]) -> list[str]:
    """Those rows, in their order, whose layers take the most time in some engine, as many as a figure holds."""
    took = {row: max(by[row].ms if row in by else 0.0 for by in engines) for row in rows}
    kept = set(sorted(rows, key=lambda row: -took[row])[:MOST])
    return [row for row in rows if row in kept]


def _bars(panel: base.Axes, shown: Sequence[Layer | None], language: Language) -> None:
    """Bars from the top; each with its number, and with its type where that is another than above."""
    above = None
    for y, layer in enumerate(shown):
        if y % 2:
            panel.axhspan(y - 0.5, y + 0.5, color=GREY, alpha=0.1, linewidth=0)
        if layer is None:
            continue
        time, row, copies = US * layer.ms, precisions.of_type(layer.type), layers.reformats(layer)
        panel.barh(y, time, height=0.72, color=GREY if copies or row is None else row.colour)
        word = "" if copies or layer.type == above else rules.type_label(layer.type).in_(language)
        above = above if copies else layer.type
        number = f"{time:.1f}" if time < 9.95 else f"{time:,.0f}"
        panel.annotate(f"{number} {word}", (time, y), (2, 0), textcoords="offset points", va="center", fontsize=6.5)


def _axes(panels: list[base.Axes], longest_ms: float, names: list[str]) -> None:
    """One scale for all panels, with room for the labels; names of the layers on the left."""
    from matplotlib.ticker import MaxNLocator

    width_in = (WIDTH_IN - NAMES_IN) / len(panels)
    for panel in panels:
        panel.set_xlim(0, (US * longest_ms or 1.0) / (1 - LABEL_IN / width_in))
        panel.set_ylim(max(len(names), 1) - 0.5, -0.5)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names), fontsize=7)
        panel.tick_params(axis="y", length=0)
        panel.tick_params(axis="x", labelsize=7)
        panel.xaxis.set_major_locator(MaxNLocator(max(2, int(1.5 * width_in))))
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.grid(False, axis="y")
        panel.set_axisbelow(True)
