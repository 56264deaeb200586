"""Sentences in two languages, and the key that everything measured is called by."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lib.runners  # noqa: F401  enters the labels
from lib.experiment.candidate import LABELS, PLAIN, Candidate, Way, listed, ordered
from lib.experiment.precision import PRECISIONS
from lib.experiment.profile import ROOT
from lib.stats import Interval
from lib.text import Text
from lib.words import COMMON, Words

TRT, ONNX = Candidate("tensorrt", "fp16"), Candidate("onnxrt", "fp32")


@pytest.fixture
def words(tmp_path):
    """`words(en, ja)` gives Words that hold one sentence, `findings.x`."""

    def make(en: str, ja: str) -> Words:
        (tmp_path / "words.yaml").write_text(f'findings:\n  x:\n    en: "{en}"\n    ja: "{ja}"\n')
        return Words(tmp_path / "rules.py")

    return make


def test_values_are_said_in_each_language(words):
    said = words("{who} gains {gain:.2f}, {many}", "{who}は{gain:.2f}、{many}")(
        "findings.x", who=TRT, gain=Interval(1.5, 1, 2), many=[TRT, ONNX]
    )
    assert said.en == "TensorRT FP16 gains 1.50 [1.00, 2.00], TensorRT FP16, ONNX Runtime (CPU) FP32"
    assert said.ja == "TensorRT FP16は1.50 [1.00, 2.00]、TensorRT FP16、ONNX Runtime（CPU） FP32"


def test_a_value_with_braces_is_no_placeholder(words):
    assert words("{path}", "{path}")("findings.x", path="/tmp/o{run}") == Text("/tmp/o{run}", "/tmp/o{run}")


def test_a_finding_keeps_its_key_and_values(words):
    finding = words("{n}", "{n}枚").finding("bad", "x", n=3)
    assert (finding.level, finding.key, finding.values, finding.text) == ("bad", "x", {"n": 3}, Text("3", "3枚"))


def test_what_is_missing_is_a_mistake_of_ours(words):
    with pytest.raises(KeyError):
        words("a", "b")("findings.y")
    with pytest.raises(KeyError):
        words("{n}", "{n}")("findings.x")


def test_every_common_sentence_is_in_both_languages():
    assert set(COMMON.groups) >= {"reasons", "findings", "levels"}
    assert all(both.en and both.ja for keys in COMMON.groups.values() for both in keys.values())


APIS, YES_NO = st.sampled_from(["", "enqueueV3", "execute_async_v2"]), st.booleans()
WAYS = st.builds(Way, APIS, YES_NO, st.integers(1, 64), YES_NO, YES_NO)


def test_every_reason_that_is_given_has_words():
    given_ = {key for path in (ROOT / "lib").rglob("*.py") for key in re.findall(r'Reason\("(\w+)"', path.read_text(encoding="utf-8"))}
    assert {"failed", "no_strong_types"} <= given_
    assert given_ <= COMMON.groups["reasons"].keys()


@given(st.sampled_from(["tensorrt", "cpp", "x_1"]), st.sampled_from([*PRECISIONS, "fp4"]), WAYS)
def test_a_candidate_is_its_key(runner, precision, way):
    candidate = Candidate(runner, precision, way)
    assert Candidate.parse(candidate.key) == candidate
    assert candidate.plain.way == PLAIN
    assert candidate.label.en
    assert candidate.colour.startswith("#")


@pytest.mark.parametrize("text", ["", "tensorrt", "/fp32", "tensorrt/", "a/b/c/d", "tensorrt/fp16/+", "tensorrt/fp16/x+lanes0", 7, None])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError, match=r"is no (candidate|way)|not enough"):
        Candidate.parse(text)


def test_the_way_is_part_of_the_name():
    graph = Candidate("cpp", "fp16", Way("enqueueV3", graph=True, lanes=8))
    assert graph.label.en == "TensorRT (C++) FP16 (enqueueV3, as a CUDA graph, 8 lanes)"
    assert graph.label.ja == "TensorRT（C++） FP16（enqueueV3、CUDAグラフ、8レーン）"


def test_candidates_stand_in_the_order_of_the_report():
    assert ordered([TRT, ONNX, TRT, Candidate("tensorrt", "fp32")]) == [ONNX, Candidate("tensorrt", "fp32"), TRT]
    assert listed([Candidate("tensorrt", "fp32"), TRT, ONNX]).en == "TensorRT FP32, FP16; ONNX Runtime (CPU) FP32"
    assert next(iter(LABELS)) == "savedmodel"
