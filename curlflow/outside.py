"""Functions that come from outside curlflow: what they compute, looked at anew in every call of a study.

JAX compiles a function once and remembers it by its identity. Whatever the function reads beside its arguments, a
global variable, an attribute, an array in a closure, is frozen in the compiled code, and a later change would go
unnoticed. Therefore the programs (jaxprs) of such functions are traced in every public call, and compiled code is
used again only where they are the same, constants included. Functions of curlflow and of the libraries that it builds
on read nothing but their arguments and are not looked at.

What cannot be seen: Python code that JAX calls at run time, by `jax.pure_callback` and its kind; and functions of
which JAX itself keeps what it traced, those under `jax.jit` and the bodies of `jax.lax.scan`, `while_loop` and `cond`
that are not defined anew inside the function.
"""

import contextlib
import dataclasses
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from .together import over_lanes, seat

F = TypeVar("F", bound=Callable[..., Any])

OWN = {"curlflow", "diffrax", "equinox", "jax", "jaxlib", "jaxtyping", "lineax", "numpy", "optax", "optimistix"}
"""Besides the standard library, the packages whose functions read nothing but their arguments."""


def reason(error: Exception) -> str:
    """What a function of the user's has raised, in one line."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


class _Call:
    """What a public call has looked at: the programs by what was traced, and which foreign parts they speak for."""

    def __init__(self) -> None:
        self.laws: dict[Any, str] = {}
        self.whole: dict[Any, str] = {}
        self._parts: dict[int, tuple[Any, frozenset]] = {}

    def parts(self, values: Iterable[Any]) -> frozenset:
        """`from_outside` of all of them; modules, which are given again and again, are searched once."""
        found: frozenset = frozenset()
        for value in values:
            if not isinstance(value, eqx.Module):
                found |= from_outside(value)
                continue
            if id(value) not in self._parts:
                self._parts[id(value)] = value, from_outside(value)
            found |= self._parts[id(value)][1]
        return found

    def relevant(self, parts: frozenset) -> tuple[set[str], frozenset]:
        """The digests of laws in which any of `parts` occurs, and the parts that occur in none."""
        met = {law: digest for law, digest in self.laws.items() if law[0] & parts}
        return set(met.values()), parts.difference(*(law[0] for law in met))


_call: ContextVar[_Call | None] = ContextVar("curlflow_call", default=None)
_plain: ContextVar[bool] = ContextVar("curlflow_plain", default=False)
_own_laws: dict[Any, str] = {}
MOST_LAWS = 256
"""So many laws of curlflow's own are remembered between calls."""


@contextlib.contextmanager
def public_call() -> Iterator[None]:
    """One call of a public function, in which functions from outside are traced once; inner calls are part of it."""
    token = None if _call.get() is not None else _call.set(_Call())
    try:
        yield
    finally:
        if token is not None:
            _call.reset(token)


def rely_on(function: Callable, *args: Any) -> None:
    """Say that what follows in this public call depends on `function`, which is called with `args`.

    It is traced, with its derivative, where it or its arguments contain anything from outside curlflow. Compiled
    functions that are given any of these parts are then compiled again where it has changed, and are not looked at
    as a whole, which takes longer.
    """
    call, parts = _call.get(), from_outside((function, args))
    if call is not None and parts and not _plain.get() and not _traced(args):
        law_digest(function, *args)


def law_digest(function: Callable, *args: Any) -> str:
    """The `fingerprint`, traced once in a public call; of what is all curlflow's, once and for all."""
    call, parts, shapes = _call.get(), from_outside((function, args)), _shapes(args)
    lasting = not parts and not isinstance(shapes[1], int)
    known = _own_laws if lasting else {} if call is None else call.laws
    key = parts, function, shapes
    if key not in known:
        if known is _own_laws and len(known) >= MOST_LAWS:
            known.clear()
        known[key] = fingerprint(function, *args)
    return known[key]


def compiled(function: F) -> F:
    """`eqx.filter_jit`, whose compiled code is used again only where functions from outside compute what they did."""

    def whole(args: tuple, kwargs: dict) -> Any:
        return function(*args, **kwargs)

    def with_digests(digests: tuple, args: tuple, kwargs: dict) -> Any:
        return function(*args, **kwargs)

    with_digests.__name__ = with_digests.__qualname__ = function.__name__
    jitted, of_lanes = eqx.filter_jit(with_digests), over_lanes(function)

    def run(*args: Any) -> Any:
        if (place := seat()) is None or _traced(args) or not any(map(eqx.is_array, jax.tree.leaves(args))):
            return jitted(*args)
        meeting, lane = place
        return meeting.call(lane, jitted, of_lanes, *args)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _plain.get():
            return function(*args, **kwargs)
        with public_call():
            known = _call.get()
            parts = known.parts((*args, *kwargs.values()))
            if not parts:
                return run((), args, kwargs)
            digests, unknown = known.relevant(parts)
            if unknown:  # a call that is no part of a study: the laws of its systems, which are soon looked at
                for value in args:
                    getattr(getattr(value, "system", value), "look_at_law", lambda: None)()
                digests, unknown = known.relevant(parts)
            if unknown and _traced((args, kwargs)):  # inside another one, which is looked at as a whole
                return function(*args, **kwargs)
            if unknown:
                key = function, parts, _shapes((args, kwargs))
                if key not in known.whole:
                    known.whole[key] = fingerprint(whole, args, kwargs)
                digests.add(known.whole[key])
            return run(tuple(sorted(digests)), args, kwargs)

    call.lower = lambda *args, **kwargs: jitted.lower((), args, kwargs)
    return call  # type: ignore[return-value]


def fingerprint(function: Callable, *args: Any) -> str:
    """A digest of the program that `function` is for such arguments, and of its derivative along the first of them.

    It is the same in every process. The arrays among `args` are data: only their shapes and types count, while
    everything else that the function reads, in arguments or elsewhere, counts with its values.
    """
    data, static = eqx.partition(args, eqx.is_array)
    program = _Digest()

    def of_arrays(data):
        return eqx.filter(function(*eqx.combine(data, static)), eqx.is_array)

    def derivative(data):
        first, *others = data
        inexact, rest = eqx.partition(first, eqx.is_inexact_array)
        along = lambda x: of_arrays((eqx.combine(x, rest), *others))  # noqa: E731
        return jax.jvp(along, (inexact,), (inexact,))[1]

    token = _plain.set(True)
    try:
        # Lambdas are new to JAX, which remembers what it traced by the identity of the function.
        program.add(jax.make_jaxpr(lambda d: of_arrays(d))(data))
        with contextlib.suppress(Exception):  # what has no derivative is refused where one is needed
            program.add(jax.make_jaxpr(lambda d: derivative(d))(data))
    finally:
        _plain.reset(token)
    return program.hexdigest()


def digest(parameters: Any) -> str:
    """A short hash of all numbers in a pytree."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        found.update(np.asarray(leaf).tobytes() if hasattr(leaf, "dtype") else repr(leaf).encode())
    return found.hexdigest()[:12]


def digest_of(program: ClosedJaxpr) -> str:
    """A digest of a traced program, the same in every process."""
    digest = _Digest()
    digest.add(program)
    return digest.hexdigest()


class _Digest:
    """A hash of jaxprs: their primitives and parameters, with variables by number and constants by value."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def hexdigest(self) -> str:
        return self.hash.hexdigest()[:16]

    def text(self, text: str) -> None:
        self.hash.update(text.encode() + b"\0")

    def add(self, value: Any) -> None:
        match value:
            case ClosedJaxpr():
                self.add(value.jaxpr)
                self.add(list(value.consts))
            case Jaxpr():
                self._jaxpr(value)
            case jax.Array() | np.ndarray() | np.generic():
                self._array(value)
            case Mapping():
                self.text("{")
                for key in sorted(value, key=str):
                    self.text(str(key))
                    self.add(value[key])
            case tuple() | list():
                self.text(f"({len(value)}")
                for part in value:
                    self.add(part)
            case None | bool() | int() | float() | complex() | str() | bytes() | np.dtype():
                self.text(repr(value))
            case type():
                self.text(value.__qualname__)
            case _ if dataclasses.is_dataclass(value):
                self.text(type(value).__qualname__)
                self.add({f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)})
            case _ if callable(value):
                self._function(value)
            case _:
                text = repr(value)
                self.text(type(value).__qualname__ if " at 0x" in text else text)

    def _array(self, array: Any) -> None:
        if isinstance(array, jax.Array) and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            self.text(str(array.dtype))
            array = jax.random.key_data(array)
        array = np.asarray(array)
        self.text(f"{array.dtype}{array.shape}")
        self.hash.update(array.tobytes())

    def _function(self, function: Callable) -> None:
        """A function that JAX has not traced: its name and code, wherever they can be seen."""
        self.text(getattr(function, "__qualname__", type(function).__qualname__))
        code = getattr(function, "__code__", None)
        if code is not None:
            self.hash.update(code.co_code)

    def _jaxpr(self, jaxpr: Jaxpr) -> None:
        numbers: dict[Any, int] = {}

        def name(variables: Any) -> None:
            for v in variables:
                if isinstance(v, Literal):
                    self.add(v.val)
                    self.text(str(v.aval))
                else:
                    self.text(f"{numbers.setdefault(v, len(numbers))}:{v.aval}")

        name([*jaxpr.constvars, *jaxpr.invars])
        for equation in jaxpr.eqns:
            self.text(equation.primitive.name)
            # Derivatives of custom_jvp are seen where the function is differentiated.
            self.add({k: v for k, v in equation.params.items() if not k.startswith(("jvp", "fwd", "bwd"))})
            name([*equation.invars, *equation.outvars])
        name(jaxpr.outvars)


def _traced(tree: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def _shapes(args: Any) -> Any:
    data, static = eqx.partition(args, eqx.is_array)
    return tuple((x.shape, str(x.dtype)) for x in jax.tree.leaves(data)), _hashable(static)


def _hashable(value: Any) -> Any:
    leaves, structure = jax.tree.flatten(value)
    key = (structure, *leaves)
    try:
        hash(key)
    except TypeError:
        return id(value)
    return key


def from_outside(value: Any) -> frozenset:
    """All functions, and modules of classes, that come from outside and are anywhere in `value`."""
    found: set[Any] = set()
    _collect(value, found, set())
    return frozenset(found)


def _collect(value: Any, found: set, seen: set) -> None:
    if isinstance(value, _DATA) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        inside: Any = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    elif isinstance(value, functools.partial):
        inside = value.func, value.args, value.keywords
    elif isinstance(value, types.MethodType):
        inside = value.__self__, value.__func__
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not all(map(_is_own, type(value).__mro__)):
            found.add(_hashable(eqx.filter(value, eqx.is_array, inverse=True)))
        inside = getattr(value, "__dict__", {}).values()
    elif callable(value):
        if not is_own(value):
            found.add(_hashable(value))
            return
        inside = [cell.cell_contents for cell in getattr(value, "__closure__", None) or () if _filled(cell)]
    else:
        return
    for part in inside:
        _collect(part, found, seen)


_DATA = (type(None), bool, int, float, complex, str, bytes, np.ndarray, np.generic, jax.Array)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def is_own(value: Any) -> bool:
    """Whether a function, or an object that can be called, is of curlflow or of the libraries that it builds on."""
    return _is_own(value if hasattr(value, "__name__") else type(value))


def _is_own(thing: Any) -> bool:
    package = str(getattr(thing, "__module__", None) or "builtins").partition(".")[0]
    return package in OWN or package in sys.stdlib_module_names
