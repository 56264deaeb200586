"""Notebook 08: one number of every precision on every system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.pages.cross_version.tables import Metric, System
from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Bar = tuple[str, Text, float, str]  # system, precision, value, colour


def bars(systems: list[System], metric: Metric, runner: str = "tensorrt") -> list[Bar]:
    """What is drawn: (system's TensorRT, precision, value in the metric's shown unit, colour), only what was measured."""
    return [
        (system.tensorrt or system.id, row.label, record.value * metric.factor, row.colour)
        for system in systems
        for row in PRECISIONS.values()
        if (record := system.find(metric, runner, row.key)) and record.value is not None
    ]


def compare(systems: list[System], metric: Metric, language: Language) -> Figure:
    """Horizontal bars grouped by system, in the colours of the precisions."""
    drawn = bars(systems, metric)
    with base.style(language):
        figure, axes = base.subplots(height_in=0.8 + 0.36 * max(len(drawn), 1))
        made = axes.barh(range(len(drawn)), [value for _, _, value, _ in drawn], color=[colour for *_, colour in drawn])
        axes.bar_label(made, [f"{value:,.{metric.digits}f}" for _, _, value, _ in drawn], padding=4)
        axes.set_yticks(range(len(drawn)), [f"{label.in_(language)} | {system}" for system, label, _, _ in drawn])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.margins(x=0.14)
        axes.set_xlabel(f"{metric.label.in_(language)} ({metric.unit})")
    return figure


def compare_alt(systems: list[System], metric: Metric) -> Text:
    """The same in words."""
    drawn = bars(systems, metric)
    en = ", ".join(f"{label.en} on {system} {value:,.{metric.digits}f}" for system, label, value, _ in drawn)
    ja = "、".join(f"{system}の{label.ja} {value:,.{metric.digits}f}" for system, label, value, _ in drawn)
    return Text(f"{metric.label.en} ({metric.unit}): {en or 'nothing measured'}", f"{metric.label.ja}（{metric.unit}）：{ja or '未測定'}")
