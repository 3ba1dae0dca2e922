"""JiTCODE: C code for one system, compiled when it is first run; Dormand–Prince of order 5 from SciPy."""

import functools

import jitcode
import numpy as np
import problems as p


@functools.cache
def compiled():
    y = jitcode.y
    right = [10 * (y(1) - y(0)), y(0) * (28 - y(2)) - y(1), y(0) * y(1) - 8.0 / 3 * y(2)]
    flow = jitcode.jitcode_lyap(right, n_lyap=3, verbose=False)
    flow.set_integrator("dopri5", rtol=1e-6, atol=1e-6)
    flow.set_initial_value(p.LORENZ, 0.0)
    return flow


def lorenz63():
    """The loop of its documentation: local exponents of every tenth of a unit of time. Every call goes on."""
    flow, span = compiled(), p.LORENZ_STEP * p.EVERY
    times = flow.t + np.arange(1, round((50 + p.LORENZ_TIME) / span) + 1) * span
    local = np.array([flow.integrate(time)[1] for time in times])
    return local[round(50 / span) :].mean(axis=0)


WORK = {"JiTCODE": {"lorenz63": lorenz63}}
