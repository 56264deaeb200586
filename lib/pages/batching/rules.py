"""What notebook 06 says of its records by rule: the best batch size of each runner, what batching gains, what is doubtful."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from lib.experiment.candidate import unmeasured
from lib.experiment.precision import PRECISIONS, named
from lib.measure import sweep
from lib.runners import RUNNERS
from lib.stats import Interval
from lib.store.records import Record
from lib.text import Finding, Text

REFERENCE_BATCH = 32  # compared with the smallest batch size
HARNESS_SHARE = 0.05  # of a latency that measuring itself may take without a word
HARNESS_LIMIT = 0.25  # over it what is measured is rather the harness than the runner
Pair = tuple[str, str]


def name(runner: str, precision: str) -> Text:
    """A runner at a precision, as reports call it."""
    return named(RUNNERS[runner].label, precision)


def measured(records: Iterable[Record], metric: str) -> dict[Pair, dict[int, Record]]:
    """{(runner, precision): {batch size: record}} of what has a value, the null runner left out, batch sizes ascending."""
    curves: dict[Pair, dict[int, Record]] = defaultdict(dict)
    for record in sorted(records, key=lambda r: r.batch_size or 0):
        if record.metric == metric and record.value is not None and record.runner != "null":
            curves[record.runner, record.precision][record.batch_size or 0] = record
    return {pair: curves[pair] for pair in pairs(curves)}


def best(curve: dict[int, Record]) -> Record:
    """The record of the highest throughput."""
    return max(curve.values(), key=lambda r: r.value or 0)


def as_good(curve: dict[int, Record]) -> int:
    """The smallest batch size whose throughput lies in the interval of the highest: more images a call bring nothing sure."""
    top = interval(best(curve))
    return min(size for size, record in curve.items() if (record.value or 0) >= top.low)


def compared(curve: dict[int, Record]) -> tuple[int, int]:
    """The smallest batch size and the one that is compared with it: 32, or the largest where 32 is not measured."""
    return min(curve), REFERENCE_BATCH if REFERENCE_BATCH in curve else max(curve)


def gain(curve: dict[int, Record]) -> Interval | None:
    """Throughput at the larger of the `compared` batch sizes over the smaller; None with one batch size."""
    small, large = compared(curve)
    return sweep.ratio(curve[large], curve[small]) if large > small else None


def bounds(value: Interval, digits: int) -> str:
    """` [low, high]`, or nothing where the samples were too few for an interval."""
    return f" [{value.low:,.{digits}f}, {value.high:,.{digits}f}]" if value.low < value.high else ""


def interval(record: Record) -> Interval:
    """A throughput with its interval; the value alone where the samples gave none."""
    value, low, high = record.value, record.stats["ci_low"], record.stats["ci_high"]
    return Interval(value, value if low is None else low, value if high is None else high)


def findings(records: list[Record]) -> list[Finding]:
    """What the numbers say, by rule."""
    rules = (_wrong, _fastest, _gains, _slower, _harness, _unstable, _load, _empty)
    return [finding for rule in rules for finding in rule(records)]


def _fastest(records: list[Record]) -> Iterator[Finding]:
    """Of each runner, the precision and batch size with the highest throughput."""
    rates = measured(records, "throughput")
    for runner in dict.fromkeys(pair[0] for pair in rates):
        pair = max((p for p in rates if p[0] == runner), key=lambda p: best(rates[p]).value or 0)
        top, enough = best(rates[pair]), as_good(rates[pair])
        rate, title = interval(top), name(*pair)
        yield Finding(
            "note",
            Text(
                f"{title.en}: highest throughput at batch {top.batch_size}, {rate.value:,.0f} images/s"
                f"{bounds(rate, 0)}; the smallest batch that reaches this interval is {enough}.",
                f"{title.ja}：スループットはバッチサイズ{top.batch_size}で最大となり、{rate.value:,.0f}枚/秒"
                f"{bounds(rate, 0)}である。この信頼区間に達する最小のバッチサイズは{enough}である。",
            ),
        )


def _gains(records: list[Record]) -> Iterator[Finding]:
    """The smallest and the largest gain that batching brings."""
    curves = measured(records, "throughput")
    gains = {pair: gained for pair, curve in curves.items() if (gained := gain(curve))}
    if not gains:
        return
    low, high = min(gains, key=lambda p: gains[p].value), max(gains, key=lambda p: gains[p].value)
    small, large = compared(curves[high])
    most, least = (f"{gains[pair].value:.2f}×{bounds(gains[pair], 2)}" for pair in (high, low))
    yield Finding(
        "note",
        Text(
            f"Batch {large} against {small}: throughput gains most with {name(*high).en}, {most}, least with {name(*low).en}, {least}.",
            f"バッチサイズ{small}に対する{large}のスループット比は、{name(*high).ja}が最大で{most}、{name(*low).ja}が最小で{least}である。",
        ),
    )


def _slower(records: list[Record]) -> Iterator[Finding]:
    """Lower precisions whose highest throughput is surely below that of FP32 in the same runner."""
    rates = measured(records, "throughput")
    for (runner, precision), curve in rates.items():
        if precision == "fp32" or (runner, "fp32") not in rates:
            continue
        own, full = best(curve), best(rates[runner, "fp32"])
        share = sweep.ratio(own, full)
        if share.low < share.high < 1 and own.stats["stable"] and full.stats["stable"]:
            title, text = name(runner, precision), f"{share.value:.2f}×{bounds(share, 2)}"
            yield Finding(
                "note",
                Text(
                    f"{title.en} is slower than FP32 in the same runner: {text} of its highest throughput.",
                    f"{title.ja}は同じ実行系のFP32より遅く、最大スループットの比は{text}である。",
                ),
            )


def _harness(records: list[Record]) -> Iterator[Finding]:
    """The null runner's latency as a share of the shortest one of the same batch size."""
    nulls = {r.batch_size: r.value for r in records if r.runner == "null" and r.metric == "latency" and r.value is not None}
    shares = [
        (nulls[size] / record.value, size, name(*pair))
        for pair, curve in measured(records, "latency").items()
        for size, record in curve.items()
        if size in nulls and record.value
    ]
    if not shares:
        return
    share, size, title = max(shares, key=lambda s: s[0])
    level = "good" if share <= HARNESS_SHARE else "note" if share <= HARNESS_LIMIT else "bad"
    more = Text(
        "; so much of these short latencies is not the runner's", "。これらの短いレイテンシのうち、その分は実行系によるものではない"
    )
    en, ja = ("", "") if level == "good" else more
    yield Finding(
        level,
        Text(
            f"Measuring itself costs up to {share:.1%} of a latency ({title.en}, batch {size}), {HARNESS_SHARE:.0%} being the aim{en}.",
            f"測定自体のコストは、最も影響の大きい構成（{title.ja}、バッチサイズ{size}）でレイテンシの{share:.1%}である（目標は{HARNESS_SHARE:.0%}以下）{ja}。",
        ),
    )


def _unstable(records: list[Record]) -> Iterator[Finding]:
    """Measurements whose windows did not agree."""
    done = [r for r in records if r.metric == "latency" and r.value is not None]
    shaky = [r for r in done if not r.stats["stable"]]
    if not done:
        return
    if not shaky:
        yield Finding("good", Text(f"All {len(done)} measurements were stable.", f"{len(done)}件の測定はすべて安定していた。"))
        return
    yield Finding(
        "note",
        Text(
            f"{len(shaky)} of {len(done)} measurements were not stable: their windows did not agree in time. They are marked.",
            f"{len(done)}件の測定のうち{len(shaky)}件は安定しなかった。制限時間内に測定窓の値が一致しなかったもので、印を付けて示す。",
        ),
    )


def _load(records: list[Record]) -> Iterator[Finding]:
    """Other programs that kept the cores busy."""
    done = [r for r in records if r.metric == "latency" and r.value is not None]
    load, threads = max((r.stats["after"]["load"] for r in done), default=0), max((r.stats["threads"] for r in done), default=0)
    if load > threads + 1:
        yield Finding(
            "note",
            Text(
                f"Other programs used the machine meanwhile: load average up to {load:.1f} on {threads} cores. An idle machine is faster.",
                f"測定中に他のプログラムも動いていた。ロードアベレージは最大{load:.1f}（コア数{threads}）であり、負荷のないマシンではより高速になる。",
            ),
        )


def _empty(records: list[Record]) -> list[Finding]:
    """Runners that this system cannot run, with the reason; batch sizes where it can run others."""
    some = measured(records, "throughput")
    lost: dict[tuple[Pair, Text], list[str]] = defaultdict(list)
    for record in records:
        if record.metric == "throughput" and record.reason is not None and not sweep.invalid(record):
            lost[(record.runner, record.precision), record.reason].append(str(record.batch_size))
    asked = [(pair, _at(sizes, reason) if pair in some else reason) for (pair, reason), sizes in lost.items()]
    asked += [(pair, None) for pair in some if pair not in {pair for pair, _ in lost}]
    return unmeasured((RUNNERS[runner].label, precision, reason) for (runner, precision), reason in asked)


def _at(sizes: list[str], reason: Text) -> Text:
    return Text(f"batch {', '.join(sizes)}: {reason.en}", f"バッチサイズ{'、'.join(sizes)}：{reason.ja}")


def _wrong(records: list[Record]) -> Iterator[Finding]:
    """Configurations that failed, and those whose output was wrong, so that their times mean nothing."""
    wrong: dict[tuple[Pair, Text], list[str]] = defaultdict(list)
    for record in records:
        if sweep.invalid(record) and record.metric == "latency" and record.reason:
            wrong[(record.runner, record.precision), record.reason].append(str(record.batch_size))
    for (pair, reason), sizes in wrong.items():
        title = name(*pair)
        en = f"{title.en}, batch {', '.join(sizes)}: {reason.en}."
        yield Finding("bad", Text(en, f"{title.ja}、バッチサイズ{'、'.join(sizes)}: {reason.ja}。"))


def pairs(found: Iterable[Pair]) -> list[Pair]:
    """Runners and precisions without repetition, in the order of RUNNERS and PRECISIONS."""
    runners, precisions = list(RUNNERS), list(PRECISIONS)
    return sorted(set(found), key=lambda pair: (runners.index(pair[0]), precisions.index(pair[1])))
