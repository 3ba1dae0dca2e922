"""Functions from outside that change between two calls: every kind of thing that a function may read."""

import functools
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow import Diffusion, Flow, Map
from curlflow.constraints import AbstractConstraint
from curlflow.outside import compiled, fingerprint, from_outside, public_call, rely_on

SHORT = {"duration": 4.0, "transient": 0.0, "alignment": 0.0, "exponents": 1}
rate = 1.0


def exponent(system, **more):
    return float(curlflow.lyapunov(system, **SHORT, **more).lyapunov_exponent[0, 0])


def reads_a_global(t, x, args):
    return -rate * x


class Reads:
    """Its method reads an attribute."""

    def __init__(self):
        self.rate = 1.0

    def field(self, t, x, args):
        return -self.rate * x

    def __call__(self, t, x, args):
        return -self.rate * x


def of_global():
    def change():
        globals()["rate"] = 2.0

    globals()["rate"] = 1.0
    return reads_a_global, change


def of_attribute():
    system = Reads()
    return system.field, lambda: setattr(system, "rate", 2.0)


def of_callable_object():
    system = Reads()
    return system, lambda: setattr(system, "rate", 2.0)


def of_cell():
    value = 1.0

    def change():
        nonlocal value
        value = 2.0

    return lambda t, x, args: -value * x, change


def of_array():
    values = np.ones(1)
    return lambda t, x, args: -jnp.asarray(values) * x, lambda: values.__imul__(2.0)


def of_partial():
    table = {"rate": 1.0}
    field = functools.partial(lambda table, t, x, args: -table["rate"] * x, table)
    return field, lambda: table.update(rate=2.0)


def of_another_function():
    inner = lambda x: x  # noqa: E731
    table = {"inner": inner}
    return lambda t, x, args: -table["inner"](x), lambda: table.update(inner=lambda x: 2 * x)


def of_custom_derivative():
    """Only the derivative changes: exponents see it, the motion does not."""
    slope = [1.0]

    def field(t, x, args):
        @jax.custom_jvp
        def identity(x):
            return x

        identity.defjvp(lambda primals, tangents: (primals[0], slope[0] * tangents[0]))
        return -identity(x)

    return field, lambda: slope.__setitem__(0, 2.0)


KINDS = [of_global, of_attribute, of_callable_object, of_cell, of_array, of_partial, of_another_function]


@pytest.mark.parametrize("kind", [*KINDS, of_custom_derivative])
def test_flows_are_those_of_now(kind):
    field, change = kind()
    assert exponent(Flow(field, [1.0])) == pytest.approx(-1, abs=1e-5)
    change()
    assert exponent(Flow(field, [1.0])) == pytest.approx(-2, abs=1e-5)


def test_a_system_made_before_the_change(compilations):
    field, change = of_cell()
    flow = Flow(field, [1.0])
    assert exponent(flow) == pytest.approx(-1, abs=1e-5)
    assert compilations(lambda: exponent(flow)) == 0
    change()
    assert exponent(flow) == pytest.approx(-2, abs=1e-5)
    assert compilations(lambda: exponent(flow)) == 0


def test_maps_and_noise():
    factor = [0.5]
    step = Map(lambda i, x, args: factor[0] * x, [1.0])
    assert exponent(step) == pytest.approx(np.log(0.5))
    noise = Diffusion(
        lambda t, x, args: -factor[0] * x, lambda t, x, args, dB: 0.0 * dB, [1.0], 0.01, jax.random.key(0)
    )
    assert exponent(noise) == pytest.approx(np.log(1 - 0.005) / 0.01)
    factor[0] = 0.25
    assert exponent(step) == pytest.approx(np.log(0.25))
    assert exponent(noise) == pytest.approx(np.log(1 - 0.0025) / 0.01)


def test_faster_ways_of_ones_own():
    """`iterate` carries the state through the transient, and is given by the user too."""
    jump = [1.0]
    system = Map(lambda i, x, args: x, [1.0], iterate=lambda x, first, number, args: x + jump[0] * number)
    ends = []
    for jump[0] in (1.0, 3.0):
        ds = curlflow.lyapunov(system, duration=2, transient=5, alignment=0)
        ends.append(float(ds.final_state[0, 0]))
    assert ends == [6.0, 16.0]


class Decay(curlflow.rules.AbstractLearningRule):
    """Weights that decay at a rate that is read from a table."""

    table: dict = eqx.field(static=True)

    def velocity(self, network, task):
        return jax.tree.map(lambda w: -self.table["rate"] * w, network)


class Table(dict):
    """A table that may be a static field."""

    __hash__ = object.__hash__


def test_rules_in_all_studies():
    spec = curlflow.Spec(network={"inputs": 2, "hidden": 2}, data={"samples": 5}, realizations=1)
    start = np.concatenate([w.ravel() for w in spec.build().student.weights])
    table = Table(rate=1.0)
    rule, errors = Decay(table), []
    for table["rate"] in (1.0, 2.0):
        ds = curlflow.simulate(spec, rule=rule, times=[1.0], weights="all")
        np.testing.assert_allclose(ds.weights[0, -1], start * np.exp(-table["rate"]), rtol=1e-5)
        np.testing.assert_allclose(curlflow.stability(spec, rule=rule).eigenvalue_real[0], -table["rate"], atol=1e-6)
        parts = curlflow.decomposition(spec, rule=rule)
        assert float(parts.divergence[0]) == pytest.approx(-6 * table["rate"])
        assert exponent(spec, rule=rule) == pytest.approx(-table["rate"], abs=1e-5)
        updates = spec.replace("dynamics", {"kind": "updates", "learning_rate": 0.1})
        errors.append(curlflow.train(updates, rule=rule, epochs=50, records=1).train_error[0].item())
    # All weights are nearly gone after ten units of time, and even more so after twenty.
    assert errors[0] != errors[1] == pytest.approx(errors[0], rel=1e-3)


class Stretched(AbstractConstraint):
    """A circle whose radius is read from a list."""

    radius: list = eqx.field(static=True)

    def tangent(self, state, vector):
        return vector - state * jnp.sum(state * vector) / jnp.sum(state * state)

    def retract(self, state):
        return self.radius[0] * state / jnp.linalg.norm(state)

    def codimension(self, state):
        return 1


def test_constraints_of_ones_own():
    class Radius(list):
        __hash__ = object.__hash__

    radius = Radius([1.0])
    flow = Flow(lambda t, x, args: jnp.stack([x[1], -x[0]]), [1.0, 0.0], constraint=Stretched(radius))
    for radius[0] in (1.0, 2.0):
        ds = curlflow.lyapunov(flow, **SHORT)
        assert np.linalg.norm(ds.final_state[0]) == pytest.approx(radius[0], rel=1e-6)


def test_observables_and_losses():
    power = [1.0]
    turning = Flow(lambda t, x, args: jnp.stack([x[1], -x[0]]), [2.0, 0.0])
    seen, losses = [], []
    for power[0] in (1.0, 2.0):
        ds = curlflow.classify(turning, observables=lambda x: x[0] * power[0], transient=5, duration=20)
        seen.append(float(ds.observable_spread.max() if "observable_spread" in ds else 0))
        parts = curlflow.decomposition(turning, loss=lambda x: power[0] * x[1], at=[1.0, 0.0])
        losses.append(float(parts.gradient_angle[0]))
        plane = curlflow.plane_decomposition(turning, loss=lambda x: power[0] * x[0], at=[1.0, 0.0], grid=3)
        losses.append(float(plane.loss.max()))
    assert losses[3] == pytest.approx(2 * losses[1])


def test_the_textbook_algorithm():
    field, change = of_cell()
    flow = Flow(field, [1.0])
    spectrum = functools.partial(curlflow.measures.lyapunov_spectrum, flow, block=1.0, number=3, vectors=1)
    assert spectrum().exponents[0] == pytest.approx(-1, abs=1e-5)
    change()
    assert spectrum().exponents[0] == pytest.approx(-2, abs=1e-5)


# The parts.


@pytest.mark.quick
def test_fingerprints_are_those_of_programs():
    x = np.ones(2)
    a = fingerprint(lambda x: 2.0 * jnp.sin(x), x)
    assert a == fingerprint(lambda y: 2.0 * jnp.sin(y), x + 3)
    others = [
        fingerprint(lambda x: 3.0 * jnp.sin(x), x),
        fingerprint(lambda x: 2.0 * jnp.cos(x), x),
        fingerprint(lambda x: jnp.sin(x) * 2.0 + 0, x),
        fingerprint(lambda x: jnp.sin(2.0 * x), x),
        fingerprint(lambda x: 2.0 * jnp.sin(x), np.ones(3)),
        fingerprint(lambda x: jnp.asarray([2.0, 2.0]) * jnp.sin(x), x),
        fingerprint(lambda x: jnp.asarray([2.0, 2.5]) * jnp.sin(x), x),
        fingerprint(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.sin(y), x), x),
        fingerprint(lambda x: jax.lax.fori_loop(0, 4, lambda i, y: jnp.sin(y), x), x),
        fingerprint(lambda x: jax.lax.fori_loop(0, 4, lambda i, y: jnp.cos(y), x), x),
        fingerprint(lambda x: x + jax.random.normal(jax.random.key(0), (2,)), x),
        fingerprint(lambda x: x + jax.random.normal(jax.random.key(1), (2,)), x),
        fingerprint(lambda x: x[::2], x),
        fingerprint(lambda x: x[1::2], x),
    ]
    assert len({a, *others}) == 1 + len(others)


def test_fingerprints_are_the_same_in_every_process():
    code = """
import jax, jax.numpy as jnp, numpy as np, curlflow
from curlflow.outside import fingerprint
def f(x):
    return jax.nn.relu(x) @ jnp.arange(3.0) + jax.random.uniform(jax.random.key(3)) + jnp.linalg.norm(x)
print(fingerprint(f, np.ones(3)), fingerprint(jax.jit(f), np.ones(3)))
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.split()) == 2


@pytest.mark.quick
def test_what_comes_from_outside():
    mine = lambda x: x  # noqa: E731
    for inside in (jnp.tanh, np.sin, curlflow.systems.lorenz63(), curlflow.preset("fig1").build(), 1.0, None, "text"):
        assert not from_outside(inside)
    for outside in (
        mine,
        {"a": [mine]},
        functools.partial(jnp.add, mine),
        jax.jit(mine),
        Flow(reads_a_global, [1.0]),
    ):
        assert from_outside(outside)


@pytest.mark.usefixtures("x64")
@pytest.mark.quick
def test_compiled_functions_outside_of_studies():
    table, traced = {"rate": 1.0}, []

    @compiled
    def apply(function, x):
        traced.append(None)
        return function(x)

    mine = lambda x: table["rate"] * x  # noqa: E731
    assert float(apply(mine, jnp.ones(()))) == 1
    table["rate"] = 2.0
    assert float(apply(mine, jnp.ones(()))) == 2
    assert float(jax.jit(lambda x: apply(mine, x))(jnp.ones(()))) == 2
    before = len(traced)
    assert float(apply(jnp.sin, jnp.zeros(()))) == float(apply(jnp.sin, jnp.zeros(()))) == 0
    assert len(traced) == before + 1


@pytest.mark.quick
def test_one_look_for_each_call():
    looks = []

    def mine(x):
        looks.append(None)
        return x

    with public_call():
        for _ in range(3):
            rely_on(mine, np.ones(2))
    assert len(looks) == 2  # itself and its derivative
    rely_on(mine, np.ones(2))
    assert len(looks) == 2


def test_measures_that_are_called_by_themselves():
    """Outside a study the law of a system is looked at in every call, and not the whole program of the measure."""
    rate = [1.0]
    flow = Flow(lambda t, x, args: -rate[0] * x, [1.0])
    found = [
        curlflow.measures.lyapunov_spectrum(flow, block=0.5, number=4).exponents[0] for rate[0] in (1.0, 2.0, 1.0)
    ]
    np.testing.assert_allclose(found, [-1, -2, -1], rtol=1e-5)
