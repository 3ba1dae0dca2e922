"""Calls that several threads make of one compiled function, carried out as one call over a leading axis.

On an accelerator, realizations that run one by one are streams of tiny kernels. Threads that hold a `Meeting` wait
for each other wherever they call a compiled function; calls of one function on arrays of equal shapes are then one
call of its `vmap`, and everything else that the threads do stays as it is. Every thread keeps its lane, and the
number of lanes never changes: those of threads that do not call repeat another one, so that nothing is compiled
again, and every lane computes the same, bit for bit, whoever else is still there.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

Batching = Literal["auto", "together", "apart"]
"""Whether realizations run as one program: `together`, `apart`, or `auto`, together where there is an accelerator."""

_batching: ContextVar[Batching] = ContextVar("curlflow_batching", default="auto")
_seat: ContextVar["tuple[Meeting, int] | None"] = ContextVar("curlflow_seat", default=None)


@contextlib.contextmanager
def batching(how: Batching) -> Iterator[None]:
    """How the studies inside run their realizations; `auto` leaves it as it is outside."""
    token = _batching.set(_batching.get() if how == "auto" else how)
    try:
        yield
    finally:
        _batching.reset(token)


def as_one() -> bool:
    """Whether realizations run as one program here."""
    how = _batching.get()
    return how == "together" or (how == "auto" and jax.default_backend() != "cpu")


def seat() -> "tuple[Meeting, int] | None":
    """The meeting that this thread is a member of, and its lane."""
    return _seat.get()


@dataclass
class _Call:
    """What one thread asks for, by itself if need be, and what came of it."""

    alone: Callable
    lane: int
    arrays: PyTree
    static: PyTree
    result: Any = None
    error: BaseException | None = None
    done: bool = False


class Meeting:
    """A group of threads, its `members`, whose calls are carried out together, as one program of `width` lanes.

    Every member has a lane of its own, or several `lanes` on which other threads may work in its place. Functions
    that cannot be batched, such as those that call Python back, are called for one lane after the other.
    """

    def __init__(self, members: int, lanes: int = 1, width: int = 0) -> None:
        self.lanes = lanes
        self._members, self._width, self._ended = members, max(width, members * lanes), False
        self._refused: set[Callable] = set()
        self._calls: dict[Any, list[_Call]] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def member(self, lane: int) -> Iterator[None]:
        """Make this thread a member while it works; afterwards the others no longer wait for it."""
        token = _seat.set((self, lane))
        try:
            yield
        finally:
            _seat.reset(token)
            with self._changed:
                self._members -= 1
                self._carry_out()

    @contextlib.contextmanager
    def replaced(self, number: int) -> Iterator[None]:
        """Let `number` other threads work in place of a member, until all of them have left."""
        with self._changed:
            self._members += number - 1
        try:
            yield
        finally:
            with self._changed:
                self._members += 1

    def end(self) -> None:
        """Interrupt every member at its next call, as Ctrl-C does."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def call(self, lane: int, alone: Callable, function: Callable, *args: Any) -> Any:
        """`alone` of the arguments of this lane; `function` takes the arrays of all lanes at once."""
        arrays, static = eqx.partition(args, eqx.is_array)
        leaves, structure = jax.tree.flatten(arrays)
        key = function, structure, tuple((x.shape, x.dtype) for x in leaves), _hashable(static)
        call = _Call(alone, lane, arrays, static)
        with self._changed:
            self._calls.setdefault(key, []).append(call)
            self._carry_out()
            self._changed.wait_for(lambda: call.done or self._ended)
        if self._ended:
            raise KeyboardInterrupt
        if call.error is not None:
            raise call.error
        return call.result

    def _carry_out(self) -> None:
        """Carry out all calls once every member has made one."""
        if not self._calls or sum(map(len, self._calls.values())) < self._members:
            return
        token = _seat.set(None)
        try:
            for (function, *_), calls in self._calls.items():
                self._carry_out_as_one(function, calls)
        finally:
            _seat.reset(token)
            self._calls = {}
            self._changed.notify_all()

    def _carry_out_as_one(self, function: Callable, calls: list[_Call]) -> None:
        lanes = [calls[0].arrays] * self._width
        for call in calls:
            lanes[call.lane] = call.arrays
        try:
            if function in self._refused:
                raise NotImplementedError
            arrays, static = eqx.partition(function(*eqx.combine(_stacked(lanes), calls[0].static)), eqx.is_array)
            arrays = jax.tree.map(_on_host, arrays)
            for call in calls:
                call.result = eqx.combine(jax.tree.map(lambda x: x[call.lane], arrays), static)  # noqa: B023
        except Exception:
            self._refused.add(function)
            for call in calls:
                self._carry_out_alone(call)
        except BaseException as error:
            for call in calls:
                call.error = error
        for call in calls:
            call.done = True

    def _carry_out_alone(self, call: _Call) -> None:
        try:
            call.result = call.alone(*eqx.combine(call.arrays, call.static))
        except BaseException as error:
            call.error = error


def over_lanes(function: Callable) -> Callable:
    """The function of a leading axis of all arrays among its arguments, compiled."""

    def lanes(digests: tuple, args: tuple, kwargs: dict) -> Any:
        return eqx.filter_vmap(lambda args, kwargs: function(*args, **kwargs))(args, kwargs)

    lanes.__name__ = lanes.__qualname__ = function.__name__
    return eqx.filter_jit(lanes)


def _stacked(lanes: list[PyTree]) -> PyTree:
    def stack(*leaves: Any) -> Any:
        on_host = all(isinstance(leaf, np.ndarray | np.generic) for leaf in leaves)
        return (np if on_host else jnp).stack(leaves)

    return jax.tree.map(stack, *lanes)


def _on_host(x: Any) -> Any:
    return x if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else np.asarray(x)


def _hashable(static: PyTree) -> Any:
    leaves, structure = jax.tree.flatten(static)
    key = structure, *leaves
    try:
        hash(key)
    except TypeError:
        return id(static)
    return key
