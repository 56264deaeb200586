"""Plots of notebook 01: sample images, learning curves, confusion matrix, example predictions."""

from __future__ import annotations

import numpy as np

from lib.pages.classes import bare, confusion
from lib.pages.train.exhibits import Examples, History, Samples
from lib.pages.train.rules import W
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.store import picture
from lib.store.run import Run
from lib.text import Language

TRAIN_COLOUR, VALIDATION_COLOUR, RATE_COLOUR, WRONG_COLOUR = base.COLOURS[0], base.COLOURS[3], base.COLOURS[2], base.COLOURS[3]
__all__ = ["confusion", "curves", "examples", "samples"]


def samples(run: Run) -> Figure:
    """Some training images of every class, one column a class."""
    found = run.exhibit("samples", Samples)
    if found is None or not found.classes:
        return base.sentence(NOT_RECORDED)
    rows = max((len(each) for each in found.pictures), default=1)

    def paint(axes: np.ndarray, language: Language) -> None:
        for column, (name, pictures) in zip(bare(axes, rows).T, zip(found.classes, found.pictures, strict=True), strict=False):
            column[0].set_title(name, fontsize=8)
            for ax, png in zip(column, pictures, strict=False):
                ax.imshow(picture.decode(png), interpolation="nearest")

    return base.plot(paint, W("alts.samples"), W("captions.samples"), rows, len(found.classes), height_in=0.8 * rows + 0.25)


def curves(run: Run) -> Figure:
    """Loss, accuracy (%) and learning rate over epochs."""
    history = run.exhibit("history", History)
    if history is None or not history.epochs:
        return base.sentence(W("alts.no_curves"))
    epochs = history.epochs

    def paint(axes: np.ndarray, language: Language) -> None:
        splits = {"": (TRAIN_COLOUR, "train"), "val_": (VALIDATION_COLOUR, "validation")}
        for ax, key, scale, top in ((axes[0], "loss", 1, 0.95), (axes[1], "accuracy", 100, 0.20)):
            for at, (prefix, (colour, label)) in enumerate(splits.items()):
                _epochs(ax, [scale * getattr(epoch, prefix + key) for epoch in epochs], colour, key, language)
                said = W(f"splits.{label}").in_(language)
                ax.text(0.97, top - 0.09 * at, said, color=colour, transform=ax.transAxes, ha="right", va="top")
        _epochs(axes[2], [epoch.learning_rate for epoch in epochs], RATE_COLOUR, "rate", language)

    ends = {"first": epochs[0], "last": epochs[-1]}
    said = {f"{key}_{end}": getattr(epoch, f"val_{key}") for end, epoch in ends.items() for key in ("accuracy", "loss")}
    return base.plot(paint, W("alts.curves", count=len(epochs), **said), W("captions.curves"), columns=3, height_in=2.6)


def examples(run: Run) -> Figure:
    """Test images that are right (first row) and wrong (second row), each with its most probable classes."""
    found = run.exhibit("examples", Examples)
    if found is None or not found.examples:
        return base.sentence(NOT_RECORDED)
    split = {key: [one for one in found.examples if one.right is right] for key, right in (("right", True), ("wrong", False))}

    def paint(axes: np.ndarray, language: Language) -> None:
        for row, (key, own), colour in zip(bare(axes, 2), split.items(), (TRAIN_COLOUR, WRONG_COLOUR), strict=True):
            for ax, example in zip(row, own, strict=False):
                ax.imshow(picture.decode(example.png), interpolation="nearest")
                ax.set_title(f"{W(f'labels.{key}').in_(language)}: {example.truth}", fontsize=8, color=colour)
                likely = "\n".join(f"{name}: {probability:.0%}" for name, probability in example.likely)
                ax.text(0.5, -0.06, likely, transform=ax.transAxes, fontsize=7, ha="center", va="top")

    alt = W("alts.examples", **{key: len(own) for key, own in split.items()})
    return base.plot(paint, alt, W("captions.examples"), 2, max(2, *map(len, split.values())), height_in=3.6)


def _epochs(ax: base.Axes, values: list[float], colour: str, key: str, language: Language) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.plot(np.arange(1, len(values) + 1), values, color=colour, marker="o", markersize=3)
    ax.set_title(W(f"axes.{key}").in_(language), fontsize=9)
    ax.set_xlabel(W("axes.epoch").in_(language))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
