"""`symbolic_field`: from a spec or system to expressions, by a trace of JAX that is interpreted on symbols.

The velocity that is traced is that of the system: rule, task and the projection onto the constraint together,
equations (2) and (3) of docs/model.md. A map is traced with its retraction.
"""

from typing import Any

import equinox as eqx
import jax
import numpy as np
import sympy

from ..precision import double_precision
from ..spec import Spec
from ..systems import AbstractSystem, Flow, Map
from ..tangents import size
from .exact import as_objects, exact
from .field import SymbolicField
from .interpreter import interpret
from .naming import array_of_symbols, leaf_names, renaming

MOST_STATES = 64
"""Larger systems are refused: their Jacobian alone would have thousands of expressions."""


@double_precision
def symbolic_field(
    spec_or_system: Any,
    *,
    parameters: Any = "numbers",
    names: Any = None,
    rule: Any = None,
    realization: Any = 0,
) -> SymbolicField:
    """The vector field of a small flow, or the step of a small map, as SymPy expressions.

    ```python
    f = curlflow.symbolic.symbolic_field(curlflow.systems.lorenz63(), names=["x", "y", "z"])
    print(f.divergence)
    ```

    **Returns:** a `SymbolicField`.

    **Arguments:**

    - `spec_or_system`: a `curlflow.Spec`, or a `Flow` or `Map`, with at most 64 states.
    - `parameters`: `"numbers"`: the numbers in `args` (data, teacher, signs, rates) appear as they are, exactly;
      `"symbols"`: each is a symbol, with its number in `values`; or the names of those that shall be symbols.
    - `names`: names of the states in order, or a mapping from default names, of states and parameters, to others.
      They must be identifiers and different from each other and from t (of a flow), i (of a map).
    - `rule`: a rule object of your own in place of the spec's.
    - `realization`: of a spec, whose teacher, data and feedback are taken.

    **Description:** JAX traces the system once, and every operation of the trace is done on symbols. Arithmetic is
    exact: casts to shorter floating-point numbers inside a system are left out. A function is known by what it
    computes and not by its rule of differentiation: `jax.lax.stop_gradient`, and derivatives given by
    `jax.custom_jvp`, do not change the Jacobian here.

    **Raises:** `ValueError` for another kind of object, too many states, names that are unknown or clash, complex
    numbers, a velocity that is never finite, and for an operation that has no symbolic form, by its name.
    """
    system = _system(spec_or_system, rule, realization)
    _check_parameters(parameters)
    leaves, structure = jax.tree.flatten(system.state)
    tunable, fixed = eqx.partition((system.args, system.constraint), eqx.is_inexact_array)
    numbers, numbers_structure = jax.tree.flatten(tunable)

    def function(time, state, values):
        args, constraint = eqx.combine(jax.tree.unflatten(numbers_structure, values), fixed)
        moved = _with_parameters(system, args, constraint)
        state = jax.tree.unflatten(structure, state)
        velocity = moved.velocity(time, state) if isinstance(system, Flow) else _step(moved, time, state)
        return jax.tree.leaves(velocity)

    start = 0.0 if isinstance(system, Flow) else 0
    jaxpr = jax.make_jaxpr(function)(start, leaves, numbers)
    time = sympy.Symbol("t", real=True) if isinstance(system, Flow) else sympy.Symbol("i", integer=True)
    states, values, symbols = _symbols(system, tunable, parameters, names, time.name)
    clock = np.empty((), dtype=object)
    clock[()] = time
    results = interpret(jaxpr, [clock, *states, *values])
    field = sympy.Matrix([entry for array in results for entry in as_objects(array).flat])
    _check_finite(field)
    return SymbolicField(
        kind="flow" if isinstance(system, Flow) else "map",
        states=tuple(s for array in states for s in array.flat),
        parameters=tuple(symbols),
        values=symbols,
        time=time,
        field=field,
    )


def _check_finite(field: sympy.Matrix) -> None:
    for place, entry in enumerate(field):
        if entry is sympy.nan or entry.is_infinite:
            raise ValueError(f"system: its entry {place} is {entry} for every state, required are finite numbers.")


def _system(subject: Any, rule: Any, realization: int) -> Flow | Map:
    if not isinstance(subject, Spec | AbstractSystem):
        raise ValueError(f"spec_or_system: got {subject!r}, required is a curlflow.Spec, Flow or Map.")
    if isinstance(subject, Spec):
        _check_size(sum(post * pre for pre, post in zip(subject.widths, subject.widths[1:], strict=False)))
        if subject.dynamics.kind == "sde":
            raise ValueError('dynamics.kind: got "sde", whose noise has no formula; set it to "flow" for the drift.')
        return subject.build(realization=realization, rule=rule).system()
    if rule is not None:
        raise ValueError(f"rule: got {rule!r}; a system has its rule already, leave it out.")
    if realization != 0:
        raise ValueError(f"realization: got {realization!r}; a system has none, leave it out.")
    if not isinstance(subject, Flow | Map):
        raise ValueError(
            f"spec_or_system: got {type(subject).__qualname__}, required is a curlflow.Spec, Flow or Map."
        )
    _check_size(size(subject.state))
    return subject


def _check_size(states: int) -> None:
    if states > MOST_STATES:
        raise ValueError(
            f"spec_or_system: got {states} states, allowed are {MOST_STATES} in a symbolic field; "
            "take a smaller network."
        )


def _check_parameters(parameters: Any) -> None:
    listed = isinstance(parameters, list | tuple | set) and all(isinstance(name, str) for name in parameters)
    if not listed and parameters not in ("numbers", "symbols"):
        raise ValueError(f'parameters: got {parameters!r}, allowed are "numbers", "symbols" and a list of names.')


def _with_parameters(system: Flow | Map, args: Any, constraint: Any) -> Flow | Map:
    return eqx.tree_at(
        lambda s: (s.args, s.constraint), system, (args, constraint), is_leaf=lambda leaf: leaf is None
    )  # fmt: skip


def _step(system: Map, index: Any, state: Any) -> Any:
    return system.constraint.retract(system.step(index, state, system.args))


def _symbols(system, tunable, parameters, names, time):
    """Arrays of symbols of the state; arrays of symbols or numbers of the parameters; the symbols' numbers."""
    state_leaves, leaves = jax.tree.leaves(system.state), jax.tree.leaves(tunable)
    named = [*leaf_names(tunable[0], "p"), *leaf_names(tunable[1], "constraint")]
    chosen = named if parameters == "symbols" else [] if parameters == "numbers" else list(parameters)
    unknown = [name for name in chosen if name not in named]
    if unknown:
        raise ValueError(f"parameters: got {unknown[0]!r}, there are {', '.join(named) or 'none'}.")
    states = [
        array_of_symbols(n, s.shape) for n, s in zip(leaf_names(system.state, "x"), state_leaves, strict=True)
    ]  # fmt: skip
    values = [
        array_of_symbols(n, np.shape(v)) if n in chosen else as_objects(v) for n, v in zip(named, leaves, strict=True)
    ]
    # A symbol may occur twice in one array (symmetric matrices), but not in two.
    others = [
        s for n, array in zip(named, values, strict=True) if n in chosen for s in dict.fromkeys(map(str, array.flat))
    ]
    new = renaming(names, [s.name for array in states for s in array.flat], others, time)

    def renamed(array: np.ndarray) -> np.ndarray:
        result = array.copy()
        result.flat = [sympy.Symbol(new.get(s.name, s.name), real=True) if s.is_Symbol else s for s in array.flat]
        return result

    states, values = [renamed(a) for a in states], [renamed(a) for a in values]
    known = {
        symbol: exact(number)
        for array, leaf in zip(values, leaves, strict=True)
        for symbol, number in zip(array.flat, np.asarray(leaf).flat, strict=True)
        if symbol.is_Symbol
    }
    return states, values, known
