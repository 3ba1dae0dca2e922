"""Loops written by hand and compiled by numba: what somebody does who needs one system, and speed."""

import math

import numba
import numpy as np
import problems as p


@numba.njit
def orthonormal(v, sums):
    """Gram–Schmidt in place, and the logarithms of the lengths."""
    k, n = v.shape
    for i in range(k):
        for j in range(i):
            dot = 0.0
            for m in range(n):
                dot += v[i, m] * v[j, m]
            for m in range(n):
                v[i, m] -= dot * v[j, m]
        length = 0.0
        for m in range(n):
            length += v[i, m] ** 2
        length = math.sqrt(length)
        sums[i] += math.log(length)
        for m in range(n):
            v[i, m] /= length


@numba.njit
def lorenz63(x, v, out_x, out_v):
    out_x[0] = 10.0 * (x[1] - x[0])
    out_x[1] = x[0] * (28.0 - x[2]) - x[1]
    out_x[2] = x[0] * x[1] - 8.0 / 3.0 * x[2]
    for i in range(v.shape[0]):
        out_v[i, 0] = 10.0 * (v[i, 1] - v[i, 0])
        out_v[i, 1] = v[i, 0] * (28.0 - x[2]) - x[0] * v[i, 2] - v[i, 1]
        out_v[i, 2] = v[i, 0] * x[1] + x[0] * v[i, 1] - 8.0 / 3.0 * v[i, 2]


@numba.njit
def lorenz96(x, v, out_x, out_v):
    n = len(x)
    for m in range(n):
        ahead, back, two = (m + 1) % n, m - 1, m - 2
        out_x[m] = (x[ahead] - x[two]) * x[back] - x[m] + 8.0
        for i in range(v.shape[0]):
            out_v[i, m] = (v[i, ahead] - v[i, two]) * x[back] + (x[ahead] - x[two]) * v[i, back] - v[i, m]


def flow(field):
    """RK4 steps of a field with its tangents, orthonormal every so many steps."""

    @numba.njit
    def run(x, v, step, steps, every):
        sums = np.zeros(len(v))
        xs, vs = np.empty_like(x), np.empty_like(v)
        kx, kv = np.empty((4, *x.shape)), np.empty((4, *v.shape))
        for number in range(steps):
            field(x, v, kx[0], kv[0])
            for stage in range(1, 4):
                part = step if stage == 3 else step / 2
                for m in range(len(x)):
                    xs[m] = x[m] + part * kx[stage - 1, m]
                for i in range(v.shape[0]):
                    for m in range(v.shape[1]):
                        vs[i, m] = v[i, m] + part * kv[stage - 1, i, m]
                field(xs, vs, kx[stage], kv[stage])
            for m in range(len(x)):
                x[m] += step / 6 * (kx[0, m] + 2 * kx[1, m] + 2 * kx[2, m] + kx[3, m])
            for i in range(v.shape[0]):
                for m in range(v.shape[1]):
                    v[i, m] += step / 6 * (kv[0, i, m] + 2 * kv[1, i, m] + 2 * kv[2, i, m] + kv[3, i, m])
            if number % every == every - 1:
                orthonormal(v, sums)
        return sums

    def exponents(start, k, time, step, every, transient):
        x, v = start.copy(), np.random.default_rng(0).normal(size=(k, len(start)))
        run(x, v, step, round(transient / step), every)
        return run(x, v, step, round(time / step), every) / time

    return exponents


of_lorenz63, of_lorenz96 = flow(lorenz63), flow(lorenz96)


@numba.njit
def henon(x, y, iterations):
    a, b, c, d, first, second = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    for _ in range(iterations):
        slope = -2.8 * x
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        a, b, c, d = slope * a + b, 0.3 * a, slope * c + d, 0.3 * c
        r = math.sqrt(a * a + b * b)
        a, b = a / r, b / r
        dot = a * c + b * d
        c, d = c - dot * a, d - dot * b
        s = math.sqrt(c * c + d * d)
        c, d = c / s, d / s
        first, second = first + math.log(r), second + math.log(s)
    return first / iterations, second / iterations


@numba.njit
def logistic(x, iterations):
    total = 0.0
    for _ in range(iterations):
        total += math.log(abs(4 - 8 * x))
        x = 4 * x * (1 - x)
    return total / iterations


def _lorenz96(n):
    time, step, every = p.LORENZ96[n]
    return of_lorenz96(p.lorenz96(n), 10, time, step, every, 20.0)


WORK = {
    "numba by hand": {
        "lorenz63": lambda: of_lorenz63(p.LORENZ, 3, p.LORENZ_TIME, p.LORENZ_STEP, p.EVERY, 50.0),
        "henon": lambda: henon(*p.HENON, p.ITERATIONS + p.TRANSIENT),
        "logistic": lambda: [logistic(p.LOGISTIC, p.ITERATIONS + p.TRANSIENT)],
        "lorenz96-40": lambda: _lorenz96(40),
        "lorenz96-400": lambda: _lorenz96(400),
    }
}
