"""Notebook 03: the time of every layer, one panel an engine, coloured by the type that the layer runs in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lib.experiment.precision import PRECISIONS
from lib.pages.engines import layers as engine_layers
from lib.show import figure as base
from lib.store.records import Record
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, NAMES_IN, LABEL_IN = 9.2, 1.9, 0.45  # of the page; of the layers' names; of a number and a type beside a bar
ROW_IN, HEAD_IN = 0.175, 1.1  # of one layer; of titles and axis
GREY = "#999999"
COLOURS = {kind: PRECISIONS[kind].colour for kind in ("fp32", "tf32", "fp16", "int8")}
TIME = Text("median time of the layer (µs)", "層の時間の中央値（\u03bcs）")  # the Japanese font has the Greek letter only
SUM = Text("sum", "合計")
CAPTION = Text(
    "Time of each layer, one panel an engine. Colour and word: the type that the layer runs in, the word where it changes; grey: "
    "reformatting, or a type that is not told. No bar: this engine has no such layer, or it is fused into another.",
    "層ごとの時間。パネルはエンジンを表す。色と文字は層が実行される型であり、文字は型が変わる箇所に示す。灰色は形式変換（reformat）、または型が不明な層である。"
    "棒がないのは、その層がないか、他の層に融合されたエンジンである。",
)


def times(records: Iterable[Record], language: Language) -> Figure:
    """Horizontal bars of the median time (µs), one row a layer, one panel an engine; layers of one name share a row."""
    engines = {precision: _by_row(layers) for precision, layers in engine_layers.timed(records).items()}
    order = base.merged(engines.values())
    names = {row: engine_layers.short(layers[row].case["layer"]) for layers in reversed(engines.values()) for row in layers}
    with base.style(language):
        figure, drawn = base.subplots(1, max(len(engines), 1), WIDTH_IN, HEAD_IN + ROW_IN * max(len(order), 1))
        panels = list(drawn.flat) if len(engines) > 1 else [drawn]
        for panel, (precision, layers) in zip(panels, engines.items(), strict=False):
            _bars(panel, [layers.get(row) for row in order], language)
            title = f"{_title(precision, language)}\n{SUM.in_(language)} {1e3 * engine_layers.total_ms(layers.values()):,.0f}"
            panel.set_title(title, fontsize=8)
        _axes(panels, engines, [names[row] for row in order])
        figure.supxlabel(TIME.in_(language), fontsize=8)
    return figure


def alt(records: Iterable[Record]) -> Text:
    """The same in words: layers, sum and longest layer of each engine."""
    en, ja = [], []
    for precision, layers in engine_layers.timed(records).items():
        label, total = PRECISIONS[precision].label, f"{1e3 * engine_layers.total_ms(layers):,.0f} µs"
        longest = max(layers, key=lambda r: r.value or 0.0)
        name, share = engine_layers.short(longest.case["layer"]), f"{longest.stats['share']:.0%}"
        en.append(f"{label.en} {len(layers)} layers, {total}, longest {name} with {share}")
        ja.append(f"{label.ja}は{len(layers)}層で{total}、最長は{name}で{share}")
    start = Text("Bars of the time of each layer by engine", "エンジンごとの各層の時間の棒グラフ")
    return Text(f"{start.en}: {'; '.join(en) or 'none was timed'}.", f"{start.ja}：{'。'.join(ja) or '測定した層はない'}。")


def _by_row(layers: list[Record]) -> dict[str, Record]:
    """An engine's layers by the row they stand in: their operation, numbered where it occurs again."""
    seen: Counter[str] = Counter()
    rows = {}
    for layer in layers:
        operation = engine_layers.operation(layer.case["layer"])
        seen[operation] += 1
        rows[f"{operation} {seen[operation]}"] = layer
    return rows


def _bars(panel: Axes, layers: list[Record | None], language: Language) -> None:
    """Bars from the top; each with its number, and with its type where that is another than above."""
    above = None
    for y, layer in enumerate(layers):
        if y % 2:
            panel.axhspan(y - 0.5, y + 0.5, color=GREY, alpha=0.1, linewidth=0)
        if layer is None:
            continue
        told, time = layer.case["type"], 1e3 * (layer.value or 0.0)
        colour = GREY if engine_layers.reformats(layer) else COLOURS.get(told, GREY)
        panel.barh(y, time, height=0.72, color=colour)
        word = "" if told == above or engine_layers.reformats(layer) else engine_layers.type_label(told).in_(language)
        above = above if engine_layers.reformats(layer) else told
        number = f"{time:.1f}" if time < 9.95 else f"{time:,.0f}"
        panel.annotate(f"{number} {word}", (time, y), (2, 0), textcoords="offset points", va="center", fontsize=6.5)


def _axes(panels: list[Axes], engines: dict[str, dict[str, Record]], names: list[str]) -> None:
    """One scale for all panels, with room for the labels; names of the layers on the left."""
    from matplotlib.ticker import MaxNLocator

    longest = max((1e3 * (r.value or 0.0) for layers in engines.values() for r in layers.values()), default=1.0) or 1.0
    width_in = (WIDTH_IN - NAMES_IN) / len(panels)
    for panel in panels:
        panel.set_xlim(0, longest / (1 - LABEL_IN / width_in))
        panel.set_ylim(max(len(names), 1) - 0.5, -0.5)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names), fontsize=7)
        panel.tick_params(axis="y", length=0)
        panel.tick_params(axis="x", labelsize=7)
        panel.xaxis.set_major_locator(MaxNLocator(max(2, int(1.5 * width_in))))
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.grid(False, axis="y")
        panel.set_axisbelow(True)


def _title(precision: str, language: Language) -> str:
    """The precision in a narrow panel: what stands in brackets on a line of its own."""
    label = PRECISIONS[precision].label.in_(language)
    return label.replace(" (", "\n(").replace("\uff08", "\n\uff08")
