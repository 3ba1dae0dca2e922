"""Times until something happens, of runs in pairs, some of which never get there: which of two is faster?

A run that has not arrived when it ends is *censored*: all that is known is that its time is longer. Three ways with
it stand side by side here. *Leave it out*: the speed-up exp⟨ln(t/t′)⟩ is over pairs of which both arrive. *Cut it
off*: the mean of min(t, T), the restricted mean time, is defined for all runs. *Ask for the order alone*: a pair is
won by the run that arrives first, and no matter when the other would have; the sign test on pairs that are won or
lost is exact. Kaplan and Meier's estimate of the median and the log-rank test take censoring into account too, but
know nothing of pairs: they treat both groups as independent, and have less power where pairs have much in common.

Sources: Kaplan & Meier, J. Am. Stat. Assoc. 53 (1958) 457; Mantel, Cancer Chemother. Rep. 50 (1966) 163; Royston &
Parmar, BMC Med. Res. Methodol. 13 (2013) 152 (restricted means). SciPy computes them.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

Times = Float[np.ndarray, " runs"]
Flags = Bool[np.ndarray, " runs"]
LEVEL = 0.95
"""Confidence of all intervals."""
RESAMPLES = 9999
NAN = float("nan")


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    estimate: float
    lower: float
    upper: float


NOTHING = Interval(NAN, NAN, NAN)


class Comparison(NamedTuple):
    """A rule against a baseline, in pairs.

    **Attributes:**

    - `speed_up`: exp⟨ln(t_base/t)⟩ over the pairs of which both arrive: above 1, the rule is faster.
    - `pairs`, `excluded`: how many pairs that is, and how many there are besides.
    - `mean_ratio`: restricted mean time of the baseline over that of the rule.
    - `won`, `lost`, `tied`: pairs in which the rule arrives first, second, and at the same time or not at all, as the
      baseline.
    - `sign_p`, `wilcoxon_p`, `t_test_p`, `log_rank_p`: two-sided p-values; NaN where a test says nothing.
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
        mean_ratio=_bootstrapped(_ratio_of_means, (a, b), seed),
        won=won,
        lost=lost,
        tied=a.size - won - lost,
        sign_p=float(stats.binomtest(won, won + lost).pvalue) if won + lost else NAN,
        wilcoxon_p=_quietly(lambda: stats.wilcoxon(a, b).pvalue) if (a != b).any() else NAN,
        t_test_p=_quietly(lambda: stats.ttest_rel(c, d).pvalue) if a.size > 1 else NAN,
        log_rank_p=log_rank(base, base_arrived, times, arrived, horizon),
    )


def _cut(times: Times, arrived: Flags, horizon: float) -> Times:
    return np.where(arrived, times, horizon)


def _ratio_of_means(a: Any, b: Any, axis: int = -1) -> Any:
    return np.mean(a, axis=axis) / np.mean(b, axis=axis)


def _bootstrapped(statistic: Callable, samples: tuple[Times, ...], seed: int) -> Interval:
    """A statistic with its interval, bias-corrected and accelerated; by percentiles where that is not defined.

    Pairs are drawn, so that what both runs of a pair have in common stays together.
    """
    if samples[0].size == 0:
        return NOTHING
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(statistic(*samples))
    if samples[0].size == 1 or not np.isfinite(estimate):
        return Interval(estimate, NAN, NAN)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                samples, statistic, paired=True, vectorized=True, n_resamples=RESAMPLES, confidence_level=LEVEL,
                method=method, rng=np.random.default_rng(seed),
            )  # fmt: skip
        ends = found.confidence_interval
        if np.isfinite([ends.low, ends.high]).all():
            return Interval(estimate, float(ends.low), float(ends.high))
    return Interval(estimate, NAN, NAN)


def _quietly(test: Callable) -> float:
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        return float(test())


def censored(times: Times, arrived: Flags, horizon: float) -> stats.CensoredData:
    """Times as SciPy takes them."""
    return stats.CensoredData(uncensored=times[arrived], right=np.full(int((~arrived).sum()), horizon))


def log_rank(base: Times, base_arrived: Flags, times: Times, arrived: Flags, horizon: float) -> float:
    """p of the log-rank test; NaN where nothing arrives. It ignores which runs are pairs."""
    if not (base_arrived.any() or arrived.any()):
        return NAN
    groups = censored(base, base_arrived, horizon), censored(times, arrived, horizon)
    return _quietly(lambda: stats.logrank(*groups).pvalue)


def median_time(times: Times, arrived: Flags, horizon: float) -> Interval:
    """Kaplan and Meier's median, the first time by which half of the runs have arrived; NaN where they never do.

    Its interval is where the confidence limits of the curve reach one half, NaN where they do not (Brookmeyer &
    Crowley, Biometrics 38 (1982) 29).
    """
    if not arrived.any():
        return NOTHING
    curve = stats.ecdf(censored(times, arrived, horizon)).sf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        limits = curve.confidence_interval(LEVEL, method="log-log")
    return Interval(*(_half(curve.quantiles, c.probabilities) for c in (curve, limits.low, limits.high)))


def _half(times: np.ndarray, surviving: np.ndarray) -> float:
    """The first time with at most half surviving."""
    below = np.flatnonzero(surviving <= 0.5 + 1e-12)
    return float(times[below[0]]) if below.size else NAN


def restricted_mean(times: Times, arrived: Flags, horizon: float) -> float:
    """The mean of min(t, T)."""
    return float(np.mean(_cut(times, arrived, horizon))) if times.size else NAN


def adjusted(p: np.ndarray) -> np.ndarray:
    """p-values of many settings, adjusted for their number by Benjamini and Hochberg's rate of false discoveries.

    NaNs stay and do not count. J. R. Stat. Soc. B 57 (1995) 289.
    """
    known = ~np.isnan(p)
    out = np.full(p.shape, np.nan)
    if known.any():
        out[known] = stats.false_discovery_control(p[known])
    return out
