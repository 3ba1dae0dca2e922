"""Names of symbols: from the place of a number in a pytree to W1_0_1, w1, covariance_0_0, sigma.

An attribute or key gives the name; a position behind it in a tuple counts from 1, as layers do (`.gains[0]` is
gains1); entries of an array count from 0, as in NumPy. The weights of a network are W1, W2, ..., or w1, w2, ...
where a layer is a single number.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import sympy
from jax.tree_util import DictKey, GetAttrKey, SequenceKey

from ..networks import Feedforward

SYMMETRIC = ("covariance",)
"""Parameters that are symmetric matrices by definition: entries (i, j) and (j, i) are one symbol."""


def leaf_names(tree: Any, default: str) -> list[str]:
    """A name for every leaf of `tree`; those without a name of their own are `default`1, `default`2, ..."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    if isinstance(tree, Feedforward):
        return [f"{'w' if leaf.size == 1 else 'W'}{layer}" for layer, (_, leaf) in enumerate(paths, start=1)]
    names = [_name(path, default) for path, _ in paths]
    full = ["_".join(filter(None, (_word(key) for key in path))) or default for path, _ in paths]
    names = [f if names.count(n) > 1 else n for n, f in zip(names, full, strict=True)]
    names = [n if names.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(names, start=1)]
    return [n if n.isidentifier() else f"{default}{n}" for n in names]


def _word(key: Any) -> str:
    if isinstance(key, GetAttrKey):
        return key.name
    if isinstance(key, DictKey):
        return re.sub(r"\W", "_", str(key.key))
    return str(key.idx + 1) if isinstance(key, SequenceKey) else ""


def _name(path: tuple[Any, ...], default: str) -> str:
    words = [i for i, key in enumerate(path) if isinstance(key, GetAttrKey | DictKey)]
    tail = path[words[-1] :] if words else path
    return (_word(tail[0]) if words else default) + "_".join(_word(key) for key in (tail[1:] if words else tail))


def entry_names(name: str, shape: tuple[int, ...]) -> list[str]:
    """Names of the entries of an array, row by row: x for one number, x0, x1 for a vector, W_0_1 for a matrix."""
    if int(np.prod(shape, dtype=int)) == 1:
        return [name]
    if len(shape) == 1 and not name[-1].isdigit():
        return [f"{name}{i}" for i in range(shape[0])]
    return [f"{name}_{'_'.join(map(str, index))}" for index in np.ndindex(*shape)]


def array_of_symbols(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Real symbols in an array."""
    symbols = np.empty(shape, dtype=object)
    symbols.flat = [sympy.Symbol(entry, real=True) for entry in entry_names(name, shape)]
    if name in SYMMETRIC and len(shape) == 2:
        rows, columns = np.tril_indices(shape[0], -1)
        symbols[rows, columns] = symbols[columns, rows]
    return symbols


def renaming(names: Any, states: Sequence[str], others: Sequence[str], time: str) -> dict[str, str]:
    """From names by default to names that were asked for.

    **Arguments:**

    - `names`: what was asked for, None if nothing.
    - `states`, `others`: the default names of the states and of the parameters.
    - `time`: the name of the time or of the index, which no other symbol may have.

    **Raises:** `ValueError` for names that do not exist, or are not one for every state, no identifiers, or not
    different.
    """
    if names is None:
        new = {}
    elif isinstance(names, Mapping):
        unknown = [name for name in names if name not in {*states, *others}]
        if unknown:
            raise ValueError(f"names: got {unknown[0]!r}, there are {', '.join([*states, *others])}.")
        new = dict(names)
    else:
        if not isinstance(names, Sequence) or isinstance(names, str) or len(names) != len(states):
            raise ValueError(f"names: got {names!r}, required are {len(states)} names of states.")
        new = dict(zip(states, names, strict=True))
    wrong = [name for name in new.values() if not isinstance(name, str) or not name.isidentifier()]
    if wrong:
        raise ValueError(f"names: got {wrong[0]!r}, allowed are letters, digits and _, with no digit at the start.")
    final = [new.get(name, name) for name in [*states, *others]]
    twice = [name for name in final if [*final, time].count(name) > 1]
    if twice:
        role = ", one of which is the time" if time == "t" else ", one of which is the index of the iteration"
        raise ValueError(
            f"names: got {names!r}, which does not make different names for all symbols: there are two of the name "
            f"{twice[0]}{role if twice[0] == time else ''}."
        )
    return new
