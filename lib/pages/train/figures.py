"""Plots of notebook 01: sample images, learning curves, confusion matrix, example predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.data.dataset import Images
    from lib.pages.train.tables import Examples

TRAIN_COLOUR, VALIDATION_COLOUR, RATE_COLOUR, WRONG_COLOUR = base.COLOURS[0], base.COLOURS[3], base.COLOURS[2], base.COLOURS[3]
TRAIN, VALIDATION = Text("training", "訓練"), Text("validation", "検証")
EPOCH, LOSS, ACCURACY = Text("epoch", "エポック"), Text("loss", "損失"), Text("accuracy (%)", "正解率（%）")
RATE = Text("learning rate at the end of the epoch", "学習率（エポック終了時）")
TRUTH, PREDICTED = Text("true class", "正解クラス"), Text("predicted class", "予測クラス")
RIGHT, WRONG = Text("right", "正答"), Text("wrong", "誤答")

SAMPLES_CAPTION = Text("The first training images of each class.", "各クラスの訓練画像（先頭から）。")
CURVES_CAPTION = Text("Training values include augmentation.", "訓練側の値はデータ拡張を施した画像によるものである。")
CONFUSION_CAPTION = Text(
    "Number of test images; the shade is the share of the true class.", "テスト画像の枚数。濃さは正解クラスに占める割合を表す。"
)
EXAMPLES_CAPTION = Text(
    "Above an image its true class, below it the two largest probabilities.", "画像の上は正解クラス、下は確率の高い2クラスである。"
)


def samples(images: Images, language: Language, rows: int = 2) -> Figure:
    """The first `rows` training images of every class, one column a class."""
    with base.style(language):
        figure, axes = base.subplots(rows, len(images.class_names), height_in=0.8 * rows + 0.25)
        for column, name in enumerate(images.class_names):
            chosen = np.flatnonzero(images.y_train == column)[:rows]
            axes[0][column].set_title(name, fontsize=8)
            for row in range(rows):
                _picture(axes[row][column], images.x_train[chosen[row]] if row < len(chosen) else None)
        return figure


def curves(history: Sequence[dict[str, float]], language: Language) -> Figure:
    """Loss, accuracy (%) and learning rate over epochs (from lib.pages.train.tables.history)."""
    with base.style(language):
        figure, axes = base.subplots(1, 3, height_in=2.6)
        epochs = np.arange(1, len(history) + 1)
        for ax, key, title, scale, top in ((axes[0], "loss", LOSS, 1, True), (axes[1], "accuracy", ACCURACY, 100, False)):
            for series, colour, label, at in ((key, TRAIN_COLOUR, TRAIN, 0), (f"val_{key}", VALIDATION_COLOUR, VALIDATION, 1)):
                ax.plot(epochs, [scale * epoch[series] for epoch in history], color=colour, marker="o", markersize=3)
                height = 0.95 - 0.09 * at if top else 0.20 - 0.09 * at
                ax.text(0.97, height, label.in_(language), color=colour, transform=ax.transAxes, ha="right", va="top")
            _epochs(ax, title, language)
        axes[2].plot(epochs, [epoch["learning_rate"] for epoch in history], color=RATE_COLOUR, marker="o", markersize=3)
        _epochs(axes[2], RATE, language)
        return figure


def confusion(matrix: np.ndarray, class_names: Sequence[str], language: Language) -> Figure:
    """The counts of a confusion matrix (classes, classes): rows are true classes, shaded by share of the row."""
    from matplotlib.colors import PowerNorm

    with base.style(language):
        figure, ax = base.subplots(width_in=6.2, height_in=5.4)
        share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", norm=PowerNorm(0.4, 0, 1))  # a power below 1 makes rare mistakes visible
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                ax.text(
                    column, row, f"{count}", ha="center", va="center", fontsize=8, color="white" if share[row, column] > 0.3 else "black"
                )
        ax.set_xticks(range(len(class_names)), class_names, rotation=45 if max(map(len, class_names)) > 2 else 0, ha="center")
        ax.set_yticks(range(len(class_names)), class_names)
        ax.set(xlabel=PREDICTED.in_(language), ylabel=TRUTH.in_(language))
        ax.grid(False)
        return figure


def examples(images: Images, probabilities: np.ndarray, chosen: Examples, language: Language) -> Figure:
    """Test images that are right (first row) and wrong (second row), each with the two largest probabilities."""
    with base.style(language):
        columns = max(len(chosen.right), len(chosen.wrong), 2)
        figure, axes = base.subplots(2, columns, height_in=3.6)
        for row, (indices, label, colour) in enumerate(((chosen.right, RIGHT, TRAIN_COLOUR), (chosen.wrong, WRONG, WRONG_COLOUR))):
            for column, ax in enumerate(axes[row]):
                _picture(ax, images.x_test[indices[column]] if column < len(indices) else None)
                if column < len(indices):
                    truth = images.class_names[images.y_test[indices[column]]]
                    ax.set_title(f"{label.in_(language)}: {truth}", fontsize=8, color=colour)
                    ax.text(
                        0.5,
                        -0.06,
                        _two_largest(probabilities[indices[column]], images),
                        transform=ax.transAxes,
                        fontsize=7,
                        ha="center",
                        va="top",
                    )
        return figure


def curves_alt(history: Sequence[dict[str, float]]) -> Text:
    """The learning curves in words."""
    first, last = history[0], history[-1]
    numbers = (len(history), first["val_accuracy"], last["val_accuracy"], first["val_loss"], last["val_loss"])
    return Text(
        "Curves over {} epochs: validation accuracy from {:.1%} to {:.1%}, validation loss from {:.2f} to {:.2f}.".format(*numbers),
        "{} エポックの学習曲線。検証時の正解率は {:.1%} から {:.1%} へ、検証損失は {:.2f} から {:.2f} へ変化した。".format(*numbers),
    )


def confusion_alt(matrix: np.ndarray) -> Text:
    """The confusion matrix in words."""
    right, total = int(np.trace(matrix)), int(matrix.sum())
    return Text(
        f"Confusion matrix of {len(matrix)} classes: {right:,} of {total:,} images on the diagonal.",
        f"{len(matrix)} クラスの混同行列。{total:,} 枚のうち {right:,} 枚が対角線上にある。",
    )


def examples_alt(chosen: Examples) -> Text:
    """What the example predictions show, in words."""
    right, wrong = len(chosen.right), len(chosen.wrong)
    return Text(
        f"{right} test images that are classified right and {wrong} that are classified wrong, with probabilities.",
        f"正しく分類されたテスト画像 {right} 枚と、誤って分類された {wrong} 枚を、確率とともに示した図。",
    )


def _two_largest(probabilities: np.ndarray, images: Images) -> str:
    return "\n".join(f"{images.class_names[k]}: {probabilities[k]:.0%}" for k in np.argsort(-probabilities)[:2])


def _picture(ax: Axes, image: np.ndarray | None) -> None:
    """A uint8 (32, 32, 3) image without axes, or an empty place."""
    ax.set_axis_off()
    if image is not None:
        ax.imshow(image, interpolation="nearest")


def _epochs(ax: Axes, title: Text, language: Language) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_title(title.in_(language), fontsize=9)
    ax.set_xlabel(EPOCH.in_(language))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
