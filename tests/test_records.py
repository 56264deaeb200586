"""Records: what may be one, what is refused, and that JSON gives back what it was made from."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate, Way
from lib.store import records
from lib.store.records import Reason, Record
from lib.text import Text

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = st.booleans() | st.integers() | NUMBER | WORD
VALUE = st.recursive(st.none() | SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3), max_leaves=6)
WAYS = st.builds(Way, st.sampled_from(["", "execute_async_v2"]), st.booleans(), st.integers(1, 9), st.booleans())
CANDIDATES = st.builds(Candidate, st.sampled_from(["onnxrt", "tensorrt", "gone"]), st.sampled_from(["fp32", "int8_qdq", "fp4"]), WAYS)
COMMON: dict[str, Any] = {
    "metric": WORD.filter(bool).map(lambda word: f"m{word}"),
    "unit": st.sampled_from(["ms", "s", "ratio"]),
    "candidate": st.none() | CANDIDATES,
    "batch_size": st.none() | st.integers(1, 65536),
    "scope": st.sampled_from(["", "gpu_compute", "end_to_end"]),
    "case": st.dictionaries(WORD, SCALAR, max_size=3),
    "stats": st.dictionaries(WORD.map(lambda word: f"s{word}"), VALUE, max_size=3),
    "samples": st.lists(st.floats(1e-9, 1e9), max_size=4),
    "artifact_sha256": WORD,
}
MEASURED = st.builds(Record, value=st.floats(0, 1e300), **COMMON)
MISSING = st.builds(Record, value=st.none(), reason=st.builds(Reason, WORD, st.dictionaries(WORD, VALUE, max_size=2)), **COMMON)
ONE = Record("accuracy", "share", 0.75, SAVED_MODEL_REFERENCE, stats={"correct": 3, "total": 4})
LATENCY = Record(
    "latency", "ms", 2.0, SAVED_MODEL_REFERENCE, 8, "end_to_end", stats={"p50": 2.0, "p90": 3.0, "p99": None}, samples=[2.0, 2.1]
)


@given(MEASURED | MISSING)
def test_json_gives_back_the_record(record: Record) -> None:
    line = json.dumps(records.to_json(record), ensure_ascii=False, allow_nan=False)
    assert records.from_json(json.loads(line)) == record


def test_what_is_empty_is_left_out() -> None:
    assert records.to_json(Record("size", "bytes", 0)) == {"metric": "size", "unit": "bytes", "value": 0}
    assert records.to_json(ONE)["candidate"] == "savedmodel/fp32"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": None}, "either a value or the reason"),
        ({"reason": Reason("no_gpu")}, "either a value or the reason"),
        ({"unit": "1"}, "unknown unit '1'"),
        ({"metric": ""}, "at least 1 character"),
        ({"value": math.nan}, "a finite number"),
        ({"value": math.inf}, "a finite number"),
        ({"value": "12"}, "valid number"),
        ({"value": True}, "valid number"),
        ({"value": 10**400}, "valid number"),
        ({"value": 1.01}, "not a number from 0 to 1"),
        ({"unit": "ms", "value": -1.0, "stats": {}}, "not a number from 0 to inf"),
        ({"unit": "count", "value": 1.5, "stats": {}}, "not whole"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"batch_size": True}, "valid integer"),
        ({"scope": "gpu"}, "'end_to_end' or 'gpu_compute'"),
        ({"stats": {"correct": 2, "total": 4}}, "is not 2 of 4"),
        ({"stats": {"correct": 5, "total": 4}}, "5 of 4"),
        ({"stats": {"correct": 3.0, "total": 4}}, "3.0 of 4"),
        ({"stats": {"correct": 3}}, "3 of None"),
        ({"stats": {}}, "accuracy: None of None"),
        ({"metric": "latency", "unit": "ms"}, "latency: no means of its rounds"),
        ({"stats": {"a": [{"b": math.nan}]}}, "finite number"),
        ({"stats": {"a": {1: 2}}}, "valid string"),
        ({"stats": {"a": object()}}, "not a valid JSON value"),
        ({"stats": []}, "valid dictionary"),
        ({"case": {"a": [1]}}, r"case\.a"),
        ({"samples": [0.0]}, "greater than 0"),
        ({"samples": [math.nan]}, "finite number"),
        ({"samples": ["1"]}, "valid number"),
        ({"samples": 1}, "valid list"),
        ({"artifact_sha256": 7}, "valid string"),
    ],
)
def test_what_is_no_record_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ONE, **changes)


@pytest.mark.parametrize(
    ("stats", "says"),
    [({"p50": 2.1}, "not the median"), ({"p50": 2.0, "p90": 1.0}, "do not ascend"), ({"p50": 2.0, "p90": "3"}, "do not ascend")],
)
def test_percentiles_must_fit_the_latency(stats: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(LATENCY, stats=stats)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"metric": "a", "unit": "s"}, "value\n  Field required"),
        ({"metric": "a", "unit": "s", "value": 1, "colour": 2}, "colour\n  Unexpected"),
        ({"metric": "a", "unit": "s", "value": 1, "candidate": "onnxrt"}, "'onnxrt' is no candidate"),
        ({"metric": "a", "unit": "s", "value": 1, "candidate": 7}, "no candidate"),
        ({"metric": "a", "unit": "s", "value": 1, "candidate": "onnxrt/fp32/x+lanes0"}, "no way of calling"),
        ({"metric": "a", "unit": "s", "value": None, "reason": ["en", "ja"]}, "reason\n  Input should be an object"),
        ({"metric": "a", "unit": "s", "value": None, "reason": {"key": 1, "values": {}}}, r"reason\.key\n  Input should be a valid string"),
        ({"metric": "a", "unit": "s", "value": None, "reason": {"key": "a", "values": []}}, r"reason\.values\n  Input should be"),
        ({"metric": 1, "unit": "s", "value": 1}, "valid string"),
    ],
)
def test_json_that_is_no_record_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        records.from_json(values)


def test_the_key_tells_neighbours_apart_and_nothing_else() -> None:
    assert replace(ONE, value=0.5, stats={"correct": 2, "total": 4}).key == ONE.key
    other = [{"metric": "m"}, {"candidate": None}, {"batch_size": 2}, {"scope": "end_to_end"}, {"case": {"a": 1}}]
    keys = {replace(ONE, **change).key for change in other}
    assert len(keys | {ONE.key}) == len(other) + 1
    assert replace(ONE, case={"a": 1, "b": 2}).key == replace(ONE, case={"b": 2, "a": 1}).key


def test_a_reason_is_said_in_both_languages_and_an_unknown_one_by_its_key() -> None:
    assert Reason("not_installed", {"package": "X"}).text == Text("X is not installed", "Xがインストールされていない")
    assert Reason.verbatim(Text("so", "そう")).text == Text("so", "そう")
    assert Reason("of_the_future", {"a": 1}).text == Text("of_the_future", "of_the_future")
    assert Reason("not_installed").text == Text("not_installed", "not_installed")  # a value that this version wants and that is not there
    assert [Reason(key).failed for key in ("failed", "wrong_output", "no_gpu")] == [True, True, False]
    assert len({Reason("a", {"x": 1, "y": 2}), Reason("a", {"y": 2, "x": 1})}) == 1


def test_frame_has_a_column_a_case_and_a_statistic() -> None:
    frame = records.frame([replace(ONE, case={"method": "entropy"}), replace(ONE, value=None, stats={}, reason=Reason("no_gpu"))])
    assert frame["case.method"][0] == "entropy"
    assert frame["stats.correct"].tolist()[0] == 3
    assert frame["reason.key"][1] == "no_gpu"
    assert len(frame) == 2
