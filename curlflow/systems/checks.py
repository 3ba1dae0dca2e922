"""Checks of what a system is built from: a sentence instead of an error from deep inside a solver."""

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from ..constraints import AbstractConstraint, Free
from ..precision import jax_settings, to_float64
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


def check_function(
    function: Any, field: str, signature: str, index: Any, state: PyTree, args: PyTree, *further: Any
) -> None:
    """Refuse a function that cannot be called with these arguments, or whose result is not like the state."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((state, args))):
        return
    if not callable(function):
        raise ValueError(f"{field}: got {function!r}, a function of ({signature}) is required.")
    try:
        inspect.signature(function).bind(index, state, args, *further)
    except TypeError:
        raise ValueError(
            f"{field}: a function of ({signature}) is required, got one of "
            f"{inspect.signature(function)}; arguments that it does not need may be ignored."
        ) from None
    leaves, structure = jax.tree.flatten((state, args, *further))
    if all(isinstance(leaf, np.ndarray) for leaf in leaves):
        shapes = tuple((leaf.shape, leaf.dtype.name) for leaf in leaves)
        with contextlib.suppress(TypeError):  # what has no hash is not checked
            _check_result(function, field, index, structure, shapes)


@functools.lru_cache(maxsize=256)
def _check_result(function: Callable, field: str, index: Any, structure: Any, shapes: tuple) -> None:
    """Trace `function` once for each kind of state and parameters, and compare its result with the state."""
    with jax_settings():
        leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
        state, args, *further = jax.tree.unflatten(structure, leaves)
        try:
            result = eqx.filter_eval_shape(function, index, state, args, *further)
        except jax.errors.JAXTypeError as error:
            raise ValueError(
                f"{field}: JAX cannot trace it; use jax.numpy in place of numpy, and jnp.where or jax.lax.cond in "
                f"place of if. ({str(error).splitlines()[0]})"
            ) from error
        except TypeError as error:
            given = ", ".join(map(str, jax.tree.leaves(_shapes((state, *further)))))
            raise ValueError(f"{field}: it cannot be called with arrays {given}: {error}") from error
    if not eqx.tree_equal(_shapes(result), _shapes(state)):
        raise ValueError(f"{field}: the result must be like the state, {_shapes(state)}, got {_shapes(result)}.")


def _shapes(tree):
    return jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "shape") else leaf, tree)


def check_implicit(integrator: Adaptive, state: PyTree, tangents: PyTree | None) -> None:
    """Refuse a system that is too large for the dense Jacobian of an implicit solver."""
    unknowns = size((state, tangents))
    if integrator.solver in IMPLICIT and unknowns > IMPLICIT_LIMIT:
        raise ValueError(
            f"solver: {integrator.solver} factorises a dense Jacobian of the state with its tangents, here "
            f"{unknowns} unknowns; allowed are {IMPLICIT_LIMIT}. Use an explicit solver, or fewer exponents."
        )
