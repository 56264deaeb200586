"""What notebook 04 shows and says of TensorRT's calibration: tables, and findings by rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.pages.int8 import tables as int8
from lib.pages.int8.measure import DEFAULT_METHOD, EXPLICIT, FULL, METHODS, default_images
from lib.show.table import Column
from lib.store.records import Record
from lib.text import Finding, Text
from lib.trt import same_plan

if TYPE_CHECKING:
    from lib.store.session import Session

LIMIT = 0.005  # of accuracy lost against the FP32 engine: half a percentage point
TENSORRT = Text("TensorRT", "TensorRT")
IN_ONNX, NONE = Text("Q/DQ nodes of the ONNX", "ONNX内のQ/DQノード"), Text("–", "–")
COMMA, SEMICOLON = Text(", ", "、"), Text("; ", "；")
P_VALUE = Column("p", Text("McNemar p", "McNemar p値"), digits=3)
NAMES = [Column("engine", Text("Engine", "エンジン")), Column("calibration", Text("Calibration", "キャリブレーション"))]

ACCURACY_CAPTION = Text(
    "Implicit and explicit INT8: accuracy and its paired difference from the FP32 engine, with 95 % intervals.",
    "暗黙的INT8と明示的INT8：正解率、およびFP32エンジンとの対応のある差。95%信頼区間を添える。",
)


def calibration_caption(session: Session) -> Text:
    """Caption of the table of calibrations, with the calibration that the other INT8 engines of the report have."""
    images, batch = default_images(session), session.profile.engines.calibration_batch
    method = int8.METHOD_NAMES[DEFAULT_METHOD]
    return Text(
        f"TensorRT's calibrators on all test images, beside the FP32 engine. The default is {method.en} with {images:,} images "
        f"in {images // batch:,} batches of {batch:,}.",
        f"TensorRTのキャリブレーターによる全テスト画像での結果。比較対象はFP32エンジンである。"
        f"既定は{method.ja}法、{images:,}枚（{batch:,}枚のバッチ{images // batch:,}個）である。",
    )


def cost_caption(session: Session) -> Text:
    """Caption of the table of costs."""
    size = session.profile.engines.max_batch
    return Text(
        f"Implicit and explicit INT8: throughput at batch size {size}, end to end, with 95 % intervals, and size of the plan. "
        f"An interval covers the noise within one measurement only, not that between measurements. {sweep.GPU_TIME_IS.en}",
        f"暗黙的INT8と明示的INT8：バッチサイズ{size}、エンドツーエンドのスループットと95%信頼区間、およびプランのサイズ。"
        f"区間が表すのは1回の測定内のばらつきだけであり、測定ごとのばらつきは含まない。{sweep.GPU_TIME_IS.ja}",
    )


def calibration_columns() -> list[Column]:
    """The columns of `calibration_rows`."""
    return [*int8.columns(), P_VALUE]


def calibration_rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The rows of lib.pages.int8.tables for TensorRT's calibrations, with p; what was not measured says why."""
    asked = [r for r in records if (r.metric, r.precision) == ("accuracy", "int8")]
    measured = (
        {(row["method"], row["images"]): row for row in int8.rows(records, "int8")} if any(r.value is not None for r in asked) else {}
    )
    rows = []
    for record in asked:
        row = {"method": int8.METHOD_NAMES[record.case["method"]], "images": record.case["images"]}
        missing = dict.fromkeys(("accuracy", "loss", "disagreement"), record.reason)
        row = measured.get((row["method"], row["images"]), row | missing)
        rows.append(row | {"p": _cell(find(records, "mcnemar_p", record, FULL))})
    return _collapsed(rows, ("method",), ("accuracy", "loss", "disagreement", "p"))


def accuracy_columns() -> list[Column]:
    """The columns of `comparison_rows` on accuracy."""
    return [
        *NAMES,
        Column("accuracy", Text("Accuracy", "正解率"), "%", 2, interval=("accuracy_low", "accuracy_high")),
        Column("difference", Text("Difference from FP32", "FP32との差"), "pp", 2, interval=("difference_low", "difference_high")),
        P_VALUE,
    ]


def cost_columns() -> list[Column]:
    """The columns of `comparison_rows` on speed and size."""
    return [
        *NAMES,
        Column("throughput", Text("Throughput", "スループット"), "images/s", 0, "max", ("throughput_low", "throughput_high")),
        Column("ratio", Text("To FP32", "FP32比"), "×", 2, interval=("ratio_low", "ratio_high")),
        Column("gpu", sweep.GPU_TIME, "ms", 3),
        Column("size", Text("Plan", "プラン"), "MB", 2, "min"),
        Column("size_ratio", Text("Plan to FP32", "プランのFP32比"), "×", 3),
    ]


def comparison_rows(records: Sequence[Record], columns: Iterable[Column]) -> list[dict[str, Any]]:
    """One row an engine of the comparison, its numbers in the units of `columns`; what was not measured says why."""
    numbers = [column.key for column in columns if column.digits is not None]
    rows = [_comparison_row(records, engine) for engine in compared(records)]
    return _collapsed(rows, ("engine", "calibration"), numbers)


def compared(records: Iterable[Record]) -> list[Record]:
    """The throughput record of every engine of the comparison, FP32 first."""
    return [r for r in records if r.metric == "throughput"]


def find(records: Iterable[Record], metric: str, of: Record, reference: str = "") -> Record | None:
    """Another record of the engine that a record is about. reference: what it is compared with."""
    case = {key: value for key, value in of.case.items() if key != "reference"} | ({"reference": reference} if reference else {})
    return next((r for r in records if (r.metric, r.precision, r.case) == (metric, of.precision, case)), None)


def calibration_of(record: Record) -> Text:
    """How the engine of a record was calibrated, in words."""
    if "method" not in record.case:
        return IN_ONNX if record.precision == "int8_qdq" else NONE
    method, images = int8.METHOD_NAMES[record.case["method"]], record.case["images"]
    return Text(f"{method.en}, {images:,} images", f"{method.ja}法、{images:,}枚")


def findings(records: Sequence[Record]) -> list[Finding]:
    """By rule: what INT8 loses, the steadiest calibrator, when more images stop to matter, implicit against explicit, faults."""
    rules = (_losses, _steadiest, _settling, _against_explicit, _same_plan, _unstable, _untimed, _missing)
    return [finding for rule in rules for finding in rule(records)]


def _comparison_row(records: Sequence[Record], engine: Record) -> dict[str, Any]:
    accuracy, test = find(records, "accuracy", engine), find(records, "mcnemar_p", engine, FULL)
    size, size_ratio = find(records, "file_size", engine), find(records, "file_size_ratio", engine, FULL)
    row = {"engine": PRECISIONS[engine.precision].label, "calibration": calibration_of(engine), "p": _cell(test)}
    row |= {"size": _cell(size, 1e-6), "size_ratio": _cell(size_ratio), "gpu": sweep.on_gpu(engine)}
    row |= _interval("accuracy", accuracy, 100) | _interval("throughput", engine) | _interval("ratio", _ratio(records, engine))
    if test is not None and test.value is not None:
        return row | {key: 100 * test.stats[key] for key in ("difference", "difference_low", "difference_high")}
    return row | {"difference": _cell(test)}


def _ratio(records: Sequence[Record], engine: Record, reference: str = FULL) -> Record | None:
    return find(records, "throughput_ratio", engine, reference)


def _cell(record: Record | None, factor: float = 1.0) -> float | Text | None:
    """The number of a record, the reason why there is none, or None where it does not apply."""
    return None if record is None else record.reason if record.value is None else factor * record.value


def _interval(key: str, record: Record | None, factor: float = 1.0) -> dict[str, Any]:
    ends = {end: record.stats.get(f"ci_{end}") if record else None for end in ("low", "high")}
    return {key: _cell(record, factor)} | {f"{key}_{end}": None if value is None else factor * value for end, value in ends.items()}


def _collapsed(rows: list[dict[str, Any]], names: Sequence[str], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """One row in place of all where nothing was measured, and for one reason; its names stand side by side."""
    found = {row[key] for row in rows for key in numbers} - {None}
    if len(found) != 1 or not isinstance(reason := next(iter(found)), Text):
        return rows
    return [{key: _joined((row[key] for row in rows), SEMICOLON) if key in names else reason for key in rows[0]}]


def _joined(texts: Iterable[Text], by: Text = COMMA) -> Text:
    """Texts as one list, each once, the dash for "none" left out."""
    once = [text for text in dict.fromkeys(texts) if text != NONE]
    return Text(by.en.join(text.en for text in once), by.ja.join(text.ja for text in once))


def _name(record: Record) -> Text:
    """The engine of a record in a sentence."""
    label, how = PRECISIONS[record.precision].label, calibration_of(record)
    more = Text(f", {how.en}", f"、{how.ja}") if "method" in record.case else Text("", "")
    return Text(f"TensorRT {label.en}{more.en}", f"TensorRT {label.ja}{more.ja}")


def _losses(records: Sequence[Record]) -> list[Finding]:
    """INT8 of the comparison against FP32: a loss over LIMIT is a problem, but for the calibrator that is not the default one.

    Good only where the whole interval of the difference lies above -LIMIT: too few images are no proof that nothing is lost.
    """
    found = []
    for engine in compared(records):
        test, accuracy = find(records, "mcnemar_p", engine, FULL), find(records, "accuracy", engine)
        if engine.precision.startswith("int8") and test is not None and test.value is not None and accuracy is not None:
            found.append(_loss(test, accuracy.stats["tested"]))
    return found


def _loss(test: Record, tested: int) -> Finding:
    name, limit = _name(test), 100 * LIMIT
    points, low, high = (100 * test.stats[key] for key in ("difference", "difference_low", "difference_high"))
    over, held = -test.stats["difference"] > LIMIT, test.stats["difference_low"] > -LIMIT
    problem = over and test.case.get("method", DEFAULT_METHOD) == DEFAULT_METHOD
    side = ("below", "低い") if points < 0 else ("above", "高い")
    en = f"{abs(points):.2f} points {side[0]} FP32 in accuracy" if points else "the same accuracy as FP32"
    ja = f"正解率はFP32に比べ{abs(points):.2f}ポイント{side[1]}" if points else "正解率はFP32と同じである"
    if over:
        verdict = f"a loss over {limit:.1f} points", f"低下は{limit:.1f}ポイントを超える"
    elif held:
        verdict = f"no loss over {limit:.1f} points", f"{limit:.1f}ポイントを超える低下はない"
    else:
        verdict = (
            f"whether a loss is over {limit:.1f} points cannot be told with {tested:,} test images",
            f"低下が{limit:.1f}ポイントを超えるかどうかは、{tested:,}枚のテスト画像では判定できない",
        )
    p, between = f"p = {test.value:.2g}", (f"95 % interval {low:+.2f} to {high:+.2f}", f"95%信頼区間 {low:+.2f}～{high:+.2f}")
    return Finding(
        "bad" if problem else "good" if held and not over else "note",
        Text(
            f"{name.en}: {en}, {verdict[0]} ({between[0]}; McNemar {p}).",
            f"{name.ja}：{ja}。{verdict[1]}（{between[1]}、McNemar検定の{p}）。",
        ),
    )


def _steadiest(records: Sequence[Record]) -> list[Finding]:
    """The calibrator that changes the fewest answers at the default number of images."""
    found = [find(records, "disagreement", engine) for engine in compared(records) if engine.precision == "int8"]
    measured = [record for record in found if record is not None and record.value is not None]
    return [int8.steadiest(measured, TENSORRT)] if len(measured) > 1 else []


def _settling(records: Sequence[Record]) -> list[Finding]:
    measured = int8.pairs(records, "int8")
    there = {accuracy.case["method"] for accuracy, _ in measured}
    return [int8.settling(method, measured, TENSORRT) for method in METHODS if method in there]


def _against_explicit(records: Sequence[Record]) -> list[Finding]:
    """Implicit INT8 at the default calibration beside explicit Q/DQ: accuracy, and throughput where it was measured."""
    test = next((r for r in records if r.metric == "mcnemar_p" and r.case.get("reference") == EXPLICIT), None)
    if test is None or test.value is None:
        return []
    name, points, p = _name(test), 100 * test.stats["difference"], test.value
    en, ja = f"{points:+.2f} points in accuracy (McNemar p = {p:.2g})", f"正解率の差は{points:+.2f}ポイント（McNemar検定のp = {p:.2g}）"
    ratio = _ratio(records, test, EXPLICIT)
    if ratio is not None and ratio.value is not None:
        between = f" [{ratio.stats['ci_low']:.2f}, {ratio.stats['ci_high']:.2f}]" if "ci_low" in ratio.stats else ""
        en += f", {ratio.value:.2f} times the throughput{between}" + (" (noise within one measurement only)" if between else "")
        ja += f"、スループットの比は{ratio.value:.2f}倍{between}" + ("（区間は1回の測定内のばらつきのみ）" if between else "")
    return [Finding("note", Text(f"{name.en}, beside explicit Q/DQ: {en}.", f"{name.ja}と明示的Q/DQとの比較：{ja}である。"))]


def _same_plan(records: Sequence[Record]) -> list[Finding]:
    return same_plan.findings(records, "file_size", _name)


def _unstable(records: Sequence[Record]) -> list[Finding]:
    shaky = [_name(r) for r in compared(records) if r.stats.get("stable") is False]
    if not shaky:
        return []
    names = _joined(shaky, SEMICOLON)
    return [Finding("note", Text(f"Latency did not become stable: {names.en}.", f"レイテンシが安定しなかった：{names.ja}。"))]


def _untimed(records: Sequence[Record]) -> list[Finding]:
    """Engines that answered the test images and then failed in the timing."""
    found = []
    for engine in compared(records):
        answered = find(records, "accuracy", engine)
        if engine.reason is not None and answered is not None and answered.value is not None:
            name = _name(engine)
            found.append(Finding("bad", Text(f"{name.en}: {engine.reason.en}.", f"{name.ja}：{engine.reason.ja}。")))
    return found


def _missing(records: Sequence[Record]) -> list[Finding]:
    """What was not measured, by reason: a problem where an engine failed, else a note."""
    groups: dict[tuple[Text, bool], list[Record]] = {}
    for record in records:
        if record.metric == "accuracy" and record.reason is not None:
            groups.setdefault((record.reason, record.stats.get("failed", False)), []).append(record)
    found = []
    for (reason, failed), group in groups.items():
        labels = _joined(PRECISIONS[r.precision].label for r in group)
        name = _name(group[0]) if len(group) == 1 else Text(f"TensorRT {labels.en}", f"TensorRT {labels.ja}")
        text = Text(f"Not measured: {name.en} ({reason.en}).", f"{name.ja}は未測定である（{reason.ja}）。")
        found.append(Finding("bad" if failed else "note", text))
    return found
