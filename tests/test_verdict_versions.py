"""The verdict on several TensorRTs that ran beside each other: by the records of notebook 08, made up (made_versions.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xml_schema
from made_versions import IMAGES, NEW, OLD, Made
from records import SYSTEM, accuracy, agreement, made_run, missing

from lib.experiment.candidate import Candidate
from lib.report import verdict as verdicts
from lib.store.records import Reason, Record
from lib.verdict import forms, versions
from lib.verdict.check import Check
from lib.verdict.judge import Verdict, judge
from lib.words import COMMON, Finding

SCHEMA = Path(__file__).parent / "data" / "junit.xsd"
FP16, INT8 = Candidate("tensorrt", "fp16"), Candidate("tensorrt", "int8")
LIMITS = {
    "accuracy_loss_points": 1.0,
    "agreement": 0.99,
    "latency_p99_ms": 5.0,
    "throughput": 10_000.0,
    "plan_mb": 20.0,
    "same_in_cpp": True,
}
GPU = SYSTEM | {"libraries": {"tensorrt": OLD}}
Change = Callable[[Record], Record | None]


def told(record: Record) -> Record:
    """A latency with the percentiles that page 08 records."""
    if record.metric != "latency" or record.value is None:
        return record
    return replace(record, stats={"n": 4000, "p50": record.value, "p99": 1.5 * record.value})


def lacking(record: Record, kind: str, **values: Any) -> Record:
    """The same number where nobody measured it."""
    return replace(record, value=None, reason=Reason(kind, values), stats={}, samples=[])


def verdict(
    accept: Mapping[str, Any] = LIMITS,
    change: Change = lambda record: record,
    own: Sequence[Record] | None = None,
    findings: Mapping[str, Sequence[Finding]] | None = None,
    failed: Sequence[str] = (),
    **fields: Any,
) -> Verdict:
    """Of two versions in FP16 and INT8; own: what the pages before recorded of the version that runs here, all good where not given."""
    good = [r for one in (FP16, INT8) for r in (accuracy(one.key, 8990, IMAGES, (3, 2)), agreement(one.key, 10, IMAGES))]
    found = [changed for r in Made(precisions=("fp16", "int8")).records() if (changed := change(told(r))) is not None]
    others = {"01_train": [accuracy("savedmodel/fp32", 8991, IMAGES)], "05_consistency": good if own is None else own}
    run = made_run(versions.PAGE, found, others=others, profile={"accept": dict(accept)}, **({"system": GPU} | fields))
    return judge(run, run.profile, findings or {}, failed)


def check(found: Verdict, name: str, candidate: Candidate = INT8) -> Check:
    return next(c for one in found.beside if one.candidate == candidate for c in one.checks if c.name == name)


def of(record: Record, metric: str, version: str = NEW, build: int | None = None, candidate: Candidate = INT8) -> bool:
    """Whether a record is of this number, of a build (any for None), made the usual way."""
    told = record.metric == metric and record.candidate == candidate and record.case.get("tensorrt") == version
    return told and "variant" not in record.case and build in (None, record.case["build"])


@pytest.mark.parametrize("runner", ["tensorrt", "cpp"])
def test_what_another_page_found_wrong_with_its_own_engine_is_not_held_against_another_version(runner: str) -> None:
    wrong = Finding("bad", "any", {"candidate": Candidate(runner, "int8")}, COMMON("table.more"))
    made = verdict(findings={"05_consistency": [wrong]})
    assert [one.decision for one in made.judged] == ["undecided", "rejected"]
    assert [one.decision for one in made.beside] == ["accepted", "accepted"]


def test_the_plan_that_cpp_calls_is_the_one_that_python_calls() -> None:
    made = verdict(accept=LIMITS | {"candidates": ["cpp/int8"]})
    assert check(made, "plan_mb", Candidate("cpp", "int8")).outcome == "passed"
    assert {one.decision for one in made.beside} == {"accepted"}


def test_a_version_of_which_nothing_is_recorded_is_undecided_for_that_reason() -> None:
    made = verdict(change=lambda record: None if "tensorrt" in record.case else record)
    assert made.beside == ()
    assert made.told.en.endswith("Undecided on TensorRT 10.6.0: none of its engines was measured.")
    assert made.told.ja.endswith("理由：測定したエンジンがない。")


def test_every_version_has_its_candidates_its_checks_and_its_sentence() -> None:
    made = verdict()
    assert made.decision == "undecided"  # the one that runs here decides
    assert [(one.key, one.decision) for one in made.beside] == [
        ("tensorrt/fp16 (TensorRT 10.6.0)", "accepted"),
        ("tensorrt/int8 (TensorRT 10.6.0)", "accepted"),
    ]
    assert [one.tensorrt for one in made.judged] == ["", ""]  # 8.5.3.1 itself is judged by the pages before, which timed nothing here
    own, other = re.fullmatch(
        r"(Undecided on TensorRT 8\.5\.3\.1: .*\.) (.* on TensorRT 10\.6\.0 may go to production, the fastest of 2 that may, .*)",
        made.told.en,
    ).groups()
    assert "not measured" in own
    assert "INT8 (calibrated)" in other
    assert made.told.ja.index("TensorRT 8.5.3.1") < made.told.ja.index("TensorRT 10.6.0の")


def test_a_single_candidate_is_accepted_in_a_sentence_with_version_and_numbers() -> None:
    made = verdict(LIMITS | {"candidates": ["tensorrt/int8"]})
    assert " INT8 (calibrated) on TensorRT 10.6.0 may go to production: accuracy " in made.told.en
    assert "the worst of 3" not in made.told.en  # all of them answer the same
    assert re.search(r" \(build \d, the worst of 3\)$", check(made, "throughput").says.en)
    assert [one.outcome for one in made.beside[0].checks] == ["passed"] * 8


def beside(made: Made, change: Change = lambda record: record, **accept: Any) -> str:
    """The sentence on the version beside the one that runs here."""
    run = made_run(versions.PAGE, [change(told(r)) for r in made.records()], profile={"accept": LIMITS | accept}, system=GPU)
    return re.split(r"(?<=\.) (?=[A-Z])", judge(run, run.profile, {}).told.en)[-1]


EVERY = {"accuracy_loss_points": None, "same_in_cpp": False, "agreement": 0.9}  # which all that is made up keeps


def test_precisions_of_a_version_are_ranked_across_their_rounds_with_caution() -> None:
    assert beside(Made(spread=0.02), **EVERY) == (
        "On TensorRT 10.6.0, INT8 (calibrated), INT8 (explicit) may go to production and are the fastest of those that may, called from "
        "Python; they cannot be told apart in speed."
    )
    alone = beside(Made(precisions=("fp32", "int8")), **EVERY)
    assert alone.startswith("INT8 (calibrated) on TensorRT 10.6.0 may go to production, the fastest of 2 that may, called from Python: ")
    assert "which of them is the fastest, called from Python, cannot be told" in beside(
        Made(precisions=("int8", "int8_qdq"), spread=0.1), **EVERY
    )
    cpp = beside(Made(precisions=("fp32", "int8")), **EVERY, candidates=["cpp/fp32", "cpp/int8"])
    assert "the fastest of 2 that may, called from C++: " in cpp


def disturbed(record: Record) -> Record:
    return replace(record, value=0.9) if record.metric == "other_cpu" and record.case == {"block": "fp32 32"} else record


def brief(record: Record) -> Record:
    return replace(record, samples=record.samples[:2])


@pytest.mark.parametrize(("made", "change"), [(Made(builds=1), told), (Made(), disturbed), (Made(), brief)])
def test_what_nothing_ranks_is_said_to_be_so(made: Made, change: Change) -> None:
    said = beside(made, change, **EVERY, throughput=None)
    assert said.endswith(" on TensorRT 10.6.0 may go to production; these measurements do not rank them by speed.")
    assert said.startswith("FP32, FP16, INT8 (calibrated), INT8 (explicit) ")


def test_machines_are_told_which_tensorrt_a_candidate_is_of() -> None:
    made = verdict()
    values = json.loads(forms.as_json(made))
    assert [(one["candidate"], one["tensorrt"]) for one in values["candidates"]] == [
        (key, f"TensorRT {version}") for version in (OLD, NEW) for key in ("tensorrt/fp16", "tensorrt/int8")
    ]
    junit = forms.as_junit(made)
    xml_schema.check(junit, SCHEMA)
    assert len(set(re.findall(r'<testsuite name="([^"]+)"', junit))) == 4
    shown = verdicts.shown(made, SimpleNamespace(stages=[]))  # type: ignore[arg-type]
    assert [row["label"].en for row in shown["rows"][-2:]] == ["FP16 on TensorRT 10.6.0", "INT8 (calibrated) on TensorRT 10.6.0"]
    assert forms.summary(made).count(" on TensorRT 10.6.0 | accepted |") == 2


def slower(record: Record, factor: float) -> Record:
    value, samples = factor * record.value, [factor * ms for ms in record.samples]
    return replace(record, value=value, samples=samples, stats={"n": 4000, "p50": value, "p99": 1.5 * value})


BAD: dict[str, tuple[str, Callable[[Record], Record]]] = {
    "accuracy_loss_points": (
        "accuracy",
        lambda r: replace(r, value=0.85, stats=r.stats | {"correct": 8500, "only_reference": 600, "only_candidate": 100}),
    ),
    "agreement": ("agreement", lambda r: replace(r, value=0.9, stats={"correct": 9000, "total": IMAGES})),
    "latency_p99_ms": ("latency", lambda r: replace(r, stats=r.stats | {"p99": 50.0})),
    "throughput": ("latency", lambda r: slower(r, 100)),
    "plan_mb": ("file_size", lambda r: replace(r, value=30_000_000)),
}


@pytest.mark.parametrize("name", BAD)
def test_one_build_that_misses_a_limit_rejects_the_version_and_is_named(name: str) -> None:
    metric, worse = BAD[name]
    made = verdict(change=lambda r: worse(r) if of(r, metric, build=2) else r)
    assert check(made, name).outcome == "failed"
    assert "build 2, the worst of 3" in check(made, name).says.en
    assert [one.decision for one in made.beside] == ["accepted", "rejected"]
    assert all(c.outcome == "passed" for c in made.beside[0].checks)


def test_python_and_cpp_are_compared_build_by_build() -> None:
    def differ(record: Record) -> Record:
        there = of(record, "changed", build=3, candidate=Candidate("cpp", "int8")) and record.case.get("against") == "python"
        return replace(record, value=2) if there else record

    assert check(verdict(change=differ), "same_in_cpp").outcome == "failed"
    assert "2 of 10,000" in check(verdict(change=differ), "same_in_cpp").says.en


@pytest.mark.parametrize("metric", ["accuracy", "agreement", "latency", "file_size", "changed"])
def test_a_measurement_that_one_build_lacks_accepts_nothing(metric: str) -> None:
    candidate = Candidate("cpp", "int8") if metric == "changed" else INT8
    gone = verdict(change=lambda r: None if of(r, metric, build=2, candidate=candidate) else r)
    failed = verdict(change=lambda r: lacking(r, "failed", message="broken") if of(r, metric, build=2, candidate=candidate) else r)
    bounded = metric == "accuracy"  # by how many images change class, which is few
    assert {one.beside[1].decision for one in (gone, failed)} == {"accepted" if bounded else "undecided"}


def test_what_a_version_cannot_have_is_left_out_unless_it_is_asked_for() -> None:
    def change(record: Record) -> Record:
        there = record.case.get("tensorrt") == NEW and record.candidate == INT8
        return lacking(record, "no_calibrator") if there else record

    assert [one.candidate for one in verdict(change=change).beside] == [FP16]
    assert verdict(LIMITS | {"candidates": ["tensorrt/int8"]}, change).beside[0].decision == "undecided"


def test_where_no_tensorrt_runs_but_those_of_others_all_of_them_are_judged() -> None:
    lost = [
        missing(m, "share", one.key, "not_installed", values={"package": "tensorrt"})
        for one in (FP16, INT8)
        for m in ("accuracy", "agreement")
    ]
    made = verdict(own=lost, system=SYSTEM)
    assert made.judged == ()
    assert [one.tensorrt for one in made.beside] == [f"TensorRT {OLD}"] * 2 + [f"TensorRT {NEW}"] * 2
    assert made.decision == "accepted"
    assert "did not run" not in made.told.en


def red(**values: Any) -> Finding:
    return Finding("bad", "key", values, COMMON("levels.bad"))


def test_red_findings_stop_the_version_that_they_are_about() -> None:
    here = verdict(findings={"05_consistency": [red(candidate=INT8)]})  # of the TensorRT that the pages before ran
    assert [one.decision for one in here.beside] == ["accepted", "accepted"]
    old, new = (verdict(findings={versions.PAGE: [red(engine=INT8.precision_label, version=v)]}) for v in (OLD, NEW))
    assert [one.decision for one in old.beside] == ["accepted", "accepted"]
    assert [one.decision for one in new.beside] == ["accepted", "rejected"]
    model = verdict(findings={"01_train": [red()]})
    assert {one.decision for one in model.beside} == {"undecided"}
    assert {one.decision for one in verdict(failed=["05_consistency"]).beside} == {"undecided"}


def test_without_a_page_of_versions_there_is_none_beside() -> None:
    run = made_run("05_consistency", [accuracy(INT8.key, 8990, IMAGES, (3, 2))], system=GPU)
    assert judge(run, run.profile, {}).beside == ()
