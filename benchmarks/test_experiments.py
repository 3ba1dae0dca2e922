"""Experiments: models against flows by hand, and exponents of Adam on digits against a loop in plain JAX."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from interleaved import interleaved, report

import curlflow

LENGTHS = {"duration": 1_000.0, "transient": 20.0, "alignment": 20.0, "exponents": 5}
TIMES = np.linspace(0, 2_000, 101)
SHORT, LONG = 20, 520
"""Epochs; a longer run less a shorter one leaves the cost of an epoch."""


def test_model_against_a_flow_by_hand(benchmark):
    # An Equinox module of 3-16-1 units, 40 samples; the flow is the same velocity, written by hand.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = np.sin(x[:, :1] - x[:, 1:2])
    with jax.enable_x64(True):
        module = eqx.nn.MLP(3, 1, 16, 1, activation=jnp.tanh, key=jax.random.key(0))
        parameters, rest = eqx.partition(module, eqx.is_inexact_array)

    def loss(parameters, args):
        inputs, targets = args
        return 0.5 * jnp.mean(jnp.sum((jax.vmap(eqx.combine(parameters, rest))(inputs) - targets) ** 2, axis=1))

    def velocity(t, parameters, args):
        return jax.tree.map(jnp.negative, jax.grad(loss)(parameters, args))

    experiment = curlflow.Experiment(model=module, data=curlflow.Data(x, y))
    flow = curlflow.Flow(velocity, parameters, args=(x, y))
    for title, study, options in (
        ("exponents of an Equinox module", curlflow.lyapunov, LENGTHS),
        ("learning curve of an Equinox module", curlflow.simulate, {"times": TIMES}),
    ):
        cases = {
            "experiment": lambda study=study, options=options: study(experiment, **options),
            "flow by hand": lambda study=study, options=options: study(flow, **options),
        }
        benchmark.extra_info.update(report(title, interleaved(cases), 1e3, "ms"))
    benchmark.pedantic(cases["experiment"], rounds=3)


def test_exponents_of_adam_on_digits(benchmark):
    # 1,797 digits in full batches, 64-32-10 units, 2,368 weights (7,106 numbers with Adam's memory), five tangents.
    whole = curlflow.Data.of("digits")
    x, y = np.concatenate([whole.x, whole.x_test]), np.concatenate([whole.y, whole.y_test])
    experiment = curlflow.Experiment(
        network={"hidden": 32, "activation": "tanh"},
        data=curlflow.Data(x, y),
        loss="softmax",
        dynamics={"kind": "updates", "learning_rate": 0.01},
        optimizer={"kind": "adam"},
    )
    start, transformation = experiment.build().student.weights, optax.adam(0.01)

    def loss(weights, x, y):
        logits = jnp.tanh(x @ weights[0].T) @ weights[1].T
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))

    @jax.jit
    def plain(weights, x, y, epochs):
        def update(_, both):
            weights, memory = both
            change, memory = transformation.update(jax.grad(loss)(weights, x, y), memory)
            return optax.apply_updates(weights, change), memory

        return jax.lax.fori_loop(0, epochs, update, (weights, transformation.init(weights)))[0]

    def spectrum(epochs):
        eta = 0.01
        lengths = {"transient": 0.0, "alignment": 10 * eta, "block": 10 * eta, "duration": epochs * eta}
        return curlflow.lyapunov(experiment, exponents=5, **lengths)

    def learned(epochs):
        with jax.enable_x64(True):
            return jax.block_until_ready(plain(tuple(map(jnp.asarray, start)), x, y, epochs))

    def errors(epochs):
        return curlflow.simulate(experiment, times=[0, epochs])

    cases = {
        f"{name}, {epochs} epochs": lambda case=case, epochs=epochs: case(epochs)
        for name, case in {"exponents": spectrum, "simulate": errors, "plain JAX and optax": learned}.items()
        for epochs in (SHORT, LONG)
    }
    seconds = interleaved(cases, rounds=5)
    an_epoch = {
        name: [
            long - short
            for short, long in zip(seconds[f"{name}, {SHORT} epochs"], seconds[f"{name}, {LONG} epochs"], strict=True)
        ]
        for name in ("exponents", "simulate", "plain JAX and optax")
    }
    title = "digits, 64-32-10 units, Adam, five exponents"
    benchmark.extra_info.update(report(title, an_epoch, 1e3 / (LONG - SHORT), "ms an epoch"))
    benchmark.pedantic(cases[f"exponents, {SHORT} epochs"], rounds=2)
