"""Engines that are one and the same plan under several names: what that says of them, and of two measurements of one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lib.store import files
from lib.store.records import Record
from lib.text import Finding, Text
from lib.trt import inspect

if TYPE_CHECKING:
    from lib.pages.engines.tables import Engine

PLAN = "model.plan"
HASH = "plan_sha256"  # in `stats` of the record of a plan's size: artifact hashes differ where only the manifests do


def findings(records: Sequence[Record], size: str, name: Callable[[Record], Text]) -> list[Finding]:
    """A note for every plan that was measured under more than one name: the ratio of its largest throughput to its smallest.

    size: metric of the records that carry HASH; name: what a sentence calls the engine of a throughput record.
    """
    plans = {_engine(r): r.stats[HASH] for r in records if r.metric == size and HASH in r.stats}
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.metric == "throughput" and record.value and _engine(record) in plans:
            groups.setdefault(plans[_engine(record)], []).append(record)
    return [_apart(group, name) for group in groups.values() if len(group) > 1]


def twins(built: list[Engine]) -> list[Finding]:
    """Two precisions with one and the same plan: one of them carries a wrong name, unless one only allows more than the other."""
    seen: dict[str, Engine] = {}
    found = []
    for e in built:
        if e.artifact is None:
            continue
        first = seen.setdefault(files.sha256(e.artifact.file(PLAN)), e)
        if first is not e:
            same = inspect.ASKED[e.precision][0] == inspect.ASKED[first.precision][0]
            en, ja = f"{e.label.en} and {first.label.en} are one and the same plan", f"{e.label.ja}と{first.label.ja}のプランが同一である"
            if same:
                en += ": where both types were allowed, TensorRT took the other one nowhere"
                ja += "。両方の型を許しても、TensorRTはもう一方の型をどこにも使わなかった"
            found.append(Finding("note" if same else "bad", Text(f"{en}.", f"{ja}。")))
    return found


def _engine(record: Record) -> tuple[str, tuple[tuple[str, object], ...]]:
    return record.precision, tuple(sorted(record.case.items()))


def _apart(group: list[Record], name: Callable[[Record], Text]) -> Finding:
    rates, names, size = [record.value or 0.0 for record in group], [name(record) for record in group], group[0].batch_size
    ratio = max(rates) / min(rates)
    en, ja = "; ".join(text.en for text in names), "；".join(text.ja for text in names)
    return Finding(
        "note",
        Text(
            f"One and the same plan was measured {len(group)} times at batch size {size} ({en}): throughputs up to {ratio:.3f} times "
            "apart. A difference between engines that is not clearly larger says nothing about them.",
            f"同一のプランをバッチサイズ{size}で{len(group)}回測定した（{ja}）。スループットの比は最大{ratio:.3f}倍であり、"
            "これを明らかに上回らないエンジン間の差からは何もいえない。",
        ),
    )
