"""Plots of notebook 04: accuracy and disagreement over the number of calibration images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.pages.int8.tables import METHOD_NAMES
from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.store.records import Record

COLOURS = dict(zip(METHOD_NAMES, base.COLOURS[1:4], strict=True))
MARKERS = dict(zip(METHOD_NAMES, "os^", strict=True))
SHIFT = 1.06  # methods stand side by side at each count, so that their intervals do not hide each other
IMAGES = Text("calibration images (log axis)", "キャリブレーション画像数（対数軸）")
LABELS = {
    "accuracy": Text("accuracy (%)", "正解率（%）"),
    "disagreement": Text("other top-1 class than FP32 (%)", "FP32とtop-1クラスが異なる割合（%）"),
}
CAPTIONS = {
    "accuracy": Text(
        "Accuracy on all test images with 95% intervals; the band is FP32 and its interval.",
        "全テスト画像での正解率と95%信頼区間。帯はFP32の正解率とその区間を示す。",
    ),
    "disagreement": Text(
        "Share of test images whose most probable class is not that of FP32, with 95% intervals.",
        "最も確率の高いクラスがFP32と異なるテスト画像の割合と、その95%信頼区間。",
    ),
}


def curves(records: Sequence[Record], metric: str, language: Language) -> Figure:
    """`metric` ("accuracy" or "disagreement") in % over the number of images, one line a method, with intervals."""
    with base.style(language):
        figure, ax = base.subplots()
        methods = _methods(records)
        for place, method in enumerate(methods):
            _line(ax, _of(records, metric, method), method, SHIFT ** (place - (len(methods) - 1) / 2), language)
        for own in (r for r in records if r.metric == metric and r.precision == "fp32" and r.value is not None):
            colour = PRECISIONS["fp32"].colour
            ax.axhspan(100 * own.stats["ci_low"], 100 * own.stats["ci_high"], color=colour, alpha=0.08)
            ax.axhline(100 * own.value, color=colour, linestyle="--", label=PRECISIONS["fp32"].label.in_(language))
        counts = sorted({r.case["images"] for r in records if r.case})
        ax.set_xscale("log", base=2)
        ax.set_xticks(counts, [f"{count:,}" for count in counts])
        ax.set_xlabel(IMAGES.in_(language))
        ax.set_ylabel(LABELS[metric].in_(language))
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)  # lines may coincide: labels on them would too
        return figure


def alt(records: Sequence[Record], metric: str) -> Text:
    """The ends of each line in words."""
    en, ja = [], []
    for method in _methods(records):
        own, name = _of(records, metric, method), METHOD_NAMES[method]
        first, last = own[0], own[-1]
        values = f"{100 * first.value:.2f}% ({first.case['images']:,}) → {100 * last.value:.2f}% ({last.case['images']:,})"
        en.append(f"{name.en} {values}")
        ja.append(f"{name.ja} {values}")
    return Text(
        f"{LABELS[metric].en} over calibration images: {'; '.join(en)}.",
        f"{LABELS[metric].ja}とキャリブレーション画像数の関係。{'、'.join(ja)}。",
    )


def _line(ax: Axes, own: list[Record], method: str, shift: float, language: Language) -> None:
    counts, values = [shift * r.case["images"] for r in own], [100 * r.value for r in own]
    below = [value - 100 * r.stats["ci_low"] for value, r in zip(values, own, strict=True)]
    above = [100 * r.stats["ci_high"] - value for value, r in zip(values, own, strict=True)]
    bars = [[max(0.0, v) for v in below], [max(0.0, v) for v in above]]
    label, colour, marker = METHOD_NAMES[method].in_(language), COLOURS[method], MARKERS[method]
    ax.errorbar(counts, values, yerr=bars, color=colour, marker=marker, markersize=5, capsize=2, elinewidth=1, label=label)


def _methods(records: Sequence[Record]) -> list[str]:
    return [method for method in METHOD_NAMES if any(r.case.get("method") == method for r in records)]


def _of(records: Sequence[Record], metric: str, method: str) -> list[Record]:
    own = [r for r in records if r.metric == metric and r.case.get("method") == method]
    return sorted(own, key=lambda r: r.case["images"])
