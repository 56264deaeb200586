"""The tables of notebook 02: the files, what is inside them, how they answer."""

from __future__ import annotations

from lib.pages import common
from lib.pages.export import rules
from lib.pages.export.exhibits import Samples
from lib.pages.export.rules import W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run


def numbers(run: Run) -> Table:
    """Each file against the SavedModel on all test images."""
    rows = []
    for candidate in run.candidates("max_abs"):
        row = {"label": rules.label(candidate)} | {m: common.number(run.find(m, candidate)) for m in ("max_abs", "batch_difference")}
        rows.append(row | {metric: common.share(run.find(metric, candidate)) for metric in ("agreement", "accuracy")})
    return Table(rows, columns(W, "label max_abs agreement accuracy batch_difference"), W("captions.numbers"))


def files(run: Run) -> Table:
    """Every exported file: size in MB, nodes, opset, seconds of its conversion."""
    rows, inside = [], rules.files(run)
    for candidate in run.candidates("export_time"):
        row = {"label": rules.label(candidate), "size": common.number(run.find("file_size", candidate), 1e-6)}
        row |= {"seconds": common.value(run, "export_time", candidate)}
        rows.append(row | ({"nodes": sum(file.nodes.values()), "opset": file.opset} if (file := inside.get(candidate)) else {}))
    common.mark(rows)
    return Table(rows, columns(W, "label size nodes opset seconds"), W("captions.files"))


def operators(run: Run, runner: str) -> Table:
    """How many nodes of each operator the files of one format hold."""
    own = {candidate: file.nodes for candidate, file in rules.files(run).items() if candidate.runner == runner}
    names = sorted({name for nodes in own.values() for name in nodes})
    rows = [{"operator": name} | {candidate.precision: nodes.get(name) for candidate, nodes in own.items()} for name in names]
    counts = [Column(candidate.precision, candidate.precision_label, "", 0) for candidate in own]
    caption = W("captions.operators", form=rules.FORMATS.get(runner, runner))
    return Table(rows, columns(W, "operator") + counts, caption, folded=True)


def samples(run: Run) -> Table:
    """The files of samples for programs in other languages, sizes in kB."""
    found = run.exhibit("samples", Samples) or Samples(files=[])
    rows = [{"file": file.name, "bytes": file.bytes / 1e3} for file in found.files]
    return Table(rows, columns(W, "file bytes"), W("captions.samples"), folded=True)
