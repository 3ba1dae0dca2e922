"""How datasets look in a terminal."""

import math

import numpy as np
import xarray as xr
from rich.table import Column, Table

from ..catalogue import Study, named


def table(dataset: xr.Dataset) -> Table | None:
    """The numbers of a dataset as a table; None for what no study returned, and for parts of what one did."""
    row = named(dataset.attrs.get("study", ""))
    if row is None:
        return _sweep_table(dataset) if dataset.attrs.get("study") == "sweep" else None
    try:
        return TABLES[row.columns](dataset) if isinstance(row.columns, str) else _variables(dataset, row)
    except (KeyError, AttributeError):  # a variable that the table is made of was left out
        return None


def _variables(dataset: xr.Dataset, study: Study) -> Table:
    """The variables that the catalogue names, with a row for every realization and place along other dimensions."""
    shown = [name for name in study.columns if name in dataset.variables]
    if not set(shown) - {"status"} - set(dataset.dims):
        raise KeyError(*study.columns)
    numbers = dataset[[name for name in shown if name not in dataset.dims]]
    # What varies from run to run, such as a learning rate, comes before the realizations.
    before = (v.dims[: v.dims.index("realization")] for v in numbers.values() if "realization" in v.dims)
    along = [*dict.fromkeys(d for dims in before for d in dims)]
    along += [d for d in ("realization", *study.columns) if d in numbers.dims]
    numbers = numbers.assign_coords({d: np.arange(numbers.sizes[d]) for d in along if d not in numbers.coords})
    for name in set(numbers.dims) - set(along):
        if name == "observable":
            # The median of what was observed in several ways.
            several = {n: v for n, v in numbers.items() if name in v.dims}
            kinds = {n: v.median(name) if v.dtype.kind == "f" else v.isel({name: 0}) for n, v in several.items()}
            numbers = numbers.assign(kinds).drop_dims(name)
        else:
            numbers = numbers.isel({name: -1 if name in ("time", "epoch", "iteration") else 0})
    pairs = [str(name) for name in numbers if not str(name).endswith("_se")]
    table = Table(title=study.summary, title_justify="left")
    for name in (*along, *pairs):
        number = numbers[name].dtype.kind in "fiu" and "flag_meanings" not in numbers[name].attrs
        head = str(name).replace("realization", "run").replace("_", " ")
        table.add_column(head, justify="right" if number else "left")
    rows = list(np.ndindex(*(numbers.sizes[d] for d in along)))
    for at in [rows[i] for i in _some(len(rows), 60)]:
        one = numbers.isel(dict(zip(along, at, strict=True)))
        places = [f"{one[d].item():.5g}" if one[d].dtype.kind == "f" else str(one[d].item()) for d in along]
        table.add_row(*places, *(_cell(one, name) for name in pairs))
    return table


def _cell(one: xr.Dataset, name: str) -> str:
    """A number with its standard error where there is one, a flag or a truth value in words."""
    value = one[name]
    if "flag_meanings" in value.attrs:
        return _flag(value)
    if value.dtype.kind == "b":
        return "yes" if value.item() else "no"
    if f"{name}_se" in one:
        return " ± ".join(_rounded(value.item(), one[f"{name}_se"].item()))
    if value.dtype.kind in "iu":
        return "–" if value.item() < 0 else f"{value.item():,}"
    return _time(value.item()) if value.dtype.kind == "f" else str(value.item())


def _flag(variable: xr.DataArray) -> str:
    """What a flag means, in words."""
    names = dict(zip(variable.attrs["flag_values"], variable.attrs["flag_meanings"].split(), strict=True))
    return names.get(int(variable), "missing").replace("_", " ")


def _convergence_table(dataset: xr.Dataset) -> Table:
    """Every rule: how many runs converge, when, and how much faster than under the first rule."""
    error = f"{float(dataset.threshold.mean()):.3g}"
    title = f"Convergence to an error of {error}: median time; speed-up where both converge"
    table = Table(title=title, title_justify="left", min_width=60)
    table.add_column("rule", no_wrap=True, min_width=max(map(len, dataset["rule"].values.tolist())))
    for name in ("arrived", "median", "speed-up", "95 % interval", "won : lost", "p (sign)"):
        table.add_column(name, justify="right", no_wrap=True)
    compared = dataset.compared.values.tolist() if "compared" in dataset.dims else []
    for name in dataset["rule"].values.tolist():
        one = dataset.sel(rule=name)
        median = float(one.median_time) if "median_time" in one else math.nan
        row = [name, f"{int(one.convergence_time.notnull().sum())} of {one.sizes['realization']}", _time(median)]
        if name in compared:
            pair = dataset.sel(compared=name)
            names = ("speed_up", "speed_up_lower", "speed_up_upper", "sign_test_p")
            speed_up, lower, upper, p = (_time(float(pair[n])) for n in names)
            row += [speed_up, f"{lower} to {upper}", f"{int(pair.won)} : {int(pair.lost)}", p]
        table.add_row(*row)
    return table


def _time(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"


def _sweep_table(dataset: xr.Dataset) -> Table:
    """How many cells of a sweep are what, and what varies."""
    sizes = ", ".join(f"{name} {dataset.sizes[name]}" for name in dataset.cell_status.dims)
    table = Table("cells", "number", title=f"Sweep of {dataset.attrs.get('swept_study')} over {sizes}", min_width=50)
    for flag, name in enumerate(dataset.cell_status.attrs["flag_meanings"].split()):
        table.add_row(name, str(int((dataset.cell_status == flag).sum())))
    return table


def _exponent_table(dataset: xr.Dataset) -> Table:
    numbers = [Column(name, justify="right", no_wrap=True) for name in ("run", "", "λ", "± SE")]
    title = "Lyapunov exponents per unit of time"
    table = Table(*numbers, "sign", "converged", "status", title=title, title_justify="left", min_width=60)
    resolution = float(dataset.attrs.get("resolution", 0.0))
    runs = dataset if "realization" in dataset.dims else dataset.expand_dims("realization")
    for i in range(runs.sizes["realization"]):
        run = runs.isel(realization=i)
        ends = [str(int(run.realization)), _converged(run), _flag(run.status)]
        columns = (run[name].to_numpy() for name in ("exponent", "lyapunov_exponent", "lyapunov_exponent_se"))
        for number, value, error in zip(*columns, strict=True):
            table.add_row(ends[0], str(number), *_rounded(value, error), _sign(value, error, resolution), *ends[1:])
            ends = ["", "", ""]
        table.add_section()
    return table


def _converged(run: xr.Dataset) -> str:
    """Whether the exponents of a run have converged, and if not why."""
    if bool(run.converged):
        return "yes"
    return f"no: {_flag(run.doubt).replace('_', ' ')}" if "doubt" in run else "no"


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


def _boundary_table(dataset: xr.Dataset) -> Table:
    if "critical_hidden_fraction" in dataset:
        title = "Critical fraction of hidden units, by fraction of flipped inputs and c"
        values, name = dataset.critical_hidden_fraction.transpose("inputs_fraction", "c"), "inputs"
        values = values.isel(c=_some(values.sizes["c"], 6))
        heads = [f"c = {c:.4g}" for c in values.c.values]
    else:
        title, name = "Critical fraction of flips, by c and layer", "c"
        values = dataset.critical_fraction.transpose("c", "layer")
        heads = values.layer.values.tolist()
    table = Table(name, *heads, title=title, title_justify="left", min_width=50)
    for i in _some(len(values), 12):
        digits = 6 if len(heads) < 4 else 4
        cells = ["always stable" if v != v else f"{v:.{digits}g}" for v in values[i].values.tolist()]
        table.add_row(f"{float(values[i][values.dims[0]]):.5g}", *cells)
    return table


def _some(size: int, most: int) -> list[int]:
    """At most `most` indices out of `size`, from the first to the last."""
    return list(range(size)) if size <= most else [round(i * (size - 1) / (most - 1)) for i in range(most)]


TABLES = {"boundary": _boundary_table, "convergence": _convergence_table, "exponents": _exponent_table}
"""Tables that say more than the variables one by one; a row of the catalogue names one, or its variables."""
