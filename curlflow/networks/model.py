"""Models of the user's own: any function of parameters and inputs, in the place of a network."""

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num, PyTree

from ..precision import double_precision, to_float64

Inputs = Num[Array | np.ndarray, "... samples"]
Outputs = Num[Array | np.ndarray, "... samples"]


class Model(eqx.Module):
    """Parameters, which learn, and the function `apply(parameters, inputs)` that they are parameters of.

    It takes the place of a `Feedforward`: the state of learning, and a velocity of it, are of this type. Its
    `weights` are the arrays among the parameters, in the order of `jax.tree.leaves`.

    **Arguments:**

    - `parameters`: a pytree of arrays in double precision.
    - `apply`: a function of such a pytree and of inputs (samples × …) that returns outputs (samples × …).
    - `whole`: from the parameters to what the user knows: for an Equinox module the module. Default: themselves.
    """

    parameters: PyTree
    apply: Callable = eqx.field(static=True)
    whole: Callable = eqx.field(static=True)

    def __init__(self, parameters: PyTree, apply: Callable, whole: Callable | None = None):
        self.parameters, self.apply = parameters, apply
        self.whole = _themselves if whole is None else whole

    @classmethod
    def of(cls, given: Any) -> "Model":
        """That of an Equinox module, which maps one sample, or of a pair (apply, parameters), which maps many.

        The parameters are converted by `in_double_precision`.

        **Raises:** `ValueError` for anything else, and for parameters that are not finite real numbers.
        """
        if isinstance(given, eqx.Module) and callable(given):
            model = _of_modules([given])[0]
        elif isinstance(given, tuple) and len(given) == 2 and callable(given[0]) and not callable(given[1]):
            model = cls(given[1], given[0])
        else:
            raise ValueError(
                f"model: got {type(given).__name__}; required is an Equinox module, a pair (apply, parameters) with "
                "a function apply(parameters, inputs), or a function of a random key that makes one of these."
            )
        return _checked(in_double_precision(model, "model"))

    @property
    def weights(self) -> tuple[Any, ...]:
        """The arrays among the parameters."""
        return tuple(jax.tree.leaves(self.parameters))

    @property
    def is_linear(self) -> bool:
        """False: what the function is of its inputs is not known."""
        return False

    @property
    def seen(self) -> Any:
        """What functions of the user's are given: the module, or the parameters."""
        return self.whole(self.parameters)

    def with_weights(self, weights: Iterable[Any]) -> "Model":
        """The same model with other parameters, or a velocity of the parameters."""
        return Model(jax.tree.unflatten(jax.tree.structure(self.parameters), list(weights)), self.apply, self.whole)

    @double_precision
    def __call__(self, x: Inputs) -> Outputs:
        """The outputs (… × samples) for the inputs `x` (… × samples)."""
        return jnp.moveaxis(self.apply(self.parameters, jnp.moveaxis(jnp.asarray(x), -1, 0)), 0, -1)


def _checked(model: Model) -> Model:
    arrays = [np.asarray(w) for w in model.weights]
    if others := sorted({str(w.dtype) for w in arrays if w.dtype != float}):
        raise ValueError(
            f"model: got parameters of {' and '.join(others)}, allowed are real numbers; what does not learn belongs "
            "in the function."
        )
    if bad := sum(int(np.sum(~np.isfinite(w))) for w in arrays):
        raise ValueError(f"model: got {bad} parameters that are not finite; all must be.")
    return model


def _themselves(parameters: PyTree) -> PyTree:
    return parameters


def _of_modules(modules: list) -> list[Model]:
    """Models of modules that differ in their parameters alone."""
    pairs = [eqx.partition(module, eqx.is_inexact_array) for module in modules]
    leaves, structure = jax.tree.flatten(pairs[0][1])
    try:
        apply, whole = _functions_of(structure, tuple((type(leaf), leaf) for leaf in leaves))
    except TypeError:  # arrays of integers, which have no hash
        apply, whole = _functions_of.__wrapped__(structure, tuple((type(leaf), leaf) for leaf in leaves))
    return [Model(parameters, apply, whole) for parameters, _ in pairs]


@functools.lru_cache(maxsize=64)
def _functions_of(structure: Any, rest: tuple) -> tuple[Callable, Callable]:
    """The functions of modules that agree in all but their parameters.

    They are the same objects for all of these, so that what JAX has compiled for one realization serves the others.
    """
    whole = functools.partial(_combined, jax.tree.unflatten(structure, [leaf for _, leaf in rest]))
    return functools.partial(_applied, whole), whole


def _combined(rest: PyTree, parameters: PyTree) -> Any:
    return eqx.combine(parameters, rest)


def _applied(whole: Callable, parameters: PyTree, inputs: Any) -> Any:
    return jax.vmap(whole(parameters))(inputs)


def in_double_precision(tree: Any, name: str = "parameters") -> Any:
    """A pytree with its real numbers as NumPy arrays of float64; a `UserWarning` says what was converted.

    ```python
    module = curlflow.networks.in_double_precision(eqx.nn.MLP(2, 1, 8, 2, key=key))
    ```

    Single precision, in which JAX makes parameters by default, has seven digits. They are kept as they are; what is
    computed from them afterwards has sixteen.
    """
    leaves, structure = jax.tree.flatten(tree)
    narrow = [leaf for leaf in leaves if eqx.is_inexact_array_like(leaf) and _is_narrow(leaf)]
    if narrow:
        kinds = " and ".join(sorted({str(np.asarray(leaf).dtype) for leaf in narrow}))
        numbers = sum(np.size(leaf) for leaf in narrow)
        warnings.warn(
            f"{name}: {len(narrow)} arrays of {kinds} ({numbers:,} numbers) were converted to float64.", stacklevel=2
        )
    wide = [np.asarray(leaf, dtype=float) if _is_narrow(leaf) else leaf for leaf in leaves]
    return to_float64(jax.tree.unflatten(structure, wide), name)


def _is_narrow(leaf: Any) -> bool:
    return eqx.is_array(leaf) and leaf.dtype in (np.float16, np.float32, jnp.bfloat16)
