"""lib/measure/compare.py: differences between two sets of probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lib.errors import ReportError
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib.measure import compare

A = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1]], np.float32)
B = np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.4, 0.5, 0.1]], np.float32)
probabilities = arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32))


def test_known_difference():
    got = compare.difference(A, B)
    assert got.max_abs == pytest.approx(0.5, abs=1e-6)
    assert got.mean_abs == pytest.approx((0 + 0.4 + 1.0 + 0.4) / 12, abs=1e-6)
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(A.astype(float), B.astype(float), strict=True)]
    assert got.cosine_mean == pytest.approx(np.mean(cosines))
    assert got.cosine_min == pytest.approx(min(cosines))
    assert got.agreement == 0.5
    assert got.images == 4
    assert got.disagree.tolist() == [2, 3]


def test_the_worst_sample_comes_first():
    assert compare.difference(A[::-1], B[::-1]).disagree.tolist() == [1, 0]


@settings(deadline=None)
@given(probabilities, probabilities)
def test_symmetric_and_zero_only_where_equal(a, b):
    there, back = compare.difference(a, b), compare.difference(b, a)
    assert (there.max_abs, there.mean_abs, there.agreement) == (back.max_abs, back.mean_abs, back.agreement)
    assert (there.max_abs == 0) == np.array_equal(a, b)
    assert 0 <= there.mean_abs <= there.max_abs <= 1
    assert -1 <= there.cosine_min <= there.cosine_mean + 1e-12 <= 1 + 1e-12


@settings(deadline=None)
@given(probabilities)
def test_equal_answers_agree(a):
    same = compare.difference(a, a.copy())
    assert (same.max_abs, same.agreement, len(same.disagree)) == (0, 1, 0)
    assert same.cosine_min == pytest.approx(1)


def test_differences_smaller_than_float32_resolution_are_kept():
    a = np.full((1, 2), 0.5)
    assert compare.difference(a, a + 1e-12).max_abs == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize("b", [B[:3], B[:, :2]])
def test_other_shapes_are_an_error(b):
    with pytest.raises(ReportError, match=r"x answers \(4, 3\) and y"):
        compare.difference(A, b, ("x", "y"))


def test_matrix_has_every_two_and_none_with_itself():
    a, b, c = (Candidate("onnxrt", precision) for precision in ("fp32", "fp16", "int8_qdq"))
    found = compare.matrix({a: A, b: B, c: A})
    assert set(found) == {(x, y) for x in (a, b, c) for y in (a, b, c) if x != y}
    assert found[a, b] is found[b, a]
    assert found[a, c].max_abs == 0


def test_matrix_names_those_that_do_not_fit() -> None:
    with pytest.raises(ReportError, match=r"^savedmodel/fp32 answers \(4, 3\) and tflite/fp16 \(3, 3\)"):
        compare.matrix({SAVED_MODEL_REFERENCE: A, Candidate("tflite", "fp16"): B[:3]})
