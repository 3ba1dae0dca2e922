"""Sweeps: every cell is what a direct call gives, whatever was interrupted, damaged, repeated or out of order."""

import errno
import gc
import hashlib
import json
import linecache
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sweep_cells
import xarray as xr

import curlflow
from curlflow import Axis, Spec, sweeping
from curlflow.studies import cells
from curlflow.sweeping import running
from curlflow.sweeping import study as studied
from curlflow.sweeping.axes import dimensions_of
from curlflow.sweeping.engines import Outcome, Serial, WorkerLost, worker
from curlflow.sweeping.engines.worker import Finished, run_batch
from curlflow.sweeping.folder import manifest, writer
from curlflow.sweeping.grid import Grid
from curlflow.sweeping.running import Runner
from curlflow.sweeping.study import study_of

SPEC = Spec(network={"inputs": 3, "hidden": 4}, rule={"kind": "curl"})
SEEDS = {"seed": [0, 1, 2, 3, 4, 5]}


def serial(*arguments, **options):
    return curlflow.sweep(*arguments, engine="serial", **options)


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return serial(*arguments, **options)


def files(directory, kind="cells"):
    return sorted(p for p in (Path(directory) / kind).iterdir() if not p.name.startswith("."))


# What a cell is


@pytest.mark.quick
def test_one_axis_of_plain_numbers():
    ds = serial(SPEC, {"network.inputs": [1, 2, 5]}, sweep_cells.area, {"scale": 0.5})
    assert ds.value.dims == ("inputs",)
    assert ds.value.to_numpy().tolist() == [2.0, 4.0, 10.0]
    assert ds.inputs.to_numpy().tolist() == [1, 2, 5]
    assert ds.cell_status.to_numpy().tolist() == [0, 0, 0]
    assert "cell_message" not in ds
    assert Spec.from_json(ds.attrs["spec"]) == SPEC
    assert json.loads(ds.attrs["options"]) == {"scale": 0.5}
    assert ds.attrs["commit"] == curlflow.results.commit()


@pytest.mark.parametrize(
    ("study", "options", "spec"),
    [
        ("stability", {}, SPEC.replace({"realizations": 2, "constraint.kind": "frobenius"})),
        ("train", {"epochs": 50}, SPEC.replace({"realizations": 2, "dynamics.kind": "updates"})),
    ],
)
def test_real_studies_equal_direct_calls(study, options, spec):
    over = {"network.inputs": [2, 3], "fraction": Axis("rule.flipped.inputs", [0.0, 1.0])}
    ds = quietly(spec, over, study, options)
    for inputs in (2, 3):
        for fraction in (0.0, 1.0):
            cell = spec.replace({"network.inputs": inputs, "rule.flipped.inputs": fraction})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                alone = getattr(curlflow, study)(cell, **options)
            assert len(alone.data_vars) > 4
            for name, expected in alone.data_vars.items():
                found = ds[name].sel(inputs=inputs, fraction=fraction)
                kept = {dim: slice(0, size) for dim, size in expected.sizes.items()}
                np.testing.assert_array_equal(found.isel(kept), expected, err_msg=name)
                assert found.attrs.keys() >= {"long_name", "units"}
    assert ds.attrs["swept_study"] == study
    assert ds.realization.to_numpy().tolist() == [0, 1]


@pytest.mark.quick
def test_variables_of_all_kinds_and_sizes():
    ds = serial(SPEC, {"seed": [0, 1, 2], "network.inputs": [2, 4]}, sweep_cells.several)
    assert dict(ds.sizes) == {"seed": 3, "inputs": 2, "draw": 3, "mode": 4}
    for seed in range(3):
        for inputs in (2, 4):
            cell = ds.sel(seed=seed, inputs=inputs)
            expected = sweep_cells.several(SPEC.replace({"seed": seed, "network.inputs": inputs}))
            np.testing.assert_array_equal(cell.draws, expected["draws"][1])
            np.testing.assert_array_equal(cell.spectrum, [*range(inputs), *[np.nan] * (4 - inputs)])
            assert (int(cell["count"]), bool(cell.even)) == (4, seed % 2 == 0)
            assert cell.word == expected["word"]
    assert (ds["count"].dtype, ds.even.dtype) == (np.dtype(int), np.dtype(bool))


def test_coordinates_that_agree_stay_and_others_get_the_axes(tmp_path):
    ds = serial(SPEC, {"seed": [0, 1], "network.inputs": [2, 3]}, sweep_cells.labelled)
    assert ds["mode"].to_numpy().tolist() == [1, 2, 3]
    assert ds.time.dims == ("seed", "inputs", "mode")
    np.testing.assert_array_equal(ds.time.sel(seed=1, inputs=2), [0, 2, np.nan])
    assert "time" in ds.coords
    assert ds.status.attrs["flag_meanings"] == "ok not_run"
    assert ds.attrs["device"] == "none"
    assert ds.attrs["flag"] == "true"
    assert "seed_was" not in ds.attrs
    assert "created" not in ds.attrs
    xr.testing.assert_identical(curlflow.load(curlflow.save(ds, tmp_path / "a.nc")), ds)


def test_what_has_names_is_put_together_by_name(tmp_path):
    over = {"seed": [0, 1], "network.inputs": [1, 2, 3]}
    ds = serial(SPEC, over, sweep_cells.named, directory=tmp_path / "s")
    assert ds["rule"].to_numpy().tolist() == ["a", "b", "c"]
    assert ds.value.dims == ("seed", "inputs", "realization", "rule")
    for seed in (0, 1):
        for inputs in (1, 2, 3):
            own = sweep_cells.named(SPEC.replace({"seed": seed, "network.inputs": inputs}))
            cell = ds.sel(seed=seed, inputs=inputs)
            for name in "abc":
                found = cell.sel(rule=name)
                if name in own["rule"]:
                    one = own.sel(rule=name)
                    np.testing.assert_array_equal(found.value, one.value)
                    assert [found[v].item() for v in ("below", "number", "word", "place")] == [
                        one[v].item() for v in ("below", "number", "word", "place")
                    ]
                else:
                    assert found.value.isnull().all()
                    assert np.isnan(found.below)
                    assert (found.number, found.word, found.place) == (-1, "", -1)
    assert "-1: no result" in ds.number.attrs["comment"]
    xr.testing.assert_identical(curlflow.load(curlflow.save(ds, tmp_path / "a.nc")), ds)
    # The same names in all cells are a coordinate as ever, also where cells are missing.
    same = quietly(SPEC, {"seed": [0, 1], "network.inputs": [2]}, sweep_cells.named)
    assert same["rule"].to_numpy().tolist() == ["b"]
    # With a name twice in a cell, places stay places.
    twice = serial(SPEC, {"network.inputs": [1, 9]}, sweep_cells.named)
    assert twice["rule_of_cell"].to_numpy().tolist() == [["a", "b"], ["a", "a"]]


def test_cells_of_other_dimensions_than_those_before_are_set_aside(tmp_path):
    with pytest.warns(UserWarning, match="2 of 4 cells failed"):
        ds = serial(SPEC, {"seed": [5, 0, 6, 1]}, dims_by_seed, directory=tmp_path / "s")
    assert ds.cell_status.to_numpy().tolist() == [0, 1, 0, 1]
    assert "value has the dimensions ('n',) here and () in cells before" in ds.cell_message[1].item()
    np.testing.assert_array_equal(ds.value, [5, np.nan, 6, np.nan])
    # Which cells are set aside does not depend on the files that they share.
    for seed in (1, 6, 0, 5):
        quietly(SPEC, {"seed": [seed]}, dims_by_seed, directory=tmp_path / "t", extend=True)
    again = quietly(SPEC, {"seed": [5, 0, 6, 1]}, dims_by_seed, directory=tmp_path / "t", extend=True)
    xr.testing.assert_identical(again, ds)
    report = sweeping.status(tmp_path / "s")
    assert report.tally.failed == 2
    assert [f.changes["seed"] for f in report.failures] == [0, 1]


def dims_by_seed(spec):
    return {"value": float(spec.seed) if spec.seed > 4 else ("n", [1.0, 2.0])}


def test_the_order_of_variables_is_that_of_the_first_cell_however_cells_came_into_files(tmp_path):
    whole = serial(SPEC, {"seed": [3, 0, 1, 2]}, order_by_seed, directory=tmp_path / "s")
    assert list(whole.data_vars)[:2] == ["b", "a"]
    for seed in (2, 0, 1, 3):
        serial(SPEC, {"seed": [seed]}, order_by_seed, directory=tmp_path / "t", extend=True)
    pieces = serial(SPEC, {"seed": [3, 0, 1, 2]}, order_by_seed, directory=tmp_path / "t", extend=True)
    files = [curlflow.save(ds, tmp_path / name).read_bytes() for ds, name in ((whole, "a.nc"), (pieces, "b.nc"))]
    assert files[0] == files[1]


def order_by_seed(spec):
    values, names = {"a": 1.0 * spec.seed, "b": 2.0}, ("a", "b") if spec.seed % 2 == 0 else ("b", "a")
    return xr.Dataset({name: values[name] for name in names}, attrs=dict.fromkeys(names, "text"))


def test_attributes_that_no_file_can_hold_become_text(tmp_path):
    ds = serial(SPEC, {"seed": [0]}, long_attributes)
    curlflow.save(ds, tmp_path / "a.nc")
    found = curlflow.load(tmp_path / "a.nc")
    assert found.attrs["long"] == str(2**70)
    assert (int(found.attrs["whole"]), int(found.value.attrs["large"])) == (-(2**63), 2**63)


def long_attributes(spec):
    value = xr.Variable((), 1.0, {"large": 2**63})
    return xr.Dataset({"value": value}, attrs={"long": 2**70, "whole": -(2**63)})


# Axes


def grid(over, spec=SPEC, study=sweep_cells.area, **options):
    return Grid(spec, dimensions_of(spec, over), study_of(study), options)


def test_compression_ratio_at_fixed_total_width():
    ratios = np.logspace(-2, 1, 20)
    over = {"c": Axis.compression_ratio(ratios, total=220), "fraction": Axis("rule.flipped.hidden", [0, 0.7, 1])}
    ds = serial(SPEC, over, sweep_cells.area)
    inputs, hidden = [int(220 / (1 + 1 / c)) for c in ratios], [int(220 / (1 + c)) for c in ratios]
    assert ds.inputs.to_numpy().tolist() == inputs
    assert ds.hidden.to_numpy().tolist() == hidden
    np.testing.assert_array_equal(ds.value, np.outer(np.multiply(inputs, hidden), [1, 1, 1]))
    assert ds.flipped.dims == ("c", "fraction")
    np.testing.assert_array_equal(ds.flipped, [[0, int(0.7 * n + 1e-9), n] for n in hidden])
    np.testing.assert_array_equal(ds.c, ratios)
    spec = grid(over).resolved(1)
    assert spec.teacher.width == spec.network.hidden == hidden[0]


def test_flipped_counts_along_one_axis_alone():
    spec = SPEC.replace("network.inputs", 90)
    over = {"fraction": Axis("rule.flipped.inputs", [0.7]), "share": Axis("rule.flipped.hidden", [0.5])}
    ds = serial(spec, over, sweep_cells.area)
    assert (ds.flipped_inputs.dims, ds.flipped_inputs.item()) == (("fraction",), 63)
    assert (ds.flipped_hidden.dims, ds.flipped_hidden.item()) == (("share",), 2)


def test_fields_together_alternatives_and_derived_axes():
    over = {
        "size": Axis([1, 2], fields={"network.inputs": [10, 20], "network.hidden": [3, 4]}),
        "dynamics": Axis(["flow", "full_batch"], changes=[{"dynamics.kind": "flow"}, {"dynamics.kind": "updates"}]),
        "load": Axis.derived([1, 2], lambda load: {"data.samples": 50 * load}),
    }
    cells = grid(over)
    assert cells.size == 8
    assert cells.resolved(5) == SPEC.replace(
        {"network.inputs": 20, "network.hidden": 4, "dynamics.kind": "flow", "data.samples": 100}
    )
    ds = serial(SPEC, over, sweep_cells.area)
    assert ds.dynamics.to_numpy().tolist() == ["flow", "full_batch"]
    assert ds.hidden.dims == ("size",)
    assert ds.samples.to_numpy().tolist() == [50, 100]
    np.testing.assert_array_equal(ds.value[:, 0, 0], [30, 80])


def test_names_of_axes_give_way_to_those_of_the_study():
    ds = serial(SPEC, {"network.inputs": [2, 3], "mode": Axis("seed", [0])}, sweep_cells.several)
    assert ds.spectrum.dims == ("inputs", "mode_axis", "mode")
    ds = serial(SPEC, {"rule.flipped.inputs": [0.0], "network.inputs": [2, 3]}, sweep_cells.area)
    assert ds.value.dims == ("rule_flipped_inputs", "network_inputs")


def test_values_of_several_kinds_become_text():
    ds = serial(SPEC, {"data.samples": [100, "population"]}, sweep_cells.area)
    assert ds.samples.to_numpy().tolist() == ["100", "population"]


def test_values_that_give_equal_specs_are_computed_once(tmp_path):
    over = {"c": Axis.compression_ratio([1.0, 3.0, 3.01], total=10)}
    (tmp_path / "calls").mkdir()
    ds = serial(SPEC, over, sweep_cells.counted, {"folder": str(tmp_path / "calls")}, directory=tmp_path / "s")
    assert ds.inputs.to_numpy().tolist() == [5, 7, 7]
    assert ds.cell_status.to_numpy().tolist() == [0, 0, 0]
    assert len(list((tmp_path / "calls").iterdir())) == 2
    assert sweeping.status(tmp_path / "s").tally[:3] == (3, 3, 0)


def test_shapes_come_first_and_then_together():
    cells = grid({"seed": [0, 1, 2], "network.inputs": [5, 6], "network.hidden": [7, 8]})
    order = list(cells.order(np.ones(12, dtype=bool)))
    assert sorted(order) == list(range(12))
    shape = [cells.resolved(i).widths for i in order]
    assert len(set(shape[:4])) == 4
    assert shape[4:] == [s for s in shape[:4] for _ in range(2)]
    assert list(cells.order(np.arange(12) == 7)) == [7]


@pytest.mark.quick
def test_an_identity_is_that_of_the_spec_the_study_and_the_options_alone():
    small, large = grid({"seed": [0, 4]}), grid({"network.inputs": [3, 9], "seed": [4, 1]})
    assert small.identity(1) == large.identity(0)
    assert len({small.identity(0), small.identity(1), *(large.identity(i) for i in range(4))}) == 5
    tables = SPEC.replace("seed", 4).model_dump(exclude_none=True)
    named = json.dumps([tables, "sweep_cells:area", 1, {}], sort_keys=True, separators=(",", ":"))
    assert small.identity(1) == hashlib.sha256(named.encode()).hexdigest()[:32]
    assert small.identity(1) != small.identity(1, version=2)
    assert small.identity(1) != grid({"seed": [4]}, scale=2.0).identity(0)
    assert small.identity(1) != grid({"seed": [4]}, study=sweep_cells.large).identity(0)


# Bad input


@pytest.mark.quick
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"over": {"rule.fliped.inputs": [0.1]}}, "over: got 'rule.fliped.inputs'.*did you mean rule.flipped.inputs"),
        ({"over": {"x": Axis("network.input", [1])}}, r"did you mean network.inputs\? A name"),
        ({"over": {"seed": []}}, "over: seed: got no values"),
        ({"over": {}}, "over: got {}"),
        ({"over": {"seed": [1, 1]}}, "over: seed: got 1 twice"),
        ({"over": {"seed": 3}}, "over: seed: got 3, required is a list"),
        ({"over": {"seed": [[1]]}}, r"got the value \[1\], allowed are finite numbers"),
        ({"over": {"network.inputs": [2, 0]}}, "over: inputs = 0: network.inputs: got 0"),
        ({"over": {"network.inputs": [2.5]}}, "over: inputs = 2.5: network.inputs: got 2.5"),
        ({"over": {"seed": [0], "x": Axis("seed", [1])}}, "over: seed and x both set seed"),
        (
            {"over": {"r": Axis(["a"], changes=[{"rule": {"kind": "curl"}}]), "rule.gain": [-1.0]}},
            "r and gain both set",
        ),
        ({"over": {"cell_status": Axis("seed", [1])}}, "got the name 'cell_status'"),
        ({"over": {"a b": Axis("seed", [1])}}, "got the name 'a b'"),
        ({"study": "stabilty"}, "study: got 'stabilty'; did you mean stability"),
        ({"study": "no.such.module:f"}, "no.such.module:f.*cannot be imported"),
        ({"study": lambda spec: 1}, "cannot be found by name"),
        ({"study": 3}, "study: got 3"),
        ({"options": {"scal": 2}}, "options.scal: area has no argument of this name; did you mean scale?"),
        (
            {"study": "lyapunov", "options": {"duration": -1}},
            "options.duration: got -1.0, allowed are finite numbers",
        ),
        (
            {"study": "convergence", "options": {"error": "peak"}},
            "options.error: got 'peak', allowed are train, test",
        ),
        ({"study": "plane_decomposition", "options": {"gird": 3}}, "options.gird: .*; did you mean grid?"),
        ({"options": {"scale": object()}}, "options.scale: got"),
        ({"options": {"progress": True}}, "options.progress: a sweep has its own"),
        ({"study": "train", "options": {"rule": 1}}, "options.rule: a rule object"),
        ({"study": "train", "version": 7}, "version: got 7, but train has its own"),
        ({"version": -1}, "version: got -1"),
        ({"spec": "fig4"}, "spec: got str"),
        ({"engine": "threads"}, "engine: got 'threads', allowed are processes, serial"),
        ({"workers": 2}, "workers: got 2, but the serial engine is one"),
        ({"progress": 3}, "progress: got 3"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "scheduler: it has workers of its own"),
        ({"other_version": "ignore"}, "other_version: got 'ignore'"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(change, message, tmp_path):
    arguments = {"spec": SPEC, "over": SEEDS, "study": sweep_cells.area, "engine": "serial"}
    with pytest.raises(ValueError, match=message) as caught:
        curlflow.sweep(**{**arguments, **change}, directory=tmp_path / "s")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s" / "cells").exists()


@pytest.mark.quick
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis("seed", [1], fields={"seed": [1]}), "one of field, fields and changes"),
        (lambda: Axis([1, 2], fields={"seed": [1]}), "got 1 values for seed, required is a list of 2"),
        (lambda: Axis([1, 2], changes=[{"seed": 1}]), "got 1 changes"),
        (lambda: Axis([1], changes=[3]), "got the change 3"),
        (lambda: Axis(["seed"], [1]), r"got the field \['seed'\], required is the dotted name"),
        (lambda: Axis.derived([1], None), "Axis.derived: got None, required is a function"),
        (lambda: Axis("seed", [np.nan]), "got the value nan"),
        (lambda: Axis.compression_ratio([0.0]), "compression_ratio: got"),
        (lambda: Axis.compression_ratio([1.0], total=2.5), "total: got 2.5"),
    ],
)
def test_axes_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_the_spec_refuses_in_combination_fails_in_its_cell():
    over = {"data.samples": [100, 250], "dynamics.batch": [10, 125]}
    ds = quietly(SPEC.replace("dynamics.kind", "updates"), over, sweep_cells.area)
    assert ds.cell_status.to_numpy().tolist() == [[0, 1], [0, 0]]
    assert "dynamics.batch: got 125, allowed is a divisor" in ds.cell_message[0, 1].item()
    assert np.isnan(ds.value[0, 1])


# The folder


def test_a_rerun_computes_only_what_is_missing(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    options = {"folder": str(calls)}
    first = serial(SPEC, SEEDS, sweep_cells.counted, options, directory=tmp_path / "s")
    xr.testing.assert_identical(serial(SPEC, SEEDS, sweep_cells.counted, options, directory=tmp_path / "s"), first)
    xr.testing.assert_identical(sweeping.resume(tmp_path / "s", engine="serial"), first)
    xr.testing.assert_identical(sweeping.collect(tmp_path / "s"), first)
    assert len(list(calls.iterdir())) == 6


def test_a_larger_sweep_keeps_the_cells_of_a_smaller_one(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    options, folder = {"folder": str(calls)}, tmp_path / "s"
    serial(SPEC, {"seed": [1, 2]}, sweep_cells.counted, options, directory=folder)
    over = {"seed": [0, 1, 2, 3], "network.inputs": [3, 5]}
    with pytest.raises(ValueError, match=r"axes are seed there, seed, inputs here; the axis seed is \[1, 2\] there"):
        serial(SPEC, over, sweep_cells.counted, options, directory=folder)
    ds = serial(SPEC, over, sweep_cells.counted, options, directory=folder, extend=True)
    assert len(list(calls.iterdir())) == 8
    np.testing.assert_array_equal(ds["product"], np.outer(range(4), [3, 5]))
    xr.testing.assert_identical(ds, serial(SPEC, over, sweep_cells.counted, options, directory=tmp_path / "t"))


def test_another_sweep_is_refused_with_the_difference(tmp_path):
    serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path / "s")
    for change, message in [
        ({"spec": SPEC.replace("network.hidden", 9)}, "network.hidden is 4 there, 9 here"),
        ({"options": {"scale": 2.0}}, "options.scale is 'not set' there, 2.0 here"),
        ({"study": sweep_cells.large}, "study.function is 'sweep_cells:area' there, 'sweep_cells:large' here"),
        ({"over": {"seed": range(9)}}, r"axis seed is 0 … 5 \(6 values\) there, 0 … 8 \(9 values\) here"),
        ({"over": {"seed": Axis("data.seed", range(6))}}, "the axis seed is 0 with {'seed': 0} there"),
    ]:
        arguments = {"spec": SPEC, "over": SEEDS, "study": sweep_cells.area, **change}
        with pytest.raises(ValueError, match=message):
            serial(**arguments, directory=tmp_path / "s")


def test_folders_that_are_no_sweep(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="holds other files, but no sweep"):
        serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path)
    for call in (sweeping.collect, sweeping.status, sweeping.resume):
        with pytest.raises(ValueError, match="has no sweep.json"):
            call(tmp_path)
        with pytest.raises(ValueError, match="does not exist"):
            call(tmp_path / "none")
    (tmp_path / "cells").mkdir()  # of something else
    (tmp_path / "thesis.tex").unlink()
    with pytest.raises(ValueError, match="holds other files, but no sweep"):
        serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path)
    path = tmp_path / "file"
    path.touch()
    for call in (sweeping.collect, sweeping.status, sweeping.resume):
        with pytest.raises(ValueError, match="file is a file; required is the folder of a sweep"):
            call(path)
        with pytest.raises(ValueError, match="directory: got 5, required is the path of a folder"):
            call(5)
    with pytest.raises(ValueError, match="file is a file"):
        serial(SPEC, SEEDS, sweep_cells.area, directory=path)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(ValueError, match=r"sweep.json cannot be read: .* Begin the same sweep there again"):
        sweeping.collect(tmp_path)
    with pytest.raises(OSError, match="directory: /proc/sweep cannot be written to"):
        serial(SPEC, SEEDS, sweep_cells.area, directory="/proc/sweep")


@pytest.mark.parametrize("harm", ["deleted", "damaged", "empty", "deleted beside other files"])
def test_cells_outlive_the_description_of_their_sweep(harm, tmp_path):
    (tmp_path / "calls").mkdir()
    given = {"options": {"folder": str(tmp_path / "calls")}, "directory": tmp_path / "s"}
    before = serial(SPEC, SEEDS, sweep_cells.counted, **given)
    path = tmp_path / "s" / "sweep.json"
    if harm.endswith("files"):
        (tmp_path / "s" / "notes.txt").touch()
    path.unlink() if harm.startswith("deleted") else path.write_text(
        "" if harm == "empty" else path.read_text()[:-20]
    )
    with pytest.raises(ValueError, match="has no sweep.json|Begin the same sweep there again"):
        sweeping.resume(tmp_path / "s")
    xr.testing.assert_identical(serial(SPEC, SEEDS, sweep_cells.counted, **given), before)
    assert len(list((tmp_path / "calls").iterdir())) == 6


def test_whole_numbers_along_an_axis_may_be_written_as_real_ones(tmp_path):
    (tmp_path / "calls").mkdir()
    given = {"options": {"folder": str(tmp_path / "calls")}, "directory": tmp_path / "s"}
    serial(SPEC, {"rule.flipped.inputs": [0, 1]}, sweep_cells.counted, **given)
    ds = serial(SPEC, {"rule.flipped.inputs": [0.0, 1.0]}, sweep_cells.counted, **given)
    assert ds.inputs.dtype == np.float64
    assert len(list((tmp_path / "calls").iterdir())) == 2


SCRIPT = """
import curlflow

def cell(spec):
    return {"value": NUMBER * spec.seed}

if __name__ == "__main__":
    spec = curlflow.Spec(network={"inputs": 3, "hidden": 4})
    try:
        ds = curlflow.sweep(spec, {"seed": [1, 2]}, cell, directory="d", workers=1)
        print(ds.value.values.tolist(), ds.attrs["swept_study"])
        print(curlflow.sweeping.resume("d", workers=1).identical(ds))
    except ValueError as error:
        print(error)
"""


def test_functions_of_two_scripts_are_not_taken_for_each_other(tmp_path):
    for name, number in (("one.py", 3), ("two.py", 4)):
        (tmp_path / name).write_text(SCRIPT.replace("NUMBER", str(number)))
    one, two = (
        subprocess.run([sys.executable, name], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
        for name in ("one.py", "two.py")
    )
    assert one.stdout.splitlines() == ["[3, 6] one.py:cell", "True"], one.stderr
    assert "study.function is 'one.py:cell' there, 'two.py:cell' here" in two.stdout
    with pytest.raises(ValueError, match=r"cell is in the script one.py; run that script again"):
        sweeping.resume(tmp_path / "d")


def test_functions_of_one_name_are_told_apart_by_place_and_text(tmp_path, monkeypatch):
    for name, number in (("a", 1), ("b", 2), ("c", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_cells.py").write_text(f"def f(spec):\n    return {{'x': {number} * spec.seed}}\n")

    def run(name, **more):
        monkeypatch.syspath_prepend(str(tmp_path / name))
        monkeypatch.delitem(sys.modules, "own_cells", raising=False)
        linecache.clearcache()
        return serial(SPEC, {"seed": [1, 2]}, "own_cells:f", directory=tmp_path / "s", **more).x.to_numpy().tolist()

    assert run("a") == [1, 2]
    with pytest.raises(ValueError, match=r"own_cells:f in .*/a/own_cells.py, which is not the one in .*/b/own_cells"):
        run("b")
    assert run("c") == [1, 2]  # moved
    (tmp_path / "c" / "own_cells.py").write_text("def f(spec):\n    return {'x': 1 * spec.seed + 0}\n")
    assert run("c") == [1, 2]  # mended; whether numbers change is for its version to say
    assert run("b", other_version="use") == [1, 2]
    assert run("b", version=2, other_version="recompute") == [2, 4]


def test_functions_that_were_typed_in_are_told_apart(tmp_path):
    code = (
        "import curlflow\ndef f(spec):\n    return {NUMBER} * spec.seed\n"
        "spec = curlflow.Spec(network={'inputs': 3, 'hidden': 4})\n"
        "print(curlflow.sweep(spec, {'seed': [1, 2]}, f, engine='serial', directory='d').value.values)\n"
    )
    one, two = (
        subprocess.run(
            [sys.executable, "-c", code.replace("{NUMBER}", n)], cwd=tmp_path, capture_output=True, text=True
        )
        for n in "34"
    )
    assert one.stdout == "[3 6]\n"
    assert "holds cells of a function __main__:f with the text" in two.stderr.splitlines()[-1]


def test_versions(tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()
    options, folder = {"folder": str(calls)}, tmp_path / "s"

    def run(version, **more):
        return serial(SPEC, SEEDS, sweep_cells.counted, options, directory=folder, version=version, **more)

    first = run(1)
    with pytest.raises(ValueError, match="holds cells of version 1 of sweep_cells:counted, this is version 2"):
        run(2)
    used = run(2, other_version="use")
    assert len(list(calls.iterdir())) == 6
    assert used.attrs["swept_study_version"] == "1"
    xr.testing.assert_identical(used, run(2))  # it is remembered
    again = run(2, other_version="recompute")
    assert len(list(calls.iterdir())) == 12
    assert again.attrs["swept_study_version"] == "2"
    assert sweeping.status(folder).versions == {1: 6, 2: 6}
    xr.testing.assert_identical(first.drop_attrs(), again.drop_attrs())


def test_a_study_whose_version_was_raised_is_not_continued_unasked(tmp_path, monkeypatch):
    sweeping.plan(SPEC, {"seed": [0]}, "stability", directory=tmp_path / "s")
    raised = [row._replace(version=2) if row.name == "stability" else row for row in studied.STUDIES]
    monkeypatch.setattr(studied, "STUDIES", raised)
    with pytest.raises(ValueError, match="version 1 of stability, this is version 2"):
        sweeping.resume(tmp_path / "s", engine="serial")


def test_cells_say_what_they_are(tmp_path):
    over = {"network.inputs": [2]}
    serial(SPEC, over, sweep_cells.several, directory=tmp_path)
    (path,) = files(tmp_path)
    assert path.name == f"{grid(over, study=sweep_cells.several).identity(0)}.npz"
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["spectrum"], [[0, 1]])
        header = json.loads(arrays["header.json"])
    assert header["source"]["commit"] == curlflow.results.commit()
    assert header["version"] == 1
    assert header["cells"][0]["changes"] == {"network.inputs": 2}


def test_many_quick_cells_share_files(tmp_path):
    serial(SPEC, {"seed": range(500)}, sweep_cells.area, directory=tmp_path)
    assert len(files(tmp_path)) < 50


# Failures


def test_failed_cells_are_recorded_and_retried_on_demand(tmp_path):
    options, folder = {"folder": str(tmp_path)}, tmp_path / "s"
    with pytest.warns(UserWarning, match="3 of 6 cells failed"):
        ds = serial(SPEC, SEEDS, sweep_cells.unlucky, options, directory=folder)
    assert ds.cell_status.to_numpy().tolist() == [0, 1] * 3
    assert ds.cell_message[3] == "ArithmeticError: seed 3 is odd"
    np.testing.assert_array_equal(ds.value, [0, -1, 2, -1, 4, -1])
    assert "no result" in ds.value.attrs["comment"]
    assert "in unlucky" in json.loads(files(folder, "failed")[0].read_text())[0]["traceback"]
    (tmp_path / "mended").touch()
    xr.testing.assert_identical(quietly(SPEC, SEEDS, sweep_cells.unlucky, options, directory=folder), ds)
    whole = serial(SPEC, SEEDS, sweep_cells.unlucky, options, directory=folder, retry_failed=True)
    np.testing.assert_array_equal(whole.value, range(6))
    xr.testing.assert_identical(whole, serial(SPEC, SEEDS, sweep_cells.unlucky, options))


def test_a_sweep_that_came_to_nothing_may_be_changed(tmp_path):
    over, folder = {"seed": [1, 3]}, tmp_path / "s"
    with pytest.warns(UserWarning, match="2 of 2 cells failed"):
        serial(SPEC, over, sweep_cells.unlucky, directory=folder)
    (tmp_path / "mended").touch()
    ds = serial(SPEC, over, sweep_cells.unlucky, {"folder": str(tmp_path)}, directory=folder)
    assert ds.cell_status.to_numpy().tolist() == [0, 0]
    with pytest.raises(ValueError, match="is of another sweep"):
        serial(SPEC, over, sweep_cells.unlucky, {"folder": str(folder)}, directory=folder)


def of_all_kinds(spec):
    flags = xr.Variable((), np.int8(1), {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "no yes"})
    found = xr.Dataset({"good": ("realization", np.ones(spec.realizations, bool)), "kind": flags, "count": 3})
    return found.assign(extra=7) if spec.seed else found


def test_what_no_cell_has_says_so(tmp_path):
    over = {"seed": [0, 1], "realizations": [1, 2]}
    ds = serial(SPEC, over, of_all_kinds, directory=tmp_path)
    np.testing.assert_array_equal(ds.good.mean("realization"), np.ones((2, 2)))
    assert int(ds.good.isnull().sum()) == 2
    assert (ds["count"] == 3).all()
    assert "comment" not in ds["count"].attrs
    assert ds.kind.attrs["flag_meanings"] == "no yes"
    np.testing.assert_array_equal(ds.extra, [[-1, -1], [7, 7]])
    assert ds.extra.attrs["comment"] == "-1: no result"
    whole = ds.isel(realizations=0, realization=0)
    assert whole.good.dtype == float
    assert serial(SPEC, {"seed": [0, 1]}, of_all_kinds).good.dtype == bool
    sweeping.plan(SPEC, {**over, "seed": [0, 1, 2]}, of_all_kinds, directory=tmp_path, extend=True)
    partial = sweeping.collect(tmp_path)
    assert np.isnan(partial.good.mean("realization")[2]).all()
    assert partial.kind.attrs["flag_meanings"] == "no yes no_result"
    np.testing.assert_array_equal(partial.kind.attrs["flag_values"], [0, 1, -1])
    assert partial["count"].attrs["comment"] == "-1: no result"
    curlflow.save(partial, tmp_path / "a.nc")
    xr.testing.assert_identical(curlflow.load(tmp_path / "a.nc"), partial)


def words_or_numbers(spec):
    return "none found" if spec.seed == 2 else spec.seed / 4


def test_a_cell_with_text_among_numbers_is_set_aside(tmp_path):
    with pytest.warns(UserWarning, match="1 of 4 cells failed"):
        ds = serial(SPEC, {"seed": range(4)}, words_or_numbers, directory=tmp_path)
    np.testing.assert_array_equal(ds.value, [0, 0.25, np.nan, 0.75])
    assert "value is text here and numbers in cells before" in ds.cell_message[2].item()


@pytest.mark.parametrize("which", ["cells", "sweep.json"])
def test_files_that_cannot_be_read_now_are_left_alone(which, tmp_path, monkeypatch):
    before = serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path)
    there = sorted(p.name for p in tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        for name in ("read_bytes", "read_text"):
            real = getattr(Path, name)

            def refused(path, *arguments, real=real):
                if which in str(path):
                    raise PermissionError(errno.EACCES, "Permission denied", str(path))
                return real(path, *arguments)

            patch.setattr(Path, name, refused)
        for call in (sweeping.collect, sweeping.status, lambda d: serial(SPEC, SEEDS, sweep_cells.area, directory=d)):
            with pytest.raises(OSError, match=r"cannot be read: Permission denied. Nothing was changed.$"):
                call(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == there
    xr.testing.assert_identical(serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path), before)


def test_results_that_no_file_can_hold_fail_in_their_cell():
    ds = quietly(SPEC, {"seed": [0]}, sweep_cells.complex_number)
    assert "got value of complex128" in ds.cell_message.item()


def test_warnings_of_cells_come_as_one():
    with pytest.warns(UserWarning, match="in 3 cells, the first: seed 1 is odd") as caught:
        serial(SPEC, SEEDS, sweep_cells.noisy)
    assert len(caught) == 1


@pytest.mark.parametrize("harm", ["truncate", "empty", "flip", "garbage"])
def test_damaged_files_are_computed_again(harm, tmp_path):
    over = {"seed": range(4), "network.inputs": [2, 3]}  # two structures: two files
    before = serial(SPEC, over, sweep_cells.several, directory=tmp_path)
    path = files(tmp_path)[0]
    content = path.read_bytes()
    position = content.index(b"draws.npy") + 200
    path.write_bytes(
        {
            "truncate": content[: len(content) // 2],
            "empty": b"",
            "flip": content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :],
            "garbage": b"\x00" * len(content),
        }[harm]
    )
    with pytest.warns(UserWarning, match="was damaged|are damaged"):
        partial = sweeping.collect(tmp_path)
    assert 0 < int((partial.cell_status == 2).sum()) < 8
    with pytest.warns(UserWarning, match=f"{path.name} was damaged"):
        after = serial(SPEC, over, sweep_cells.several, directory=tmp_path)
    xr.testing.assert_identical(after, before)


def test_what_is_no_file_among_the_cells_is_put_aside(tmp_path):
    before = serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path)
    (path,) = files(tmp_path)
    path.unlink()
    for folder in (path, tmp_path / "failed" / "x.json"):
        folder.mkdir()
        (folder / "notes.txt").touch()
    report = sweeping.status(tmp_path)
    assert report.tally.done == 0
    assert "cannot be read: Is a directory" in report.damaged[path.name]
    with pytest.warns(UserWarning, match="are damaged"):
        assert (sweeping.collect(tmp_path).cell_status == 2).all()
    with pytest.warns(UserWarning, match="was damaged"):
        xr.testing.assert_identical(serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path), before)
    assert len(list(tmp_path.rglob("notes.txt"))) == 2  # nothing of others was removed


def test_failures_with_clocks_ahead_are_retried(tmp_path):
    options, folder = {"folder": str(tmp_path)}, tmp_path / "s"
    quietly(SPEC, SEEDS, sweep_cells.unlucky, options, directory=folder)
    for path in files(folder, "failed"):
        path.write_text(json.dumps([{**f, "at": f["at"] + 1e6} for f in json.loads(path.read_text())]))
    (tmp_path / "mended").touch()
    ds = serial(SPEC, SEEDS, sweep_cells.unlucky, options, directory=folder, retry_failed=True)
    np.testing.assert_array_equal(ds.value, range(6))


@pytest.mark.parametrize("said", ["[]", "{}", "3", '{"name": 1}', "\x00", '{"cells": 3, "process": "x"}'])
def test_runners_that_cannot_be_understood_are_ignored(said, tmp_path):
    sweeping.plan(SPEC, SEEDS, sweep_cells.area, directory=tmp_path)
    (tmp_path / "runners").mkdir()
    whole = {"name": "a", "host": "b", "process": 7, "workers": 1, "started": 0.0, "cells": []}
    given = json.dumps({**whole, **json.loads(said)}) if said.startswith('{"') else said
    (tmp_path / "runners" / "x.json").write_text(given)
    assert sweeping.status(tmp_path).runners == []
    assert (serial(SPEC, SEEDS, sweep_cells.area, directory=tmp_path).cell_status == 0).all()


@pytest.mark.parametrize(("kind", "fitting"), [("cells", 1), ("runners", 3)])
def test_no_space_left_stops_cleanly_and_goes_on_later(kind, fitting, tmp_path, monkeypatch):
    whole = serial(SPEC, SEEDS, sweep_cells.slow, {"seconds": 0.2})
    replace, count = os.replace, []

    def full(source, target):
        if Path(target).parent.name == kind:
            count.append(target)
            if len(count) > fitting:
                raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="cannot be written to: No space left on device") as caught:
            serial(SPEC, SEEDS, sweep_cells.slow, {"seconds": 0.2}, directory=tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert files(tmp_path)
    assert not list(tmp_path.rglob("*.partial"))
    assert not files(tmp_path, "runners")
    done = int((sweeping.collect(tmp_path).cell_status == 0).sum())
    assert 0 < done < 6
    xr.testing.assert_identical(sweeping.resume(tmp_path, engine="serial"), whole)


def test_interrupts_carry_what_was_finished(tmp_path):
    with pytest.raises(curlflow.Interrupted) as caught:
        serial(SPEC, SEEDS, sweep_cells.stopped, {"at": 2}, directory=tmp_path)
    ds = caught.value.dataset
    done = (ds.cell_status == 0).to_numpy()
    np.testing.assert_array_equal(ds.value[done], np.arange(6)[done])
    xr.testing.assert_identical(sweeping.collect(tmp_path), ds)
    assert not files(tmp_path, "runners")


# Engines


class Shuffled:
    """An engine that returns batches out of order, late, and some of them only in part or not at all."""

    workers = 3

    def __init__(self, work, seed, deadly=()):
        self._work, self._rng, self._deadly = work, np.random.default_rng(seed), deadly
        self._batches, self._lost = [], set()
        self.largest = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._batches.clear()

    def submit(self, batch):
        self._batches.append(batch)
        self.largest = max(self.largest, len(self._batches))

    def completed(self, timeout):
        outcomes = []
        while self._batches and self._rng.random() < 0.7:
            batch = self._batches.pop(self._rng.integers(len(self._batches)))
            seeds = {json.loads(cell.spec)["seed"] for cell in batch.cells}
            names = {cell.identity for cell in batch.cells}
            if seeds & set(self._deadly) or (self._rng.random() < 0.2 and not names & self._lost):
                self._lost |= names
                outcomes.append(Outcome(batch, None, WorkerLost("a worker process died: SIGKILL")))
            else:
                part = max(1, len(batch.cells) // 2) if self._rng.random() < 0.5 else len(batch.cells)
                outcomes.append(Outcome(batch, self._work(batch._replace(cells=batch.cells[:part])), None))
        return outcomes


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_order_chunking_and_lost_workers_change_nothing(seed):
    over = {"seed": range(40), "network.inputs": [2, 3, 4]}
    engines = []

    def engine(work):
        engines.append(Shuffled(work, seed))
        return engines[-1]

    ds = curlflow.sweep(SPEC, over, sweep_cells.several, engine=engine)
    xr.testing.assert_identical(ds, serial(SPEC, over, sweep_cells.several))
    assert 1 < engines[0].largest <= 2 * Shuffled.workers


def test_a_cell_that_workers_die_of_is_given_up_and_the_rest_goes_on():
    over = {"seed": range(40)}
    with pytest.warns(UserWarning, match="1 of 40 cells failed"):
        ds = curlflow.sweep(SPEC, over, sweep_cells.area, engine=lambda work: Shuffled(work, 5, deadly=[17]))
    assert np.flatnonzero(ds.cell_status).tolist() == [17]
    assert ds.cell_message[17] == "the worker died 3 times: a worker process died: SIGKILL"


def test_other_errors_of_an_engine_are_recorded():
    class Broken(Serial):
        def completed(self, timeout):
            return [Outcome(o.batch, None, RuntimeError("unreadable")) for o in super().completed(timeout)]

    ds = quietly_with(Broken)
    assert ds.cell_message.to_numpy().tolist() == ["unreadable"] * 6


def quietly_with(engine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return curlflow.sweep(SPEC, SEEDS, sweep_cells.area, engine=engine)


def test_on_accelerators_cells_of_one_shape_are_one_batch(monkeypatch):
    spec = SPEC.replace({"realizations": 2, "dynamics.kind": "updates"})
    over = {"network.inputs": [2, 3], "rule.flipped.inputs": [0.0, 0.5, 1.0], "seed": [0, 1]}
    alone = quietly(spec, over, "train", {"epochs": 30})
    numbers, together = [], cells.train

    def counted(specs, **options):
        numbers.append(len(specs))
        assert len({spec.widths for spec in specs}) == 1
        return together(specs, **options)

    monkeypatch.setattr(worker, "accelerated", lambda: True)
    monkeypatch.setattr(cells, "train", counted, raising=False)
    xr.testing.assert_allclose(quietly(spec, over, "train", {"epochs": 30}), alone)
    assert max(numbers) > 1
    assert sum(numbers) <= 12


def test_local_processes_give_the_same(tmp_path):
    with pytest.warns(UserWarning, match="1 of 8 cells failed"):
        ds = curlflow.sweep(SPEC, {"seed": range(8)}, sweep_cells.deadly, workers=2, directory=tmp_path)
    assert ds.cell_message[3].item().startswith("the worker died 3 times: a worker process died: SIGKILL")
    np.testing.assert_array_equal(ds.value, [0, 1, 2, -1, 4, 5, 6, 7])


def test_a_run_never_holds_all_results(tmp_path, monkeypatch):
    # Batches of at most 8 cells, written as soon as they are there.
    monkeypatch.setattr(running, "MOST", 8)
    monkeypatch.setattr(writer, "GATHERED", 0.0)
    monkeypatch.setattr(writer, "TICK", 0.001)
    dimensions = dimensions_of(SPEC, {"seed": range(400)})
    wanted = manifest.Manifest(SPEC, dimensions, study_of(sweep_cells.slow), {"seconds": 0.002}, {})
    runner = Runner(tmp_path, manifest.established(tmp_path, wanted))
    alive = []

    def look(tally):
        if tally.done % 50 < 8:
            alive.append(sum(isinstance(thing, Finished) for thing in gc.get_objects()))

    runner.run(Serial(run_batch), look)
    assert len(alive) > 10
    assert max(alive) < 200


# Progress


def test_progress_and_status(tmp_path):
    seen = []
    options = {"folder": str(tmp_path)}
    quietly(SPEC, SEEDS, sweep_cells.unlucky, options, directory=tmp_path / "s", progress=seen.append)
    assert [tally.total for tally in seen] == [6] * len(seen)
    assert seen[-1][1:3] == (3, 3)
    assert all(a.done <= b.done and a.failed <= b.failed for a, b in zip(seen, seen[1:], strict=False))
    report = sweeping.status(tmp_path / "s")
    assert report.tally[:3] == (6, 3, 3)
    assert report.runners == []
    assert {f.changes["seed"]: f.message for f in report.failures} == {
        seed: f"ArithmeticError: seed {seed} is odd" for seed in (1, 3, 5)
    }
    assert json.loads(json.dumps(report.as_json()))["missing"] == 0


def test_tallies_in_words():
    assert str(sweeping.Tally(420, 10, 0, float("nan"))) == "10 of 420 done"
    assert str(sweeping.Tally(420, 10, 2, 2.0)) == "10 of 420 done, 2 failed, 2/s, 3.4 min left"
    assert str(sweeping.Tally(420, 10, 2, 0.05)) == "10 of 420 done, 2 failed, 3/min, 2.27 h left"
    assert sweeping.Tally(3, 2, 1, 0.0).seconds_left == 0


def test_options_that_python_calls_equal_are_not(tmp_path):
    """Cells of at=1 and of at=1.0 have names of their own."""
    curlflow.sweeping.plan(SPEC, {"seed": [0, 1]}, sweep_cells.echoed, {"at": 1}, directory=tmp_path / "d")
    for at in (1.0, True):
        with pytest.raises(ValueError, match=r"options.at is 1 there, (1.0|True) here"):
            curlflow.sweep(
                SPEC, {"seed": [0, 1]}, sweep_cells.echoed, {"at": at}, directory=tmp_path / "d", engine="serial"
            )


@pytest.mark.parametrize("what", ["undecodable", "leaves", "mute", "brackets"])
def test_whatever_a_cell_raises_is_a_failed_cell(what, tmp_path):
    with pytest.warns(UserWarning, match="2 of 2 cells failed"):
        ds = curlflow.sweep(
            SPEC, {"seed": [0, 1]}, sweep_cells.raising, {"what": what}, directory=tmp_path / "d", engine="serial"
        )
    assert (ds.cell_status == 1).all()
    said = {"undecodable": "caf", "leaves": "SystemExit: 3", "mute": "Mute: its message", "brackets": "[/data/1]"}
    assert said[what] in str(ds.cell_message[0].item())


@pytest.mark.parametrize(
    ("result", "sentence"),
    [("slash", "named 'a/b'"), ("taken", "named 'cell_status'"), ("masked", "masked array"), ("zero", "zero byte")],
)
def test_results_that_no_file_can_hold_fail_their_cells(result, sentence, tmp_path):
    with pytest.warns(UserWarning, match="1 of 1 cells failed"):
        ds = curlflow.sweep(
            SPEC, {"seed": [0]}, sweep_cells.odd, {"result": result}, directory=tmp_path / "d", engine="serial"
        )
    assert sentence in str(ds.cell_message[0].item())


def test_half_precision_becomes_double(tmp_path):
    ds = curlflow.sweep(
        SPEC, {"seed": [0]}, sweep_cells.odd, {"result": "half"}, directory=tmp_path / "d", engine="serial"
    )
    assert ds.value.dtype == np.float64
    curlflow.save(ds, tmp_path / "half.nc")


def test_every_bit_of_a_cell_file_may_be_damaged(tmp_path):
    """A flipped bit anywhere is noticed or harmless, and never stops a run."""
    ds = curlflow.sweep(SPEC, {"seed": [0]}, sweep_cells.echoed, {"at": 2}, directory=tmp_path / "d", engine="serial")
    (path,) = (tmp_path / "d" / "cells").iterdir()
    whole = path.read_bytes()
    for place in range(len(whole) - 120, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = curlflow.sweep(
                SPEC, {"seed": [0]}, sweep_cells.echoed, {"at": 2}, directory=tmp_path / "d", engine="serial"
            )
        np.testing.assert_array_equal(again.value, ds.value)


def test_a_function_of_the_axes_makes_what_is_studied(tmp_path):
    options = {"duration": 50, "transient": 10, "exponents": 1}
    ds = curlflow.sweep(
        sweep_cells.henon, {"a": [1.2, 1.4]}, "lyapunov", options, directory=tmp_path, engine="serial"
    )
    for i, a in enumerate([1.2, 1.4]):
        alone = curlflow.lyapunov(sweep_cells.henon(a), **options)
        np.testing.assert_array_equal(ds.lyapunov_exponent[i], alone.lyapunov_exponent)
    xr.testing.assert_equal(curlflow.sweeping.resume(tmp_path, engine="serial"), ds)
    over = {"rate": [0.1, 0.2], "widths": curlflow.Axis("hidden", [2, 3])}
    learned = curlflow.sweep(sweep_cells.learning, over, "train", {"epochs": 5}, engine="serial")
    alone = curlflow.train(sweep_cells.learning(0.2, 3), epochs=5)
    np.testing.assert_array_equal(learned.train_error[1, 1], alone.train_error)
    for function, axes, said in (
        (sweep_cells.henon, {"c": [1]}, "over: got 'c', which is no argument of the function"),
        (lambda a: sweep_cells.henon(a), {"a": [1]}, "spec: got '.*lambda>', which cannot be found by name"),
        (3, {"a": [1]}, "spec: got int, required is a curlflow.Spec, or a function"),
    ):
        with pytest.raises(ValueError, match=said):
            curlflow.sweep(function, axes, "lyapunov", engine="serial")
