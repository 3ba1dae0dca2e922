"""Realizations as one program: the numbers of threads of their own, whatever becomes of the others."""

import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import curlflow
from curlflow import Flow, Map, Spec, systems
from curlflow.outside import compiled
from curlflow.studies.runs import in_turns
from curlflow.together import Meeting, batching

TANH = Spec(
    seed=3,
    realizations=3,
    network={"inputs": 4, "hidden": 3, "activation": "tanh"},
    data={"samples": 30},
    rule={"kind": "curl", "flipped": {"inputs": 0.5}},
    constraint={"kind": "frobenius"},
)
LINEAR = TANH.replace({"network.activation": "linear", "network.hidden": 5})
SHORT = {"duration": 20, "transient": 10, "alignment": 10, "exponents": 2, "block": 1.0}
STUDIES = {
    "lyapunov": lambda spec, **how: curlflow.lyapunov(spec, **SHORT, **how),
    "covariant_vectors": lambda spec, **how: curlflow.covariant_vectors(spec, **SHORT, **how),
    "simulate": lambda spec, **how: curlflow.simulate(spec, times=np.linspace(0, 20, 11), **how),
    "fluctuations": lambda spec, **how: curlflow.fluctuations(spec, window=(10, 40), **how),
    "convergence": lambda spec, **how: curlflow.convergence(spec, rules=["curl"], epochs=200, records=20, **how),
    "decomposition": lambda spec, **how: curlflow.decomposition(spec, times=np.linspace(0, 10, 3), **how),
}


def assert_same(one, other, rtol=1e-6, atol=1e-7):
    assert set(one) == set(other)
    for name, values in one.data_vars.items():
        # Statistics over realizations jump where times that are equal up to rounding change their order.
        if values.dtype.kind in "fiub" and "realization" in values.dims:
            np.testing.assert_allclose(other[name].astype(float), values.astype(float), rtol, atol, err_msg=name)


TANGENTS = ("lyapunov", "simulate", "convergence")  # the three ways of moving a flow on
PAIRS = [(name, TANH if name in TANGENTS else LINEAR) for name in STUDIES]


@pytest.mark.parametrize(("study", "spec"), PAIRS)
def test_numbers_are_those_of_realizations_apart(study, spec):
    apart, together = (STUDIES[study](spec, batching=how) for how in ("apart", "together"))
    assert_same(apart, together)


def test_updates_and_maps():
    updates = LINEAR.replace({"dynamics.kind": "updates"})
    times = {"times": [0, 1, 10, 50]}
    assert_same(curlflow.simulate(updates, **times), curlflow.simulate(updates, batching="together", **times))
    starts = np.random.default_rng(0).uniform(-0.1, 0.1, (4, 2))
    given = {"starts": starts, "duration": 12, "transient": 5, "alignment": 5, "block": 1}
    apart, together = (curlflow.lyapunov(systems.henon(), batching=how, **given) for how in ("apart", "together"))
    assert_same(apart, together)


def blow_up(t, x, args):
    """x = 1/(1/x(0) − t)."""
    return x**2


def test_a_realization_that_ends_leaves_the_others_alone():
    starts = np.array([[-1.0], [0.5], [-0.3]])
    given = {"duration": 10, "transient": 0, "alignment": 0, "block": 0.5, "starts": starts}
    apart, together = (
        curlflow.lyapunov(Flow(blow_up, [1.0]), batching=how, **given) for how in ("apart", "together")
    )
    np.testing.assert_array_equal(together.status, apart.status)
    assert len(set(together.status.values.tolist())) == 2
    assert_same(apart, together)


def test_runs_go_on_bit_for_bit():
    whole = curlflow.lyapunov(TANH, batching="together", **SHORT)
    half = curlflow.lyapunov(TANH, batching="together", **{**SHORT, "duration": 8})
    rest = curlflow.lyapunov(TANH, batching="together", resume=half, duration=12)
    np.testing.assert_array_equal(rest.local_exponent, whole.local_exponent)
    np.testing.assert_array_equal(rest.final_state, whole.final_state)


def test_ctrl_c_ends_all():
    seen = []

    def stop(realization, phase, fraction):
        seen.append(phase)
        if phase == "exponents":
            raise KeyboardInterrupt

    with pytest.raises(curlflow.Interrupted) as caught:
        curlflow.lyapunov(TANH, progress=stop, batching="together", **SHORT)
    assert caught.value.dataset.sizes["realization"] == 3
    assert threading.active_count() < 20


@pytest.mark.quick
def test_an_error_of_one_is_raised_and_the_others_have_their_results():
    @compiled
    def root(x):
        return jnp.sqrt(eqx.error_if(x, x < 0, "a negative number"))

    found = {}

    def work(i):
        found[i] = float(root(np.asarray(4.0 - i)))
        yield

    with pytest.raises(Exception, match="a negative number"), batching("together"):
        in_turns(work, [0, 3, 8])
    assert found == {0: 2.0, 3: 1.0}


@pytest.mark.quick
def test_what_has_no_batches_is_called_one_by_one():
    @compiled
    def one_more(x):
        return jax.pure_callback(lambda x: np.asarray(x) + 1, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    found = {}

    def work(i):
        for _ in range(2):
            found[i] = one_more(np.full(3, i, dtype=np.int32))
            yield

    with batching("together"):
        in_turns(work, range(3))
    for i, value in found.items():
        np.testing.assert_array_equal(value, i + 1)


@pytest.mark.quick
def test_calls_meet():
    widths = []

    @compiled
    def double(x, parameter):
        jax.debug.callback(lambda x: widths.append(1), x)
        return 2 * x, parameter

    found = {}

    def work(i):
        for _ in range(i + 1):  # of different lengths
            value, kept = double(np.full(2, float(i)), "kept")
            found[i] = value, kept
            yield

    with batching("together"):
        in_turns(work, range(4))
    jax.effects_barrier()
    for i, (value, kept) in found.items():
        np.testing.assert_array_equal(value, [2.0 * i, 2.0 * i])
        assert kept == "kept"
    assert len(widths) == 4 * 4  # four calls of four lanes
    with pytest.raises(ZeroDivisionError), batching("together"):
        in_turns(lambda i: iter([1 / i]), range(2))


@pytest.mark.quick
def test_shapes_that_differ_are_calls_of_their_own():
    @compiled
    def total(x):
        return jnp.sum(x)

    meeting, found = Meeting(3), {}

    def thread(i):
        with meeting.member(i):
            found[i] = float(total(np.ones(1 + i % 2)))

    threads = [threading.Thread(target=thread, args=(i,)) for i in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert found == {0: 1.0, 1: 2.0, 2: 1.0}


def test_bad_input():
    with pytest.raises(ValueError, match="batching: got 'side', allowed are auto, together, apart"):
        curlflow.lyapunov(Map(lambda i, x, a: x / 2, [1.0]), batching="side")


PAIR = TANH.replace({"realizations": 2})
CELLS = {
    "lyapunov": (PAIR, {**SHORT, "duration": 5, "transient": 2, "alignment": 2}),
    "convergence": (PAIR.replace("dynamics.kind", "updates"), {"epochs": 100, "records": 5}),
}


@pytest.mark.parametrize("study", CELLS)
def test_cells_of_a_sweep_are_one_program_and_have_the_same_bits_in_any_company(study, tmp_path):
    spec, options = CELLS[study]

    def swept(seeds, how, folder=None):
        return curlflow.sweep(
            spec, {"seed": seeds}, study, options=options | {"batching": how}, engine="serial", directory=folder,
            extend=True,
        )  # fmt: skip

    apart, together = (swept([0, 1, 2], how) for how in ("apart", "together"))
    assert_same(apart, together)
    swept([1], "together", tmp_path)
    again = swept([0, 1, 2], "together", tmp_path)
    for name, values in together.data_vars.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_a_cell_that_is_refused_fails_alone():
    options = {"times": [0, 5], "weights": 8, "batching": "together"}
    updates = TANH.replace("dynamics.kind", "updates")
    with pytest.warns(UserWarning, match="1 of 2 cells failed"):
        ds = curlflow.sweep(updates, {"network.inputs": [1, 4]}, "simulate", options=options, engine="serial")
    assert "weights: got 8" in ds.cell_message.to_numpy()[0]
    assert np.isfinite(ds.weights[1]).all()
