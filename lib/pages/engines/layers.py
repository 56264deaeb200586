"""Notebook 03: what each layer of the finished engines takes, in which type it runs, and by which tactic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import progress, trt
from lib.errors import ReportError
from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.show import table as show
from lib.show.table import Column
from lib.store.records import Record
from lib.text import Finding, Language, Text
from lib.trt import inspect

if TYPE_CHECKING:
    from lib.pages.engines.tables import Engine
    from lib.store.session import Session

METRIC, REPEATS = "layer_time", 200
HEAVY = 0.8  # of an engine's time: what counts as heavy where the inspector names no convolution or matrix product
NAME_LENGTH = 26  # characters of a shortened name
NAMED = 3  # layers that one finding names
NAMED_AFTER = {p: {asked} for p, (asked, _) in inspect.ASKED.items()} | {"int8_fp16": {"int8", "fp16"}}  # types that were asked for
PRODUCT = re.compile(r"(^|/)(Conv|MatMul|Gemm)(_\d+)?(/|$)")
HELPERS = re.compile(r"QuantizeLinear|_(quantize|dequantize)_|Unnamed Layer|^ONNXTRT_")  # parts of a fused name that TensorRT adds
COPY = re.compile(r"Reformatting CopyNode for (Input|Output) Tensor \d+ to (.*)")

UNTOLD = Text("not told", "不明")
UNTIMED = Text("the profiler did not report this layer", "プロファイラーがこの層の時間を報告しなかった")
NO_LAYERS = Text("the profiler reported no layer", "プロファイラーが層を一つも報告しなかった")
ALL_LAYERS = Text("All layers", "すべての層")
PRECISION = Column("precision", Text("Engine", "エンジン"))
SUMMARY_COLUMNS = [
    PRECISION,
    Column("layers", Text("Layers", "層数"), digits=0),
    Column("sum", Text("Sum of the layers", "層の合計時間"), "µs", digits=1, best="min"),
    Column("ratio", Text("Sum against FP32", "FP32に対する合計時間比"), digits=3),
    Column("share", Text("Share of the longest", "最長の層の割合"), "%", digits=1),
    Column("longest", Text("Longest layer", "最長の層")),
    Column("heavy", Text("Heavy layers in the type that was asked", "指定した型で動く主要な層")),
]
SUMMARY_CAPTION = Text(
    "Time of the layers by engine; heavy layers are the convolutions and matrix products",
    "エンジン別の層の時間。主要な層とは畳み込みと行列積の層である",
)
CAPTION = Text(
    "Layers of the finished engines: median time with [10th, 90th percentile]",
    "完成したエンジンの層。時間は中央値と[10, 90パーセンタイル]",
)


def measure(session: Session, listed: Iterable[Engine]) -> list[Record]:
    """layer_time (ms, median of REPEATS runs at opt_batch test images) of every layer of every engine, in their order.

    case: index, layer (TensorRT's name), kind, type ("" where the inspector does not tell), tactic; stats: n, p10_ms,
    p90_ms, share (of the engine's sum of medians). An engine that cannot be timed here is one record with the reason.
    Times come from TensorRT's profiler (IProfiler), which times each layer by itself and so adds to each.
    """
    return [record for engine in listed for record in _engine(session, engine)]


def timed(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The layers that were timed, in the order of the engine, by precision; a precision without any is left out."""
    layers = [r for r in records if r.metric == METRIC and r.value is not None]
    return {precision: [r for r in layers if r.precision == precision] for precision in dict.fromkeys(r.precision for r in layers)}


def columns() -> list[Column]:
    """Columns of the table of layers."""
    return [
        PRECISION,
        Column("index", Text("#", "#"), digits=0),
        Column("layer", Text("Layer", "層")),
        Column("kind", Text("Kind", "種類")),
        Column("type", Text("Runs in", "実行時の型")),
        Column("time", Text("Time", "時間"), "µs", digits=1, interval=("low", "high")),
        Column("share", Text("Share", "割合"), "%", digits=1),
        Column("tactic", Text("Tactic", "タクティック")),
    ]


def rows(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row a layer (times in µs, share in %), one row an engine that was not timed, sorted by engine and index."""
    order = list(PRECISIONS)
    return [_row(r) for r in sorted(records, key=lambda r: (order.index(r.precision), r.case.get("index", 0)))]


def summary(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One row an engine: layers, sum (µs), ratio to the FP32 engine's sum, longest layer; or why it was not timed."""
    records = list(records)
    found, reasons = timed(records), {r.precision: r.reason for r in records if r.value is None}
    return [
        {"precision": PRECISIONS[p].label}
        | (_totals(found, p) if p in found else dict.fromkeys(("layers", "sum", "ratio", "share"), reasons[p]))
        for p in PRECISIONS
        if p in found or p in reasons
    ]


def folded(records: Iterable[Record], language: Language) -> str:
    """The table of all layers as HTML that opens on a click: it has some ninety rows."""
    table = show.table_html(rows(records), columns(), CAPTION, language)
    return f"<details><summary>{ALL_LAYERS.in_(language)}</summary>{table}</details>"


def total_ms(layers: Iterable[Record]) -> float:
    """Sum of the medians of an engine's layers in ms."""
    return sum(r.value or 0.0 for r in layers)


def reformats(record: Record) -> bool:
    """Whether a layer only copies values into another type or memory layout."""
    return "reformat" in f"{record.case['kind']} {record.case['layer']}".lower()


def type_label(kind: str) -> Text:
    """A layer's type as reports show it; UNTOLD for what the inspector did not tell."""
    return Text(kind.upper(), kind.upper()) if kind else UNTOLD


def short(name: str) -> str:
    """TensorRT's name of a (fused) layer in at most NAME_LENGTH characters: where it begins, and what was fused into it.

    "Reformatting CopyNode for Input Tensor 0 to Conv_1 + relu1/Relu" is "reformat → Conv_1". Weights and quantization
    nodes that stand in front of a product are left out.
    """
    fused = [] if COPY.match(name) else dict.fromkeys(part.split("/")[0] for part in _parts(name))
    shown = " + ".join([operation(name), *list(fused)[1:]])
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def operation(name: str) -> str:
    """The first operation of a (fused) layer: by it the layers of two engines are recognised as the same."""
    if copy := COPY.match(name):
        return " → ".join(["reformat", operation(copy.group(2))][:: 1 if copy.group(1) == "Input" else -1])
    return "/".join(_parts(name)[0].split("/")[:2])


def findings(records: Iterable[Record]) -> list[Finding]:
    """What the layers say: engines that do not compute in the type that was asked, where the time goes, what was not timed."""
    records = list(records)
    found = timed(records)
    wrong = {precision: _contradiction(precision, layers) for precision, layers in found.items()}
    right = {precision: layers for precision, layers in found.items() if not wrong[precision]}
    return [finding for finding in wrong.values() if finding] + _in_type(right) + _longest(found) + _sums(found) + _missing(records)


def _engine(session: Session, engine: Engine) -> list[Record]:
    common: dict[str, Any] = {"runner": "tensorrt", "precision": engine.precision, "scope": "gpu_compute"}
    common |= {"batch_size": session.profile.engines.opt_batch, "artifact_sha256": engine.artifact.sha256 if engine.artifact else ""}
    reason = engine.reason or trt.unavailable()
    if reason is None:
        progress.say(f"layers of {engine.precision}")
        try:
            images = sweep.inputs(session.images.x_test, session.profile.engines.opt_batch)
            layers = trt.layer_times(session, engine.precision, engine.artifact, images, REPEATS)
            total = sum(float(np.median(layer.times_ms)) for layer in layers if layer.times_ms)
            return [_record(layer, total, common) for layer in layers] or [Record(METRIC, "ms", None, reason=NO_LAYERS, **common)]
        except ReportError as error:  # this engine only: the others are still of interest
            reason = Text(str(error), f"測定できなかった：{error}")
    return [Record(METRIC, "ms", None, reason=reason, **common)]


def _record(layer: Any, total: float, common: dict[str, Any]) -> Record:
    case = {"index": layer.index, "layer": layer.name, "kind": layer.kind, "type": layer.type, "tactic": layer.tactic}
    if not layer.times_ms:
        return Record(METRIC, "ms", None, case=case, reason=UNTIMED, **common)
    low, middle, high = (float(value) for value in np.percentile(layer.times_ms, (10, 50, 90)))
    stats = {"n": len(layer.times_ms), "p10_ms": low, "p90_ms": high, "share": middle / total if total else 0.0}
    return Record(METRIC, "ms", middle, case=case, stats=stats, **common)


def _row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {"precision": PRECISIONS[record.precision].label}
    if record.case:
        row |= {key: record.case[key] for key in ("index", "layer", "kind", "tactic")} | {"type": type_label(record.case["type"])}
    if record.value is None:
        return row | {"time": record.reason, "share": record.reason}
    times = {"time": record.value, "low": record.stats["p10_ms"], "high": record.stats["p90_ms"]}
    return row | {key: 1e3 * value for key, value in times.items()} | {"share": 100 * record.stats["share"]}


def _totals(found: dict[str, list[Record]], precision: str) -> dict[str, Any]:
    layers = found[precision]
    longest, heavy, total = _top(layers), _heavy(layers), total_ms(layers)
    right, reference = len(heavy) - len(_others(precision, heavy)), total_ms(found.get("fp32", []))
    return {
        "layers": len(layers),
        "sum": 1e3 * total,
        "ratio": total / reference if reference else None,
        "share": 100 * longest.stats["share"],
        "longest": short(longest.case["layer"]),
        "heavy": Text(f"{right} of {len(heavy)}", f"{len(heavy)}層のうち{right}層"),
    }


def _top(layers: list[Record]) -> Record:
    return max(layers, key=lambda r: r.value or 0.0)


def _heavy(layers: list[Record]) -> list[Record]:
    """The convolutions and matrix products, longest first; where none is named, the fewest layers that take HEAVY of the time."""
    computing = sorted((r for r in layers if not reformats(r)), key=lambda r: r.value or 0.0, reverse=True)
    if products := [r for r in computing if inspect.PRODUCT_WORDS.search(r.case["kind"])]:
        return products
    before = np.cumsum([0.0, *(r.value or 0.0 for r in computing)])
    return [r for r, sooner in zip(computing, before, strict=False) if sooner < HEAVY * before[-1]]


def _others(precision: str, layers: list[Record]) -> list[Record]:
    """The layers that do not run in a type that was asked for."""
    return [r for r in layers if r.case["type"] not in NAMED_AFTER[precision]]


def _contradiction(precision: str, layers: list[Record]) -> Finding | None:
    """A red finding where the types of the layers are not those of the precision; what was not told speaks for neither."""
    computing = [r for r in layers if not reformats(r) and r.case["type"]]
    if not inspect.other_than_asked(precision, Counter(r.case["type"] for r in computing)):
        return None
    label, (asked, allowed) = PRECISIONS[precision].label, inspect.ASKED[precision]
    if alien := [r for r in computing if r.case["type"] not in allowed]:
        named = _names(alien)
        en = f"Layers of the {label.en} engine run in a type that was not asked for: {named.en}."
        return Finding("bad", Text(en, f"{label.ja}のエンジンに、指定していない型で動く層がある：{named.ja}。"))
    if any(not r.case["type"] for r in _heavy(layers)):
        return None  # they may run in the type that is missing among the others
    en = f"No layer of the {label.en} engine runs in {asked.upper()}: it is another engine under that name."
    return Finding("bad", Text(en, f"{label.ja}のエンジンに{asked.upper()}で動く層がない。別のエンジンにこの名前が付いている。"))


def _in_type(found: dict[str, list[Record]]) -> list[Finding]:
    """Of the heavy layers, how many run in the type that was asked: engines where all do in one line, others by name."""
    made, whole = [], []
    for precision, layers in found.items():
        label, heavy = PRECISIONS[precision].label, _heavy(layers)
        others = _others(precision, heavy)
        if not others:
            whole.append(label)
            continue
        right, named = len(heavy) - len(others), _names(others)
        en = f"{label.en}: {right} of the {len(heavy)} heavy layers run in the type that was asked; others: {named.en}."
        ja = f"{label.ja}：主要な{len(heavy)}層のうち、指定した型で動くのは{right}層である。他の層：{named.ja}。"
        made.append(Finding("note", Text(en, ja)))
    en, ja = ", ".join(label.en for label in whole), "、".join(label.ja for label in whole)
    good = Text(f"All heavy layers run in the type that was asked: {en}.", f"主要な層がすべて指定した型で動くエンジン：{ja}。")
    return [Finding("good", good), *made] if whole else made


def _longest(found: dict[str, list[Record]]) -> list[Finding]:
    groups: dict[str, list[Text]] = {}  # by layer: it is mostly the same one in several engines
    for precision, layers in found.items():
        label, share = PRECISIONS[precision].label, f"{_top(layers).stats['share']:.0%}"
        groups.setdefault(short(_top(layers).case["layer"]), []).append(Text(f"{label.en} {share}", f"{label.ja} {share}"))
    en = "; ".join(f"{name} ({', '.join(t.en for t in texts)})" for name, texts in groups.items())
    ja = "、".join(f"{name}（{'、'.join(t.ja for t in texts)}）" for name, texts in groups.items())
    text = Text(f"The layer with the largest share of the time: {en}.", f"時間の割合が最も大きい層：{ja}。")
    return [Finding("note", text)] if groups else []


def _sums(found: dict[str, list[Record]]) -> list[Finding]:
    reference = total_ms(found.get("fp32", []))
    ratios = [(PRECISIONS[p].label, total_ms(layers) / reference) for p, layers in found.items() if p != "fp32" and reference]
    en = ", ".join(f"{label.en} {ratio:.2f}" for label, ratio in ratios)
    ja = "、".join(f"{label.ja} {ratio:.2f}" for label, ratio in ratios)
    en = f"Sum of the layer times against FP32: {en}. Layers are timed one by one, which adds overhead."
    ja = f"層の合計時間のFP32に対する比：{ja}。層を1つずつ測定するため、そのオーバーヘッドを含む。"
    return [Finding("note", Text(en, ja))] if ratios else []


def _missing(records: list[Record]) -> list[Finding]:
    """Why engines that exist were not timed; why others do not exist is said where they are built."""
    reasons = dict.fromkeys(r.reason for r in records if r.reason and r.artifact_sha256 and not r.case)
    return [
        Finding("note", Text(f"Time of the layers: not measured: {reason.en}.", f"層ごとの時間：未測定（理由：{reason.ja}）。"))
        for reason in reasons
    ]


def _names(layers: list[Record]) -> Text:
    """Some layers with their types, and how many more there are."""
    more = len(layers) - NAMED
    pairs = [(r.case["layer"], type_label(r.case["type"])) for r in layers[:NAMED]]
    en = ", ".join(f"{short(name)} ({kind.en})" for name, kind in pairs) + (f" and {more} more" if more > 0 else "")
    ja = "、".join(f"{short(name)}（{kind.ja}）" for name, kind in pairs) + (f"、ほか{more}層" if more > 0 else "")
    return Text(en, ja)


def _parts(name: str) -> list[str]:
    """What was fused, in order, beginning with the product where there is one."""
    bare = re.sub(r"PWN\(|\{ForeignNode\[|\]\}|[()]", "", re.sub(r"\(Unnamed Layer\* \d+\) \[[^\]]*\]", "Unnamed Layer", name))
    parts = [part.strip() for part in re.split(r" \+ | \|\| |, |\.\.\.", bare) if part.strip()]
    first = next((i for i, part in enumerate(parts) if PRODUCT.search(part) and not HELPERS.search(part)), 0)
    return [part for part in parts[first:] if not HELPERS.search(part)] or parts or [name]
