"""Plots of notebook 02: how large the exported files are and how far they are from the SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.pages.export.tables import Export
from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.store.records import Record

SIZE = Text("file (MB)", "ファイル（MB）")
DIFFERENCE = Text("largest difference from the SavedModel (log axis)", "SavedModelとの最大絶対差（対数軸）")
SIZES_CAPTION = Text("Size of each exported file.", "エクスポートした各ファイルの大きさ。")
DIFFERENCES_CAPTION = Text(
    "Largest absolute difference of a probability over all test images; the line is what the precision is expected to stay under.",
    "全テスト画像での確率の最大絶対差。縦線は、その数値精度で許容する上限を示す。",
)


def sizes(exports: Sequence[Export], language: Language) -> Figure:
    """Horizontal bars, MB a file, each with its number."""
    with base.style(language):
        figure, ax = base.subplots(height_in=0.6 + 0.36 * len(exports))
        values = [one.artifact.info["bytes"] / 1e6 for one in exports]
        ax.barh(range(len(exports)), values, color=_colours(exports))
        for row, value in enumerate(values):
            ax.text(value, row, f" {value:.2f}", va="center", fontsize=9)
        ax.set_xlim(0, 1.12 * max(values))
        ax.set_xlabel(SIZE.in_(language))
        _rows(ax, exports, language)
        return figure


def differences(exports: Sequence[Export], records: Sequence[Record], language: Language) -> Figure:
    """Largest differences on a logarithmic axis, each with the limit of its precision as a vertical line."""
    with base.style(language):
        figure, ax = base.subplots(height_in=0.6 + 0.36 * len(exports))
        values = {(r.runner, r.precision): r.value or 0.0 for r in records if r.metric == "max_abs_difference"}
        for row, one in enumerate(exports):
            value, limit = values[one.runner, one.precision], PRECISIONS[one.precision].max_abs_difference
            ax.plot(max(value, 1e-9), row, "o", color=PRECISIONS[one.precision].colour, markersize=8)
            ax.vlines(limit, row - 0.35, row + 0.35, color="black", linewidth=2)
            ax.annotate(f"{value:.1e}", (max(value, 1e-9), row), xytext=(0, 7), textcoords="offset points", fontsize=8, ha="center")
        ax.set_xscale("log")
        ax.set_ylim(-0.8, len(exports) - 0.4)
        ax.set_xlabel(DIFFERENCE.in_(language))
        _rows(ax, exports, language)
        return figure


def sizes_alt(exports: Sequence[Export]) -> Text:
    """The sizes in words."""
    numbers = [(one.label, one.artifact.info["bytes"] / 1e6) for one in exports]
    en = "; ".join(f"{label.en} {size:.2f} MB" for label, size in numbers)
    ja = "、".join(f"{label.ja} {size:.2f} MB" for label, size in numbers)
    return Text(f"Bars of file sizes: {en}.", f"ファイルの大きさの棒グラフ。{ja}。")


def differences_alt(exports: Sequence[Export], records: Sequence[Record]) -> Text:
    """The differences in words."""
    values = {(r.runner, r.precision): r.value for r in records if r.metric == "max_abs_difference"}
    numbers = [(one.label, values[one.runner, one.precision]) for one in exports]
    en = "; ".join(f"{label.en} {value:.1e}" for label, value in numbers)
    ja = "、".join(f"{label.ja} {value:.1e}" for label, value in numbers)
    return Text(f"Largest differences from the SavedModel: {en}.", f"SavedModelとの最大絶対差。{ja}。")


def _colours(exports: Sequence[Export]) -> list[str]:
    return [PRECISIONS[one.precision].colour for one in exports]


def _rows(ax: Axes, exports: Sequence[Export], language: Language) -> None:
    ax.set_yticks(range(len(exports)), [one.label.in_(language) for one in exports])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
