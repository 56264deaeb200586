"""A limit in minutes: when long work stops, what it has measured and kept until then, and which run is gone on with."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import images
import models
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lib import deadline, plans
from lib.deadline import OutOfTime
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.measure import kept as keeping
from lib.measure import predictions
from lib.measure.kept import kept
from lib.pages.consistency import measure as consistency
from lib.pages.engines import measure as engines
from lib.pages.int8 import measure as int8
from lib.report import limit, unfinished
from lib.report.execute import Failure
from lib.report.limit import Limit
from lib.session import Session
from lib.store.records import Reason, Record

NOTEBOOKS = ["01_a", "02_b", "03_c"]


def test_without_a_limit_there_is_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for none in (None, ""):
        monkeypatch.delenv(deadline.DEADLINE, raising=False)
        if none is not None:
            monkeypatch.setenv(deadline.DEADLINE, none)
        assert deadline.left_s() == math.inf
        deadline.check(1e9)


@pytest.mark.parametrize(
    ("left", "needed", "says"),
    [(60, 0, ""), (60, 50, ""), (60, 70, "takes 70 s and 60 s are left"), (-1, 0, "minutes are over"), (-1, 70, "minutes are over")],
)
def test_a_step_is_begun_where_the_time_holds(monkeypatch: pytest.MonkeyPatch, left: float, needed: float, says: str) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    monkeypatch.setenv(deadline.DEADLINE, str(1000 + left))
    assert deadline.left_s() == left
    if not says:
        deadline.check(needed)
        return
    with pytest.raises(OutOfTime, match=says) as caught:
        deadline.check(needed)
    assert isinstance(caught.value, ReportError)
    assert Failure("03_x", 1, "", f"{type(caught.value).__name__}: {caught.value}").out_of_time
    assert not Failure("03_x", 1, "", f"ReportError: {caught.value}").out_of_time


@pytest.mark.parametrize(("left", "begun"), [(300, True), (271, True), (269, False)])
def test_a_step_that_is_longer_than_the_limit_is_begun_by_some_run(monkeypatch: pytest.MonkeyPatch, left: float, begun: bool) -> None:
    one = Limit(9.5, time.time() - 540 + left)  # 540 s of it are for measuring
    for variable, value in one.variables().items():
        monkeypatch.setenv(variable, value)
    with nullcontext() if begun else pytest.raises(OutOfTime, match="takes 900 s"):
        deadline.check(900)


def test_what_is_no_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadline.DEADLINE, "soon")
    with pytest.raises(ReportError, match="REPORT_DEADLINE=soon: no seconds; runs set it themselves"):
        deadline.left_s()


@given(st.floats(0.001, 1e6), st.floats(0, 1e9))
def test_measuring_ends_before_the_limit_does_and_takes_most_of_it(minutes: float, begun: float) -> None:
    one = Limit(minutes, begun)
    seconds = one.until - begun
    assert 0.89 * 60 * minutes <= seconds < 60 * minutes
    assert 60 * minutes - seconds <= limit.PAGES_S + 1e-3
    assert float(one.variables()[deadline.DEADLINE]) == one.until


@pytest.mark.parametrize(
    ("left", "took", "late"),
    [
        (5, None, True),  # no kernel starts so fast
        (15, None, False),
        (15, 2.0, False),
        (15, 20.0, True),
        (70, 3000.0, False),  # it may stop on its way
        (1, 0.5, False),
        (-1, 0.5, True),
    ],
)
def test_a_notebook_that_cannot_come_far_is_not_begun(left: float, took: float | None, late: bool) -> None:
    one = Limit(10, time.time() - 570 + left)
    assert one.too_late(took) is late
    assert not Limit().too_late(1e9)
    assert Limit().variables() == {deadline.DEADLINE: "", deadline.LIMIT: ""}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    return Session(config.load("quickstart"), "08_cross_version", run_id="one")


FP16 = Candidate("onnxrt", "fp32")
MEASURED = [
    Record("latency", "ms", 0.1 + 0.2, FP16, 32, "end_to_end", {"tensorrt": "8.5", "build": 1}, {"n": 3, "gpu": None}, [0.3, 1 / 3]),
    Record("build_time", "s", None, FP16, reason=Reason("failed", {"message": "日本 <x>\n"})),
    Record("worker", "count", 1),
]


def test_a_step_is_measured_once_in_a_run(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    called = []

    def measure() -> list[Record]:
        called.append(1)
        return MEASURED

    first = kept(session, "fp16 8 32", {"sizes": [8, 32]}, measure)
    again = Session(session.profile, session.stage, run_id="one")
    second = kept(again, "fp16 8 32", {"sizes": [8, 32]}, measure)
    assert first == second == MEASURED
    assert len(called) == 1
    assert "fp16 8 32: measured before the run was stopped" in capsys.readouterr().err
    again.record(*second)
    assert kept(session, "nothing", {}, list) == kept(session, "nothing", {}, measure) == []


def test_another_run_stage_name_input_or_system_has_not_measured_it(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))

    def measured(run_id: str = "one", stage: str = "08_cross_version", name: str = "step", **inputs: int) -> float | None:
        one = Session(session.profile, stage, run_id=run_id)
        return kept(one, name, inputs, lambda: [Record("worker", "count", next(count))])[0].value

    assert [measured(), measured()] == [0, 0]
    assert [measured(run_id="two"), measured(stage="03_engines"), measured(name="other"), measured(build=1), measured(build=2)] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert measured() == 0
    monkeypatch.setattr(system, "system_id", lambda: "another")
    assert measured() == 6


def test_what_fails_is_not_kept_and_what_was_altered_is_measured_again(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> list[Record]:
        raise OutOfTime("over")

    with pytest.raises(OutOfTime):
        kept(session, "step", {}, fails)
    assert not list(keeping.folder(session.folder).rglob("*.jsonl"))
    kept(session, "step", {}, lambda: MEASURED)
    (file,) = keeping.folder(session.folder).rglob("*.jsonl")
    whole = file.read_text(encoding="utf-8")
    for damaged in (whole.replace("32", "31"), whole[:-40], whole[: len(whole) // 2], ""):
        file.write_text(damaged, encoding="utf-8")
        assert kept(session, "step", {}, lambda: MEASURED[:1]) == MEASURED[:1]
        assert "it is measured again" in capsys.readouterr().err
    other = file.with_name("0" * 16 + ".jsonl")
    kept(session, "other", {}, lambda: MEASURED)
    (other,) = set(keeping.folder(session.folder).rglob("*.jsonl")) - {file}
    file.write_bytes(other.read_bytes())  # whole, but of another step
    assert kept(session, "step", {}, lambda: []) == []


def test_a_page_that_is_finished_leaves_nothing(session: Session) -> None:
    for stage in NOTEBOOKS:
        kept(Session(session.profile, stage, run_id="one"), "step", {}, lambda: MEASURED)
    keeping.forget(session.folder, "02_b")
    assert sorted(path.name for path in keeping.folder(session.folder).iterdir()) == ["01_a", "03_c"]
    keeping.forget(session.folder)
    keeping.forget(session.folder)
    assert not keeping.folder(session.folder).exists()


def test_what_a_step_records_itself_can_be_kept(session: Session) -> None:
    session.record(*MEASURED[:1])
    count = iter(range(9))

    def step(session: Session) -> None:
        session.record(Record("worker", "count", next(count)))

    for _ in range(2):
        (one,) = kept(session, "step", {}, lambda: keeping.recorded(session, step))
        assert one.value == 0
    assert session.records == MEASURED[:1]


def test_page_03_stops_between_engines_and_page_05_between_candidates(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the stop for a reason why there is no number."""
    done: list[object] = []

    def long(session: Session, what: object) -> object:
        done.append(what)
        monkeypatch.setenv(deadline.DEADLINE, "1")
        return what

    monkeypatch.setattr(plans, "not_buildable", lambda precision: None)
    monkeypatch.setattr(plans, "engine", long)
    monkeypatch.setattr(predictions, "artifact", long)
    with pytest.raises(OutOfTime):
        engines.measure(session)
    assert len(done) == 1
    monkeypatch.delenv(deadline.DEADLINE)
    with pytest.raises(OutOfTime):
        consistency._asked(session)
    assert done[1:] == [session.profile.reference]


def test_page_04_stops_between_the_engines_that_tensorrt_calibrates(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(deadline.DEADLINE, "1")
    none = Reason("not_installed", {"package": "X"})
    int8._study(session, int8.EXPORTED, [("entropy", 32)], none)  # its answers are not stored: nothing stops it on its way
    assert len(session.records) == 2
    with pytest.raises(OutOfTime):
        int8._study(session, int8.CALIBRATED, [("entropy", 32)], none)
    assert len(session.records) == 2


def begin(
    outputs: Path, profile: config.Profile | None = None, *, notebooks: list[str] = NOTEBOOKS, chosen: bool = False, **more: object
) -> unfinished.Job:
    values = {"recorded": {}, "lasting": True} | more
    return unfinished.begin(outputs, profile or config.load("quickstart"), notebooks, chosen, **values)


def test_a_run_is_gone_on_with_by_what_is_asked_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = begin(tmp_path)
    assert capsys.readouterr().err == ""
    first.done("01_a")
    first.done("02_b")
    recorded = dict.fromkeys(("01_a", "02_b"), first.state.run_id)
    for lasting in (True, False):  # with or without a limit: it can still be gone on with
        again = begin(tmp_path, recorded=recorded, lasting=lasting)
        assert (again.state, again.lasting) == (first.state, True)
        assert "done: 01_a, 02_b; to begin anew: --from 01 (make: FROM=01)\n" in capsys.readouterr().err
    # What another run has replaced is executed again, and what comes after it.
    assert begin(tmp_path, recorded=recorded | {"01_a": "another"}).state == replace(first.state, done=[])
    assert begin(tmp_path, recorded=recorded | {"02_b": "another"}).state == replace(first.state, done=[])  # as it was kept just now
    first.forget()
    assert begin(tmp_path).state.run_id != first.state.run_id


def test_one_without_a_limit_keeps_nothing(tmp_path: Path) -> None:
    job = begin(tmp_path, lasting=False)
    job.done("01_a")
    assert not unfinished.path(tmp_path).exists()
    job.forget()


def changed(**values: int) -> config.Profile:
    profile = config.load("quickstart")
    return profile.model_copy(update={"engines": profile.engines.model_copy(update=values)})


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"profile": changed(max_batch=64)}, "the profile has changed (engines)"),
        ({"notebooks": NOTEBOOKS[1:], "chosen": True}, "it was of other notebooks"),
        ({"chosen": True}, "--from or --to is given"),
    ],
)
def test_another_run_is_begun_anew_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: dict[str, object], why: str
) -> None:
    first = begin(tmp_path)
    kept_file = keeping.folder(tmp_path) / "01_a" / "x.jsonl"
    kept_file.parent.mkdir(parents=True)
    kept_file.touch()
    second = begin(tmp_path, **asked, lasting=False)
    assert second.state.run_id != first.state.run_id
    assert f"that was not finished is given up: {why}; this run begins anew\n" in capsys.readouterr().err
    assert not unfinished.path(tmp_path).exists()
    assert not kept_file.exists()


def test_one_that_began_by_hand_is_gone_on_with_by_the_same_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = begin(tmp_path, chosen=True)
    assert begin(tmp_path, chosen=True).state.run_id == begin(tmp_path).state.run_id == first.state.run_id
    assert f"to begin anew: remove {unfinished.path(tmp_path)}\n" in capsys.readouterr().err


def test_another_system_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path)
    monkeypatch.setattr(system, "system_id", lambda: "another")
    begin(tmp_path)
    assert "is given up: it was on another system, " in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"run_id": 3}', "\udc80"])
def test_what_does_not_say_how_far_a_run_came_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    first = begin(tmp_path)
    path = unfinished.path(tmp_path)
    path.write_bytes(damage.encode(errors="surrogateescape"))
    assert begin(tmp_path).state.run_id != first.state.run_id
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not say how far a run came" in said
    assert json.loads(path.read_text())["done"] == []


@pytest.mark.parametrize("of", ["model", "image", "classes"])
def test_another_model_or_other_images_of_the_same_name_begin_anew(tmp_path: Path, of: str, capsys: pytest.CaptureFixture[str]) -> None:
    models.onnx_classifier(tmp_path)
    images.folder(tmp_path / "images", {"test": dict.fromkeys("abcde", 2)})
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    file = tmp_path / "mine.yaml"
    dataset = {"folder": "images", "classes": "names.txt"}
    file.write_text(yaml.safe_dump({"model": {"file": "model.onnx"}, "dataset": dataset, "preprocess": {"preset": "imagenet"}}))
    first = begin(tmp_path, config.load(str(file)))
    assert begin(tmp_path, config.load(str(file))).state == first.state
    touched: dict[str, Callable[[], object]] = {
        "model": lambda: models.onnx_classifier(tmp_path, seed=5),
        "image": lambda: next((tmp_path / "images" / "test" / "a").iterdir()).unlink(),
        "classes": lambda: (tmp_path / "names.txt").write_text("v\nw\nx\ny\nz\n"),
    }
    touched[of]()
    capsys.readouterr()
    assert begin(tmp_path, config.load(str(file))).state.run_id != first.state.run_id
    assert "the files of the model or of the images have changed" in capsys.readouterr().err
