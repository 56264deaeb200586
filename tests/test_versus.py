"""Any two runs against each other: what differs beyond its interval, what else differs, and the exit code."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_report
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as some
from records import SYSTEM, accuracy, agreement, keys, latency, made_run, missing, other_cpu, unlabelled

from lib import session, stats
from lib.__main__ import main
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.report.versus import numbers, page, sides
from lib.report.versus.findings import counted, findings
from lib.report.versus.numbers import BETTER, SAME, UNDECIDED, WORSE, Compared
from lib.store.records import WINDOWS, Record
from lib.store.run import Run
from lib.text import Text

STEADY = [10.0, 10.01, 9.99, 10.0, 10.02]
REFERENCE = "savedmodel/fp32"


def times(factor: float) -> list[float]:
    return [factor * ms for ms in STEADY]


def run(*records: Record, name: str = "one", **fields: Any) -> Run:
    return made_run("07_precision", records, folder=Path("results") / name, **fields).newest()


def judged(a: Run, b: Run, limit: float = 0.02) -> dict[tuple[str, str], str]:
    return {(one.metric, one.candidate.key): one.said for one in numbers.compared(a, b, limit)}


def code(a: Run, b: Run) -> int:
    return numbers.exit_code(numbers.compared(a, b, 0.02), numbers.broken(a, b))


@pytest.mark.parametrize(
    ("factor", "said", "ends"),
    [(1.1, WORSE, 3), (0.9, BETTER, 0), (1.0, SAME, 0), (1.019, UNDECIDED, 4), (1.0201, UNDECIDED, 4), (1.03, WORSE, 3)],
)
def test_speed_is_worse_only_beyond_the_least_ratio(factor: float, said: str, ends: int) -> None:
    a, b = (run(latency("onnxrt/fp32", times(scale))) for scale in (1.0, factor))
    assert judged(a, b) == {("latency", "onnxrt/fp32"): said}
    assert code(a, b) == ends
    (one,) = numbers.compared(a, b, 0.02)
    assert one.apart == stats.ratio(b.records("latency")[0].samples, a.records("latency")[0].samples)
    assert one.how == "rounds"


def test_rounds_of_two_runs_are_never_paired() -> None:
    """What both share in a round would fall out if they were the same rounds; of two runs it is chance."""
    drift = [1.0, 1.5, 2.0, 2.5, 3.0]
    a, b = (run(latency("onnxrt/fp32", [scale * ms for ms in drift])) for scale in (1.0, 1.1))
    assert stats.compared([1.1 * ms for ms in drift], drift, 0.02) == "slower"
    assert judged(a, b) == {("latency", "onnxrt/fp32"): UNDECIDED}


@pytest.mark.parametrize("disturbed", ["a", "b"])
def test_a_disturbed_machine_claims_nothing(disturbed: str) -> None:
    a, b = (
        run(latency("onnxrt/fp32", times(scale)), other_cpu(0.5 if side == disturbed else 0.0)) for side, scale in (("a", 1.0), ("b", 2.0))
    )
    assert judged(a, b) == {("latency", "onnxrt/fp32"): ""}
    assert code(a, b) == 4
    found = numbers.compared(a, b, 0.02)
    assert ("warn", "unjudged") in keys(findings(a, b, found))
    assert [one.how for one in found] == [f"disturbed_{disturbed}"]
    assert ("warn", "nothing_judged") in keys(findings(a, b, found))


@pytest.mark.parametrize(("rounds", "how"), [([10.0, 10.0], "few_rounds"), ([10.0], "few_rounds"), (STEADY, "one_block")])
def test_times_that_tell_nothing_are_not_judged(rounds: list[float], how: str) -> None:
    before = latency("onnxrt/fp32", rounds)
    if how == "one_block":
        before = replace(before, stats=before.stats | {"rounds": WINDOWS})
    a, b = run(before), run(latency("onnxrt/fp32", times(2.0)))
    (one,) = numbers.compared(a, b, 0.02)
    assert (one.said, one.how, one.apart) == ("", how, None)
    assert code(a, b) == 4


def test_only_numbers_of_the_same_batch_size_scope_and_way_meet() -> None:
    a = run(latency("cpp/fp16", STEADY), latency("cpp/fp16", STEADY, batch_size=1), latency("cpp/fp16", STEADY, scope="gpu_compute"))
    b = run(
        latency("cpp/fp16/+graph", STEADY), latency("cpp/fp16", times(2.0), batch_size=8), latency("cpp/fp16", STEADY, case={"build": 1})
    )
    assert numbers.compared(a, b, 0.02) == []
    assert numbers.missing(a, b) == ([], [Candidate.parse("cpp/fp16/+graph")])


def test_what_other_test_sets_say_is_not_compared() -> None:
    a, b = (
        run(accuracy("onnxrt/fp32", 450), latency("onnxrt/fp32", STEADY)),
        run(accuracy("onnxrt/fp32", 100), latency("onnxrt/fp32", times(2.0)), dataset="letters"),
    )
    assert numbers.compared(a, b, 0.02) == []
    assert code(a, b) == 4
    assert ("warn", "other_dataset") in keys(findings(a, b, []))


def of_model(sha: str, correct: int, only: tuple[int, int], reference: int = 9000) -> list[Record]:
    """A reference and a candidate on 10,000 images."""
    return [accuracy(REFERENCE, reference, 10000, artifact_sha256=sha), accuracy("onnxrt/int8_qdq", correct, 10000, only)]


def test_accuracies_are_paired_by_way_of_the_same_reference_and_else_compared_by_counts() -> None:
    a = run(*of_model("aa", 8990, (20, 10)))
    for other, how, apart in (
        (run(*of_model("aa", 8870, (150, 20))), "paired", stats.paired(160, 40, 10000)),
        (run(*of_model("bb", 8870, (150, 20))), "counts", stats.difference(8990, 10000, 8870, 10000)),
        (run(*of_model("aa", 8870, (151, 20), reference=9001)), "counts", stats.difference(8990, 10000, 8870, 10000)),
    ):
        (one,) = [one for one in numbers.compared(a, other, 0.02) if one.candidate.runner == "onnxrt"]
        assert (one.how, one.apart) == (how, apart)
        assert one.said == UNDECIDED  # 1.2 points, of a margin of 1


@given(some.integers(0, 2**32 - 1), some.floats(0, 0.3), some.floats(0, 0.3))
def test_images_paired_by_way_of_the_reference_are_never_fewer_than_really_differ(seed: int, far_a: float, far_b: float) -> None:
    """So the interval is never shorter than the one over the images themselves."""
    draw = np.random.default_rng(seed)
    reference = draw.random(200) < 0.8
    a, b = (reference ^ (draw.random(200) < far) for far in (far_a, far_b))
    runs = [
        run(
            accuracy(REFERENCE, int(reference.sum()), 200, artifact_sha256="aa"),
            accuracy("onnxrt/fp16", int(side.sum()), 200, (int((reference & ~side).sum()), int((side & ~reference).sum()))),
        )
        for side in (a, b)
    ]
    (one,) = [one for one in numbers.compared(*runs, 0.02) if one.candidate.runner == "onnxrt"]
    really = stats.paired(int((a & ~b).sum()), int((b & ~a).sum()), 200)
    assert one.how in ("paired", "many")
    assert one.apart is not None
    assert math.isclose(one.apart.value, really.value)
    assert one.apart.low <= really.low + 1e-12
    assert one.apart.high >= really.high - 1e-12


@pytest.mark.parametrize(
    ("correct", "only", "said", "ends"), [(8700, (320, 20), WORSE, 3), (9300, (20, 320), BETTER, 0), (8995, (10, 5), SAME, 0)]
)
def test_a_sure_loss_of_accuracy_is_worse_and_a_gain_never_fails(correct: int, only: tuple[int, int], said: str, ends: int) -> None:
    a, b = run(*of_model("aa", 9000, (5, 5))), run(*of_model("aa", correct, only))
    assert judged(a, b) == {("accuracy", REFERENCE): SAME, ("accuracy", "onnxrt/int8_qdq"): said}
    assert code(a, b) == ends


def test_agreement_is_judged_where_nobody_labelled_the_images_alone() -> None:
    a, b = (run(agreement("onnxrt/fp16", differ)) for differ in (0, 100))
    assert judged(a, b) == {("agreement", "onnxrt/fp16"): WORSE}
    a, b = (run(agreement("onnxrt/fp16", differ), *unlabelled("onnxrt/fp16")) for differ in (0, 100))
    assert judged(a, b) == {("agreement", "onnxrt/fp16"): WORSE}
    assert keys(findings(a, b, numbers.compared(a, b, 0.02))) == [("bad", "agreement_worse")]
    a, b = (run(agreement("onnxrt/fp16", differ), accuracy("onnxrt/fp16", 45000, 50000)) for differ in (0, 100))
    assert judged(a, b)["agreement", "onnxrt/fp16"] == ""
    assert code(a, b) == 0


def test_file_sizes_are_shown_and_judged_by_nobody() -> None:
    a, b = (run(Record("file_size", "bytes", size, Candidate.parse("tensorrt/fp16"))) for size in (1000, 2000))
    (one,) = numbers.compared(a, b, 0.02)
    assert (one.apart, one.said) == ((2, 2, 2), "")
    assert code(a, b) == 4


@pytest.mark.parametrize(("reason", "ends"), [("failed", 3), ("no_gpu", 0)])
def test_what_failed_in_b_and_ran_in_a_is_worse_and_what_could_not_run_is_said(reason: str, ends: int) -> None:
    same = accuracy("onnxrt/fp32", 45000, 50000)
    a = run(same, latency("tensorrt/fp16", STEADY))
    values = {"error": "no plan"} if reason == "failed" else {}
    b = run(same, missing("latency", "ms", "tensorrt/fp16", reason, batch_size=32, scope="end_to_end", values=values))
    assert code(a, b) == ends
    assert code(b, a) == 0  # it runs now
    said = keys(findings(a, b, numbers.compared(a, b, 0.02)))
    assert (("bad", "failed") in said) == (ends == 3)
    assert ("warn", "only_one") in said
    assert (("good", "nothing_worse") in said) == (ends == 0)


def test_among_many_comparisons_of_the_same_something_is_claimed_in_few_runs_only() -> None:
    """Twenty speeds that differ by exactly the limit: alone one in forty is claimed, so four in ten runs claim one."""
    draw, claimed, alone, sizes = np.random.default_rng(7), 0, 0, range(1, 21)

    def made(scale: float) -> Run:
        return run(*(latency("onnxrt/fp32", scale * np.exp(draw.normal(0, 0.01, 8)), batch_size=size) for size in sizes))

    for _ in range(60):
        found = numbers.compared(made(1.0), made(1.02), 0.02)
        claimed += any(one.said == WORSE for one in found)
        alone += any(one.said == WORSE or one.how == "many" for one in found)
    assert claimed <= 6
    assert alone >= 12


@given(some.lists(some.floats(5.0, 20.0), min_size=3, max_size=8), some.lists(some.floats(5.0, 20.0), min_size=3, max_size=8))
def test_the_test_and_the_interval_claim_the_same(a_ms: list[float], b_ms: list[float]) -> None:
    """A single comparison is claimed by Welch's test exactly where its interval is beyond the limit."""
    said = stats.claim(stats.ratio(b_ms, a_ms), 0.02)
    p = numbers._p_of_rounds(a_ms, b_ms, math.log1p(0.02))
    assert 0 <= p <= 1
    if abs(p - 0.05) > 1e-6:
        assert (said in ("faster", "slower")) == (p < 0.05)


def test_what_else_differs_is_named_by_kind() -> None:
    a = run(accuracy(REFERENCE, 450, artifact_sha256="a" * 64))
    system = SYSTEM | {"cores": 16, "libraries": {"tensorflow": "2.22.0"}, "gpus": [{"name": "GPU", "driver_version": "1"}]}
    b = run(
        accuracy(REFERENCE, 450, artifact_sha256="b" * 64),
        system_id="other",
        system=system,
        profile={"measuring": {"rounds": 7}},
        dataset="letters",
    )
    rows = {(one.kind, one.what.en): (one.a, one.b) for one in sides.differences(a, b)}
    assert rows == {
        ("dataset", "Dataset"): ("digits", "letters"),
        ("model", "Model, SHA-256"): ("a" * 12, "b" * 12),
        ("system", "System"): ("test", "other"),
        ("system", "Cores"): ("2", "16"),
        ("system", "GPU"): ("–", "GPU"),
        ("system", "Driver"): ("–", "1"),
        ("versions", "tensorflow"): ("2.21.0", "2.22.0"),
        ("parameters", "measuring.rounds"): (str(a.profile.measuring.rounds), "7"),
    }
    assert sides.differences(a, a) == []
    assert [one.kind for one in sides.differences(run(latency("cpp/fp16", STEADY)), run(latency("cpp/fp16", STEADY)))] == [
        "model"
    ]  # not known


def test_what_is_cut_alike_is_still_told_from_a_model_that_is_not_known() -> None:
    same = accuracy(REFERENCE, 450, artifact_sha256="a" * 64)
    a, b = (run(same, class_names=["cat", "dog", "bird", last]) for last in ("horse", "house"))
    (one,) = sides.differences(a, b)
    assert one.a == one.b == "cat, dog, bird, … (4)"
    assert "A and B differ in the dataset. What" in sides.lead([one]).en


@pytest.mark.parametrize(
    ("scale", "said"),
    [(1, "no record tells whether A and B have the same model. Dataset"), (2, "differ in parameters (measuring.rounds), and no")],
)
def test_a_model_that_no_record_names_is_not_said_to_differ(scale: int, said: str) -> None:
    a, b = (run(latency("cpp/fp16", STEADY), profile={"measuring": {"rounds": 4 * one}}) for one in (1, scale))
    assert said in sides.lead(sides.differences(a, b)).en


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """outputs/ with profile `quickstart` before and after, on one system."""
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    for name, factor in (("before", 1.0), ("quickstart", 1.5)):
        found = [latency("onnxrt/fp32", times(factor)), accuracy("onnxrt/fp32", 450)]
        record(tmp_path / name / "results" / "here", found, run_id=name)
    return tmp_path


def record(results: Path, found: Iterable[Record], **info: Any) -> None:
    small_report.recorded(results, "07_precision", list(found), **info)


def test_a_run_is_named_in_many_ways(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(outputs / "quickstart" / "results" / "older", [], started_at="2020-01-01T00:00:00+00:00")
    here = outputs / "quickstart" / "results" / "here"
    for name in ("quickstart", "quickstart/here", "some/quickstart.yaml", str(here), str(here.parent), str(here.parents[1])):
        assert sides.find(name).folder.resolve() == here
    assert sides.find("quickstart/older").folder.name == "older"
    for name in ("", "nobody", "quickstart/nobody", str(outputs / "none")):
        with pytest.raises(ReportError, match="nothing recorded there; name two runs"):
            sides.find(name)
    with pytest.raises(ReportError, match="A and B are the same records"):
        page.compare("quickstart", str(here))
    path = here / "07_precision.jsonl"
    path.write_text(path.read_text().replace("0.9", "0.8"))
    with pytest.raises(ReportError, match="altered since it was recorded"):
        page.compare("before", "quickstart")


def test_the_page_says_what_else_differs_before_any_number_in_both_languages(outputs: Path) -> None:
    said, ends = page.compare("before", "quickstart")
    assert ends == 3
    path = outputs / "quickstart" / "html" / "compare" / "here-before--here-quickstart.html"
    assert said.splitlines()[0].startswith("Before any number: no record tells whether A and B have the same model.")
    assert said.splitlines()[1].startswith("1 worse, 0 better, 0 the same, 1 undecided, 0 not judged: open ")
    text = path.read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    for language, heading, finding in (
        ("en", "What else differs", "B is slower: ONNX Runtime (CPU) FP32"),
        ("ja", "数値のほかに異なるもの", "Bで遅くなった"),
    ):
        body = soup.select_one(f"main > [lang={language}]")
        assert body.h2.text == heading
        assert finding in body.select_one(".finding.bad").text
        assert len(body.select("table")) == 4
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", text)
    index = BeautifulSoup((outputs / "quickstart" / "html" / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert [link["href"] for link in index.select("a")] == [f"compare/{path.name}"]
    before = path.read_bytes()
    page.compare("before", "quickstart")
    assert path.read_bytes() == before


def test_the_page_goes_where_it_is_asked_to_and_the_limit_is_given(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(outputs)
    said, ends = page.compare("before", "quickstart", "a folder/mine.html", limit=0.6)
    assert ends == 0
    assert said.endswith("open a folder/mine.html")
    assert "beyond 60.0 %" in (outputs / "a folder" / "mine.html").read_text(encoding="utf-8")
    page.compare("quickstart", "before", "pages")
    assert [path.name for path in (outputs / "pages").iterdir()] == ["here-quickstart--here-before.html"]
    assert not (outputs / "quickstart" / "html").exists()


def test_the_command_ends_with_what_it_found(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, ends in (
        (["before", "quickstart"], 3),
        (["quickstart", "before"], 0),
        (["before", "quickstart", "--percent", "60"], 0),
        (["before", "quickstart", "--percent", "0"], 2),
        (["before", "nobody"], 2),
        (["--to=", "--percent=", "--", "before", "quickstart"], 3),
    ):
        assert main(["compare", *arguments]) == ends
        out, err = capsys.readouterr()
        assert (out.count("\n"), err.count("\n")) == ((2, 0) if ends in (0, 3) else (0, 1))
    record(outputs / "letters" / "results" / "here", [accuracy("onnxrt/fp32", 450)], dataset="letters")
    capsys.readouterr()
    assert main(["compare", "before", "letters"]) == 4
    assert capsys.readouterr().out.splitlines()[1].startswith("warn: Nothing is compared: ")  # why it is 4


def test_what_is_counted_is_every_number() -> None:
    a, b = (run(*of_model("aa", 9000, (5, 5)), latency("onnxrt/fp32", times(scale))) for scale in (1.0, 1.5))
    assert counted(numbers.compared(a, b, 0.02)).en == "1 worse, 0 better, 2 the same, 0 undecided, 0 not judged"
    assert numbers.exit_code([Compared("latency", Candidate("a", "b"), *a.records("latency") * 2, None, UNDECIDED)], {}) == 4


def test_where_no_comparison_was_decided_that_is_said_and_ends_with_4() -> None:
    """Nothing worse among what is undecided or not judged is no good news; one comparison that is decided is."""
    open_ = [accuracy("onnxrt/fp32", 450), latency("onnxrt/fp32", [10.0, 10.0])]
    a, b = run(*open_), run(*open_)
    found = numbers.compared(a, b, 0.02)
    assert sorted(one.said for one in found) == ["", UNDECIDED]
    assert code(a, b) == 4
    (said,) = [one for one in findings(a, b, found) if one.key == "nothing_decided"]
    assert (said.level, said.values) == ("warn", {"undecided": 1, "unjudged": 1})
    assert "good" not in {level for level, _ in keys(findings(a, b, found))}
    a, b = (run(*open_, latency("cpp/fp16", STEADY)) for _ in "ab")
    assert code(a, b) == 0
    assert ("good", "nothing_worse") in keys(findings(a, b, numbers.compared(a, b, 0.02)))


def test_limits_of_acceptance_are_no_difference_in_measuring() -> None:
    same = accuracy(REFERENCE, 450, artifact_sha256="a" * 64)
    a, b = run(same), run(same, profile={"accept": {"latency_p99_ms": 5.0}})
    assert a.profile.accept != b.profile.accept
    assert sides.differences(a, b) == []
    assert sides.lead([]).en.startswith("A and B have the same dataset")


@pytest.mark.parametrize(
    ("kinds", "en", "ja"),
    [
        (["model"], "differ in the model.", "AとBはモデルが異なる"),
        (["system", "parameters"], "differ in the system and parameters (x).", "AとBはシステム、パラメータ（x）が異なる"),
        (
            ["model", "system", "versions"],
            "differ in the model, the system and versions (x).",
            "AとBはモデル、システム、バージョン（x）が異なる",
        ),
    ],
)
def test_what_differs_is_listed_as_one_writes_it(kinds: list[str], en: str, ja: str) -> None:
    said = sides.lead(sides.Differs(kind, Text("x", "x"), 1, 2) for kind in [*kinds, kinds[0]])
    assert en in said.en
    assert ja in said.ja


def test_a_copied_folder_is_no_other_system(outputs: Path) -> None:
    here = outputs / "before" / "results" / "here"
    copy = shutil.copytree(here, outputs / "elsewhere" / "copied by hand")
    assert "system" not in {one.kind for one in sides.differences(sides.find(str(here)), sides.find(str(copy)))}
