"""Figures of notebook 01 are drawn in both languages, with every character in the font."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from lib.data import dataset as datasets
from lib.pages.train import figures as training
from lib.pages.train import tables as evaluation
from lib.show import figure as base
from lib.text import LANGUAGES

RNG = np.random.default_rng(0)
HISTORY = [
    {"loss": 2 / k, "accuracy": 1 - 0.5 / k, "val_loss": 2.2 / k, "val_accuracy": 1 - 0.6 / k, "learning_rate": 0.1 / k, "seconds": 1.0}
    for k in range(1, 6)
]
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def images():
    return datasets.load_digits()


@pytest.fixture(scope="module")
def figures(images):
    """{name: draw} of every figure of notebook 01."""
    labels = images.y_test
    probabilities = RNG.dirichlet(np.ones(10) * 0.1, len(labels)).astype(np.float32)
    chosen = evaluation.examples(probabilities, labels, 6)
    matrix = evaluation.confusion(probabilities.argmax(1), labels, 10)
    return {
        "samples": lambda language: training.samples(images, language),
        "curves": lambda language: training.curves(HISTORY, language),
        "confusion": lambda language: training.confusion(matrix, images.class_names, language),
        "examples": lambda language: training.examples(images, probabilities, chosen, language),
    }


def words(figure):
    import matplotlib.text

    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["samples", "curves", "confusion", "examples"])
def test_drawn_without_a_missing_glyph(figures, name, language):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures[name](language)
        figure.savefig("/dev/null", format="png")
    if name != "samples":  # which has class names only
        assert bool(JAPANESE.search(words(figure))) == (language == "ja")


def test_both_languages_draw_the_same_numbers(figures):
    def numbers(language):
        return [line.get_xydata().tolist() for ax in figures["curves"](language).axes for line in ax.lines]

    assert numbers("en") == numbers("ja")
    assert len(numbers("en")) == 5  # training and validation twice, and the learning rate


def test_curves_show_the_history(figures):
    losses, accuracies, rates = figures["curves"]("en").axes
    assert losses.lines[0].get_ydata().tolist() == [epoch["loss"] for epoch in HISTORY]
    assert accuracies.lines[1].get_ydata() == pytest.approx([100 * epoch["val_accuracy"] for epoch in HISTORY])
    assert rates.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5]


def test_confusion_matrix_counts_every_image(figures):
    ax = figures["confusion"]("en").axes[0]
    assert sum(int(text.get_text()) for text in ax.texts) == 500


def test_examples_without_a_mistake_are_drawn(images):
    certain = np.eye(10, dtype=np.float32)[images.y_test]
    chosen = evaluation.examples(certain, images.y_test, 6)
    assert len(chosen.wrong) == 0
    figure = training.examples(images, certain, chosen, "ja")
    assert "誤答" not in words(figure)
    assert "正答" in words(figure)


def test_alt_texts_say_the_numbers():
    alt = training.curves_alt(HISTORY)
    assert "from 40.0% to 88.0%" in alt.en
    assert "40.0% から 88.0%" in alt.ja
    matrix = np.array([[50, 3], [0, 40]])
    assert "90 of 93" in training.confusion_alt(matrix).en
    assert "93 枚のうち 90 枚" in training.confusion_alt(matrix).ja


def test_style_does_not_leak():
    import matplotlib

    before = matplotlib.rcParams["font.family"], matplotlib.rcParams["axes.grid"]
    with base.style("ja"):
        assert matplotlib.rcParams["font.family"] == ["IPAexGothic"]
    with base.style("en"):
        assert matplotlib.rcParams["font.family"] != ["IPAexGothic"]
    assert (matplotlib.rcParams["font.family"], matplotlib.rcParams["axes.grid"]) == before


def test_colours_are_told_apart():
    assert len(set(base.COLOURS)) == len(base.COLOURS)
