"""The tables of notebook 06: how it was measured, one row a runner and precision, one row a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.experiment.candidate import PRECISION, RUNNER
from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.measure import timing as measure
from lib.pages.batching import rules as batching
from lib.runners import RUNNERS, host
from lib.show import table as show
from lib.show.table import Column
from lib.store.records import Record
from lib.text import Language, Text

if TYPE_CHECKING:
    from lib.store.session import Session

YES, NO = Text("yes", "はい"), Text("no", "いいえ")
ALL = Text("all", "すべて")
THROUGHPUT = Text("Throughput [95 % interval]", "スループット[95%信頼区間]")

METHOD_COLUMNS = [Column("what", Text("Setting", "設定")), Column("value", Text("Value", "値"))]
METHOD_CAPTION = Text("How each configuration was measured.", "各構成の測定方法。")
SUMMARY_COLUMNS = [
    RUNNER,
    PRECISION,
    Column("p50", Text("Median latency, smallest batch", "最小バッチでのレイテンシ中央値"), "ms", 3, "min"),
    Column("batch_size", Text("Best batch", "最良のバッチサイズ")),
    Column("throughput", THROUGHPUT, "images/s", 0, "max", ("ci_low", "ci_high")),
    Column("enough", Text("Smallest batch that reaches this interval", "この区間に達する最小のバッチサイズ")),
    Column("gain", Text("Gain of batching [95 % interval]", "バッチ処理の効果[95%信頼区間]"), "×", 2, "max", ("gain_low", "gain_high")),
]
DETAIL_COLUMNS = [
    RUNNER,
    PRECISION,
    Column("batch_size", Text("Batch", "バッチサイズ")),
    Column("p50", Text("Median latency", "レイテンシ中央値"), "ms", 4),
    Column("p90", Text("p90", "p90"), "ms", 4),
    Column("p95", Text("p95", "p95"), "ms", 4),
    Column("p99", Text("p99", "p99"), "ms", 4),
    Column("gpu", sweep.GPU_TIME, "ms", 4),
    Column("n", Text("Calls", "呼び出し回数"), "", 0),
    Column("throughput", THROUGHPUT, "images/s", 0, None, ("ci_low", "ci_high")),
    Column("stable", Text("Stable", "安定")),
]
DETAIL_CAPTION = Text(
    "Every configuration. A percentile is left out (–) where too few calls lie beyond it.",
    "すべての構成。パーセンタイルは、それを超える呼び出しが少なすぎる場合は示さない（–）。",
)


def summary_caption(records: list[Record]) -> Text:
    """Says which two batch sizes the gain compares."""
    curves = batching.measured(records, "throughput").values()
    compared = next((batching.compared(curve) for curve in curves), None)
    if compared is None:
        return Text("One row a runner and precision.", "実行系と数値精度ごとの結果。")
    small, large = compared
    return Text(
        f"One row a runner and precision. Gain: throughput at batch {large} over batch {small}.",
        f"実行系と数値精度ごとの結果。バッチ処理の効果は、バッチサイズ{small}に対する{large}のスループット比である。",
    )


def method(session: Session) -> list[dict[str, Any]]:
    """The settings of the measurement, and how many calls each percentile needs."""
    m = session.profile.measuring
    needs = ", ".join(f"p{q}: {measure.needed(q):,}" for q in measure.PERCENTILES if q > 50)
    calls = f"{measure.WINDOW_CALLS:,}"
    rows = [
        (Text("warm-up", "ウォームアップ"), f"{m.warmup_s:g} s"),
        (Text("one window", "測定窓1つの長さ"), Text(f"{m.window_s:g} s or {calls} calls", f"{m.window_s:g} sまたは{calls}回")),
        (Text("windows in a row that must agree", "連続して一致すべき測定窓の数"), str(m.stable_windows)),
        (Text("largest difference of their means", "測定窓の平均の許容差"), f"{m.tolerance:.0%}"),
        (Text("given up after", "打ち切りまでの時間"), f"{m.limit_s:g} s"),
        (Text("calls that a percentile needs", "パーセンタイルに必要な呼び出し回数"), needs),
        (Text("threads of every runner", "各実行系のスレッド数"), str(host.threads())),
        (Text("seed of the random order", "測定順序の乱数シード"), session.run_id),
    ]
    return [{"what": what, "value": value} for what, value in rows]


def folded(records: list[Record], language: Language) -> str:
    """The detail table as HTML that opens on a click: it has a row for every configuration."""
    title = Text("All configurations", "すべての構成").in_(language)
    rows = detail(records)
    told = any(row.get("gpu") for row in rows)
    columns = [column for column in DETAIL_COLUMNS if told or column.key != "gpu"]
    caption = Text(*(f"{said} {more}".strip() for said, more in zip(DETAIL_CAPTION, sweep.GPU_TIME_IS if told else ("", ""), strict=True)))
    return f"<details><summary>{title}</summary>{show.table_html(rows, columns, caption, language)}</details>"


def detail(records: list[Record]) -> list[dict[str, Any]]:
    """One row a configuration: latency percentiles in ms, throughput with its interval, whether the windows agreed.

    A runner that this system cannot run at a precision is one row for all batch sizes, with the reason.
    """
    latency, rows = {_key(r): r for r in records if r.metric == "latency"}, []
    some = batching.measured(records, "throughput")
    for rate in (r for r in records if r.metric == "throughput"):
        row = _row(rate)
        if rate.value is None:
            alone = sweep.invalid(rate) or (rate.runner, rate.precision) in some
            row |= {"throughput": rate.reason, "batch_size": str(rate.batch_size) if alone else ALL}
        else:
            percentiles = {key: latency[_key(rate)].stats[key] for key in ("p50", "p90", "p95", "p99")}
            row |= percentiles | {"gpu": sweep.on_gpu(rate), "n": rate.stats["n"], "stable": YES if rate.stats["stable"] else NO}
        if row not in rows:
            rows.append(row)
    return rows


def summary(records: list[Record]) -> list[dict[str, Any]]:
    """One row a runner and precision: where throughput is highest, the smallest batch size that reaches its interval (`enough`),
    latency at the smallest batch size (ms) and throughput of batch 32 over the smallest (`gain`, with its interval)."""
    rates, latencies, rows = batching.measured(records, "throughput"), batching.measured(records, "latency"), []
    for pair in batching.pairs((r.runner, r.precision) for r in records if r.runner != "null"):
        if pair not in rates:
            reason = next(r.reason for r in records if (r.runner, r.precision) == pair)
            rows.append({"runner": RUNNERS[pair[0]].label, "precision": PRECISIONS[pair[1]].label, "throughput": reason})
            continue
        curve = rates[pair]
        top = batching.best(curve)
        gained = batching.gain(curve)
        rows.append(
            _row(top)
            | {"enough": batching.as_good(curve), "p50": latencies[pair][min(curve)].value}
            | ({"gain": gained.value, "gain_low": gained.low, "gain_high": gained.high} if gained else {"gain": None})
        )
    return rows


def _row(rate: Record) -> dict[str, Any]:
    """What both tables say of a throughput."""
    return {
        "runner": RUNNERS[rate.runner].label,
        "precision": PRECISIONS[rate.precision].label,
        "batch_size": rate.batch_size,
        "throughput": rate.value,
        "ci_low": rate.stats.get("ci_low"),
        "ci_high": rate.stats.get("ci_high"),
    }


def _key(record: Record) -> tuple[str, str, int | None]:
    return record.runner, record.precision, record.batch_size
