"""Checks of what a system is built from: a sentence instead of an error from deep inside a solver."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..constraints import AbstractConstraint, Free
from ..outside import reason
from ..precision import to_float64
from ..solvers.integrate import IMPLICIT, IMPLICIT_LIMIT, Adaptive
from ..tangents import size


def checked_state(state: Any) -> PyTree:
    """`state` as float64 arrays; a list of plain numbers becomes a vector."""
    if isinstance(state, list | tuple) and all(isinstance(leaf, int | float) for leaf in state):
        state = np.asarray(state, dtype=float)
    state = jax.tree.map(_as_real, to_float64(state, "state"))
    if size(state) == 0:
        raise ValueError("state: got no numbers, at least one is required.")
    if not all(isinstance(leaf, jax.core.Tracer) or np.isfinite(leaf).all() for leaf in jax.tree.leaves(state)):
        raise ValueError("state: got numbers that are not finite; a run cannot start there.")
    return state


def started_at(system: Any, starts: Any) -> list[Any]:
    """`system` once for each of the `starts`, states like its own with a leading axis.

    **Raises:** `ValueError` for other shapes, and for numbers that are not finite.
    """
    leaves, structure = jax.tree.flatten(system.state)
    required = _shapes([f"number of starts{''.join(f', {n}' for n in leaf.shape)}" for leaf in leaves])
    try:
        given = (
            [np.asarray(starts)] if len(leaves) == 1 else jax.tree.map(np.asarray, structure.flatten_up_to(starts))
        )
        arrays = [np.asarray(array, dtype=leaf.dtype) for array, leaf in zip(given, leaves, strict=True)]
    except (TypeError, ValueError):
        raise ValueError(f"starts: got {starts!r:.60}, required are numbers of shape {required}.") from None
    shapes = [array.shape for array in arrays]
    if [shape[1:] for shape in shapes] != [leaf.shape for leaf in leaves] or len({s[:1] for s in shapes}) != 1:
        got = _shapes([", ".join(map(str, shape)) for shape in shapes])
        raise ValueError(f"starts: got numbers of shape {got}, required is {required}, one state for each start.")
    if len(arrays[0]) == 0:
        raise ValueError("starts: got none, at least one state is required.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("starts: got numbers that are not finite; a run cannot start there.")
    states = (jax.tree.unflatten(structure, list(state)) for state in zip(*arrays, strict=True))
    return [eqx.tree_at(lambda s: s.state, system, state) for state in states]


def _shapes(shapes: list[str]) -> str:
    return ", ".join(f"({shape})" for shape in shapes)


def checked_constraint(constraint: Any) -> AbstractConstraint:
    """`constraint`; `Free()` where it is None."""
    if not isinstance(constraint, AbstractConstraint | None):
        raise ValueError(f"constraint: got {constraint!r}, required is one of curlflow.constraints.")
    return Free() if constraint is None else constraint


def check_positive(field: str, value: Any) -> None:
    """Refuse what is not a finite number above zero."""
    if isinstance(value, jax.core.Tracer):
        return
    if isinstance(value, bool | str | None) or np.ndim(value) != 0 or not 0 < float(value) < np.inf:
        raise ValueError(f"{field}: got {value}, it must be a positive number.")


def _as_real(leaf: Any) -> Any:
    if not hasattr(leaf, "dtype"):
        raise ValueError(f"state: got {leaf!r}, numbers are required.")
    return leaf.astype(float) if leaf.dtype.kind in "iub" else leaf


def check_real_function(function: Any, field: str, state: PyTree, *args: PyTree) -> None:
    """Refuse what is no function of (state, *args) that JAX can trace, or gives anything but one real number."""
    of = "(state, args)" if args else "the state"
    if not callable(function):
        raise ValueError(f"{field}: got {function!r}, required is a function of {of}.")
    try:
        value = eqx.filter_eval_shape(function, state, *args)
    except Exception as error:  # whatever the user's function raises
        raise ValueError(
            f"{field}: JAX cannot trace it on the state ({reason(error)}); required is a function of {of}, written "
            "with jax.numpy, that gives one real number."
        ) from error
    shape, dtype = getattr(value, "shape", ()), np.dtype(getattr(value, "dtype", type(value)))
    if shape != () or dtype.kind not in "iuf" or dtype in (np.float16, np.float32):
        what = f"{dtype} of shape {shape}" if hasattr(value, "dtype") else type(value).__name__
        raise ValueError(f"{field}: it gives {what}, required is one real number in double precision.")


def check_implicit(integrator: Adaptive, state: PyTree, tangents: PyTree | None) -> None:
    """Refuse a system that is too large for the dense Jacobian of an implicit solver."""
    unknowns = size((state, tangents))
    if integrator.solver in IMPLICIT and unknowns > IMPLICIT_LIMIT:
        raise ValueError(
            f"solver: {integrator.solver} factorises a dense Jacobian of the state with its tangents, here "
            f"{unknowns} unknowns; allowed are {IMPLICIT_LIMIT}. Use an explicit solver, or fewer exponents."
        )
