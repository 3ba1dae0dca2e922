"""Functions of the user's of whatever moves: `own_observables`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..outside import reason, rely_on
from ..systems.optimized import as_given
from ..variable import GIVEN, Variable

ALONE = "observable"
"""The name of a function that is given without one."""
REQUIRED = (
    "is one real number",
    "are real numbers along one axis that is not empty",
    "are real numbers along at most 2 axes",
)
"""What a function must return, by the most axes that it may have."""


@dataclass(frozen=True)
class Observables:
    """Functions of a state, together one of a state to a vector.

    **Attributes:**

    - `shapes`: the shape of each by name; of one function alone under the name `observable`.
    - `observe`: the function to the vector.
    """

    shapes: Mapping[str, tuple[int, ...]]
    observe: Callable[[PyTree], Float[Array, " observables"]]

    @property
    def names(self) -> list[str]:
        """A name for every entry of the vector."""
        each = ((name, math.prod(shape), shape) for name, shape in self.shapes.items())
        numbered = ((name, i, shape or name == ALONE) for name, number, shape in each for i in range(number))
        return [f"{name}_{i + 1}" if several else name for name, i, several in numbered]

    @property
    def size(self) -> int:
        """How many numbers they are."""
        return sum(map(math.prod, self.shapes.values()))

    def split(self, values: Float[np.ndarray, "*records observables"] | None) -> dict[str, np.ndarray]:
        """Values of the vector by name, in their own shapes behind the axes of records; nothing of None."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            number = math.prod(shape)
            found[name] = values[..., start : start + number].reshape(*values.shape[:-1], *shape)
            start += number
        return found

    def variables(self, dims: tuple[str, ...]) -> list[Variable]:
        """What datasets say of them, along `dims`."""
        return [
            Variable(name, (*dims, *(f"{name}_axis_{i + 1}" for i in range(len(shape)))), name, uncertainty=GIVEN)
            for name, shape in self.shapes.items()
        ]


NONE = Observables({}, lambda state: jnp.zeros(0))


def named_observables(given: Any, state: PyTree, taken: tuple[str, ...] = ()) -> Observables:
    """From a mapping from names to functions; None for none.

    **Raises:** `ValueError` for names that are none or are `taken`, and as `own_observables`.
    """
    if given is None or given == {}:
        return NONE
    if not isinstance(given, Mapping):
        raise ValueError(f"observables: got {given!r}, required is a mapping from names to functions.")
    for name in given:
        if not isinstance(name, str) or not name.isidentifier() or name in taken:
            raise ValueError(f"observables: got the name {name!r}, allowed are words that the dataset does not use.")
    each = {name: own_observables(function, state, f"observables.{name}", 2) for name, function in given.items()}
    functions = tuple(one.observe for one in each.values())
    shapes = {name: next(iter(one.shapes.values())) for name, one in each.items()}
    return Observables(shapes, lambda state: jnp.concatenate([f(state) for f in functions]))


def own_observables(function: Any, state: PyTree, argument: str = "observables", most_axes: int = 1) -> Observables:
    """One function of the user's, which was given as `argument`: of a state, or of the network or model that learns.

    **Raises:** `ValueError` for anything but a function to real numbers, with at most so many axes.
    """
    if isinstance(function, Mapping):
        return named_observables(function, state)
    if not callable(function):
        raise ValueError(f"{argument}: got {function!r}, required is a function of the state.")

    def value(state: PyTree) -> Any:
        return jnp.asarray(function(as_given(state)))

    try:
        values = np.asarray(value(jax.tree.map(jnp.asarray, state)))
        eqx.filter_eval_shape(value, state)
    except Exception as error:  # whatever the user's function raises
        raise ValueError(
            f"{argument}: the function cannot be applied to the state by JAX ({reason(error)})."
        ) from error
    if values.ndim > most_axes or values.size == 0 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"{argument}: got an array of shape {values.shape} and type {values.dtype}, required "
            f"{REQUIRED[most_axes]}."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{argument}: got {values.tolist()} at the start, required are finite numbers.")
    rely_on(function, as_given(state))
    observe = lambda state: jnp.reshape(jnp.asarray(value(state), dtype=float), (-1,))  # noqa: E731
    return Observables({ALONE: values.shape}, observe)


class Beside(eqx.Module):
    """What is usually looked at, and behind it what is looked at besides."""

    usual: Callable
    further: Callable

    def __call__(self, state: PyTree) -> Float[Array, " observables"]:
        return jnp.concatenate([self.usual(state), self.further(state)])
