"""What the tests of sweeps compute in cells; worker processes import it by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import xarray as xr

import curlflow


def area(spec, scale=1.0):
    """A number."""
    return scale * spec.network.inputs * spec.network.hidden


def counted(spec, folder):
    """A number, and a file that says that it was computed."""
    name = f"{spec.seed}-{spec.network.inputs}-{os.getpid()}-{time.monotonic_ns()}"
    (Path(folder) / name).touch()
    return {"product": spec.seed * spec.network.inputs}


def several(spec):
    """Variables of many kinds and sizes, without xarray."""
    rng = np.random.default_rng(spec.seed)
    return {
        "draws": ("draw", rng.normal(size=3)),
        "spectrum": ("mode", np.arange(spec.network.inputs, dtype=float)),
        "count": spec.network.hidden,
        "even": spec.seed % 2 == 0,
        "word": "seed " + "i" * spec.seed,
    }


def labelled(spec):
    """A dataset with coordinates, some of which depend on the cell, and a flag."""
    number = spec.network.inputs
    flags = {"flag_values": np.array([0, 2], np.int8), "flag_meanings": "ok not_run"}
    status = xr.Variable("realization", np.zeros(2, np.int8), flags)
    return xr.Dataset(
        {"value": (("realization", "mode"), spec.seed + np.ones((2, number)), {"units": "1"}), "status": status},
        {
            "realization": np.arange(2),
            "mode": np.arange(1, number + 1),
            "time": ("mode", np.arange(number) * (spec.seed + 1.0)),
        },
        {"device": "none", "seed_was": spec.seed, "created": str(time.time()), "flag": True},
    )


def named(spec):
    """A dataset whose places have names, other ones in other cells, and one of them twice where there are nine."""
    names = {1: ["a", "b"], 2: ["b"], 3: ["c", "a"]}.get(spec.network.inputs, ["a", "a"])
    size = len(names)
    return xr.Dataset(
        {
            "value": (("realization", "rule"), spec.seed + np.array([[ord(n) for n in names]] * 2, float)),
            "below": ("rule", [n == "a" for n in names]),
            "number": ("rule", np.arange(size)),
            "word": ("rule", [n + n for n in names]),
        },
        {"rule": names, "place": ("rule", np.arange(size))},
    )


def unlucky(spec, folder=None):
    """A number, but not for odd seeds, unless there is a file that says so."""
    if spec.seed % 2 and not (folder and (Path(folder) / "mended").exists()):
        raise ArithmeticError(f"seed {spec.seed} is odd")
    return spec.seed


def stopped(spec, at):
    """A number, but Ctrl-C in one cell."""
    if spec.seed == at:
        raise KeyboardInterrupt
    return spec.seed


def noisy(spec):
    """A number, and a warning for odd seeds."""
    if spec.seed % 2:
        import warnings

        warnings.warn(f"seed {spec.seed} is odd", stacklevel=1)
    return spec.seed


def slow(spec, seconds):
    """Numbers that take a while."""
    time.sleep(seconds)
    return {"numbers": ("n", np.random.default_rng(spec.seed).normal(size=4))}


def patient(spec, folder):
    """Random numbers at leisure, with a file that says that they were drawn; seed 5 waits until there is a file."""
    while spec.seed == 5 and not (Path(folder) / "go").exists():
        time.sleep(0.01)
    time.sleep(0.02)
    (Path(folder) / f"{spec.seed}-{spec.network.inputs}-{os.getpid()}").touch()
    return {"numbers": ("n", np.random.default_rng(spec.seed).normal(size=4)), "inputs": spec.network.inputs}


def deadly(spec):
    """A number, but death for seed 3."""
    if spec.seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return spec.seed


def large(spec):
    """Ten kilobytes."""
    return {"numbers": ("n", np.full(1250, float(spec.seed)))}


def complex_number(spec):
    """What no file can hold."""
    return 1j * spec.seed


def spectrum(spec, at="solution"):
    """A study under a name of ours."""
    return curlflow.stability(spec, at=at).leading_real_part


def echoed(spec, at):
    """The option, as a number."""
    return float(at) + spec.seed


class Mute(Exception):
    """An error that cannot say what it is."""

    def __str__(self):
        raise RuntimeError("no words")


def raising(spec, what):
    """Errors of odd kinds."""
    if what == "leaves":
        raise SystemExit(3)
    if what == "mute":
        raise Mute
    raise OSError("cannot open [/data/1]" if what == "brackets" else "x " + os.fsdecode(b"caf\xe9"))


def odd(spec, result):
    """Results that are hard to keep."""
    return {
        "slash": {"a/b": 1.0},
        "taken": {"cell_status": 1.0},
        "masked": {"a": np.ma.masked_array([1.0, 2.0], [False, True])},
        "zero": {"a": "x\0y"},
        "half": np.float16(0.5),
    }[result]


def first_weight(spec):
    """A number that was drawn."""
    return float(spec.build().student.weights[0][0, 0])


def shrinking(factor):
    """A map of the user's to the origin."""
    import curlflow

    return curlflow.Map(_shrunk, np.array([2.0]), args=factor)


def _shrunk(iteration, state, factor):
    return factor * state


def half_square(state):
    """A loss of the map."""
    return 0.5 * (state**2).sum()


def first_weights(network):
    """The weights of the first layer."""
    return network.weights[0]


def module(key):
    """A model of the user's, which other processes find by its name."""
    import equinox as eqx
    import jax.numpy as jnp

    return eqx.nn.MLP(3, 2, 4, 1, activation=jnp.tanh, key=key)


def henon(a, b=0.3):
    """A system of the user's for every cell."""
    return curlflow.systems.henon(a=a, b=b)


def learning(rate, hidden=2):
    """An experiment of the user's for every cell."""
    network = {"inputs": 3, "hidden": hidden}
    return curlflow.Experiment(network=network, dynamics={"kind": "updates", "learning_rate": rate})


def bilinear_updates(rate):
    """A game of the user's for every cell: ℓ_x = xy = −ℓ_y."""
    return curlflow.games.bilinear_game([[1.0]]).updates(learning_rate=rate)
