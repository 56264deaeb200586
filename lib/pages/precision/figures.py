"""Plots of notebook 07: accuracy with intervals, size and throughput, accuracy against throughput."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.pages import against, common
from lib.pages.precision import rules
from lib.pages.precision.rules import W
from lib.show import figure as base
from lib.show.table import NO_CAPTION, Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language

FINE = 100  # ratio of the largest to the smallest throughput up to which there is room for 1, 2 and 5 of every decade


def accuracy(run: Run) -> Figure:
    """Dot plot: accuracy of every candidate with its Wilson interval; the line is the reference. Agreement where nobody labelled the
    images."""
    (what, values), reference = _judged(run), against.reference(run)
    rows = [base.Row(candidate.label, candidate.colour, value) for candidate, value in values.items()]
    line = 100.0 if what == "agreement" else rows[0].value.value if rows else None  # type: ignore[union-attr]  # an Interval

    def paint(axes: base.Axes, language: Language) -> None:
        base.dots(axes, rows, ".2f", W(f"axes.{what}"), language, reference=line)

    alt, caption = W(f"alts.{what}", reference=reference), W(f"captions.{what}", reference=reference)
    return base.plot(paint, alt, caption, height_in=base.height_in(rows))


def cost(run: Run) -> Figure:
    """Bars side by side: size of the model file and throughput, one row a candidate, coloured by precision."""
    sizes = {c: size / 1e6 for c in rules.candidates(run) if (size := common.value(run, "file_size", c))}
    rates = {candidate: common.rate(latency).value for candidate, latency in rules.latencies(run).items()}

    def paint(axes: np.ndarray, language: Language) -> None:
        base.bars(axes[0], [base.Row(c.label, c.colour, size) for c, size in sizes.items()], 2, W("axes.size"), language)
        base.bars(axes[1], [base.Row(NO_CAPTION, c.colour, rates.get(c)) for c in sizes], 0, W("axes.throughput"), language)

    return base.plot(paint, W("alts.cost"), W("captions.cost"), columns=2, height_in=base.height_in(sizes))


def trade(run: Run) -> Figure:
    """Accuracy, or agreement where nobody labelled the images, with its interval against throughput; up and to the right is better.
    A colour a precision, a marker a runner: of many candidates the names would touch each other."""
    (what, accuracies), reference = _judged(run), against.reference(run)
    if what == "agreement":
        accuracies = {reference: Interval(100, 100, 100)} | accuracies
    rates = {c: common.rate(latency).value for c, latency in rules.latencies(run).items() if c in accuracies}
    markers = dict(zip(dict.fromkeys(c.runner_label for c in rates), cycle(base.MARKERS), strict=False))
    colours = {row.label: row.colour for key, row in PRECISIONS.items() if key in {c.precision for c in rates}}

    def paint(axes: base.Axes, language: Language) -> None:
        base.logarithmic(axes, axes.xaxis, fine=not rates or max(rates.values()) < FINE * min(rates.values()))
        for candidate, rate in rates.items():
            (value, low, high), look = accuracies[candidate], {"color": candidate.colour, "fmt": markers[candidate.runner_label]}
            axes.errorbar(rate, value, yerr=[[value - low], [high - value]], capsize=2, elinewidth=0.8, markersize=5, **look)
        looks = [(label, {"color": "grey", "marker": marker}) for label, marker in markers.items()]
        looks += [(label, {"color": colour, "marker": "o"}) for label, colour in colours.items()]
        lines = [axes.plot([], [], linestyle="none", markersize=5, label=label.in_(language), **look)[0] for label, look in looks]
        if lines:
            axes.figure.legend(handles=lines, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
        axes.set_xlabel(W("axes.throughput_log").in_(language))
        axes.set_ylabel(W(f"axes.trade_{what}").in_(language))

    kind = "trade" if what == "accuracy" else "trade_agreement"
    return base.plot(paint, W(f"alts.{kind}", reference=reference), W(f"captions.{kind}", reference=reference), height_in=4.6)


def _judged(run: Run) -> tuple[str, dict[Candidate, Interval]]:
    """("accuracy" or "agreement", the share of images in % with its interval of what has one; the reference first)."""
    what = "accuracy" if against.labelled(run) else "agreement"
    found = {candidate: common.share(run.find(what, candidate)) for candidate in rules.candidates(run)}
    return what, {candidate: share for candidate, share in found.items() if isinstance(share, Interval)}
