"""Plots of notebook 01: sample images, learning curves, confusion matrix, example predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lib.pages.train.exhibits import Confusion, Examples, History, Samples
from lib.pages.train.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store import picture
from lib.store.run import Run
from lib.text import Language

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes

TRAIN_COLOUR, VALIDATION_COLOUR, RATE_COLOUR, WRONG_COLOUR = base.COLOURS[0], base.COLOURS[3], base.COLOURS[2], base.COLOURS[3]
DARK = 0.3  # share of a row over which numbers in its cell are white
LONG_NAME = 2  # letters over which names of classes are turned


def samples(run: Run) -> Figure:
    """Some training images of every class, one column a class."""
    found = run.exhibit("samples", Samples) or Samples(classes=[], pictures=[])

    def draw(language: Language) -> matplotlib.figure.Figure:
        rows = max((len(each) for each in found.pictures), default=1)
        with base.style(language):
            figure, drawn = base.subplots(rows, max(1, len(found.classes)), height_in=0.8 * rows + 0.25)
            axes = np.reshape(drawn, (rows, -1))
            for ax in axes.flat:
                ax.set_axis_off()
            for column, (name, pictures) in enumerate(zip(found.classes, found.pictures, strict=True)):
                axes[0][column].set_title(name, fontsize=8)
                for row, png in enumerate(pictures):
                    axes[row][column].imshow(picture.decode(png), interpolation="nearest")
        return figure

    return Figure(draw, W("alts.samples"), W("captions.samples"))


def curves(run: Run) -> Figure:
    """Loss, accuracy (%) and learning rate over epochs."""
    history = run.exhibit("history", History)
    epochs = history.epochs if history else []

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(1, 3, height_in=2.6)
            places = np.arange(1, len(epochs) + 1)
            for ax, key, scale, top in ((axes[0], "loss", 1, True), (axes[1], "accuracy", 100, False)):
                for series, colour, label, at in ((key, TRAIN_COLOUR, "train", 0), (f"val_{key}", VALIDATION_COLOUR, "validation", 1)):
                    ax.plot(places, [scale * getattr(epoch, series) for epoch in epochs], color=colour, marker="o", markersize=3)
                    height = 0.95 - 0.09 * at if top else 0.20 - 0.09 * at
                    ax.text(0.97, height, W(f"splits.{label}").in_(language), color=colour, transform=ax.transAxes, ha="right", va="top")
                _epochs(ax, key, language)
            axes[2].plot(places, [epoch.learning_rate for epoch in epochs], color=RATE_COLOUR, marker="o", markersize=3)
            _epochs(axes[2], "rate", language)
        return figure

    if not epochs:
        return Figure(draw, W("alts.no_curves"), W("captions.curves"))
    first, last = epochs[0], epochs[-1]
    values = {"accuracy": (first.val_accuracy, last.val_accuracy), "loss": (first.val_loss, last.val_loss)}
    said = {f"{key}_{end}": value for key, ends in values.items() for end, value in zip(("first", "last"), ends, strict=True)}
    return Figure(draw, W("alts.curves", count=len(epochs), **said), W("captions.curves"))


def confusion(run: Run) -> Figure:
    """The counts of the confusion matrix: rows are true classes, shaded by share of the row."""
    found = run.exhibit("confusion", Confusion) or Confusion(classes=["–"], counts=[[0]])
    matrix, names = np.array(found.counts), found.classes

    def draw(language: Language) -> matplotlib.figure.Figure:
        from matplotlib.colors import PowerNorm

        with base.style(language):
            figure, ax = base.subplots(width_in=6.2, height_in=5.4)
            share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
            ax.imshow(share, cmap="Blues", norm=PowerNorm(0.4, 0, 1))  # a power below 1 makes rare mistakes visible
            for (row, column), count in np.ndenumerate(matrix):
                if count:
                    colour = "white" if share[row, column] > DARK else "black"
                    ax.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=colour)
            ax.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > LONG_NAME else 0, ha="center")
            ax.set_yticks(range(len(names)), names)
            ax.set(xlabel=W("axes.predicted").in_(language), ylabel=W("axes.truth").in_(language))
            ax.grid(False)
        return figure

    return Figure(
        draw, W("alts.confusion", classes=len(names), right=int(np.trace(matrix)), total=int(matrix.sum())), W("captions.confusion")
    )


def examples(run: Run) -> Figure:
    """Test images that are right (first row) and wrong (second row), each with its most probable classes."""
    found = run.exhibit("examples", Examples) or Examples(examples=[])
    split = [[example for example in found.examples if example.right is right] for right in (True, False)]

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(2, max(2, *map(len, split)), height_in=3.6)
            for ax in axes.flat:
                ax.set_axis_off()
            for row, key, colour in ((0, "right", TRAIN_COLOUR), (1, "wrong", WRONG_COLOUR)):
                for ax, example in zip(axes[row], split[row], strict=False):
                    ax.imshow(picture.decode(example.png), interpolation="nearest")
                    ax.set_title(f"{W(f'labels.{key}').in_(language)}: {example.truth}", fontsize=8, color=colour)
                    likely = "\n".join(f"{name}: {probability:.0%}" for name, probability in example.likely)
                    ax.text(0.5, -0.06, likely, transform=ax.transAxes, fontsize=7, ha="center", va="top")
        return figure

    return Figure(draw, W("alts.examples", right=len(split[0]), wrong=len(split[1])), W("captions.examples"))


def _epochs(ax: Axes, key: str, language: Language) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_title(W(f"axes.{key}").in_(language), fontsize=9)
    ax.set_xlabel(W("axes.epoch").in_(language))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
