"""The tables of notebook 02: the files, what is inside them, how they answer."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.export import rules
from lib.pages.export.exhibits import Files, Samples
from lib.pages.export.rules import W
from lib.show.table import Column, Table
from lib.store.run import Run
from lib.words import COMMON

MODEL = Column("label", W("columns.model"))


def numbers(run: Run) -> Table:
    """Each file against the SavedModel on all test images."""
    rows = []
    for candidate in run.candidates("max_abs"):
        row: dict[str, Any] = {"label": rules.label(candidate)}
        for key, metric in (("difference", "max_abs"), ("batch", "batch_difference")):
            record = run.find(metric, candidate)
            row[key] = common.NOT_RECORDED if record is None else record.value if record.reason is None else record.reason
        for metric in ("agreement", "accuracy"):
            record = run.find(metric, candidate, case={})
            counts = record.stats if record is not None and record.value is not None else None
            row[metric] = common.percent(stats.wilson(counts["correct"], counts["total"])) if counts else common.NOT_RECORDED
        rows.append(row)
    columns = [
        MODEL,
        Column("difference", W("columns.difference"), "", 1, scientific=True),
        Column("agreement", W("columns.agreement"), "%", 2, interval=True),
        Column("accuracy", COMMON("columns.accuracy"), "%", 2, interval=True),
        Column("batch", W("columns.batch"), "", 1, scientific=True),
    ]
    return Table(rows, columns, W("captions.numbers"))


def files(run: Run) -> Table:
    """Every exported file: size in MB, nodes, opset, seconds of its conversion."""
    rows = []
    inside = {file.candidate: file for file in (run.exhibit("files", Files) or Files(files=[])).files}
    for candidate in run.candidates("export_time"):
        size, time, file = run.find("file_size", candidate), run.find("export_time", candidate), inside.get(candidate.key)
        row = {"label": rules.label(candidate), "size": size.value / 1e6 if size else None, "seconds": time.value if time else None}
        rows.append(row | {"nodes": sum(file.nodes.values()) if file else None, "opset": file.opset if file else None})
    common.mark(rows, "size", 2)
    columns = [
        MODEL,
        Column("size", W("columns.size"), "MB", 2),
        Column("nodes", W("columns.nodes"), "", 0),
        Column("opset", W("columns.opset"), "", 0),
        Column("seconds", W("columns.seconds"), "s", 1),
    ]
    return Table(rows, columns, W("captions.files"))


def operators(run: Run, runner: str) -> Table:
    """How many nodes of each operator the files of one format hold."""
    exhibit = run.exhibit("files", Files)
    parsed = [(Candidate.parse(file.candidate), file.nodes) for file in (exhibit.files if exhibit else [])]
    own = {candidate.precision: (candidate, nodes) for candidate, nodes in parsed if candidate.runner == runner}
    names = sorted({name for _, nodes in own.values() for name in nodes})
    rows = [{"operator": name} | {precision: nodes.get(name) for precision, (_, nodes) in own.items()} for name in names]
    columns = [Column("operator", W("columns.operator"))]
    columns += [Column(precision, candidate.precision_label, "", 0) for precision, (candidate, _) in own.items()]
    form = rules.FORMATS.get(runner, runner)
    return Table(rows, columns, W("captions.operators", form=form) if rows else COMMON("table.not_recorded"), folded=True)


def samples(run: Run) -> Table:
    """The files of samples for programs in other languages, sizes in kB."""
    exhibit = run.exhibit("samples", Samples)
    rows = [{"file": file.name, "size": file.bytes / 1e3} for file in (exhibit.files if exhibit else [])]
    columns = [Column("file", W("columns.file")), Column("size", W("columns.bytes"), "kB", 1)]
    return Table(rows, columns, W("captions.samples") if rows else COMMON("table.not_recorded"), folded=True)
