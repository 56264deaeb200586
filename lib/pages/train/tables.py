"""The tables of notebook 01: the images, the layers, the result."""

from __future__ import annotations

from lib import stats
from lib.pages import common
from lib.pages.train import rules
from lib.pages.train.exhibits import Network
from lib.pages.train.rules import W
from lib.show.table import Column, Table
from lib.store.run import Run
from lib.words import COMMON


def data(run: Run) -> Table:
    """How many images there are for what."""
    rows = [
        {"split": W(f"splits.{r.case['split']}"), "use": W(f"uses.{r.case['split']}"), "images": r.value} for r in run.records("images")
    ]
    columns = [Column("split", W("columns.split")), Column("use", W("columns.use")), Column("images", W("columns.images"), "", 0)]
    return Table(rows, columns, W("captions.data", dataset=run.info.dataset if run.measured else "–"))


def network(run: Run) -> Table:
    """The layers that hold parameters or change the resolution."""
    found = run.exhibit("network", Network)
    rows = [
        {"layer": each.name, "kind": each.kind, "shape": " × ".join(map(str, each.shape)), "parameters": each.parameters}
        for each in (found.layers if found else [])
    ]
    columns = [Column("layer", W("columns.layer")), Column("kind", W("columns.kind")), Column("shape", W("columns.shape"))]
    columns.append(Column("parameters", W("columns.parameters"), "", 0))
    return Table(rows, columns, W("captions.network") if found else COMMON("table.not_recorded"), folded=True)


def result(run: Run) -> Table:
    """Accuracy with its interval (%), what guessing gives (%), parameters, training time (s)."""
    one, time, parameters = rules.accuracy(run), run.find("training_time"), run.find("parameters")
    row = {"accuracy": one.reason if one else common.NOT_RECORDED}
    if one is not None and one.value is not None:
        share = common.percent(stats.wilson(one.stats["correct"], one.stats["total"]))
        row = {"accuracy": share, "correct": one.stats["correct"], "images": one.stats["total"], "chance": 100 * common.chance(run, one)}
    row |= {"parameters": parameters.value if parameters else None, "seconds": time.value if time else None}
    columns = [
        Column("accuracy", COMMON("columns.accuracy"), "%", 2, interval=True),
        Column("correct", W("columns.correct"), "", 0),
        Column("images", W("columns.test_images"), "", 0),
        Column("chance", W("columns.chance"), "%", 1),
        Column("parameters", W("columns.parameters"), "", 0),
        Column("seconds", W("columns.seconds"), "s", 1),
    ]
    return Table([row], columns, W("captions.result"))
