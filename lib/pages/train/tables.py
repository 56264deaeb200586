"""The tables of notebook 01: the images, the layers, the result."""

from __future__ import annotations

from lib.pages import common
from lib.pages.train.exhibits import Network
from lib.pages.train.rules import W
from lib.show.columns import columns
from lib.show.table import Table
from lib.store.run import Run


def data(run: Run) -> Table:
    """How many images there are for what."""
    rows = [
        {"split": W(f"splits.{r.case['split']}"), "use": W(f"uses.{r.case['split']}"), "images": r.value} for r in run.records("images")
    ]
    return Table(rows, columns(W, "split use images"), W("captions.data", dataset=run.info.dataset if run.measured else "–"))


def network(run: Run) -> Table:
    """The layers that hold parameters or change the resolution."""
    found = run.exhibit("network", Network) or Network(layers=[])
    rows = [
        {"layer": each.name, "kind": each.kind, "shape": " × ".join(map(str, each.shape)), "parameters": each.parameters}
        for each in found.layers
    ]
    return Table(rows, columns(W, "layer kind shape parameters"), W("captions.network"), folded=True)


def result(run: Run) -> Table:
    """Accuracy with its interval (%), what guessing gives (%), parameters, training time (s)."""
    one = run.find("accuracy", run.profile.reference)
    row = {"accuracy": common.share(one)}
    if one is not None and one.value is not None:
        row |= {"correct": one.stats["correct"], "test_images": one.stats["total"], "chance": 100 * common.chance(run, one)}
    row |= {"parameters": common.value(run, "parameters"), "seconds": common.value(run, "training_time")}
    return Table([row], columns(W, "accuracy correct test_images chance parameters seconds"), W("captions.result"))
