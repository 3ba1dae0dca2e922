"""Times until something happens, of runs in pairs, some of which never get there: which of two is faster?

A run that has not arrived when it ends is *censored*: all that is known is that its time is longer. Three ways to
treat such a run stand side by side here. *Leave it out*: the speed-up exp⟨ln(t/t′)⟩ is over pairs of which both
arrive. *Cut it off*: the mean of min(t, T), the restricted mean time, is defined for all runs. *Ask for the order
alone*: a pair is won by the run that arrives first, no matter when the other would have arrived; the sign test on
pairs that are won or lost is exact. Kaplan and Meier's estimate of the median and the log-rank test take censoring
into account too, but know nothing of pairs, and have less power where pairs have much in common.

Times on a grid of records are often equal, and so are their differences. Times that are equal up to rounding are
tied. Signed ranks are tested by their exact distribution given the ties, for which a normal one is no substitute: of
four equal differences it makes p = 0.046, and no four pairs can give less than 1/8. Where nothing varies there is no
p-value and no interval, and the status of a test says so.

Sources: Kaplan & Meier, J. Am. Stat. Assoc. 53 (1958) 457; Mantel, Cancer Chemother. Rep. 50 (1966) 163; Royston &
Parmar, BMC Med. Res. Methodol. 13 (2013) 152 (restricted means); Pratt & Gibbons, Concepts of Nonparametric Theory
(1981), ch. 3 (signed ranks with ties).
"""

import warnings
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from ..variable import Variable, flag_variable

Times = Float[np.ndarray, " runs"]
Flags = Bool[np.ndarray, " runs"]
LEVEL = 0.95
"""Confidence of all intervals."""
RESAMPLES = 9999
ROUNDING = 1e-9
"""Times, differences and ends of intervals that differ by no more than this share of the largest are the same."""
EXACT = 200
"""Up to so many pairs the distribution of signed ranks is computed; from there on it is normal."""
NAN = float("nan")


class Significance(IntEnum):
    """Whether a test gives a p-value, and if not, why."""

    known = 0
    too_few_pairs = 1
    no_differences = 2
    no_variance = 3
    none_arrives = 4


R, C = ("rule",), ("compared",)
TESTS = {
    "sign_test_p": "exact sign test on pairs that are won or lost",
    "wilcoxon_p": "Wilcoxon's signed ranks, times cut off at the horizon",
    "t_test_p": "paired t-test on the recorded epochs, the published convention",
    "log_rank_p": "log-rank test, which takes censoring into account and ignores pairs",
}
ADJUSTED = "adjusted for all settings and rules (Benjamini and Hochberg)"
TESTED = "a function of the sample, whose own distribution is that of the test"
"""The uncertainty of a p-value."""
WILSON = "95 % interval by Wilson's score"
VARIABLES = (
    Variable("median_time", R, "median time to the threshold by Kaplan and Meier; NaN: fewer than half reach it"),
    Variable("median_time_lower", R, "lower end of its 95 % interval; NaN: not known"),
    Variable("median_time_upper", R, "upper end of its 95 % interval; NaN: not known"),
    Variable("restricted_mean_time", R, "mean of the convergence times, those cut off at the horizon included"),
    Variable("restricted_mean_time_lower", R, "lower end of its 95 % interval, bootstrap over realizations"),
    Variable("restricted_mean_time_upper", R, "upper end of its 95 % interval, bootstrap over realizations"),
    Variable("arrived_share", R, "share of the realizations that reach the threshold, if only in passing"),
    Variable("arrived_share_lower", R, f"lower end of its {WILSON}"),
    Variable("arrived_share_upper", R, f"upper end of its {WILSON}"),
    Variable("speed_up", C, "geometric mean of the baseline's time over the rule's, where both reach the threshold"),
    Variable("speed_up_lower", C, "lower end of its 95 % interval, bootstrap over pairs"),
    Variable("speed_up_upper", C, "upper end of its 95 % interval, bootstrap over pairs"),
    Variable("pairs", C, "pairs of which both reach the threshold"),
    Variable("excluded_pairs", C, "all others, which the speed-up leaves out"),
    Variable("mean_time_ratio", C, "restricted mean time of the baseline over that of the rule"),
    Variable("mean_time_ratio_lower", C, "lower end of its 95 % interval, bootstrap over pairs"),
    Variable("mean_time_ratio_upper", C, "upper end of its 95 % interval, bootstrap over pairs"),
    Variable("won", C, "pairs in which the rule reaches the threshold first"),
    Variable("lost", C, "pairs in which the baseline reaches the threshold first"),
    Variable("tied", C, "pairs in which both reach it at once, or neither does"),
    Variable("share_won", C, "share of the pairs that are won"),
    Variable("share_won_lower", C, f"lower end of its {WILSON}"),
    Variable("share_won_upper", C, f"upper end of its {WILSON}"),
    *(
        Variable(p, C, f"two-sided p, {t}", attributes={"ancillary_variables": f"{p}_status"}, uncertainty=TESTED)
        for p, t in TESTS.items()
    ),
    *(flag_variable(f"{name}_status", C, f"why {name} is known or not", Significance) for name in TESTS),
    *(Variable(f"{name}_adjusted", C, f"{name} {ADJUSTED}", uncertainty=TESTED) for name in TESTS),
)


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    estimate: float
    lower: float
    upper: float


NOTHING = Interval(NAN, NAN, NAN)


class Comparison(NamedTuple):
    """A rule against a baseline, in pairs, by the numbers that `VARIABLES` describe.

    `speed_up` is exp⟨ln(t_base/t)⟩, above 1 where the rule is faster, over `pairs` of which both arrive; the others
    are `excluded`. Two-sided p-values are NaN where a test says nothing; `statuses` (names as in `TESTS`) say why.
    """

    speed_up: Interval
    pairs: int
    excluded: int
    mean_ratio: Interval
    won: int
    lost: int
    tied: int
    sign_p: float
    wilcoxon_p: float
    t_test_p: float
    log_rank_p: float
    statuses: dict[str, Significance]


def of_rules(
    times: Float[np.ndarray, "rules runs"],
    epochs: Int[np.ndarray, "rules runs"],
    known: Bool[np.ndarray, "rules runs"],
    horizon: float,
    base: int,
    seed: int,
) -> dict[str, list]:
    """The comparisons of all rules with the rule `base`, by the names of `VARIABLES`.

    `times` are NaN where a run did not arrive, `epochs` are the same by the published convention, and `known` says
    which runs were run to their end.
    """
    arrived = ~np.isnan(times)
    complete = [(t[k], a[k], horizon) for t, a, k in zip(times, arrived, known, strict=True)]
    pairs, shares = [], []
    for i in range(len(times)):
        if i != base:
            k = known[base] & known[i]
            published = epochs[base][k].astype(float), epochs[i][k].astype(float)
            both = times[base][k], arrived[base][k], times[i][k], arrived[i][k]
            pairs.append(compared(*both, horizon, published, seed))
            shares.append(share_with_interval(pairs[-1].won, int(k.sum())))
    return {
        **_columns("median_time", [median_time(*one) for one in complete]),
        **_columns("restricted_mean_time", [restricted_mean(*one, seed) for one in complete]),
        **_columns("arrived_share", [share_with_interval(int(a.sum()), a.size) for _, a, _ in complete]),
        **_columns("speed_up", [p.speed_up for p in pairs]),
        "pairs": [p.pairs for p in pairs],
        "excluded_pairs": [p.excluded for p in pairs],
        **_columns("mean_time_ratio", [p.mean_ratio for p in pairs]),
        "won": [p.won for p in pairs],
        "lost": [p.lost for p in pairs],
        "tied": [p.tied for p in pairs],
        **_columns("share_won", shares),
        "sign_test_p": [p.sign_p for p in pairs],
        "wilcoxon_p": [p.wilcoxon_p for p in pairs],
        "t_test_p": [p.t_test_p for p in pairs],
        "log_rank_p": [p.log_rank_p for p in pairs],
        **{f"{test}_status": [np.int8(p.statuses[test]) for p in pairs] for test in TESTS},
    }


def _columns(name: str, intervals: list[Interval]) -> dict[str, list[float]]:
    """Estimates and the ends of their intervals, as three variables."""
    return {f"{name}{end}": [i[k] for i in intervals] for k, end in enumerate(("", "_lower", "_upper"))}


def compared(
    base: Times,
    base_arrived: Flags,
    times: Times,
    arrived: Flags,
    horizon: float,
    published: Any = None,
    seed: int = 0,
) -> Comparison:
    """Compare runs with those of a baseline, pair by pair.

    **Arguments:**

    - `base`, `times`: when each run arrived; where it did not, the value does not matter.
    - `base_arrived`, `arrived`: whether it did.
    - `horizon`: T, when runs that have not arrived were ended.
    - `published`: times of both by another convention, for the t-test. Default: those cut off at the horizon.
    - `seed`: of the bootstrap.
    """
    times = np.where(np.isclose(times, base, rtol=ROUNDING, atol=0), base, times)
    a, b = _cut(base, base_arrived, horizon), _cut(times, arrived, horizon)
    both = base_arrived & arrived & (a > 0) & (b > 0)
    logs = np.log(a[both] / b[both])
    first, second = _cut(base, base_arrived, np.inf), _cut(times, arrived, np.inf)
    won, lost = int((second < first).sum()), int((first < second).sum())
    tests = {
        "sign_test_p": _of_decided(won, lost, a.size),
        "wilcoxon_p": _of_ranks(a - b),
        "t_test_p": _of_means(*((a, b) if published is None else published)),
        "log_rank_p": _of_curves(base, base_arrived, times, arrived, horizon),
    }
    return Comparison(
        speed_up=Interval(*np.exp(_bootstrapped(np.mean, (logs,), seed))),
        pairs=int(both.sum()),
        excluded=int((~both).sum()),
        mean_ratio=_bootstrapped(lambda a, b, axis=-1: a.mean(axis=axis) / b.mean(axis=axis), (a, b), seed),
        won=won,
        lost=lost,
        tied=a.size - won - lost,
        sign_p=tests["sign_test_p"].p,
        wilcoxon_p=tests["wilcoxon_p"].p,
        t_test_p=tests["t_test_p"].p,
        log_rank_p=tests["log_rank_p"].p,
        statuses={name: tested.status for name, tested in tests.items()},
    )


class Tested(NamedTuple):
    """A two-sided p-value, NaN unless its status is `known`."""

    p: float
    status: Significance


def _of_decided(won: int, lost: int, pairs: int) -> Tested:
    """The exact sign test."""
    if won + lost == 0:
        return Tested(NAN, Significance.no_differences if pairs else Significance.too_few_pairs)
    return Tested(float(stats.binomtest(won, won + lost).pvalue), Significance.known)


def _of_ranks(differences: Times) -> Tested:
    """Wilcoxon's test."""
    if not (differences != 0).any():
        return Tested(NAN, Significance.no_differences if differences.size else Significance.too_few_pairs)
    return Tested(signed_rank_p(differences), Significance.known)


def _of_means(first: Times, second: Times) -> Tested:
    """The paired t-test, which needs a variance of the differences."""
    if first.size < 2:
        return Tested(NAN, Significance.too_few_pairs)
    differences, rounding = first - second, ROUNDING * max(np.abs(first).max(), np.abs(second).max())
    if np.ptp(differences) <= rounding:
        same = np.abs(differences).max() <= rounding
        return Tested(NAN, Significance.no_differences if same else Significance.no_variance)
    return Tested(float(stats.ttest_rel(first, second).pvalue), Significance.known)


def _of_curves(base: Times, base_arrived: Flags, times: Times, arrived: Flags, horizon: float) -> Tested:
    """The log-rank test, which needs an arrival while runs of both kinds are on their way, and not all arrive."""
    if not (base_arrived.any() or arrived.any()):
        return Tested(NAN, Significance.none_arrives if base.size else Significance.too_few_pairs)
    p = log_rank(base, base_arrived, times, arrived, horizon)
    return Tested(p, Significance.no_variance if np.isnan(p) else Significance.known)


def signed_rank_p(differences: Times) -> float:
    """The two-sided p of Wilcoxon's signed ranks, which is exact for up to 200 differences, tied ones included.

    Zeros are left out, and differences that are equal up to rounding have the mean of their ranks. NaN for none.
    """
    differences = differences[differences != 0]
    if differences.size == 0:
        return NAN
    if differences.size > EXACT:
        return float(_quietly(stats.wilcoxon, differences).pvalue)
    order = np.argsort(np.abs(differences), kind="stable")
    sizes = np.abs(differences)[order]
    apart = np.diff(sizes, prepend=sizes[0]) > ROUNDING * sizes[-1]
    # Twice the ranks are whole numbers, also of ties.
    ranks = np.rint(2 * stats.rankdata(np.cumsum(apart))).astype(int)
    probability = np.ones(1)
    for rank in ranks:
        none = np.zeros(rank)
        probability = (np.concatenate([probability, none]) + np.concatenate([none, probability])) / 2
    positive = int(ranks[differences[order] > 0].sum())
    return float(min(1.0, 2 * min(probability[: positive + 1].sum(), probability[positive:].sum())))


def _cut(times: Times, arrived: Flags, horizon: float) -> Times:
    return np.where(arrived, times, horizon)


def _bootstrapped(statistic: Callable, samples: tuple[Times, ...], seed: int) -> Interval:
    """A statistic with its bias-corrected and accelerated interval, or that of percentiles where it is undefined.
    Whole pairs are drawn, so that what the two runs of a pair have in common is preserved."""
    if samples[0].size == 0:
        return NOTHING
    estimate = float(_quietly(statistic, *samples))
    if samples[0].size == 1 or not np.isfinite(estimate):
        return Interval(estimate, NAN, NAN)
    for method in ("BCa", "percentile"):
        ends = _quietly(
            stats.bootstrap, samples, statistic, paired=True, vectorized=True, n_resamples=RESAMPLES,
            confidence_level=LEVEL, method=method, rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
        if np.isfinite([ends.low, ends.high]).all():
            break
    # Resamples of pairs that are all alike have no spread, which says nothing about other pairs.
    varies = ends.high - ends.low > ROUNDING * max(1.0, abs(estimate))
    return Interval(estimate, float(ends.low), float(ends.high)) if varies else Interval(estimate, NAN, NAN)


def _quietly(function: Callable, *arguments: Any, **options: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def censored(times: Times, arrived: Flags, horizon: float) -> stats.CensoredData:
    """Times in SciPy's form."""
    return stats.CensoredData(uncensored=times[arrived], right=np.full(int((~arrived).sum()), horizon))


def log_rank(base: Times, base_arrived: Flags, times: Times, arrived: Flags, horizon: float) -> float:
    """p of the log-rank test, which ignores the pairing; NaN where no run arrives, or all do at one time."""
    if not (base_arrived.any() or arrived.any()):
        return NAN
    groups = censored(base, base_arrived, horizon), censored(times, arrived, horizon)
    return float(_quietly(stats.logrank, *groups).pvalue)


def median_time(times: Times, arrived: Flags, horizon: float) -> Interval:
    """Kaplan and Meier's median, the first time by which half of the runs have arrived; NaN where they never do.

    Its interval is where the confidence limits of the curve reach one half, NaN where they do not (Brookmeyer &
    Crowley, Biometrics 38 (1982) 29).
    """
    if not arrived.any():
        return NOTHING
    curve = stats.ecdf(censored(times, arrived, horizon)).sf
    limits = _quietly(curve.confidence_interval, LEVEL, method="log-log")
    return Interval(*(_half(curve.quantiles, c.probabilities) for c in (curve, limits.low, limits.high)))


def share_with_interval(number: int, of: int) -> Interval:
    """A share with its interval by the score of Wilson, J. Am. Stat. Assoc. 22 (1927) 209; NaN of nothing."""
    if of == 0:
        return NOTHING
    ends = stats.binomtest(number, of).proportion_ci(LEVEL, "wilson")
    return Interval(number / of, float(ends.low), float(ends.high))


def _half(times: np.ndarray, surviving: np.ndarray) -> float:
    """The first time with at most half surviving."""
    below = np.flatnonzero(surviving <= 0.5 + 1e-12)
    return float(times[below[0]]) if below.size else NAN


def restricted_mean(times: Times, arrived: Flags, horizon: float, seed: int = 0) -> Interval:
    """The mean of min(t, T), with its interval by a bootstrap over runs that is drawn with this `seed`."""
    return _bootstrapped(np.mean, (_cut(times, arrived, horizon),), seed)


def adjusted(p: np.ndarray) -> np.ndarray:
    """p-values of many settings, adjusted for their number by Benjamini and Hochberg's rate of false discoveries,
    J. R. Stat. Soc. B 57 (1995) 289. NaNs stay and do not count."""
    known, out = ~np.isnan(p), np.full(p.shape, np.nan)
    if known.any():
        out[known] = stats.false_discovery_control(p[known])
    return out
