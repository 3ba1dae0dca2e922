"""Which rule is faster, in pairs of runs on the same problem: `compare_rules`."""

import dataclasses

import numpy as np
import xarray as xr

from ... import results
from ...measures import paired_times as pt
from ..arguments import Natural, study
from .runs import Ending

REQUIRED = "convergence_time", "convergence_epoch", "horizon"


@study
def compare_rules(dataset: xr.Dataset, *, baseline: str | None = None, seed: Natural = 0) -> xr.Dataset:
    """Compare convergence times of rules with those of a baseline, pair by pair.

    ```python
    ds = curlflow.convergence(spec, rules=["gradient", "feedback_alignment", "curl"])
    curlflow.compare_rules(ds, baseline="feedback_alignment").speed_up
    ```

    **Returns:** the dataset with these in place of other comparisons, along `rule`: `median_time` (Kaplan–Meier) with
    its interval, `restricted_mean_time` and `arrived_share` with theirs; along `compared`, the rules but the
    baseline: `speed_up` with its interval, `pairs`, `excluded_pairs`, `mean_time_ratio` with its interval, `won`,
    `lost`, `tied`, `share_won` with its interval, and p-values: `sign_test_p`, `wilcoxon_p`, `t_test_p`,
    `log_rank_p`, each with a status, such as `t_test_p_status`, that says why it is NaN. With further dimensions (a
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
    kept = dataset.drop_vars([v.name for v in pt.VARIABLES], errors="ignore").drop_dims("compared", errors="ignore")
    settings = [d for d in kept["convergence_time"].dims if d not in ("rule", "realization")]
    known = kept["convergence_epoch"] >= 0
    if "outcome" in kept:
        # Runs of missing cells and interrupted ones were not run to their end.
        known = known & (kept["outcome"] >= 0) & (kept["outcome"] != Ending.interrupted)
    numbers = kept["convergence_time"], kept["convergence_epoch"], known
    times, epochs, known = (array.transpose(*settings, "rule", "realization").to_numpy() for array in numbers)
    horizons = kept["horizon"].broadcast_like(numbers[0].isel(rule=0, realization=0, drop=True))
    horizons = horizons.transpose(*settings).to_numpy()
    cells = [
        pt.of_rules(times[at], epochs[at], known[at], float(horizons[at]), names.index(baseline), seed)
        for at in np.ndindex(horizons.shape)
    ]
    found = {name: np.array([cell[name] for cell in cells]).reshape(*horizons.shape, -1) for name in cells[0]}
    if settings:
        found |= {f"{test}_adjusted": pt.adjusted(found[test]) for test in pt.TESTS}
    data = {name: values for name, values in found.items() if values.size}
    declared = [dataclasses.replace(v, dims=(*settings, *v.dims)) for v in pt.VARIABLES]
    compared = ("compared",), np.array(others), "rule that is compared with the baseline"
    added = results.labelled(declared, data, {"compared": compared} if others else {}, {})
    return kept.merge(added, combine_attrs="override").assign_attrs(baseline=baseline)
