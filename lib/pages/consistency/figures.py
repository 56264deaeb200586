"""Plots of notebook 05: the matrix of differences, the images that runners disagree on, a difference from tensor to tensor."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lib.experiment.candidate import Candidate, ordered
from lib.pages.consistency import rules
from lib.pages.consistency.exhibits import Disagreement, Disagreements
from lib.pages.consistency.rules import Apart, Trace, W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import COMMON

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes

COLUMNS = 4  # images a line
FLOOR = 1e-9  # the colour of zero on a logarithmic scale
DENSE = 12  # candidates, over which labels and numbers of a heat map have to be smaller
MARKERS = "osD^v<>"  # tell runners of the same precision apart
CHARACTERS = {"en": 100, "ja": 52}  # a line of a sentence in a figure


class View(NamedTuple):
    """One way to colour the matrix: `value` of a difference, how a cell shows it, whether its colour is logarithmic."""

    value: Callable[[Apart], float]
    format: str
    log: bool


VIEWS = {
    "max_abs": View(lambda apart: apart.max_abs, ".1e", True),
    "mean_abs": View(lambda apart: apart.mean_abs, ".1e", True),
    "cosine": View(lambda apart: max(0.0, 1 - apart.cosine), ".1e", True),
    "agreement": View(lambda apart: 100 * (1 - apart.agreement), ".2f", False),
}


def matrix(run: Run, view: str) -> Figure:
    """Heat map of one of VIEWS over every two candidates that ran here; dark is far apart."""
    shown, found, label = VIEWS[view], rules.pairs(run), W(f"views.{view}")
    if not found:
        return sentence(COMMON("table.not_recorded"))
    measured = ordered(candidate for pair in found for candidate in pair)
    values = np.full((len(measured), len(measured)), np.nan)
    for (one, other), apart in found.items():
        values[measured.index(one), measured.index(other)] = shown.value(apart)

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            dense = len(measured) > DENSE
            figure, axes = base.subplots(height_in=1.6 + (0.35 if dense else 0.5) * len(measured))
            _heat(axes, values, shown)
            names, size = [_short(candidate, language) for candidate in measured], 6 if dense else 8
            rotated = {"rotation": 90 if dense else 30, "ha": "right", "va": "center", "rotation_mode": "anchor"}
            axes.set_xticks(range(len(names)), names, fontsize=size, **rotated)
            axes.set_yticks(range(len(names)), names, fontsize=size)
            axes.set_title(label.in_(language), loc="left", fontsize=10)
        return figure

    return Figure(draw, W("alts.matrix", what=label), W("captions.matrix_log" if shown.log else "captions.matrix", what=label))


def worst(run: Run) -> Figure:
    """Images to which some runner gives another class than the reference, each with the true class, both classes and probabilities."""
    found = run.exhibit("disagreements", Disagreements)
    if found is None:
        return sentence(COMMON("table.not_recorded"))
    if not found.worst:
        return sentence(W("captions.none_differ", images=found.images))
    lines = -(-len(found.worst) // COLUMNS)

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, grid = base.subplots(lines, COLUMNS, height_in=2.6 * lines)
            for axes, one in zip(np.ravel(grid), found.worst, strict=False):
                _picture(axes, one, run.info.class_names, language)
            for axes in np.ravel(grid):
                axes.set_axis_off()
        return figure

    counts = {"shown": len(found.worst), "differing": found.differing, "images": found.images}
    return Figure(draw, W("alts.worst"), W("captions.worst", **counts))


def depth(run: Run) -> Figure:
    """Relative difference over depth: one line a candidate in the colour of its precision, its limit dashed."""
    traces = rules.traces(run)
    if not traces:
        return sentence(W("captions.nothing_to_compare") if run.records("cosine") else COMMON("table.not_recorded"))
    tensors = base.merged([str(layer.case["tensor"]) for layer in trace.layers] for trace in traces)
    furthest = max(trace.limit for trace in traces)

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(height_in=1.2 + 0.22 * (len(tensors) + len(traces)))
            for k, trace in enumerate(traces):
                marker = MARKERS[k % len(MARKERS)]
                _line(axes, trace, marker, tensors)
                _label(axes, trace, marker, -1 - k, "left" if 100 * trace.limit < furthest else "right", language)
                _ring(axes, trace, tensors, language)
            axes.set_xscale("log")
            axes.set_xlabel(W("axes.relative").in_(language))
            axes.set_yticks(range(len(tensors)), tensors, fontsize=7)
            axes.set_ylim(len(tensors) - 0.5, -0.5 - len(traces))
        return figure

    return Figure(draw, W("alts.depth"), W("captions.depth"))


def sentence(said: Text) -> Figure:
    """In place of a figure, why there is none."""

    def draw(language: Language) -> matplotlib.figure.Figure:
        lines = textwrap.wrap(said.in_(language), CHARACTERS[language])
        with base.style(language):
            figure, axes = base.subplots(height_in=0.2 + 0.2 * len(lines))
            axes.set_axis_off()
            axes.text(0, 0.5, "\n".join(lines), va="center", fontsize=10, transform=axes.transAxes)
        return figure

    return Figure(draw, said)


def _heat(axes: Axes, values: np.ndarray, shown: View) -> None:
    from matplotlib.colors import LogNorm, Normalize

    top = np.nanmax(values, initial=FLOOR * 10)
    norm = LogNorm(FLOOR, max(top, FLOOR * 10)) if shown.log else Normalize(0, max(top, 1e-6))
    axes.imshow(np.clip(values, FLOOR, None) if shown.log else values, cmap="cividis_r", norm=norm, aspect="auto")
    axes.grid(False)
    for (r, c), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if norm(max(value, FLOOR)) > 0.5 else "black"
            said, size = _number(value, shown, len(values) > DENSE)
            axes.text(c, r, said, ha="center", va="center", fontsize=size, color=colour)


def _number(value: float, shown: View, dense: bool) -> tuple[str, float]:
    """A cell's number and its font size; where there are many cells one digit and the exponent have to do ("2e-4")."""
    if not value:
        return "0", 8
    if dense and shown.log:
        digits, exponent = f"{value:.0e}".split("e")
        return f"{digits}e{int(exponent)}", 6
    return f"{value:{shown.format}}", 6 if dense else 8


def _short(candidate: Candidate, language: Language) -> str:
    return f"{candidate.runner_label.in_(language)}\n{candidate.precision_label.in_(language)}"


def _picture(axes: Axes, one: Disagreement, names: list[str], language: Language) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(one.png))) as image:
        axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest")
    classes = {"true": names[one.true], "expected": names[one.expected], "got": names[one.got]}
    values = {"image": one.image, "p_expected": one.p_expected, "p_got": one.p_got}
    said = W("words.picture", runner=Text(*(_short(Candidate.parse(one.candidate), each) for each in ("en", "ja"))), **classes, **values)
    axes.set_title(said.in_(language), fontsize=7, loc="left")


def _line(axes: Axes, trace: Trace, marker: str, tensors: list[str]) -> None:
    drawn = [layer for layer in trace.layers if layer.value]
    values, places = [layer.value for layer in drawn], [tensors.index(str(layer.case["tensor"])) for layer in drawn]
    axes.plot(values, places, color=trace.candidate.colour, marker=marker, markersize=4, linewidth=1.2)


def _label(axes: Axes, trace: Trace, marker: str, row: int, side: Literal["left", "right"], language: Language) -> None:
    """The candidate's name at its limit, above the first tensor; it begins there (left) or ends there (right)."""
    colour, text = trace.candidate.colour, W("words.limit", candidate=trace.candidate, multiple=rules.MULTIPLE).in_(language)
    axes.axvline(trace.limit, color=colour, linestyle="--", linewidth=1)
    axes.plot([trace.limit], [row], color=colour, marker=marker, markersize=4)
    away = 6 if side == "left" else -6
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # over the lines of other limits
    place = {"textcoords": "offset points", "ha": side, "va": "center"}
    axes.annotate(text, (trace.limit, row), (away, 0), color=colour, fontsize=8, bbox=box, **place)


def _ring(axes: Axes, trace: Trace, tensors: list[str], language: Language) -> None:
    if trace.begins is None:
        return
    colour, x, y = trace.candidate.colour, trace.begins.value or trace.limit, tensors.index(str(trace.begins.case["tensor"]))
    axes.plot(x, y, marker="o", markersize=10, markerfacecolor="none", markeredgecolor=colour, linestyle="none")
    axes.annotate(W("words.begins").in_(language), (x, y), (8, 0), textcoords="offset points", color=colour, fontsize=8, va="center")
