"""`symbolic_field`: from a spec or system to expressions, by a trace of JAX that is interpreted on symbols.

The velocity that is traced is that of the system: rule, task and the projection onto the constraint together,
equations (2) and (3) of docs/model.md. A map is traced with its retraction.

Names of symbols come from the place of a number in a pytree. An attribute or key gives the name; a position behind it
in a tuple counts from 1, as layers do (`.gains[0]` is gains1); entries of an array count from 0, as in NumPy.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import sympy
from jax.tree_util import DictKey, GetAttrKey, SequenceKey

from ..networks import Feedforward
from ..precision import double_precision
from ..spec import Spec
from ..systems import AbstractSystem, Flow, Map
from ..tangents import size
from .exact import as_objects, each, exact
from .field import SymbolicField
from .interpreter import interpret

MOST_STATES = 64  # the Jacobian of a larger system would have thousands of expressions


@double_precision
def symbolic_field(
    spec_or_system: Any, *, parameters: Any = "numbers", names: Any = None, rule: Any = None, realization: Any = 0
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
    exact: casts to shorter floating-point numbers are left out. A function is known by what it computes:
    `jax.lax.stop_gradient`, and derivatives given by `jax.custom_jvp`, do not change the Jacobian here.

    **Raises:** `ValueError` for another kind of object, too many states, names that are unknown or clash, complex
    numbers, a velocity that is never finite, and for an operation that has no symbolic form, by its name.
    """
    system = _system(spec_or_system, rule, realization)
    flow = isinstance(system, Flow)
    leaves, structure = jax.tree.flatten(system.state)
    tunable, fixed = eqx.partition((system.args, system.constraint), eqx.is_inexact_array)
    numbers, numbers_structure = jax.tree.flatten(tunable)

    def function(time, state, values):
        parts = eqx.combine(jax.tree.unflatten(numbers_structure, values), fixed)
        moved = eqx.tree_at(lambda s: (s.args, s.constraint), system, parts, is_leaf=lambda leaf: leaf is None)
        state = jax.tree.unflatten(structure, state)
        if flow:
            return jax.tree.leaves(moved.velocity(time, state))
        return jax.tree.leaves(moved.constraint.retract(moved.step(time, state, moved.args)))

    jaxpr = jax.make_jaxpr(function)(0.0 if flow else 0, leaves, numbers)
    time = sympy.Symbol("t", real=True) if flow else sympy.Symbol("i", integer=True)
    states, values, known = _symbols(system, tunable, parameters, names, time.name)
    results = interpret(jaxpr, [np.asarray(time, dtype=object), *states, *values])
    field = sympy.Matrix([entry for array in results for entry in as_objects(array).flat])
    for place, entry in enumerate(field):
        if entry is sympy.nan or entry.is_infinite:
            raise ValueError(f"system: its entry {place} is {entry} for every state, required are finite numbers.")
    entries = tuple(entry for array in states for entry in array.flat)
    return SymbolicField("flow" if flow else "map", entries, tuple(known), known, time, field)


def _system(subject: Any, rule: Any, realization: int) -> Flow | Map:
    if not isinstance(subject, Spec | Flow | Map):
        got = type(subject).__qualname__ if isinstance(subject, AbstractSystem) else repr(subject)
        raise ValueError(f"spec_or_system: got {got}, required is a curlflow.Spec, Flow or Map.")
    spec = isinstance(subject, Spec)
    states = sum(map(math.prod, subject.shapes)) if spec else size(subject.state)
    if states > MOST_STATES:
        sentence = f"allowed are {MOST_STATES} in a symbolic field; take a smaller network."
        raise ValueError(f"spec_or_system: got {states} states, {sentence}")
    if spec:
        if subject.dynamics.kind == "sde":
            raise ValueError('dynamics.kind: got "sde", whose noise has no formula; set it to "flow" for the drift.')
        return subject.build(realization=realization, rule=rule).system()
    if rule is not None:
        raise ValueError(f"rule: got {rule!r}; a system has its rule already, leave it out.")
    if realization != 0:
        raise ValueError(f"realization: got {realization!r}; a system has none, leave it out.")
    return subject


def _symbols(system, tunable, parameters, names, time):
    """Arrays of symbols of the state; arrays of symbols or numbers of the parameters; the symbols' numbers."""
    leaves = jax.tree.leaves(tunable)
    named = [*_leaf_names(tunable[0], "p"), *_leaf_names(tunable[1], "constraint")]
    chosen = {"numbers": [], "symbols": named}.get(parameters) if isinstance(parameters, str) else parameters
    if not isinstance(chosen, list | tuple | set) or not all(isinstance(name, str) for name in chosen):
        raise ValueError(f'parameters: got {parameters!r}, allowed are "numbers", "symbols" and a list of names.')
    unknown = [name for name in chosen if name not in named]
    if unknown:
        raise ValueError(f"parameters: got {unknown[0]!r}, there are {', '.join(named) or 'none'}.")
    shapes = map(np.shape, jax.tree.leaves(system.state))
    states = list(map(_entry_names, _leaf_names(system.state, "x"), shapes))
    asked = {i: _entry_names(name, np.shape(leaves[i])) for i, name in enumerate(named) if name in chosen}
    # A symbol may occur twice in one array (symmetric matrices), but not in two.
    others = [entry for array in asked.values() for entry in dict.fromkeys(array.flat)]
    new = _renaming(names, [entry for array in states for entry in array.flat], others, time)

    def symbols(array: np.ndarray) -> np.ndarray:
        return each(lambda entry: sympy.Symbol(new.get(entry, entry), real=True), array)

    values = [symbols(asked[i]) if i in asked else as_objects(leaf) for i, leaf in enumerate(leaves)]
    known = {s: exact(v) for i in asked for s, v in zip(values[i].flat, np.asarray(leaves[i]).flat, strict=True)}
    return [symbols(array) for array in states], values, known


def _leaf_names(tree: Any, default: str) -> list[str]:
    """A name for every leaf of `tree`; those without a name of their own are `default`1, `default`2, ..."""
    paths = jax.tree.leaves_with_path(tree)
    if isinstance(tree, Feedforward):
        weights = [f"{'w' if w.size == 1 else 'W'}{layer}" for layer, w in enumerate(tree.weights, start=1)]
        return weights + [f"b{layer}" for layer in range(1, 1 + len(tree.biases or ()))]
    names, full = [], []
    for path, _ in paths:
        words = [default, *map(_word, path)]
        last = max((i for i, key in enumerate(path, start=1) if isinstance(key, GetAttrKey | DictKey)), default=0)
        names.append(words[last] + "_".join(words[last + 1 :]))  # an attribute or key, and the positions behind it
        full.append("_".join(filter(None, words[1:])) or default)
    names = [f if names.count(n) > 1 else n for n, f in zip(names, full, strict=True)]
    names = [n if names.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(names, start=1)]
    return [n if n.isidentifier() else f"{default}{n}" for n in names]


def _word(key: Any) -> str:
    if isinstance(key, GetAttrKey):
        return key.name
    if isinstance(key, DictKey):
        return re.sub(r"\W", "_", str(key.key))
    return str(key.idx + 1) if isinstance(key, SequenceKey) else ""


def _entry_names(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Names of the entries of an array: x for one number, x0, x1 for a vector, W_0_1 for a matrix."""
    names = np.empty(shape, dtype=object)
    joint = "" if names.ndim == 1 and not name[-1].isdigit() else "_"
    for index in np.ndindex(*shape):
        place = sorted(index) if name == "covariance" else index  # symmetric: (j, i) is (i, j)
        names[index] = name if names.size == 1 else name + joint + "_".join(map(str, place))
    return names


def _renaming(names: Any, states: Sequence[str], others: Sequence[str], time: str) -> dict[str, str]:
    """From names by default to the names that were asked for; no symbol may have the name of the time or index."""
    new = {} if names is None else names
    if not isinstance(new, Mapping):
        if not isinstance(names, Sequence) or isinstance(names, str) or len(names) != len(states):
            raise ValueError(f"names: got {names!r}, required are {len(states)} names of states.")
        new = dict(zip(states, names, strict=True))
    unknown = [name for name in new if name not in {*states, *others}]
    if unknown:
        raise ValueError(f"names: got {unknown[0]!r}, there are {', '.join([*states, *others])}.")
    wrong = [name for name in new.values() if not isinstance(name, str) or not name.isidentifier()]
    if wrong:
        raise ValueError(f"names: got {wrong[0]!r}, allowed are letters, digits and _, with no digit at the start.")
    final = [new.get(name, name) for name in [*states, *others]]
    twice = [name for name in final if [*final, time].count(name) > 1]
    if twice:
        role = f", one of which is the {'time' if time == 't' else 'index of the iteration'}"
        raise ValueError(
            f"names: got {names!r}, which does not make different names for all symbols: there are two of the name "
            f"{twice[0]}{role if twice[0] == time else ''}."
        )
    return new
