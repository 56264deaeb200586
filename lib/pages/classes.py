"""What several pages draw of classes: the confusion matrix, pictures side by side, names that fit."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.store.records import Exhibit
from lib.store.run import Run
from lib.text import Language
from lib.words import Words

W = Words(__file__)
LONG_NAME = 2  # letters over which names of classes are turned
LONGEST = 18  # columns of text that a name has beside a matrix
DENSE = 10  # classes over which the numbers of a matrix have to be smaller


class Confusion(Exhibit):
    """How often class `row` was taken for class `column`: counts (classes, classes)."""

    classes: list[str]
    counts: list[list[int]]


def counted(predicted: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Confusion:
    """The confusion matrix of two int arrays (N,) of classes."""
    classes = len(names)
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    return Confusion(classes=list(names), counts=counts.tolist())


def confusion(run: Run) -> Figure:
    """The counts of the exhibit `confusion`: rows are true classes, shaded by share of the row."""
    found = run.exhibit("confusion", Confusion)
    if found is None:
        return base.sentence(NOT_RECORDED)
    counts, names = np.array(found.counts), [short(name) for name in found.classes]

    def paint(axes: base.Axes, language: Language) -> None:
        from matplotlib.colors import PowerNorm

        said = {place: f"{count}" for place, count in np.ndenumerate(counts) if count}
        # A power below 1 makes rare mistakes visible.
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        base.heat(axes, shares, said, PowerNorm(0.4, 0, 1), "Blues", 6 if len(names) > DENSE else 8)
        axes.set_aspect("equal")
        axes.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > LONG_NAME else 0, ha="center")
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel=W("axes.predicted").in_(language), ylabel=W("axes.truth").in_(language))

    alt = W("alts.confusion", classes=len(names), right=int(np.trace(counts)), total=int(counts.sum()))
    return base.plot(paint, alt, W("captions.confusion"), width_in=6.2, height_in=5.4)


def bare(axes: Any, rows: int) -> np.ndarray:
    """Axes of pictures, (rows, columns), without ticks and frames."""
    for ax in np.ravel(axes):
        ax.set_axis_off()
    return np.reshape(axes, (rows, -1))


def short(name: str, longest: int = LONGEST) -> str:
    """A class's name in at most so many columns of text, of which a Japanese letter takes two; what is cut off is marked."""
    if width(name) <= longest:
        return name
    kept = name
    while kept and width(kept) > longest - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def width(text: str) -> int:
    """Columns that a text takes: two for each full-width letter, none for what combines with the letter before it."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
