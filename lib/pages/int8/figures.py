"""Plots of notebook 04: INT8 beside FP32, accuracy and changed answers over the number of calibration images."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.experiment.candidate import Candidate
from lib.pages import against, common
from lib.pages.int8 import rules
from lib.pages.int8.rules import ONNX, TENSORRT, Model, W
from lib.show import figure as base
from lib.show.table import NO_CAPTION, NOT_RECORDED, Figure
from lib.stats import Interval
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import COMMON

METHODS = ("entropy", "minmax", "percentile")
COLOURS, MARKERS = dict(zip(METHODS, base.COLOURS[1:4], strict=True)), dict(zip(METHODS, "os^", strict=True))
SHIFT = 1.06  # methods stand side by side at each count, so that their intervals do not hide each other
TICK_RATIO = 1.8  # of image counts that are named below the axis


def comparison(run: Run) -> Figure:
    """One row a model: its paired difference in accuracy from the reference, or the share of answers that change where nobody labelled the
    images; beside it, of engines, throughput over FP32's."""
    labelled, full, timed, models = against.labelled(run), Model(Candidate(TENSORRT, "fp32")), rules.latencies(run), list[Model]()
    differences, ratios = list[base.Row](), list[base.Row]()
    for model in rules.compared(run):
        found = common.points(rules.found(run, "accuracy", model)) if labelled else _share(run, model)
        if model.candidate.precision != "fp32" and found:
            look, marker = model.candidate.colour, MARKERS.get(model.method, "D")
            models.append(model)
            differences.append(base.Row(_name(model), look, found, marker))
            ratios.append(base.Row(NO_CAPTION, look, common.speedup(timed.get(model), timed.get(full)), marker))

    if not models:
        return base.sentence(NOT_RECORDED)

    def paint(axes: Any, language: Language) -> None:
        left, *right = np.atleast_1d(axes)
        base.dots(left, differences, "+.2f" if labelled else ".2f", axis_label, language, reference=0.0)
        for axis in right:
            base.dots(axis, ratios, ".2f", W("axes.ratio"), language, reference=1.0)

    axis_label = W("axes.difference" if labelled else "axes.changed")
    part, kind = ("parts.points_short", "comparison") if labelled else ("parts.changed_short", "comparison_changed")
    said = [W(part, model=m.label, points=row.value.value) for m, row in zip(models, differences, strict=True)]
    speeds = any(row.value for row in ratios)
    alt, caption = (W(f"{key}{'_timed' * speeds}", models=said) for key in (f"alts.{kind}", f"captions.{kind}_plot"))
    return base.plot(paint, alt, caption, columns=1 + speeds, height_in=base.height_in(models) + 0.2)


def _share(run: Run, model: Model) -> Interval | None:
    """Of test images whose answer changes."""
    value = common.share(rules.found(run, "agreement", model), "others")
    return value if isinstance(value, Interval) else None


def accuracy(run: Run) -> Figure:
    """Accuracy (%) over the number of calibration images, one panel a backend, one line a method; the band is its FP32 model."""
    if not against.labelled(run):
        return base.sentence(COMMON("captions.no_labels"))
    return _curves(run, "accuracy", "accuracy", "correct")


def changed(run: Run) -> Figure:
    """Share of test images (%) whose class is not the reference's, over the number of calibration images."""
    return _curves(run, "changed", "agreement", "others")


def _curves(run: Run, what: str, metric: str, of: str) -> Figure:
    panels: dict[Model, dict[str, dict[int, Interval]]] = {}  # FP32 of a backend -> method -> images -> share
    for model in (model for runner in (ONNX, TENSORRT) for model in rules.calibrations(run, runner)):
        value = common.share(rules.found(run, metric, model), of)
        if isinstance(value, Interval):
            own = panels.setdefault(Model(Candidate(model.candidate.runner, "fp32")), {})
            own.setdefault(model.method, {})[model.images] = value

    def paint(axes: Any, language: Language) -> None:
        drawn = np.atleast_1d(axes)
        for axis in drawn[1:]:
            axis.sharey(drawn[0])
        for axis, (full, own) in zip(drawn, panels.items(), strict=False):
            _panel(axis, own, common.share(rules.found(run, "accuracy", full)) if what == "accuracy" else None, language)
            axis.set_title(full.candidate.runner_label.in_(language), fontsize=10)
        drawn[0].set_ylabel(W(f"axes.{what}").in_(language))
        if panels:  # lines may coincide, so their names stand below
            handles = {label: handle for axis in drawn for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
            drawn[0].figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)

    said = [_ends(full, name, curve) for full, own in panels.items() for name, curve in own.items()]
    return base.plot(paint, W(f"alts.{what}", lines=said), W(f"captions.{what}"), columns=len(panels) or 1)


def _ends(full: Model, name: str, curve: dict[int, Interval]) -> Text:
    first, last = min(curve), max(curve)
    values = {"first": first, "last": last, "before": curve[first].value, "after": curve[last].value}
    return W("parts.ends", runner=full.candidate.runner_label, method=rules.method(name), **values)


def _panel(axes: base.Axes, lines: dict[str, dict[int, Interval]], full: Interval | Reason | None, language: Language) -> None:
    for place, (name, curve) in enumerate(lines.items()):
        counts = [images * SHIFT ** (place - (len(lines) - 1) / 2) for images in curve]
        values = list(curve.values())
        bars = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
        look = {"color": COLOURS.get(name, "black"), "marker": MARKERS.get(name, "D"), "markersize": 5, "capsize": 2, "elinewidth": 1}
        axes.errorbar(counts, [v.value for v in values], yerr=bars, label=rules.method(name).in_(language), **look)
    if isinstance(full, Interval):
        colour = Candidate(ONNX, "fp32").colour
        axes.axhspan(full.low, full.high, color=colour, alpha=0.08)
        axes.axhline(full.value, color=colour, linestyle="--", label="FP32")
    axes.set_xscale("log", base=2)
    base.labels(axes, sorted({images for curve in lines.values() for images in curve}), TICK_RATIO)
    axes.set_xlabel(W("axes.images").in_(language))


def _name(model: Model) -> Text:
    """Candidate above calibration, which leaves the plot its room."""
    plain = model.candidate.plain
    return plain.label if model.label == plain.label else W("parts.two_lines", candidate=plain, how=model.calibration)
