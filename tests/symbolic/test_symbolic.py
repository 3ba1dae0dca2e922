"""Symbolic fields against the numeric systems that were traced, closed forms, and automatic differentiation."""

import contextlib
import io
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import curlflow
from curlflow.constraints import FrobeniusSpheres
from curlflow.rules import AbstractLearningRule
from curlflow.symbolic import readable, symbolic_field
from curlflow.symbolic.exact import NUMERIC, as_objects, exact, indicator, maximum, step
from curlflow.symbolic.vanishing import vanishes
from curlflow.tangents import as_rows

POPULATION = {"samples": "population", "input_std": 0.5}
SAMPLES = {"samples": 3}


def spec(inputs=2, hidden=2, outputs=1, phi="linear", out="linear", **tables):
    network = {"inputs": inputs, "hidden": hidden, "outputs": outputs, "activation": phi, "output_activation": out}
    return curlflow.Spec(network=network, **{"data": SAMPLES, **tables})


SPECS = {
    "linear": spec(data=POPULATION),
    "linear_samples": spec(rule={"kind": "curl", "flipped": {"inputs": 0.5}}),
    "tanh": spec(phi="tanh", out="tanh"),
    "relu": spec(phi="relu", out="relu"),
    "sigmoid": spec(phi="sigmoid", out="sigmoid", rule={"kind": "curl", "flipped": {"hidden": 0.5}}),
    "postsynaptic": spec(phi="tanh", rule={"kind": "curl", "side": "postsynaptic", "flipped": {"hidden": 0.5}}),
    "synapse": spec(phi="tanh", rule={"kind": "curl", "side": "synapse", "flipped": {"inputs": {"indices": [1, 2]}}}),
    "feedback": spec(phi="tanh", rule={"kind": "feedback_alignment", "flipped": {"inputs": 0.5}}),
    "predictive_coding": spec(data=POPULATION, rule={"kind": "predictive_coding", "flipped": {"inputs": 0.5}}),
    "relaxed": spec(phi="tanh", data={"samples": 2}, rule={"kind": "predictive_coding", "steps": 2}),
    "oja": spec(phi="tanh", data={"samples": 2}, rule={"kind": "oja"}),
    "sanger": spec(data=POPULATION, rule={"kind": "sanger"}),
    "deep": spec(hidden=[2, 2], phi="tanh", data={"samples": 2}, rule={"kind": "curl", "flipped": {"inputs": 0.5}}),
    "two_outputs": spec(outputs=2, phi="tanh"),
    "spheres": spec(
        data=POPULATION, constraint={"kind": "frobenius"}, rule={"kind": "curl", "flipped": {"inputs": 0.5}}
    ),
    "relu_spheres": spec(phi="relu", constraint={"kind": "frobenius"}),
    "updates": spec(
        data=POPULATION, constraint={"kind": "frobenius"}, dynamics={"kind": "updates", "batch": "full"}
    ),
}  # fmt: skip


def numeric(system):
    """The field of a system as a function of (t, vector)."""

    def function(t, vector):
        leaves, structure = jax.tree.flatten(system.state)
        vector = jnp.asarray(vector)
        places = np.cumsum([0, *(leaf.size for leaf in leaves)])
        state = jax.tree.unflatten(
            structure,
            [vector[a:b].reshape(leaf.shape) for a, b, leaf in zip(places, places[1:], leaves, strict=False)],
        )
        if isinstance(system, curlflow.Flow):
            result = system.velocity(t, state)
        else:
            result = system.constraint.retract(system.step(t, state, system.args))
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(result)])

    return function


def assert_equal(system, field, points=5):
    """Field and Jacobian agree with the numeric system and its automatic derivative at random points."""
    function = numeric(system)
    both = jax.jit(lambda t, x: (function(t, x), jax.jacfwd(function, argnums=1)(t, x)))
    f, j, tr = (field.lambdify(what) for what in ("field", "jacobian", "divergence"))
    time = 0.7 if isinstance(system, curlflow.Flow) else 3
    rng = np.random.default_rng(1)
    for x in rng.normal(size=(points, len(field.states))):
        value, jacobian = both(time, x)
        np.testing.assert_allclose(f(time, x), value, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(j(time, x), jacobian, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(tr(time, x), np.trace(jacobian), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("value", [0.5, 0.1, 1 / 3, -(2.0**-1074), 1e300, 7, True])
def test_numbers_become_themselves(value):
    assert (bool if isinstance(value, bool) else float)(exact(value)) == value
    assert exact(0.5) == sympy.Rational(1, 2)


@pytest.mark.parametrize("name", SPECS)
def test_field_and_jacobian_are_those_of_the_learning_rule(name, x64):
    system = SPECS[name].build().system()
    assert_equal(system, symbolic_field(SPECS[name]))


@pytest.mark.parametrize("name", ["lorenz63", "rossler", "henon", "logistic", "standard_map"])
@pytest.mark.parametrize("parameters", ["numbers", "symbols"])
def test_classical_systems(name, parameters, x64):
    system = getattr(curlflow.systems, name)()
    assert_equal(system, symbolic_field(system, parameters=parameters))


def test_the_chain_rule_is_that_of_sympy():
    field = symbolic_field(SPECS["feedback"])
    difference = field.jacobian - field.field.jacobian(field.states)
    assert all(vanishes(entry) for entry in difference)


@pytest.mark.quick
def test_lorenz_by_hand():
    x, y, z, s, r, b = sympy.symbols("x y z sigma rho beta", real=True)
    names = {"x0": "x", "x1": "y", "x2": "z", "p1": "sigma", "p2": "rho", "p3": "beta"}
    field = symbolic_field(curlflow.systems.lorenz63(), parameters="symbols", names=names)
    assert field.states == (x, y, z)
    assert field.parameters == (s, r, b)
    assert field.values == {s: 10, r: 28, b: exact(8 / 3)}
    assert sympy.expand(field.divergence + s + 1 + b) == 0
    assert sympy.expand(field.jacobian - sympy.Matrix([[-s, s, 0], [r - z, -1, -x], [y, x, -b]])) == sympy.zeros(3)
    assert sympy.expand(field.curl + field.curl.T) == sympy.zeros(3)
    assert field.is_gradient is False
    zero, *wings = field.fixed_points()
    assert zero == {x: 0, y: 0, z: 0}
    assert {w[z] for w in wings} == {r - 1}
    assert {sympy.simplify(w[x] ** 2 - b * (r - 1)) for w in wings} == {0}
    other = field.lambdify()(0.0, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(other, [1.0, 1 * (2 - 3) - 2, 2 - 9], atol=1e-14)


def test_constant_parts_of_a_map():
    henon = symbolic_field(curlflow.systems.henon(), parameters="symbols")
    assert sympy.simplify(henon.jacobian.det() + henon.parameters[1]) == 0  # det J = −b
    assert henon.kind == "map"
    standard = symbolic_field(curlflow.systems.standard_map(), parameters="symbols")
    assert sympy.simplify(standard.jacobian.det()) == 1


LOSSES = {
    "linear": lambda a: a,
    "tanh": sympy.tanh,
    "relu": lambda a: a * step(a),
}


@pytest.mark.parametrize("phi", LOSSES)
def test_gradient_descent_is_integrable_and_its_potential_is_the_loss(phi, x64):
    problem = spec(phi=phi).build()
    field = symbolic_field(problem.flow())
    assert field.is_gradient is True
    assert field.curl == sympy.zeros(6)
    x, y = ([[exact(v) for v in row] for row in a] for a in (problem.x_train, problem.y_train))
    w1, w2 = sympy.Matrix(2, 2, field.states[:4]), sympy.Matrix(1, 2, field.states[4:])
    if phi == "linear":  # exactly the loss of the rounded moments ½ (w2W1 − V) Σ (w2W1 − V)ᵀ
        covariance, teacher = (sympy.Matrix(as_objects(a)) for a in (problem.covariance, problem.teacher.product()))
        residual = w2 * w1 - teacher
        loss = (residual * covariance * residual.T)[0] / 2
    else:
        activities = [[LOSSES[phi](w1[i, 0] * x[0][p] + w1[i, 1] * x[1][p]) for i in range(2)] for p in range(3)]
        loss = sum((w2[0] * h[0] + w2[1] * h[1] - y[0][p]) ** 2 for p, h in enumerate(activities)) / 6
    difference = field.potential() - loss
    assert all(vanishes(sympy.diff(difference, w)) for w in field.states)
    value = sympy.lambdify(field.states, loss, modules=NUMERIC)  # the loss above is that of the task
    network = problem.student.with_weights((np.array([[0.3, -0.5], [0.2, 0.9]]), np.array([[1.1, -0.4]])))
    expected = float(problem.samples.error(network))
    np.testing.assert_allclose(value(0.3, -0.5, 0.2, 0.9, 1.1, -0.4), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["linear_samples", "sigmoid", "postsynaptic", "synapse", "feedback", "deep", "spheres"]
)
def test_other_rules_are_not_integrable(name):
    field = symbolic_field(SPECS[name])
    assert field.is_gradient is False
    with pytest.raises(ValueError, match="there is no potential"):
        field.potential()


def test_squashed_outputs_follow_the_matching_loss_and_are_integrable():
    # No φ_out′ in the rule: V = Σ log cosh a − y a, which is a gradient; see docs/model.md.
    field = symbolic_field(spec(inputs=1, hidden=1, out="tanh", data={"samples": 2}))
    assert field.is_gradient is True


def test_all_flips_of_one_layer_make_it_a_saddle_flow_of_the_loss():
    # F = −D∇E: with symbols for gains the Jacobian is D times a symmetric matrix.
    field = symbolic_field(SPECS["linear"].replace("rule", {"kind": "curl", "flipped": {"hidden": 0.5}}))
    gains = sympy.diag(1, 1, 1, 1, -1, 1)
    product = sympy.expand(gains * field.jacobian)
    assert product == product.T
    assert field.is_gradient is False


@pytest.mark.quick
def test_conserved_quantities_of_a_linear_network():
    # Gradient flow conserves W1W1ᵀ − W2ᵀW2 entry by entry; with flips of hidden units
    # the diagonal of D2 W1W1ᵀ − W2ᵀW2.
    for flipped, d in ((0, (1, 1)), (0.5, (-1, 1))):
        s = SPECS["linear"].replace("rule", {"kind": "curl", "flipped": {"hidden": flipped}})
        field = symbolic_field(s)
        found = field.conserved_quantities(2)
        w1, w2 = sympy.Matrix(2, 2, field.states[:4]), sympy.Matrix(1, 2, field.states[4:])
        for c in found:
            assert _change(field, c) == 0
        basis = sympy.Matrix([_coefficients(c, field.states) for c in found])
        assert basis.rank() == len(found)
        for i in range(2):
            c = d[i] * (w1 * w1.T)[i, i] - w2[i] ** 2
            assert basis.col_join(sympy.Matrix([_coefficients(c, field.states)])).rank() == len(found)
    # d2 enters as w2_i w2_j (d_i and d_j differ): the off-diagonal entry is conserved for equal signs only.
    same = symbolic_field(SPECS["linear"]).conserved_quantities(2)
    assert len(same) > len(found)


def _change(field, c):
    return sympy.expand(sum(sympy.diff(c, x) * f for x, f in zip(field.states, field.field, strict=True)))


def _coefficients(c, states):
    polynomial = sympy.Poly(c, *states)
    monomials = [a * b for i, a in enumerate(states) for b in states[i:]]
    return [polynomial.coeff_monomial(m) for m in (*states, *monomials)]


def test_conserved_quantities_are_generators():
    # A harmonic oscillator: the energy, and at degree 4 nothing but its square.
    field = symbolic_field(curlflow.systems.linear([[0.0, 1.0], [-1.0, 0.0]]))
    x, y = field.states
    assert field.conserved_quantities(4) == [x**2 + y**2]
    # A pendulum keeps y²/2 − cos x, which is no polynomial; the Lorenz system keeps nothing.
    assert symbolic_field(curlflow.systems.lorenz63()).conserved_quantities(2) == []
    # A map: x → y → −x is a quarter turn.
    quarter = curlflow.Map(lambda i, x, _: jnp.stack([x[1], -x[0]]), [1.0, 2.0])
    found = symbolic_field(quarter).conserved_quantities(4)
    x, y = symbolic_field(quarter).states
    assert found[0] == x**2 + y**2
    assert len(found) == 3  # invariants of the group of four turns: generators of degree 2, 4 and 4
    with pytest.raises(ValueError, match="degree: got 0, allowed are whole numbers from 1"):
        field.conserved_quantities(0)
    with pytest.raises(ValueError, match="monomials in 6 states; allowed are"):
        symbolic_field(SPECS["linear"]).conserved_quantities(9)


class Oja(AbstractLearningRule):
    """Hebbian growth with Oja's decay, ⟨h xᵀ⟩ − diag⟨h²⟩ W, in every layer."""

    rate: float

    def velocity(self, network, task):
        x, _ = task.residuals(network)
        h = network.forward(x).activities
        n = x.shape[1]
        return network.with_weights(
            self.rate * (post @ pre.T / n - jnp.sum(post**2, axis=1, keepdims=True) / n * w)
            for w, pre, post in zip(network.weights, h, h[1:], strict=False)
        )


def test_a_rule_of_the_users_own(x64):
    s, rule = SPECS["tanh"], Oja(0.3)
    system = s.build(rule=rule).system()
    assert_equal(system, symbolic_field(s, rule=rule))
    assert symbolic_field(s, rule=rule).is_gradient is False
    # One linear unit: ẇ = Cw − (wᵀCw) w, with fixed points at the unit eigenvectors.
    one = curlflow.Flow(lambda t, w, c: c @ w - (w @ c @ w) * w, [0.3, 0.4], np.diag([3.0, 1.0]))
    w0, w1 = symbolic_field(one).states
    points = symbolic_field(one).fixed_points()
    assert {(p[w0], p[w1]) for p in points} == {(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)}


def strange(t, x, args):
    """Many operations at once: loops, cases, places, products, the functions of the table."""
    i = jax.lax.fori_loop(0, 3, lambda k, total: total * x + jnp.sin(k * x), jnp.zeros(3))
    w = jax.lax.scan(lambda c, v: (c * 0.5 + v, c * v), x[0], x, reverse=True)[1]
    smooth = jnp.exp(-(x**2)) + jnp.log(1 + x**2) + jax.nn.silu(x) + jnp.cos(x) / jnp.sqrt(1 + jnp.square(x))
    kinks = jnp.abs(x) * jnp.sign(x[::-1]) + jnp.maximum(x, -0.5) + jax.nn.relu(x) + x % 0.7 + x[0] % (x[1] + 2)
    parts = jnp.where((x > 0) & ~(x > 1) | (x < -2), x, -x) + jnp.roll(x, 1) + jnp.sum(x >= x[::-1]) - (x <= 0.2)
    nested = jnp.where(jnp.where(x > 0, x < 0.4, x > -0.4) == (x != 0), x, 2.0) + jnp.where(x == 0, 1.0, x)
    outer = jnp.einsum("i,j,k->k", x, x, jnp.array([1.0, 2.0, 3.0])) + jnp.linalg.norm(x) + args * t
    batch = jnp.einsum("bi,bji->bj", jnp.outer(x, x), x[:, None, None] * jnp.ones((3, 1, 3)))[:, 0]
    slope = jax.grad(lambda v: jnp.sum(jnp.tanh(v) ** 3) + v[0] ** 2)(x) + jax.lax.stop_gradient(2.0) * x.reshape(3)
    return i + w + smooth + kinks + parts + nested + outer + batch + slope


def test_operations(x64):
    system = curlflow.Flow(strange, [0.3, 0.5, -0.7], 2.0)
    assert_equal(system, symbolic_field(system), points=20)


def test_draws_that_do_not_depend_on_the_state_are_numbers(x64):
    def kicked(t, x, args):
        return x * jax.random.normal(jax.random.key(0), (2,))

    def indexed(i, x, key):
        return x + jax.random.permutation(key, 2)[0] + i

    field = symbolic_field(curlflow.Flow(kicked, [1.0, 2.0]))
    expected = np.asarray(jax.random.normal(jax.random.key(0), (2,)))
    np.testing.assert_allclose(field.lambdify()(0.0, [1.0, 1.0]), expected, rtol=1e-14)
    system = curlflow.Map(indexed, [1.0, 2.0], args=jax.random.key(1))
    assert_equal(system, symbolic_field(system))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda t, x, args: jnp.sort(x), "sort"),
        (lambda t, x, args: jnp.real(jnp.fft.rfft(x)), "fft"),
        (lambda t, x, args: jnp.linalg.cholesky(jnp.outer(x, x))[0], "cholesky"),
        (lambda t, x, args: jax.lax.while_loop(lambda v: v[0] < 1, lambda v: 2 * v, x), "while"),
        (lambda t, x, args: jax.lax.cond(x[0] > 0.1, lambda v: v * 2, lambda v: v - 1, x), "cond"),
        (lambda t, x, args: x.at[0].set(x[1]), "scatter"),
        (lambda t, x, args: jnp.cumsum(x), "cumsum"),
        (lambda t, x, args: jnp.floor(x), "floor"),
    ],
)
def test_operations_without_a_symbolic_form_are_named(function, name):
    sentence = (
        f"system: the operation {name} has no symbolic form here; known are abs, .*, transpose. Write the system"
    )
    with pytest.raises(ValueError, match=sentence):
        symbolic_field(curlflow.Flow(function, [1.0, 2.0]))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda t, x, args: x * x.astype(int), "convert_element_type"),
        (lambda t, x, args: x * (jnp.sum(x > 0) // 2), "div"),
        (lambda t, x, args: x * (jnp.sum(x > 0) & 1), "and"),
        (lambda t, x, args: jax.lax.select_n((x > 0).astype("int32"), x, 2 * x), "select_n"),
    ],
)
def test_whole_numbers_that_depend_on_the_state_are_refused(function, name):
    sentence = f"operation {name} has no symbolic form here for integers that depend on the state; known are"
    with pytest.raises(ValueError, match=sentence):
        symbolic_field(curlflow.Flow(function, [1.0, 2.0]))


def test_what_depends_on_the_state_but_must_be_known_is_refused():
    def index(t, x, args):
        return x + x[(x[0] > 0).astype(int)]

    with pytest.raises(ValueError, match=r"operation (gather|dynamic_slice) has no symbolic form here"):
        symbolic_field(curlflow.Flow(index, [1.0, 2.0]))
    with pytest.raises(ValueError, match="operation random_fold_in has no symbolic form here"):
        symbolic_field(SPECS["tanh"].replace("dynamics", {"kind": "updates", "batch": 1}))
    long = curlflow.Flow(lambda t, x, args: jax.lax.fori_loop(0, 1001, lambda k, v: 2 * v, x), [1.0])
    with pytest.raises(ValueError, match="a loop of 1001 turns would be written out, allowed are 1000"):
        symbolic_field(long)


def test_other_operations_on_numbers_alone_are_done_by_jax(x64):
    def solved(t, x, args):
        return jnp.linalg.solve(args, jnp.ones(2)) * x + jax.lax.cond(args[0, 0] > 1, jnp.floor, jnp.ceil, args[1])

    system = curlflow.Flow(solved, [1.0, 2.0], np.array([[2.5, 1.0], [0.5, 3.2]]))
    assert_equal(system, symbolic_field(system))
    with pytest.raises(ValueError, match="has no symbolic form here; known are abs, "):
        symbolic_field(system, parameters="symbols")


def test_names():
    field = symbolic_field(
        SPECS["linear"].replace("rule", {"kind": "curl", "flipped": {"inputs": 0.5}}), parameters="symbols"
    )
    assert [s.name for s in field.states] == ["W1_0_0", "W1_0_1", "W1_1_0", "W1_1_1", "W2_0_0", "W2_0_1"]
    assert [s.name for s in field.parameters] == [
        "gains1_0_0", "gains1_0_1", "gains2_0_0", "gains2_0_1", "covariance_0_0", "covariance_0_1", "covariance_1_1",
        "teacher_0_0", "teacher_0_1",
    ]  # fmt: skip
    assert [s.name for s in symbolic_field(spec(1, 1)).states] == ["w1", "w2"]
    pendulum = curlflow.Flow(
        lambda t, x, args: {"angle": x["rate"], "rate": -args["gravity"] * jnp.sin(x["angle"]) * jnp.ones(1)[0]},
        {"angle": np.asarray(2.0), "rate": np.asarray(0.0)},
        {"gravity": 1.0},
    )
    field = symbolic_field(pendulum, parameters=["gravity"])
    assert [s.name for s in (*field.states, *field.parameters)] == ["angle", "rate", "gravity"]
    assert str(field) == "dangle/dt = rate\ndrate/dt = -gravity*sin(angle)"
    some = symbolic_field(SPECS["linear"], parameters=["teacher"])
    assert [s.name for s in some.parameters] == ["teacher_0_0", "teacher_0_1"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"parameters": "all"}, 'parameters: got \'all\', allowed are "numbers", "symbols" and a list of names'),
        ({"parameters": 5}, "parameters: got 5, allowed are"),
        ({"realization": 1}, "realization: got 1; a system has none, leave it out"),
        ({"parameters": ["sigma"]}, "parameters: got 'sigma', there are p1, p2, p3"),
        ({"names": ["x"]}, r"names: got \['x'\], required are 3 names of states"),
        ({"names": {"w": "x"}}, "names: got 'w', there are x0, x1, x2"),
        ({"names": ["x", "y", "x"]}, "does not make different names"),
        ({"rule": 1}, "rule: got 1; a system has its rule already"),
        ({"names": ["t", "y", "z"]}, "there are two of the name t, one of which is the time"),
        ({"names": ["a b", "y", "z"]}, "names: got 'a b', allowed are letters, digits and _"),
        ({"names": {"x0": "1x"}}, "names: got '1x', allowed are letters, digits and _"),
        ({"names": [1, "y", "z"]}, "names: got 1, allowed are letters"),
    ],
)
def test_bad_arguments(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        symbolic_field(curlflow.systems.lorenz63(), **arguments)


def test_bad_subjects():
    with pytest.raises(ValueError, match="spec_or_system: got 3, required is a curlflow.Spec, Flow or Map"):
        symbolic_field(3)
    with pytest.raises(ValueError, match="got 15111 states, allowed are 64"):
        symbolic_field(curlflow.preset("fig3a").replace({"network.inputs": 72, "network.hidden": 207}))
    with pytest.raises(ValueError, match="got 65 states, allowed are 64"):
        symbolic_field(curlflow.systems.lorenz96(65))
    field = symbolic_field(curlflow.systems.lorenz63())
    with pytest.raises(ValueError, match="what: got 'hessian', allowed are field, jacobian, divergence"):
        field.lambdify("hessian")
    with pytest.raises(ValueError, match="x: got shape"):
        field.lambdify()(0.0, [1.0])
    with pytest.raises(ValueError, match=r"x: got \['a', 'b', 'c'\], required are real numbers"):
        field.lambdify()(0.0, ["a", "b", "c"])
    numeric_field = curlflow.symbolic.two_weight_model().field.lambdify()
    with pytest.raises(ValueError, match=r"parameters: got 1, required are 2 \(sigma, v\)"):
        numeric_field(0.0, [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match=r"parameters: got .*, required are 2 in a list \(sigma, v\)"):
        numeric_field(0.0, [1.0, 2.0], {"v": 2.0})
    for expression in (3, "x", None):
        with pytest.raises(ValueError, match="expression: got .*, required is a SymPy expression or matrix"):
            readable(expression)


def test_grids():
    field = symbolic_field(curlflow.systems.rossler())
    points = np.random.default_rng(0).normal(size=(3, 4, 5))
    values, jacobians = field.lambdify()(0.0, points), field.lambdify("jacobian")(0.0, points)
    assert values.shape == (3, 4, 5)
    assert jacobians.shape == (3, 3, 4, 5)
    np.testing.assert_array_equal(values[:, 1, 2], field.lambdify()(0.0, points[:, 1, 2]))


def test_vanishing_is_certain_or_says_so():
    x, y = sympy.symbols("x y", real=True)
    assert vanishes((x + y) ** 2 - x**2 - 2 * x * y - y**2) is True
    assert vanishes(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1) is True
    assert vanishes(1 / (1 + sympy.exp(-x)) - sympy.exp(x) / (1 + sympy.exp(x))) is True
    assert vanishes(x - y) is False
    either = sympy.Piecewise((x, sympy.Xor(x > 0, y > 0)), (0, True))
    assert vanishes(either - x * indicator(sympy.Xor(x > 0, y > 0))) is True
    assert vanishes(either) is False
    assert vanishes(sympy.Piecewise((x, x > 0), (0, True)) - x * sympy.Piecewise((1, x > 0), (0, True))) is True
    assert vanishes(sympy.Rational(1, 10**40) * x) is False


def test_the_state_stays_on_spheres():
    # W · F = 0 layer by layer, identically: the projection is in the symbolic field.
    field = symbolic_field(SPECS["spheres"])
    for layer in (slice(0, 4), slice(4, 6)):
        radial = sum(w * f for w, f in zip(field.states[layer], field.field[layer, 0], strict=True))
        assert vanishes(radial)
    assert isinstance(SPECS["spheres"].build().constraint, FrobeniusSpheres)
    free = symbolic_field(SPECS["spheres"].replace("constraint", {"kind": "none"}))
    assert free.field != field.field


def test_conditions_count_as_zero_and_one():
    x, y = sympy.symbols("x y", real=True)
    conditions = [x > y, x < y, x >= y, x <= y, sympy.Eq(x, y), sympy.Ne(x, y)]
    conditions += [(x > 0) & (y > 0), (x > 0) | (y > 0), sympy.Xor(x > 0, y > 0), sympy.ITE(x > 0, y > 0, y < 0)]
    for condition in conditions:
        for a, b in [(1, 1), (1, -2), (-1, 2), (0, 0), (-1, -1), (0, 1)]:
            assert indicator(condition).subs({x: a, y: b}) == int(bool(condition.subs({x: a, y: b})))
    assert maximum(x, -sympy.oo) == x


def test_readable_rounds_for_the_eye_only():
    x = sympy.Symbol("x")
    assert str(readable(exact(0.1) * x + sympy.Rational(1, 3))) == "0.1*x + 1/3"


def test_rows_of_tangents_are_in_the_order_of_the_states(x64):
    # The order of `states` is that of the measures, so that Jacobians can be handed to them.
    system = SPECS["two_outputs"].build().flow()
    flat = as_rows(jax.tree.map(lambda leaf: leaf[None], system.state))[0]
    field = symbolic_field(system)
    np.testing.assert_allclose(
        field.lambdify()(0.0, flat), as_rows(jax.tree.map(lambda v: v[None], system.velocity(0.0, system.state)))[0]
    )


def test_the_page_runs_and_prints_what_it_says():
    page = (Path(__file__).parent.parent.parent / "docs" / "symbolic.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)\n```", page, flags=re.S)
    assert len(blocks) == page.count("```python") > 5
    namespace = {"__name__": "page"}
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/symbolic.md", "exec"), namespace)
        assert [line.rstrip() for line in printed.getvalue().rstrip().splitlines()] == expected.splitlines()


def test_symmetric_up_to_rounding_is_not_symmetric():
    symmetric = curlflow.systems.linear([[1.0, 0.1], [0.1, 2.0]])
    nearly = curlflow.systems.linear([[1.0, 0.1], [np.nextafter(0.1, 1), 2.0]])
    assert symbolic_field(symmetric).is_gradient is True
    assert symbolic_field(nearly).is_gradient is False


def test_no_symbol_stands_for_two_things():
    def scaled(t, x, args):
        return {"t": t * x["t"]}

    state = {"t": np.asarray(2.0)}
    with pytest.raises(ValueError, match="there are two of the name t, one of which is the time"):
        symbolic_field(curlflow.Flow(scaled, state))
    renamed = symbolic_field(curlflow.Flow(scaled, state), names={"t": "tau"})
    assert renamed.divergence == renamed.time
    assert symbolic_field(curlflow.Map(lambda i, x, _: {"t": 2 * x["t"]}, state)).states[0].name == "t"
    with pytest.raises(ValueError, match="two of the name i, one of which is the index of the iteration"):
        symbolic_field(curlflow.Map(lambda i, x, _: x + i, [1.0, 2.0]), names=["i", "j"])
    both = curlflow.Flow(lambda t, x, args: {"a": args["a"] * x["a"]}, {"a": np.asarray(1.0)}, {"a": 2.0})
    with pytest.raises(ValueError, match="there are two of the name a"):
        symbolic_field(both, parameters="symbols")
    # Names of functions are names like others.
    odd = symbolic_field(curlflow.Flow(lambda t, x, args: jnp.sin(x), [1.0, 2.0]), names=["sin", "lambda"])
    np.testing.assert_allclose(odd.lambdify()(0.0, [1.0, 2.0]), np.sin([1.0, 2.0]))


@pytest.mark.parametrize(
    "function",
    [
        lambda t, x, args: jnp.abs(x + 1j),
        lambda t, x, args: x * jnp.real(jnp.exp(1j * jnp.pi)),
        lambda t, x, args: x * jnp.abs(jnp.asarray([1, 1j])),
        lambda t, x, args: jnp.real(x.astype(complex)),
    ],
)
def test_complex_numbers_are_refused(function):
    with pytest.raises(ValueError, match="complex numbers have no symbolic form here"):
        symbolic_field(curlflow.Flow(function, [1.0, 2.0]))
    with pytest.raises(ValueError, match="complex numbers have no symbolic form here"):
        exact(np.complex128(1 + 1j))


def test_where_a_field_is_not_a_number_nothing_is_proved():
    with pytest.raises(ValueError, match="system: its entry 0 is nan for every state, required are finite numbers"):
        symbolic_field(curlflow.Flow(lambda t, x, args: x * jnp.nan, [1.0, 2.0]))
    half = symbolic_field(curlflow.Flow(lambda t, x, args: jnp.where(x > 0, x, jnp.nan), [1.0, 2.0]))
    assert half.is_gradient is None
    with pytest.raises(ValueError, match="no closed form of its potential"):
        half.potential()
    assert vanishes(sympy.Symbol("x") * sympy.Piecewise((sympy.nan, sympy.Symbol("x") > 0), (0, True))) is None


POTENTIALS = {
    "cosine": lambda x: jnp.cos(x[0] * x[1]),
    "sigmoid": lambda x: jax.nn.sigmoid(x[0] * x[1] * x[2]) ** 2,
    "cube": lambda x: jnp.tanh(x[0] * x[1] - x[2]) ** 3,
    "softplus": lambda x: jnp.log(1 + jnp.exp(x[0] + x[1] * x[2])),
    "gaussian": lambda x: jnp.exp(-(x[0] ** 2) - x[1] ** 2) * x[0],
    "relu": lambda x: ((x[0] * x[1] + x[2]) * (x[0] * x[1] + x[2] > 0)) ** 3,
}


@pytest.mark.parametrize("name", POTENTIALS)
def test_potentials_are_what_the_gradient_was_taken_of(name, x64):
    function = POTENTIALS[name]
    field = symbolic_field(curlflow.Flow(lambda t, x, args: -jax.grad(function)(x), [0.3, 0.5, 0.7]))
    potential = field.potential()
    assert not potential.has(sympy.Integral, sympy.Piecewise)
    value = sympy.lambdify((field.states,), potential, modules=NUMERIC)
    points = np.random.default_rng(2).normal(size=(20, 3))
    difference = [value(p) - float(function(p)) for p in points]
    np.testing.assert_allclose(difference, difference[0], atol=1e-12)


@pytest.mark.parametrize("out", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize(("phi", "width"), [("linear", 1), ("relu", 1), ("sigmoid", 1), ("relu", 2)])
def test_potential_of_squashed_outputs_is_the_matching_loss(phi, out, width, x64):
    # ⟨Φ(a) − y a⟩ with Φ′ the activation of the output and a its input: equation (2) of docs/model.md.
    s = spec(width, width, phi=phi, out=out, data={"samples": 1})
    field, problem = symbolic_field(s), s.build()
    potential = sympy.lambdify((field.states,), field.potential(), modules=NUMERIC)
    x, y = np.asarray(problem.task.x), np.asarray(problem.task.y)
    inner = {"linear": lambda a: a, "relu": lambda a: np.maximum(a, 0), "sigmoid": lambda a: 1 / (1 + np.exp(-a))}
    outer = {
        "tanh": lambda a: np.log(np.cosh(a)),
        "relu": lambda a: np.maximum(a, 0) ** 2 / 2,
        "sigmoid": lambda a: np.log(1 + np.exp(a)),
    }

    def loss(w):
        a = (w[width**2 :] @ inner[phi](w[: width**2].reshape(width, width) @ x)).item()
        return outer[out](a) - y.item() * a

    points = np.random.default_rng(3).normal(size=(20, len(field.states)))
    difference = [potential(p) - loss(p) for p in points]
    np.testing.assert_allclose(difference, difference[0], atol=1e-12)


def test_a_formal_integral_is_no_potential():
    # ∂V/∂x = x tanh x has no elementary integral.
    field = symbolic_field(curlflow.Flow(lambda t, x, args: x * jnp.tanh(x), [1.0]))
    with pytest.raises(ValueError, match="no closed form of its potential was found"):
        field.potential()


def test_steps_at_complex_values_stay_as_they_are():
    # SymPy tries them when it simplifies: neither an error nor a recursion without end.
    assert step(1 + 2 * sympy.I).evalf().has(step)
    assert step(sympy.Symbol("z")).evalf(20).has(step)
    assert step(sympy.sqrt(2) - sympy.Rational(7, 5)) == 1
    kinked = symbolic_field(
        curlflow.Flow(lambda t, x, args: -jax.grad(lambda v: jnp.maximum(v[0] * v[1], 0.0) ** 3)(x), [1.0, 2.0])
    )
    with pytest.raises(ValueError, match="no closed form of its potential was found"):
        kinked.potential()


def test_a_local_gradient_may_have_a_circulation():
    # (x1, −x0)/r²: J = Jᵀ, and the integral once around the origin is −2π.
    vortex = symbolic_field(curlflow.Flow(lambda t, x, _: jnp.stack([x[1], -x[0]]) / jnp.sum(x**2), [1.0, 0.5]))
    assert vortex.is_gradient is True
    angle = np.linspace(0, 2 * np.pi, 101)[:-1]
    velocity = vortex.lambdify()(0.0, np.array([np.cos(angle), np.sin(angle)]))
    along = velocity[1] * np.cos(angle) - velocity[0] * np.sin(angle)
    np.testing.assert_allclose(along.mean(), -1, rtol=1e-14)
