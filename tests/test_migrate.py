"""What the first version recorded, brought to this one: every number under its new name, nothing that can be computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.errors import ReportError
from lib.experiment import profile as profiles
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.pages.engines.exhibits import Profiles
from lib.store import migrate
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text

EMPTY: dict[str, Any] = {
    "runner": "",
    "precision": "",
    "batch_size": None,
    "scope": "",
    "case": {},
    "stats": {},
    "samples": [],
    "reason": None,
}
EMPTY |= {"artifact_sha256": "", "schema": 1, "run_id": "r", "system_id": "sys", "dataset": "CIFAR-10, JPEG mirror"}
ONNX, TENSORRT = {"runner": "onnxrt", "precision": "fp32"}, {"runner": "tensorrt", "precision": "int8"}
PARAMETERS = {"window_s": "0.5", "stable_windows": "3", "warmup_s": "0.5", "tolerance": "0.05", "limit_s": "6.0"}
ENTROPY = {"method": "entropy", "images": 320}
MISSING = ["no GPU", "GPUがない"]


def old(metric: str, unit: str, value: float | None, **more: Any) -> dict[str, Any]:
    return EMPTY | {"metric": metric, "unit": unit, "value": value} | more


def stage(results: Path, name: str, *lines: dict[str, Any]) -> None:
    """A stage as the first version left it: records, findings, the system, the executed notebook."""
    (results / "executed").mkdir(parents=True, exist_ok=True)
    (results / f"{name}.jsonl").write_text("".join(f"{json.dumps(line | {'stage': name})}\n" for line in lines))
    (results / f"{name}.findings.json").write_text("[]")
    (results / "system.json").write_text("{}")
    values = {key: value for key, value in profiles.as_rows(profiles.load("cifar10")) if not key.startswith("measuring.")}
    values |= {f"measuring.{key}": value for key, value in PARAMETERS.items()}
    system = {"cpu": "A CPU", "cores": 2, "memory_gib": 8, "gpus": [], "os": "Linux", "python": "3.11", "libraries": {}}
    note = {"profile": "cifar10", "run_id": "r", "system_id": "sys", "seconds": 16.7, "started_at": "2026-11-21T16:37:37+00:00"}
    note |= {"parameters": [list(row) for row in values.items()], "system": system}
    (results / "executed" / f"{name}.ipynb").write_text(json.dumps({"metadata": {"report": note}, "cells": []}))


def moved(tmp_path: Path, name: str, *lines: dict[str, Any]) -> Run:
    stage(tmp_path / "sys", name, *lines)
    migrate.migrate(tmp_path / "sys")
    return Run.open(tmp_path / "sys", name)


def only(run: Run, metric: str, **where: Any) -> Record:
    (found,) = run.records(metric, **where)
    return found


def test_the_stage_knows_its_run_its_system_and_its_parameters(tmp_path: Path) -> None:
    stage(tmp_path / "sys", "01_train", old("parameters", "1", 7.0))
    stage(tmp_path / "sys", "08_cross_version", old("accuracy_ratio", "1", 1.0, **TENSORRT))
    written = migrate.migrate(tmp_path / "sys")
    assert written == [tmp_path / "sys" / "01_train.jsonl", tmp_path / "sys" / "08_cross_version.jsonl"]
    assert sorted(path.name for path in (tmp_path / "sys").iterdir()) == ["01_train.jsonl", "08_cross_version.jsonl"]
    run = Run.open(tmp_path / "sys", "01_train")
    assert (run.info.run_id, run.info.started_at, run.info.seconds) == ("r", "2026-11-21T16:37:37+00:00", 16.7)
    assert (run.info.dataset, run.info.class_names[0], run.info.system["cpu"]) == ("CIFAR-10, JPEG mirror", "airplane", "A CPU")
    assert run.profile.train == profiles.load("cifar10").train
    measuring = run.profile.measuring
    assert (measuring.slice_s, measuring.rounds, measuring.warmup_s, measuring.tolerance) == (0.5, 3, 0.5, 0.05)
    assert run.records() == [Record("parameters", "count", 7.0)]
    assert run.of("08_cross_version").records() == []
    assert migrate.migrate(tmp_path / "sys") == []  # it is there already


def test_accuracies_are_counts_and_know_what_mcnemar_s_test_was_made_of(tmp_path: Path) -> None:
    against = {"case": {"reference": SAVED_MODEL_REFERENCE.key}, "stats": {"only_reference": 2, "only_this": 5, "difference": 0.0003}}
    run = moved(
        tmp_path,
        "07_precision",
        old(
            "accuracy",
            "1",
            0.8972,
            runner="savedmodel",
            precision="fp32",
            stats={"correct": 8972, "images": 10000, "chance": 0.1, "ci_low": 0.8},
        ),
        old("accuracy", "1", 0.5, **ONNX, stats={"correct": 5000, "images": 10000, "ci_low": 0.4}),
        old("mcnemar_p", "1", 0.4, **ONNX, **against),
    )
    assert only(run, "accuracy", candidate=SAVED_MODEL_REFERENCE).stats == {"correct": 8972, "total": 10000}
    other = only(run, "accuracy", candidate=Candidate("onnxrt", "fp32"))
    assert other.stats == {"correct": 5000, "total": 10000, "only_reference": 2, "only_candidate": 5}
    assert run.records("mcnemar_p") == []


def test_latencies_keep_the_means_of_their_windows_and_what_follows_from_them_goes(tmp_path: Path) -> None:
    gpu = {"p50": 0.2, "n": 9, "window_means_ms": [0.2, 0.21], "stable": True}
    stats = {
        "p50": 0.3,
        "p90": 0.4,
        "p99": None,
        "n": 5,
        "window_means_ms": [0.31, 0.32, 0.3],
        "stable": True,
        "threads": 2,
        "gpu_compute": gpu,
    }
    common = {**ONNX, "batch_size": 32, "scope": "end_to_end"}
    run = moved(
        tmp_path,
        "06_batching",
        old("latency", "ms", 0.3, **common, stats=stats, samples=[0.3] * 5),
        old("throughput", "images/s", 1e5, **common, stats=stats),
        old("throughput_ratio", "1", 2.0, **common),
        old("latency", "ms", None, **TENSORRT, batch_size=32, scope="end_to_end", reason=MISSING),
        old(
            "latency", "ms", None, runner="cpp", precision="fp32", batch_size=32, scope="end_to_end", reason=MISSING, stats={"failed": True}
        ),
    )
    whole = only(run, "latency", candidate=Candidate("onnxrt", "fp32"), scope="end_to_end")
    assert (whole.value, whole.samples) == (0.3, [0.31, 0.32, 0.3])
    assert whole.stats == {"p50": 0.3, "p90": 0.4, "p99": None, "n": 5, "rounds": "windows"}
    assert only(run, "latency", scope="gpu_compute").samples == [0.2, 0.21]
    assert only(run, "latency", candidate=Candidate("tensorrt", "int8")).reason == Reason.verbatim(Text(*MISSING))
    failed = only(run, "latency", candidate=Candidate("cpp", "fp32")).reason
    assert failed is not None
    assert failed.failed
    assert len(run.records()) == 4


def test_engines_have_sizes_builds_and_layers(tmp_path: Path) -> None:
    case = {"layer": "conv", "kind": "Conv", "type": "int8", "tactic": "t"}
    stats = {"n": 200, "p10_ms": 0.1, "p90_ms": 0.3, "share": 0.5}
    layer = {**TENSORRT, "batch_size": 16, "scope": "gpu_compute", "stats": stats}
    run = moved(
        tmp_path,
        "03_engines",
        old("plan_size", "bytes", 5, **TENSORRT, stats={"plan_sha256": "p"}, artifact_sha256="a"),
        old("build_time", "s", 1.5, **TENSORRT, samples=[1.5], stats={"timing_cache": True, "calibration_s": 14.8}),
        old("layer_time", "ms", 0.25, **layer, case=case | {"index": 1}),
        old("layer_time", "ms", 0.5, **layer, case=case | {"index": 0, "layer": "first"}),
        old("layer_time", "ms", None, **ONNX, reason=MISSING),
    )
    int8 = Candidate("tensorrt", "int8")
    assert only(run, "file_size").stats == {"plan_sha256": "p"}
    assert (only(run, "build_time").samples, only(run, "calibration_time").value) == ([1.5], 14.8)
    assert only(run, "build_time").stats["timing_cache"] is True
    assert only(run, "layers_time", candidate=int8).value == 0.75
    assert only(run, "layers_time", candidate=Candidate("onnxrt", "fp32")).reason is not None
    shown = run.exhibit("layers", Profiles)
    assert shown is not None
    assert [(one.candidate, [layer.name for layer in one.layers]) for one in shown.engines] == [("tensorrt/int8", ["first", "conv"])]


def test_calibrations_keep_their_case_but_where_there_was_one_only(tmp_path: Path) -> None:
    other, mixed = {"method": "minmax", "images": 320}, {"runner": "tensorrt", "precision": "int8_fp16"}
    run = moved(
        tmp_path,
        "04_int8",
        old("accuracy", "1", 0.9, **TENSORRT, case=ENTROPY, stats={"correct": 9000, "tested": 10000}),
        old("accuracy", "1", 0.8, **TENSORRT, case=other, stats={"correct": 8000, "tested": 10000}),
        old("accuracy", "1", 0.7, **mixed, case=ENTROPY, stats={"correct": 7000, "tested": 10000}),
        old("disagreement", "1", 0.016, **TENSORRT, case=ENTROPY, stats={"tested": 10000, "disagreeing": 160}),
    )
    int8 = Candidate("tensorrt", "int8")
    assert [record.value for record in run.records("accuracy", candidate=int8, case=ENTROPY)] == [0.9]
    assert [record.value for record in run.records("accuracy", candidate=int8, case=other)] == [0.8]
    assert only(run, "accuracy", candidate=Candidate("tensorrt", "int8_fp16")).case == {}
    assert (only(run, "agreement").value, only(run, "agreement").stats) == (0.984, {"correct": 9840, "total": 10000})


def test_comparisons_with_the_reference_stay_and_rare_ones_go(tmp_path: Path) -> None:
    counts = {"images": 10000, "disagree": 5}
    call = {"reference": SAVED_MODEL_REFERENCE.key, "api": "execute_async_v2", "batch": 16, "graph": True}
    compared = [("agreement", 0.9995, counts), ("max_abs_difference", 0.1, {"images": 10000}), ("mean_abs_difference", 0.01, {})]
    compared += [("cosine", 0.99, {"min": 0.9})]
    cases = [
        {"reference": SAVED_MODEL_REFERENCE.key},
        {"reference": "tflite/fp16"},
        call,
        {"reference": SAVED_MODEL_REFERENCE.key, "tensor": "t"},
    ]
    run = moved(tmp_path, "05_consistency", *(old(m, "1", v, **ONNX, case=case, stats=s) for case in cases for m, v, s in compared))
    assert [(record.metric, record.value, record.case) for record in run.records()] == [
        ("agreement", 0.9995, {}),
        ("max_abs", 0.1, {}),
        ("mean_abs", 0.01, {}),
        ("cosine", 0.99, {}),
    ]
    assert only(run, "agreement").stats == {"correct": 9995, "total": 10000}
    assert {record.unit for record in run.records()} == {"share", "difference"}


@pytest.mark.parametrize("text", ["half", '{"schema": 9}\n', "[1]\n", '{"metric": "a"}\n', "null\n"])
def test_what_the_first_version_did_not_write_is_named_and_nothing_is_changed(tmp_path: Path, text: str) -> None:
    stage(tmp_path / "sys", "01_train", old("parameters", "1", 7.0))
    stage(tmp_path / "sys", "02_export")
    (tmp_path / "sys" / "02_export.jsonl").write_text(text)
    before = (tmp_path / "sys" / "01_train.jsonl").read_bytes()
    with pytest.raises(ReportError, match=r"02_export\.jsonl: not recorded by an earlier version"):
        migrate.migrate(tmp_path / "sys")
    assert (tmp_path / "sys" / "01_train.jsonl").read_bytes() == before
    assert (tmp_path / "sys" / "system.json").is_file()


def test_without_its_executed_notebook_a_file_stays_as_it_is(tmp_path: Path) -> None:
    stage(tmp_path / "sys", "01_train", old("parameters", "1", 7.0))
    (tmp_path / "sys" / "executed" / "01_train.ipynb").unlink()
    with pytest.raises(ReportError, match=r"01_train\.ipynb: does not say how 01_train\.jsonl was measured"):
        migrate.migrate(tmp_path / "sys")
    assert (tmp_path / "sys" / "01_train.findings.json").is_file()
