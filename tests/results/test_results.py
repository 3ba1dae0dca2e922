"""Files: whole or not at all, labelled, and readable without this package."""

import json
import subprocess
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr

import curlflow
from curlflow import results, systems


@pytest.fixture(scope="module")
def dataset():
    return curlflow.lyapunov(systems.henon(), duration=200, transient=10)


def test_round_trip_is_exact(dataset, tmp_path):
    path = curlflow.save(dataset, tmp_path / "a.nc")
    xr.testing.assert_identical(curlflow.load(path), dataset)


def test_plain_tools_can_read_it(dataset, tmp_path):
    path = curlflow.save(dataset, tmp_path / "a.nc")
    with xr.open_dataset(path) as plain:
        assert plain.lyapunov_exponent.attrs["units"] == "1"
        assert plain.attrs["Conventions"].startswith("CF-")
        settings = json.loads(plain.attrs["settings"])
        assert settings["duration"] == 200
        assert json.loads(plain.attrs["versions"])["jax"]
    with netCDF4.Dataset(path) as raw:
        status = raw["status"]
        assert status.dtype == np.int8
        assert status.flag_values.tolist() == list(range(len(curlflow.Status)))
        assert status.flag_meanings.split()[int(status[0])] == "completed"
        assert raw["lyapunov_exponent"].dimensions == ("realization", "exponent")
        assert raw["time"].dimensions == ("block",)


def test_specs_travel_with_their_results(tmp_path):
    spec = curlflow.Spec(network={"inputs": 3, "hidden": 2})
    path = curlflow.save(curlflow.simulate(spec, times=[0.0, 1.0]), tmp_path / "s.nc")
    assert curlflow.Spec.from_json(curlflow.load(path).attrs["spec"]) == spec


def test_a_failed_write_leaves_the_old_file_and_no_other(dataset, tmp_path, monkeypatch):
    path = curlflow.save(dataset, tmp_path / "a.nc")
    before = path.read_bytes()

    def broken(self, target, **kwargs):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", broken)
    with pytest.raises(OSError, match="no space left"):
        curlflow.save(dataset, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc"]


def test_bad_paths_are_named(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"output: the folder .*none does not exist"):
        curlflow.save(dataset, tmp_path / "none" / "a.nc")
    with pytest.raises(ValueError, match="is a folder; give the name of a file"):
        curlflow.save(dataset, tmp_path)
    with pytest.raises(ValueError, match="no such file"):
        curlflow.load(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("text")
    with pytest.raises(ValueError, match="cannot be read as NetCDF"):
        curlflow.load(tmp_path / "text.nc")


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"dataset: got int, required is an xarray.Dataset"):
        curlflow.save(3, tmp_path / "a.nc")


def test_files_have_ordinary_permissions(dataset, tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("")
    assert curlflow.save(dataset, tmp_path / "a.nc").stat().st_mode == ordinary.stat().st_mode


def test_the_commit_is_that_of_the_package():
    assert results.commit() == "unknown" or len(results.commit().removesuffix("+changes")) == 40


def test_results_and_plots_do_not_load_jax():
    code = "import sys, curlflow; curlflow.save, curlflow.plot.lyapunov; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
