"""lib/stats.py against independent formulae, by its properties, and on the numbers that were once judged wrongly."""

from __future__ import annotations

import math
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import stats
from lib.stats import Interval

Z = 1.959963984540054
counts = st.integers(1, 5000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
discordant = st.integers(1, 5000).flatmap(
    lambda total: st.integers(0, total).flatmap(lambda a: st.tuples(st.just(a), st.integers(0, total - a), st.just(total)))
)
times = st.floats(1e-3, 1e4)
rounds = st.lists(times, min_size=1, max_size=12)
pairs = st.lists(st.tuples(times, times), min_size=1, max_size=12).map(lambda drawn: [list(side) for side in zip(*drawn, strict=True)])
LEAST = 0.02


def test_an_interval_is_formatted_with_its_ends():
    assert f"{Interval(1.234, 1.2, 1.26):.2f}" == "1.23 [1.20, 1.26]"
    assert f"{Interval(0.5, 0.0, math.inf):.1f}" == "0.5 [0.0, inf]"


@given(counts)
def test_wilson_is_its_formula_and_holds_its_value(pair):
    correct, total = pair
    p = correct / total
    centre = (p + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z * sqrt(p * (1 - p) / total + Z * Z / (4 * total * total)) / (1 + Z * Z / total)
    value, low, high = stats.wilson(correct, total)
    assert value == p
    assert low == pytest.approx(max(0, centre - half), abs=1e-9)
    assert high == pytest.approx(min(1, centre + half), abs=1e-9)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_impossible_counts(correct, total):
    with pytest.raises(ValueError, match="is no share"):
        stats.wilson(correct, total)


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    [(8, 96, True), (4, 32, True), (50, 1000, True), (100, 1000, True), (1000, 10_000, True), (130, 1000, False), (9000, 10_000, False)],
)
def test_chance_of_ten_equal_classes(correct, total, expected):
    assert stats.at_chance(correct, total, stats.chance_level([total // 10] * 10)) is expected


def test_one_who_always_names_the_largest_class_is_at_chance():
    chance = stats.chance_level([7000, 3000])
    assert chance == 0.7
    assert stats.at_chance(7000, 10_000, chance)
    assert not stats.at_chance(7200, 10_000, chance)


def test_classes_without_images_count_as_classes():
    assert stats.chance_level([5, 5, 0, 0]) == 0.5
    assert stats.chance_level([1, 1, 1, 1]) == 0.25
    for nothing in ([], [0, 0], [-1, 2]):
        with pytest.raises(ValueError, match="images are needed"):
            stats.chance_level(nothing)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_binomial_sum_whichever_side(only_a, only_b):
    n, k = only_a + only_b, min(only_a, only_b)
    expected = min(1, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert stats.mcnemar(only_a, only_b) == stats.mcnemar(only_b, only_a) == pytest.approx(expected)


def test_classifiers_that_no_image_tells_apart():
    assert stats.mcnemar(0, 0) == 1.0
    assert stats.loss(0, 0, 500, 0.01) == "within"


def test_paired_difference_of_a_published_shape():
    a, b = 11 / 102, 3 / 102
    half = Z * sqrt((a + b - (a - b) ** 2) / 102)
    assert stats.paired(10, 2, 100) == (pytest.approx(-0.08), pytest.approx(b - a - half), pytest.approx(b - a + half))


@given(discordant)
def test_paired_difference_turns_round_and_holds_its_value(drawn):
    only_a, only_b, total = drawn
    there, back = stats.paired(only_a, only_b, total), stats.paired(only_b, only_a, total)
    assert there == pytest.approx((-back.value, -back.high, -back.low))
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.low < there.high


@pytest.mark.parametrize("wrong", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_paired_difference_refuses_counts_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="no counts"):
        stats.paired(*wrong)


def test_paired_difference_covers_the_truth():
    rng = np.random.default_rng(1)
    counted = [rng.multinomial(300, [0.04, 0.01, 0.95]) for _ in range(400)]
    covered = sum(found.low <= -0.03 <= found.high for found in (stats.paired(int(a), int(b), 300) for a, b, _ in counted))
    assert covered / 400 > 0.92


@given(st.integers(0, 100))
def test_a_loss_of_exactly_the_margin_is_not_over_it(both_ways):
    """450 to 445 of 500 at a margin of one point, however many images changed sides."""
    assert stats.loss(5 + both_ways, both_ways, 500, 0.01) == "undecided"
    assert stats.paired(5 + both_ways, both_ways, 500).value == -0.01


def test_an_interval_that_passes_the_margin_decides_nothing():
    """N = 1,000, 12 and 3: surely a loss, but not surely within a point."""
    assert stats.mcnemar(12, 3) == pytest.approx(0.035, abs=5e-4)
    assert stats.paired(12, 3, 1000)[1:] == (pytest.approx(-0.0170, abs=5e-5), pytest.approx(-0.0009, abs=5e-5))
    assert stats.loss(12, 3, 1000, 0.01) == "undecided"
    assert stats.loss(12, 3, 1000, 0.02) == "within"
    assert stats.loss(120, 3, 1000, 0.01) == "over"


def test_nested_disagreements_are_told_apart_by_pairs():
    """60 of 10,000 disagree, and the same 60 and 20 more: overlapping Wilson intervals say nothing, pairs do."""
    assert stats.wilson(60, 10_000).high > stats.wilson(80, 10_000).low
    assert stats.mcnemar(0, 20) == pytest.approx(2e-6, rel=0.05)
    assert stats.paired(0, 20, 10_000).low > 0


@given(discordant, st.floats(0.001, 0.2))
def test_what_is_said_of_a_loss_agrees_with_the_difference(drawn, margin):
    said, apart = stats.loss(*drawn, margin), stats.paired(*drawn)
    assert said != "within" or apart.value >= -margin
    assert said != "over" or apart.value < -margin
    assert stats.loss(*drawn, 1.0) == "within"


def test_holm_is_that_of_the_paper_and_never_below_the_p_value():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


@given(rounds, st.floats(0.1, 10), st.integers(1, 256))
def test_times_and_rates_hold_their_value_and_scale(rounds_ms, factor, batch):
    found = stats.time(rounds_ms)
    assert found.low <= found.value <= found.high
    assert min(rounds_ms) * (1 - 1e-9) <= found.value <= max(rounds_ms) * (1 + 1e-9)
    assert stats.time([factor * ms for ms in rounds_ms]) == pytest.approx(tuple(factor * end for end in found), rel=1e-6)
    rate = stats.rate(rounds_ms, batch)
    assert rate.value == pytest.approx(1e3 * batch / found.value)
    assert rate.low <= rate.value <= rate.high
    assert stats.rate(rounds_ms, 2 * batch).value == pytest.approx(2 * rate.value)


def test_time_is_students_interval_of_the_logarithms():
    from scipy.stats import ttest_1samp

    logs = np.log([1.0, 1.1, 0.9, 1.05])
    ends = ttest_1samp(logs, 0).confidence_interval(0.95)
    assert stats.time(np.exp(logs).tolist()) == pytest.approx((np.exp(logs.mean()), np.exp(ends.low), np.exp(ends.high)))


def test_time_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [stats.time(rng.lognormal(0, 0.05, 8)) for _ in range(500)]
    assert 0.92 <= sum(one.low <= 1 <= one.high for one in found) / 500 <= 0.98


def test_one_round_tells_nothing_of_its_scatter():
    assert stats.time([2.0]) == (2.0, 0.0, math.inf)
    assert stats.rate([2.0], 1) == (500.0, 0.0, math.inf)
    assert stats.compared([1.0], [2.0], LEAST) == "undecided"
    assert not stats.settled([2.0], 0.05)


@pytest.mark.parametrize("wrong", [[], [1.0, 0.0], [1.0, math.nan], [-1.0], [math.inf]])
def test_times_that_are_none_are_refused(wrong):
    for asked in (stats.time, lambda ms: stats.rate(ms, 1), lambda ms: stats.settled(ms, 0.1), lambda ms: stats.best({"a": ms}, LEAST)):
        with pytest.raises(ValueError, match="a time above 0"):
            asked(wrong)


@given(pairs, st.floats(0.1, 10))
def test_speedup_turns_round_and_does_not_know_the_unit(sides, factor):
    a, b = sides
    there, back = stats.speedup(a, b), stats.speedup(b, a)
    assert there.low <= there.value <= there.high
    assert there.value == pytest.approx(1 / back.value)
    assert there.value == pytest.approx(stats.time(b).value / stats.time(a).value)
    assert there.low == pytest.approx(1 / back.high if back.high else math.inf)
    assert stats.speedup([factor * ms for ms in a], [factor * ms for ms in b]) == pytest.approx(tuple(there), rel=1e-6)


@given(pairs, st.floats(0.1, 10))
def test_a_ratio_of_two_systems_turns_round_and_does_not_know_the_unit(sides, factor):
    a, b = sides
    there, back = stats.ratio(a, b), stats.ratio(b, a)
    assert there.low <= there.value <= there.high
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high if back.high else math.inf)
    assert stats.ratio([factor * ms for ms in a], [factor * ms for ms in b]) == pytest.approx(tuple(there), rel=1e-6)


def test_a_ratio_of_two_systems_is_welch_s_interval_of_the_logarithms():
    from scipy.stats import ttest_ind

    a, b = np.log([1.0, 1.1, 0.9]), np.log([2.0, 2.5, 1.9, 2.05, 2.0])
    ends = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    found = stats.ratio(np.exp(a).tolist(), np.exp(b).tolist())
    assert found == pytest.approx((math.exp(b.mean() - a.mean()), math.exp(ends.low), math.exp(ends.high)))
    assert stats.ratio([1.0], [2.0, 2.1]) == (pytest.approx(math.sqrt(4.2)), 0.0, math.inf)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ms", [0.1, 1.1, 2.7])
def test_a_ratio_of_systems_without_scatter_is_exact(ms):
    """1.1 three times has a deviation of 2e-16 by rounding."""
    assert stats.ratio([ms] * 3, [2 * ms] * 3) == pytest.approx((2, 2, 2))


@given(pairs, st.floats(0, 0.2))
def test_who_is_faster_turns_round(sides, least):
    turned = {"faster": "slower", "slower": "faster", "same": "same", "undecided": "undecided"}
    assert stats.compared(*sides, least) == turned[stats.compared(*reversed(sides), least)]


def test_what_slows_both_down_for_a_while_hides_no_difference():
    machine = np.array([1, 1, 2, 2, 1.5, 3, 1, 1])
    noise = np.array([0.001, -0.001, 0.002, 0, -0.002, 0.001, 0, -0.001])
    a, b = machine * (1 + noise), 1.05 * machine
    assert stats.time(a).high > stats.time(b).low  # intervals of each overlap widely
    assert stats.compared(a, b, LEAST) == "faster"
    assert stats.compared(b, a, LEAST) == "slower"
    assert stats.compared(a, 1.01 * machine, LEAST) == "same"
    assert stats.compared(a, 1.02 * machine, LEAST) == "undecided"


def test_rounds_without_scatter_are_compared_by_their_ratio():
    assert stats.compared([1.0] * 3, [1.03] * 3, LEAST) == "faster"
    assert stats.compared([1.0] * 3, [1.01] * 3, LEAST) == "same"
    assert stats.compared([1.0] * 2, [9.0] * 2, LEAST) == "undecided"
    assert stats.settled([1.0] * 3, 0.01)


def test_candidates_of_other_rounds_are_not_compared():
    for asked in (lambda: stats.speedup([1.0] * 3, [1.0] * 4), lambda: stats.best({"a": [1.0] * 3, "b": [1.0] * 4}, LEAST)):
        with pytest.raises(ValueError, match="3 and 4 rounds"):
            asked()


def test_the_best_and_all_that_cannot_be_told_from_it():
    noise = np.array([0.99, 1.0, 1.01, 1.0, 0.995, 1.005])
    measured = {"slow": 2 * noise[::-1], "second": 1.005 * noise[::-1], "first": noise}
    assert stats.best(measured, LEAST) == ["first", "second"]
    assert stats.best(measured, LEAST, {"slow": 4, "second": 1, "first": 1}) == ["slow"]
    assert stats.best({key: each[:2] for key, each in measured.items()}, LEAST) == ["first", "second", "slow"]
    assert stats.best({"alone": [1.0]}, LEAST) == ["alone"]
    assert stats.best({}, LEAST) == []


@given(st.lists(st.lists(times, min_size=5, max_size=5), min_size=1, max_size=6), st.floats(0, 0.1), st.floats(0.1, 10))
def test_the_fastest_is_always_among_the_best_in_any_unit_and_order(every, least, factor):
    measured = dict(enumerate(every))
    found = stats.best(measured, least)
    assert np.log(measured[found[0]]).mean() == min(np.log(each).mean() for each in every)
    assert set(stats.best(dict(reversed(measured.items())), least)) == set(found)
    assert set(found) <= set(stats.best(measured, least + 0.1))


def test_with_more_candidates_it_takes_more_to_leave_one_out():
    rng = np.random.default_rng(3)
    one, other = rng.lognormal(0, 0.02, 8), rng.lognormal(0.05, 0.02, 8)
    crowd = dict.fromkeys(range(2, 60), 1.3 * other)
    assert stats.best({0: one, 1: other}, LEAST) == [0]
    assert stats.best({0: one, 1: other} | crowd, LEAST) == [0, 1]


def test_settled_is_an_interval_within_the_tolerance():
    calm, wild = [1.0, 1.01, 0.99, 1.0, 1.0, 1.01, 0.99, 1.0], [1.0, 1.4, 0.9, 1.0, 1.6, 1.0, 0.8, 1.0]
    assert stats.settled(calm, 0.05)
    assert not stats.settled(wild, 0.05)
    assert stats.settled(wild, 0.9)
    assert not stats.settled(calm[:2], 0.5)
