"""How datasets look in a terminal."""

import math
from typing import Any

import xarray as xr
from rich.table import Column, Table

from ..status import Status


def table(dataset: xr.Dataset) -> Table | None:
    """The numbers of a dataset as a table, if there is one for it."""
    if "cell_status" in dataset:
        return _sweep_table(dataset)
    if "verdict" in dataset and "zero_one" in dataset:
        return _verdict_table(dataset)
    if "lyapunov_exponent" in dataset:
        return _exponent_table(dataset)
    if "autocorrelation" in dataset:
        return _fluctuation_table(dataset)
    if "convergence_time" in dataset:
        return _convergence_table(dataset)
    if "stopped_by" in dataset:
        return _ending_table(dataset)
    if "test_error" in dataset:
        return _error_table(dataset)
    if "leading_real_part" in dataset:
        return _stability_table(dataset)
    if "critical_fraction" in dataset or "critical_hidden_fraction" in dataset:
        return _boundary_table(dataset)
    return None


def _table(title: str, numbers: tuple[str, ...], words: tuple[str, ...]) -> Table:
    """An empty table with columns of numbers, then of words."""
    table = Table(title=title, title_justify="left", min_width=60)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in words:
        table.add_column(name)
    return table


def _runs(dataset: xr.Dataset) -> list[xr.Dataset]:
    """Every realization."""
    return [dataset.isel(realization=i) for i in range(dataset.sizes["realization"])]


def _ending_table(dataset: xr.Dataset) -> Table:
    """How every realization ended."""
    names = dataset.stopped_by.attrs["flag_meanings"].split()
    title = "Errors at the end, and the largest training error on the way"
    table = _table(title, ("run", "test", "training", "peak", "epochs"), ("stopped by", "status"))
    for run in _runs(dataset):
        errors = (f"{float(run[name]):.3g}" for name in ("test_error", "train_error", "peak_error"))
        ended = names[int(run.stopped_by)], Status(int(run.status)).name
        table.add_row(str(int(run.realization)), *errors, f"{int(run.stop_epoch):,}", *ended)
    return table


def _convergence_table(dataset: xr.Dataset) -> Table:
    """Every rule: how many runs converge, when, and how much faster than under the first rule."""
    title = (
        f"Convergence to an error of {float(dataset.threshold.mean()):.3g}: median time; speed-up where both converge"
    )
    table = _table(title, ("arrived", "median", "speed-up", "95 % interval", "won : lost", "p (sign)"), ())
    table.columns.insert(0, Column("rule", no_wrap=True, min_width=max(map(len, dataset["rule"].values.tolist()))))
    compared = dataset.compared.values.tolist() if "compared" in dataset.dims else []
    for name in dataset["rule"].values.tolist():
        one = dataset.sel(rule=name)
        median = float(one.median_time) if "median_time" in one else math.nan
        row = [name, f"{int(one.convergence_time.notnull().sum())} of {one.sizes['realization']}", _time(median)]
        if name in compared:
            pair = dataset.sel(compared=name)
            limits = f"{_time(float(pair.speed_up_lower))} to {_time(float(pair.speed_up_upper))}"
            row += [
                _time(float(pair.speed_up)),
                limits,
                f"{int(pair.won)} : {int(pair.lost)}",
                _time(float(pair.sign_test_p)),
            ]
        table.add_row(*row)
    return table


def _time(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _verdict_table(dataset: xr.Dataset) -> Table:
    names = dataset.verdict.attrs["flag_meanings"].split()
    table = Table(title="What kind of motion it is", title_justify="left", min_width=60)
    for name in ("run", "λ₁", "± SE", "K"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("verdict", "why"):
        table.add_column(name)
    for run in (dataset.isel(realization=i) for i in range(dataset.sizes["realization"])):
        numbers = _rounded(float(run.lyapunov_exponent[0]), float(run.lyapunov_exponent_se[0]))
        k = f"{float(run.zero_one.median()):.2f}"
        verdict = names[int(run.verdict)].replace("_", " ")
        table.add_row(str(int(run.realization)), *numbers, k, verdict, run.reason.item())
    return table


def _fluctuation_table(dataset: xr.Dataset) -> Table:
    names = dataset.window_status.attrs["flag_meanings"].split()
    title = "Fluctuations: order parameter q, integrated and 1/e time, participation ratio, share of component 1"
    table = _table(title, ("run", "q", "τ", "1/e", "ratio", "share"), ("window", "status"))
    for run in _runs(dataset):
        measured = ("order_parameter", "integrated_time", "decay_time", "participation_ratio")
        table.add_row(
            str(int(run.realization)),
            *(f"{float(run[name]):.4g}" for name in measured),
            f"{float(run.explained_variance_ratio[0]):.1%}",
            names[int(run.window_status)].replace("_", " "),
            Status(int(run.status)).name.replace("_", " "),
        )
    return table


def _sweep_table(dataset: xr.Dataset) -> Table:
    """How many cells of a sweep are what, and what varies."""
    sizes = ", ".join(f"{name} {dataset.sizes[name]}" for name in dataset.cell_status.dims)
    table = Table("cells", "number", title=f"Sweep of {dataset.attrs.get('swept_study')} over {sizes}", min_width=50)
    for flag, name in enumerate(dataset.cell_status.attrs["flag_meanings"].split()):
        table.add_row(name, str(int((dataset.cell_status == flag).sum())))
    return table


def _exponent_table(dataset: xr.Dataset) -> Table:
    table = _table("Lyapunov exponents per unit of time", ("run", "", "λ", "± SE"), ("sign", "converged", "status"))
    resolution = float(dataset.attrs.get("resolution", 0.0))
    for run in _runs(dataset):
        ends = [str(int(run.realization)), "yes" if bool(run.converged) else "no", Status(int(run.status)).name]
        for number, value, error in zip(*_rows(run), strict=True):
            table.add_row(ends[0], str(number), *_rounded(value, error), _sign(value, error, resolution), *ends[1:])
            ends = ["", "", ""]
        table.add_section()
    return table


def _rows(run: xr.Dataset) -> tuple[Any, Any, Any]:
    return run.exponent.to_numpy(), run.lyapunov_exponent.to_numpy(), run.lyapunov_exponent_se.to_numpy()


def _rounded(value: float, error: float) -> tuple[str, str]:
    """`value` and its standard error, both to two digits of the error."""
    if value != value:
        return "–", "–"
    if not error > 1e-12:
        return f"{value:.6g}", f"{error:.1g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f}", f"{error:.{digits}f}"


def _sign(value: float, error: float, resolution: float) -> str:
    """The sign, if it is resolved: beyond twice the standard error and beyond what the solver can tell from zero."""
    error = 0.0 if math.isnan(error) and math.isinf(value) else error
    return "unresolved" if not (abs(value) > 2 * error and abs(value) > resolution) else "+" if value > 0 else "−"


def _error_table(dataset: xr.Dataset) -> Table:
    table = Table(
        "realization", "training error", "test error", "status", title="Errors at the end", title_justify="left"
    )
    for run in _runs(dataset):
        last = [f"{float(run[name].to_numpy()[-1]):.4g}" for name in ("train_error", "test_error")]
        table.add_row(str(int(run.realization)), *last, Status(int(run.status)).name)
    return table


def _stability_table(dataset: xr.Dataset) -> Table:
    title = "Stability: largest Re μ, numerical abscissa ω, numbers of eigenvalues"
    table = _table(title, ("run", "verdict", "Re μ", "ω", "≠ 0", "= 0"), ("method", "status"))
    methods, verdicts = (dataset[name].attrs["flag_meanings"].split() for name in ("method", "verdict"))
    for run in _runs(dataset):
        neutral = int(run.neutral_dimension)
        table.add_row(
            str(int(run.realization)),
            verdicts[int(run.verdict)],
            *(f"{float(run[name]):.4g}" for name in ("leading_real_part", "numerical_abscissa")),
            str(int(run.eigenvalue_real.notnull().sum())),
            "–" if neutral < 0 else str(neutral),
            methods[int(run.method)].replace("_", " "),
            Status(int(run.status)).name.replace("_", " "),
        )
    return table


ROWS, COLUMNS = 12, 6
"""How much of a phase boundary a table shows: evenly chosen rows and columns."""


def _boundary_table(dataset: xr.Dataset) -> Table:
    if "critical_hidden_fraction" in dataset:
        title = "Critical fraction of hidden units, by fraction of flipped inputs and c"
        values, name = dataset.critical_hidden_fraction.transpose("inputs_fraction", "c"), "inputs"
        values = values.isel(c=_some(values.sizes["c"], COLUMNS))
        heads = [f"c = {c:.4g}" for c in values.c.values]
    else:
        title, name = "Critical fraction of flips, by c and layer", "c"
        values = dataset.critical_fraction.transpose("c", "layer")
        heads = values.layer.values.tolist()
    table = Table(name, *heads, title=title, title_justify="left", min_width=50)
    for i in _some(len(values), ROWS):
        digits = 6 if len(heads) < 4 else 4
        cells = ["always stable" if v != v else f"{v:.{digits}g}" for v in values[i].values.tolist()]
        table.add_row(f"{float(values[i][values.dims[0]]):.5g}", *cells)
    return table


def _some(size: int, most: int) -> list[int]:
    """At most `most` indices out of `size`, from the first to the last."""
    if size <= most:
        return list(range(size))
    return sorted({round(i * (size - 1) / (most - 1)) for i in range(most)})
