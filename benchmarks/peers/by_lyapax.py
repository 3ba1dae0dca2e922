"""lyapax: its public call, which traces anew every time, and the same within one jit of one's own."""

import functools

import jax
import jax.numpy as jnp
import lyapax
import networks
import numpy as np
import problems as p
from fields import henon, logistic, lorenz63, lorenz96

jax.config.update("jax_enable_x64", True)


def spectrum(rhs, time, step, every, k, transient, start):
    problem = lyapax.ode_problem(rhs, state0=start, dt=step)
    steps = round(time / step)
    found = lyapax.lyapunov_spectrum(problem, n_steps=steps, k=k, renorm_every=every, t_transient=transient)
    return found.exponents


def iterated(step, k, start):
    found = lyapax.lyapunov_spectrum(step, start, 1.0, p.ITERATIONS, k=k, t_transient=float(p.TRANSIENT))
    return found.exponents


CALLS = {
    "lorenz63": (functools.partial(spectrum, lorenz63, p.LORENZ_TIME, p.LORENZ_STEP, p.EVERY, 3, 50.0), p.LORENZ),
    "henon": (functools.partial(iterated, henon, 2), p.HENON),
    "logistic": (functools.partial(iterated, logistic, 1), np.array([p.LOGISTIC])),
}
for n, (time, step, every) in p.LORENZ96.items():
    CALLS[f"lorenz96-{n}"] = functools.partial(spectrum, lorenz96, time, step, every, 10, 20.0), p.lorenz96(n)


def network(weights, k):
    """From the same state and tangents as curlflow, with RK4 steps of the same vector field."""
    field, state, tangents = networks.flat(weights, k)
    steps = round(p.WEIGHTS[weights] / p.NETWORK_STEP)
    problem = lyapax.ode_problem(field, state0=state, dt=p.NETWORK_STEP)

    def found(state, tangents):
        checkpoint = lyapax.LyapunovCheckpoint(state, tangents, jnp.zeros(k), 0.0)
        return lyapax.lyapunov_spectrum(
            problem, n_steps=steps, k=k, renorm_every=round(1 / p.NETWORK_STEP), resume=checkpoint
        ).exponents

    return functools.partial(jax.jit(found), state, tangents.T)


@functools.cache
def jitted(case):
    if case.startswith("network"):
        return network(*map(int, case.split("-")[1:]))
    function, start = CALLS[case]
    return functools.partial(jax.jit(function), start)


NETWORKS = [case for case in p.CASES if case.startswith("network")]
WORK = {
    "lyapax, one jit": {case: lambda case=case: jitted(case)() for case in [*CALLS, *NETWORKS]},
    "lyapax": {case: lambda case=case: CALLS[case][0](CALLS[case][1]) for case in CALLS},
}
