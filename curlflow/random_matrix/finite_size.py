"""Networks of finite width: how many flips does a solution tolerate, and how probable is its instability?

The phase boundary holds for M, N → ∞; the published phase diagrams go down to two inputs and two hidden units.
The stability of one solution is decided by the spectrum {μ} of

    K = Lᵀ (H − v uᵀ) L,    H = W1ᵀ D2 W1 + |w2|² D1,    Σ = L Lᵀ,                                     (random.8)

equations (4) and (4′) of docs/model.md, with v = (w2 W1)ᵀ and u = D1 v/‖W1‖² + W1ᵀ D2 w2ᵀ/|w2|² on spheres, u = 0
without a constraint. It is stable under the flow where Re μ > 0, and under updates with the step η where
|1 − ημ| < 1, for all μ that are not zero.

Under the flow without a constraint K is symmetric and falls with every flip, so that a network has one critical
number of flips. With large steps or on spheres stability may return; what is always defined is the share of networks
that are unstable at a given number of flips.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from .checks import LAYERS, check_choice, quoted
from .ensembles import MOST_INPUTS, MOST_UNITS
from .solutions import Ensemble, Solution, checked_ensemble

QUANTILES = (0.5, 0.1, 0.9)
INPUT_STD = 0.5**0.5


class CriticalFraction(NamedTuple):
    """Median, 10 % and 90 % quantile over networks of the smallest unstable fraction of flips; NaN: always stable."""

    median: Float[np.ndarray, "..."]
    lower: Float[np.ndarray, "..."]
    upper: Float[np.ndarray, "..."]


def probability_unstable(
    inputs: Any,
    hidden: Any,
    *,
    flipped_inputs: Any = 0,
    flipped_hidden: Any = 0,
    samples: Any = 100,
    constraint: Any = "frobenius",
    learning_rate: Any = 0.0,
    data: Any = None,
    law: Any = "uniform",
    scale: Any = 1.0,
    input_std: Any = INPUT_STD,
    seed: Any = 0,
) -> Any:
    """`probability_unstable(110, 110, flipped_hidden=[0, 5])` is the share of networks whose solution is unstable.

    **Returns:** the share of sampled networks, in the shape to which widths and flips broadcast. Networks of equal
    widths are the same for all numbers of flips.

    **Arguments:**

    - `inputs`, `hidden`: widths M and N.
    - `flipped_inputs`, `flipped_hidden`: how many units of either layer are flipped.
    - `samples`: how many networks are drawn for every pair of widths; the standard error is √(p(1 − p)/samples).
    - `constraint`: `"frobenius"` if both layers keep their norms, or `"none"`.
    - `learning_rate`: η of the updates, at which the solution may be unstable as well; 0 for a flow.
    - `data`: number of training samples that give Σ, drawn for every network; None for the population's Σ.
    - `law`, `scale`: of the weights, `"uniform"` U(±s/√fan-in) or `"normal"` with the standard deviation s/√fan-in.
    - `input_std`: standard deviation of the inputs; it has no effect on a flow.
    - `seed`: a whole number, which with their widths determines the networks, or a `numpy.random.Generator`.

    **Raises:** `ValueError` for values out of range, and for more flips than units.
    """
    ensemble = checked_ensemble(samples, constraint, learning_rate, data, law, scale, input_std, seed)
    m, n = _counts("inputs", inputs, 1, MOST_INPUTS), _counts("hidden", hidden, 1, MOST_UNITS)
    p = _counts("flipped_inputs", flipped_inputs, 0, MOST_INPUTS)
    q = _counts("flipped_hidden", flipped_hidden, 0, MOST_UNITS)
    m, n, p, q = np.broadcast_arrays(m, n, p, q)
    for name, flips, units in (("flipped_inputs", p, m), ("flipped_hidden", q, n)):
        for flipped, all_units in zip(flips.flat, units.flat, strict=True):
            if flipped > all_units:
                raise ValueError(f"{name}: got {flipped} of {all_units} units, allowed are all at most.")
    unstable = np.zeros(m.shape)
    for widths in sorted({*zip(m.ravel().tolist(), n.ravel().tolist(), strict=True)}):
        cells = np.flatnonzero((m.ravel() == widths[0]) & (n.ravel() == widths[1]))
        flips = list(zip(p.ravel()[cells].tolist(), q.ravel()[cells].tolist(), strict=True))
        for solution in ensemble.solutions(*widths):
            unstable.flat[cells] += [ensemble.is_unstable(solution, *both) for both in flips]
    return (unstable / ensemble.samples)[()]


def critical_fraction_at(
    inputs: Any,
    hidden: Any,
    layer: Any = "inputs",
    *,
    flipped: Any = 0,
    samples: Any = 100,
    constraint: Any = "frobenius",
    learning_rate: Any = 0.0,
    data: Any = None,
    law: Any = "uniform",
    scale: Any = 1.0,
    input_std: Any = INPUT_STD,
    seed: Any = 0,
) -> CriticalFraction:
    """`critical_fraction_at(62, 157, "inputs")` is the critical fraction of flips for networks of these widths.

    **Returns:** `CriticalFraction`: median and quantiles over sampled networks of the smallest number of flips at
    which the solution is unstable, over the number of units, in the shape to which `inputs`, `hidden` and `flipped`
    broadcast. NaN means stable for every fraction; 0 means unstable without any flip, which only updates can be. For
    large networks without a constraint it tends to `phase_boundary`, and with `flipped` inputs to `phase_surface`.

    **Arguments:** as for `probability_unstable`; the `layer` whose signs are flipped one after the other, `"inputs"`
    or `"hidden"` units; and `flipped`, how many units of the other layer are flipped throughout.

    **Description:** the number is found by bisection between no flips and all. On spheres, or with a learning rate, a
    network may become unstable and then stable again; bisection then finds one of the changes.

    **Raises:** `ValueError` for values out of range.
    """
    ensemble = checked_ensemble(samples, constraint, learning_rate, data, law, scale, input_std, seed)
    check_choice("layer", layer, LAYERS)
    m, n = _counts("inputs", inputs, 1, MOST_INPUTS), _counts("hidden", hidden, 1, MOST_UNITS)
    m, n, beside = np.broadcast_arrays(m, n, _counts("flipped", flipped, 0, MOST_UNITS))
    units, others = (m, n) if layer == "inputs" else (n, m)
    if (beside > others).any():
        raise ValueError(f"flipped: got {quoted(flipped)}, allowed are the units of the other layer at most.")
    found = np.zeros((len(QUANTILES), m.size))
    for cell in range(m.size):
        solutions = ensemble.solutions(int(m.flat[cell]), int(n.flat[cell]))
        flips = [_critical(ensemble, one, layer, int(units.flat[cell]), int(beside.flat[cell])) for one in solutions]
        found[:, cell] = np.quantile(flips, QUANTILES, method="inverted_cdf") / units.flat[cell]
    return CriticalFraction(*(np.where(one > 1, np.nan, one).reshape(m.shape)[()] for one in found))


def _critical(ensemble: Ensemble, solution: Solution, layer: str, units: int, beside: int) -> int:
    """The first number of flips that is unstable; one more than there are units where none is."""
    low, high = -1, units + 1
    while high - low > 1:
        middle = (low + high) // 2
        flips = (middle, beside) if layer == "inputs" else (beside, middle)
        low, high = (low, middle) if ensemble.is_unstable(solution, *flips) else (middle, high)
    return high


def _counts(name: str, given: Any, least: int, most: int) -> np.ndarray:
    """Whole numbers of any shape; `ValueError` for anything else."""
    array = np.asarray(given)
    whole = array.dtype.kind in "iu" and not isinstance(given, np.ma.MaskedArray) and array.size
    if not whole or (array < least).any() or (array > most).any():
        raise ValueError(f"{name}: got {quoted(given)}, allowed are whole numbers from {least} to {most:,}.")
    return array.astype(np.int64)
