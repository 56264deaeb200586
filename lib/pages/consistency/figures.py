"""Plots of notebook 05: the matrix of differences, the images that runners disagree on, a difference from tensor to tensor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, zip_longest
from typing import Literal

import numpy as np

from lib.experiment.candidate import Candidate, ordered
from lib.pages import apart
from lib.pages.against import reference
from lib.pages.consistency import rules
from lib.pages.consistency.exhibits import Disagreement, Disagreements
from lib.pages.consistency.rules import Apart, Trace, W
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.store import picture
from lib.store.run import Run
from lib.text import LANGUAGES, Language, Text

COLUMNS = 4  # images a line
FLOOR = 1e-9  # the colour of zero on a logarithmic scale
DENSE = 12  # candidates, over which labels and numbers of a heat map have to be smaller
CLASS, TENSOR = 20, 48  # letters of a class's and of a tensor's name that fit
MOST = 80  # names of tensors below each other


VIEWS: dict[str, Callable[[Apart], float]] = {  # what may colour the matrix
    "max_abs": lambda apart: apart.max_abs,
    "mean_abs": lambda apart: apart.mean_abs,
    "cosine": lambda apart: max(0.0, 1 - apart.cosine),
    "agreement": lambda apart: 100 * (1 - apart.agreement),
}
LINEAR = "agreement"  # the colours of the others are logarithmic


def against(run: Run) -> Figure:
    """How far each candidate that ran here lies from the reference."""
    values = {candidate: found.max_abs for candidate, found in rules.against(run).items()}
    return apart.differences(run, values, lambda candidate: candidate.label)


def matrix(run: Run, view: str) -> Figure:
    """Heat map of one of VIEWS over every two candidates that ran here, each two once; dark is far apart."""
    log, found, label = view != LINEAR, rules.pairs(run), W(f"views.{view}")
    if not found:
        return base.sentence(NOT_RECORDED)
    measured = ordered(candidate for pair in found for candidate in pair)
    places = ((measured.index(one), measured.index(other), apart) for (one, other), apart in found.items())
    values = {(row - 1, column): VIEWS[view](apart) for row, column, apart in places if row > column}
    rows, columns = measured[1:], measured[:-1]
    dense = len(measured) > DENSE
    size = 6 if dense else 8

    def paint(axes: base.Axes, language: Language) -> None:
        from matplotlib.colors import LogNorm, Normalize

        coloured = np.full((len(rows), len(columns)), np.nan)
        for place, value in values.items():
            coloured[place] = max(value, FLOOR)
        top = max(values.values())
        norm = LogNorm(FLOOR, max(top, FLOOR * 10)) if log else Normalize(0, max(top, 1e-6))
        said = {place: _number(value, log, dense) for place, value in values.items()}
        base.heat(axes, coloured, said, norm, "cividis_r", size)
        names = [[_short(candidate, language) for candidate in shown] for shown in (rows, columns)]
        rotated = {"rotation": 90 if dense else 30, "ha": "right", "va": "center", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(columns)), names[1], fontsize=size, **rotated)
        axes.set_yticks(range(len(rows)), names[0], fontsize=size)
        axes.set_title(label.in_(language), loc="left", fontsize=10)

    caption = W("captions.matrix_log" if log else "captions.matrix", what=label)
    return base.plot(paint, W("alts.matrix", what=label), caption, height_in=1.6 + (0.35 if dense else 0.5) * len(rows))


def worst(run: Run) -> Figure:
    """Images to which some runner gives another class than the reference, each with the true class where that is known, both classes and
    probabilities."""
    found = run.exhibit("disagreements", Disagreements)
    if found is None:
        return base.sentence(NOT_RECORDED)
    if not found.worst:
        return base.sentence(W("captions.none_differ", images=found.images, reference=reference(run)))
    lines = -(-len(found.worst) // COLUMNS)

    def paint(grid: np.ndarray, language: Language) -> None:
        for axes, one in zip_longest(grid.flat, found.worst):
            axes.set_axis_off()
            if one:
                axes.imshow(picture.decode(one.png), interpolation="nearest")
                axes.set_title(_said(one, run.info.class_names).in_(language), fontsize=7, loc="left", parse_math=False)

    caption = W("captions.worst", shown=len(found.worst), differing=found.differing, images=found.images, reference=reference(run))
    return base.plot(paint, W("alts.worst", reference=reference(run)), caption, lines, COLUMNS, height_in=2.6 * lines)


def depth(run: Run) -> Figure:
    """Relative difference over depth: one line a candidate in the colour of its precision, its limit dashed."""
    traces = rules.traces(run)
    if not traces:
        nothing = W("captions.nothing_to_compare", reference=reference(run))
        return base.sentence(nothing if run.records("cosine") else NOT_RECORDED)
    tensors = base.merged([str(layer.case["tensor"]) for layer in trace.layers] for trace in traces)
    furthest, step = max(trace.limit for trace in traces), -(-len(tensors) // MOST)

    def paint(axes: base.Axes, language: Language) -> None:
        for k, (trace, marker) in enumerate(zip(traces, cycle(base.MARKERS), strict=False)):
            drawn = {tensors.index(str(layer.case["tensor"])): layer.value for layer in trace.layers if layer.value}
            axes.plot(list(drawn.values()), list(drawn), color=trace.candidate.colour, marker=marker, markersize=4, linewidth=1.2)
            _label(axes, trace, marker, -1 - k, "left" if 100 * trace.limit < furthest else "right", language)
        _rings(axes, traces, tensors, language)
        axes.set_xscale("log")
        axes.set_xlabel(W("axes.relative").in_(language))
        axes.set_yticks(range(0, len(tensors), step), [_cut(name, TENSOR) for name in tensors[::step]], fontsize=7, parse_math=False)
        axes.set_ylim(len(tensors) - 0.5, -0.5 - len(traces))

    return base.plot(paint, W("alts.depth"), W("captions.depth"), height_in=1.2 + 0.22 * (len(tensors) / step + len(traces)))


def _number(value: float, log: bool, dense: bool) -> str:
    """A cell's number; where there are many cells one digit and the exponent have to do ("2e-4")."""
    if not value or not log:
        return f"{value:.2f}" if value else "0"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}" if dense else f"{value:.1e}"


def _short(candidate: Candidate, language: Language) -> str:
    return f"{candidate.runner_label.in_(language)}\n{candidate.precision_label.in_(language)}"


def _said(one: Disagreement, names: list[str]) -> Text:
    """What stands over an image."""
    classes = {"expected": _cut(names[one.expected], CLASS), "got": _cut(names[one.got], CLASS)}
    true = Text("", "") if one.true is None else W("words.true", true=_cut(names[one.true], CLASS))
    runner = Text(*(_short(Candidate.parse(one.candidate), language) for language in LANGUAGES))
    return W("words.picture", runner=runner, image=one.image, true=true, p_expected=one.p_expected, p_got=one.p_got, **classes)


def _cut(name: str, longest: int) -> str:
    """A name in at most so many letters; what is cut off is marked."""
    return name if len(name) <= longest else f"{name[: longest - 1].rstrip()}…"


def _label(axes: base.Axes, trace: Trace, marker: str, row: int, side: Literal["left", "right"], language: Language) -> None:
    """The candidate's name at its limit, above the first tensor; it begins there (left) or ends there (right)."""
    colour, text = trace.candidate.colour, W("words.limit", candidate=trace.candidate, multiple=rules.MULTIPLE).in_(language)
    axes.axvline(trace.limit, color=colour, linestyle="--", linewidth=1)
    axes.plot([trace.limit], [row], color=colour, marker=marker, markersize=4)
    away = 6 if side == "left" else -6
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # over the lines of other limits
    place = {"textcoords": "offset points", "ha": side, "va": "center"}
    axes.annotate(text, (trace.limit, row), (away, 0), color=colour, fontsize=8, bbox=box, **place)


def _rings(axes: base.Axes, traces: list[Trace], tensors: list[str], language: Language) -> None:
    """Around where differences begin; the word once a tensor, right of them all."""
    furthest: dict[int, tuple[float, str]] = {}
    for trace in traces:
        if trace.begins is not None:
            colour, x, y = trace.candidate.colour, trace.begins.value or trace.limit, tensors.index(str(trace.begins.case["tensor"]))
            axes.plot(x, y, marker="o", markersize=10, markerfacecolor="none", markeredgecolor=colour, linestyle="none")
            furthest[y] = max((x, colour), furthest.get(y, (x, colour)))
    for y, (x, colour) in furthest.items():
        axes.annotate(W("words.begins").in_(language), (x, y), (8, 0), textcoords="offset points", color=colour, fontsize=8, va="center")
