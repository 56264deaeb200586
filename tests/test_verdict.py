"""The verdict of made-up runs: accepted, rejected, undecided; by which rule; and its forms for people and machines."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import records
import small_report
import xml_schema
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

import lib.runners  # noqa: F401  enters the labels
from lib import stats
from lib.__main__ import main
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.report import verdict as verdicts
from lib.store import stage_file
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.verdict import about, enough, forms
from lib.verdict.check import Check, Judged
from lib.verdict.judge import Verdict, judge
from lib.words import COMMON, Finding

SCHEMA = Path(__file__).parent / "data" / "junit.xsd"
FP16, INT8, CPP = Candidate("tensorrt", "fp16"), Candidate("tensorrt", "int8"), Candidate("cpp", "int8")
TOTAL = 10_000
STEADY = (1.00, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0)
ALL = {"latency_p99_ms": 5.0, "throughput": 10_000.0, "plan_mb": 20.0, "same_in_cpp": True, "agreement": 0.99}


def measured(
    candidate: Candidate,
    only: tuple[int, int] = (12, 10),
    differ: int = 40,
    ms: float = 1.0,
    p99: float | None = 2.0,
    size: int = 4_000_000,
    rounds: Sequence[float] = STEADY,
    total: int = TOTAL,
) -> list[Record]:
    """All that TensorRT's pages record of one candidate: ms: of a call with 32 images; a call with one takes half of it."""
    correct = total * 9 // 10 - only[0] + only[1]
    one = records.latency(candidate.key, [ms * each / 2 for each in rounds], 1)
    one = replace(one, stats=one.stats | {"p95": p99 and p99 * 0.9, "p99": p99, "n": 4000})
    return [
        records.accuracy(candidate.key, correct, total, only),
        records.agreement(candidate.key, differ, total),
        Record("file_size", "bytes", size, candidate),
        one,
        records.latency(candidate.key, [ms * each for each in rounds]),
    ]


def same_in_cpp(differ: int = 0, precision: str = "int8", total: int = TOTAL) -> Record:
    stats = {"correct": total - differ, "total": total}
    case = {"other": f"tensorrt/{precision}"}
    return Record("pair_agreement", "share", (total - differ) / total, Candidate("cpp", precision), stats=stats, case=case)


def run_of(found: Sequence[Record], accept: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    reference = records.accuracy("savedmodel/fp32", TOTAL * 9 // 10, TOTAL)
    system = records.SYSTEM | {"libraries": {"tensorrt": "10.6.0"}}
    profile = {"accept": dict(accept or {})}
    common_fields = {"system": system, "profile": profile} | fields
    return records.made_run("07_precision", found, others={"01_train": [reference]}, **common_fields)


def verdict(
    found: Sequence[Record],
    accept: Mapping[str, Any] | None = None,
    findings: Mapping[str, Sequence[Finding]] | None = None,
    failed: Sequence[str] = (),
    **fields: Any,
) -> Verdict:
    run = run_of(found, accept, **fields)
    return judge(run, run.profile, findings or {}, failed)


def check(found: Verdict, name: str, candidate: Candidate = INT8) -> Check:
    judged = next(one for one in found.judged if one.candidate == candidate)
    return next(one for one in judged.checks if one.name == name)


def nothing(reason: str = "no_gpu") -> list[Record]:
    """A machine without a GPU."""
    return [
        record
        for one in (FP16, INT8)
        for record in (
            records.missing("accuracy", "share", one.key, reason),
            records.missing("agreement", "share", one.key, reason),
            records.missing("latency", "ms", one.key, reason, batch_size=32, scope="end_to_end"),
        )
    ]


# The four runs of issue 12: accepted, rejected, undecided by an interval, undecided for want of a GPU.
RUNS: dict[str, tuple[list[Record], dict[str, Any], str, int, str, str]] = {
    "accepted": (
        [*measured(INT8), same_in_cpp()],
        ALL,
        "accepted",
        0,
        r"INT8 \(calibrated\) on TensorRT 10\.6\.0 may go to production: accuracy -0\.02 \[.*\] points .* is ruled out; .*",
        r"TensorRT 10\.6\.0のINT8（キャリブレーション）は本番に出してよい。根拠：正解率と基準との差は.*",
    ),
    "rejected": (
        [*measured(INT8, only=(300, 20)), same_in_cpp()],
        ALL,
        "rejected",
        3,
        r"Nothing may go to production on TensorRT 10\.6\.0: INT8 \(calibrated\): accuracy -2\.80 .*",
        r"TensorRT 10\.6\.0で本番に出してよいものはない。理由：INT8（キャリブレーション）では、正解率.*",
    ),
    "undecided by interval": (
        [*measured(INT8, only=(140, 60)), same_in_cpp()],
        ALL,
        "undecided",
        4,
        r"Undecided on TensorRT 10\.6\.0: INT8 \(calibrated\): accuracy -0\.80 .* \(about [\d,]+ images would tell\)\.",
        r".*判定できない。理由：INT8（キャリブレーション）では、.*約[\d,]+枚あればわかる.*",
    ),
    "undecided without a GPU": (
        nothing(),
        ALL,
        "undecided",
        4,
        r"Undecided: TensorRT did not run on this machine \(no NVIDIA GPU on this system\)\.",
        r"このマシンではTensorRTを実行しておらず、本番に出してよいかは判定できない（このシステムにNVIDIA GPUがない）。",
    ),
}


@pytest.mark.parametrize("accept", [{}, {"candidates": ["tensorrt/int8"]}])
@pytest.mark.parametrize(
    ("ran", "why"), [((), "the pages that run TensorRT, 03 and later, were not run"), (("03_engines",), "did not record")]
)
def test_where_no_page_that_runs_tensorrt_was_run_that_is_the_reason(accept: dict[str, Any], ran: tuple[str, ...], why: str) -> None:
    run = run_of([], accept)
    kept = Run(run.folder, "01_train", {stage: file for stage, file in run.files.items() if stage == "01_train"})
    kept.files.update(dict.fromkeys(ran, run.files["07_precision"]))
    made = judge(kept, kept.profile, {})
    assert made.decision == "undecided"
    assert why in made.told.en
    assert ("03以降のページを実行していない" in made.told.ja) == (not ran)


@pytest.mark.parametrize("name", RUNS)
def test_four_runs_four_verdicts(name: str) -> None:
    found, accept, decision, code, english, japanese = RUNS[name]
    made = verdict(found, accept)
    assert (made.decision, made.exit_code) == (decision, code)
    assert re.fullmatch(english, made.told.en), made.told.en
    assert re.fullmatch(japanese, made.told.ja), made.told.ja
    values = json.loads(forms.as_json(made))
    assert (values["schema"], values["verdict"], values["exit_code"]) == (1, decision, code)
    assert values["says"] == {"en": made.told.en, "ja": made.told.ja}
    xml_schema.check(forms.as_junit(made), SCHEMA)
    summary = forms.summary(made)
    assert summary.startswith("**")
    assert made.told.ja.split("（")[0] in summary.splitlines()[-1]


def test_every_check_is_told_to_machines() -> None:
    made = verdict([*measured(INT8, only=(300, 20), p99=None), same_in_cpp()], ALL | {"plan_mb": None})
    (told,) = json.loads(forms.as_json(made))["candidates"]
    assert told["candidate"] == "tensorrt/int8"
    assert told["verdict"] == "rejected"
    by = {one["name"]: one for one in told["checks"]}
    assert list(by) == [
        "accuracy_loss_points",
        "agreement",
        "latency_p99_ms",
        "throughput",
        "plan_mb",
        "same_in_cpp",
        "reference",
        "problems",
    ]
    loss = by["accuracy_loss_points"]
    apart = stats.paired(300, 20, TOTAL)
    assert (loss["outcome"], loss["value"], loss["limit"], loss["n"]) == ("failed", pytest.approx(2.8), 1.0, TOTAL)
    assert loss["interval"] == pytest.approx([-100 * apart.high, -100 * apart.low])
    assert (by["latency_p99_ms"]["outcome"], by["latency_p99_ms"]["value"]) == ("undecided", None)
    assert by["plan_mb"]["outcome"] == "not_asked"
    cases = {case.get("name").split()[0]: [child.tag for child in case] for case in ET.fromstring(forms.as_junit(made)).iter("testcase")}
    assert cases["accuracy_loss_points"] == ["failure", "system-out"]
    assert cases["latency_p99_ms"] == ["error"]
    assert cases["plan_mb"] == ["skipped"]
    assert cases["agreement"] == ["system-out"]
    suite = ET.fromstring(forms.as_junit(made)).find("testsuite")
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["8", "1", "1", "1"]


def test_a_schema_that_is_not_kept_is_noticed() -> None:
    good = forms.as_junit(verdict(measured(INT8)))
    for wrong in (good.replace("<testcase ", "<test ", 1).replace("</testcase>", "</test>", 1), good.replace('tests="8"', 'tests="many"')):
        with pytest.raises((ValueError, ET.ParseError)):
            xml_schema.check(wrong, SCHEMA)


@given(st.text(), st.text())
def test_any_message_makes_whole_files(message: str, name: str) -> None:
    found = [records.missing("accuracy", "share", "tensorrt/int8", "failed", values={"message": message})]
    made = verdict(found)
    told = replace(made, judged=(Judged(Candidate("tensorrt", name), made.judged[0].checks),))
    xml_schema.check(forms.as_junit(told), SCHEMA)
    assert json.loads(forms.as_json(told))["verdict"] == "undecided"
    table = [line for line in forms.summary(told).splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4 for line in table)


def test_an_improvement_never_fails() -> None:
    made = verdict([*measured(INT8, only=(0, 900), differ=900, ms=0.001, p99=0.002, size=1)], {"accuracy_loss_points": 0.0})
    assert made.decision == "accepted"
    assert check(made, "accuracy_loss_points").value == pytest.approx(-9)


@pytest.mark.parametrize("metric", ["accuracy", "file_size", "latency", "pair_agreement", "agreement"])
def test_nothing_is_accepted_where_a_measurement_is_missing(metric: str) -> None:
    found = [*measured(INT8, only=(12, 10), differ=0), same_in_cpp()]
    assert verdict(found, ALL).decision == "accepted"
    left = [record for record in found if record.metric != metric]
    if metric == "accuracy":  # how many change class bounds what can be lost
        left = [record for record in left if record.metric != "agreement"]
    made = verdict(left, ALL)
    assert made.decision == "undecided"
    assert {one.outcome for one in made.judged[0].checks} == {"passed", "undecided"}


def test_what_may_be_lost_is_bounded_by_what_changes_class() -> None:
    unpaired = [records.accuracy("tensorrt/int8", 8990, TOTAL), records.agreement("tensorrt/int8", 40, TOTAL)]
    assert check(verdict(unpaired), "accuracy_loss_points").outcome == "passed"
    assert check(verdict([unpaired[0], records.agreement("tensorrt/int8", 400, TOTAL)]), "accuracy_loss_points").outcome == "undecided"


def test_without_labels_agreement_alone_decides() -> None:
    def of(differ: int, accept: Mapping[str, Any] | None = None) -> Verdict:
        found = [*records.unlabelled("tensorrt/int8", "savedmodel/fp32"), records.agreement("tensorrt/int8", differ, TOTAL)]
        run = records.made_run("07_precision", found, profile={"accept": dict(accept or {})}, own="mine.keras")
        return judge(run, run.profile, {})

    assert of(40).decision == "accepted"
    assert check(of(40), "accuracy_loss_points").outcome == "not_asked"
    assert check(of(40), "agreement").limit == 0.99
    assert of(100).decision == "undecided"
    assert of(200).decision == "rejected"
    assert of(200, {"agreement": 0.9}).decision == "accepted"


def test_random_input_accepts_nothing() -> None:
    found = [*records.unlabelled("tensorrt/int8", "savedmodel/fp32"), records.agreement("tensorrt/int8", 0, TOTAL)]
    run = records.made_run("07_precision", found, own="mine.keras", dataset="random input")
    made = judge(run, run.profile, {})
    assert made.decision == "undecided"
    assert check(made, "reference").outcome == "undecided"


def test_a_reference_at_chance_level_has_nothing_to_lose() -> None:
    found = [records.accuracy("tensorrt/int8", 1000, TOTAL, (0, 0)), records.agreement("tensorrt/int8", 0, TOTAL)]
    assert verdict(found).decision == "undecided"
    guess = records.made_run("07_precision", measured(INT8), others={"01_train": [records.accuracy("savedmodel/fp32", 1000, TOTAL)]})
    assert check(judge(guess, guess.profile, {}), "reference").outcome == "undecided"


def test_too_few_calls_for_a_p99_are_undecided_with_how_many_would_do() -> None:
    found = [*measured(INT8, p99=None)]
    made = check(verdict(found, {"latency_p99_ms": 5.0}), "latency_p99_ms")
    assert made.outcome == "undecided"
    assert "1,000 would" in made.says.en
    slow = [replace(r, stats=r.stats | {"p50": r.value, "p95": 6.0}) if r.batch_size == 1 else r for r in found]
    assert check(verdict(slow, {"latency_p99_ms": 5.0}), "latency_p99_ms").outcome == "failed"  # a p99 is at least the p95


@pytest.mark.parametrize(("limit", "outcome"), [(30_000.0, "passed"), (32_000.0, "undecided"), (35_000.0, "failed")])
def test_throughput_is_judged_by_its_whole_interval(limit: float, outcome: str) -> None:
    made = check(verdict(measured(INT8), {"throughput": limit}), "throughput")
    assert made.outcome == outcome
    assert "batch size 32" in made.says.en
    if outcome == "undecided":
        assert re.search(r"about [\d,]+ rounds would tell|lies on the limit", made.says.en)


def test_a_disturbed_machine_can_keep_a_limit_but_not_miss_one() -> None:
    found = [*measured(INT8), records.other_cpu(0.9)]
    assert check(verdict(found, {"throughput": 30_000.0}), "throughput").outcome == "passed"
    missed = check(verdict(found, {"throughput": 35_000.0}), "throughput")
    assert missed.outcome == "undecided"
    assert "measure again" in missed.says.en


def test_timings_of_one_block_decide_nothing() -> None:
    block = [replace(r, stats=r.stats | {"rounds": "windows"}) if r.metric == "latency" else r for r in measured(INT8)]
    for limit in (1.0, 1e9):
        assert check(verdict(block, {"throughput": limit}), "throughput").outcome == "undecided"


def test_the_fastest_of_the_accepted_is_named() -> None:
    made = verdict([*measured(FP16, ms=2.0), *measured(INT8, ms=1.0)])
    assert made.fastest == (INT8,)
    assert made.told.en.startswith(
        "INT8 (calibrated) on TensorRT 10.6.0 may go to production, the fastest of 2 that may, called from Python: "
    )
    assert "Pythonから呼んだ場合、本番に出してよい2個のうちで最も速い" in made.told.ja
    alike = verdict([*measured(FP16), *measured(INT8)])
    assert alike.fastest == (FP16, INT8)
    assert "which of them is the fastest, called from Python, cannot be told" in alike.told.en
    disturbed = verdict([*measured(FP16, ms=2.0), *measured(INT8), records.other_cpu(0.9)])
    assert disturbed.fastest == (FP16, INT8)
    assert disturbed.told.en.endswith("may go to production; these measurements do not rank them by speed.")
    assert "fastest" not in disturbed.told.en
    rejected = verdict([*measured(FP16, ms=2.0), *measured(INT8, only=(300, 0))])
    assert rejected.fastest == (FP16,)
    assert "fastest" not in rejected.told.en


def test_what_was_not_timed_in_the_same_rounds_is_not_ranked() -> None:
    short = [replace(r, samples=r.samples[:-1]) if r.metric == "latency" else r for r in measured(FP16, ms=2.0)]
    for slow in (short, [r for r in measured(FP16) if r.metric != "latency"]):
        made = verdict([*slow, *measured(INT8)])
        assert made.fastest == (FP16, INT8)
        assert "do not rank them by speed" in made.told.en


@pytest.mark.parametrize(
    ("runners", "en", "ja"),
    [(("cpp", "cpp"), "C++", "C++"), (("tensorrt", "cpp"), "Python or C++", "PythonまたはC++")],
)
def test_the_sentence_says_what_calls_the_engines(runners: tuple[str, str], en: str, ja: str) -> None:
    slow, fast = Candidate(runners[0], "fp16"), Candidate(runners[1], "int8")
    made = verdict([*measured(slow, ms=2.0), *measured(fast, ms=1.0)], {"candidates": [slow.key, fast.key], "throughput": 5_000.0})
    assert made.fastest == (fast,)
    assert f"the fastest of 2 that may, called from {en}: " in made.told.en
    assert f"{ja}から呼んだ場合" in made.told.ja
    assert "images/s from C++ at batch size" in check(made, "throughput", fast).says.en


@pytest.mark.parametrize(("limit", "said"), [(1, "1 percentage point ("), (2, "2 percentage points ("), (0.5, "0.5 percentage points (")])
def test_one_point_is_in_the_singular(limit: float, said: str) -> None:
    told = verdicts.limits(verdict(measured(INT8), {"accuracy_loss_points": limit}))
    assert said in told[0].en


def test_one_accepted_candidate_is_enough_and_all_must_be_rejected() -> None:
    good, bad, unknown = measured(FP16), measured(INT8, only=(300, 0)), nothing()[3:]
    assert verdict([*good, *bad]).decision == "accepted"
    assert verdict([*measured(FP16, only=(300, 0)), *bad]).decision == "rejected"
    assert verdict([*measured(FP16, only=(300, 0)), *unknown], {"candidates": ["tensorrt/fp16", "tensorrt/int8"]}).decision == "undecided"


def test_what_cannot_be_here_is_left_out_unless_it_is_asked_for() -> None:
    gone = [records.missing("accuracy", "share", "tensorrt/int8", "no_calibrator")]
    made = verdict([*measured(FP16), *gone])
    assert [one.candidate for one in made.judged] == [FP16]
    assert list(made.left_out) == [INT8]
    assert ET.fromstring(forms.as_junit(made)).find("testsuite[2]/testcase/skipped") is not None
    asked = verdict([*measured(FP16), *gone], {"candidates": ["tensorrt/int8"]})
    assert ([one.candidate for one in asked.judged], asked.decision) == ([INT8], "undecided")
    failed = [records.missing("accuracy", "share", "tensorrt/int8", "failed", values={"message": "out of memory"})]
    assert [one.candidate for one in verdict([*measured(FP16), *failed]).judged] == [FP16, INT8]


def test_a_run_without_a_page_of_tensorrt_is_undecided() -> None:
    made = verdict([])
    assert (made.decision, made.judged) == ("undecided", ())
    xml_schema.check(forms.as_junit(made), SCHEMA)
    assert json.loads(forms.as_json(made))["candidates"] == []


def test_cpp_is_asked_for_in_its_own_words() -> None:
    assert check(verdict([*measured(INT8), same_in_cpp(3)], {"same_in_cpp": True}), "same_in_cpp").outcome == "failed"
    lacking = [*measured(INT8), records.missing("agreement", "share", "cpp/int8", "not_installed", values={"package": "the C++ runner"})]
    made = check(verdict(lacking, {"same_in_cpp": True}), "same_in_cpp")
    assert (made.outcome, "the C++ runner is not installed" in made.says.en) == ("undecided", True)


RED = {
    "a candidate": {"candidate": INT8},
    "a way of calling it": {"candidate": Candidate.parse("tensorrt/int8/+graph")},
    "a list": {"what": [FP16, INT8]},
    "a list in words": {"what": common.listed([FP16, INT8, CPP])},
    "an engine": {"engine": INT8.precision_label},
    "engines": {"engines": [FP16.precision_label, INT8.precision_label]},
    "its version": {"engine": INT8.precision_label, "version": "10.6.0"},
}
OTHER = {
    "another candidate": {"candidate": FP16},
    "a list of others": {"what": common.listed([FP16, Candidate("onnxrt", "int8"), Candidate("tensorrt", "int8_fp16")])},
    "another engine": {"engine": FP16.precision_label},
    "another version": {"engine": INT8.precision_label, "version": "8.5.3.1"},
    "nothing": {"share": 0.5},
}


def red(values: Mapping[str, Any], level: Any = "bad") -> Finding:
    return Finding(level, "key", values, COMMON("levels.bad"))


@pytest.mark.parametrize("values", RED.values(), ids=RED)
def test_a_red_finding_that_concerns_a_candidate_stops_it(values: dict[str, Any]) -> None:
    made = verdict(measured(INT8), findings={"07_precision": [red(values)]})
    assert made.decision == "rejected"
    assert check(made, "problems").stages == ("07_precision",)
    assert verdict(measured(INT8), findings={"07_precision": [red(values, "warn")]}).decision == "accepted"


@pytest.mark.parametrize("values", OTHER.values(), ids=OTHER)
def test_a_red_finding_about_something_else_does_not(values: dict[str, Any]) -> None:
    assert not about.concerns(red(values), INT8, "10.6.0")
    assert verdict(measured(INT8), findings={"07_precision": [red(values)]}).decision == "accepted"


def test_a_red_finding_about_the_model_leaves_all_undecided() -> None:
    on_page = verdict(measured(INT8), findings={"01_train": [red({})]})
    on_reference = verdict(measured(INT8), findings={"07_precision": [red({"candidate": Candidate("savedmodel", "fp32")})]})
    for made in (on_page, on_reference):
        assert check(made, "reference").outcome == "undecided"
        assert made.decision == "undecided"


def test_nothing_is_accepted_beside_a_page_that_failed() -> None:
    made = verdict(measured(INT8), failed=["05_consistency"])
    assert (made.decision, check(made, "problems").outcome) == ("undecided", "undecided")
    assert "05_consistency" in made.told.en


def test_what_was_measured_with_another_model_is_not_looked_at() -> None:
    run = run_of(measured(INT8))
    assert judge(run, run.profile, {}).decision == "accepted"
    other = run.profile.model_copy(update={"train": run.profile.train.model_copy(update={"epochs": 99})})
    assert judge(run, other, {}).decision == "undecided"


# In the report -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Path]]:
    """Writes a made-up run, renders it with `more` options, and gives the exit code and the folder of its pages."""
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path / "outputs"))
    small_report.write(tmp_path / "notebooks", "09_later")  # never run: what is rendered is the overview

    def render(found: list[Record], accept: Mapping[str, Any], *more: str) -> tuple[int, Path]:
        results = tmp_path / "outputs" / "quickstart" / "results" / "test"
        for stage, file in run_of(found, accept).files.items():
            stage_file.write(results / f"{stage}.jsonl", file.stage, file.records, {})
        own = config.PARAMS / "quickstart.yaml"
        profile = tmp_path / "quickstart.yaml"  # its limits count, not those that were recorded
        profile.write_text(own.read_text(encoding="utf-8") + json.dumps({"accept": dict(accept)})[1:-1] + "\n", encoding="utf-8")
        code = main(["render", "--profile", str(profile), "--notebooks", str(tmp_path / "notebooks"), *more])
        (page,) = (tmp_path / "outputs" / "quickstart" / "html").glob("**/en/index.html")
        return code, page.parent.parent

    return render


@pytest.mark.parametrize("name", RUNS)
def test_a_strict_run_ends_with_the_verdict_after_its_pages_are_written(
    name: str, rendered: Callable[..., tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    found, accept, decision, code, english, japanese = RUNS[name]
    assert rendered(found, accept)[0] == 0
    told, folder = rendered(found, accept, "--strict")
    assert told == code
    out = capsys.readouterr().out.splitlines()
    assert re.fullmatch(english, out[-2])
    assert "problems, " in out[-1]
    for language, sentence in (("en", english), ("ja", japanese)):
        soup = BeautifulSoup((folder / language / "index.html").read_text(encoding="utf-8"), "html.parser")
        (box,) = soup.select("section.verdict")
        assert decision in box["class"]
        assert re.fullmatch(sentence, box.select_one(".told").text)
        assert len(box.select("tbody tr")) == len({record.candidate for record in found if record.candidate.runner == "tensorrt"})
    assert json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["verdict"] == decision
    xml_schema.check((folder / "verdict.xml").read_text(encoding="utf-8"), SCHEMA)
    assert (folder / "summary.md").is_file()


def test_a_run_is_judged_by_the_limits_that_its_profile_says_now(rendered: Callable[..., tuple[int, Path]]) -> None:
    from lib.report import render

    _, folder = rendered(measured(INT8), {})
    place = folder
    while place.name != "outputs":
        place = place.parent
    outcome = render.render("quickstart", place.parent / "notebooks", "test", run_of([], {"plan_mb": 1.0}).profile.accept)
    assert outcome.exit_code == 3
    assert json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["accept"]["plan_mb"] == 1.0


def test_rendering_refuses_a_limit_that_a_run_refuses(
    rendered: Callable[..., tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    rendered(measured(INT8), {})
    assert rendered(measured(INT8), {"latency_p99": 5.0})[0] == 2
    assert "quickstart.yaml: key 'accept.latency_p99': unknown; did you mean latency_p99_ms?" in capsys.readouterr().err


def test_make_hands_strict_on() -> None:
    for target in ("report", "render"):
        for option, there in (("STRICT=1", True), ("STRICT=0", False), ("STRICT=", False)):
            done = subprocess.run(["make", "-n", target, option], cwd=config.ROOT, capture_output=True, text=True, timeout=60, check=True)
            assert ("--strict" in done.stdout) == there


@pytest.mark.parametrize(
    ("accept", "says"),
    [
        ({"latency_ms": 5.0}, "key 'accept.latency_ms': unknown; did you mean latency_p99_ms?"),
        ({"candidates": ["tensorrt/int9"]}, "key 'accept.candidates': 'tensorrt/int9' cannot be accepted; there are: tensorrt/fp32, "),
        ({"candidates": ["onnxrt/fp32"]}, "key 'accept.candidates': 'onnxrt/fp32' cannot be accepted; "),
        ({"candidates": ["tensorrt/int8", "tensorrt/int8"]}, "holds tensorrt/int8 twice"),
        ({"agreement": 99.0}, "key 'accept.agreement': "),
        ({"accuracy_loss_points": None}, "key 'accept.agreement': without accuracy_loss_points nothing is asked of the answers"),
    ],
)
def test_an_unknown_limit_is_refused_before_anything_runs(
    accept: dict[str, Any], says: str, write_profile: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_profile(accept=accept)
    assert main(["run", "--profile", str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


def test_a_p99_at_a_batch_size_that_is_not_swept_is_refused(write_profile: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write_profile(accept={"latency_p99_ms": 5.0}, batching={"batch_sizes": [8, 16]})
    assert main(["check", "--profile", str(path)]) == 2
    assert "batch size 1, which batching.batch_sizes [8, 16] lacks; add 1" in capsys.readouterr().err


# Worse is never better ----------------------------------------------------------------------------------------------------------

RANK = {"rejected": 0, "undecided": 1, "accepted": 2}
COUNTS = st.integers(0, 400)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, st.integers(0, 200), st.integers(0, 300), st.floats(0.2, 8), st.floats(1, 3))
def test_a_worse_measurement_never_makes_a_verdict_better(lost: int, won: int, more: int, differ: int, ms: float, slower: float) -> None:
    def of(lost: int, differ: int, ms: float) -> str:
        return verdict(measured(INT8, only=(lost, won), differ=differ, ms=ms, p99=2 * ms), ALL | {"same_in_cpp": False}).decision

    before = RANK[of(lost, differ, ms)]
    assert RANK[of(lost + more, differ, ms)] <= before
    assert RANK[of(lost, differ + more, ms)] <= before
    assert RANK[of(lost, differ, ms * slower)] <= before


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(["accuracy", "agreement", "latency", "file_size"])), COUNTS)
def test_a_measurement_that_is_missing_never_makes_a_verdict_accepted(gone: set[str], lost: int) -> None:
    found = measured(INT8, only=(lost, 0), differ=lost)
    accept = {"latency_p99_ms": 5.0, "throughput": 10_000.0, "plan_mb": 20.0, "candidates": ["tensorrt/int8"]}
    whole = verdict(found, accept).decision
    rest = verdict([record for record in found if record.metric not in gone], accept).decision
    assert rest != "accepted" or whole == "accepted"


@settings(max_examples=60, deadline=None)
@given(st.integers(50, 5000), st.floats(0, 0.2), st.floats(0.8, 0.999))
def test_as_many_images_as_are_said_to_be_enough_decide(total: int, wrong: float, limit: float) -> None:
    correct = total - round(total * wrong)
    found = stats.wilson(correct, total)
    if found.low >= limit or found.high < limit:
        return
    count = enough.for_share(correct, total, limit)
    if count is not None:
        assert count >= total
        more = stats.wilson(round(correct * count / total), count)
        nearly = stats.wilson(round(correct * 1.2 * count / total), round(1.2 * count))
        assert more.low >= limit or more.high < limit or nearly.low >= limit or nearly.high < limit


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=12), st.floats(1.005, 1.2))
def test_as_many_rounds_as_are_said_to_be_enough_decide(rounds: list[float], ratio: float) -> None:
    count = enough.for_time(rounds, ratio)
    assert count is None or count >= len(rounds)
    if count is not None and count <= 500:
        spread = (rounds * (count // len(rounds) + 1))[:count]
        assert stats.time(spread).high / stats.time(spread).value < ratio * 1.05


def test_what_is_missing_for_one_reason_is_told_at_once() -> None:
    (one, _) = verdict(nothing(), {"latency_p99_ms": 5.0, "throughput": 1.0}).judged
    assert [says.en for says, _ in one.reasons] == [
        "not measured: accuracy, throughput (no NVIDIA GPU on this system)",
        "not measured: p99 latency at batch size 1 (this run did not record it)",
    ]
    assert one.reasons[0][0].ja == "正解率、スループットを測定していない（このシステムにNVIDIA GPUがない）"


def test_a_reason_without_words_is_still_a_reason() -> None:
    found = [Record("accuracy", "share", None, INT8, reason=Reason("of_another_version"))]
    assert "of_another_version" in check(verdict(found, {"candidates": ["tensorrt/int8"]}), "accuracy_loss_points").says.en
