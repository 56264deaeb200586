"""Notebook 09: the ledger of claims, and what each kind of rule says of records whose answer is known."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_versions as made
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_versions import NEW, OLD, Made
from records import SYSTEM, accuracy, agreement, latency, made_run, missing, other_cpu

from lib import session
from lib.errors import ConfigError
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.pages.claims import answers, claims, evidence, figures, numbers, rules, tables
from lib.pages.claims.verdicts import NOTHING, VERDICTS, judged
from lib.report import notebooks, render, shell
from lib.show.table import figure_html, findings_html, table_html
from lib.stats import Interval
from lib.store import stage_file
from lib.store.records import Record
from lib.store.run import Run
from lib.text import LANGUAGES

STAGE = "09_claims"
NOISE = (1.0, 1.003, 0.997, 1.001, 0.999, 1.002)
GPU_SYSTEM = SYSTEM | {"gpus": [{"name": "Test GPU"}], "libraries": {"tensorrt": "8.5.3.1"}}
POLITE = re.compile(r"(です|ます|でした|ました|ません|ください)(。|、|$)")
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def timed(candidate: str, ms: float, batch: int = 32, noise: Iterable[float] = NOISE) -> Record:
    return latency(candidate, [ms * factor for factor in noise], batch)


def run_of(folder: Path, pages: Mapping[str, Iterable[Record]], named: str = "own", **fields: Any) -> Run:
    """A system whose pages have these records, written below `folder`, as the page of claims sees it."""
    place = folder / "results" / named
    for stage, found in pages.items():
        one = made_run(stage, found, folder=place, system_id=named, **fields)
        stage_file.write(place / f"{stage}.jsonl", one.files[stage].stage, one.files[stage].records, {})
    return Run.open(place, STAGE)


def answer(run: Run, key: str) -> answers.Answered:
    return next(one for one in answers.answered(run) if one.key == key)


def verdicts(run: Run) -> dict[str, str]:
    return {one.key: one.answer.verdict for one in answers.answered(run)}


# The ledger ----------------------------------------------------------------------------------------------------------------------


def sentences(value: Any) -> Iterable[dict[str, str]]:
    if isinstance(value, dict) and "en" in value:
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from sentences(below)


def test_every_sentence_of_the_ledger_is_in_both_languages_and_in_one_style() -> None:
    every = list(sentences(yaml.safe_load(claims.FILE.read_text(encoding="utf-8"))))
    assert len(every) > 100
    for both in every:
        assert not JAPANESE.search(both["en"]), both
        assert "精度" not in both["ja"].replace("数値精度", ""), both
        assert not POLITE.search(both["ja"]), both
        assert not re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", both["ja"]), both


def test_the_ledger_has_some_thirty_claims_about_everything() -> None:
    ledger = claims.read()
    assert len(ledger.claims) >= 25
    assert {claim.topic for claim in ledger.claims.values()} == set(claims.TOPICS)
    assert {claim.rule.kind for claim in ledger.claims.values()} == answers.RULES.keys() | answers.WITHOUT.keys()
    assert {place.document for claim in ledger.claims.values() for place in claim.places} == set(ledger.documents)


def test_claims_are_no_profile() -> None:
    assert "claims" not in config.available()


CLAIM = {
    "topic": "speed",
    "label": {"en": "a", "ja": "あ"},
    "said": {"en": "a", "ja": "あ"},
    "places": [{"document": "one", "en": "b", "ja": "い"}],
    "rule": {"kind": "times", "metric": "latency", "of": "tensorrt/int8", "over": "tensorrt/fp32", "claimed": 2.0},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": {"kind": "miracle"}}, "claims.x.rule"),
        ({"rule": CLAIM["rule"] | {"of": "tensorrt"}}, "claims.x.rule.times.of"),
        ({"rule": CLAIM["rule"] | {"claimed": -1.0}}, "claims.x.rule.times.claimed"),
        ({"rule": CLAIM["rule"] | {"claim": 1.0}}, "claims.x.rule.times.claim"),
        ({"places": []}, "claims.x.places"),
        ({"places": [{"document": "two", "en": "b", "ja": "い"}]}, "no document 'two'; there are: one"),
        ({"label": {"en": "a"}}, "claims.x.label.ja"),
        ({"evidence": [{"kind": "runs", "mean": 1.0, "deviation": 1.0, "runs": 1}]}, "claims.x.evidence.0.runs.runs"),
    ],
)
def test_what_is_wrong_with_a_ledger_is_said_in_one_line_with_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "wrong.yaml"
    whole = {"hardware": "GPU", "documents": {"one": {"en": "a", "ja": "あ"}}, "claims": {"x": CLAIM | change}}
    path.write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        claims.read(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("dataset", "there"), [("cifar10", True), ("digits", False), (None, False)])
def test_the_page_is_for_the_dataset_that_the_claims_are_about(dataset: str | None, there: bool) -> None:
    found = notebooks.fitting(notebooks.find(), {"train": {"seed": 1}, "dataset": {"name": dataset}})
    assert (STAGE in [notebook.stage for notebook in found]) == there


def test_the_page_is_shown_from_the_records_of_others_whether_it_was_executed_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(config.ROOT / "outputs" / "cifar10" / "results", tmp_path / "cifar10" / "results")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(notebooks.FOLDER / f"{STAGE}.ipynb", tmp_path / "notebooks")
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    for system in sorted(path.name for path in (tmp_path / "cifar10" / "results").iterdir()):
        (stage,) = shell.gather("cifar10", tmp_path / "notebooks", system).stages
        assert (stage.shown, stage.there, stage.run.measured) == (True, True, False)
        assert [finding.key for finding in stage.findings][:1] == ["tally"]
        own = replace(next(iter(stage.run.files.values())).stage, stage=STAGE)
        stage_file.write(stage.run.folder / f"{STAGE}.jsonl", own, [], {})
        (again,) = shell.gather("cifar10", tmp_path / "notebooks", system).stages
        assert (again.run.measured, again.findings) == (False, stage.findings)
        (stage.run.folder / f"{STAGE}.jsonl").unlink()
    outcome = render.render("cifar10", tmp_path / "notebooks", system)
    for language in LANGUAGES:
        page = (outcome.index.parent / system / language / f"{STAGE}.html").read_text(encoding="utf-8")
        assert page.count("<tr") > len(claims.read().claims)
    assert STAGE in (outcome.index.parent / system / "en" / "index.html").read_text(encoding="utf-8")


def test_a_page_that_measures_nothing_is_not_there_where_nothing_is_recorded(tmp_path: Path) -> None:
    (notebook,) = (one for one in notebooks.find() if one.derived)
    assert not shell.Stage(notebook, Run(tmp_path, STAGE, {}), None).there


def test_a_page_that_measures_nothing_says_that_it_cannot_be_shown() -> None:
    (notebook,) = (one for one in notebooks.find() if one.derived)
    folder = next((config.ROOT / "outputs" / "cifar10" / "results").iterdir())
    (said,) = shell.Stage(notebook, Run.open(folder, STAGE), None, broken="09_claims: cell 3 KeyError").failures
    assert "09_claims: cell 3 KeyError" in said.en


def test_the_recorded_runs_leave_nothing_open() -> None:
    # The calls of 8.x alone are in one run only, that of TensorRT 8.5.3.1 on an H200.
    for folder in (config.ROOT / "outputs" / "cifar10" / "results").iterdir():
        assert "unmeasured" not in verdicts(Run.open(folder, STAGE)).values()


# Ratios --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "claimed", "said"),
    [
        (Interval(3.6, 3.5, 3.7), 3.6, ("holds", "around")),
        (Interval(2.7, 2.6, 2.8), 14.8, ("fails", "less")),
        (Interval(20, 19, 21), 14.8, ("fails", "beyond")),
        (Interval(0.8, 0.7, 0.9), 14.8, ("fails", "reverse")),
        (Interval(1.0, 0.9, 1.1), 14.8, ("fails", "no_difference")),
        (Interval(3.6, 2.0, 6.0), 3.6, ("unknown", "straddles")),
        (Interval(1.5, 1.4, 1.6), None, ("holds", "more_than")),
        (Interval(0.5, 0.4, 0.6), None, ("fails", "reverse")),
        (Interval(1.0, 0.9, 1.1), None, ("unknown", "straddles")),
        (Interval(3.6, 0.0, float("inf")), 3.6, ("unknown", "straddles")),
    ],
)
def test_a_ratio_is_judged_by_its_whole_interval(ours: Interval, claimed: float | None, said: tuple[str, str]) -> None:
    assert judged(ours, claimed, 0.2) == said


ENDS = st.floats(0.01, 100)


@given(ENDS, ENDS, ENDS, st.floats(1, 1.5))
def test_a_wider_interval_never_says_more(a: float, b: float, claimed: float, wider: float) -> None:
    low, high = sorted((a, b))
    narrow, wide = (judged(Interval(low, low / w, high * w), claimed, 0.2)[0] for w in (1, wider))
    assert wide in (narrow, "unknown")


@pytest.mark.parametrize(("int8", "verdict"), [(0.1, "holds"), (0.5, "fails"), (1.48, "fails")])
def test_a_speed_up_in_shared_rounds(tmp_path: Path, int8: float, verdict: str) -> None:
    run = run_of(tmp_path, {"06_batching": [timed("tensorrt/fp32", 1.48), timed("tensorrt/int8", int8, noise=NOISE[::-1]), other_cpu(0)]})
    one = answer(run, "int8_speed")
    assert one.answer.verdict == verdict
    assert one.answer.times is not None
    assert one.answer.times.low < 1.48 / int8 < one.answer.times.high
    assert f"{1.48 / int8:.2f}×" in one.answer.ours.en


def test_a_disturbed_machine_answers_nothing_about_speed(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"06_batching": [timed("tensorrt/fp32", 1.48), timed("tensorrt/int8", 0.1), other_cpu(0.6)]})
    assert answer(run, "int8_speed").answer.verdict == "unknown"


def test_blocks_that_shared_no_round_are_given_a_wide_margin(tmp_path: Path) -> None:
    records = [timed("tensorrt/fp32", 1.0), timed("tensorrt/fp16", 0.35), timed("tensorrt/int8", 0.2)]
    blocks = [replace(one, stats=one.stats | {"rounds": "windows"}) for one in records]
    told = verdicts(run := run_of(tmp_path, {"04_int8": blocks}))
    assert (told["int8_speed"], told["fp16_speed"], told["int8_fp16_speed"]) == ("fails", "fails", "unknown")
    assert "2.2" in answer(run, "int8_speed").answer.why.en


def test_the_engine_that_was_calibrated_as_the_original_s_stands_in_for_int8(tmp_path: Path) -> None:
    cases = [{"method": "minmax", "images": 320}, {"method": "entropy", "images": 320}, {"method": "entropy", "images": 32}]
    several = [replace(timed("tensorrt/int8", ms), case=case) for ms, case in zip((0.5, 0.1, 0.7), cases, strict=True)]
    run = run_of(tmp_path, {"04_int8": [timed("tensorrt/fp32", 1.48), *several]})
    assert answer(run, "int8_speed").answer.times.value == pytest.approx(14.8)  # type: ignore[union-attr]


def test_batches_are_compared_by_images(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"06_batching": [timed("tensorrt/fp32", 0.1, 1), timed("tensorrt/fp32", 0.32), other_cpu(0)]})
    assert answer(run, "batch_speed").answer.times.value == pytest.approx(10, rel=0.01)  # type: ignore[union-attr]
    assert answer(run, "batch_speed").answer.verdict == "holds"


@pytest.mark.parametrize(("ms", "largest", "verdict"), [(0.4, 64, "fails"), (0.9, 64, "holds"), (0.4, 32, "unknown")])
def test_the_best_batch_is_the_best_only_where_a_larger_one_was_tried(tmp_path: Path, ms: float, largest: int, verdict: str) -> None:
    sizes = [timed("tensorrt/fp32", 1.0, 1), timed("tensorrt/fp32", 0.4), *([timed("tensorrt/fp32", ms, 64)] if largest == 64 else [])]
    assert answer(run_of(tmp_path, {"06_batching": [*sizes, other_cpu(0)]}), "best_batch").answer.verdict == verdict


@pytest.mark.parametrize(("largest", "verdict"), [(32, "unknown"), (64, "unmeasured")])
def test_that_an_engine_takes_no_more_images_is_an_answer_wherever_it_was_timed(tmp_path: Path, largest: int, verdict: str) -> None:
    engines = config.load("quickstart").engines.model_dump() | {"max_batch": largest}
    one = answer(run_of(tmp_path, {"04_int8": [timed("tensorrt/fp32", 0.4)]}, profile={"engines": engines}), "best_batch").answer
    assert one.verdict == verdict
    assert one.ours.en.startswith("batch 32, 79,9" if verdict == "unknown" else "")


def size(candidate: str, number: int) -> Record:
    return Record("file_size", "bytes", number, Candidate.parse(candidate))


def test_sizes_are_exact_and_a_version_is_asked_for_by_name(tmp_path: Path) -> None:
    sizes = {"03_engines": [size("tensorrt/fp32", 1960), size("tensorrt/fp16", 1000), size("tensorrt/int8", 300)]}
    told = verdicts(run_of(tmp_path / "eight", sizes, system=GPU_SYSTEM))
    assert (told["fp16_size"], told["fp16_size_8"], told["int8_size"]) == ("holds", "holds", "fails")
    newer = GPU_SYSTEM | {"libraries": {"tensorrt": "10.6.0"}}
    assert verdicts(run_of(tmp_path / "ten", sizes, system=newer))["fp16_size_8"] == "unmeasured"


def test_what_is_of_another_kind_of_device_is_shown_and_not_judged(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"06_batching": [timed("onnxrt/fp32", 1.0), timed("savedmodel/fp32", 15.4), other_cpu(0)]})
    one = answer(run, "onnx_savedmodel").answer
    assert (one.verdict, one.times) == ("unknown", None)
    assert "15.40×" in one.ours.en


def test_times_of_another_machine_are_never_compared(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"06_batching": [timed("tensorrt/int8", 32 / 31.1279), timed("tensorrt/fp32", 32 / 2.1082), other_cpu(0)]})
    assert answer(run, "peak").answer.verdict == "unknown"
    assert answer(run, "peak").answer.ours == NOTHING


# Where an answer comes from --------------------------------------------------------------------------------------------------------


def test_without_a_gpu_the_reason_is_said(tmp_path: Path) -> None:
    lost = [missing("latency", "ms", f"tensorrt/{p}", batch_size=32, scope="end_to_end") for p in ("fp32", "int8")]
    one = answer(run_of(tmp_path, {"06_batching": [*lost, timed("onnxrt/fp32", 1.0), other_cpu(0)]}), "int8_speed")
    assert one.answer.verdict == "unmeasured"
    assert "GPU" in one.answer.why.en
    assert one.system.en == ""


def test_a_system_beside_this_one_answers_and_is_named_but_never_before_this_one(tmp_path: Path) -> None:
    lost = [missing("latency", "ms", "tensorrt/int8", batch_size=32, scope="end_to_end"), other_cpu(0)]
    there = [timed("tensorrt/fp32", 1.48), timed("tensorrt/int8", 0.1), other_cpu(0)]
    run_of(tmp_path, {"06_batching": there}, "other", system=GPU_SYSTEM)
    one = answer(run_of(tmp_path, {"06_batching": lost}), "int8_speed")
    assert (one.answer.verdict, one.system.en) == ("holds", "Test GPU (TensorRT 8.5.3.1)")
    own = [timed("tensorrt/fp32", 1.0), timed("tensorrt/int8", 0.5), other_cpu(0)]
    one = answer(run_of(tmp_path, {"06_batching": own}), "int8_speed")
    assert (one.answer.verdict, one.system.en) == ("fails", "Test CPU")


def test_of_two_systems_no_ratio_is_made(tmp_path: Path) -> None:
    run_of(tmp_path, {"06_batching": [timed("tensorrt/fp32", 1.48), other_cpu(0)]}, "other", system=GPU_SYSTEM)
    run = run_of(tmp_path, {"06_batching": [timed("tensorrt/int8", 0.1), other_cpu(0)]})
    assert answer(run, "int8_speed").answer.verdict == "unmeasured"


def test_with_no_records_at_all_only_what_needs_none_is_answered(tmp_path: Path) -> None:
    run = run_of(tmp_path, {STAGE: []})
    told = verdicts(run)
    assert (told["fp32_baseline"], told["transfers"], told["tflite_column"], told["version_size"]) == ("fails", "holds", "fails", "fails")
    assert (told["batch_works"], told["peak"], told["no_loss"], told["cpp_python"]) == ("fails", "unknown", "unmeasured", "unmeasured")
    assert rules.findings(run)


# Accuracy and answers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "total", "verdict"),
    [((20, 18), 10_000, "holds"), ((120, 60), 10_000, "fails"), ((30, 28), 500, "unknown"), ((0, 0), 10_000, "holds")],
)
def test_a_loss_is_judged_by_the_paired_interval(tmp_path: Path, only: tuple[int, int], total: int, verdict: str) -> None:
    right = [accuracy("tensorrt/fp16", total // 2, total, (0, 0)), accuracy("tensorrt/int8", total // 2, total, only)]
    one = answer(run_of(tmp_path, {"07_precision": right}), "no_loss")
    assert one.answer.verdict == verdict
    assert ("do not show it" in one.answer.why.en) == (verdict == "holds")


def test_the_pair_that_was_asked_for_counts_before_the_reference(tmp_path: Path) -> None:
    apart = Record("accuracy_difference", "difference", -0.05, Candidate("tensorrt", "int8"), case={"reference": "tensorrt/fp32"})
    apart.stats.update(only_reference=600, only_candidate=100, total=10_000)
    right = [accuracy("tensorrt/fp16", 5000, 10_000, (0, 0)), accuracy("tensorrt/int8", 5000, 10_000, (0, 0)), apart]
    assert answer(run_of(tmp_path, {"04_int8": right}), "no_loss").answer.verdict == "fails"


def test_the_same_class_on_every_image_is_no_loss_though_nobody_counted_pairs(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"05_consistency": [agreement("onnxrt/fp32", 0, 10_000), agreement("tensorrt/fp32", 0, 10_000)]})
    assert answer(run, "formats_80").answer.verdict == "holds"
    run = run_of(tmp_path, {"05_consistency": [agreement("onnxrt/fp32", 0, 10_000), agreement("tensorrt/fp32", 5, 10_000)]})
    assert answer(run, "formats_80").answer.verdict == "unmeasured"


def pair(differ: int, max_abs: float, total: int = 10_000) -> Record:
    stats = {"correct": total - differ, "total": total, "max_abs": max_abs}
    other = {"other": "tensorrt/fp32"}
    return Record("pair_agreement", "share", (total - differ) / total, Candidate("cpp", "fp32"), case=other, stats=stats)


@pytest.mark.parametrize(("differ", "max_abs", "verdict"), [(0, 0.0, "holds"), (1, 0.0, "fails"), (0, 1e-6, "fails")])
def test_python_and_cpp_are_the_same_where_no_class_and_no_digit_differs(tmp_path: Path, differ: int, max_abs: float, verdict: str) -> None:
    assert answer(run_of(tmp_path, {"05_consistency": [pair(differ, max_abs)]}), "cpp_python").answer.verdict == verdict


@pytest.mark.parametrize(("differ", "verdict"), [(0, "holds"), (1, "holds"), (9, "unknown"), (40, "fails")])
def test_a_few_images_may_change_class_where_that_is_what_is_claimed(tmp_path: Path, differ: int, verdict: str) -> None:
    assert answer(run_of(tmp_path, {"05_consistency": [agreement("tensorrt/tf32", differ, 10_000)]}), "trt_same").answer.verdict == verdict


@pytest.mark.parametrize(("differ", "verdict"), [(0, "holds"), (1, "fails")])
def test_where_all_are_to_be_the_same_one_image_is_enough(tmp_path: Path, differ: int, verdict: str) -> None:
    run = run_of(tmp_path, {"05_consistency": [agreement("tensorrt/fp16", 0, 10_000), agreement("tensorrt/int8", differ, 10_000)]})
    assert answer(run, "precisions_same").answer.verdict == verdict


@pytest.mark.parametrize(("changed", "verdict"), [(0, "holds"), (2, "fails")])
def test_batches_of_several_sizes(tmp_path: Path, changed: int, verdict: str) -> None:
    def call(batch: int, differ: int) -> Record:
        stats = {"correct": 500 - differ, "total": 500, "max_abs": 0.0}
        return Record("call_agreement", "share", (500 - differ) / 500, Candidate.parse("cpp/fp32/enqueueV3"), batch, stats=stats)

    python = [replace(call(size, 0), candidate=Candidate.parse("tensorrt/fp32/execute_async_v3")) for size in (1, 32)]
    python[1] = replace(call(32, changed), candidate=python[1].candidate)
    assert answer(run_of(tmp_path, {"05_consistency": python}), "batches_same").answer.verdict == verdict
    assert answer(run_of(tmp_path / "one", {"05_consistency": python[:1]}), "batches_same").answer.verdict == "unmeasured"


def test_the_accuracy_of_a_lost_model_is_not_refuted_by_another_s(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"07_precision": [accuracy("savedmodel/fp32", 400), accuracy("cpp/fp32", 400)]})
    assert answer(run, "test_accuracy").answer.verdict == "unknown"
    assert answer(run, "cpp_100").answer.verdict == "fails"


def test_cpp_that_answers_as_python_does_has_its_accuracy(tmp_path: Path) -> None:
    right = [accuracy("tensorrt/fp32", 8972, 10_000), pair(0, 0.0)]
    assert "89.72" in answer(run_of(tmp_path / "same", {"05_consistency": right}), "cpp_100").answer.ours.en
    right[1] = pair(1, 0.0)
    assert answer(run_of(tmp_path / "other", {"05_consistency": right}), "cpp_100").answer.verdict == "unmeasured"


# Versions ------------------------------------------------------------------------------------------------------------------------


def versions(folder: Path, **values: Any) -> Run:
    what = Made(precisions=("fp32",), batches=(32,), variants=False, builds=5, spread=0.0005, noise=0.001, **values)
    return run_of(folder, {numbers.VERSIONS: what.records()})


@pytest.mark.parametrize(("faster", "verdict"), [(1.012, "holds"), (1.06, "fails"), (0.9, "fails")])
def test_two_versions_on_one_machine(tmp_path: Path, faster: float, verdict: str) -> None:
    one = answer(versions(tmp_path, faster={NEW: faster}), "version_speed")
    assert one.answer.verdict == verdict
    assert "5 builds" in one.answer.why.en


def test_builds_that_differ_more_than_the_claim_leave_it_open(tmp_path: Path) -> None:
    wide = Made(precisions=("fp32",), batches=(32,), variants=False, builds=3, spread=0.05, faster={NEW: 1.012})
    assert answer(run_of(tmp_path, {numbers.VERSIONS: wide.records()}), "version_speed").answer.verdict == "unknown"


@pytest.mark.parametrize("names", [(OLD,), (NEW,), (OLD, "8.6.1"), ("9.1.0", NEW)])
def test_versions_that_are_not_those_of_the_claim_answer_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert answer(versions(tmp_path, versions=names), "version_speed").answer.verdict == "unmeasured"


def test_plans_of_one_precision_are_compared_where_both_versions_built_them(tmp_path: Path) -> None:
    one = answer(versions(tmp_path), "version_size")
    assert (one.answer.verdict, one.answer.ours.en) == ("fails", "1.00×")


def test_engines_of_the_page_of_versions_stand_in_where_no_other_page_built_any(tmp_path: Path) -> None:
    both = Made(precisions=("fp32", "fp16", "int8"), batches=(32,), variants=False)
    told = verdicts(run := run_of(tmp_path, {numbers.VERSIONS: both.records()}))
    assert (told["int8_size"], told["fp16_size"], told["fp16_size_8"]) == ("holds", "holds", "holds")
    assert answer(run, "load_int8").answer.verdict == "fails"  # all of them load in the same time
    newer = Made(versions=(NEW,), precisions=("fp32", "fp16"), batches=(32,), variants=False)
    told = verdicts(run_of(tmp_path, {numbers.VERSIONS: newer.records()}, "newer"))
    assert (told["fp16_size"], told["fp16_size_8"]) == ("holds", "holds")  # the second by the system beside it
    told = verdicts(run_of(tmp_path / "alone", {numbers.VERSIONS: newer.records()}))
    assert told["fp16_size_8"] == "unmeasured"


def test_what_is_said_not_to_exist_is_refuted_by_a_record_of_that_version(tmp_path: Path) -> None:
    right = {"04_int8": [accuracy("tensorrt/int8", 450)]}
    assert answer(run_of(tmp_path / "eight", right, system=GPU_SYSTEM), "int8_on_8").answer.verdict == "fails"
    newer = GPU_SYSTEM | {"libraries": {"tensorrt": "10.6.0"}}
    assert answer(run_of(tmp_path / "ten", right, system=newer), "int8_on_8").answer.verdict == "unmeasured"
    beside = {numbers.VERSIONS: [made.worker(1, OLD), replace(accuracy("tensorrt/int8", 450), case=made.case(OLD, 1))]}
    assert answer(run_of(tmp_path / "worker", beside, system=newer), "int8_on_8").answer.verdict == "fails"


# Their own numbers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("correct", "total", "guess"), [(10, 100, True), (8, 96, True), (80, 100, False), (8, 10, False)])
def test_right_images_that_cannot_be_told_from_guessing(correct: int, total: int, guess: bool) -> None:
    counts = claims.Counts(kind="counts", correct=correct, total=total, classes=10)
    assert evidence.guess(counts) == guess
    assert ("guessing" in evidence.shown(counts).en) == guess


def test_two_baselines_of_one_configuration_are_set_against_each_other() -> None:
    apart = claims.Baseline(kind="baseline", used=2108.2, other=8483.2, claimed=14.8)
    assert evidence.spread(apart) == pytest.approx(4.024, abs=1e-3)
    assert "3.7×" in evidence.shown(apart).en


def test_a_mean_whose_interval_reaches_below_zero_is_said_so() -> None:
    wild, calm = (claims.Runs(kind="runs", mean=0.18, deviation=deviation, runs=5) for deviation in (0.24, 0.01))
    assert evidence.time(wild).low < 0 < evidence.time(calm).low
    assert evidence.time(wild).high == pytest.approx(0.18 + 2.776 * 0.24 / 5**0.5, abs=1e-3)
    assert "below 0" in evidence.shown(wild).en
    assert "below 0" not in evidence.shown(calm).en


@pytest.mark.parametrize(("a", "claimed", "met"), [(2.0, 2.0, True), (2.05, 2.0, True), (1.0, 2.0, False)])
def test_a_ratio_that_its_own_numbers_do_not_give(a: float, claimed: float, met: bool) -> None:
    one = claims.Own(kind="own", a=a, b=1.0, claimed=claimed)
    assert evidence.met(one) == met
    assert evidence.refutes([one]) != met


# The page ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    pages = {
        "05_consistency": [agreement("onnxrt/fp32", 0, 10_000), agreement("tensorrt/int8", 40, 10_000), pair(0, 0.0)],
        "06_batching": [*(timed(f"tensorrt/{p}", ms) for p, ms in (("fp32", 1.48), ("fp16", 0.5), ("int8", 0.1))), other_cpu(0)],
        numbers.VERSIONS: Made(precisions=("fp32",), batches=(32,), variants=False).records(),
        STAGE: [],
    }
    return run_of(tmp_path, pages, system=GPU_SYSTEM)


def test_at_most_five_findings_and_none_is_a_fault_of_the_model_at_hand(whole: Run) -> None:
    found = rules.findings(whole)
    assert 1 <= len(found) <= 5
    assert {finding.level for finding in found} == {"note"}
    (tally,) = [finding.values for finding in found if finding.key == "tally"]
    assert tally["total"] == sum(tally[verdict] for verdict in VERDICTS) == len(claims.read().claims)
    assert {finding.key for finding in found} >= {"guessed", "bases", "hardware"}


def test_tables_figure_and_findings_are_shown_in_both_languages(whole: Run, tmp_path: Path) -> None:
    for run in (whole, run_of(tmp_path / "empty", {STAGE: []})):
        told = answers.answered(run)
        shown = [tables.tally(told), tables.own_numbers(told), *(tables.ledger(told, topic) for topic in claims.TOPICS)]
        for language in LANGUAGES:
            for table in shown:
                assert table_html(table, language)
            assert figure_html(figures.ratios(run), language)
            assert findings_html(rules.findings(run), language)


def test_every_claim_stands_in_one_table_with_verdict_place_and_reason(whole: Run) -> None:
    told = answers.answered(whole)
    rows = [row for topic in claims.TOPICS for row in tables.ledger(told, topic).rows]
    assert len(rows) == len(told) == tables.tally(told).rows[-1]["claims"]
    for row in rows:
        assert all(row[key].en and row[key].ja for key in ("claim", "verdict", "theirs", "ours", "why", "where", "answered_by"))
        assert not JAPANESE.search(row["why"].en + row["theirs"].en + row["ours"].en + row["where"].en)
