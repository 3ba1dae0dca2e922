"""What a user would write for one problem, with NumPy, SciPy or diffrax."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import training as t
from scipy.integrate import solve_ivp

jax.config.update("jax_enable_x64", True)


def updates():
    """Forward and backward over all samples, and back to the spheres."""
    (p,) = t.drawn("updates")
    w1, w2 = (w.copy() for w in p.student.weights)
    d1, d2 = p.rule.gains
    r1, r2, n = np.linalg.norm(w1), np.linalg.norm(w2), p.x_train.shape[1]
    for _ in range(t.EPOCHS):
        h = w1 @ p.x_train
        e = w2 @ h - p.y_train
        step1, step2 = (w2.T @ e) @ p.x_train.T / n * d1, e @ h.T / n * d2
        w1, w2 = w1 - 0.1 * step1, w2 - 0.1 * step2
        w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
    return w2.ravel()[:5]


def minibatches():
    """The published protocol, minibatch by minibatch."""
    (p,) = t.drawn("minibatches")
    w1, w2 = (np.array(w) for w in p.student.weights)
    r1, r2 = np.linalg.norm(w1), np.linalg.norm(w2)
    x, y, d2 = p.x_train, p.y_train, np.asarray(p.rule.gains[1])
    rng = np.random.default_rng(0)
    rate, samples = 0.1 * 10 / x.shape[1], x.shape[1]
    for _ in range(t.MINIBATCH_EPOCHS):
        for batch in rng.permutation(samples).reshape(-1, 10):
            xb, yb = x[:, batch], y[:, batch]
            h = np.tanh(w1 @ xb)
            e = np.tanh(w2 @ h) - yb
            f2, f1 = e @ h.T / 10 * d2, (w2.T @ e * (1 - h * h)) @ xb.T / 10
            w1, w2 = w1 - rate * f1, w2 - rate * f2
            w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
    return [0.5 * np.mean((np.tanh(w2 @ np.tanh(w1 @ p.x_test)) - p.y_test) ** 2)]


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
