"""What pages see of a run: their own numbers, those that another page measured, exhibits of the right type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_records import LATENCY, ONE
from test_stage_file import STAGE, Curve

from lib.errors import ConfigError, ReportError
from lib.experiment import profile as profiles
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.pages import page
from lib.session import RUN_ID, Session
from lib.store import stage_file
from lib.store.records import Exhibit
from lib.store.run import Run

ONNX = Candidate("onnxrt", "fp32")


class Point(Exhibit):
    """Another type than `Curve`."""

    x: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """results/SYSTEM of three pages: 03 of an earlier run, 05 and 06 of the last one."""
    settings = profiles.load("quickstart").model_dump()
    for stage, run_id, found in (
        ("03_a", "before", [replace(ONE, value=0.25, stats={"correct": 1, "total": 4}), replace(LATENCY, candidate=ONNX)]),
        ("05_b", "now", [replace(ONE, value=0.5, stats={"correct": 2, "total": 4})]),
        ("06_c", "now", [LATENCY, replace(LATENCY, batch_size=1), replace(LATENCY, candidate=ONNX)]),
    ):
        stage = replace(STAGE, stage=stage, run_id=run_id, profile=settings)
        stage_file.write(tmp_path / f"{stage.stage}.jsonl", stage, found, {"curve": Curve(loss=[1.0])})
    return tmp_path


def test_a_page_sees_its_own_records_first_then_those_of_its_run(folder: Path) -> None:
    run = Run.open(folder, "06_c")
    assert [record.batch_size for record in run.records("latency", candidate=SAVED_MODEL_REFERENCE)] == [8, 1]
    assert run.records("accuracy") == []
    assert [record.value for record in run.everywhere("accuracy")] == [0.5, 0.25]
    assert [record.value for record in run.of("03_a").everywhere("accuracy")] == [0.25, 0.5]
    found = run.find("accuracy", SAVED_MODEL_REFERENCE)
    assert found is not None
    assert found.value == 0.5
    assert run.find("accuracy", ONNX) is None
    assert run.find("accuracy") is None  # a record that concerns no candidate
    assert run.candidates("latency") == run.candidates() == [SAVED_MODEL_REFERENCE, ONNX]
    assert len(run.records()) == 3


def test_a_page_knows_when_and_with_what_it_was_measured(folder: Path) -> None:
    run = Run.open(folder, "06_c")
    assert run.measured
    assert run.info.run_id == "now"
    assert run.profile == profiles.load("quickstart")
    later = run.of("07_d")
    assert not later.measured
    assert later.records("latency") == []
    assert [record.value for record in later.everywhere("accuracy")] == [0.25, 0.5]
    with pytest.raises(ReportError, match="nothing recorded of 07_d; run that notebook first"):
        _ = later.info


def test_exhibits_have_their_type_or_are_not_there(folder: Path) -> None:
    run = Run.open(folder, "06_c")
    assert run.exhibit("curve", Curve) == Curve(loss=[1.0])
    assert run.exhibit("curve", Curve, "03_a") == Curve(loss=[1.0])
    assert run.exhibit("matrix", Curve) is run.exhibit("curve", Curve, "07_d") is None
    with pytest.raises(ReportError, match=r"06_c\.jsonl: exhibit curve\.x: Field required; run notebook 06_c again"):
        run.exhibit("curve", Point)


def test_what_was_altered_is_found_when_a_run_is_opened(folder: Path) -> None:
    path = folder / "05_b.jsonl"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(ReportError, match=r"05_b\.jsonl:2: altered"):
        Run.open(folder, "06_c")
    assert Run.open(folder / "nowhere").files == {}


def test_a_page_measures_once_and_answers_from_its_records_ever_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure(session: Session) -> None:
        assert session.earlier("accuracy") == []
        session.record(ONE)
        session.exhibit("curve", Curve(loss=[0.5]))

    def never(session: Session) -> None:
        raise AssertionError("measured again")

    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    monkeypatch.setenv(RUN_ID, "this")
    run = page.start("quickstart", "05_b").measure(measure)
    assert run.records() == [ONE]
    assert run.exhibit("curve", Curve) == Curve(loss=[0.5])
    assert run.profile == profiles.load("quickstart")
    assert run.info.class_names == [str(digit) for digit in range(10)]
    assert Session(profiles.load("quickstart"), "06_c").earlier("accuracy", candidate=SAVED_MODEL_REFERENCE) == [ONE]
    assert Session(profiles.load("quickstart"), "06_c", "another run").earlier("accuracy") == []
    monkeypatch.setenv(page.REPLAY, str(run.folder))
    assert page.start("gone", "05_b").measure(never).records() == [ONE]
    assert not page.start("gone", "06_c").measure(never).measured


def test_a_page_that_fails_leaves_the_records_that_there_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(session: Session) -> None:
        session.record(replace(ONE, value=0.25, stats={"correct": 1, "total": 4}))
        raise ReportError("no")

    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    run = page.start("quickstart", "05_b").measure(lambda session: session.record(ONE))
    with pytest.raises(ReportError, match="no"):
        page.start("quickstart", "05_b").measure(fails)
    assert Run.open(run.folder, "05_b").records() == [ONE]


@pytest.mark.parametrize("profile", [2024, 0, 1.5, None, True])
def test_a_profile_that_is_no_text_is_one_line(profile: object) -> None:
    with pytest.raises(ConfigError, match="is no text"):
        page.start(profile, "05_b")  # type: ignore[arg-type]


def test_an_empty_profile_is_that_of_the_lab_else_quickstart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(page.PROFILE, "cifar10")
    assert page.start("", "05_b").profile == "cifar10"
    monkeypatch.delenv(page.PROFILE)
    assert page.start("", "05_b").profile == "quickstart"
    with pytest.raises(ConfigError, match="no such profile"):
        page.start("gone", "05_b")
