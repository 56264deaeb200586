"""lib/stats.py against independent formulae."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import stats

counts = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@settings(deadline=None)
@given(counts)
def test_wilson_is_its_formula(pair):
    correct, total = pair
    z, p = 1.959963984540054, correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    low, high = stats.wilson(correct, total)
    assert low == pytest.approx(max(0, centre - half), abs=1e-9)
    assert high == pytest.approx(min(1, centre + half), abs=1e-9)
    assert -1e-12 <= low <= p + 1e-12
    assert p - 1e-12 <= high <= 1 + 1e-12


def test_wilson_is_wider_with_more_confidence():
    assert stats.wilson(90, 100, 0.99)[0] < stats.wilson(90, 100)[0]


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_impossible_counts(correct, total):
    with pytest.raises(ValueError, match=r"must (not )?be"):
        stats.wilson(correct, total)


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    [(8, 96, True), (4, 32, True), (50, 1000, True), (100, 1000, True), (1000, 10_000, True), (130, 1000, False), (9000, 10_000, False)],
)
def test_chance_level(correct, total, expected):
    assert stats.at_chance(correct, total, 10) is expected


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 60))
def test_mcnemar_is_the_two_sided_binomial_sum(only_a, only_b, both):
    a = np.repeat([True, False, True], [only_a, only_b, both])
    b = np.repeat([False, True, True], [only_a, only_b, both])
    n, k = only_a + only_b, min(only_a, only_b)
    expected = min(1, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert stats.mcnemar(a, b) == (only_a, only_b, pytest.approx(expected))
    assert stats.mcnemar(b, a).p_value == pytest.approx(expected)


def test_mcnemar_of_equal_classifiers_is_one():
    right = np.array([True, False, True])
    assert stats.mcnemar(right, right) == (0, 0, 1.0)


@pytest.mark.parametrize("other", [np.ones(3, bool), np.ones(2, int), np.ones((1, 2), bool)])
def test_paired_tests_refuse_what_is_no_pair(other):
    with pytest.raises(ValueError, match="bool"):
        stats.mcnemar(np.ones(2, bool), other)


def test_paired_difference_of_a_published_shape():
    a = np.repeat([True, False, True], [10, 2, 88])
    b = np.repeat([False, True, True], [10, 2, 88])
    got = stats.paired_difference(a, b)
    p12, p21 = 11 / 102, 3 / 102
    half = 1.959963984540054 * sqrt((p12 + p21 - (p12 - p21) ** 2) / 102)
    assert got == (pytest.approx(-0.08), pytest.approx(p21 - p12 - half), pytest.approx(p21 - p12 + half))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_paired_difference_is_antisymmetric_and_holds_its_value(pairs):
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    there, back = stats.paired_difference(a, b), stats.paired_difference(b, a)
    assert there == pytest.approx((-back.value, -back.high, -back.low))
    assert -1 <= there.low < there.high <= 1


def test_paired_difference_covers_the_truth():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        draw = rng.random(300)
        covered += (lambda i: i.low <= -0.03 <= i.high)(stats.paired_difference(draw >= 0.01, draw >= 0.04))
    assert covered / 400 > 0.92


def test_holm_is_that_of_the_paper_and_never_below_the_p_value():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []
