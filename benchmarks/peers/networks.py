"""Networks of the preset `hidden_chaos` at other widths, some way along the flow, with tangents to start from."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import curlflow
from curlflow.measures.lyapunov import TangentState, lyapunov_spectrum, random_tangents
from curlflow.precision import jax_settings
from curlflow.status import Status
from curlflow.tangents import as_rows

RATIO = 0.5
"""Hidden units per input, as in the preset."""
TRANSIENT, ALONG = 400.0, 5
"""How long the state runs alone, to leave the solution, and then with tangents."""


@functools.cache
def start(weights: int, k: int, solver: str = "auto"):
    """The flow, and where it is after a while with tangents that have aligned."""
    hidden = max(2, round((weights / (1 + 1 / RATIO)) ** 0.5))
    inputs = round(hidden / RATIO)
    changes = {"realizations": 1, "network.inputs": inputs, "network.hidden": hidden, "teacher.width": hidden}
    with jax_settings():
        flow = curlflow.preset("hidden_chaos").replace({**changes, "dynamics.solver": solver}).build().flow()
        there = flow.advance(flow.state, None, np.float64(TRANSIENT), flow.clock())
        tangents = random_tangents(flow, there.state, k, key=jax.random.key(0))
        run = TangentState(there.state, tangents, there.clock, np.asarray(Status.completed.value))
        return flow, lyapunov_spectrum(flow, block=1.0, number=ALONG, start=run).end


def flat(weights: int, k: int):
    """The vector field on one vector, the state and tangents there, for whoever takes nothing else."""
    flow, run = start(weights, k)
    with jax_settings():
        vector, back = ravel_pytree(jax.tree.map(jnp.asarray, run.state))

        def field(x):
            return ravel_pytree(flow.velocity(0.0, back(x)))[0]

        return field, vector, as_rows(run.tangents)
