"""The tables of notebook 01 of a user's own model: the result, the model, its preprocessing, its input, and what was tried."""

from __future__ import annotations

from typing import Any

from lib.pages import common
from lib.pages.model import rules
from lib.pages.model.exhibits import Facts, LeftOut, Mistakes, Preprocessing, Statistics
from lib.pages.model.rules import W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run

DIGITS = 3  # of the input's values


def result(run: Run) -> Table:
    """Top-1 and top-5 accuracy with their intervals (%), and what guessing gives (%)."""
    rows = []
    for metric in ("accuracy", "top5"):
        one = run.find(metric, run.profile.reference) if run.measured else None
        if one is None and metric == "top5":  # of a few classes it says nothing
            continue
        row = {"metric": W(f"metrics.{metric}"), "accuracy": common.share(one)}
        if one is not None and one.value is not None:
            row |= {"correct": one.stats["correct"], "test_images": one.stats["total"]}
            row |= {"chance": 100 * common.chance(run, one)} if metric == "accuracy" else {}
        rows.append(row)
    return Table(rows, columns(W, "metric accuracy correct test_images chance"), W("captions.result"))


def data(run: Run) -> Table:
    """How many images there are for what."""
    rows = [
        {"split": W(f"splits.{r.case['split']}"), "use": W(f"uses.{r.case['split']}"), "images": r.value} for r in run.records("images")
    ]
    return Table(rows, columns(W, "split use images"), W("captions.data", dataset=run.info.dataset if run.measured else "–"))


def facts(run: Run) -> Table:
    """What the model's file says."""
    found = run.exhibit("facts", Facts)
    rows: list[dict[str, Any]] = []
    if found is not None:
        values = {
            "source": W(f"sources.{found.source}", file=found.file),
            "input": f"{found.input}, {found.dtype}, {found.layout}, {found.size[0]} × {found.size[1]} × {found.channels}",
            "output": W("outputs.logits" if found.logits else "outputs.probabilities", name=found.output),
            "classes": f"{found.classes:,}",
            "batch": W("batches.any") if found.batch is None else W("batches.one", batch=found.batch),
            "opset": None if found.opset is None else str(found.opset),
            "parameters": None if found.parameters is None else f"{found.parameters:,}",
            "file_size": f"{found.bytes / 1e6:,.2f} MB",
            "operators": ", ".join(f"{name} {count}" for name, count in found.operators.items()) or None,
        }
        rows = [{"fact": W(f"facts.{key}"), "value": value} for key, value in values.items() if value is not None]
    return Table(rows, columns(W, "fact value"), W("captions.facts"))


def preprocessing(run: Run) -> Table:
    """How an image becomes the model's input, by the profile's keys; what counts for nothing is left out."""
    found = run.exhibit("preprocessing", Preprocessing)
    values = found.model_dump() if found else {}
    if values:
        whole = values["resize"] == "pad" or values["resize_size"] is not None
        values = {key: value for key, value in values.items() if value is not None and not (key == "crop_pct" and whole)}
    rows = [{"key": key, "value": _written(value), "meaning": W(f"meanings.{key}")} for key, value in values.items()]
    return Table(rows, columns(W, "key value meaning"), W("captions.preprocessing"))


def statistics(run: Run) -> Table:
    """Mean and standard deviation of each channel of the input, beside what mean and std of the profile are there to make."""
    seen, found, units = run.exhibit("statistics", Statistics), run.exhibit("preprocessing", Preprocessing), rules.promised(run)
    if seen is None:
        return Table([], _values(), W("captions.no_statistics"))
    letters = found.channels if found and len(seen.mean) == len(found.channels) else ""
    rows = []
    for channel, (mean, std) in enumerate(zip(seen.mean, seen.std, strict=True)):
        row = {"channel": W(f"colours.{letters[channel]}" if letters else "colours.gray", index=channel), "mean": mean, "std": std}
        rows.append(row | ({"expected_mean": 0.0, "expected_std": units[channel]} if units else {}))
    caption = W("captions.statistics", images=seen.images, low=f"{seen.low:.4g}", high=f"{seen.high:.4g}")
    return Table(rows, _values(), caption)


def probe(run: Run) -> Table:
    """Every usual mistake in place of the profile's choice: accuracy (%), difference to the own one (pp), what to write for it."""
    rows = _tried(run, "probed", lambda record: {"kind": rules.kind(record), "choice": rules.name(record)})
    return Table(rows, columns(W, "kind choice accuracy difference line"), W("captions.probe"))


def labels(run: Run) -> Table:
    """The same answers with the outputs taken for other classes."""
    rows = _tried(run, "probed_labels", lambda record: {"choice": rules.choice(record)})
    return Table(rows, columns(W, "choice accuracy difference line"), W("captions.labels"))


def mistakes(run: Run) -> Table:
    """The classes that are most often taken for another."""
    found = run.exhibit("mistakes", Mistakes) or Mistakes(pairs=[])
    rows = [{"truth": each.truth, "taken": each.taken, "images": each.count, "test_images": each.total} for each in found.pairs]
    return Table(rows, columns(W, "truth taken images test_images"), W("captions.mistakes"))


def left_out(run: Run) -> Table:
    """Files that are no whole images, with reasons."""
    found = run.exhibit("left_out", LeftOut)
    rows = [{"file": file} for file in found.files] if found else []
    nothing = {"nothing": W("captions.none_left_out")} if found else {}
    return Table(rows, columns(W, "file"), W("captions.left_out"), folded=True, **nothing)


def _values() -> list[Column]:
    keys = ("mean", "std", "expected_mean", "expected_std")
    return columns(W, "channel") + [Column(key, W(f"columns.{key}"), "", DIGITS) for key in keys]


def _tried(run: Run, metric: str, named: Any) -> list[dict[str, Any]]:
    """Rows of what was tried: the profile's own, the others by accuracy, those that could not be tried."""
    every = run.records(metric)
    own = [record for record in every if record.case.get("kind") == rules.OWN]
    rows = [{"kind": W("kinds.own"), "choice": None, "accuracy": common.share(record)} for record in own]
    for each in rules.tried(run, metric):
        row = named(each.record) | {"accuracy": common.share(each.record), "difference": each.apart}
        rows.append(row | {"line": ", ".join(rules.lines(each.record))} | ({"best": {"accuracy", "difference"}} if each.better else {}))
    lost = [record for record in every if record.value is None and record not in own]
    return rows + [named(record) | dict.fromkeys(("accuracy", "difference"), record.reason) for record in lost]


def _written(value: Any) -> str:
    """A value as the profile has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
