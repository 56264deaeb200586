"""Notebook 03: plan sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lib.pages.engines.tables import Engine

SIZE = Text("Plan size (MB)", "プランのサイズ（MB）")


def sizes(engines: list[Engine], language: Language) -> Figure:
    """Horizontal bars, one an engine, in the colour of its precision: plan size in MB (10^6 bytes)."""
    built = [e for e in engines if e.size_bytes]
    with base.style(language):
        figure, axes = base.subplots(height_in=0.7 + 0.45 * max(len(built), 1))
        values = [(e.size_bytes or 0) / 1e6 for e in built]
        bars = axes.barh([e.label.in_(language) for e in built], values, color=[PRECISIONS[e.precision].colour for e in built])
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=4)
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
        axes.set_xlabel(SIZE.in_(language))
    return figure


def sizes_alt(engines: list[Engine]) -> Text:
    """The same in words."""
    built = [(e.label, (e.size_bytes or 0) / 1e6) for e in engines if e.size_bytes]
    en = ", ".join(f"{label.en} {size:.2f} MB" for label, size in built)
    ja = "、".join(f"{label.ja} {size:.2f} MB" for label, size in built)
    return Text(f"Bars of plan sizes: {en or 'no engine was built'}", f"プランのサイズの棒グラフ：{ja or 'エンジンは構築されていない'}")
