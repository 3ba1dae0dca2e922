"""Folders of sweeps that an earlier commit left half finished are read, and gone on with, by this one.

`data/half_finished` was written by commit 285ed61: the first cells of each sweep, then the plan of all. What is held
fast here is the format of the files and the names of cells, which outlive every move of the code.
"""

import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import sweep_cells
import xarray as xr

import curlflow
from curlflow import Axis, Spec, sweeping

FOLDERS = Path(__file__).parent.parent / "data" / "half_finished"
SPEC = Spec(network={"inputs": 2, "hidden": 3}, rule={"kind": "curl"})


class Left(NamedTuple):
    """A sweep that was left half finished: the call, what had become of its cells, and what becomes of them."""

    call: dict
    then: list
    now: list
    names: set
    message: str


SWEEPS = {
    "train": Left(
        {
            "spec": SPEC.replace({"dynamics.kind": "updates", "realizations": 2}),
            "over": {"seed": [0, 1], "data.samples": [30, 20], "dynamics.batch": [10, 15]},
            "study": "train",
            "options": {"epochs": 3},
        },
        [[[0, 0], [0, 1]], [[2, 2], [2, 2]]],
        [[[0, 0], [0, 1]], [[0, 0], [0, 1]]],
        {
            "150bd6c1d6fe80c203b2675413768da0",
            "4e5fe4d8eeea3534cee054670daf20c1",
            "cb19febc419424185f3e43bf80010939",
        },
        "dynamics.batch: got 15, allowed is a divisor of data.samples = 20",
    ),
    "function": Left(
        {
            "spec": SPEC.replace("dynamics.solver", "tsit5"),  # the default of that time
            "over": {
                "seed": [0, 1, 2, 4],
                "c": Axis.compression_ratio([0.5, 1.0], total=10),
                "fraction": Axis("rule.flipped.hidden", [0.5]),
            },
            "study": sweep_cells.unlucky,
            "options": None,
        },
        [[[0], [2]], [[1], [2]], [[0], [2]], [[2], [2]]],
        [[[0], [0]], [[1], [1]], [[0], [0]], [[0], [0]]],
        {"01f3c3f914eead1a24a336ca064caa40", "92b9e234c6f5f53ca7bcd52aa6f4b97d"},
        "ArithmeticError: seed 1 is odd",
    ),
}


@pytest.fixture(params=SWEEPS)
def left(request, tmp_path):
    """A copy of a folder, and its sweep."""
    return shutil.copytree(FOLDERS / request.param, tmp_path / request.param), SWEEPS[request.param]


def quietly(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*arguments, **options)


def contents(folder):
    return {path: path.read_bytes() for kind in ("cells", "failed") for path in (folder / kind).iterdir()}


def identities(paths):
    """The names of the cells in these files."""
    found = []
    for path in paths:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                found += json.loads(archive.read("header.json"))["identities"]
        else:
            found += [record["identity"] for record in json.loads(path.read_text())]
    return found


def test_it_is_collected_as_far_as_it_goes(left):
    folder, sweep = left
    before = contents(folder)
    ds = sweeping.collect(folder)
    assert ds.cell_status.to_numpy().tolist() == sweep.then
    assert sweep.message in ds.cell_message.to_numpy()[ds.cell_status == 1].item()
    fresh = quietly(curlflow.sweep, **sweep.call, engine="serial")
    done = ds.cell_status == 0
    assert list(ds.variables) == list(fresh.variables)
    for name in set(ds.variables) - {"cell_status", "cell_message"}:
        assert ds[name].dims == fresh[name].dims
        # Cells that were computed before there was such a reason give none.
        assert ds[name].attrs.keys() >= fresh[name].attrs.keys() - {"uncertainty"}
        found, expected = (d[name].where(done).to_numpy() for d in (ds, fresh))
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=name)
    assert contents(folder) == before


def test_its_status_is_right(left):
    folder, sweep = left
    report = sweeping.status(folder)
    numbers = np.bincount(np.ravel(sweep.then), minlength=3).tolist()
    assert report.tally[:3] == (sum(numbers), *numbers[:2])
    assert report.tally.remaining == numbers[2]
    assert [sweep.message in failure.message for failure in report.failures] == [True]
    assert (report.runners, report.damaged) == ([], {})
    assert list(report.versions.values()) == [numbers[0]]


@pytest.mark.parametrize("way", ["the same call", "resume"])
def test_it_goes_on_with_what_is_missing_alone(left, way):
    folder, sweep = left
    before = contents(folder)
    assert sweep.names < set(identities(before))
    if way == "resume":
        ds = quietly(sweeping.resume, folder, engine="serial")
    else:
        ds = quietly(curlflow.sweep, **sweep.call, engine="serial", directory=folder)
    assert ds.cell_status.to_numpy().tolist() == sweep.now
    after = contents(folder)
    assert {path: after[path] for path in before} == before
    new = identities(after.keys() - before.keys())
    assert len(new) == len(set(new)) == np.sum(np.array(sweep.then) == 2)
    assert not set(new) & set(identities(before))
    # All of it is what the sweep gives today, in the files of today; only what the commit is may differ.
    fresh = quietly(curlflow.sweep, **sweep.call, engine="serial", directory=folder.parent / "fresh")
    assert sorted(identities(contents(folder.parent / "fresh"))) == sorted(identities(after))
    xr.testing.assert_allclose(ds.drop_attrs(), fresh.drop_attrs(), rtol=1e-12)
    assert ds.attrs.keys() >= fresh.attrs.keys() - {"source"}
