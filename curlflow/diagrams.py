"""How motion changes with a parameter of the rule, or of any system: `bifurcation`."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from . import random_matrix, results
from .precision import double_precision
from .spec import Spec
from .studies.arguments import Bar, Count, Length, Positive, Seed, checked
from .studies.assemble import device
from .studies.classify.at_value import VARIABLES, at_value, chosen
from .studies.classify.starts import names_of
from .studies.runs import Progress, attended, finished
from .sweeping import sweep
from .sweeping.axes import dimensions_of
from .systems import Flow, Map

VERSION = 3
"""Of what a cell of a sweep returns."""


@double_precision
def bifurcation(
    spec_or_function: Any,
    over: Mapping[Any, Any],
    *,
    observable: str | Callable | None = None,
    transient: Length | None = None,
    duration: Positive | None = None,
    exponents: Count | None = 1,
    seed: Seed | None = None,
    directory: str | Path | None = None,
    engine: str | Callable | None = None,
    workers: Count | None = None,
    progress: Bar = None,
) -> xr.Dataset:
    """A bifurcation diagram: late extrema of an observable, λ₁ with its error, and verdicts along a parameter.

    ```python
    ds = curlflow.bifurcation(curlflow.preset("hidden_chaos"), {"rule.gain": np.linspace(1, -1, 41)})
    ds = curlflow.bifurcation(lambda r: curlflow.systems.logistic(r), {"r": np.linspace(2.8, 4, 400)})
    curlflow.plot.bifurcation(ds)
    ```

    **Returns:** a dataset over the parameter and `realization`: `late_extremum(…, extremum)`, the last 200 local
    extrema of the observable (of maps its last values, of what does not move its value; NaN behind them),
    `lyapunov_exponent` with `lyapunov_exponent_se`, `verdict` and `status`; for specs `solution_rate`, the largest
    rate at the teacher's weights (positive: unstable). Where the parameter is the fraction or gain of flipped units
    of a linear network, `critical_value` is where large networks lose stability by random-matrix theory.

    **Arguments** (lengths are in units of time, as for `curlflow.classify`):

    - `spec_or_function`: a `curlflow.Spec`, or a function from the parameter to a `Flow` or `Map`.
    - `over`: one parameter and its values. Of a spec a dotted field, or a name with a `curlflow.Axis`; of a function
      any name.
    - `observable`: whose extrema are shown. Default: `"train_error"`, of systems `"state_0"`. It is a name among the
      observables of `curlflow.classify`; for systems also a function of the state to a number. Verdicts rest on all
      observables of `curlflow.classify`, whatever is named here.
    - `transient`, `duration`, `seed`: as for `curlflow.classify`.
    - `exponents`: how many. More than one lets tori be told from cycles.
    - `directory`, `engine`, `workers`: of specs: as for `curlflow.sweep`, by which all values are computed.
    - `progress`: of specs as for `curlflow.sweep`; otherwise as for `curlflow.classify`.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` with what was finished.

    **Sources:** docs/classification.md; docs/random_matrix.md, equation (random.9).
    """
    given = {
        "observable": observable, "transient": transient, "duration": duration, "exponents": exponents, "seed": seed,
    }  # fmt: skip
    checked(bifurcation, given)  # but handed on as they are, since they name the cells of a sweep
    if not isinstance(over, Mapping) or len(over) != 1:
        raise ValueError(f"over: got {over!r}, required is one parameter and its values: {{'rule.gain': [1, -1]}}.")
    options = {name: value for name, value in given.items() if value is not None}
    if isinstance(spec_or_function, Spec):
        if callable(observable):
            raise ValueError("observable: got a function; for specs required is a name, so that cells can be stored.")
        # Before anything is computed: the name must be that of an observable at every value.
        (dimension,) = dimensions_of(spec_or_function, over)
        for change in dimension.changes:
            chosen(observable, names_of(spec_or_function.replace(dict(change)), seed=seed or 0), functions=False)
        engines = {"directory": directory, "engine": engine, "workers": workers, "progress": progress}
        return _of_spec(spec_or_function, over, options, engines)
    if not callable(spec_or_function):
        raise ValueError(f"spec_or_function: got {spec_or_function!r}, required is a Spec or a function of a number.")
    for name, value in {"directory": directory, "engine": engine, "workers": workers}.items():
        if value is not None:
            raise ValueError(f"{name}: it goes with a spec; the values of a function are computed here, one by one.")
    return _of_function(spec_or_function, *next(iter(over.items())), options, progress)


def _of_spec(spec: Spec, over: Any, options: dict[str, Any], engines: dict[str, Any]) -> xr.Dataset:
    """All values, by a sweep, with the boundary of the theory where there is one."""
    with warnings.catch_warnings():
        # It speaks of an argument that there is not here.
        warnings.filterwarnings("ignore", r".*cells failed; cell_message says why")
        dataset = sweep(spec, over, at_value, options, version=VERSION, other_version="recompute", **engines)
    failed = int((dataset.cell_status == 1).sum())
    if failed:
        first = next(text for text in dataset.cell_message.values.ravel().tolist() if text)
        warnings.warn(
            f"{failed} of {dataset.cell_status.size} values failed; cell_message says why. The first: {first}",
            stacklevel=4,
        )
    axis = json.loads(dataset.attrs["axes"])[0]
    dataset.attrs |= {"study": "bifurcation", "title": "curlflow bifurcation"}
    critical = critical_value(spec, axis["fields"][0]) if len(axis["fields"]) == 1 else None
    if critical is not None:
        text = f"{axis['name']} at which solutions of large networks lose stability"
        dataset["critical_value"] = ((), critical, {"long_name": text, "units": "1"})
    return dataset


def _of_function(function: Callable, name: Any, values: Any, options: dict[str, Any], progress: Any) -> xr.Dataset:
    """All values, one after the other."""
    name, values = _checked(name, values)
    parts: list[xr.Dataset] = []

    def work(report: Progress) -> None:
        for i, value in enumerate(values):
            system = function(float(value))
            if not isinstance(system, Flow | Map):
                kind = type(system).__name__
                raise ValueError(f"spec_or_function: the function returned {kind}, required is a Flow or a Map.")
            parts.append(at_value(system, **options))
            report(0, "values", (i + 1) / values.size)

    interrupted = attended(work, (), progress, [name])
    if not parts:
        raise KeyboardInterrupt
    axis = xr.DataArray(values[: len(parts)], dims=name, name=name, attrs={"long_name": name, "units": "1"})
    whole = xr.concat(parts, axis, combine_attrs="override")
    settings = {k: v for k, v in options.items() if not callable(v)}
    whole.attrs |= results.labelled((), {}, {}, results.provenance("bifurcation", settings, device())).attrs
    return finished(whole, interrupted)


def _checked(name: Any, values: Any) -> tuple[str, Float[np.ndarray, " values"]]:
    """A name that a dimension can have and the dataset does not have itself, and its values, different numbers."""
    taken = {v.name for v in VARIABLES} | {d for v in VARIABLES for d in v.dims}
    if not isinstance(name, str) or not name.strip() or "/" in name or name in taken:
        raise ValueError(f"over: got the name {name!r}, required is a word other than {', '.join(sorted(taken))}.")
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {values!r}, required are different numbers.") from None
    distinct = numbers.ndim == 1 and numbers.size > 0 and len(np.unique(numbers)) == numbers.size
    if not distinct or not np.isfinite(numbers).all():
        raise ValueError(f"{name}: got {numbers.tolist()!r}, required are different numbers.")
    return name, numbers


def critical_value(spec: Spec, field: str) -> float | None:
    """The value of a field at which solutions of large networks of this kind lose stability.

    NaN where they are stable for all values; None where the theory says nothing about it.
    """
    network, rule = spec.network, spec.rule
    if network is None or spec.data.file or spec.data.digest or spec.loss != "squared":
        return None
    linear = network.activation == network.output_activation == "linear"
    if not linear or network.biases or len(spec.widths) != 3 or network.outputs != 1:
        return None
    if rule.kind != "curl" or rule.side != "presynaptic":
        return None
    c, inputs, hidden = network.inputs / spec.widths[1], rule.flipped.inputs, rule.flipped.hidden
    if not all(isinstance(fraction, float | int) for fraction in (inputs, hidden)):
        return None
    if field == "rule.gain":
        return float(random_matrix.critical_gain(c, inputs=inputs, hidden=hidden))
    others = {"rule.flipped.inputs": hidden, "rule.flipped.hidden": inputs}
    if rule.gain == -1 and others.get(field) == 0:
        return float(random_matrix.phase_boundary(c, field.rpartition(".")[2]))
    return None
