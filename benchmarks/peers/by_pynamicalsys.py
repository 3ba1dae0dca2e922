"""pynamicalsys: numba behind a public call; Jacobians are written by hand."""

import numba
import numpy as np
import problems as p
import pynamicalsys as ps


@numba.njit
def henon(x, parameters):
    return np.array([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])


@numba.njit
def henon_jacobian(x, parameters, *args):
    return np.array([[-2.8 * x[0], 1.0], [0.3, 0.0]])


@numba.njit
def logistic(x, parameters):
    return np.array([4 * x[0] * (1 - x[0])])


@numba.njit
def logistic_jacobian(x, parameters, *args):
    return np.array([[4 - 8 * x[0]]])


@numba.njit
def lorenz96(t, x, parameters):
    n = len(x)
    change = np.empty(n)
    for i in range(n):
        change[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + 8.0
    return change


@numba.njit
def lorenz96_jacobian(t, x, parameters):
    n = len(x)
    matrix = np.zeros((n, n))
    for i in range(n):
        matrix[i, (i + 1) % n] += x[i - 1]
        matrix[i, i - 2] -= x[i - 1]
        matrix[i, i - 1] += x[(i + 1) % n] - x[i - 2]
        matrix[i, i] -= 1.0
    return matrix


def flow(system, start, parameters, time, step, k):
    system.integrator("rk4", time_step=step)
    return lambda: system.lyapunov(start, time + 50.0, parameters=parameters, transient_time=50.0, num_exponents=k)


def iterated(system, start):
    return lambda: np.atleast_1d(
        system.lyapunov(start, p.ITERATIONS + p.TRANSIENT, parameters=[0.0], transient_time=p.TRANSIENT)
    )


def _flow(field, jacobian, dimension):
    return ps.ContinuousDynamicalSystem(
        equations_of_motion=field, jacobian=jacobian, system_dimension=dimension, number_of_parameters=1
    )


def _map(step, jacobian, dimension):
    return ps.DiscreteDynamicalSystem(
        mapping=step, jacobian=jacobian, system_dimension=dimension, number_of_parameters=1
    )


LORENZ = ps.ContinuousDynamicalSystem("lorenz system")
WORK = {
    "pynamicalsys": {
        "lorenz63": flow(LORENZ, p.LORENZ, [10.0, 28.0, 8.0 / 3.0], p.LORENZ_TIME, p.LORENZ_STEP, 3),
        "henon": iterated(_map(henon, henon_jacobian, 2), p.HENON),
        "logistic": iterated(_map(logistic, logistic_jacobian, 1), np.array([p.LOGISTIC])),
        **{
            f"lorenz96-{n}": flow(_flow(lorenz96, lorenz96_jacobian, n), p.lorenz96(n), [0.0], time, step, 10)
            for n, (time, step, _) in p.LORENZ96.items()
            if n == 40  # its Jacobians are dense matrices: 400 variables take minutes
        },
    }
}
