"""How datasets look in a terminal."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from rich.table import Column, Table

from ..catalogue import named

_EXPONENT = ("lyapunov_exponent", "lyapunov_exponent_se")


def table(dataset: xr.Dataset) -> Table | None:
    """The numbers of a dataset as a table; None for what no study returned, and for parts of what one did."""
    study = dataset.attrs.get("study", "")
    if study == "sweep":
        return _sweep_table(dataset)
    row = named(study)
    if row is None:
        return None
    columns = TABLES[row.columns]
    return columns.table(dataset) if all(name in dataset.variables for name in columns.needs) else None


def _table(title: str, numbers: tuple[str, ...], words: tuple[str, ...]) -> Table:
    """An empty table with columns of numbers, then of words."""
    table = Table(title=title, title_justify="left", min_width=60)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in words:
        table.add_column(name)
    return table


def _runs(dataset: xr.Dataset) -> list[xr.Dataset]:
    """Every realization, also of a dataset in which one was selected."""
    runs = dataset if "realization" in dataset.dims else dataset.expand_dims("realization")
    return [runs.isel(realization=i) for i in range(runs.sizes["realization"])]


def _flag(variable: xr.DataArray) -> str:
    """What a flag means, in words."""
    names = dict(zip(variable.attrs["flag_values"], variable.attrs["flag_meanings"].split(), strict=True))
    return names.get(int(variable), "missing").replace("_", " ")


def _ending_table(dataset: xr.Dataset) -> Table:
    """How every realization ended."""
    title = "Errors at the end, and the largest training error on the way"
    table = _table(title, ("run", "test", "training", "peak", "epochs"), ("stopped by", "status"))
    for run in _runs(dataset):
        errors = (f"{float(run[name]):.3g}" for name in ("test_error", "train_error", "peak_error"))
        ended = _flag(run.stopped_by), _flag(run.status)
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
    table = _table("What kind of motion it is", ("run", "λ₁", "± SE", "K"), ("verdict", "why"))
    for run in _runs(dataset):
        numbers = _rounded(float(run.lyapunov_exponent[0]), float(run.lyapunov_exponent_se[0]))
        k = f"{float(run.zero_one.median()):.2f}"
        table.add_row(str(int(run.realization)), *numbers, k, _flag(run.verdict), run.reason.item())
    return table


def _fluctuation_table(dataset: xr.Dataset) -> Table:
    title = "Fluctuations: order parameter q, integrated and 1/e time, participation ratio, share of component 1"
    table = _table(title, ("run", "q", "τ", "1/e", "ratio", "share"), ("window", "status"))
    for run in _runs(dataset):
        measured = ("order_parameter", "integrated_time", "decay_time", "participation_ratio")
        table.add_row(
            str(int(run.realization)),
            *(f"{float(run[name]):.4g}" for name in measured),
            f"{float(run.explained_variance_ratio[0]):.1%}",
            _flag(run.window_status),
            _flag(run.status),
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
        ends = [str(int(run.realization)), "yes" if bool(run.converged) else "no", _flag(run.status)]
        columns = (run[name].to_numpy() for name in ("exponent", *_EXPONENT))
        for number, value, error in zip(*columns, strict=True):
            table.add_row(ends[0], str(number), *_rounded(value, error), _sign(value, error, resolution), *ends[1:])
            ends = ["", "", ""]
        table.add_section()
    return table


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


def _ends_table(dataset: xr.Dataset) -> Table | None:
    """Errors at the end of learning curves; of other systems the last state."""
    if "state" in dataset:
        shown = [f"state {i}" for i in range(min(COLUMNS, dataset.sizes["state_variable"]))]
        table = _table(
            f"State at the end, {len(shown)} of {dataset.sizes['state_variable']}", ("run", *shown), ("status",)
        )
        values = dataset.state.transpose(..., "state_variable")
    elif "train_error" in dataset and "test_error" in dataset:
        table = _table("Errors at the end", ("run", "training error", "test error"), ("status",))
        values = dataset[["train_error", "test_error"]].to_dataarray("error").transpose(..., "error")
    else:
        return None
    for run, last in zip(_runs(dataset), _runs(values.to_dataset(name="values")), strict=True):
        numbers = (f"{value:.4g}" for value in last["values"].to_numpy()[-1, :COLUMNS].tolist())
        table.add_row(str(int(run.realization)), *numbers, _flag(run.status))
    return table


def _vector_table(dataset: xr.Dataset) -> Table:
    """Every covariant vector: how it grows, its smallest angle to another one, over how much it is spread."""
    title = "Covariant vectors: growth per unit of time, angle in radians, entries"
    table = _table(title, ("run", "", "λ", "± SE", "smallest angle", "spread over"), ("status",))
    for run in _runs(dataset):
        angles = (
            run.smallest_angle.to_numpy()
            if "smallest_angle" in run
            else np.full((run.sizes["exponent"],) * 2, np.nan)
        )
        ends = [str(int(run.realization)), _flag(run.status)]
        for i, number in enumerate(run.exponent.to_numpy()):
            others = np.delete(angles[i], i)
            least = _time(float(np.nanmin(others))) if np.isfinite(others).any() else "–"
            grows = _rounded(float(run.covariant_exponent[i]), float(run.covariant_exponent_se[i]))
            table.add_row(ends[0], str(number), *grows, least, _time(float(run.participation[i])), ends[1])
            ends = ["", ""]
        table.add_section()
    return table


def _rate_table(dataset: xr.Dataset) -> Table:
    """Every realization at every learning rate."""
    table = _table("Motion by learning rate; 0 is the flow", ("run", "η", "λ₁", "± SE"), ("verdict", "chaotic in"))
    for run in _runs(dataset):
        ends = [str(int(run.realization)), _flag(run.chaotic_in)]
        for rate in np.atleast_1d(run.learning_rate.to_numpy()):
            one = run.sel(learning_rate=rate) if "learning_rate" in run.dims else run
            largest = _rounded(float(one.lyapunov_exponent[0]), float(one.lyapunov_exponent_se[0]))
            table.add_row(ends[0], f"{rate:.4g}", *largest, _flag(one.verdict), ends[1])
            ends = ["", ""]
        table.add_section()
    return table


def _diagram_table(dataset: xr.Dataset) -> Table | None:
    """The motion at some values of a parameter: the median λ₁, and how many realizations have which verdict."""
    name = next((d for d in dataset.verdict.dims if d != "realization"), None)
    if name is None:
        return None
    table = _table("Motion along a parameter: median λ₁, verdicts", (str(name), "λ₁"), ("verdicts",))
    for i in _some(dataset.sizes[name], ROWS):
        one = dataset.isel({name: i})
        kinds = [_flag(run.verdict) for run in _runs(one)]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        largest = one.lyapunov_exponent.isel(exponent=0).to_numpy()
        table.add_row(f"{one[name].item():.5g}", _time(float(np.median(largest))), counts)
    return table


def _part_table(dataset: xr.Dataset) -> Table:
    """Gradient and curl of the rule of every realization, along a trajectory at its last point."""
    along = next((d for d in dataset.curl_ratio.dims if d != "realization"), None)
    last = "" if along is None else f" at the last {along}"
    title = f"Gradient and curl parts of the Jacobian{last}: ‖S‖, ‖A‖, ‖A‖/‖S‖, divergence, speed"
    names = "symmetric_norm", "antisymmetric_norm", "curl_ratio", "divergence", "speed"
    table = _table(title, ("run", "‖S‖", "‖A‖", "ratio", "div", "speed"), ("status",))
    for run in _runs(dataset if along is None else dataset.isel({along: -1})):
        table.add_row(str(int(run.realization)), *(f"{float(run[name]):.4g}" for name in names), _flag(run.status))
    return table


def _share_table(dataset: xr.Dataset) -> Table:
    """What part of the energy is which."""
    table = _table("Shares of the energy on the plane", ("gradient", "curl", "harmonic"), ())
    shares = (dataset[f"{name}_share"].item() for name in ("gradient", "curl", "harmonic"))
    table.add_row(*("–" if math.isnan(share) else f"{share:.2%}" for share in shares))
    return table


def _stability_table(dataset: xr.Dataset) -> Table:
    title = "Stability: largest Re μ, numerical abscissa ω, numbers of eigenvalues"
    table = _table(title, ("run", "verdict", "Re μ", "ω", "≠ 0", "= 0"), ("method", "status"))
    for run in _runs(dataset):
        neutral = int(run.neutral_dimension)
        table.add_row(
            str(int(run.realization)),
            _flag(run.verdict),
            *(f"{float(run[name]):.4g}" for name in ("leading_real_part", "numerical_abscissa")),
            str(int(run.eigenvalue_real.notnull().sum())),
            "–" if neutral < 0 else str(neutral),
            _flag(run.method),
            _flag(run.status),
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


class Columns(NamedTuple):
    """A table, and the variables without which there is none."""

    table: Callable[[xr.Dataset], Table | None]
    needs: tuple[str, ...]


TABLES = {
    "boundary": Columns(_boundary_table, ("c",)),
    "convergence": Columns(_convergence_table, ("rule", "threshold", "convergence_time")),
    "diagram": Columns(_diagram_table, ("verdict", "lyapunov_exponent")),
    "endings": Columns(_ending_table, ("stopped_by", "test_error", "train_error", "peak_error", "status")),
    "ends": Columns(_ends_table, ("status",)),
    "exponents": Columns(_exponent_table, (*_EXPONENT, "converged", "status")),
    "fluctuations": Columns(_fluctuation_table, ("window_status", "order_parameter", "explained_variance_ratio")),
    "parts": Columns(_part_table, ("symmetric_norm", "antisymmetric_norm", "curl_ratio", "divergence", "status")),
    "rates": Columns(_rate_table, (*_EXPONENT, "learning_rate", "verdict", "chaotic_in")),
    "shares": Columns(_share_table, ("gradient_share", "curl_share", "harmonic_share")),
    "stability": Columns(_stability_table, ("verdict", "leading_real_part", "method", "status")),
    "vectors": Columns(
        _vector_table, ("covariant_exponent", "covariant_exponent_se", "smallest_angle", "participation")
    ),
    "verdicts": Columns(_verdict_table, (*_EXPONENT, "verdict", "zero_one", "reason")),
}
"""The tables that `columns` of a row of the catalogue names."""
