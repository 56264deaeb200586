"""Plots of notebook 04 for TensorRT's calibration. Where nothing was measured they show nothing: the tables say why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.pages.int8 import figures as int8
from lib.pages.int8 import results
from lib.pages.int8.measure import FULL
from lib.pages.int8.tables import METHOD_NAMES
from lib.show import figure as base
from lib.show import table as show
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.store.records import Record

DIFFERENCE = Text("accuracy, points from FP32", "正解率、FP32との差（ポイント）")
RATIO = Text("throughput, times FP32", "スループット、FP32比（倍）")
CAPTION = Text(
    "Difference in accuracy from the FP32 engine and throughput relative to it, with 95 % intervals; dotted: FP32.",
    "FP32エンジンとの正解率の差と、FP32エンジンに対するスループットの比。95%信頼区間を添える。点線はFP32である。",
)


def show_curves(records: Sequence[Record], metric: str) -> None:
    """Display `curves`; nothing where no calibration was measured."""
    if swept := measured(records):
        alt, caption = int8.alt(swept, metric), int8.CAPTIONS[metric]
        alt, caption = (Text(f"TensorRT: {text.en}", f"TensorRT：{text.ja}") for text in (alt, caption))
        show.figure(lambda language: int8.curves(swept, metric, language), alt, caption)


def show_comparison(records: Sequence[Record]) -> None:
    """Display `comparison`; nothing where no engine could be compared."""
    if _rows(records):
        show.figure(comparison(records), comparison_alt(records), CAPTION)


def measured(records: Sequence[Record]) -> list[Record]:
    """What lib.pages.int8.figures draws: accuracy and disagreement of the calibrations, and FP32's accuracy. [] without the former."""
    found = [r for r in records if r.precision in ("fp32", "int8") and r.metric in int8.LABELS and r.value is not None]
    return found if any(r.precision == "int8" for r in found) else []


def comparison(records: Sequence[Record]) -> Callable[[Language], Figure]:
    """Side by side, one row an engine: difference in accuracy from FP32 in points and ratio of throughputs, with intervals."""

    def draw(language: Language) -> Figure:
        rows = _rows(records)
        with base.style(language):
            figure, (left, right) = base.subplots(1, 2, height_in=1.2 + 0.42 * len(rows))
            for y, row in enumerate(rows):
                _point(left, y, row, _difference(records, row), "+.2f")
                _point(right, y, row, _ratio(records, row), ".2f")
            _axis(left, rows, DIFFERENCE, 0.0, language)
            _axis(right, rows, RATIO, 1.0, language)
            right.set_yticklabels([])
        return figure

    return draw


def comparison_alt(records: Sequence[Record]) -> Text:
    """The figure in words."""
    en, ja = [], []
    for row in _rows(records):
        name, apart, ratio = _label(row), _difference(records, row), _ratio(records, row)
        times = f", {ratio[0]:.2f}×" if ratio else ""
        en.append(f"{name.en} {apart[0]:+.2f} points{times}" if apart else name.en)
        ja.append(f"{name.ja} {apart[0]:+.2f}ポイント{times}" if apart else name.ja)
    return Text(
        f"Difference in accuracy from FP32 and throughput relative to it: {'; '.join(en)}.",
        f"FP32との正解率の差と、FP32に対するスループットの比。{'；'.join(ja)}。",
    )


def _rows(records: Sequence[Record]) -> list[Record]:
    """The engines of the comparison that have an accuracy to compare, FP32 left out: it is the dotted line."""
    return [row for row in results.compared(records) if row.precision != "fp32" and _difference(records, row)]


def _difference(records: Sequence[Record], row: Record) -> tuple[float, float, float] | None:
    """Difference in accuracy from FP32 in points, and its interval."""
    test = results.find(records, "mcnemar_p", row, FULL)
    if test is None or test.value is None:
        return None
    value, low, high = (100 * test.stats[key] for key in ("difference", "difference_low", "difference_high"))
    return value, low, high


def _ratio(records: Sequence[Record], row: Record) -> tuple[float, float, float] | None:
    """Throughput over that of FP32, and its interval, which is the value alone where the samples gave none."""
    ratio = results.find(records, "throughput_ratio", row, FULL)
    if ratio is None or ratio.value is None:
        return None
    return ratio.value, ratio.stats.get("ci_low", ratio.value), ratio.stats.get("ci_high", ratio.value)


def _point(ax: Axes, y: int, row: Record, found: tuple[float, float, float] | None, number: str) -> None:
    if found is None:
        return
    value, low, high = found
    colour, marker = PRECISIONS[row.precision].colour, int8.MARKERS.get(row.case.get("method", ""), "D")
    ax.errorbar(value, y, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], fmt=marker, color=colour, capsize=3)
    text = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    ax.annotate(format(value, number), (max(value, high), y), **text)


def _axis(ax: Axes, rows: list[Record], label: Text, reference: float, language: Language) -> None:
    ax.axvline(reference, color="grey", linewidth=1, linestyle=":")
    ax.set_yticks(range(len(rows)), [_label(row).in_(language) for row in rows], fontsize=8)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.22)
    ax.set_xlabel(label.in_(language))


def _label(row: Record) -> Text:
    """Precision and, of the calibrated ones, the calibrator."""
    label = PRECISIONS[row.precision].label
    method = METHOD_NAMES[row.case["method"]] if row.precision == "int8" and "method" in row.case else None
    return Text(f"{label.en}, {method.en}", f"{label.ja}、{method.ja}") if method else label
