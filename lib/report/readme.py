"""The tables of the READMEs, written from recorded runs: no number of theirs is typed."""

from __future__ import annotations

import re
from pathlib import Path

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.pages.against import reference
from lib.report import headline, shell
from lib.report.shell import WORDS
from lib.show.table import BEST, Column, Table, number
from lib.stats import Interval
from lib.store import files
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import COMMON

READMES: dict[Language, str] = {"en": "README.md", "ja": "README.ja.md"}
ENGINES = "tensorrt"  # the backend whose engines have a table of their own
LIBRARIES = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime", "onnxruntime-gpu": "ONNX Runtime", "tensorrt": "TensorRT"}
LIBRARIES |= {"tensorrt-rtx-cu13-libs": "TensorRT for RTX"}


def update(results: Path, root: Path = config.ROOT) -> list[Path]:
    """Put what `results` (…/results/SYSTEM) measured between the markers of both READMEs below `root`; returns them.

    The headline table where the reference was measured there, the table of engines where TensorRT's engines were. Raises
    ReportError where a README has no markers for a table, and for records that are not as they were written.
    """
    run = Run.open(results).newest()
    for language, name in READMES.items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        for block, written in tables(run, language).items():
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


def tables(run: Run, language: Language) -> dict[str, str]:
    """The tables that one system's records fill, as Markdown: marker -> table and a line on what it was measured on."""
    doubtful = any(finding.level == "warn" for stage in run.files for finding in shell.findings(run.of(stage)))
    shown, made = headline.table(run, doubtful), {}
    engines = [row for row in shown.rows if row["candidate"].runner == ENGINES]
    blocks = {"headline": shown.rows if any(row["candidate"] == reference(run) for row in shown.rows) else []}
    blocks["engines"] = engines if any(headline.measured(row, headline.LATENCY) for row in engines) else []
    for block, rows in blocks.items():
        if rows:
            made[block] = _markdown(Table(rows, shown.columns, shown.caption), language) + f"\n{_measured_on(run, language)}\n"
    return made


def _markdown(table: Table, language: Language) -> str:
    head = [f"{c.label.in_(language)}{f' ({c.unit})' if c.unit else ''}" for c in table.columns]
    lines = [head, ["---:" if c.digits is not None else "---" for c in table.columns]]
    for row in table.rows:
        lines.append([_cell(row.get(column.key), column, column.key in row.get(BEST, ()), language) for column in table.columns])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object, column: Column, best: bool, language: Language) -> str:
    if isinstance(value, Text):
        return value.in_(language)
    if value is None:
        return "–"
    if not isinstance(value, (int, float, Interval)):
        return COMMON("table.not_measured").in_(language)
    ends = f" [{number(value.low, column)}, {number(value.high, column)}]" if isinstance(value, Interval) else ""
    return f"**{number(value, column)}**{ends}" if best else f"{number(value, column)}{ends}"


def _measured_on(run: Run, language: Language) -> str:
    info, system = run.info, run.info.system
    gpu = system["gpus"][0]["name"] if system["gpus"] else shell.NO_GPU
    libraries = [f"{said} {system['libraries'][name]}" for name, said in LIBRARIES.items() if name in system["libraries"]]
    facts = {"dataset": info.dataset, "cpu": system["cpu"], "cores": system["cores"], "gpu": gpu, "date": info.started_at[:10]}
    return WORDS("readme.measured_on", batch=headline.batch_size(run), libraries=libraries, **facts).in_(language)
