"""What a sweep notes of its cells, part by part: who is at work on them, what they came to, in which files."""

import enum
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import sweep_cells
import xarray as xr
from waiting import until

import curlflow
from curlflow import Axis, Spec, sweeping
from curlflow.sweeping import report, running
from curlflow.sweeping.axes import dimensions_of
from curlflow.sweeping.collecting import _explained
from curlflow.sweeping.engines import Outcome, Serial, WorkerLost
from curlflow.sweeping.engines.worker import Batch, Cell, Failed, Finished, Labelled, Output, output_of, run_batch
from curlflow.sweeping.folder import leases, writer
from curlflow.sweeping.folder.leases import Leases, runners
from curlflow.sweeping.folder.manifest import Manifest, differences, established
from curlflow.sweeping.folder.manifest import read as read_manifest
from curlflow.sweeping.folder.packing import Header, groups, pack, read_header
from curlflow.sweeping.folder.store import ABANDONED, Settled, Store
from curlflow.sweeping.folder.writer import Writer
from curlflow.sweeping.grid import axis_coordinates, axis_names
from curlflow.sweeping.layout import Constant, Layout
from curlflow.sweeping.running import MOST, SECONDS, TOGETHER, Runner, Sizes, batches
from curlflow.sweeping.study import SweptStudy, options_of, study_of

SPEC = Spec(network={"inputs": 3, "hidden": 4}, rule={"kind": "curl"})
SOURCE = {"commit": "c", "versions": {"numpy": "2"}}


def manifest_of(over, version=1, options=None, others=None, study="sweep_cells:area"):
    return Manifest(SPEC, dimensions_of(SPEC, over), SweptStudy(study, study, version), options or {}, others or {})


def finished(identity, value=1.0, seconds=0.1, source=SOURCE, shared=False, **attributes):
    output = Output({"value": Labelled((), np.asarray(value), {})}, (), attributes)
    return Finished(identity, output, seconds, (), source, shared)


def failed(identity, message="no"):
    return Failed(identity, message, "")


def write(store, *results, version=1):
    store.write(results, {result.identity: {"seed": 7} for result in results}, version)


def folder_of(tmp_path, over, **more):
    """The folder of a sweep, its store and the names of its cells."""
    manifest = established(tmp_path, manifest_of(over, **more))
    store = Store(tmp_path)
    store.make()
    return store, [manifest.grid.identity(cell) for cell in range(manifest.grid.size)]


# Batches


def test_batches_grow_until_they_take_a_moment():
    sizes = Sizes()
    assert sizes.size(3) == 1
    sizes.learn(3, 1, [finished("a", seconds=1e-9)])
    assert (sizes.size(3), sizes.size(4)) == (4, 1)
    sizes.learn(3, 100, [finished("a", seconds=SECONDS / 40.5), finished("b", seconds=1e-9)])
    assert sizes.size(3) == 40
    sizes.learn(3, 10_000, [failed("a")])
    assert sizes.size(3) == MOST
    sizes.learn(3, 4, [finished("a", seconds=100.0)])
    assert sizes.size(3) == 1
    sizes.learn(3, 1000, [finished("a", seconds=100.0, shared=True)])
    assert sizes.size(3) == TOGETHER


def test_batches_hold_neighbours_of_one_shape():
    sizes, shapes = Sizes(), np.array([0, 0, 0, 1, 1, 0])
    for shape in (0, 1):
        sizes.learn(shape, 1000, [finished("a", seconds=SECONDS / 2.5)])
    assert list(batches(iter(range(6)), shapes, sizes)) == [[0, 1], [2], [3, 4], [5]]


# Names of axes and coordinates


def coordinates(over, taken=()):
    grid = manifest_of(over).grid
    names = axis_names(grid.dimensions, set(taken))
    return {
        name: (dims, values.tolist()) for name, (dims, values, _) in axis_coordinates(grid, names, set(taken)).items()
    }


def test_fields_of_one_last_name_are_called_in_full():
    scales = {"teacher.scale": [1.0, 2.0], "start.scale": [3.0]}
    assert coordinates(scales) == {
        "teacher_scale": (("teacher_scale",), [1.0, 2.0]),
        "start_scale": (("start_scale",), [3.0]),
    }
    over = {name: Axis(["x", "y"], fields={field: [1.0, 2.0]}) for name, field in zip("ab", scales, strict=True)}
    assert list(coordinates(over)) == ["a", "b", "teacher_scale", "start_scale"]


def test_the_names_of_a_study_are_left_to_it():
    assert list(coordinates({"teacher.scale": [1.0], "seed": [0]}, {"scale"})) == ["teacher_scale", "seed"]
    assert list(coordinates({"scale": Axis("teacher.scale", [1.0])}, {"scale"})) == ["scale_axis"]


def test_a_compression_ratio_shows_the_widths_of_the_student():
    assert list(coordinates({"c": Axis.compression_ratio([1.0], total=10)})) == ["c", "inputs", "hidden"]


def test_flipped_units_are_counted_over_the_axes_that_say_how_many_there_are():
    fraction, width = Axis("rule.flipped.hidden", [0.0, 0.5, 0.7]), Axis("network.hidden", [4, 10])
    counts = [[0, 0], [2, 5], [2, 7]]
    assert coordinates({"f": fraction, "n": width})["flipped"] == (("f", "n"), counts)
    assert coordinates({"n": width, "f": fraction})["flipped"] == (("n", "f"), np.transpose(counts).tolist())
    both = Axis([1, 2], fields={"rule.flipped.hidden": [0.5, 0.7], "network.hidden": [4, 10]})
    assert coordinates({"both": both})["flipped"] == (("both",), [2, 7])
    synapses = Axis(["s"], changes=[{"rule.side": "synapse"}])
    assert list(coordinates({"f": fraction, "g": Axis("rule.flipped.inputs", [1.0])}))[2:] == [
        "flipped_inputs",
        "flipped_hidden",
    ]
    assert "flipped" in coordinates({"f": fraction, "side": synapses})


def test_values_are_checked_alone_and_beside_the_first_ones_of_other_axes():
    updates = SPEC.replace({"dynamics.kind": "updates", "data.samples": 100})
    assert len(dimensions_of(updates, {"data.samples": [150, 100], "dynamics.batch": [75, 10]})) == 2
    with pytest.raises(ValueError, match="over: batch = 75"):
        dimensions_of(updates, {"data.samples": [100, 150], "dynamics.batch": [75, 10]})


def test_combinations_that_a_spec_refuses_have_names_of_their_own():
    updates = SPEC.replace({"dynamics.kind": "updates", "data.samples": 100})
    over = {"data.samples": [150, 100, 200], "dynamics.batch": [75, 10, 30]}
    grid = Manifest(updates, dimensions_of(updates, over), SweptStudy("f", "m:f", 1), {}, {}).grid
    refused = [grid.identity(cell) for cell in (3, 5, 6, 8)]
    assert len({*refused, *(grid.identity(cell) for cell in (0, 1, 2, 4, 7))}) == 9


# Options


def test_options_are_what_json_makes_of_them():
    kind = enum.IntEnum("Kind", ["a", "b"])
    options = options_of({"kind": kind.b, "pair": (1, np.float64(2.5)), "none": None})
    assert options == {"kind": 2, "pair": [1, 2.5], "none": None}
    assert type(options["kind"]) is int


def test_a_study_that_is_given_as_a_function_is_the_one_of_that_name():
    assert study_of(curlflow.train) == study_of("train") == SweptStudy("train", "curlflow.studies.training:train", 2)


# Arrays over all cells


def header(**variables):
    described = {
        name: {"dims": dims, "shape": shape, "type": kind, "attributes": attributes}
        for name, (dims, shape, kind, attributes) in variables.items()
    }
    return Header([], described, [], {}, 1, {}, [])


def layout_of(*headers):
    layout = Layout(2)
    for one in headers:
        assert layout.conflict(one) == ""
        layout.take(one)
    return layout


@pytest.mark.parametrize(
    ("kinds", "attributes", "fill"),
    [
        (["<f8"], {}, np.nan),
        (["<i8", "<f4"], {}, np.nan),
        (["U"], {}, ""),
        (["<i8"], {}, -1),
        (["|b1"], {}, -1),
        (["|u1"], {}, 255),
        (["|u1", "<i2"], {}, -1),
        (["|i1"], {"flag_meanings": "ok not_run", "flag_values": np.array([0, 5], np.int8)}, 5),
        (["|i1"], {"flag_meanings": "ok bad", "flag_values": np.array([0, 5], np.int8)}, -1),
    ],
)
def test_what_stands_where_there_is_no_result(kinds, attributes, fill):
    layout = layout_of(*(header(x=([], [], kind, attributes)) for kind in kinds))
    np.testing.assert_equal(layout.fill("x"), fill)
    np.testing.assert_equal(layout.empty("x").tolist(), [fill, fill])


def test_flags_that_say_what_is_filled_in_need_no_other_word():
    flags = {"flag_values": np.array([-1, 0], np.int8), "flag_meanings": "none some"}
    assert _explained(flags, -1, np.dtype(np.int8)) == flags
    assert _explained({"comment": "a count"}, -1, np.dtype(int)) == {"comment": "a count; -1: no result"}


def test_attributes_of_variables_stay_where_all_cells_have_them():
    one, other = {"units": "1", "long_name": "a", "n": np.int8(1)}, {"units": "1", "long_name": "b", "n": np.int8(1)}
    layout = layout_of(header(x=([], [], "<f8", one)), header(x=([], [], "<f8", other)))
    assert layout.attributes["x"] == {"units": "1", "n": 1}


@pytest.mark.parametrize("order", [1, -1])
def test_errors_that_cells_of_a_later_version_have_are_linked(order):
    earlier, later = {"ancillary_variables": "status"}, {"ancillary_variables": "status a_se", "uncertainty": "exact"}
    both = [header(x=([], [], "<f8", attributes)) for attributes in (earlier, later)][::order]
    found = layout_of(*both).attributes["x"]
    assert set(found.pop("ancillary_variables").split()) == {"status", "a_se"}
    assert found == {"uncertainty": "exact"}
    other = header(x=([], [], "<f8", {"uncertainty": "of one run"}))
    assert "uncertainty" not in layout_of(*[header(x=([], [], "<f8", later)), other][::order]).attributes["x"]
    assert layout_of(header(x=([], [], "<f8", {})), header()).attributes["x"] == {}


def test_variables_that_some_cells_lack_are_padded():
    long, short = header(x=(["n"], [3], "<f8", {})), header(x=(["n"], [2], "<f8", {}))
    assert not layout_of(long, long).padded("x")
    assert layout_of(long, short).padded("x")
    assert layout_of(long, header()).padded("x")
    assert layout_of(long, short).shape("x") == (3,)


def test_cells_that_do_not_fit_are_told_so():
    layout = layout_of(header(x=(["n"], [3], "<f8", {})))
    assert "('m',) here and ('n',) in cells before" in layout.conflict(header(x=(["m"], [3], "<f8", {})))
    assert "x is text here and numbers in cells before" in layout.conflict(header(x=(["n"], [3], "U", {})))


@pytest.mark.parametrize(
    ("pieces", "holds", "values"),
    [
        ([[[1, 2]], [[1, 2, 3]], [[1]]], True, [1, 2, 3]),
        ([[[1, 2, 3]], [[1, 2, 3]]], True, [1, 2, 3]),
        ([[[1, np.nan]], [[1, np.nan, 3]]], True, [1, np.nan, 3]),
        ([[[1, 2]], [[1, 3, 3]]], False, None),
        ([[[1, 2, 3]], [[0, 2]]], False, None),
        ([[[1, 2], [1, 3]]], False, None),
    ],
)
def test_a_coordinate_is_constant_as_far_as_each_cell_goes(pieces, holds, values):
    constant = Constant()
    for rows in pieces:
        constant.take(np.array(rows, float))
    assert constant.holds is holds
    if holds:
        np.testing.assert_array_equal(constant.values, values)


def test_the_status_names_cells_that_do_not_fit(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [5, 6]})
    write(store, finished(names[0]))
    write(store, finished(names[1], [1.0, 2.0])._replace(output=output_of({"value": ("n", [1.0, 2.0])})))
    found = sweeping.status(tmp_path)
    assert found.tally[:3] == (2, 1, 1)
    (failure,) = found.failures
    assert (failure.identity, failure.changes) == (names[1], {"seed": 6})
    assert "required is the same everywhere" in failure.message


def test_names_come_in_the_order_of_the_cells(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0, 1]})
    for cell, rules in enumerate((["c", "a"], ["b", "c"])):
        output = output_of(xr.Dataset({"v": ("rule", [cell + 0.5, 10.0 + cell])}, {"rule": rules}))
        write(store, Finished(names[cell], output, 0.1, (), SOURCE))
    ds = sweeping.collect(tmp_path)
    assert ds["rule"].to_numpy().tolist() == ["c", "a", "b"]
    np.testing.assert_array_equal(ds.v, [[0.5, 10, np.nan], [11, np.nan, 1.5]])


# Who is at work


@pytest.fixture
def pair(tmp_path):
    """Two runners of one folder, in the order of their names."""
    return sorted((Leases(tmp_path, 1) for _ in range(2)), key=lambda lease: lease.own.name)


def test_cells_of_others_are_left_to_them_until_they_are_let_go(pair):
    first, second = pair
    assert first.claim(["x", "y"], first.others()) == ["x", "y"]
    assert [runner.cells for runner in second.others()] == [["x", "y"]]
    assert second.claim(["y", "z"], second.others()) == ["z"]
    assert second.claim(["w"], second.others()) == ["w"]
    assert first.claim(["w", "z"], first.others()) == []
    assert second.own.cells == ["z", "w"]
    first.release({"y"})
    first.renew()
    assert first.own.cells == ["x"]
    assert second.claim(["x", "y"], second.others()) == ["y"]
    first.end()
    assert second.others() == []
    assert [runner.name for runner in runners(second.folder.parent)] == [second.own.name]


def test_of_two_that_claim_at_one_moment_the_first_by_name_goes_on(pair):
    first, second = pair
    before = first.others(), second.others()  # neither has claimed yet
    assert first.claim(["x", "y"], before[0]) == ["x", "y"]
    assert second.claim(["x", "z"], before[1]) == ["z"]
    assert second.own.cells == ["z"]
    # In the other order both have seen each other only when the first by name comes: it goes on.
    second.claim(["v"], before[1])
    assert first.claim(["v"], before[0]) == ["v"]


def runner_file(folder, age, **said):
    whole = {"name": "other", "host": "elsewhere", "process": 1, "workers": 1, "started": 0.0, "rate": 2.0, **said}
    path = folder / "runners" / f"{whole['name']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(whole))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_runners_that_are_not_heard_of_count_as_gone(tmp_path):
    young, old = runner_file(tmp_path, 0.5 * leases.EXPIRY), runner_file(tmp_path, 2 * leases.EXPIRY, name="old")
    ancient = runner_file(tmp_path, 11 * leases.EXPIRY, name="ancient")
    assert [runner.name for runner in runners(tmp_path)] == ["other"]
    assert (young.exists(), old.exists(), ancient.exists()) == (True, True, False)


def test_runners_of_this_machine_that_were_killed_are_gone_at_once(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = {"host": socket.gethostname()}
    dead = runner_file(tmp_path, 0, name="dead", process=ended.pid, **here)
    runner_file(tmp_path, 0, name="mine", process=os.getpid(), **here)
    runner_file(tmp_path, 0, name="parent", process=os.getppid(), **here)
    assert [runner.name for runner in runners(tmp_path)] == ["mine", "parent"]
    assert not dead.exists()


def test_rates_of_all_runners_are_added(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0, 1, 2, 3]})
    write(store, finished(names[0]))
    assert np.isnan(sweeping.status(tmp_path).tally.rate)
    runner_file(tmp_path, 0)
    runner_file(tmp_path, 0, name="another", rate=1.0)
    tally = sweeping.status(tmp_path).tally
    assert (tally.rate, tally.seconds_left) == (3.0, 1.0)


# What became of cells


def test_what_files_say_is_marked_and_a_result_outweighs_failures(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0, 1, 2, 3]})
    settled = Settled(read_manifest(tmp_path))
    write(store, finished(names[0]), failed(names[1]), failed(names[0]), finished("0" * 32))
    settled.mark(store)
    assert settled.done.tolist() == [True, False, False, False]
    assert settled.failed.tolist() == [False, True, False, False]
    assert settled.missing.tolist() == [False, False, True, True]
    assert [settled[cell] for cell in range(4)] == [True, True, False, False]
    assert settled.counts == (1, 1)
    assert [settled.identity(cell) for cell in range(4)] == names


def test_cells_of_one_name_are_one(tmp_path):
    over = {"c": Axis.compression_ratio([1.0, 3.0, 3.01], total=10)}
    _, names = folder_of(tmp_path, over)
    assert names[1] == names[2]
    settled = Settled(read_manifest(tmp_path))
    assert settled.missing.tolist() == [True, True, False]
    settled.done[1] = True  # as the loop does, before anything is in a file
    assert settled.counts == (2, 0)


def test_cells_of_other_versions_count_where_they_may_be_used_and_the_newest_first(tmp_path):
    over = {"seed": [0, 1, 2, 3]}
    others = {1: "use", 2: "use", 4: "recompute"}
    store, own = folder_of(tmp_path, over, version=3, others=others)
    name = {v: [manifest_of(over, v).grid.identity(cell) for cell in range(4)] for v in (1, 2, 4)}
    write(store, *(finished(name[1][cell], 1.0) for cell in (0, 1, 2)), version=1)
    write(store, *(finished(name[2][cell], 2.0) for cell in (1, 2)), failed(name[2][3], "second"), version=2)
    write(store, finished(own[2], 3.0), version=3)
    write(store, finished(name[4][3], 4.0), version=4)
    ds = quietly(sweeping.collect, tmp_path)
    np.testing.assert_array_equal(ds.value, [1, 2, 3, np.nan])
    assert ds.cell_message[3] == "second"
    assert ds.attrs["swept_study_version"] == "1, 2, 3"
    found = sweeping.status(tmp_path)
    assert found.tally[:3] == (4, 3, 1)
    assert [failure.message for failure in found.failures] == ["second"]
    assert found.versions == {1: 3, 2: 2, 3: 1, 4: 1}


def quietly(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return call(*arguments, **options)


def test_the_last_failure_of_a_cell_is_told(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0]})
    for message, at in (("second", 2.0), ("first", 1.0), ("third", 3.0)):
        record = {"identity": names[0], "message": message, "traceback": "", "changes": {}, "at": at}
        (tmp_path / "failed" / f"{message}.json").write_text(json.dumps([record]))
    store.scan()
    assert store.failures[names[0]].message == "third"


def test_a_scan_says_whether_there_is_anything_new(tmp_path):
    mine, names = folder_of(tmp_path, {"seed": [0, 1, 2]})
    other = Store(tmp_path)
    assert not mine.scan()
    write(other, finished(names[0]))
    assert mine.scan()
    assert not mine.scan()
    assert mine.done == {names[0]}
    write(mine, finished(names[1]), failed(names[2]))
    assert not mine.scan()  # what it wrote itself is not new
    assert (mine.done, set(mine.failures)) == ({names[0], names[1]}, {names[2]})
    assert other.scan()
    assert (other.done, set(other.failures)) == (mine.done, set(mine.failures))


def test_files_that_were_damaged_and_are_whole_again_are_read(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0]})
    write(Store(tmp_path), finished(names[0]))
    (path,) = (tmp_path / "cells").iterdir()
    assert path.name == f"{names[0]}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    store.scan()
    assert (list(store.damaged), store.done) == ([path.name], set())
    path.write_bytes(whole)
    store.scan()
    assert (store.damaged, store.done) == ({}, {names[0]})
    # The header alone is whole where an array is not; a thorough look finds it.
    place = whole.index(b"value.npy") + 100
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    glance, look = Store(tmp_path), Store(tmp_path)
    glance.scan()
    look.scan(thorough=True)
    assert (len(glance.done), len(look.done), list(look.damaged)) == (1, 0, [path.name])


def test_only_what_was_abandoned_long_ago_is_removed(tmp_path):
    store, _ = folder_of(tmp_path, {"seed": [0]})
    paths = [tmp_path / "cells" / f".{age}.partial" for age in (0, 2)]
    for age, path in zip((0.1, 2), paths, strict=True):
        path.touch()
        os.utime(path, (time.time() - age * ABANDONED,) * 2)
    store.make()
    assert [path.exists() for path in paths] == [True, False]


# Files of cells


def test_what_passes_is_kept_in_no_file(tmp_path):
    """A dataset promised bit for bit has neither times nor the specs of single cells in it."""
    results = [finished(name, created="today", spec="{}", device="none") for name in "ab"]
    (tmp_path / "a.npz").write_bytes(pack(results, [{}, {}], 1))
    found = read_header(tmp_path / "a.npz")
    assert found.attributes == {"device": "none"}
    assert [cell["attributes"] for cell in found.cells] == [{}, {}]
    results = [finished("a", created="today"), finished("b", created="tomorrow")]
    (tmp_path / "b.npz").write_bytes(pack(results, [{}, {}], 1))
    assert [cell["attributes"] for cell in read_header(tmp_path / "b.npz").cells] == [{}, {}]
    named = dict.fromkeys("fbdaec", "text")  # in the study's order
    (tmp_path / "c.npz").write_bytes(pack([finished("a", **named)], [{}], 1))
    assert list(read_header(tmp_path / "c.npz").attributes) == list(named)


def test_results_of_other_code_have_files_of_their_own():
    other = {"commit": "d", "versions": {"numpy": "2"}}
    results = [finished("a"), finished("b", source=other), finished("c"), finished("d", np.ones(2)[0] > 0)]
    assert [[result.identity for result in group] for group in groups(results)] == [["a", "c"], ["b"], ["d"]]


def test_an_attribute_is_of_the_whole_only_where_all_cells_have_it(tmp_path):
    store, names = folder_of(tmp_path, {"seed": range(5)})
    write(store, finished(names[0], x=1, y=1, z=1))
    write(store, finished(names[1], x=1, y=1, z=1), finished(names[2], x=2, y=1, z=1))  # x is each one's own here
    write(store, finished(names[3], x=1, y=2, z=1))
    attributes = sweeping.collect(tmp_path).attrs
    assert attributes["z"] == 1
    assert not {"x", "y"} & attributes.keys()
    assert attributes["commit"] == "c"


def test_a_file_that_is_damaged_behind_its_header_leaves_its_cells_missing(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0, 1]})
    time_of = xr.Dataset({"v": ("t", [1.0, 2.0])}, {"t": [0.0, 1.0]})
    write(store, *(Finished(name, output_of(time_of), 0.1, (), SOURCE) for name in names))
    (path,) = (tmp_path / "cells").iterdir()
    whole = path.read_bytes()
    place = whole.index(b"t.npy") + 100
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.warns(UserWarning, match="are damaged"):
        ds = sweeping.collect(tmp_path)
    assert ds.cell_status.to_numpy().tolist() == [2, 2]


# The description of a sweep


def test_versions_that_were_used_are_remembered_and_answered_for_together(tmp_path):
    over = {"seed": [0]}

    def others(version, **more):
        return established(tmp_path, manifest_of(over, version), **more).others

    assert others(1) == {}
    assert others(2, other_version="use") == {1: "use"}
    assert others(2) == {1: "use"}
    assert others(3, other_version="recompute") == {1: "recompute", 2: "recompute"}
    assert others(1, other_version="use") == {2: "use", 3: "use"}
    with pytest.raises(ValueError, match="holds cells of version 1 of sweep_cells:area, this is version 2"):
        others(2)
    assert read_manifest(tmp_path).others == {2: "use", 3: "use"}


def test_a_sweep_that_came_to_nothing_is_not_changed_under_a_runner(tmp_path):
    store, names = folder_of(tmp_path, {"seed": [0]})
    other = manifest_of({"seed": [1]})
    with pytest.raises(ValueError, match="is of another sweep"):
        established(tmp_path, other)  # nothing was computed yet
    write(store, failed(names[0]))
    path = runner_file(tmp_path, 0)
    with pytest.raises(ValueError, match="is of another sweep"):
        established(tmp_path, other)
    path.unlink()
    assert established(tmp_path, other) == other
    write(store, finished(names[0]))
    with pytest.raises(ValueError, match="is of another sweep"):
        established(tmp_path, manifest_of({"seed": [2]}))


@pytest.mark.parametrize("missing", ["cells", "failed", "runners"])
def test_a_folder_is_taken_for_a_sweep_only_with_all_that_a_sweep_has(missing, tmp_path):
    for name in {"cells", "failed", "runners"} - {missing}:
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="holds other files, but no sweep"):
        established(tmp_path, manifest_of({"seed": [0]}))
    (tmp_path / missing).mkdir()
    established(tmp_path, manifest_of({"seed": [0]}))


def test_along_an_axis_truth_is_no_number():
    changes = [{"teacher.rescaled": True}, {"teacher.rescaled": False}]
    whole, real, truth = (manifest_of({"a": Axis(v, changes=changes)}) for v in ([1, 0], [1.0, 0.0], [True, False]))
    assert list(differences(whole, real)) == []
    (difference,) = differences(whole, truth)
    assert difference.startswith("the axis a is 1 with")
    assert "True with" in difference


# The loop


class Recorded(Serial):
    """An engine that keeps the batches, and loses those with a seed that is `deadly`."""

    workers = 2

    def __init__(self, work, deadly=()):
        super().__init__(work)
        self.deadly, self.seeds, self.most = set(deadly), [], 0

    def submit(self, batch):
        super().submit(batch)
        self.most = max(self.most, len(self._batches))

    def completed(self, timeout):
        batch = self._batches[0]
        self.seeds.append([json.loads(cell.spec)["seed"] for cell in batch.cells])
        if self.deadly & set(self.seeds[-1]):
            return [Outcome(self._batches.popleft(), None, WorkerLost("died"))]
        return super().completed(timeout)


def run(tmp_path, over, engine, look=lambda tally: None, study="sweep_cells:area"):
    runner = Runner(tmp_path, established(tmp_path, manifest_of(over, study=study)))
    with engine:
        runner.run(engine, look)
    return sweeping.collect(tmp_path)


def test_every_worker_has_a_batch_and_another_in_advance(tmp_path):
    engine = Recorded(run_batch)
    run(tmp_path, {"seed": range(40)}, engine)
    assert engine.most == 4
    assert sorted(seed for seeds in engine.seeds for seed in seeds) == list(range(40))


def test_the_cell_to_blame_is_tried_alone_three_times(tmp_path):
    engine = Recorded(run_batch, deadly=[30])
    ds = run(tmp_path, {"seed": range(40)}, engine)
    assert engine.seeds.count([30]) == 3
    assert any(len(seeds) > 1 and 30 in seeds for seeds in engine.seeds)
    assert np.flatnonzero(ds.cell_status).tolist() == [30]
    assert ds.cell_message[30] == "the worker died 3 times: died"


def test_what_a_batch_left_over_is_put_back(tmp_path):
    def half(batch):
        return run_batch(batch._replace(cells=batch.cells[: (len(batch.cells) + 1) // 2]))

    engine = Recorded(half)
    assert (run(tmp_path, {"seed": range(40)}, engine).cell_status == 0).all()
    assert sum(map(len, engine.seeds)) > 40


def test_a_runner_says_how_it_is_getting_on(tmp_path):
    seen = []
    run(tmp_path, {"seed": range(6)}, Recorded(run_batch, deadly=[2]),
        lambda tally: seen.append((tally, sweeping.status(tmp_path).runners)))  # fmt: skip
    assert [len(runners) for _, runners in seen] == [1] * len(seen)
    last, (mine,) = seen[-1]
    assert last[:3] == (6, 5, 1)
    assert mine.workers == 2
    assert runners(tmp_path) == []


def test_what_a_runner_has_computed_and_how_fast_is_in_its_lease(tmp_path):
    runner = Runner(tmp_path, established(tmp_path, manifest_of({"seed": range(6)})))
    with Recorded(run_batch, deadly=[2]) as engine:
        runner.run(engine, lambda tally: None)
    own = runner._leases.own
    assert (own.done, own.failed) == (5, 1)
    assert own.rate > 0


def test_cells_of_another_runner_are_waited_for_and_not_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "POLL", 0.01)
    over = {"seed": range(5)}
    store, names = folder_of(tmp_path, over)
    other = Leases(tmp_path, 1)
    assert other.claim(names[:3], []) == names[:3]
    engine = Recorded(run_batch)

    def look(tally):
        if tally.done == 2 and len(other.own.cells) == 3:  # one comes to a result, one fails, and one is let go
            write(store, finished(names[0], 77.0), failed(names[1], "elsewhere"))
            other.release(set(names))
            other.renew()

    ds = run(tmp_path, over, engine, look)
    assert sorted(seed for seeds in engine.seeds for seed in seeds) == [2, 3, 4]
    assert ds.cell_status.to_numpy().tolist() == [0, 1, 0, 0, 0]
    assert ds.value[0] == 77


def test_what_another_runner_has_just_finished_is_not_computed_again(tmp_path):
    over = {"seed": range(12)}
    store, names = folder_of(tmp_path, over)
    other = Leases(tmp_path, 1)
    engine, done = Recorded(run_batch), []

    def look(tally):
        if not done:
            done.append(write(store, *(finished(name) for name in names[8:])))
            other.renew()

    run(tmp_path, over, engine, look)
    assert sorted(seed for seeds in engine.seeds for seed in seeds) == list(range(8))


# Workers and the writer


def batch_of(function, seeds, seconds=100.0, options=None):
    cells = tuple(Cell(f"{seed:032x}", SPEC.replace("seed", seed).to_json()) for seed in seeds)
    return Batch(function, options or {}, cells, seconds)


def test_a_batch_ends_early_where_its_time_is_up_but_never_empty():
    assert len(run_batch(batch_of("sweep_cells:area", range(5)))) == 5
    assert len(run_batch(batch_of("sweep_cells:area", range(5), seconds=0.0))) == 1
    found = run_batch(batch_of("sweep_cells:slow", range(5), seconds=0.15, options={"seconds": 0.1}))
    assert 2 <= len(found) < 5


def test_of_equal_warnings_one_is_kept():
    (result,) = run_batch(batch_of(f"{__name__}:warned", [1]))
    assert result.warnings == ("again", "once")


def warned(spec):
    for text in ("again", "once", "again"):
        warnings.warn(text, stacklevel=1)
    return spec.seed


def test_the_end_of_a_long_traceback_is_kept():
    (result,) = run_batch(batch_of(f"{__name__}:deep", [40]))
    assert result.traceback.endswith("ZeroDivisionError: division by zero\n")
    assert "run_batch" not in result.traceback


def deep(spec, depth=None):
    depth = spec.seed if depth is None else depth
    return 1 / depth if depth == 0 else [deep, shallow][depth % 2](spec, depth - 1)


def shallow(spec, depth):
    return deep(spec, depth)


def test_a_function_that_was_defined_again_is_the_one_that_runs(monkeypatch):
    for number in (2.0, 3.0):
        monkeypatch.setattr(sweep_cells, "area", lambda spec, number=number: number)
        (result,) = run_batch(batch_of("sweep_cells:area", [1]))
        assert result.output.variables["value"].values == number


@pytest.fixture
def writing(tmp_path, monkeypatch):
    """A writer that is quick, its store, its leases and the names of cells."""
    for name, seconds in (("GATHERED", 0.05), ("RENEWAL", 0.05), ("TICK", 0.005)):
        monkeypatch.setattr(writer, name, seconds)
    store, names = folder_of(tmp_path, {"seed": range(6)})
    own = Leases(tmp_path, 1)
    own.claim(names, [])
    return Writer(tmp_path, store, own, 1), store, own, names


def test_results_are_written_while_others_are_computed(writing):
    thread, store, own, names = writing
    with thread:
        thread.add([finished(names[0]), failed(names[1])], {name: {} for name in names})
        until(lambda: store.done and store.failures)
        until(lambda: own.own.cells == names[2:])
        own.own.done = 17
        (path,) = own.folder.iterdir()
        until(lambda: json.loads(path.read_text())["done"] == 17)
        thread.add([finished(names[2])], {names[2]: {}})
    assert store.done == {names[0], names[2]}
    assert list(own.folder.iterdir()) == []


def test_results_that_come_in_a_row_are_not_put_off_for_ever(writing, monkeypatch):
    thread, store, _, names = writing
    monkeypatch.setattr(writer, "GATHERED", 0.3)
    with thread:
        start = time.monotonic()
        while not store.done:
            thread.add([finished(names[0])], {names[0]: {}})
            time.sleep(0.01)
            assert time.monotonic() - start < 30


def test_what_keeps_the_writer_from_writing_comes_out(writing, tmp_path):
    thread, _, own, names = writing
    for path in (tmp_path / "cells").iterdir():
        path.unlink()
    (tmp_path / "cells").rmdir()
    with pytest.raises(OSError, match="cannot be written to"), thread:
        thread.add([finished(names[0])], {names[0]: {}})
    assert list(own.folder.iterdir()) == []


# How far it is


def test_rates_are_those_of_the_last_minutes(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    meter = report.Meter(window=10.0)
    assert np.isnan(meter.mark(0))
    now[0] = 102.0
    assert meter.mark(10) == 5.0
    now[0] = 104.0
    assert meter.mark(30) == 7.5
    now[0] = 113.0  # what was at 100 and 102 no longer counts
    assert meter.mark(48) == 2.0
    now[0] = 150.0
    assert np.isnan(meter.mark(48))


def test_nothing_is_left_where_all_failed():
    tally = report.Tally(5, 2, 3, 1.0)
    assert (tally.remaining, tally.seconds_left) == (0, 0.0)
    assert report.Tally(5, 4, 3, 1.0).remaining == 0
    assert str(tally) == "2 of 5 done, 3 failed"


def test_a_study_goes_on_at_its_version_of_today(tmp_path):
    sweeping.plan(SPEC, {"seed": [0]}, sweep_cells.area, version=5, directory=tmp_path)
    assert sweeping.resume(tmp_path, engine="serial").attrs["swept_study_version"] == "5"
    assert isinstance(curlflow.sweeping.status(tmp_path).tally.rate, float)
    assert Path(tmp_path, "sweep.json").exists()
