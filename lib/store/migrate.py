"""Brings what the first version recorded (schema 1) to this one: flat records, findings and executed notebooks to one sealed file a page.

Kept is what UNITS names, and engines' layers. What can be computed goes (throughputs, ratios, p-values, intervals), and so does what is
rare: of candidates neither of which is the reference, of an engine's calls, of tensors between layers; figures. Timings had no rounds:
the means of their windows stand in for them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import create_model

from lib.data import cifar10
from lib.errors import ReportError
from lib.experiment import profile as profiles
from lib.experiment.candidate import SAVED_MODEL_REFERENCE as REFERENCE
from lib.experiment.candidate import Candidate
from lib.store import stage_file
from lib.store.records import PERCENTILES, WINDOWS, Exhibit, Reason, Record
from lib.store.stage_file import Stage
from lib.text import Text

Old = dict[str, Any]  # one line of schema 1
NAMES = {"disagreement": "agreement", "max_abs_difference": "max_abs", "mean_abs_difference": "mean_abs", "plan_size": "file_size"}
NAMES |= {"layer_time": "layers_time"}  # where there is none: those of layers are added up
UNITS = {"file_size": "bytes", "parameters": "count", "latency": "ms", "layers_time": "ms"}  # of what is kept, by today's names
UNITS |= dict.fromkeys(("training_time", "export_time", "load_time", "build_time"), "s") | dict.fromkeys(("accuracy", "agreement"), "share")
UNITS |= dict.fromkeys(("max_abs", "mean_abs", "cosine", "batch_difference"), "difference")
Kept = create_model("Kept", __base__=Exhibit, engines=(list[dict[str, Any]], ...))  # the page that shows it has its type


def migrate(results: Path) -> list[Path]:
    """Bring every stage of results/SYSTEM that has schema 1 to this one; returns the files that were written.

    What nothing reads any more (findings, system.json, executed notebooks) is removed after all of them are there. Raises
    ReportError, one line, for a file that is no record of schema 1, or whose executed notebook is not beside it.
    """
    old = {path: lines for path in sorted(results.glob("[0-9][0-9]_*.jsonl")) if (lines := _lines(path)) is not None}
    made = [(path, _stage(path, lines), *_content(lines)) for path, lines in old.items()]
    for path, stage, found, exhibits in made:
        stage_file.write(path, stage, found, exhibits)
    if made:
        for path in [*results.glob("*.findings.json"), results / "system.json"]:
            path.unlink(missing_ok=True)
        shutil.rmtree(results / "executed", ignore_errors=True)
    return [path for path, *_ in made]


def _lines(path: Path) -> list[Old] | None:
    """The records of a file of schema 1, None for one of another schema."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if lines and lines[0].keys() == {"stage", "schema"}:
            return None
        if not all(line["schema"] == 1 and {"metric", "unit", "value", "case", "stats"} <= line.keys() for line in lines):
            raise ValueError("not schema 1")
        return lines
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: not recorded by an earlier version ({error}); bring it back as it was, or remove it") from None


def _stage(path: Path, lines: list[Old]) -> Stage:
    """What the executed notebook says of its run."""
    notebook = path.parent / "executed" / f"{path.stem}.ipynb"
    try:
        note = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["report"]
        values: Old = {"name": note["profile"]}
        for key, value in note["parameters"]:
            section, name = key.split(".")
            values.setdefault(section, {})[name] = yaml.safe_load(value)
        old = values["measuring"]
        now = {"slice_s": old["window_s"], "rounds": max(3, old["stable_windows"])}
        values["measuring"] = now | {key: old[key] for key in ("warmup_s", "tolerance")}
        profile = profiles.recorded(values).model_dump(mode="json")
        name = profile["dataset"]["name"]
        names = list(cifar10.CLASS_NAMES if name == "cifar10" else "0123456789")
        common = {key: note[key] for key in ("run_id", "system_id", "system", "started_at", "seconds")}
        return Stage(stage=path.stem, profile=profile, dataset=lines[0]["dataset"] if lines else name, class_names=names, **common)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{notebook}: does not say how {path.name} was measured ({error}); bring it back, or run it again") from None


def _content(lines: list[Old]) -> tuple[list[Record], dict[str, Exhibit]]:
    """A file's records and exhibits."""
    apart = {_of(line): line["stats"] for line in lines if line["metric"] == "mcnemar_p" and "only_this" in line["stats"] and _kept(line)}
    found, layers = dict[Any, Record](), dict[str, list[Old]]()
    for line in filter(_kept, lines):
        metric = NAMES.get(line["metric"], line["metric"])
        if metric == "layers_time" and line["value"] is not None:
            layers.setdefault(_of(line)[0], []).append(line)
        elif metric in UNITS:
            found |= {r.key: r for r in _records(line, metric, UNITS[metric], apart.get(_of(line), {})) if r.key not in found}
    for candidate, own in layers.items():
        total = {"value": sum(line["value"] for line in own), "stats": {"n": own[0]["stats"]["n"]}, "case": {}}
        found["layers", candidate] = _made(own[0], "layers_time", "ms", **total)
    engines = [{"candidate": candidate, "layers": _layers(own)} for candidate, own in layers.items()]
    return list(found.values()), {"layers": Kept(engines=engines)} if engines else {}


def _records(line: Old, metric: str, unit: str, apart: Old) -> Iterable[Record]:
    """What one old record comes to. apart: what McNemar's test against the reference was made of."""
    stats, changes = line["stats"], dict[str, Any]()
    if metric == "latency" and line["value"] is not None:
        for scope, told in (("end_to_end", stats), ("gpu_compute", stats.get("gpu_compute"))):
            if told:
                kept = {key: told[key] for key in (*PERCENTILES, "n") if key in told} | {"rounds": WINDOWS}
                yield _made(line, metric, unit, value=told["p50"], scope=scope, stats=kept, samples=told["window_means_ms"])
        return
    if line["value"] is not None and unit == "share":
        total = stats.get("images", stats.get("tested"))
        correct = stats["correct"] if "correct" in stats else total - stats.get("disagree", stats.get("disagreeing"))
        told = {"only_reference": apart["only_reference"], "only_candidate": apart["only_this"]} if metric == "accuracy" and apart else {}
        changes = {"value": correct / total, "stats": {"correct": correct, "total": total} | told}
    yield _made(line, metric, unit, **changes)
    if stats.get("calibration_s") is not None:
        yield _made(line, "calibration_time", "s", value=stats["calibration_s"], stats={}, samples=[])


def _layers(own: list[Old]) -> list[Old]:
    """An engine's layers, in its order, as page 03 keeps them."""
    told = [line["case"] | line["stats"] | {"name": line["case"]["layer"], "ms": line["value"]} for line in own]
    keys = ("name", "kind", "type", "tactic", "ms", "p10_ms", "p90_ms")
    return [{key: one[key] for key in keys} for one in sorted(told, key=lambda one: one["index"])]


def _made(line: Old, metric: str, unit: str, **changes: Any) -> Record:
    """A record of what an old one says, but for `changes`."""
    candidate, case = _of(line)
    names = ("value", "batch_size", "scope", "stats", "samples", "artifact_sha256")
    values = {name: line[name] for name in names} | {"case": dict(case)} | changes
    if why := line["reason"]:
        reason = Reason("failed", {"message": why[0]}) if line["stats"].get("failed") else Reason.verbatim(Text(*why))
        values |= {"stats": {}, "samples": [], "artifact_sha256": "", "reason": reason}
    return Record(metric, unit, candidate=Candidate.parse(candidate) if line["runner"] else None, **values)


def _of(line: Old) -> tuple[str, tuple[Any, ...]]:
    """Candidate and case, without the reference; INT8+FP16 was calibrated in one way, which is that of its engine."""
    gone = ("reference", "method", "images") if line["precision"] == "int8_fp16" else ("reference",)
    return f"{line['runner']}/{line['precision']}", tuple((key, value) for key, value in line["case"].items() if key not in gone)


def _kept(line: Old) -> bool:
    """Whether it compares with the reference or with nothing, the outputs of the plain call."""
    return line["case"].get("reference", REFERENCE.key) == REFERENCE.key and not line["case"].keys() & {"api", "tensor"}
