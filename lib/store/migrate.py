"""Brings what the first version recorded (schema 1) to this one: flat records, findings and executed notebooks to one sealed file a page.

`migrate` knows that version's names. What can be computed from other numbers goes (throughputs, ratios, p-values, intervals), and
so does what only its executed notebooks held (figures). Its timings had no rounds: the means of its windows stand in for them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict

from lib.data import cifar10
from lib.errors import ReportError
from lib.experiment import profile as profiles
from lib.experiment.candidate import REFERENCE, Candidate, Way
from lib.store import stage_file
from lib.store.records import PERCENTILES, UNITS, Exhibit, Reason, Record
from lib.store.stage_file import Stage
from lib.text import Text

Old = dict[str, Any]  # one line of schema 1
GONE = ("throughput", "throughput_ratio", "file_size_ratio", "plan_size_ratio", "build_time_ratio", "accuracy_ratio", "latency_ratio")
CALIBRATION = ("method", "images")  # of a case in 04
TOTAL = 10_000  # test images, where an old record does not say how many
ROUNDS = {"rounds": "windows"}  # stats of latencies: windows of one block, one candidate after the other


class Kept(Exhibit):
    """An exhibit made of old records; the page that shows it has its type."""

    model_config = ConfigDict(extra="allow")


def migrate(results: Path) -> list[Path]:
    """Bring every stage of results/SYSTEM that has schema 1 to this one; returns the files that were written.

    What nothing reads any more (findings, system.json, executed notebooks) is removed after all of them are there. Raises
    ReportError, one line, for a file that is no record of schema 1, or whose executed notebook is not beside it.
    """
    old = {path: lines for path in sorted(results.glob("[0-9][0-9]_*.jsonl")) if (lines := _lines(path)) is not None}
    plans = {_of(line): line["artifact_sha256"] for lines in old.values() for line in lines if line["metric"] == "plan_size"}
    made = [(path, _stage(path, lines), *_content(path, lines, plans)) for path, lines in old.items()]
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
        if any("stage" in line and "schema" in line and "metric" not in line for line in lines[:1]):
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
        profile = profiles.to_record(profiles.recorded(_profile(note)))
        dataset = lines[0]["dataset"] if lines else profile["dataset"]["name"]
        names = list(cifar10.CLASS_NAMES) if profile["dataset"]["name"] == "cifar10" else [str(digit) for digit in range(10)]
        common = {key: note[key] for key in ("run_id", "system_id", "system", "started_at", "seconds")}
        return Stage(stage=path.stem, profile=profile, dataset=dataset, class_names=names, **common)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{notebook}: does not say how {path.name} was measured ({error}); bring it back, or run it again") from None


def _profile(note: Old) -> Old:
    """The parameters, (key, YAML) each, as this version names them."""
    found: Old = {"name": note["profile"]}
    for key, value in note["parameters"]:
        section, name = key.split(".")
        found.setdefault(section, {})[name] = yaml.safe_load(value)
    old = found["measuring"]
    kept = {key: old[key] for key in ("warmup_s", "tolerance")}
    return found | {"measuring": kept | {"slice_s": old["window_s"], "rounds": max(3, old["stable_windows"])}}


def _content(path: Path, lines: list[Old], plans: dict[str, str]) -> tuple[list[Record], dict[str, Exhibit]]:
    """A file's records and exhibits. plans: artifact of the engine of each candidate (see `_of`)."""
    calibrated = {key: {_calibration(line) for line in lines if _of(line) == key} - {()} for key in map(_of, lines)}
    found: dict[Any, Record] = {}
    for line in lines:
        if len(calibrated[_of(line)]) == 1:  # calibrated in one way only: that is the engine of this name
            line["case"] = {key: value for key, value in line["case"].items() if key not in CALIBRATION}
        for record in _records(line, lines, plans):
            found.setdefault(record.key, record)
    layers = [line for line in lines if line["metric"] == "layer_time" and line["value"] is not None]
    found |= {record.key: record for record in _sums(layers)}
    return list(found.values()), {"layers": Kept(engines=_layers(layers))} if layers else {}


def _records(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    """What one old record comes to."""
    metric, case = line["metric"], line["case"]
    if metric in GONE or (metric == "layer_time" and line["value"] is not None):
        return
    if "api" in case:
        yield from _call(line, lines)
    elif metric in COMPARED and case.get("reference", REFERENCE.key) != REFERENCE.key:
        yield from _pair(line, lines)
    else:
        yield from HOW.get(metric, _as_it_is)(line, lines, plans)


def _accuracy(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    stats, case = line["stats"], line["case"]
    kept = {key: value for key, value in stats.items() if key not in ("ci_low", "ci_high", "chance", "images", "tested")}
    kept |= _counts(line, stats.get("correct"))
    if "chance" in stats and float(stats["chance"] * kept.get("total", 0)).is_integer():
        kept["largest_class"] = int(stats["chance"] * kept["total"])
    for other in lines:  # which images the one alone has right, against the reference: what McNemar's test was made of
        if other["metric"] == "mcnemar_p" and _of(other) == _of(line) and other["case"] == case | {"reference": REFERENCE.key}:
            apart = other["stats"]
            kept |= {"only_reference": apart["only_reference"], "only_candidate": apart["only_this"]} if "only_this" in apart else {}
    yield _made(line, "accuracy", "share", stats=kept)
    if case and line["artifact_sha256"] and line["artifact_sha256"] == plans.get(_of(line)):
        yield _made(line, "accuracy", "share", case={}, stats=kept)  # of the very engine of this name


def _apart(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    """McNemar's counts against anything but the reference, which has them in its accuracy."""
    if line["case"].get("reference", REFERENCE.key) != REFERENCE.key and "only_this" in line["stats"]:
        own = {"only_reference": line["stats"]["only_reference"], "only_candidate": line["stats"]["only_this"], "total": TOTAL}
        yield _made(line, "accuracy_difference", "difference", value=line["stats"]["difference"], stats=own)


def _agreement(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    yield _made(line, "agreement", "share", case=_without_reference(line), stats=_counts(line, _same(line)))


def _disagreement(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    total = line["stats"].get("tested", TOTAL)
    same = total - line["stats"].get("disagreeing", 0)
    value = None if line["value"] is None else same / total
    yield _made(line, "agreement", "share", value=value, stats={} if value is None else {"correct": same, "total": total})


def _difference(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    name = line["metric"].removesuffix("_difference") if line["metric"] in COMPARED else line["metric"]
    kept = {key: value for key, value in line["stats"].items() if key not in ("tolerance", "over_tolerance", "failed")}
    yield _made(line, name, "difference", case=_without_reference(line), stats=kept)


def _latency(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    for scope, stats in (("end_to_end", line["stats"]), ("gpu_compute", line["stats"].get("gpu_compute"))):
        if stats is not None and line["value"] is not None:
            kept = {key: stats[key] for key in (*PERCENTILES, "n") if key in stats} | ROUNDS
            yield _made(line, "latency", "ms", value=stats["p50"], scope=scope, stats=kept, samples=stats["window_means_ms"])
    if line["value"] is None:
        yield _made(line, "latency", "ms")


def _layer_time(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    yield _made(line, "layers_time", "ms", case={}, stats={})


def _build_time(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    stats = dict(line["stats"])
    calibration = stats.pop("calibration_s", None)
    yield _made(line, "build_time", "s", stats=stats)
    if calibration is not None:
        yield _made(line, "calibration_time", "s", value=calibration, stats={}, samples=[])


def _relative(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    kept = {key: line["stats"][key] for key in ("index", "operator", "max_abs", "images") if key in line["stats"]}
    yield _made(line, "relative_difference", "ratio", case=_without_reference(line), stats=kept)


def _as_it_is(line: Old, lines: list[Old], plans: dict[str, str]) -> Iterable[Record]:
    unit = "count" if line["metric"] == "parameters" else line["unit"]
    if unit not in UNITS:
        unit = "difference" if (line["value"] or 0) < 0 else "ratio"
    yield _made(line, {"plan_size": "file_size"}.get(line["metric"], line["metric"]), unit)


def _call(line: Old, lines: list[Old]) -> Iterable[Record]:
    """An engine called in one way, against the call that all others are compared with."""
    case = line["case"]
    other = next((o for o in lines if o["metric"] == "max_abs_difference" and _of(o) == _of(line) and o["case"] == case), line)
    if line["metric"] == "agreement":
        candidate = Candidate(line["runner"], line["precision"], Way(case["api"], bool(case["graph"])))
        stats = {} if line["value"] is None else _counts(line, _same(line)) | {"max_abs": other["value"]}
        yield _made(line, "call_agreement", "share", candidate=candidate, batch_size=case["batch"], case={}, stats=stats)


def _pair(line: Old, lines: list[Old]) -> Iterable[Record]:
    """Two candidates neither of which is the reference."""
    if line["metric"] == "agreement" and line["value"] is not None:
        same = [o for o in lines if _of(o) == _of(line) and o["case"] == line["case"]]
        beside = {o["metric"].removesuffix("_difference"): o["value"] for o in same if o["metric"] in COMPARED and o is not line}
        stats = _counts(line, _same(line)) | beside
        yield _made(line, "pair_agreement", "share", case={"other": line["case"]["reference"]}, stats=stats)


def _sums(layers: list[Old]) -> Iterable[Record]:
    """The sum of an engine's layers."""
    for key in dict.fromkeys(map(_of, layers)):
        own = [line for line in layers if _of(line) == key]
        total = sum(line["value"] for line in own)
        yield _made(own[0], "layers_time", "ms", value=total, case={}, stats={"n": own[0]["stats"]["n"]})


def _layers(layers: list[Old]) -> list[Old]:
    """Every engine's layers, as page 03 keeps them."""
    by: dict[str, list[Old]] = {}
    for line in sorted(layers, key=lambda line: line["case"]["index"]):
        case, stats = line["case"], line["stats"]
        times = {"ms": line["value"], "p10_ms": stats["p10_ms"], "p90_ms": stats["p90_ms"]}
        by.setdefault(_of(line), []).append(
            {"name": case["layer"], "kind": case["kind"], "type": case["type"], "tactic": case["tactic"]} | times
        )
    return [{"candidate": candidate, "layers": found} for candidate, found in by.items()]


def _made(line: Old, metric: str, unit: str, **changes: Any) -> Record:
    """A record of what an old one says, but for `changes`."""
    reason = line["reason"] and Reason.verbatim(Text(*line["reason"]))
    values = {
        "value": line["value"],
        "batch_size": line["batch_size"],
        "scope": line["scope"],
        "case": line["case"],
        "stats": line["stats"],
    }
    values |= {"samples": line["samples"], "candidate": Candidate.parse(_of(line)) if line["runner"] else None} | changes
    if line["value"] is None and reason:
        failed = Reason("failed", {"message": line["reason"][0]}) if line["stats"].get("failed") else reason
        return Record(metric, unit, **values | {"stats": {}, "samples": [], "reason": failed})
    return Record(metric, unit, **values, artifact_sha256=line["artifact_sha256"])


def _of(line: Old) -> str:
    return f"{line['runner']}/{line['precision']}"


def _calibration(line: Old) -> tuple[Any, ...]:
    return tuple(line["case"][key] for key in CALIBRATION if key in line["case"])


def _without_reference(line: Old) -> Old:
    return {key: value for key, value in line["case"].items() if key != "reference"}


def _same(line: Old) -> int | None:
    """Images of the same class."""
    stats = line["stats"]
    differing = stats.get("disagreeing", stats.get("disagree"))
    return None if differing is None else stats.get("images", TOTAL) - differing


def _counts(line: Old, correct: int | None) -> dict[str, int]:
    """correct and total of a share, {} where it is no count of images."""
    if line["value"] is None:
        return {}
    total = line["stats"].get("images", line["stats"].get("tested", TOTAL))
    correct = round(line["value"] * total) if correct is None else correct
    return {"correct": correct, "total": total} if abs(correct - line["value"] * total) < 1e-6 else {}


COMPARED = ("max_abs_difference", "mean_abs_difference", "cosine", "agreement")
HOW: dict[str, Callable[[Old, list[Old], dict[str, str]], Iterable[Record]]] = {
    "accuracy": _accuracy,
    "mcnemar_p": _apart,
    "agreement": _agreement,
    "disagreement": _disagreement,
    "max_abs_difference": _difference,
    "mean_abs_difference": _difference,
    "cosine": _difference,
    "batch_difference": _difference,
    "marking_difference": _difference,
    "relative_difference": _relative,
    "latency": _latency,
    "layer_time": _layer_time,
    "build_time": _build_time,
}
