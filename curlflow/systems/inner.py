"""A recurrent network's own dynamics, at fixed weights, as a system: what it does while it does not learn."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..networks.recurrent import Recurrent
from ..precision import double_precision, random_key, to_float64
from .flow import Flow
from .map import Map

As = Literal["auto", "flow", "map"]
"""How the equations of a network are taken; see `inner_dynamics`."""


@double_precision
def inner_dynamics(network: Recurrent, *, inputs: Any = None, state: Any = None, dynamics: As = "auto") -> Flow | Map:
    """The motion of the hidden units of a recurrent network, autonomous or driven by an input.

    ```python
    network = curlflow.networks.Recurrent.drawn(jax.random.key(0), inputs=1, hidden=200, outputs=1, gain=2.0, tau=1.0)
    curlflow.lyapunov(curlflow.systems.inner_dynamics(network))
    ```

    Weights and inputs are data: networks of equal shapes run as one program.

    **Arguments:**

    - `network`: at these weights.
    - `inputs`: a constant input (inputs,), or a sequence (steps × inputs) that is repeated for ever, one entry for
      each step of the network. Default: none, an autonomous network.
    - `state`: h at the start (hidden,). Default: independent numbers from the normal distribution, always the same.
    - `dynamics`: `"flow"`, the equations in continuous time, adaptively integrated; or `"map"`, the steps that the
      network takes while it learns. Default: `"auto"`, the flow of a network in continuous time with a constant input
      or none, otherwise the map. Times are in the unit of τ, or in steps of a network in discrete time.

    **Raises:** `ValueError` for inputs and states of other shapes, and for a flow where there is none.
    """
    units, number = np.shape(network.w_in)
    given = np.zeros(number) if inputs is None else np.asarray(to_float64(np.asarray(inputs), "inputs"), dtype=float)
    if given.ndim not in (1, 2) or given.shape[-1] != number or not given.size:
        raise ValueError(f"inputs: got shape {given.shape}, required is ({number},) or (steps, {number}).")
    if dynamics not in ("auto", "flow", "map"):
        raise ValueError(f"dynamics: got {dynamics!r}, allowed are auto, flow and map.")
    has_flow = network.tau is not None and given.ndim == 1
    if dynamics == "flow" and not has_flow:
        raise ValueError("dynamics: got 'flow', which needs a network with tau and an input that is constant.")
    if state is None:
        state = jax.random.normal(random_key(0), (units,))
    if np.shape(state) != (units,):
        raise ValueError(f"state: got shape {np.shape(state)}, required is ({units},), the hidden units.")
    args = network, np.atleast_2d(given)
    if has_flow and dynamics != "map":
        return Flow(_velocity, np.asarray(state), args)
    return Map(_after, np.asarray(state), float(network.step), args)


def _velocity(t, state, args):
    network, inputs = args
    return network.drift(state, network.rates(state), inputs[0]) / network.tau


def _after(i, state, args):
    network, inputs = args
    return network.after(state, jnp.asarray(inputs)[i % inputs.shape[0]])
