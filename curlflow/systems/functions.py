"""Checks of the functions that define a system: that JAX can trace them, and that their derivatives are right.

Tangents follow the derivative D that JAX takes from a function f. What stops it (`jax.lax.stop_gradient`, rounding, a
wrong `jax.custom_jvp`) raises no error, and would show in wrong exponents alone. Therefore D is compared along a
random direction v at the start with differences,

    q(h) = (f(x + h v) − f(x))/h,        h = ±1e-4, ±5e-5 and ±0.2, ±0.1,        |xᵢ|/2 < |vᵢ| < |xᵢ|.

Where the four quotients of one size agree, f is smooth on that scale, and D v must be what they say, or what smaller
steps say: a fine ripple of f shows on its own scale alone. At kinks and jumps, and where rounding or chaos drown the
differences, the quotients do not agree, and nothing follows.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, jaxpr_as_fun
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, PyTree

from ..outside import digest_of, from_outside, is_own
from ..precision import jax_settings

STEPS = 0.2, 1e-4
"""A large and a small step of the differences, relative to the state."""
FINER = tuple(10.0**-k for k in range(5, 16))
"""Steps that are looked at where those do not bear out a derivative."""
AGREE, DIFFER, NOISE = 0.05, 0.2, 1e3
"""Differences agree to the first of these, derivatives are wrong by the second (both relative), and changes of less
than so many units of rounding are not looked at."""
REMEMBERED = 1000
"""How many programs are remembered with what the comparison said, since it takes longer than to trace them."""

_compared: dict[str, tuple[str, str]] = {}


def check_function(
    function: Any, field: str, signature: str, index: Any, state: PyTree, args: PyTree, *further: Any
) -> None:
    """Refuse a function that cannot be called so, or has no right derivative, or a result that is not like the state.

    Functions of curlflow's own are not looked at.
    """
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
    if from_outside((function, args)):
        with jax_settings():
            said = _fault(function, field, (np.asarray(index), state, args, *further))
        if said:
            warnings.warn(f"{field}: {said}", stacklevel=5)


def _fault(function: Callable, field: str, arguments: tuple) -> str:
    """Trace the function with its derivative, as a study does; what to warn of. **Raises:** `ValueError`.

    A learning rule may do without a right derivative, since it can be trained, and a surrogate that `jax.custom_jvp`
    states may be meant; then it is warned of, not refused.
    """
    data, static = eqx.partition(arguments, eqx.is_array)
    state, needed = arguments[1], not is_own(function)

    def at(x: PyTree, data: tuple) -> Any:
        return function(*eqx.combine((data[0], x, *data[2:]), static))

    def with_derivative(data: tuple, direction: PyTree) -> Any:
        return jax.jvp(lambda x: at(x, data), (data[1],), (direction,))

    try:
        program, (result, _) = jax.make_jaxpr(with_derivative, return_shape=True)(data, state)
        wrong, suspect = _verdict(program, jax.tree.leaves(data), state) if _like(result, state) else ("", "")
    except Exception as error:
        wrong = _explained(error, arguments)
        try:
            result = None if needed else jax.eval_shape(at, state, data)
        except Exception:
            result = None
        if result is None:
            raise ValueError(f"{field}: {wrong}") from error
    if not _like(result, state):
        raise ValueError(f"{field}: the result must be like the state, {_shapes(state)}, got {_shapes(result)}.")
    if wrong and needed and not _states_derivatives(at, state, data):
        raise ValueError(f"{field}: {wrong}")
    return wrong or suspect


def _states_derivatives(function: Callable, *args: Any) -> bool:
    """Whether a derivative is given by hand; programs of derivatives no longer show it."""
    program = jax.make_jaxpr(lambda *args: function(*args))(*args)
    return any(equation.primitive.name == "custom_jvp_call" for equation in _equations(program.jaxpr))


def _like(result: PyTree, state: PyTree) -> bool:
    return bool(eqx.tree_equal(_shapes(result), _shapes(state)))


def _shapes(tree: PyTree) -> PyTree:
    """Type and shape of every array, as text."""
    return jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "shape") else leaf, tree)


def _explained(error: Exception, arguments: tuple) -> str:
    """What a function does that JAX cannot trace or differentiate, and what to do instead."""
    text = str(error)
    for kind, words, said in _KINDS:
        if isinstance(error, kind) and words in text:
            return said
    given = ", ".join(map(str, jax.tree.leaves(_shapes((arguments[1], *arguments[3:])))))
    return f"it cannot be called with arrays {given}: {text.splitlines()[0] if text else type(error).__name__}"


_USE = "JAX cannot trace it; use"
_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (jax.errors.TracerBoolConversionError, "",
     f"{_USE} jax.numpy (jnp.where, jnp.maximum) or jax.lax.cond in place of decisions by the values of arrays, such "
     "as if, while, and, or, max."),
    (jax.errors.TracerArrayConversionError, "", f"{_USE} jax.numpy in place of numpy."),
    (jax.errors.TracerIntegerConversionError, "",
     f"{_USE} jax.lax.fori_loop in place of range, and jnp.take in place of the index of a list."),
    (jax.errors.NonConcreteBooleanIndexError, "", f"{_USE} jnp.where(mask, a, b) in place of the index mask."),
    (jax.errors.UnexpectedTracerError, "",
     "JAX cannot trace it, because it keeps arrays of an earlier call; what it remembers belongs into the state."),
    (jax.errors.ConcretizationTypeError, "",
     f"{_USE} jax.numpy in place of float, int, item and math, which need numbers that are not known yet, and give "
     "arrays sizes that do not depend on such numbers."),
    (TypeError, "item assignment", f"{_USE} x = x.at[i].set(value) in place of x[i] = value."),
    (ValueError, "setting an array element", f"{_USE} jax.numpy in place of numpy, and x.at[i].set(value) to fill."),
    (TypeError, "__format__", f"{_USE} jax.debug.print in place of print with a format."),
    (Exception, "custom_vjp",
     "JAX has no forward derivative of it, which tangents need; use jax.custom_jvp in place of jax.custom_vjp, and "
     "adjoint=diffrax.ForwardMode() in diffrax.diffeqsolve."),
    (ValueError, "callbacks do not support JVP",
     "JAX has no derivative of Python code that it calls back; wrap it in jax.custom_jvp."),
    (NotImplementedError, "", "JAX has no derivative of it, which tangents need; give one by jax.custom_jvp."),
)  # fmt: skip


def _verdict(program: ClosedJaxpr, data: list, state: PyTree) -> tuple[str, str]:
    """What is wrong with a derivative, and what else to warn of; nothing if all seems right."""
    digest = digest_of(program)
    if digest not in _compared:
        if len(_compared) >= REMEMBERED:
            _compared.clear()
        _compared[digest] = _comparison(program, data, state)
    return _compared[digest]


def _comparison(program: ClosedJaxpr, data: list, state: PyTree) -> tuple[str, str]:
    if program.effects:  # what it prints or writes would appear
        return "", ""
    x, unflatten = ravel_pytree(jax.tree.map(np.asarray, state))
    x, call = np.asarray(x), jaxpr_as_fun(program)
    first = 1  # of the leaves, after the index
    leaves = len(jax.tree.leaves(state))

    def at(point: Any, direction: Any) -> tuple[np.ndarray, np.ndarray]:
        given = [*data[:first], *jax.tree.leaves(unflatten(point)), *data[first + leaves :]]
        found = [np.ravel(values) for values in call(*given, *jax.tree.leaves(unflatten(direction)))]
        return np.concatenate(found[:leaves]), np.concatenate(found[leaves:])

    sizes = np.where(x == 0, np.sqrt(np.mean(x**2)) or 1.0, np.abs(x))
    wrong, stepped, rates = np.ones((2, x.size), bool), np.ones((2, x.size), bool), np.zeros((2, 2, x.size))
    try:
        rng = np.random.default_rng(0)
        for i in range(2):
            v = sizes * rng.choice([-1.0, 1.0], x.size) * rng.uniform(0.5, 1.0, x.size)
            wrong[i], stepped[i], rates[i] = _looked_at(at, x, v)
            if not wrong[i].any() and not stepped[i].any():
                break
    except RuntimeError:  # of Python code that is called back, with what it does not take
        return "", ""
    # By chance noise agrees along one direction, but not along two.
    if (both := wrong.all(axis=0)).any():
        where = int(np.flatnonzero(both)[0])
        change, derivative = rates[0, :, where]
        return (
            f"its derivative is wrong: along a random direction the result (entry {where} of the state) changes by "
            f"{change:.3g}, the derivative that JAX finds is {derivative:.3g}; exponents would be wrong. Leave out "
            "jax.lax.stop_gradient and rounding, or correct its jax.custom_jvp."
        ), ""
    if stepped.all(axis=0).any():
        return "", (
            "it changes in small steps (round, floor, sign, casts to int), and its derivative is 0 in between, which "
            "exponents follow; leave the rounding out, or give a derivative by jax.custom_jvp."
        )
    if any(map(_narrows, _equations(program.jaxpr))):
        return "", (
            "it computes in single precision on its way (float32 or less), so that digits are lost; use float64."
        )
    return "", ""


def _looked_at(
    at: Callable, x: Float[np.ndarray, " n"], v: Float[np.ndarray, " n"]
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"], Float[np.ndarray, "2 n"]]:
    """In which entries the derivative along `v` is wrong, where there are steps, and both rates of change."""
    value, derivative = at(x, v)

    def differences(step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The quotients, their mean, and how far they are apart, relative to it; infinity where it is rounding."""
        h = step * np.array([[1.0], [-1.0], [0.5], [-0.5]])
        quotients = (np.stack([at(x + part * v, v)[0] for part in h[:, 0]]) - value) / h
        mean = quotients.mean(axis=0)
        seen = np.abs(mean) > NOISE * np.finfo(float).eps * np.abs(value) / step
        return quotients, mean, np.where(seen, np.ptp(quotients, axis=0) / np.abs(mean), np.inf)

    def off(mean: np.ndarray) -> np.ndarray:
        return np.abs(mean - derivative) > DIFFER * np.maximum(np.abs(mean), np.abs(derivative))

    with np.errstate(all="ignore"):
        (_, far, apart), (near, rate, close) = map(differences, STEPS)
        wrong = (close <= AGREE) & off(rate) & ~((apart <= AGREE) & ~off(far))
        stepped = (apart <= 1) & (near == 0).all(axis=0) & (derivative == 0)
        for step in FINER if wrong.any() else ():
            _, mean, spread = differences(step)
            wrong &= (spread > DIFFER) | off(mean)
    return wrong, stepped, np.stack([rate, derivative])


def _narrows(equation: JaxprEqn) -> bool:
    """Whether numbers in double precision are turned into others of less."""
    if equation.primitive.name != "convert_element_type" or isinstance(equation.invars[0], Literal):
        return False
    before, after = (v.aval.dtype for v in (equation.invars[0], equation.outvars[0]))
    return before == np.float64 and jax.dtypes.issubdtype(after, np.floating) and after.itemsize < 8


def _equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """All equations of a program, with those of the programs inside."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(equation.params, is_leaf=lambda p: isinstance(p, ClosedJaxpr | Jaxpr)):
            if isinstance(inner, ClosedJaxpr | Jaxpr):
                yield from _equations(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)
