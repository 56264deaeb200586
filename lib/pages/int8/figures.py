"""Plots of notebook 04: INT8 beside FP32, accuracy and changed answers over the number of calibration images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.int8 import rules
from lib.pages.int8.rules import ONNX, TENSORRT, Model, W
from lib.show import figure as base
from lib.show.table import Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language, Text

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes

METHODS = ("entropy", "minmax", "percentile")
COLOURS, MARKERS = dict(zip(METHODS, base.COLOURS[1:4], strict=True)), dict(zip(METHODS, "os^", strict=True))
SHIFT = 1.06  # methods stand side by side at each count, so that their intervals do not hide each other
TICK_RATIO = 1.8  # of image counts that are named below the axis
ROW_IN, FRAME_IN = 0.42, 1.2  # of the height of a figure with a row a model
Number = Callable[[Run, Model], Interval | None]


def comparison(run: Run) -> Figure:
    """One row a model: its paired difference in accuracy from the reference; beside it, of engines, throughput over FP32's."""
    models = [model for model in rules.compared(run) if model.candidate.precision != "fp32" and rules.counts(run, model)]
    full = Model(Candidate(TENSORRT, "fp32"))
    ratios = {model: ratio for model in models if (ratio := rules.speedup(run, model, full))}

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(1, 2 if ratios else 1, height_in=FRAME_IN + ROW_IN * len(models))
            left, *right = np.atleast_1d(axes)
            for y, model in enumerate(models):
                _point(left, y, model, _difference(run, model), "+.2f")
                for axis in right:
                    _point(axis, y, model, ratios.get(model), ".2f")
            _rows(left, models, [_name(model).in_(language) for model in models], 0.0)
            left.set_xlabel(W("axes.difference").in_(language))
            for axis in right:
                _rows(axis, models, [""] * len(models), 1.0)
                axis.set_xlabel(W("axes.ratio").in_(language))
        return figure

    said = [W("parts.points_short", model=m.label, points=d.value) for m in models if (d := _difference(run, m))]
    return Figure(draw, W("alts.comparison", models=said), W("captions.comparison_plot"))


def accuracy(run: Run) -> Figure:
    """Accuracy (%) over the number of calibration images, one panel a backend, one line a method; the band is its FP32 model."""
    return _curves(run, "accuracy", _accuracy)


def changed(run: Run) -> Figure:
    """Share of test images (%) whose class is not the reference's, over the number of calibration images."""
    return _curves(run, "changed", _changed)


def _curves(run: Run, what: str, number: Number) -> Figure:
    lines = {runner: _lines(run, runner, number) for runner in (ONNX, TENSORRT)}
    panels = {runner: own for runner, own in lines.items() if own}

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(1, len(panels) or 1)
            drawn = np.atleast_1d(axes)
            for axis in drawn[1:]:
                axis.sharey(drawn[0])
            for axis, (runner, own) in zip(drawn, panels.items(), strict=False):
                full = Model(Candidate(runner, "fp32"))
                _panel(axis, own, _accuracy(run, full) if what == "accuracy" else None, language)
                axis.set_title(full.candidate.runner_label.in_(language), fontsize=10)
            drawn[0].set_ylabel(W(f"axes.{what}").in_(language))
            if panels:
                handles = {label: handle for axis in drawn for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
                figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)  # lines may coincide
        return figure

    said = [_ends(Model(Candidate(runner, "fp32")), name, own[name]) for runner, own in panels.items() for name in own]
    return Figure(draw, W(f"alts.{what}", lines=said), W(f"captions.{what}"))


def _lines(run: Run, runner: str, number: Number) -> dict[str, dict[int, Interval]]:
    """{method: {images: value with its interval}} of what was measured."""
    found: dict[str, dict[int, Interval]] = {}
    for model in rules.calibrations(run, runner):
        if value := number(run, model):
            found.setdefault(model.method, {})[model.images] = value
    return found


def _ends(full: Model, name: str, curve: dict[int, Interval]) -> Text:
    first, last = min(curve), max(curve)
    values = {"first": first, "last": last, "before": curve[first].value, "after": curve[last].value}
    return W("parts.ends", runner=full.candidate.runner_label, method=rules.method(name), **values)


def _panel(axes: Axes, lines: dict[str, dict[int, Interval]], full: Interval | None, language: Language) -> None:
    for place, (name, curve) in enumerate(lines.items()):
        counts = [images * SHIFT ** (place - (len(lines) - 1) / 2) for images in curve]
        values = list(curve.values())
        bars = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
        look = {"color": COLOURS.get(name, "black"), "marker": MARKERS.get(name, "D"), "markersize": 5, "capsize": 2, "elinewidth": 1}
        axes.errorbar(counts, [v.value for v in values], yerr=bars, label=rules.method(name).in_(language), **look)
    if full is not None:
        colour = Candidate(ONNX, "fp32").colour
        axes.axhspan(full.low, full.high, color=colour, alpha=0.08)
        axes.axhline(full.value, color=colour, linestyle="--", label="FP32")
    shown = sorted({images for curve in lines.values() for images in curve})
    axes.set_xscale("log", base=2)
    ticks = shown[:1]
    for images in shown:  # without those whose numbers would touch
        if images >= TICK_RATIO * ticks[-1]:
            ticks.append(images)
    axes.set_xticks(ticks, [f"{images:,}" for images in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel(W("axes.images").in_(language))


def _accuracy(run: Run, model: Model) -> Interval | None:
    one = rules.found(run, "accuracy", model)
    if one is None or one.value is None:
        return None
    return common.percent(stats.wilson(one.stats["correct"], one.stats["total"]))


def _changed(run: Run, model: Model) -> Interval | None:
    one = rules.found(run, "agreement", model)
    if one is None or one.value is None:
        return None
    return common.percent(stats.wilson(one.stats["total"] - one.stats["correct"], one.stats["total"]))


def _difference(run: Run, model: Model) -> Interval | None:
    only = rules.counts(run, model)
    return common.percent(stats.paired(*only)) if only else None


def _name(model: Model) -> Text:
    """Candidate above calibration, which leaves the plot its room."""
    plain = model.candidate.plain
    return plain.label if model.label == plain.label else W("parts.two_lines", candidate=plain, how=model.calibration)


def _point(axes: Axes, y: int, model: Model, found: Interval | None, number: str) -> None:
    if found is None:
        return
    value, low, high = found
    marker = MARKERS.get(model.method, "D")
    bars = [[max(0.0, value - low)], [max(0.0, high - value)]]  # the paired interval is centred beside its estimate
    axes.errorbar(value, y, xerr=bars, fmt=marker, color=model.candidate.colour, capsize=3)
    axes.annotate(format(value, number), (max(value, high), y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)


def _rows(axes: Axes, models: list[Model], labels: list[str], reference: float) -> None:
    axes.axvline(reference, color="grey", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(models)), labels, fontsize=8)
    axes.set_ylim(max(1, len(models)) - 0.5, -0.5)
    axes.margins(x=0.22)
