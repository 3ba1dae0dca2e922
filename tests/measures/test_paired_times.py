"""Comparisons of times in pairs, some of them censored: against numbers worked out by hand."""

import numpy as np
import pytest

from curlflow.measures import paired_times as pt

pytestmark = pytest.mark.quick

ALL = np.array([True] * 5)


def test_speed_up_is_the_geometric_mean_of_ratios():
    base, times = np.array([4.0, 9.0, 16.0, 25.0, 36.0]), np.array([2.0, 3.0, 4.0, 5.0, 6.0])
    found = pt.compared(base, ALL, times, ALL, 100.0)
    assert found.speed_up.estimate == pytest.approx((2 * 3 * 4 * 5 * 6) ** (1 / 5))
    assert found.speed_up.lower < found.speed_up.estimate < found.speed_up.upper
    assert found.mean_ratio.estimate == pytest.approx((4 + 9 + 16 + 25 + 36) / (2 + 3 + 4 + 5 + 6))
    assert (found.pairs, found.excluded, found.won, found.lost, found.tied) == (5, 0, 5, 0, 0)
    # All five heads: 2 · 2⁻⁵, for the sign test and, with ranks 1 to 5 on one side, for Wilcoxon's.
    assert found.sign_p == pytest.approx(2 / 32)
    assert found.wilcoxon_p == pytest.approx(2 / 32)


def test_censored_pairs():
    nan = np.nan
    base, base_arrived = np.array([8.0, nan, nan, 5.0, 3.0]), np.array([True, False, False, True, True])
    times, arrived = np.array([4.0, 7.0, nan, nan, 3.0]), np.array([True, True, False, False, True])
    found = pt.compared(base, base_arrived, times, arrived, 10.0)
    # The pairs 0 and 4 have both times, the ratios 2 and 1; pair 1 is won, pair 3 lost; 2 and 4 are ties.
    assert found.speed_up.estimate == pytest.approx(np.sqrt(2))
    assert (found.pairs, found.excluded, found.won, found.lost, found.tied) == (2, 3, 2, 1, 2)
    assert found.mean_ratio.estimate == pytest.approx((8 + 10 + 10 + 5 + 3) / (4 + 7 + 10 + 10 + 3))
    assert found.sign_p == 1.0


def test_who_arrives_at_the_horizon_is_before_who_never_does():
    never, at_the_end = np.full(3, np.nan), np.full(3, 10.0)
    found = pt.compared(never, ~ALL[:3], at_the_end, ALL[:3], 10.0)
    assert (found.won, found.lost, found.tied) == (3, 0, 0)
    assert found.mean_ratio.estimate == 1.0


def test_t_test_by_hand():
    base, times = np.array([3.0, 5.0, 8.0]), np.array([1.0, 4.0, 5.0])
    # Differences 2, 1, 3: t = 2/(1/√3) = 2√3 with 2 degrees of freedom, of which P(|t| > x) = 1 − x/√(2 + x²).
    t = 2 * np.sqrt(3)
    found = pt.compared(base, ALL[:3], times, ALL[:3], 10.0)
    assert found.t_test_p == pytest.approx(1 - t / np.sqrt(2 + t**2))
    published = base * 2, times * 2
    assert pt.compared(base, ALL[:3], times, ALL[:3], 10.0, published).t_test_p == pytest.approx(found.t_test_p)


def test_kaplan_meier_median_by_hand():
    # Six runs, of which three arrive, at 1, 2 and 4: S is 5/6, 4/6 and 3/6 behind them.
    times = np.array([1.0, 2.0, 4.0, np.nan, np.nan, np.nan])
    arrived = np.array([True, True, True, False, False, False])
    assert pt.median_time(times, arrived, 10.0).estimate == 4.0
    assert np.isnan(pt.median_time(times[1:], arrived[1:], 10.0).estimate)
    median = pt.median_time(np.arange(1.0, 22.0), np.ones(21, bool), 100.0)
    assert median.lower < median.estimate == 11.0 < median.upper
    assert np.isnan(pt.median_time(times[3:], arrived[3:], 10.0).estimate)


def test_log_rank_by_hand():
    # Groups {1, 3} and {2, 4}. At 1 two of four at risk are of the first: O − E = 1/2, V = 1/4; at 2 one of three:
    # −1/3, V = 2/9; at 3 one of two: 1/2, V = 1/4; at 4 none. χ² = (2/3)²/(13/18).
    from scipy import stats

    a, b, both = np.array([1.0, 3.0]), np.array([2.0, 4.0]), np.array([True, True])
    expected = stats.chi2.sf((2 / 3) ** 2 / (13 / 18), 1)
    assert pt.log_rank(a, both, b, both, 10.0) == pytest.approx(expected)
    assert np.isnan(pt.log_rank(a, ~both, b, ~both, 10.0))


def test_coverage_of_the_speed_up():
    # Pairs with much in common and a true speed-up of 1.5: the intervals cover it in about 95 % of experiments.
    rng, covered, widths = np.random.default_rng(0), 0, []
    for i in range(60):
        common = np.exp(rng.normal(0, 1, 20))
        base, times = 1.5 * common * np.exp(0.2 * rng.normal(size=20)), common * np.exp(0.2 * rng.normal(size=20))
        interval = pt._bootstrapped(np.mean, (np.log(base / times),), i)
        covered += interval.lower < np.log(1.5) < interval.upper
        widths.append(interval.upper - interval.lower)
    assert 50 <= covered < 60
    # The width of a normal interval, less what a bootstrap of 20 pairs is too narrow by: √(19/20).
    normal = 2 * 1.96 * 0.2 * np.sqrt(2 / 20)
    assert np.mean(widths) / normal == pytest.approx(np.sqrt(19 / 20), rel=0.05)


def test_dull_cases():
    same = np.array([2.0, 3.0, 4.0])
    found = pt.compared(same, ALL[:3], same, ALL[:3], 10.0)
    assert found.speed_up.estimate == 1.0
    assert np.isnan([found.speed_up.lower, found.mean_ratio.upper]).all()
    assert (found.won, found.lost, found.tied) == (0, 0, 3)
    assert np.isnan([found.sign_p, found.wilcoxon_p, found.t_test_p]).all()
    never = pt.compared(same, ~ALL[:3], same, ~ALL[:3], 10.0)
    assert np.isnan(never.speed_up.estimate)
    assert never.mean_ratio.estimate == 1.0
    assert (never.pairs, never.excluded, never.tied) == (0, 3, 3)
    one = pt.compared(same[:1], ALL[:1], same[:1] / 2, ALL[:1], 10.0)
    assert one.speed_up.estimate == pytest.approx(2.0)
    assert np.isnan([one.speed_up.lower, one.t_test_p]).all()
    # A run that is there from the start has no ratio.
    assert pt.compared(np.zeros(3), ALL[:3], same, ALL[:3], 10.0).excluded == 3


def test_adjusted():
    p = np.array([[0.01, np.nan], [0.02, 0.9]])
    # Of three: 0.01·3/1 = 0.03 and 0.02·3/2 = 0.03; 0.9.
    np.testing.assert_allclose(pt.adjusted(p), [[0.03, np.nan], [0.03, 0.9]])
    assert np.isnan(pt.adjusted(np.full(3, np.nan))).all()


def test_differences_without_variance_have_no_t_test():
    base = np.array([10.0, 20.0, 30.0, 70.0])
    four, known = ALL[:4], dict.fromkeys(pt.TESTS, pt.Significance.known)
    for step in (5.0, 0.1, 1e-3):  # 70 − 69.9 is not 10 − 9.9, but for rounding
        found = pt.compared(base, four, base - step, four, 100.0)
        assert np.isnan(found.t_test_p)
        assert found.statuses == {**known, "t_test_p": pt.Significance.no_variance}
        # Four signs of one kind: 2 · 2⁻⁴, for signed ranks that are all tied as well.
        assert found.sign_p == found.wilcoxon_p == pytest.approx(1 / 8)
    nearly = pt.compared(base, four, base - [5.0, 5.0, 5.0, 5.1], four, 100.0)
    assert 0 < nearly.t_test_p < 1e-5
    # Pairs that all have one ratio have no interval.
    halved = pt.compared(base, four, base / 2, four, 100.0)
    assert halved.speed_up.estimate == pytest.approx(2.0)
    assert np.isnan([*halved.speed_up[1:], *halved.mean_ratio[1:]]).all()


def test_rounding_decides_nothing():
    base = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    six = np.ones(6, dtype=bool)
    found = pt.compared(base, six, base * (1 - 1e-14), six, 10.0)
    assert (found.won, found.lost, found.tied) == (0, 0, 6)
    assert {found.statuses[name].name for name in ("sign_test_p", "wilcoxon_p", "t_test_p")} == {"no_differences"}
    assert np.isnan([found.sign_p, found.wilcoxon_p, found.t_test_p]).all()
    # Every run arrives at one time, as all of both rules do: the log-rank test has no variance.
    ones = np.ones(4)
    assert pt.compared(ones, ALL[:4], ones, ALL[:4], 10.0).statuses["log_rank_p"].name == "no_variance"
    never = pt.compared(ones, ~ALL[:4], ones, ~ALL[:4], 10.0)
    assert never.statuses["log_rank_p"].name == "none_arrives"
    nothing = pt.compared(ones[:0], ALL[:0], ones[:0], ALL[:0], 10.0)
    assert {status.name for status in nothing.statuses.values()} == {"too_few_pairs"}


@pytest.mark.parametrize(
    "differences", [[3, 3, -1, 2, 2, 2], [1, -1, 1, 1, 0], [5, 4, 3, -2, 1, 7], [0.3, 0.1 + 0.2]]
)
def test_signed_ranks_by_all_signs(differences):
    from itertools import product

    from scipy import stats

    differences = np.array(differences, dtype=float)
    kept = differences[differences != 0]
    ranks = stats.rankdata(np.abs(kept).round(12))
    sums = np.array([ranks[np.array(signs, dtype=bool)].sum() for signs in product([0, 1], repeat=kept.size)])
    own = ranks[kept > 0].sum()
    expected = min(1.0, 2 * min((sums <= own).mean(), (sums >= own).mean()))
    assert pt.signed_rank_p(differences) == pytest.approx(expected)
    if len(set(np.abs(kept).round(12))) == kept.size:
        assert stats.wilcoxon(kept).pvalue == pytest.approx(expected)


def test_signed_ranks_of_many_pairs():
    from scipy import stats

    values = np.random.default_rng(0).normal(0.2, 1, 199)
    assert pt.signed_rank_p(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)
    assert np.isnan(pt.signed_rank_p(np.zeros(3)))


def test_shares_have_the_interval_of_wilson():
    """The ends solve (p̂ − p)² = z² p(1 − p)/n."""
    for won, of in ((3, 10), (0, 5), (7, 7)):
        found = pt.share_with_interval(won, of)
        assert found.estimate == won / of
        for p in found[1:]:
            assert (won / of - p) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) / of, rel=1e-5, abs=1e-12)
        assert 0 <= found.lower < found.upper <= 1
    assert np.isnan(pt.share_with_interval(0, 0)).all()


def test_restricted_means_are_covered():
    # Exponential times of mean 1 that are cut off at 2 have the mean 1 − e⁻² and the mean square 2(1 − 3e⁻²).
    rng, mean = np.random.default_rng(0), 1 - np.exp(-2)
    times = rng.exponential(size=(100, 40))
    found = np.array([pt.restricted_mean(t, t < 2, 2.0, i) for i, t in enumerate(times)])
    assert 88 <= np.sum((found[:, 1] < mean) & (mean < found[:, 2])) < 100
    normal = 2 * 1.96 * np.sqrt((2 * (1 - 3 * np.exp(-2)) - mean**2) / 40)
    assert np.mean(found[:, 2] - found[:, 1]) == pytest.approx(normal, rel=0.05)
