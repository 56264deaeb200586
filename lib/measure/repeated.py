"""One configuration that was timed in several notebooks: a report that gives it two speeds has at least one wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lib.experiment.precision import named
from lib.measure import sweep
from lib.runners import RUNNERS
from lib.store.records import Record
from lib.text import Finding, Text

# In the recorded runs two notebooks mostly came out within 1.08 of each other; where one was disturbed 1.26 to 1.47 was seen.
REPEATED = 1.2  # throughputs of one configuration in two notebooks may differ by this factor
CONTRADICTING = 2.0  # and contradict each other from this one on


def findings(measured: Iterable[Record], earlier: Iterable[Record]) -> list[Finding]:
    """Whether other notebooks found the same throughput for the same runner, precision, batch size, scope and model file.

    measured: records of this notebook; earlier: those of the others. A note over REPEATED times, red from CONTRADICTING times on.
    """
    known: dict[tuple[object, ...], list[Record]] = {}
    for record in _throughputs(earlier):
        known.setdefault(_configuration(record), []).append(record)
    both = [(now, then) for now in _throughputs(measured) for then in known.get(_configuration(now), [])]
    if not both:
        text = Text(
            "Not checked against other notebooks: they have no throughput of the same models at this batch size on this system.",
            "他のノートブックとの照合はできない。同じモデル、同じバッチサイズのスループットがこのシステムでは記録されていない。",
        )
        return [Finding("note", text)]
    close = [pair for pair in both if _factor(*pair) <= REPEATED]
    return [_twice(*pair) for pair in both if _factor(*pair) > REPEATED] + ([_same(close)] if close else [])


def _throughputs(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.metric == "throughput" and record.value]


def _configuration(record: Record) -> tuple[object, ...]:
    return record.runner, record.precision, record.batch_size, record.scope, record.artifact_sha256


def _factor(now: Record, then: Record) -> float:
    return _times(now.value or 0, then.value or 0)


def _times(a: float, b: float) -> float:
    """How many times the larger is the smaller, both above 0."""
    return max(a, b) / min(a, b)


def _number(record: Record) -> str:
    """Of the notebook that left a record."""
    return record.stage[:2]


def _same(both: Sequence[tuple[Record, Record]]) -> Finding:
    factor, count = max(_factor(*pair) for pair in both), len(dict.fromkeys(_configuration(now) for now, _ in both))
    numbers, many = sorted({_number(then) for _, then in both}), "s" * (count > 1)
    return Finding(
        "good",
        Text(
            f"Throughput agrees with other notebooks ({', '.join(numbers)}) in {count} configuration{many} that they measured too: "
            f"at most a factor of {factor:.2f} apart (up to {REPEATED} is accepted).",
            f"スループットは、他のノートブック（{'、'.join(numbers)}）でも測定した{count}個の構成で一致する（比は最大{factor:.2f}、許容{REPEATED}）。",
        ),
    )


def _twice(now: Record, then: Record) -> Finding:
    """Two stable measurements contradict each other; one that was not stable has already said that it cannot be relied on."""
    unstable = any(record.stats.get("stable") is False for record in (now, then))
    factor, name, number = _factor(now, then), named(RUNNERS[now.runner].label, now.precision), _number(then)
    here, there, size = f"{now.value:,.0f}", f"{then.value:,.0f}", now.batch_size
    on_gpu = _on_gpu(now, then)
    return Finding(
        "bad" if factor >= CONTRADICTING and not unstable else "note",
        Text(
            f"{name.en} at batch size {size}: {here} images/s here, {there} in notebook {number}, a factor of {factor:.2f} "
            f"(over {REPEATED}). The machine was busy or one of the two is wrong; measure again.{on_gpu.en}",
            f"{name.ja}、バッチサイズ{size}：ここでは{here}枚/秒、ノートブック{number}では{there}枚/秒であり、{factor:.2f}倍の開きがある"
            f"（許容{REPEATED}倍）。他の処理が動いていたか、どちらかが誤りである。測定し直すこと。{on_gpu.ja}",
        ),
    )


def _on_gpu(now: Record, then: Record) -> Text:
    """The GPU compute times, where both are known. Where they agree, they say that the difference lies elsewhere; where not, nothing sure:
    waiting for the host is part of them."""
    here, there = sweep.on_gpu(now), sweep.on_gpu(then)
    if not isinstance(here, float) or not isinstance(there, float):
        return Text("", "")
    said = Text(
        f" The median GPU compute time was {here:.3f} ms here and {there:.3f} ms there",
        f"GPU計算時間の中央値は、ここでは{here:.3f} ms、ノートブック{_number(then)}では{there:.3f} msである",
    )
    if _times(here, there) > REPEATED:
        return Text(f"{said.en}.", f"{said.ja}。")
    return Text(
        f"{said.en}, so the difference lies outside the GPU's computing: host or copies.",
        f"{said.ja}。差はGPUの計算以外（ホストまたはコピー）にある。",
    )
