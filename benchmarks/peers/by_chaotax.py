"""chaotax: functions of one step in JAX. Its call cannot be put under a jit of one's own."""

import functools

import chaotax
import jax
import jax.numpy as jnp
import problems as p
from fields import henon, logistic, lorenz63, lorenz96

jax.config.update("jax_enable_x64", True)


def rk4(field, h):
    def step(x):
        a = field(x)
        b = field(x + h / 2 * a)
        c = field(x + h / 2 * b)
        return x + h / 6 * (a + 2 * b + 2 * c + field(x + h * c))

    return step


def spectrum(step, start, steps, transient, k, dt=1.0):
    options = {"rollout_steps": steps, "warmup_steps": transient, "discard_steps": 0, "dt": dt}
    found = chaotax.lyapunov_spectrum(step, num_exponents=k, **options)
    return functools.partial(found, jnp.asarray(start), key=jax.random.key(0))


def _steps(field, start, k, time, h, transient):
    return spectrum(rk4(field, h), start, round(time / h), round(transient / h), k, h)


WORK = {
    "chaotax": {
        "lorenz63": _steps(lorenz63, p.LORENZ, 3, p.LORENZ_TIME, p.LORENZ_STEP, 50.0),
        "henon": spectrum(henon, p.HENON, p.ITERATIONS, p.TRANSIENT, 2),
        "logistic": spectrum(logistic, [p.LOGISTIC], p.ITERATIONS, p.TRANSIENT, 1),
        **{
            f"lorenz96-{n}": _steps(lorenz96, p.lorenz96(n), 10, time, step, 20.0)
            for n, (time, step, _) in p.LORENZ96.items()
        },
    }
}
