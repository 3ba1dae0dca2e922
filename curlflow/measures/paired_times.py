"""Times until something happens, of runs in pairs, some of which never get there: which of two is faster?

A run that has not arrived when it ends is *censored*: all that is known is that its time is longer. Three ways to
treat such a run stand side by side here. *Leave it out*: the speed-up exp⟨ln(t/t′)⟩ is over pairs of which both
arrive. *Cut it off*: the mean of min(t, T), the restricted mean time, is defined for all runs. *Ask for the order
alone*: a pair is won by the run that arrives first, no matter when the other would have arrived; the sign test on
pairs that are won or lost is exact. Kaplan and Meier's estimate of the median and the log-rank test take censoring
into account too, but know nothing of pairs, and have less power where pairs have much in common.

Sources: Kaplan & Meier, J. Am. Stat. Assoc. 53 (1958) 457; Mantel, Cancer Chemother. Rep. 50 (1966) 163; Royston &
Parmar, BMC Med. Res. Methodol. 13 (2013) 152 (restricted means).
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from ..variable import Variable

Times = Float[np.ndarray, " runs"]
Flags = Bool[np.ndarray, " runs"]
LEVEL = 0.95
"""Confidence of all intervals."""
RESAMPLES = 9999
NAN = float("nan")

R, C = ("rule",), ("compared",)
TESTS = {
    "sign_test_p": "exact sign test on pairs that are won or lost",
    "wilcoxon_p": "Wilcoxon's signed ranks, times cut off at the horizon",
    "t_test_p": "paired t-test on the recorded epochs, the published convention",
    "log_rank_p": "log-rank test, which takes censoring into account and ignores pairs",
}
ADJUSTED = "adjusted for all settings and rules (Benjamini and Hochberg)"
VARIABLES = (
    Variable("median_time", R, "median time to the threshold by Kaplan and Meier; NaN: fewer than half reach it"),
    Variable("median_time_lower", R, "lower end of its 95 % interval; NaN: not known"),
    Variable("median_time_upper", R, "upper end of its 95 % interval; NaN: not known"),
    Variable("restricted_mean_time", R, "mean of the convergence times, those cut off at the horizon included"),
    Variable("arrived_share", R, "share of the realizations that reach the threshold, if only in passing"),
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
    *(Variable(name, C, f"two-sided p, {text}") for name, text in TESTS.items()),
    *(Variable(f"{name}_adjusted", C, f"{name} {ADJUSTED}") for name in TESTS),
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
    are `excluded`. Two-sided p-values are NaN where a test says nothing.
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
            shares.append(pairs[-1].won / k.sum() if k.any() else np.nan)
    return {
        **_columns("median_time", [median_time(*one) for one in complete]),
        "restricted_mean_time": [restricted_mean(*one) for one in complete],
        "arrived_share": [a.mean() if a.size else np.nan for _, a, _ in complete],
        **_columns("speed_up", [p.speed_up for p in pairs]),
        "pairs": [p.pairs for p in pairs],
        "excluded_pairs": [p.excluded for p in pairs],
        **_columns("mean_time_ratio", [p.mean_ratio for p in pairs]),
        "won": [p.won for p in pairs],
        "lost": [p.lost for p in pairs],
        "tied": [p.tied for p in pairs],
        "share_won": shares,
        "sign_test_p": [p.sign_p for p in pairs],
        "wilcoxon_p": [p.wilcoxon_p for p in pairs],
        "t_test_p": [p.t_test_p for p in pairs],
        "log_rank_p": [p.log_rank_p for p in pairs],
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
    a, b = _cut(base, base_arrived, horizon), _cut(times, arrived, horizon)
    both = base_arrived & arrived & (a > 0) & (b > 0)
    logs = np.log(a[both] / b[both])
    first, second = _cut(base, base_arrived, np.inf), _cut(times, arrived, np.inf)
    won, lost = int((second < first).sum()), int((first < second).sum())
    c, d = (a, b) if published is None else published
    return Comparison(
        speed_up=Interval(*np.exp(_bootstrapped(np.mean, (logs,), seed))),
        pairs=int(both.sum()),
        excluded=int((~both).sum()),
        mean_ratio=_bootstrapped(lambda a, b, axis=-1: a.mean(axis=axis) / b.mean(axis=axis), (a, b), seed),
        won=won,
        lost=lost,
        tied=a.size - won - lost,
        sign_p=float(stats.binomtest(won, won + lost).pvalue) if won + lost else NAN,
        wilcoxon_p=float(_quietly(stats.wilcoxon, a, b).pvalue) if (a != b).any() else NAN,
        t_test_p=float(_quietly(stats.ttest_rel, c, d).pvalue) if a.size > 1 else NAN,
        log_rank_p=log_rank(base, base_arrived, times, arrived, horizon),
    )


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
            return Interval(estimate, float(ends.low), float(ends.high))
    return Interval(estimate, NAN, NAN)


def _quietly(function: Callable, *arguments: Any, **options: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def censored(times: Times, arrived: Flags, horizon: float) -> stats.CensoredData:
    """Times in SciPy's form."""
    return stats.CensoredData(uncensored=times[arrived], right=np.full(int((~arrived).sum()), horizon))


def log_rank(base: Times, base_arrived: Flags, times: Times, arrived: Flags, horizon: float) -> float:
    """p of the log-rank test, which ignores the pairing; NaN where no run arrives."""
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


def _half(times: np.ndarray, surviving: np.ndarray) -> float:
    """The first time with at most half surviving."""
    below = np.flatnonzero(surviving <= 0.5 + 1e-12)
    return float(times[below[0]]) if below.size else NAN


def restricted_mean(times: Times, arrived: Flags, horizon: float) -> float:
    """The mean of min(t, T)."""
    return float(np.mean(_cut(times, arrived, horizon))) if times.size else NAN


def adjusted(p: np.ndarray) -> np.ndarray:
    """p-values of many settings, adjusted for their number by Benjamini and Hochberg's rate of false discoveries,
    J. R. Stat. Soc. B 57 (1995) 289. NaNs stay and do not count."""
    known, out = ~np.isnan(p), np.full(p.shape, np.nan)
    if known.any():
        out[known] = stats.false_discovery_control(p[known])
    return out
