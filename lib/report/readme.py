"""The headline table of the READMEs, written from a recorded run: no number of theirs is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lib import config, files, records
from lib.errors import ReportError
from lib.report import headline
from lib.show import NOT_MEASURED, Column
from lib.text import Language, Text

READMES: dict[Language, str] = {"en": "README.md", "ja": "README.ja.md"}
BLOCK = re.compile(r"(<!-- headline -->\n).*?(<!-- /headline -->)", re.DOTALL)
MEASURED_ON = Text(
    "{dataset}; {cpu}, {cores} cores, {gpu}; TensorFlow {tensorflow}, ONNX Runtime {onnxruntime}; {date}; batch size {batch}, end to end.",
    "{dataset}。{cpu}、{cores}コア、{gpu}。TensorFlow {tensorflow}、ONNX Runtime {onnxruntime}。{date}測定。"
    "バッチサイズ{batch}、エンドツーエンド。",
)
NO_GPU = Text("no GPU", "GPUなし")


def update(profile: config.Profile, results: Path, root: Path = config.ROOT) -> list[Path]:
    """Put the headline table of `results` (…/results/SYSTEM) between the markers of both READMEs below `root`; returns them.

    Raises ReportError where there are no records or a README has no markers.
    """
    written = []
    for language, name in READMES.items():
        path = root / name
        text, count = BLOCK.subn(lambda m: m[1] + table(profile, results, language) + m[2], path.read_text(encoding="utf-8"))  # noqa: B023
        if not count:
            raise ReportError(f"{path}: no line <!-- headline -->; put one before the table and <!-- /headline --> after it")
        files.write_text(path, text)
        written.append(path)
    return written


def find(folder: Path, system: str) -> Path:
    """results/SYSTEM below outputs/PROFILE: the one named, else the only one. Raises ReportError for none or several."""
    found = sorted(path.parent for path in (folder / "results").glob(f"*/{headline.STAGE}.jsonl"))
    chosen = [path for path in found if system in ("", path.name)]
    if len(chosen) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ReportError(f"{folder / 'results'}: name one system with --system; there are: {there}")
    return chosen[0]


def table(profile: config.Profile, results: Path, language: Language) -> str:
    """The headline table of one system as Markdown, with a line that says what it was measured on."""
    measured = records.read(results)
    rows = headline.rows(measured, profile.precision.batch_size)
    head = [f"{c.label.in_(language)}{f' ({c.unit})' if c.unit else ''}" for c in headline.COLUMNS]
    lines = [head, ["---:" if c.digits is not None else "---" for c in headline.COLUMNS]]
    lines += [[_cell(row, column, language) for column in headline.COLUMNS] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{_measured_on(profile, results, measured, language)}\n"


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
    facts = {"dataset": last.dataset, "cpu": system["cpu"], "cores": system["cores"], "gpu": gpu, "date": last.started_at[:10]}
    return MEASURED_ON.in_(language).format(batch=profile.precision.batch_size, **facts, **libraries)
