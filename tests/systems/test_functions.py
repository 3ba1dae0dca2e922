"""Functions that JAX cannot trace or differentiate, or whose derivative is wrong: a sentence when they are given."""

import math
import warnings

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import curlflow
from curlflow import Diffusion, Flow, Map
from curlflow.rules import AbstractLearningRule

pytestmark = pytest.mark.quick


def assigns(t, x, args):
    x[0] = 1.0
    return x


def fills_numpy(t, x, args):
    y = np.zeros(2)
    y[0] = x[1]
    return y


def loops(t, x, args):
    while x[0] > 0:
        x = x - 1
    return x


def relaxed(t, x, args):
    term = diffrax.ODETerm(lambda t, y, args: -y)
    return diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, 1.0, 0.1, x).ys[-1]


@jax.custom_vjp
def reverse_only(x):
    return jnp.sin(x)


reverse_only.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def wrongly(x):
    return jnp.sin(x)


wrongly.defjvp(lambda x, v: (jnp.sin(x[0]), 2 * jnp.cos(x[0]) * v[0]))


def called_back(t, x, args):
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@jax.custom_jvp
def without(x):
    return called_back(0, x, None)


without.defjvp(lambda x, v: (without(x[0]), jnp.full_like(v[0], jnp.nan)))

REFUSED = [
    (assigns, r"JAX cannot trace it; use x = x.at\[i\].set\(value\)"),
    (fills_numpy, r"use jax.numpy in place of numpy, and x.at\[i\].set\(value\)"),
    (lambda t, x, args: x if x[0] > 0 else -x, "use jax.numpy .*jax.lax.cond in place of decisions"),
    (lambda t, x, args: x if t > 0 else -x, "in place of decisions"),
    (lambda t, x, args: x * max(x[0], 0.0), "in place of decisions"),
    (loops, "in place of decisions"),
    (lambda t, x, args: np.sin(x), "use jax.numpy in place of numpy"),
    (lambda t, x, args: scipy.special.erf(x), "use jax.numpy in place of numpy"),
    (lambda t, x, args: x * float(x[0]), "in place of float, int, item and math"),
    (lambda t, x, args: x * math.sin(x[0]), "in place of float, int, item and math"),
    (lambda t, x, args: x * sum(range(x[0].astype(int))), "use jax.lax.fori_loop in place of range"),
    (lambda t, x, args: x[x > 0], r"use jnp.where\(mask, a, b\)"),
    (lambda t, x, args: reverse_only(x), "no forward derivative .* use jax.custom_jvp"),
    (relaxed, r"adjoint=diffrax.ForwardMode\(\)"),
    (called_back, "wrap it in jax.custom_jvp"),
    (lambda t, x, args: jnp.floor(x).astype(int), "the result must be like the state, .*got int64"),
    (lambda t, x, args: x.fill(0.0), "cannot be called with arrays float64"),
    (lambda t, x, args: jnp.sin(jax.lax.stop_gradient(x)), "its derivative is wrong"),
    (lambda t, x, args: x.at[1].set(x[0] * jax.lax.stop_gradient(x[1])), "its derivative is wrong.*entry 1"),
    (lambda t, x, args: -x + jax.lax.stop_gradient(jnp.tanh(x)), "its derivative is wrong"),
    (lambda t, x, args: jnp.round(1e7 * x) / 1e7, "its derivative is wrong"),
]


@pytest.mark.parametrize(("function", "said"), REFUSED)
def test_what_has_no_right_derivative_is_refused_when_it_is_given(function, said):
    with pytest.raises(ValueError, match=f"^step: .*{said}"):
        Map(function, [0.3, 0.7])
    with pytest.raises(ValueError, match=f"^vector_field: .*{said}"):
        Flow(function, [0.3, 0.7])


def test_rounding_far_below_the_state_is_refused():
    with pytest.raises(ValueError, match="its derivative is wrong"):
        Map(lambda t, x, args: jnp.floor(x), [2e8, -1e8])


@pytest.mark.usefixtures("x64")
def test_noise_is_looked_at_too():
    def clipped(t, x, args, increments):
        return jax.lax.stop_gradient(x) * increments

    with pytest.raises(ValueError, match="^diffusion: its derivative is wrong"):
        Diffusion(lambda t, x, args: -x, clipped, [1.0, 2.0], step=0.01, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda t, x, args: wrongly(x), "its derivative is wrong"),
        (lambda t, x, args: jnp.round(x, 3), "small steps"),
        (lambda t, x, args: (x * 1234).astype(int) / 1234.0, "small steps"),
        (lambda t, x, args: jnp.sin(x.astype(jnp.float32)).astype(float), "single precision on its way"),
    ],
)
def test_what_may_be_meant_is_warned_of(function, said):
    with pytest.warns(UserWarning, match=f"^step: .*{said}"):
        Map(function, [0.31, 0.72])


def stiff(t, x, args):
    return jnp.stack([-1e6 * (x[0] - jnp.cos(x[1])), x[0]])


def chaotic(t, x, args):
    return jax.lax.fori_loop(0, 60, lambda i, x: 4 * x * (1 - x), x)


def driven(t, x, args):
    return jnp.where(t % 1 < 0.5, -x, x**3) + jnp.sign(jnp.sin(t))


def forward(t, x, args):
    term = diffrax.ODETerm(lambda t, y, args: y - y**3)
    solver = diffrax.Tsit5(), 0.0, 1.0, None, x
    control = diffrax.PIDController(1e-3, 1e-3)
    return diffrax.diffeqsolve(term, *solver, stepsize_controller=control, adjoint=diffrax.ForwardMode()).ys[-1]


LEGITIMATE = [
    lambda t, x, args: 2 * x % 1,
    lambda t, x, args: x - jnp.floor(x),
    lambda t, x, args: jnp.floor(x / (1 + jnp.abs(x))),
    lambda t, x, args: jnp.sign(x),
    lambda t, x, args: jax.nn.relu(x),
    lambda t, x, args: jnp.abs(x),
    lambda t, x, args: jnp.zeros_like(x),
    lambda t, x, args: jnp.sqrt(jnp.abs(x)),
    lambda t, x, args: 1.0 / x,
    lambda t, x, args: x**3,
    lambda t, x, args: 1 + x**3,
    lambda t, x, args: jnp.sin(1e5 * x),
    lambda t, x, args: x + 1e-3 * jnp.sin(1e6 * x),
    lambda t, x, args: jnp.exp(x),
    lambda t, x, args: (x - 1) ** 2 / (1e-12 + (x - 1) ** 2),
    lambda t, x, args: jnp.clip(x, -0.5, 0.5),
    lambda t, x, args: x + jax.lax.stop_gradient(jnp.round(x) - x),
    lambda t, x, args: jnp.sort(x),
    lambda t, x, args: without(x),
    stiff,
    chaotic,
    driven,
]


@pytest.mark.parametrize("function", LEGITIMATE)
@pytest.mark.parametrize(
    "state", [[0.3, 0.7], [0.0, 0.0], [0.5, 1.0], [0.0, 2.5], [3e-8, -1e-8], [2e8, -1e8], [1e8, 1e-8]]
)
def test_kinks_jumps_chaos_and_all_scales_pass_in_silence(monkeypatch, function, state):
    monkeypatch.setattr("curlflow.systems.functions._compared", {})  # it may have passed at another state
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Flow(function, state)
        Map(function, state)


def test_what_diffrax_solves_forward_passes():
    Map(forward, [0.3, 0.7])


@pytest.mark.parametrize("seed", range(5))
def test_random_networks_pass(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 100, 100)) * 3

    def field(t, x, args):
        return -x + a @ jnp.tanh(b @ jax.nn.relu(x))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Flow(field, rng.normal(size=100) * 10.0 ** rng.uniform(-9, 9))


def test_it_is_looked_at_anew_for_each_system():
    kept = [jnp.sin]

    def step(i, x, args):
        return kept[0](x)

    Map(step, [0.3])
    kept[0] = lambda x: jnp.sin(jax.lax.stop_gradient(x))
    with pytest.raises(ValueError, match="its derivative is wrong"):
        Map(step, [0.3])


def test_what_prints_or_is_called_back_is_left_alone():
    said = []

    def step(i, x, args):
        jax.debug.callback(said.append, x)
        return jnp.sin(x)

    def fails(i, x, args):
        def host(x):
            raise FileNotFoundError

        value = jax.pure_callback(host, jax.ShapeDtypeStruct((), float), jax.lax.stop_gradient(x[0]))
        return x * value

    Map(step, [0.3])
    Map(fails, [0.3])
    assert not said


class Local(AbstractLearningRule):
    """A rule whose derivative is stopped between layers."""

    second_moments_suffice = True

    def velocity(self, network, task):
        return jax.tree.map(lambda w: -jax.lax.stop_gradient(w), network)


def test_a_rule_can_be_trained_without_a_derivative_but_not_in_silence():
    spec = curlflow.Spec(network={"inputs": 3, "hidden": 4}, data={"samples": 20, "test_samples": 20})
    with pytest.warns(UserWarning, match="vector_field: its derivative is wrong"):
        spec.build(rule=Local()).flow()


def test_systems_of_one_function_are_compiled_once(compilations):
    def system(rate):
        return Flow(lambda t, x, args: -rate * jnp.tanh(x) + jnp.sin(x), [0.3, 0.7])

    system(0.0)
    assert compilations(lambda: [system(rate) for rate in range(10)]) == 0
    assert eqx.tree_equal(system(1.0).state, np.array([0.3, 0.7]))
