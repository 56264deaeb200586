"""Records survive the disk unchanged; a line that is not one is named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.store import records
from lib.store.records import Record
from lib.text import Finding, Text

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WORD = st.text(max_size=8)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), NUMBER, WORD)
COMMON = {
    "metric": WORD,
    "unit": WORD,
    "runner": WORD,
    "precision": WORD,
    "batch_size": st.none() | st.integers(1, 65536),
    "scope": st.sampled_from(["", "gpu_compute", "end_to_end"]),
    "case": st.dictionaries(WORD, PLAIN, max_size=3),
    "stats": st.dictionaries(WORD, PLAIN, max_size=3),
    "samples": st.lists(NUMBER, max_size=4),
    "artifact_sha256": WORD,
    "dataset": WORD,
}
MEASURED = st.builds(Record, value=NUMBER, reason=st.none(), **COMMON)
MISSING = st.builds(Record, value=st.none(), reason=st.builds(Text, WORD, WORD), **COMMON)
FINDING = st.builds(Finding, st.sampled_from(["good", "note", "bad"]), st.builds(Text, WORD, WORD))

ONE = Record("accuracy", "1", 0.5, runner="savedmodel", stats={"ci_low": 0.4})
NONE = Record("latency", "ms", None, reason=Text("no GPU", "GPUがない"))


@given(st.lists(MEASURED | MISSING, max_size=4), st.lists(FINDING, max_size=3))
def test_round_trip(tmp_path_factory, written, findings):
    folder = tmp_path_factory.mktemp("results")
    records.write(folder, "05_consistency", written, findings)
    assert records.read(folder, "05_consistency") == written
    assert records.read_findings(folder, "05_consistency") == findings


@pytest.mark.parametrize(("value", "reason"), [(None, None), (1.0, Text("a", "b"))])
def test_either_a_value_or_a_reason(value, reason):
    with pytest.raises(ValueError, match="either a value or the reason"):
        Record("accuracy", "1", value, reason=reason)


def test_writing_replaces_the_stage_only(tmp_path):
    records.write(tmp_path, "a", [ONE, ONE], [Finding("bad", Text("x", "y"))])
    records.write(tmp_path, "b", [NONE], [])
    records.write(tmp_path, "a", [ONE], [])
    assert records.read(tmp_path, "a") == [ONE]
    assert records.read_findings(tmp_path, "a") == []
    assert records.read(tmp_path) == [ONE, NONE]


def test_nothing_measured_yet(tmp_path):
    assert records.read(tmp_path / "nowhere", "a") == []
    assert records.read_findings(tmp_path / "nowhere", "a") == []


def test_every_system_is_read(tmp_path):
    for system in ("one", "two"):
        records.write(tmp_path / system, "a", [replace(ONE, system_id=system)], [])
    assert [record.system_id for record in records.read(tmp_path, "*/a")] == ["one", "two"]


def test_a_record_is_one_readable_line(tmp_path):
    records.write(tmp_path, "a", [NONE], [])
    line = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert line.count("\n") == 1
    assert "GPUがない" in line
    assert json.loads(line)["schema"] == records.SCHEMA


GOOD = json.dumps({"metric": "accuracy", "unit": "1", "value": 0.5, "schema": records.SCHEMA})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD[: len(GOOD) // 2], "not a record"),
        (GOOD.replace('"value": 0.5', '"value": null'), "either a value or the reason"),
        (GOOD.replace('"unit": "1", ', ""), "unit"),
        (GOOD.replace("accuracy", 'accuracy", "colour": "red'), "unknown field 'colour'"),
        (GOOD.replace(f'"schema": {records.SCHEMA}', '"schema": 99'), f"schema 99, this version reads {records.SCHEMA}"),
        (GOOD.replace(f', "schema": {records.SCHEMA}', ""), "schema None"),
        (GOOD.replace('"value": 0.5', '"value": null, "reason": ["only English"]'), "not a record"),
        ("[1, 2]", "not a record"),
        ("null", "not a record"),
        ("{}", "schema None"),
    ],
    ids=["half", "no value", "no unit", "unknown field", "schema", "no schema", "one language", "list", "null", "empty"],
)
def test_line_that_is_no_record_is_named(tmp_path, line, says):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ReportError) as caught:
        records.read(tmp_path, "a")
    assert str(caught.value).startswith(f"{path}:3: ")
    assert says in str(caught.value)
    assert "run its notebook again" in str(caught.value)


def test_half_a_character_is_half_a_line(tmp_path):
    records.write(tmp_path, "a", [NONE], [])
    data = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(data[: data.index("が".encode()) + 1])
    with pytest.raises(ReportError, match=r"a\.jsonl:1: not a record"):
        records.read(tmp_path, "a")


@pytest.mark.parametrize("text", ["{", '[["bad"]]', '[["bad", ["only English"]]]', "[1]", "7"])
def test_damaged_findings_are_named(tmp_path, text):
    (tmp_path / "a.findings.json").write_text(text)
    with pytest.raises(ReportError, match=r"a\.findings\.json: not a list of findings; run the notebook a again"):
        records.read_findings(tmp_path, "a")


def test_frame_has_a_column_a_case_and_a_statistic():
    frame = records.frame([replace(ONE, case={"method": "entropy"}), NONE])
    assert frame["case.method"][0] == "entropy"
    assert frame["stats.ci_low"].tolist()[0] == 0.4
    assert frame["reason"][1].ja == "GPUがない"
    assert len(frame) == 2
