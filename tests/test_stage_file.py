"""A stage's file: it comes back as it was written, and whatever is not as it was written is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_records import LATENCY, MEASURED, MISSING, ONE

from lib.errors import ReportError
from lib.store import stage_file
from lib.store.records import Exhibit, Reason, Record
from lib.store.stage_file import Stage

STAGE = Stage("05_x", "run", "sys", {"cpu": "A"}, {"name": "p"}, "数字", ["0", "1"], "2026-11-20T10:00:00+00:00", 1.5)
NONE = replace(LATENCY, value=None, stats={}, samples=[], reason=Reason.verbatim(stage_file.records.Text("no GPU", "GPUがない")))


class Curve(Exhibit):
    """A test's own exhibit."""

    loss: list[float]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recorded stage of two records and an exhibit."""
    stage_file.write(tmp_path / "05_x.jsonl", STAGE, [ONE, NONE], {"curve": Curve(loss=[1.0, 0.5])})
    return tmp_path / "05_x.jsonl"


def refused(path: Path, says: str) -> str:
    with pytest.raises(ReportError, match=says) as caught:
        stage_file.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@given(st.lists(MEASURED | MISSING, max_size=4, unique_by=lambda record: record.key))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[Record]) -> None:
    path = tmp_path_factory.mktemp("results") / "05_x.jsonl"
    stage_file.write(path, STAGE, written, {"curve": Curve(loss=[0.1])})
    found = stage_file.read(path)
    assert (found.stage, found.records, found.exhibits, found.path) == (STAGE, written, {"curve": {"loss": [0.1]}}, path)


def test_it_is_readable_lines(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert json.loads(lines[0]) == {"stage": asdict(STAGE), "schema": stage_file.SCHEMA}
    assert "GPUがない" in lines[2]
    assert list(json.loads(lines[-1])) == ["seal"]


def test_two_records_of_one_key_are_not_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ReportError, match=r"05_x\.jsonl:3: not a record .stands twice: accuracy savedmodel/fp32"):
        stage_file.write(path, STAGE, [ONE, ONE], {})
    assert path.read_bytes() == before


@pytest.mark.parametrize("at", range(5))
def test_a_line_that_is_missing_doubled_or_elsewhere_is_noticed(path: Path, at: int) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for changed in (lines[:at] + lines[at + 1 :], [*lines[: at + 1], *lines[at:]], lines[1:] + lines[:1], lines[:at]):
        path.write_text("".join(changed), encoding="utf-8")
        refused(path, r"05_x\.jsonl:\d+: (cut|altered)")


def test_a_file_that_was_cut_is_noticed_wherever_it_was_cut(path: Path) -> None:
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        refused(path, r"05_x\.jsonl")


def test_a_file_that_is_no_text_or_not_there_is_named(path: Path, tmp_path: Path) -> None:
    path.write_bytes(path.read_bytes().replace("がない".encode(), b"\xff", 1))
    refused(path, r":3: altered since it was recorded \(not UTF-8\)")
    with pytest.raises(ReportError, match=r"06_y\.jsonl: cannot be read"):
        stage_file.read(tmp_path / "06_y.jsonl")


def changed(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Lines changed on purpose, with a seal that fits."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:-1]]
    change(lines)
    path.write_text(stage_file.sealed([json.dumps(line) for line in lines]), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[1]["record"].update(value=2), ":2: not a record .*not a number from 0 to 1"),
        (lambda lines: lines[1]["record"].update(value=float("nan")), ":2: not JSON .NaN is no number"),
        (lambda lines: lines[1]["record"].update(value="0.75"), ":2: not a record"),
        (lambda lines: lines[1]["record"].update(colour="red"), ":2: not a record .colour: Unexpected keyword"),
        (lambda lines: lines[1].update(more=1), ":2: not a record .neither a record nor a new exhibit: record, more"),
        (lambda lines: lines.insert(1, lines[1]), ":3: not a record .stands twice: accuracy savedmodel/fp32"),
        (lambda lines: lines.append(lines[3]), ":5: not a record .neither a record nor a new exhibit"),
        (lambda lines: lines[1].update(record=[]), ":2: not a record"),
        (lambda lines: lines.append([1]), ":5: not a record"),
        (lambda lines: lines[0].update(schema=99), ":1: schema 99, this version reads 2; take the version that wrote it"),
        (lambda lines: lines[0].update(schema=True), ":1: schema True"),
        (lambda lines: lines[0].pop("schema"), ":1: schema None"),
        (lambda lines: lines.clear(), ":1: schema None"),
        (lambda lines: lines[0]["stage"].pop("dataset"), ":1: not a stage .*dataset"),
        (lambda lines: lines[0]["stage"].update(colour=1), ":1: not a stage .*colour"),
        (lambda lines: lines[0]["stage"].update(started_at="yesterday"), ":1: not a stage .*yesterday"),
        (lambda lines: lines[0]["stage"].update(started_at="2026-11-20T10:00:00"), ":1: not a stage"),
        (lambda lines: lines[0]["stage"].update(seconds="1"), ":1: not a stage"),
        (lambda lines: lines[0]["stage"].update(seconds=-1), ":1: not a stage"),
        (lambda lines: lines[0]["stage"].update(system=[]), ":1: not a stage"),
        (lambda lines: lines[0]["stage"].update(class_names=[1]), ":1: not a stage"),
        (lambda lines: lines[0]["stage"].update(stage="06_y"), ":1: describes '06_y'"),
    ],
)
def test_what_is_sealed_and_yet_no_stage_is_named(path: Path, change: Callable[[list[dict[str, Any]]], Any], says: str) -> None:
    changed(path, change)
    assert refused(path, says).endswith("measure 05_x again, or bring the file back as it was")


def test_nesting_without_end_is_one_line(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()[:-1]
    path.write_text(stage_file.sealed([*lines, "[" * 100_000]), encoding="utf-8")
    refused(path, ":5: not JSON")


def test_the_first_version_s_files_say_how_to_bring_them_here(path: Path) -> None:
    path.write_text('{"metric": "accuracy", "unit": "1", "value": 0.5, "schema": 1}\n')
    profile = path.parents[2].name
    refused(path, f"schema 1, of an earlier version .*: python -m lib migrate --profile {profile} --system {path.parent.name}")


def test_a_seal_is_renewed_only_for_what_can_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"value": 0.75', '"value": 0.25').replace('"correct": 3', '"correct": 1'), encoding="utf-8")
    refused(path, ":2: altered since it was recorded")
    stage_file.reseal(path)
    assert stage_file.read(path).records[0].value == 0.25
    path.write_text(text.replace('"value": 0.75', '"value": 7.5'), encoding="utf-8")
    with pytest.raises(ReportError, match=":2: not a record"):
        stage_file.reseal(path)
    assert '"value": 7.5' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_inside_statistics_too(tmp_path, constant):
    line = f'{{"record": {{"metric": "x", "unit": "ms", "value": 1.0, "stats": {{"p50": {constant}}}}}}}'
    with pytest.raises(ReportError, match=f"{constant} is no number"):
        stage_file._values(line, tmp_path / "01_train.jsonl", 2)
