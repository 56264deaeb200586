"""The tables of notebook 02: the files, what is inside them, how they answer."""

from __future__ import annotations

from typing import Any

from lib.experiment.candidate import ordered
from lib.pages import against, common
from lib.pages.export import rules
from lib.pages.export.exhibits import Samples
from lib.pages.export.rules import W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run
from lib.words import COMMON


def numbers(run: Run) -> Table:
    """Each file against the reference on all test images; no column of what nothing could be measured of."""
    rows, reference = list[dict[str, Any]](), against.reference(run)
    batches = not run.candidates("max_abs") or bool(run.records("batch_difference"))  # else the model takes one batch size
    for candidate in ordered([*run.candidates("max_abs"), *run.candidates("batch_difference")]):
        row = {"label": rules.file_label(run, candidate), "accuracy": common.share(run.find("accuracy", candidate))}
        row |= {"batch_difference": common.number(run.find("batch_difference", candidate))}
        if candidate != reference:
            row |= {"max_abs": common.number(run.find("max_abs", candidate)), "agreement": against.share(run, candidate)}
        rows.append(row)
    labelled = against.labelled(run)
    keys = "label max_abs agreement" + " accuracy" * labelled + " batch_difference" * batches
    caption = W("captions.numbers", reference=reference)
    return Table(rows, columns(W, keys), caption if labelled else against.said(caption, COMMON("captions.no_labels")))


def files(run: Run) -> Table:
    """Every exported file: size in MB, nodes, opset, seconds of its conversion."""
    rows, inside = list[dict[str, Any]](), rules.files(run)
    for candidate in run.candidates("file_size"):
        row = {"label": rules.file_label(run, candidate), "size": common.number(run.find("file_size", candidate), 1e-6)}
        row |= {"seconds": common.value(run, "export_time", candidate)}
        rows.append(row | ({"nodes": sum(file.nodes.values()), "opset": file.opset} if (file := inside.get(candidate)) else {}))
    common.mark(rows)
    for lost in (record for record in run.records("max_abs") if record.candidate and record.reason):
        rows.append({"label": rules.label(lost.candidate)} | dict.fromkeys(("size", "nodes", "opset", "seconds"), lost.reason))
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
