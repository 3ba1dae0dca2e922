"""What a user would write for one problem, with NumPy, SciPy or diffrax."""

import sys
from pathlib import Path

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import training as t
from scipy.integrate import solve_ivp

sys.path.append(str(Path(__file__).parent.parent))
from loops import numpy_epochs, numpy_on_samples

jax.config.update("jax_enable_x64", True)


def updates():
    """Forward and backward over all samples, and back to the spheres."""
    return numpy_on_samples(*t.drawn("updates"), t.EPOCHS)[1].ravel()[:5]


def minibatches():
    """The published protocol, minibatch by minibatch."""
    return [numpy_epochs(*t.drawn("minibatches"), t.MINIBATCH_EPOCHS)]


def velocity(np, w1, w2, x, y, d1, d2):
    """Of a tanh network on spheres."""
    h = np.tanh(w1 @ x)
    e = np.tanh(w2 @ h) - y
    f2, f1 = e @ h.T / x.shape[1] * d2, (w2.T @ e * (1 - h * h)) @ x.T / x.shape[1] * d1
    return tuple(-f + w * (np.sum(f * w) / np.sum(w * w)) for f, w in ((f1, w1), (f2, w2)))


def by_scipy():
    """`solve_ivp` to the first time at which the test error is at the threshold."""
    (p,) = t.drawn("tanh")
    w1, w2 = p.student.weights
    cut, gains = w1.size, tuple(map(np.asarray, p.rule.gains))

    def parts(w):
        return w[:cut].reshape(w1.shape), w[cut:].reshape(w2.shape)

    def field(_, w):
        return np.concatenate([v.ravel() for v in velocity(np, *parts(w), p.x_train, p.y_train, *gains)])

    def crossing(_, w):
        a, b = parts(w)
        return 0.5 * np.mean((np.tanh(b @ np.tanh(a @ p.x_test)) - p.y_test) ** 2) - 1e-3

    crossing.terminal = True
    start = np.concatenate([w1.ravel(), w2.ravel()])
    found = solve_ivp(field, (0, 1e4), start, method="RK45", rtol=1e-6, atol=1e-9, events=crossing)
    return found.t_events[0][:1]


def _stacked():
    problems = t.drawn("ensemble")
    data = [(p.x_train, p.y_train, *map(np.asarray, p.rule.gains)) for p in problems]
    return [np.stack(part) for part in zip(*(p.student.weights for p in problems), strict=True)], [
        np.stack(part) for part in zip(*data, strict=True)
    ]


@jax.jit
def _flows(weights, data):
    def one(weights, data):
        term = diffrax.ODETerm(lambda _, w, data: velocity(jnp, *w, *data))
        control = diffrax.PIDController(rtol=1e-6, atol=1e-9)
        given = {"stepsize_controller": control, "max_steps": None, "args": data}
        w1, w2 = diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, t.UNTIL, None, tuple(weights), **given).ys
        x, y, *_ = data
        return 0.5 * jnp.mean((jnp.tanh(w2[-1] @ jnp.tanh(w1[-1] @ x)) - y) ** 2)

    return jax.vmap(one)(weights, data)


def by_diffrax():
    """All networks under one `vmap`."""
    return _flows(*_stacked())


WORK = {
    "NumPy, SciPy by hand": {"updates": updates, "minibatches": minibatches, "tanh": by_scipy},
    "diffrax by hand": {"ensemble": by_diffrax},
}
