"""Which rule is faster, in pairs of runs on the same problem: `compare_rules`."""

from collections.abc import Hashable

import numpy as np
import xarray as xr

from ... import results
from ...measures import paired_times as pt
from ...variable import Variable
from ..arguments import Natural, study
from .dataset import Outcome

R, C = ("rule",), ("compared",)
P = "two-sided p, {}"
TESTS = {
    "sign_test_p": "exact sign test on pairs that are won or lost",
    "wilcoxon_p": "Wilcoxon's signed ranks, times cut off at the horizon",
    "t_test_p": "paired t-test on the recorded epochs, the published convention",
    "log_rank_p": "log-rank test, which takes censoring into account and ignores pairs",
}
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
    *(Variable(name, C, P.format(text)) for name, text in TESTS.items()),
    *(
        Variable(f"{name}_adjusted", C, f"{name} adjusted for all settings and rules (Benjamini and Hochberg)")
        for name in TESTS
    ),
)
REQUIRED = "convergence_time", "convergence_epoch", "horizon"


@study
def compare_rules(dataset: xr.Dataset, *, baseline: str | None = None, seed: Natural = 0) -> xr.Dataset:
    """Compare convergence times of rules with those of a baseline, pair by pair.

    ```python
    ds = curlflow.convergence(spec, rules=["gradient", "feedback_alignment", "curl"])
    curlflow.compare_rules(ds, baseline="feedback_alignment").speed_up
    ```

    **Returns:** the dataset with these in place of other comparisons, along `rule`: `median_time` (Kaplan–Meier) with
    its interval, `restricted_mean_time`, `arrived_share`; along `compared`, the rules but the baseline: `speed_up`
    with its interval, `pairs`, `excluded_pairs`, `mean_time_ratio` with its interval, `won`, `lost`, `tied`,
    `share_won`, and p-values: `sign_test_p`, `wilcoxon_p`, `t_test_p`, `log_rank_p`. With further dimensions (a
    sweep) also p-values adjusted for the number of settings, `…_p_adjusted`.

    **Arguments:**

    - `dataset`: of `curlflow.convergence`, or a sweep of it.
    - `baseline`: the name of a rule. Default: the first one.
    - `seed`: of the bootstrap.

    **Description:** realizations are pairs: they have the same teacher, start and data under every rule. A run that
    does not reach the threshold is censored at the horizon, and so is one that fails before. A crossing in passing
    counts. Interrupted runs and missing cells are left out. Speed-ups are over pairs of which both reach the
    threshold; restricted means and the sign test are over all. The t-test is the published one, on recorded epochs
    with the last one for runs that do not converge; it takes such numbers at face value.

    **Raises:** `ValueError` for other datasets and unknown rules.

    **Sources:** docs/model.md, "Convergence"; docs/convergence.md.
    """
    if not isinstance(dataset, xr.Dataset) or any(name not in dataset for name in REQUIRED):
        raise ValueError("dataset: required is one of curlflow.convergence, or of a sweep of that study.")
    if not {"rule", "realization"} <= set(dataset["convergence_time"].dims):
        raise ValueError("dataset: rule and realization must be dimensions; select one by [0:1], not by 0.")
    names = [str(name) for name in dataset["rule"].to_numpy()]
    baseline = names[0] if baseline is None else baseline
    if baseline not in names:
        raise ValueError(f"baseline: got {baseline!r}, allowed are {', '.join(names)}.")
    others = [name for name in names if name != baseline]
    kept = dataset.drop_vars([v.name for v in VARIABLES if v.name in dataset]).drop_dims("compared", errors="ignore")
    settings = [d for d in kept["convergence_time"].dims if d not in ("rule", "realization")]
    found = _along_settings(kept, settings, names, names.index(baseline), seed)
    data = {name: values for name, values in found.items() if values.size}
    dims = {v.name: (*settings, *v.dims) for v in VARIABLES}
    declared = [Variable(v.name, dims[v.name], v.long_name) for v in VARIABLES]
    coordinates = {"compared": (C, np.array(others), "rule that is compared with the baseline")} if others else {}
    added = results.labelled(declared, data, coordinates, {})
    compared = kept.merge(added, combine_attrs="override")
    return compared.assign_attrs(baseline=baseline)


def _along_settings(
    dataset: xr.Dataset, settings: list[Hashable], names: list[str], base: int, seed: int
) -> dict[str, np.ndarray]:
    """All comparisons, setting by setting."""
    dims = (*settings, "rule", "realization")
    times = dataset["convergence_time"].transpose(*dims).to_numpy()
    epochs = dataset["convergence_epoch"].transpose(*dims).to_numpy()
    shape = times.shape[:-2]
    horizons = dataset["horizon"].broadcast_like(dataset["convergence_time"].isel(rule=0, realization=0, drop=True))
    horizons = horizons.transpose(*settings).to_numpy()
    known = _known(dataset).transpose(*dims).to_numpy()
    cells = [
        _of_setting(times[at], epochs[at], known[at], float(horizons[at]), base, seed) for at in np.ndindex(shape)
    ]
    found = {
        name: np.array([cell[name] for cell in cells]).reshape(*shape, -1) for name in (cells[0] if cells else {})
    }
    if settings:
        found |= {f"{test}_adjusted": pt.adjusted(found[test]) for test in TESTS}
    return found


def _known(dataset: xr.Dataset) -> xr.DataArray:
    """Which runs were run to their end: not those of missing cells, nor interrupted ones."""
    known = dataset["convergence_epoch"] >= 0
    if "outcome" in dataset:
        known = known & (dataset["outcome"] >= 0) & (dataset["outcome"] != Outcome.interrupted)
    return known


def _of_setting(
    times: np.ndarray, epochs: np.ndarray, known: np.ndarray, horizon: float, base: int, seed: int
) -> dict[str, list]:
    """The comparisons of one setting, (rule, realization), of the runs that are known."""
    arrived = ~np.isnan(times)
    complete = [(t[k], a[k], horizon) for t, a, k in zip(times, arrived, known, strict=True)]
    medians = [pt.median_time(*one) for one in complete]
    found = {
        "median_time": [m.estimate for m in medians],
        "median_time_lower": [m.lower for m in medians],
        "median_time_upper": [m.upper for m in medians],
        "restricted_mean_time": [pt.restricted_mean(*one) for one in complete],
        "arrived_share": [a.mean() if a.size else np.nan for _, a, _ in complete],
    }
    both = [known[base] & k for k in known]
    others = [i for i in range(len(times)) if i != base]
    pairs = [
        pt.compared(
            times[base][k], arrived[base][k], times[i][k], arrived[i][k], horizon,
            (epochs[base][k].astype(float), epochs[i][k].astype(float)), seed,
        )
        for i, k in ((i, both[i]) for i in others)
    ]  # fmt: skip
    found |= {
        "speed_up": [p.speed_up.estimate for p in pairs],
        "speed_up_lower": [p.speed_up.lower for p in pairs],
        "speed_up_upper": [p.speed_up.upper for p in pairs],
        "pairs": [p.pairs for p in pairs],
        "excluded_pairs": [p.excluded for p in pairs],
        "mean_time_ratio": [p.mean_ratio.estimate for p in pairs],
        "mean_time_ratio_lower": [p.mean_ratio.lower for p in pairs],
        "mean_time_ratio_upper": [p.mean_ratio.upper for p in pairs],
        "won": [p.won for p in pairs],
        "lost": [p.lost for p in pairs],
        "tied": [p.tied for p in pairs],
        "share_won": [p.won / both[i].sum() if both[i].any() else np.nan for i, p in zip(others, pairs, strict=True)],
        "sign_test_p": [p.sign_p for p in pairs],
        "wilcoxon_p": [p.wilcoxon_p for p in pairs],
        "t_test_p": [p.t_test_p for p in pairs],
        "log_rank_p": [p.log_rank_p for p in pairs],
    }
    return found
