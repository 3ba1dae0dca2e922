"""Which random numbers a dataset is about: results of others for the same seeds are not mixed."""

import json
import shutil

import jax
import pytest
import sweep_cells

import curlflow
from curlflow import Spec, sweeping
from curlflow.problem import draw
from curlflow.results import FINGERPRINT

SPEC = Spec(
    seed=4,
    realizations=2,
    network={"inputs": 3, "hidden": 4},
    data={"samples": 30, "test_samples": 30},
    dynamics={"kind": "flow"},
)
SHORT = {"duration": 2, "transient": 1, "alignment": 1, "exponents": 1}


@pytest.fixture
def other_streams(monkeypatch):
    """A function after which the same seeds give other numbers, as with another version of JAX."""

    def change():
        before = draw.stream
        monkeypatch.setattr(draw, "stream", lambda *seeds: jax.random.fold_in(before(*seeds), 1))
        monkeypatch.setattr(draw, "_inputs_in_use", {})

    return change


def prints(spec, **given):
    return spec.build(**given).fingerprint


def test_a_fingerprint_sees_what_was_drawn_and_nothing_else(other_streams):
    [(seeds, drawn)] = prints(SPEC, realization=1).items()
    streams, arrays = drawn.split("-")
    assert seeds == f"4/{SPEC.data.seed}/1"
    assert prints(SPEC.replace("rule.kind", "curl"), realization=1) == {seeds: drawn}
    for field, value in {
        "network.hidden": 5,
        "start.scale": 0.3,
        "teacher.law": "normal",
        "data.samples": 31,
    }.items():
        [(same, other)] = prints(SPEC.replace(field, value), realization=1).items()
        assert same == seeds
        assert other.split("-")[0] == streams
        assert other.split("-")[1] != arrays, field
    [other] = prints(SPEC, realization=0).values()
    assert other.split("-")[0] != streams
    other_streams()
    [other] = prints(SPEC, realization=1).values()
    assert other.split("-")[0] != streams
    assert other.split("-")[1] != arrays


def test_the_last_digits_do_not_count():
    with_rounding = [draw._hash([x * (1 + 1e-14)]) for x in SPEC.build().student.weights]
    assert with_rounding == [draw._hash([x]) for x in SPEC.build().student.weights]


@pytest.mark.parametrize(
    "study",
    [
        lambda spec: curlflow.train(spec, epochs=2),
        lambda spec: curlflow.train(spec, epochs=2, compress=False),
        lambda spec: curlflow.lyapunov(spec, **SHORT),
        lambda spec: curlflow.simulate(spec, times=[0.0, 1.0]),
        lambda spec: curlflow.stability(spec),
        lambda spec: curlflow.convergence(spec, rules=["feedback_alignment", "gradient"], epochs=2, records=2),
    ],
)
def test_datasets_of_specs_say_it(study):
    expected = prints(SPEC) | prints(SPEC, realization=1)
    assert json.loads(study(SPEC).attrs[FINGERPRINT]) == expected


def test_datasets_of_systems_say_nothing():
    assert FINGERPRINT not in curlflow.lyapunov(curlflow.systems.henon(), **SHORT).attrs


def test_exponents_do_not_go_on_with_other_numbers(other_streams):
    ds = curlflow.lyapunov(SPEC, **SHORT)
    assert curlflow.lyapunov(SPEC, resume=ds, duration=2).attrs[FINGERPRINT] == ds.attrs[FINGERPRINT]
    other_streams()
    with pytest.raises(ValueError, match=r"^resume: the dataset is about other random numbers: what the seeds 4/"):
        curlflow.lyapunov(SPEC, resume=ds, duration=2)
    del ds.attrs[FINGERPRINT]  # as of an earlier version
    curlflow.lyapunov(SPEC, resume=ds, duration=2)


def test_points_of_other_numbers_are_refused(other_streams):
    one = SPEC.replace("realizations", 1)
    recorded = curlflow.simulate(one, times=[0.0, 1.0], weights="all")
    curlflow.decomposition(one.replace("rule.kind", "curl"), at=recorded)
    other_streams()
    with pytest.raises(ValueError, match="^at: the dataset is about other random numbers"):
        curlflow.decomposition(one, at=recorded)


def swept(folder, hidden, **how):
    over = {"network.hidden": hidden}
    return curlflow.sweep(SPEC, over, sweep_cells.first_weight, directory=folder, engine="serial", **how)


def test_a_sweep_does_not_go_on_with_other_numbers(tmp_path, other_streams):
    ds = swept(tmp_path / "one", [2, 3])
    assert ds.attrs["swept_study"].endswith("first_weight")
    other_streams()
    with pytest.raises(ValueError, match="^directory: .* are about different random numbers: the seeds 4/"):
        swept(tmp_path / "one", [2, 3, 5], extend=True)
    assert sweeping.status(tmp_path / "one").tally.done == 2  # nothing of the other kind was written
    assert (sweeping.collect(tmp_path / "one").value[:2] == ds.value).all()
    swept(tmp_path / "two", [5])
    for path in (tmp_path / "two" / "cells").iterdir():
        shutil.copy(path, tmp_path / "one" / "cells")
    with pytest.raises(ValueError, match="compute the sweep anew in another folder"):
        sweeping.collect(tmp_path / "one")
    with pytest.raises(ValueError, match="are about different random numbers"):
        sweeping.resume(tmp_path / "one", engine="serial")
    again = swept(tmp_path / "one", [2, 3, 5], version=2, other_version="recompute")
    assert (again.cell_status == 0).all()
