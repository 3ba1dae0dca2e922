"""The user's settings of JAX change no number and stop no study, and studies leave them as they are."""

import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import curlflow
from curlflow import Diffusion
from curlflow.precision import SETTINGS, jax_settings, random_key

OTHERS = {
    "jax_threefry_partitionable": False,
    "jax_default_prng_impl": "rbg",
    "jax_numpy_dtype_promotion": "strict",
    "jax_numpy_rank_promotion": "raise",
    "jax_default_matmul_precision": "bfloat16",
    "jax_debug_nans": True,
    "jax_debug_infs": True,
    "jax_debug_key_reuse": True,
    "jax_check_tracer_leaks": True,
    "jax_transfer_guard": "disallow",
    "jax_disable_jit": True,
    "jax_random_seed_offset": 3,
    "jax_enable_x64": True,
}
"""Settings that JAX users switch on for debugging, promotion, precision and streams."""

ENVIRONMENT = {
    **{name.upper(): str(int(v) if isinstance(v, bool) else v) for name, v in OTHERS.items()},
    "JAX_LOG_COMPILES": "1",
    "JAX_TRACEBACK_FILTERING": "off",
}
DEVICES = "--xla_force_host_platform_device_count=4"


@pytest.fixture(params=OTHERS)
def other(request):
    """One of them, as a user has set it."""
    name = request.param
    before = getattr(jax.config, name)
    jax.config.update(name, OTHERS[name])
    yield name
    jax.config.update(name, before)
    if name == "jax_transfer_guard":  # which has set three others
        for way in ("host_to_device", "device_to_device", "device_to_host"):
            jax.config.update(f"jax_transfer_guard_{way}", None)


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def small():
    return curlflow.Spec(
        seed=3,
        realizations=2,
        network={"inputs": 6, "hidden": 5, "activation": "tanh"},
        data={"samples": 20, "test_samples": 10},
        rule={"kind": "curl", "flipped": {"hidden": {"count": 2}}},
        dynamics={"kind": "updates", "batch": 5, "learning_rate": 0.1},
    )


def drawn():
    """Arrays, flips and batches of a problem, and the fingerprint of what was drawn."""
    problem = small().build(realization=1)
    arrays = *problem.student.weights, *problem.teacher.weights, problem.x_train, problem.y_test, problem.batches(2)
    return [digest(*arrays, *jax.tree.leaves(problem.rule)), dict(problem.fingerprint)]


def studied():
    """What studies of a map, a flow and noise say."""
    with jax_settings():
        key = random_key(1)
    noise = Diffusion(lambda t, x, a: -x, lambda t, x, a, b: 0.3 * x * b, [1.0, 2.0], step=0.1, key=key)
    short = {"duration": 20, "transient": 5, "alignment": 2}
    learned = curlflow.train(small(), epochs=20, records=3)
    exponents = [curlflow.lyapunov(s, **short).local_exponent for s in (curlflow.systems.lorenz63(), noise)]
    return [digest(learned.test_error, *exponents), learned.attrs["problem_fingerprint"]]


@pytest.mark.quick
def test_problems_are_the_same_whatever_is_set(other, monkeypatch):
    monkeypatch.setattr(curlflow.problem.draw, "_inputs_in_use", {})
    assert drawn() == EXPECTED


EXPECTED = drawn()


@pytest.mark.quick
def test_settings_hold_inside_and_are_the_users_outside(other):
    before = [state.value for state, _ in SETTINGS]
    with jax_settings():
        assert all(state.value in {value, None} for state, value in SETTINGS)
        assert jax.config.jax_enable_x64
        assert not jax.config.jax_disable_jit
    assert [state.value for state, _ in SETTINGS] == before
    assert getattr(jax.config, other) == OTHERS[other]


@pytest.mark.quick
def test_a_key_of_another_kind_is_taken_as_it_is():
    def path(key):
        return Diffusion(lambda t, x, a: -x, lambda t, x, a, b: b, [1.0], step=0.1, key=key).increments(3)

    key = jax.random.key(0, impl="rbg")
    with jax.enable_x64(True):
        expected = np.sqrt(0.1) * jax.random.normal(jax.random.fold_in(key, 3), (1,))
    assert np.array_equal(path(key), expected)


def test_all_settings_at_once_change_no_bit_of_a_study():
    """In a process of its own, where everything is traced under them."""
    folders = [str(Path(__file__).parent), str(Path(curlflow.__file__).parent.parent)]
    flags = f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}"
    environment = {**os.environ, **ENVIRONMENT, "XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join(folders)}
    code = "import json, test_settings as t; print(json.dumps([t.drawn(), t.studied()]))"
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert json.loads(found.stdout.splitlines()[-1]) == json.loads(json.dumps([drawn(), studied()]))


def test_nothing_is_compiled_again(compilations):
    curlflow.lyapunov(curlflow.systems.lorenz63(), duration=4, transient=1, alignment=1)
    again = functools.partial(curlflow.lyapunov, curlflow.systems.lorenz63(), duration=4, transient=1, alignment=1)
    assert compilations(again) == 0
    with jax.numpy_dtype_promotion("strict"), jax.threefry_partitionable(False), jax.debug_nans(True):
        assert compilations(again) == 0


def test_threads_compute_on_the_device_that_the_user_has_chosen():
    code = (
        "import jax, curlflow; from curlflow.studies.runs import in_turns\n"
        "def work(i):\n    seen.append(str(jax.numpy.ones(1).devices())); yield\n"
        "seen = []\nlast = jax.devices()[3]\n"
        "with jax.default_device(last):\n    in_turns(work, [0, 1])\n"
        "    ds = curlflow.lyapunov(curlflow.systems.lorenz63(), duration=2, transient=1, alignment=1)\n"
        "assert seen == [str({last})] * 2, seen\n"
    )
    environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
