"""Notebook 08: the records of every system below results/, side by side, with one of them as the baseline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment.candidate import PRECISION
from lib.experiment.precision import PRECISIONS
from lib.show import table as show
from lib.show.table import Column
from lib.store import records as record_files
from lib.store.records import Record
from lib.text import Finding, Text

OWN_STAGE = "08_cross_version"
ACCURACY_POINT = 0.01  # systems that differ by more than one percentage point do not run the same model as well
MISSING = Text("this system has no such record", "このシステムには該当する記録がない")
NOTHING = Text("Ratios start with the second system.", "比を示せるのは、二つ目のシステムの記録が加わってからである。")
NOT_COMPARED = Text("not measured on both systems", "両方のシステムでは測定されていない")


@dataclass(frozen=True)
class Metric:
    """One number that is compared. factor: from the record's unit to the shown one; digits: decimals shown."""

    key: str
    label: Text
    stage: str
    unit: str
    factor: float = 1.0
    digits: int = 2


METRICS: dict[str, Metric] = {
    m.key: m
    for m in (
        Metric("plan_size", Text("Plan", "プラン"), "03_engines", "MB", 1e-6),
        Metric("build_time", Text("Build time", "構築時間"), "03_engines", "s"),
        Metric("accuracy", Text("Accuracy", "正解率"), "07_precision", "%", 100.0),
        Metric("throughput", Text("Throughput", "スループット"), "07_precision", "images/s", digits=0),
        Metric("latency", Text("Latency", "レイテンシ"), "07_precision", "ms", digits=3),
    )
}
SYSTEM_COLUMNS = [
    Column("system", Text("System", "システム")),
    Column("tensorrt", Text("TensorRT", "TensorRT")),
    Column("gpu", Text("GPU", "GPU")),
    Column("driver", Text("Driver", "ドライバー")),
    Column("cpu", Text("CPU", "CPU")),
    Column("records", Text("Records", "記録数"), digits=0),
]
NAME_COLUMNS = [
    Column("tensorrt", Text("TensorRT", "TensorRT")),
    Column("system", Text("System", "システム")),
    PRECISION,
]
RESULT_COLUMNS = [*NAME_COLUMNS, *(Column(m.key, m.label, m.unit, digits=m.digits) for m in METRICS.values())]
RATIO_COLUMNS = [*NAME_COLUMNS, *(Column(m.key, m.label, "×", digits=3) for m in METRICS.values())]

SYSTEM_CAPTION = Text("Systems with records in this profile", "このプロファイルに記録があるシステム")
RESULT_CAPTION = Text("TensorRT engines of every system", "各システムのTensorRTエンジン")


@dataclass(frozen=True)
class System:
    """One system that left records: its id (name of its folder), its description (system.json) and its records."""

    id: str
    description: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    @property
    def tensorrt(self) -> str:
        """TensorRT flavour and version, "" where none was installed: TensorRT where there is a GPU, else TensorRT for RTX."""
        libraries = self.description["libraries"]
        if self.description["gpus"] and "tensorrt" in libraries:
            return f"TensorRT {libraries['tensorrt']}"
        rtx = libraries.get("tensorrt-rtx-cu13-libs")
        return f"TensorRT for RTX {rtx}" if rtx else ""

    @property
    def gpu(self) -> dict[str, str]:
        """Its first GPU as lib.experiment.system describes it, {} where there is none."""
        return self.description["gpus"][0] if self.description["gpus"] else {}

    @property
    def order(self) -> tuple[int, list[int], str]:
        """Sorts systems: TensorRT by rising version, then TensorRT for RTX, then those with neither."""
        kind = 2 if not self.tensorrt else 1 if "RTX" in self.tensorrt else 0
        return kind, [int(part) for part in re.findall(r"\d+", self.tensorrt)], self.id

    def find(self, metric: Metric, runner: str, precision: str) -> Record | None:
        """The record of one number, the last where a stage left several."""
        wanted = (metric.key, metric.stage, runner, precision)
        found = [r for r in self.records if (r.metric, r.stage, r.runner, r.precision) == wanted]
        return found[-1] if found else None


def collect(results: Path) -> tuple[list[System], list[str]]:
    """Every system below `results` (outputs/PROFILE/results), sorted by TensorRT version, and what could not be read.

    A file that is not what it should be is one line (file, line, what to do) in the second list; the rest still counts.
    """
    systems, problems = [], []
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        try:
            description = _description(folder / "system.json")
        except ReportError as error:
            problems.append(str(error))
            continue
        system = System(folder.name, description)
        for path in sorted(folder.glob("*.jsonl")):
            try:
                system.records.extend(_records(folder, path.stem) if path.stem != OWN_STAGE else [])
            except ReportError as error:
                problems.append(str(error))
        systems.append(system)
    return sorted(systems, key=lambda s: s.order), problems


def baseline(systems: list[System]) -> System:
    """The system that the others are compared with: the oldest TensorRT. Raises ReportError where there is no system."""
    if not systems:
        raise ReportError("no system has left records yet; run the notebooks 01 to 07 first")
    return min(systems, key=lambda s: s.order)


def system_rows(systems: Iterable[System]) -> list[dict[str, Any]]:
    """One table row a system: what it is and how many records it left."""
    return [
        {
            "system": s.id,
            "tensorrt": s.tensorrt or "–",
            "gpu": s.gpu.get("name", "–"),
            "driver": s.gpu.get("driver_version", "–"),
            "cpu": f"{s.description['cpu']} × {s.description['cores']}",
            "records": len(s.records),
        }
        for s in systems
    ]


def result_rows(systems: Iterable[System], runner: str = "tensorrt") -> list[dict[str, Any]]:
    """One table row a system and precision: every METRICS value of `runner`, or the reason why there is none."""
    return [
        _named(s, key) | {m.key: _value(s.find(m, runner, key), m) for m in METRICS.values()}
        for s in systems
        for key in PRECISIONS
        if any(s.find(m, runner, key) for m in METRICS.values())
    ]


def ratios(systems: list[System], runner: str = "tensorrt") -> list[Record]:
    """`<metric>_ratio` of every system to `baseline(systems)`, for what both measured on the same dataset; [] for one system.

    Unit "1"; case names both systems. Where either has no number the record says so.
    """
    if len(systems) < 2:
        return []
    base = baseline(systems)
    return [
        _ratio(m, base, s, runner, key)
        for s in systems
        if s.id != base.id
        for key in PRECISIONS
        for m in METRICS.values()
        if s.find(m, runner, key) or base.find(m, runner, key)
    ]


def ratio_rows(systems: list[System], compared: Iterable[Record]) -> list[dict[str, Any]]:
    """The ratios as table rows, one a system and precision."""
    by_id, rows = {s.id: s for s in systems}, {}
    for r in compared:
        key = (r.case["system"], r.precision)
        row = rows.setdefault(key, _named(by_id[key[0]], r.precision))
        row[r.metric.removesuffix("_ratio")] = r.value if r.reason is None else r.reason
    return list(rows.values())


def show_ratios(systems: list[System], compared: Iterable[Record]) -> None:
    """Display the ratio table, its caption naming the baseline; with fewer than two systems one sentence instead."""
    if len(systems) < 2:
        show.html(lambda language: f"<p>{NOTHING.in_(language)}</p>")
        return
    base = baseline(systems)
    name = f"{base.tensorrt or '–'} ({base.id})"
    caption = Text(f"Each value divided by that of the baseline, {name}", f"基準とする{name}の値に対する比")
    show.table(ratio_rows(systems, compared), RATIO_COLUMNS, caption)


def findings(systems: list[System], problems: Iterable[str], compared: Iterable[Record]) -> list[Finding]:
    """What the comparison says: unreadable files, one system only, other hardware, accuracy that moved, speed that moved."""
    found = [Finding("bad", Text(f"A file could not be read: {p}", f"読めないファイルがある：{p}")) for p in problems]
    if len(systems) < 2:
        return [*found, _alone(systems)]
    base, compared = baseline(systems), list(compared)
    for s in systems:
        if s.id != base.id:
            found += _against(base, s, [r for r in compared if r.case["system"] == s.id])
    return found


def _description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(description["libraries"], dict) or not isinstance(description["gpus"], list):
            raise ValueError("libraries and gpus must be there")
        if not all(isinstance(gpu, dict) for gpu in description["gpus"]):
            raise ValueError("gpus must be objects")
        return {"cpu": "", "cores": 0} | description
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else f"not the description of a system ({error})"
        raise ReportError(f"{path}: {what}; run a notebook on that system again, or remove {path.parent}") from None


def _records(folder: Path, stage: str) -> list[Record]:
    """The records of one file. Raises ReportError for a value that is not a number, as lib.store.records does for other faults."""
    path = folder / f"{stage}.jsonl"
    try:
        found = record_files.read(folder, stage)
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read ({error}); run the notebook {stage} again on that system") from None
    for record in found:
        if record.value is not None and (isinstance(record.value, bool) or not isinstance(record.value, (int, float))):
            raise ReportError(f"{path}: {record.metric} is {record.value!r}, not a number; run the notebook {stage} again on that system")
    return found


def _named(system: System, precision: str) -> dict[str, Any]:
    return {"tensorrt": system.tensorrt or "–", "system": system.id, "precision": PRECISIONS[precision].label}


def _value(record: Record | None, metric: Metric) -> float | Text:
    if record is None:
        return MISSING
    return record.reason if record.value is None else record.value * metric.factor  # type: ignore[return-value]


def _ratio(metric: Metric, base: System, other: System, runner: str, precision: str) -> Record:
    of, to = other.find(metric, runner, precision), base.find(metric, runner, precision)
    value = None
    if of and to and of.value is not None and to.value and (of.dataset, of.batch_size, of.scope) == (to.dataset, to.batch_size, to.scope):
        value = of.value / to.value
    case, reason = {"system": other.id, "baseline": base.id}, NOT_COMPARED if value is None else None
    return Record(f"{metric.key}_ratio", "1", value, runner=runner, precision=precision, case=case, reason=reason)


def _alone(systems: list[System]) -> Finding:
    if not systems:
        return Finding("note", Text("No system has left records yet.", "記録を残したシステムはまだない。"))
    name = systems[0].id
    en = f"One system has records so far ({name}): there is nothing to compare yet."
    return Finding("note", Text(en, f"記録があるシステムは一つ（{name}）だけで、比較対象はまだない。"))


def _against(base: System, other: System, compared: list[Record]) -> list[Finding]:
    name, reference = other.tensorrt or other.id, base.tensorrt or base.id
    found = []
    if other.gpu.get("name") != base.gpu.get("name"):
        pair = f"{other.gpu.get('name', '–')} / {base.gpu.get('name', '–')}"
        en = f"{name} and {reference} ran on other hardware ({pair}): ratios of times compare machines as well as versions."
        found.append(Finding("note", Text(en, f"{name}と{reference}ではGPUが異なる（{pair}）。時間の比にはハードウェアの差も含まれる。")))
    for record in compared:
        if record.value is not None and record.metric in SAYS:
            found.append(SAYS[record.metric](record, base, name, reference))
    if all(record.value is None for record in compared):
        en = f"{name} and {reference} have no number in common."
        found.append(Finding("note", Text(en, f"{name}と{reference}に共通して測定された値はない。")))
    return found


def _accuracy(record: Record, base: System, name: str, reference: str) -> Finding:
    label = PRECISIONS[record.precision].label
    measured = base.find(METRICS["accuracy"], record.runner, record.precision)
    points = (record.value - 1) * measured.value * 100 if measured and record.value and measured.value else 0.0
    level = "bad" if abs(points) > ACCURACY_POINT * 100 else "good"
    en = f"{label.en}: accuracy on {name} is {points:+.2f} percentage points from {reference}."
    return Finding(level, Text(en, f"{label.ja}:{name}の正解率は{reference}と{points:+.2f}ポイント異なる。"))


def _throughput(record: Record, base: System, name: str, reference: str) -> Finding:
    label = PRECISIONS[record.precision].label
    en = f"{label.en}: {name} reaches {record.value:.2f} times the throughput of {reference}."
    return Finding("note", Text(en, f"{label.ja}:{name}のスループットは{reference}の{record.value:.2f}倍である。"))


SAYS = {"accuracy_ratio": _accuracy, "throughput_ratio": _throughput}
