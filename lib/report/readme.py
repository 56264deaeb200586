"""The tables of the READMEs, written from recorded runs: no number of theirs is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.measure import sweep
from lib.pages.int8 import results as int8
from lib.report import headline
from lib.show.table import NOT_MEASURED, Column
from lib.store import files, records
from lib.text import Language, Text

READMES: dict[Language, str] = {"en": "README.md", "ja": "README.ja.md"}
ENGINES = "04_int8"  # the stage whose engines are compared in the second table
MEASURED_ON = Text(
    "{dataset}; {cpu}, {cores} cores, {gpu}; TensorFlow {tensorflow}, ONNX Runtime {onnxruntime}, {trt}; {date}; "
    "batch size {batch}, end to end.",
    "{dataset}。{cpu}、{cores}コア、{gpu}。TensorFlow {tensorflow}、ONNX Runtime {onnxruntime}、{trt}。{date}測定。"
    "バッチサイズ{batch}、エンドツーエンド。",
)
RUN_ON = Text(
    "{dataset}; {gpu}, TensorRT {tensorrt}; {date}; batch size {batch}, end to end from Python. " + sweep.GPU_TIME_IS.en,
    "{dataset}。{gpu}、TensorRT {tensorrt}。{date}測定。バッチサイズ{batch}、Pythonからのエンドツーエンド。" + sweep.GPU_TIME_IS.ja,
)
NO_GPU = Text("no GPU", "GPUなし")


def update(profile: config.Profile, results: Path, root: Path = config.ROOT) -> list[Path]:
    """Put what `results` (…/results/SYSTEM) measured between the markers of both READMEs below `root`; returns them.

    The headline table where notebook 07 ran there, the table of engines where TensorRT's engines did. Raises ReportError
    where a README has no markers for a table.
    """
    for language, name in READMES.items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        for block, written in tables(profile, results, language).items():
            before, after = f"<!-- {block} -->", f"<!-- /{block} -->"
            text, count = re.subn(f"({before}\n).*?({after})", lambda m: m[1] + written + m[2], text, flags=re.DOTALL)  # noqa: B023
            if not count:
                raise ReportError(f"{path}: no line {before}; put one before the table and {after} after it")
        files.write_text(path, text)
    return [root / name for name in READMES.values()]


def find(folder: Path, system: str) -> Path:
    """results/SYSTEM below outputs/PROFILE: the one named, else the only one. Raises ReportError for none or several."""
    found = sorted({path.parent for path in (folder / "results").glob("*/*.jsonl")})
    chosen = [path for path in found if system in ("", path.name)]
    if len(chosen) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ReportError(f"{folder / 'results'}: name one system with --system; there are: {there}")
    return chosen[0]


def tables(profile: config.Profile, results: Path, language: Language) -> dict[str, str]:
    """The tables that one system's records fill, as Markdown: marker -> table and a line on what it was measured on."""
    measured, made = records.read(results), {}
    if any(record.stage == headline.STAGE for record in measured):
        rows = headline.rows(measured, profile.precision.batch_size)
        made["headline"] = _markdown(rows, headline.COLUMNS, language) + f"\n{_measured_on(profile, results, measured, language)}\n"
    engines = [record for record in measured if record.stage == ENGINES and record.runner == "tensorrt"]
    if any(record.metric == "throughput" and record.value is not None for record in engines):
        columns = [*int8.NAMES, *(c for c in (*int8.accuracy_columns(), *int8.cost_columns()) if c.digits is not None and c.key != "p")]
        rows = int8.comparison_rows(engines, columns)
        made["engines"] = _markdown(rows, columns, language) + f"\n{_run_on(profile, results, engines, language)}\n"
    return made


def _markdown(rows: Sequence[dict[str, Any]], columns: Sequence[Column], language: Language) -> str:
    head = [f"{c.label.in_(language)}{f' ({c.unit})' if c.unit else ''}" for c in columns]
    lines = [head, ["---:" if c.digits is not None else "---" for c in columns]]
    lines += [[_cell(row, column, language) for column in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(row: dict[str, Any], column: Column, language: Language) -> str:
    value = row[column.key]
    if column.digits is None:
        return value.in_(language)
    if not headline.measured(row, column.key):
        return NOT_MEASURED.in_(language) if isinstance(value, Text) else "–"
    low, high = (row.get(key) for key in column.interval or ("", ""))
    return f"{value:,.{column.digits}f}" + (f" [{low:,.{column.digits}f}, {high:,.{column.digits}f}]" if low is not None else "")


def _measured_on(profile: config.Profile, results: Path, measured: list[records.Record], language: Language) -> str:
    system = json.loads((results / "system.json").read_text(encoding="utf-8"))
    last = next(record for record in measured if record.stage == headline.STAGE)
    gpu = system["gpus"][0]["name"] if system["gpus"] else NO_GPU.in_(language)
    libraries = {name: system["libraries"].get(name, "–") for name in ("tensorflow", "onnxruntime")}
    rtx = system["libraries"].get("tensorrt-rtx-cu13-libs", "–")
    libraries["trt"] = f"TensorRT {system['libraries']['tensorrt']}" if "tensorrt" in system["libraries"] else f"TensorRT for RTX {rtx}"
    facts = {"dataset": last.dataset, "cpu": system["cpu"], "cores": system["cores"], "gpu": gpu, "date": last.started_at[:10]}
    return MEASURED_ON.in_(language).format(batch=profile.precision.batch_size, **facts, **libraries)


def _run_on(profile: config.Profile, results: Path, engines: list[records.Record], language: Language) -> str:
    system = json.loads((results / "system.json").read_text(encoding="utf-8"))
    facts = {"dataset": engines[0].dataset, "date": engines[0].started_at[:10], "batch": profile.engines.max_batch}
    facts |= {"gpu": system["gpus"][0]["name"], "tensorrt": system["libraries"]["tensorrt"]}
    return RUN_ON.in_(language).format(**facts)
