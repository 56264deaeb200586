"""Charts of the index page: accuracy and throughput, one row a runner and precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.show.figure import style, subplots
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, ROW_IN, AROUND_IN = 5.4, 0.34, 1.0  # narrow: the labels stay readable on a phone
Rows = list[dict[str, Any]]


def accuracy(rows: Rows, language: Language) -> tuple[Figure, str]:
    """Accuracy (%) with its 95 % interval, a dot a row of lib.report.headline; and the alt text."""
    with style(language):
        figure, axes = _rows(rows, language)
        for at, row in enumerate(rows):
            if row["accuracy_low"] is not None:
                axes.plot([row["accuracy_low"], row["accuracy_high"]], [at, at], color=row["colour"], linewidth=2, alpha=0.5)
            axes.plot(row["accuracy"], at, "o", color=row["colour"], markersize=7)
            axes.annotate(f"{row['accuracy']:.2f}", (row["accuracy"], at), (0, 5), textcoords="offset points", ha="center", fontsize=8.5)
        axes.set_xlabel(Text("Accuracy on the test set (%), 95 % interval", "テスト画像の正解率（%）と95%信頼区間").in_(language))
    return figure, _alt(rows, "accuracy", "{:.2f} %", Text("Accuracy by runner and precision", "実行系と数値精度ごとの正解率"), language)


def throughput(rows: Rows, language: Language) -> tuple[Figure, str]:
    """Throughput (images/s, end to end), a bar a row of lib.report.headline; and the alt text."""
    with style(language):
        figure, axes = _rows(rows, language)
        for at, row in enumerate(rows):
            axes.barh(at, row["throughput"], color=row["colour"], height=0.62)
            axes.annotate(
                f"{row['throughput']:,.0f}", (row["throughput"], at), (4, 0), textcoords="offset points", va="center", fontsize=8.5
            )
        axes.set_xlim(0, 1.16 * max(row["throughput"] for row in rows))
        axes.set_xlabel(Text("Throughput, end to end (images/s)", "スループット、エンドツーエンド（枚/秒）").in_(language))
    title = Text("Throughput by runner and precision", "実行系と数値精度ごとのスループット")
    return figure, _alt(rows, "throughput", "{:,.0f} images/s", title, language)


CHARTS: dict[str, Callable[[Rows, Language], tuple[Any, str]]] = {"accuracy": accuracy, "throughput": throughput}


def _rows(rows: Rows, language: Language) -> tuple[Figure, Axes]:
    """Axes with one labelled row each, the first on top."""
    figure, axes = subplots(width_in=WIDTH_IN, height_in=AROUND_IN + ROW_IN * len(rows))
    axes.set_yticks(range(len(rows)), [row["label"].in_(language) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    return figure, axes


def _alt(rows: Rows, key: str, form: str, title: Text, language: Language) -> str:
    values = "; ".join(f"{row['label'].in_(language)} {form.format(row[key])}" for row in rows)
    return f"{title.in_(language)}: {values}"
