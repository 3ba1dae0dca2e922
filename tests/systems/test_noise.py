"""Learning with noise: batches by enumeration and chi-square, the equation of noise by closed forms and orders."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import velocity as slow_velocity
from scipy.stats import chi2

import curlflow
from curlflow import Diffusion, Flow, Map, Spec
from curlflow.constraints import Free, FrobeniusSpheres
from curlflow.networks import Feedforward
from curlflow.precision import jax_settings
from curlflow.rules import AbstractLearningRule, Gradient
from curlflow.solvers.integrate import Adaptive
from curlflow.systems.learning import full_batch_updates, independent_batches, minibatch_updates
from curlflow.systems.sampling_noise import learning_diffusion
from curlflow.tasks import Samples, SecondMoments

with jax_settings():
    KEY = jax.random.key(5)
AT_ONCE = {"transient": 0, "alignment": 0}
SPEC = Spec(
    network={"inputs": 4, "hidden": 9}, data={"samples": 12}, seed=3,
    rule={"kind": "curl", "flipped": {"inputs": 0.3, "hidden": 0.2}}, constraint={"kind": "frobenius"},
    dynamics={"kind": "sde", "batch": 3},
)  # fmt: skip


def one_weight(samples=12, residual=0.0):
    """ŷ = w x on a few samples, at its solution but for noise of the targets."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, samples))
    return Feedforward([np.array([[0.7]])]), Samples(x, 0.3 * x + residual * rng.normal(size=(1, samples)))


def small_network(activation="tanh", samples=6):
    """Two inputs, two hidden units, one output, far from any solution."""
    rng = np.random.default_rng(4)
    network = Feedforward([rng.normal(size=(2, 2)), rng.normal(size=(1, 2))], activation)
    return network, Samples(rng.normal(size=(2, samples)), rng.normal(size=(1, samples)))


@eqx.filter_jit
def advanced(system, span):
    return system.advance(system.state, None, span, system.clock()).state


def flat(network):
    return np.concatenate([np.ravel(w) for w in network.weights])


# Batches.


def test_every_batch_of_independent_drawing_is_equally_likely(x64):
    drawn = jax.jit(jax.vmap(lambda epoch: independent_batches(KEY, epoch, 6, 2)))(np.arange(1000))
    drawn = np.sort(np.asarray(drawn), axis=2)
    assert drawn.shape == (1000, 3, 2)
    assert (drawn[:, :, 0] < drawn[:, :, 1]).all()
    subsets, counts = np.unique(drawn.reshape(-1, 2), axis=0, return_counts=True)
    assert subsets.tolist() == [list(pair) for pair in itertools.combinations(range(6), 2)]
    assert np.sum((counts - 200) ** 2 / 200) < chi2.ppf(0.999, 14)
    # Independent of the one before: it is the same one in a fifteenth of all cases, not never.
    assert abs((drawn[:, 0] == drawn[:, 1]).all(axis=1).mean() - 1 / 15) < 4 * np.sqrt(14 / 15**2 / 1000)


def test_independent_batches_of_all_samples_are_the_samples(x64):
    assert np.sort(independent_batches(KEY, 3, 7, 7)).tolist() == [list(range(7))]
    problem = SPEC.replace("dynamics", {"kind": "updates", "batch": 4, "drawing": "independent"}).build()
    assert (problem.batches(2) == np.asarray(independent_batches(problem.batch_key, 2, 12, 4))).all()
    assert sorted(problem.batches(2, drawing="reshuffled").ravel().tolist()) == list(range(12))


@pytest.mark.parametrize("drawing", ["reshuffled", "independent"])
def test_exponent_of_one_weight_is_the_mean_over_the_drawn_batches(x64, drawing):
    network, samples = one_weight()
    rate, batch, epochs = 0.6, 2, 3000
    updates = minibatch_updates(network, Gradient(), samples, Free(), rate, batch, KEY, drawing)
    ds = curlflow.lyapunov(updates, duration=epochs * rate, **AT_ONCE)
    h = rate * batch / 12
    squares = samples.x[0] ** 2
    drawn = np.array([curlflow.systems.learning.DRAWINGS[drawing](KEY, i, 12, batch) for i in range(20)])
    first = ds.local_exponent[0, :, 0].to_numpy()
    block = float(ds.time[0]) / rate
    assert block == round(block)
    cut = 20 - 20 % int(block)
    per_epoch = np.log(np.abs(1 - h * squares[drawn].mean(axis=2))).sum(axis=1)[:cut] / rate
    np.testing.assert_allclose(first[: cut // int(block)], per_epoch.reshape(-1, int(block)).mean(axis=1), rtol=1e-10)
    # Any two samples are as likely to be together, with either drawing.
    pairs = np.array(list(itertools.combinations(squares, 2))).mean(axis=1)
    expected = np.log(np.abs(1 - h * pairs)).mean() / h
    assert abs(float(ds.lyapunov_exponent[0, 0]) - expected) < 4 * float(ds.lyapunov_exponent_se[0, 0])
    assert 0 < float(ds.lyapunov_exponent_se[0, 0]) < 0.02


def test_exponent_of_single_samples_has_a_closed_form(x64):
    network, samples = one_weight()
    updates = minibatch_updates(network, Gradient(), samples, Free(), 0.6, 1, KEY)
    ds = curlflow.lyapunov(updates, duration=60, **AT_ONCE)
    h = 0.6 / 12
    exact = np.log(np.abs(1 - h * samples.x**2)).mean() / h
    np.testing.assert_allclose(ds.lyapunov_exponent[0, 0], exact, rtol=1e-12)
    assert bool(ds.converged[0])


@pytest.mark.parametrize("dynamics", [{"kind": "updates", "drawing": "independent"}, {"kind": "sde"}])
def test_runs_that_are_resumed_go_on_exactly(dynamics):
    spec = SPEC.replace("dynamics", {"batch": 3, **dynamics})
    given = {"exponents": 2, "transient": 5, "alignment": 5, "block": 0.5}
    whole = curlflow.lyapunov(spec, duration=20, **given)
    half = curlflow.lyapunov(spec, duration=10, **given)
    both = curlflow.lyapunov(spec, duration=10, resume=half)
    np.testing.assert_array_equal(both.local_exponent, whole.local_exponent)
    np.testing.assert_array_equal(both.final_state, whole.final_state)
    assert float(both.final_position[0]) == float(whole.final_position[0]) == 300


# Equations with noise of the user's own.


def drift(t, x, args):
    return -args[0] * x


def proportional(t, x, args, increments):
    return args[1] * x * increments


def test_steps_equal_a_plain_loop_however_they_are_cut(x64):
    motion = Diffusion(drift, proportional, [1.0, -2.0], 0.1, KEY, (0.3, 0.5))
    x, path = motion.state, []
    for k in range(37):
        x = x - 0.1 * 0.3 * x + 0.5 * x * np.asarray(motion.increments(k))
        path.append(x)
    whole = motion.advance(motion.state, None, np.int64(37), motion.clock())
    np.testing.assert_allclose(whole.state, path[-1], rtol=1e-13)
    part = motion.advance(motion.state, np.eye(2), np.int64(20), motion.clock())
    np.testing.assert_allclose(part.state, path[19], rtol=1e-13)
    # The tangents of a linear equation grow as its state does.
    np.testing.assert_allclose(np.diag(part.tangents), path[19] / motion.state, rtol=1e-13)
    np.testing.assert_allclose(part.log_volume, np.log(np.abs(path[19] / motion.state)).sum(), rtol=1e-12)
    rest = motion.advance(part.state, None, np.int64(17), part.clock)
    np.testing.assert_allclose(rest.state, whole.state, rtol=1e-14)
    coarse = Diffusion(drift, proportional, [1.0, -2.0], 0.1, KEY, (0.3, 0.5), steps=5)
    assert float(coarse.time(1)) == 0.5
    assert int(coarse.span(1.0)) == 2
    np.testing.assert_allclose(
        coarse.advance(coarse.state, None, np.int64(4), coarse.clock()).state, path[19], rtol=1e-13
    )
    other = Diffusion(drift, proportional, [1.0, -2.0], 0.1, jax.random.key(6), (0.3, 0.5))
    assert not np.allclose(other.increments(0), motion.increments(0))
    increments = np.asarray(jax.vmap(motion.increments)(np.arange(4000)))
    assert abs(increments.var() / 0.1 - 1) < 4 * np.sqrt(2 / 8000)


def test_geometric_brownian_motion_has_its_exponent(x64):
    # dw = −a w dt + σ w dB: λ = −a − σ²/2 + σ B(T)/T, and the last term goes to zero.
    a, sigma, step, time = 0.3, 0.8, 1e-3, 20.0
    motion = Diffusion(drift, proportional, [1.0], step, KEY, (a, sigma))
    ds = curlflow.lyapunov(motion, duration=time, **AT_ONCE)
    steps = np.asarray(jax.vmap(motion.increments)(np.arange(round(time / step))))
    exact = np.log(np.abs(1 - a * step + sigma * steps)).sum() / time
    np.testing.assert_allclose(ds.lyapunov_exponent[0, 0], exact, rtol=1e-9)
    spread = sigma**2 / 2 * np.sqrt(2 * step / time)
    found = float(ds.lyapunov_exponent[0, 0]) - sigma * steps.sum() / time
    assert abs(found + a + sigma**2 / 2) < 4 * spread + 2 * step
    assert ds.attrs["method"] == "euler_maruyama"
    assert float(ds.step[0]) == step


def rotated(t, x, args, increments):
    return jnp.array([[0.0, -1.0], [1.0, 0.0]]) @ x * increments[0]


def test_noise_along_a_circle_stays_on_it(x64):
    # dx = Jx dB, retracted to the circle: the angle moves by arctan ΔB, and a difference of angles not at all.
    circle = FrobeniusSpheres([1.0])
    motion = Diffusion(lambda t, x, args: 0 * x, rotated, [1.0, 0.0], 0.01, KEY, motions=1, constraint=circle)
    end = np.asarray(motion.advance(motion.state, None, np.int64(100), motion.clock()).state)
    angle = sum(np.arctan(np.asarray(motion.increments(k))[0]) for k in range(100))
    np.testing.assert_allclose(end, [np.cos(angle), np.sin(angle)], atol=1e-13)
    ds = curlflow.lyapunov(motion, duration=5, **AT_ONCE)
    assert ds.sizes["exponent"] == 1
    np.testing.assert_allclose(ds.lyapunov_exponent, 0, atol=1e-12)


# The equation of batches.


def diffusion_of(network, samples, rate, batch, rule=None, constraint=None, **options):
    options = {"steps": samples.x.shape[1] // batch, **options}
    rule, constraint = rule or Gradient(), constraint or Free()
    return learning_diffusion(network, rule, samples, samples, constraint, rate, batch, KEY, **options)


def noise_matrix(system, network):
    """g: one column for every Brownian motion."""
    units = np.eye(system.motions)
    return np.stack([flat(system.diffusion(0.0, network, system.args, unit)) for unit in units], axis=1)


@pytest.mark.parametrize("batch", [1, 2, 3, 6])
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_noise_has_the_covariance_of_all_batches(x64, activation, batch):
    network, samples = small_network(activation)
    system = diffusion_of(network, samples, 0.3, batch)
    h = 0.3 * batch / 6
    steps = [
        h * np.concatenate([f.ravel() for f in slow_velocity(
            network.weights, samples.x[:, list(some)], samples.y[:, list(some)], activation, "linear"
        )])
        for some in itertools.combinations(range(6), batch)
    ]  # fmt: skip
    covariance = np.cov(np.array(steps).T, bias=True) if len(steps) > 1 else np.zeros((6, 6))
    noise = noise_matrix(system, network)
    np.testing.assert_allclose(h * noise @ noise.T, covariance, atol=1e-15)
    np.testing.assert_allclose(h * flat(system.drift(0.0, network, system.args)), np.mean(steps, axis=0), atol=1e-15)


def test_without_noise_it_is_full_batches():
    # A batch of all samples has no noise, and one step an epoch is one update.
    sde = SPEC.replace("dynamics", {"kind": "sde", "batch": 12, "step": 0.1})
    updates = SPEC.replace("dynamics", {"kind": "updates"})
    a, b = (curlflow.simulate(spec, times=[0, 1, 20, 100]) for spec in (sde, updates))
    np.testing.assert_allclose(a.train_error, b.train_error, rtol=1e-9)
    assert a.epoch.values.tolist() == [0, 1, 20, 100]
    np.testing.assert_allclose(a.time, b.time)
    a, b = (curlflow.train(spec, epochs=50, records=5) for spec in (sde, updates))
    np.testing.assert_allclose(a.test_error, b.test_error, rtol=1e-9)
    a, b = (curlflow.fluctuations(spec, window=(10, 60), weights=5) for spec in (sde, updates))
    np.testing.assert_allclose(a.order_parameter, b.order_parameter, rtol=1e-7)


def test_narrow_networks_meet_the_same_noise():
    spec = SPEC.replace({"network.hidden": 30, "dynamics.batch": 2})
    wide, narrow = (curlflow.simulate(spec, times=[5, 50], compress=compress) for compress in (False, True))
    assert "compression" in narrow.attrs
    np.testing.assert_allclose(narrow.train_error, wide.train_error, rtol=1e-10)


def test_exponent_of_one_weight_with_noise_is_that_of_its_steps(x64):
    network, samples = one_weight()
    system = diffusion_of(network, samples, 0.6, 2, steps=60)
    ds = curlflow.lyapunov(system, duration=30, **AT_ONCE)
    squares, h = samples.x[0] ** 2, 0.1
    noise = np.sqrt(h * 10 / (2 * 11) / 12) * (squares - squares.mean())
    steps = np.asarray(jax.vmap(system.increments)(np.arange(3000)))
    exact = np.log(np.abs(1 - 0.01 * squares.mean() - steps @ noise)).sum() / 30
    np.testing.assert_allclose(ds.lyapunov_exponent[0, 0], exact, rtol=1e-9)
    # As of geometric Brownian motion, with a = ⟨x²⟩ and σ² = |noise|².
    found = float(ds.lyapunov_exponent[0, 0]) + (steps @ noise).sum() / 30
    assert abs(found + squares.mean() + noise @ noise / 2) < 0.01 * squares.mean() ** 2 + 0.003


@pytest.mark.parametrize(("correction", "order"), [(False, 1), (True, 2)])
def test_moments_of_updates_are_met_to_the_weak_order(x64, correction, order):
    # One weight at a solution of zero error: moments grow by one factor, known for either.
    network, samples = one_weight()
    errors = []
    for h in (0.04, 0.02, 0.01):
        system = diffusion_of(network, samples, 6 * h, 2, correction=correction)
        off = network.with_weights([np.array([[1.3]])])  # 1 above the solution
        a, g = flat(system.drift(0.0, off, system.args))[0], noise_matrix(system, off)[0]
        pairs = np.array(list(itertools.combinations(samples.x[0] ** 2, 2))).mean(axis=1)
        mean, square = np.log((1 - h * pairs).mean()) / h, np.log(((1 - h * pairs) ** 2).mean()) / h
        errors.append([abs(a - mean), abs(2 * a + g @ g - square)])
    orders = np.log2(np.array(errors)[:-1] / np.array(errors)[1:])
    np.testing.assert_allclose(orders, order, atol=0.2)


@pytest.mark.parametrize("on_spheres", [False, True])
def test_corrected_drift_is_that_of_full_batches_to_second_order(x64, on_spheres):
    network, samples = small_network()
    constraint = FrobeniusSpheres.through(network) if on_spheres else Free()
    ends = {}
    for correction in (False, True):
        for h in (0.1, 0.05, 0.025):
            system = diffusion_of(network, samples, h, 6, constraint=constraint, correction=correction)
            flow = Flow(
                system.drift, network, system.args, constraint=constraint, integrator=Adaptive(rtol=1e-10, atol=1e-12)
            )
            updates = full_batch_updates(network, Gradient(), samples, constraint, h)
            end, after = advanced(flow, np.float64(1.0)), advanced(updates, np.int64(round(1 / h)))
            ends[correction, h] = np.abs(flat(end) - flat(after)).max()
    for correction, order in ((False, 1), (True, 2)):
        errors = np.array([ends[correction, h] for h in (0.1, 0.05, 0.025)])
        np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), order, atol=0.25)


def covariance_about_flow(network, samples, noise_rate, time, steps=100):
    """Σ/h of the linearised equation along the flow: Σ′ = JΣ + ΣJᵀ + g gᵀ/h, by Heun's method."""
    shapes = [w.shape for w in network.weights]
    ends = np.cumsum([np.prod(s) for s in shapes])

    @jax.jit
    def parts(w):
        at = network.with_weights([p.reshape(s) for p, s in zip(jnp.split(w, ends[:-1]), shapes, strict=True)])
        ravelled = lambda v: jnp.concatenate([f.ravel() for f in v.weights])  # noqa: E731
        single = [ravelled(Gradient().velocity(at, samples.batch(np.array([s])))) for s in range(samples.x.shape[1])]
        return ravelled(Gradient().velocity(at, samples)), jnp.cov(jnp.stack(single).T, bias=True) * noise_rate

    jacobian = jax.jit(jax.jacfwd(lambda w: parts(w)[0]))

    def slope(w, sigma):
        (f, c), j = parts(w), jacobian(w)
        return np.asarray(f), np.asarray(j @ sigma + sigma @ j.T + c)

    w, sigma, d = flat(network), np.zeros((ends[-1], ends[-1])), time / steps
    for _ in range(steps):
        f1, s1 = slope(w, sigma)
        f2, s2 = slope(w + d * f1, sigma + d * s1)
        w, sigma = w + d / 2 * (f1 + f2), sigma + d / 2 * (s1 + s2)
    return sigma


def test_variance_about_the_flow_is_that_of_the_linearised_equation(x64):
    # Independent batches scatter like the square root of the step, reshuffled ones far less.
    network, samples = small_network(samples=20)
    batch, time, runs = 2, 1.0, 2000
    expected = covariance_about_flow(network, samples, (20 - batch) / (batch * 19), time)
    keys = jax.random.split(KEY, runs)

    def ends(name):
        def end(key, rate, epochs):
            options = network, Gradient(), samples, Free(), rate, batch, key
            if name == "sde":
                system = learning_diffusion(*options[:3], samples, *options[3:], steps=10)
            else:
                system = minibatch_updates(*options, name)
            return system.advance(network, None, epochs, system.clock()).state

        return jax.jit(jax.vmap(end, in_axes=(0, None, None)))

    scatter = {}
    for name in ("independent", "reshuffled", "sde"):
        run = ends(name)
        for h in (0.02, 0.01):
            rate = h * 20 / batch
            weights = [np.asarray(w).reshape(runs, -1) for w in run(keys, rate, round(time / rate)).weights]
            scatter[name, h] = np.cov(np.concatenate(weights, axis=1).T) / h
    for name in ("independent", "sde"):
        np.testing.assert_allclose(np.trace(scatter[name, 0.01]), np.trace(expected), rtol=0.1)
        distance = np.linalg.norm(scatter[name, 0.01] - expected)
        assert distance < 0.12 * np.linalg.norm(expected)
    assert np.trace(scatter["reshuffled", 0.01]) < 0.02 * np.trace(expected)
    assert np.trace(scatter["reshuffled", 0.01]) < 0.6 * np.trace(scatter["reshuffled", 0.02])


# Rules of the user's own.


class Decay(AbstractLearningRule):
    rule: AbstractLearningRule
    rate: float

    def velocity(self, network, task):
        velocity = self.rule.velocity(network, task)
        return network.with_weights(f - self.rate * w for f, w in zip(velocity.weights, network.weights, strict=True))


class Hebbian(AbstractLearningRule):
    def velocity(self, network, task):
        x, _ = task.residuals(network)
        h = network.forward(x).activities
        return network.with_weights(after @ before.T / x.shape[1] for before, after in itertools.pairwise(h))


class Rectified(AbstractLearningRule):
    def velocity(self, network, task):
        x, errors = task.residuals(network)
        return network.with_weights([0 * network.weights[0], -jnp.abs(errors) @ (network.weights[0] @ x).T])


class Targets(AbstractLearningRule):
    def velocity(self, network, task):
        return network.with_weights([0 * w + task.y.mean() for w in network.weights])


def test_what_depends_on_no_sample_is_no_noise(x64):
    network, samples = small_network()
    plain, decaying = (diffusion_of(network, samples, 0.3, 2, rule) for rule in (Gradient(), Decay(Gradient(), 0.2)))
    np.testing.assert_allclose(noise_matrix(decaying, network), noise_matrix(plain, network), atol=1e-15)
    difference = flat(decaying.drift(0.0, network, decaying.args)) - flat(plain.drift(0.0, network, plain.args))
    np.testing.assert_allclose(difference, -0.2 * flat(network), atol=1e-15)


@pytest.mark.parametrize("rule", [Hebbian(), Rectified(), Targets()])
def test_rules_whose_noise_is_not_known_are_refused(x64, rule):
    network, samples = small_network()
    with pytest.raises(ValueError, match=f"rule: .*{type(rule).__qualname__} .*the noise of batches cannot be found"):
        diffusion_of(network, samples, 0.3, 2, rule)


# Sentences.

BAD_DIFFUSIONS = [
    ({"step": 0}, "step: got 0"),
    ({"step": -0.1}, "step: got -0.1"),
    ({"key": 5}, "key: got 5, required is one key"),
    ({"key": jax.random.split(KEY)}, "key: got"),
    ({"motions": 0}, "motions: got 0, allowed are whole numbers from 1"),
    ({"steps": 1.5}, "steps: got 1.5, allowed"),
    ({"diffusion": drift}, r"diffusion: a function of \(t, x, args, increments\) is required"),
    ({"diffusion": lambda t, x, args, b: b, "motions": 3}, "diffusion: the result must be like the state"),
    ({"diffusion": lambda t, x, args, b: 0.1 * x + b}, r"diffusion: got a function that is not linear"),
    ({"diffusion": lambda t, x, args, b: x * abs(b)}, r"diffusion: got a function that is not linear"),
    ({"diffusion": lambda t, x, args, b: b**2}, r"diffusion: got a function that is not linear"),
    (
        {"diffusion": lambda t, x, args, b: x * b**2, "state": [0.0, 0.0]},
        r"diffusion: got a function that is not lin",
    ),
    ({"diffusion": lambda t, x, args, b: x * b + t * b**2}, r"diffusion: got a function that is not linear"),
    ({"diffusion": lambda t, x, args, b: x * b, "motions": 3}, r"float64\[2\], float64\[3\]: mul got incompatible"),
    ({"drift": None}, r"drift: got None, a function of \(t, x, args\)"),
    ({"constraint": 3}, "constraint: got 3"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD_DIFFUSIONS)
def test_wrong_diffusions_are_refused(change, sentence):
    given = {
        "drift": drift,
        "diffusion": proportional,
        "state": [1.0, 2.0],
        "step": 0.1,
        "key": KEY,
        "args": (0.3, 0.5),
    }
    with pytest.raises(ValueError, match=sentence):
        Diffusion(**{**given, **change})


BAD_SPECS = [
    ({"dynamics.batch": 5}, "dynamics.batch: got 5, allowed is a divisor of data.samples = 12;"),
    ({"dynamics.batch": 24}, "dynamics.batch: got 24, allowed is a divisor of data.samples = 12;"),
    ({"dynamics.batch": "full"}, "dynamics.batch: got 'full'"),
    ({"dynamics": {"kind": "sde"}}, "dynamics.batch: required"),
    ({"dynamics.step": 0.0}, "dynamics.step: got 0.0"),
    ({"dynamics.step": 0.03}, "dynamics.step: got 0.03, allowed are whole fractions of an epoch"),
    ({"dynamics.step": 0.2}, "dynamics.step: got 0.2, allowed are whole fractions of an epoch"),
    ({"data.samples": "population"}, 'data.samples: got "population", which needs .* full batches'),
    ({"dynamics.drawing": "independent"}, "dynamics.drawing: got 'independent', but the kind of dynamics"),
    ({"dynamics": {"kind": "updates", "drawing": "sorted"}}, "dynamics.drawing: got 'sorted'"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD_SPECS)
def test_wrong_specs_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        SPEC.replace(change)


def test_second_moments_do_not_do():
    network, samples = one_weight()
    moments = SecondMoments(samples.x @ samples.x.T / 12, np.array([[0.3]]))
    with pytest.raises(ValueError, match="samples: got SecondMoments, required are"):
        learning_diffusion(network, Gradient(), moments, moments, Free(), 0.1, 2, KEY, steps=6)
    with pytest.raises(ValueError, match="batch: got 13, allowed are 1 to 12"):
        learning_diffusion(network, Gradient(), moments, samples, Free(), 0.1, 13, KEY, steps=6)


def test_studies_of_motion_without_noise_refuse_it():
    motion = Diffusion(drift, proportional, [1.0], 0.1, KEY, (0.3, 0.5))
    minibatches = SPEC.replace("dynamics", {"kind": "updates", "batch": 3})
    for subject in (motion, SPEC, minibatches):
        with pytest.raises(ValueError, match="verdicts are about motion without noise"):
            curlflow.classify(subject)
    with pytest.raises(ValueError, match="got a Diffusion, which noise drives on"):
        curlflow.stability(motion)
    with pytest.raises(ValueError, match="got a Diffusion, which has no velocity"):
        curlflow.decomposition(motion)
    with pytest.raises(ValueError, match='got "sde", whose noise has no formula'):
        curlflow.symbolic.symbolic_field(SPEC)
    with pytest.raises(ValueError, match="maps and fixed steps have no tolerance"):
        curlflow.lyapunov(motion, rtol=1e-6)


def test_specs_that_are_older_than_the_drawing_of_batches_keep_their_words():
    # Cells of sweeps are named by them, and resumed runs compared.
    assert "noise_seed" not in SPEC.to_json()
    assert SPEC.replace("dynamics", {"kind": "updates"}).dynamics.model_dump() == {
        "kind": "updates", "learning_rate": 0.1, "batch": "full",
    }  # fmt: skip
    independent = SPEC.replace("dynamics", {"kind": "updates", "drawing": "independent"})
    assert Spec.from_json(independent.to_json()) == independent == Spec.from_toml_string(independent.to_toml())
    assert Spec.from_toml_string(SPEC.to_toml()) == SPEC
    assert isinstance(SPEC.build().updates(batch=3), Map)
    assert isinstance(SPEC.replace("dynamics", {"kind": "flow"}).build().diffusion(batch=4), Diffusion)


@pytest.mark.parametrize("dynamics", [{"kind": "updates", "batch": 3}, {"kind": "sde", "batch": 3}])
def test_other_noise_in_the_same_problem(dynamics):
    one, two, same = (
        SPEC.replace("dynamics", dynamics | seed) for seed in ({}, {"noise_seed": 8}, {"noise_seed": SPEC.seed})
    )
    assert Spec.from_toml_string(two.to_toml()) == two
    built = one.build(), two.build()
    np.testing.assert_array_equal(built[0].student.weights[0], built[1].student.weights[0])
    np.testing.assert_array_equal(built[0].y_train, built[1].y_train)
    ends = [curlflow.simulate(spec, times=[0, 1, 2]).train_error.to_numpy() for spec in (one, two, same)]
    assert (ends[0][:, 0] == ends[1][:, 0]).all()
    assert (ends[0][:, 1:] != ends[1][:, 1:]).all()
    np.testing.assert_array_equal(ends[0], ends[2])
    with pytest.raises(ValueError, match="noise_seed"):
        SPEC.replace("dynamics", dynamics | {"noise_seed": -1})
