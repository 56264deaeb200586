"""lib/two_level.py against independent formulae, by its properties, and on builds whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import simulate_builds as simulation
from hypothesis import given
from hypothesis import strategies as st
from simulate_drift import wrong

from lib import stats, two_level

TURNED = {"faster": "slower", "slower": "faster", "same": "same", "undecided": "undecided"}
RUNS = 600
times = st.floats(1e-3, 1e4)


@st.composite
def versions(draw, least=1):
    """Two versions of 1 to 5 builds (or at least so many) through the same 1 to 8 rounds."""
    rounds = draw(st.integers(least, 8))
    return tuple(draw(st.lists(st.lists(times, min_size=rounds, max_size=rounds), min_size=least, max_size=5)) for _ in range(2))


def close(interval):
    return pytest.approx(tuple(interval), rel=1e-6)


@given(versions(), st.floats(0, 0.2))
def test_which_version_is_faster_turns_round(sides, least):
    a, b = sides
    there, back = two_level.built(a, b), two_level.built(b, a)
    assert there.low <= there.value <= there.high
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high if back.high else math.inf)
    assert two_level.compared_builds(a, b, least).said == TURNED[two_level.compared_builds(b, a, least).said]


@given(versions(least=2), st.data())
def test_what_all_builds_share_in_a_round_changes_nothing(sides, data):
    a, b = (np.array(side) for side in sides)
    machine = np.array(data.draw(st.lists(st.floats(0.1, 10), min_size=a.shape[1], max_size=a.shape[1])))
    assert two_level.built(a * machine, b * machine) == close(two_level.built(a, b))
    assert two_level.spread(a * machine) == pytest.approx(tuple(two_level.spread(a)), abs=1e-5)


@given(versions(least=2), st.randoms(use_true_random=False))
def test_the_order_of_builds_and_of_rounds_does_not_matter(sides, random):
    a, b = (np.array(side) for side in sides)
    rounds = random.sample(range(a.shape[1]), a.shape[1])
    turned = [side[random.sample(range(len(side)), len(side))][:, rounds] for side in (a, b)]
    assert two_level.built(*turned) == close(two_level.built(a, b))
    assert two_level.spread(turned[0]) == pytest.approx(tuple(two_level.spread(a)), abs=1e-5)


@given(versions())
def test_the_value_is_the_ratio_of_the_geometric_means_and_rounds_never_narrow_the_interval(sides):
    a, b = sides
    found = two_level.built(a, b)
    assert found.value == pytest.approx(math.exp(np.log(b).mean() - np.log(a).mean()))
    over_builds = stats.ratio([stats.time(one).value for one in a], [stats.time(one).value for one in b])
    assert found.high >= over_builds.high * (1 - 1e-9)
    assert found.low <= over_builds.low * (1 + 1e-9)


def test_without_scatter_in_the_rounds_it_is_welch_s_interval_over_builds():
    from scipy.stats import ttest_ind

    a, b = np.log([1.0, 1.02, 1.01]), np.log([1.1, 1.2, 1.0, 1.05, 1.3])
    ends = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    found = two_level.built([[ms] * 4 for ms in np.exp(a)], [[ms] * 4 for ms in np.exp(b)])
    assert found == pytest.approx((math.exp(b.mean() - a.mean()), math.exp(ends.low), math.exp(ends.high)))


def test_builds_that_do_not_spread_are_known_as_well_as_their_rounds():
    a, b = [[1.0, 1.1, 0.9, 1.0]] * 3, [[1.0, 1.0, 1.0, 1.0]] * 3
    assert two_level.built(a, b) == pytest.approx(tuple(stats.speedup(a[0], b[0])))


@pytest.mark.parametrize("counts", [(1, 5), (3, 1), (1, 1)])
def test_one_build_tells_nothing_of_its_version(counts):
    a, b = [[1.0, 1.01, 0.99]] * counts[0], [[2.0, 2.01, 1.99]] * counts[1]
    assert two_level.built(a, b) == (pytest.approx(2.0, rel=1e-3), 0.0, math.inf)
    assert two_level.compared_builds(a, b, 0.02).said == "undecided"


def test_few_rounds_decide_nothing():
    assert two_level.built([[1.0]] * 3, [[2.0]] * 3) == (pytest.approx(2.0), 0.0, math.inf)
    assert two_level.compared_builds([[1.0] * 2] * 3, [[2.0] * 2] * 3, 0.02).said == "undecided"
    assert two_level.compared_builds([[1.0] * 3] * 3, [[2.0] * 3] * 3, 0.02).said == "faster"
    assert two_level.compared_builds([[1.0] * 3] * 3, [[1.01] * 3] * 3, 0.02).said == "same"


def test_a_difference_within_the_spread_of_builds_is_not_claimed():
    """Every round of every build agrees, and still another build might be the other way round."""
    a, b = [[1.0] * 8, [1.1] * 8, [1.02] * 8], [[1.05] * 8, [1.15] * 8, [1.07] * 8]
    assert stats.compared(a[0], b[0], 0.02) == "faster"
    assert two_level.compared_builds(a, b, 0.02).said == "undecided"


def test_builds_of_other_rounds_are_not_compared():
    for asked in (lambda: two_level.built([[1.0] * 3], [[1.0] * 4]), lambda: two_level.spread([[1.0] * 3, [1.0] * 4])):
        with pytest.raises(ValueError, match="3 and 4 rounds"):
            asked()
    for few in ([[1.0, 1.1]], [[1.0], [1.1]]):
        with pytest.raises(ValueError, match="two builds and two rounds"):
            two_level.spread(few)


@given(versions(least=2), st.floats(0.1, 10))
def test_a_spread_holds_its_value_and_does_not_know_the_unit(sides, factor):
    found = two_level.spread(sides[0])
    assert 0 <= found.low <= found.value <= found.high
    assert two_level.spread([[factor * ms for ms in one] for one in sides[0]]) == pytest.approx(tuple(found), abs=1e-5)


def test_the_spread_of_builds_whose_rounds_do_not_scatter_is_that_of_their_means():
    from scipy.stats import chi2

    logs, machine = np.array([0.0, 0.03, 0.01, 0.02]), np.array([1.0, 1.2, 0.9])
    sd = logs.std(ddof=1)
    ends = [sd * math.sqrt(3 / chi2.ppf(p, 3)) for p in (0.975, 0.025)]
    assert two_level.spread(np.exp(logs)[:, None] * machine) == pytest.approx((sd, *ends))
    assert two_level.spread([[2.7] * 4] * 3) == (0.0, 0.0, 0.0)  # by rounding, their means have a deviation


def test_builds_differ_where_an_f_test_without_the_drift_says_so():
    """Of one-way variance in what is left once the mean of each round is taken away, with the degrees of freedom that costs."""
    from scipy.stats import f

    rng, said = np.random.default_rng(5), set()
    for _ in range(60):
        logs = rng.normal(0, 0.006, (4, 1)) + rng.normal(0, 0.01, (4, 6)) + rng.normal(0, 0.1, 6)
        own, level = logs.mean(axis=1, keepdims=True), logs.mean(axis=0)
        between = 6 * ((own - logs.mean()) ** 2).sum() / 3
        within = ((logs - own - level + logs.mean()) ** 2).sum() / 15
        differ = f.sf(between / within, 3, 15) < 0.025
        found = two_level.spread(np.exp(logs))
        assert (found.low > 0) == differ
        assert found.value == pytest.approx(math.sqrt(max(0, between - within) / 6), abs=1e-9)
        said.add(differ)
    assert said == {True, False}


@pytest.mark.parametrize(("spread", "count"), [(0.02, 3), (0.02, 5), (0.004, 3), (0.0, 5)])
def test_the_interval_of_a_spread_covers_the_truth_as_often_as_it_says(spread, count):
    drawn = simulation.runs_of(400, 0.0, (simulation.normal(spread), simulation.normal(0)), (count, 1), "steps")
    found = [two_level.spread(a) for a, _ in drawn]
    assert sum(one.low <= spread <= one.high for one in found) / len(found) >= 0.93


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("drift", ["ramp", "wave", "steps"])
def test_equal_versions_are_seldom_told_apart_whose_builds_spread(count, drift):
    """Builds that spread by 2 %, on every machine that drifts, and without a least ratio too."""
    drawn = simulation.runs_of(RUNS, 0.0, (simulation.normal(0.02),) * 2, (count, count), drift)
    for least in (0, simulation.LEAST_RATIO):
        assert sum(wrong(said, 0.0) for said in simulation.said_of(drawn, least)) / RUNS <= 0.05


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize(
    "draws",
    [
        (simulation.normal(0), simulation.normal(0.04)),
        (simulation.normal(0.01), simulation.normal(0.03)),
        (simulation.normal(0), simulation.normal(0)),
        (simulation.tactics(0.02), simulation.tactics(0.02)),
        (simulation.tactics(0.02, 0.2), simulation.tactics(0.02, 0.2)),
    ],
    ids=["0% and 4%", "1% and 3%", "0%", "two engines", "two engines, one seldom"],
)
def test_equal_versions_are_seldom_told_apart_however_their_builds_spread(draws, count):
    drawn = simulation.runs_of(RUNS, 0.0, draws, (count, count))
    for least, most in ((0, 0.06), (simulation.LEAST_RATIO, 0.03)):
        assert sum(wrong(said, 0.0) for said in simulation.said_of(drawn, least)) / RUNS <= most


def test_a_machine_that_meets_one_version_harder_for_a_while_seldom_misleads():
    """Builds that are all alike, so that they alone would be sure: why rounds have a part in the interval."""
    rng, claimed, by_builds = np.random.default_rng(1), 0, 0
    for _ in range(RUNS):
        a, b = (np.exp(rng.normal(0, 0.02, 8) + rng.normal(0, 0.01, (5, 8))) for _ in range(2))
        claimed += two_level.compared_builds(a, b, 0).said in ("faster", "slower")
        by_builds += stats.claim(stats.ratio(*(np.exp(np.log(side).mean(axis=1)) for side in (a, b))), 0) in ("faster", "slower")
    assert claimed / RUNS <= 0.05
    assert by_builds / RUNS > 0.5


@pytest.mark.parametrize(("counts", "least"), [((3, 3), 0.08), ((5, 3), 0.16)])
def test_a_pooled_deviation_would_mislead_where_one_version_alone_spreads(counts, least):
    """Why Welch's: the second version's builds spread by 4 %, and with a pooled deviation they would not count for enough."""
    from scipy.stats import ttest_ind

    drawn = simulation.runs_of(RUNS, 0.0, (simulation.normal(0), simulation.normal(0.04)), counts)
    a, b = (np.array([np.log(side).mean(axis=1) for side in sides]) for sides in zip(*drawn, strict=True))
    assert (ttest_ind(a, b, axis=1).pvalue < 0.05).mean() >= least
    assert sum(wrong(said, 0.0) for said in simulation.said_of(drawn, 0)) / RUNS <= 0.06


def test_one_build_a_side_misleads():
    """What several builds are for: the simulation can fail."""
    said = simulation.said_of_one_build(simulation.runs_of(300, 0.0, (simulation.normal(0.02),) * 2, (1, 1)))
    assert sum(wrong(each, 0.0) for each in said) / 300 > 0.15


@pytest.mark.parametrize(("count", "apart", "any_ratio", "beyond"), [(3, 0.05, 0.43, 0.14), (5, 0.05, 0.85, 0.40), (5, 0.02, 0.18, 0)])
def test_a_difference_is_found_about_as_often_as_measured(count, apart, any_ratio, beyond):
    drawn = simulation.runs_of(RUNS, apart, (simulation.normal(0.02),) * 2, (count, count))
    for least, floor in ((0, any_ratio), (simulation.LEAST_RATIO, beyond)):
        said = simulation.said_of(drawn, least)
        assert floor <= said.count("faster") / RUNS <= floor + 0.1
        assert said.count("slower") / RUNS <= 0.005


def test_versions_far_apart_are_always_told_apart():
    drawn = simulation.runs_of(200, 0.3, (simulation.normal(0.02),) * 2, (3, 3), "wave")
    assert simulation.said_of(drawn).count("faster") / 200 > 0.95


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("least", [0, 0.02])
def test_what_is_findable_is_found_in_nine_of_ten(count, least):
    apart = two_level.findable(count, 0.02, least)
    drawn = simulation.runs_of(RUNS, apart, (simulation.normal(0.02),) * 2, (count, count))
    assert 0.84 <= simulation.said_of(drawn, least).count("faster") / RUNS <= 0.93


def test_more_builds_find_less_and_one_nothing():
    found = [two_level.findable(count, 0.02, 0) for count in (1, 2, 3, 5, 10, 100)]
    assert found[0] == math.inf
    assert found == sorted(found, reverse=True)
    assert found[2] == pytest.approx(0.086, abs=5e-4)
    assert found[3] == pytest.approx(0.049, abs=5e-4)
    assert two_level.findable(3, 0.0, 0.02) == pytest.approx(0.02)


def test_the_table_has_a_row_for_every_case():
    assert len(simulation.table(runs=2).splitlines()) == 2 + 2 * 6
