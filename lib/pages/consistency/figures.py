"""Plots of notebook 05: the matrix of differences and the images that runners disagree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lib.experiment.precision import PRECISIONS
from lib.show import figure as base
from lib.show import table as show
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.experiment.candidate import Pair
    from lib.measure.compare import Difference
    from lib.pages.consistency.tables import Disagreement, Study
    from lib.store.session import Session

COLUMNS = 4
FLOOR = 1e-9  # the colour of zero on a logarithmic scale


class View(NamedTuple):
    """One way to colour the matrix: `value` of a difference, how a cell shows it, whether its colour is logarithmic."""

    label: Text
    value: Callable[[Difference], float]
    format: str
    log: bool


DENSE = 12  # runners, over which labels and numbers of a heat map have to be smaller
VIEWS = {
    "max_abs": View(Text("largest absolute difference", "絶対差の最大値"), lambda d: d.max_abs, ".1e", True),
    "mean_abs": View(Text("mean absolute difference", "絶対差の平均値"), lambda d: d.mean_abs, ".1e", True),
    "cosine": View(Text("1 − cosine similarity (mean)", "1 − コサイン類似度（平均）"), lambda d: max(0.0, 1 - d.cosine_mean), ".1e", True),
    "agreement": View(Text("different top-1 class (%)", "top-1クラスの不一致（%）"), lambda d: 100 * (1 - d.agreement), ".2f", False),
}


def matrix(done: Study, view: str) -> Callable[[Language], Figure]:
    """Heat map of one of VIEWS over every two pairs that ran here; dark is far apart."""
    shown, measured = VIEWS[view], done.measured
    values = np.full((len(measured), len(measured)), np.nan)
    for r, one in enumerate(measured):
        for c, other in enumerate(measured):
            if r != c:
                values[r, c] = shown.value(done.matrix[one.key, other.key])

    def draw(language: Language) -> Figure:
        with base.style(language):
            dense = len(measured) > DENSE
            figure, axes = base.subplots(height_in=1.6 + (0.35 if dense else 0.5) * len(measured))
            _heat(axes, values, shown)
            names, size = [_short(pair, language) for pair in measured], 6 if dense else 8
            axes.set_xticks(
                range(len(names)), names, fontsize=size, rotation=90 if dense else 30, ha="right", rotation_mode="anchor", va="center"
            )
            axes.set_yticks(range(len(names)), names, fontsize=size)
            axes.set_title(shown.label.in_(language), loc="left", fontsize=10)
        return figure

    return draw


def words(view: str) -> tuple[Text, Text]:
    """Alt text and caption of a heat map."""
    label = VIEWS[view].label
    alt = Text(f"Heat map of the {label.en} between every two runners", f"実行系の総当たりのヒートマップ：{label.ja}")
    scale = Text("logarithmic colours", "色は対数目盛") if VIEWS[view].log else Text("linear colours", "色は線形目盛")
    return alt, Text(f"Every runner against every other: {label.en}; {scale.en}.", f"総当たりの比較：{label.ja}（{scale.ja}）。")


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


def _short(pair: Pair, language: Language) -> str:
    return f"{pair.label.in_(language)}\n{PRECISIONS[pair.precision].label.in_(language)}"


def show_worst(session: Session, done: Study, found: list[Disagreement]) -> None:
    """Display the images of `found`, or the sentence that no runner disagrees with the reference on any image."""
    images = len(session.images.x_test)
    if not found:
        en = f"There are none: on all {images:,} test images every runner that ran here chooses the class that the SavedModel chooses."
        ja = f"該当する画像はない。テスト画像{images:,}枚のすべてで、実行できたどの実行系もSavedModelと同じクラスを選んだ。"
        show.html(lambda language: f"<p>{Text(en, ja).in_(language)}</p>")
        return
    total = len(set().union(*(difference.disagree.tolist() for _, difference in done.compared)))
    alt = Text("Test images that a runner classifies differently from the SavedModel", "SavedModelと異なるクラスになったテスト画像")
    caption = Text(
        f"The {len(found)} worst of {total:,} images (of {images:,}) that some runner classifies differently from the SavedModel.",
        f"いずれかの実行系でSavedModelと異なるクラスになった画像は{images:,}枚中{total:,}枚。そのうち差が大きい{len(found)}枚。",
    )
    show.figure(worst(session, found), alt, caption)


def worst(session: Session, found: list[Disagreement]) -> Callable[[Language], Figure]:
    """The images of `found` (at least one), each with true class, reference's and runner's class and probability."""
    names = session.images.class_names
    words = {"en": ("true", "SavedModel"), "ja": ("正解", "SavedModel")}

    def draw(language: Language) -> Figure:
        true, reference = words[language]
        lines = -(-len(found) // COLUMNS)
        with base.style(language):
            figure, grid = base.subplots(lines, COLUMNS, height_in=2.6 * lines)
            for axes, one in zip(np.ravel(grid), found, strict=False):
                axes.imshow(session.images.x_test[one.image], interpolation="nearest")
                axes.set_title(
                    f"#{one.image} {true}: {names[one.true]}\n{reference}: {names[one.expected]} {one.p_expected:.0%}\n"
                    f"{_short(one.pair, language)}:\n{names[one.got]} {one.p_got:.0%}",
                    fontsize=7,
                    loc="left",
                )
            for axes in np.ravel(grid):
                axes.set_axis_off()
        return figure

    return draw
