"""Properties of specs, grids and files that hold whatever the numbers; the examples drawn are always the same."""

import itertools
import json
import math

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curlflow import Axis, Spec, sweeping
from curlflow.sweeping.axes import dimensions_of
from curlflow.sweeping.engines.worker import Failed, Finished, Labelled, Output
from curlflow.sweeping.folder.manifest import Manifest, established
from curlflow.sweeping.folder.packing import groups, pack, read_arrays, read_header
from curlflow.sweeping.folder.store import Store
from curlflow.sweeping.grid import SHAPES, Grid
from curlflow.sweeping.study import SweptStudy, options_of

drawn = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STUDY = SweptStudy("area", "sweep_cells:area", 1)
SPEC = Spec(network={"inputs": 3, "hidden": 4}, rule={"kind": "curl"}, dynamics={"kind": "updates"})

# Replacements in a spec

real = st.floats(1e-6, 1e6)
fraction = st.floats(0, 1)
FIELDS = {
    "seed": st.integers(0, 2**63 - 1),
    "realizations": st.integers(1, 9),
    "network.inputs": st.integers(1, 300),
    "network.hidden": st.integers(1, 300),
    "network.outputs": st.integers(1, 3),
    "network.activation": st.sampled_from(["linear", "tanh", "relu"]),
    "teacher.width": st.integers(1, 300),
    "teacher.scale": real,
    "teacher.rescaled": st.booleans(),
    "data.samples": st.integers(1, 500),
    "data.input_std": real,
    "rule.gain": st.floats(-3, 3),
    "rule.flipped.inputs": st.one_of(fraction, st.builds(lambda n: {"count": n}, st.integers(0, 5))),
    "rule.flipped.hidden": fraction,
    "dynamics.learning_rate": real,
    "start.law": st.sampled_from(["uniform", "normal"]),
}
"""Fields of which any values go together."""
changes = st.fixed_dictionaries({}, optional=FIELDS)


@drawn
@given(changes)
def test_replacing_twice_is_replacing_once(change):
    once = SPEC.replace(change)
    assert once.replace(change) == once
    assert once.replace({}) == once
    assert once.to_json() == once.replace(change).to_json()


@drawn
@given(changes, st.randoms(use_true_random=False))
def test_the_order_of_disjoint_replacements_does_not_matter(change, random):
    names = list(change)
    random.shuffle(names)
    spec = SPEC
    for name in names:
        spec = spec.replace(name, change[name])
    assert spec == SPEC.replace(change)
    cut = random.randint(0, len(names))
    first, second = ({name: change[name] for name in some} for some in (names[:cut], names[cut:]))
    assert SPEC.replace(first).replace(second) == SPEC.replace(second).replace(first) == spec


@drawn
@given(changes)
def test_a_spec_with_replacements_is_the_one_that_toml_writes(change):
    tables = SPEC.model_dump(exclude_none=True)
    for name, value in change.items():
        *path, last = name.split(".")
        table = tables
        for part in path:
            table = table[part]
        table[last] = value
    replaced = SPEC.replace(change)
    assert Spec.from_toml_string(tomli_w.dumps(tables)) == replaced
    assert Spec.from_toml_string(replaced.to_toml()) == replaced
    assert Spec.from_json(replaced.to_json()) == replaced


KINDS = {
    "rule.kind": ["gradient", "curl", "feedback_alignment", "predictive_coding", "oja", "sanger"],
    "constraint.kind": ["none", "frobenius"],
    "start.kind": ["random", "teacher"],
    "dynamics.kind": ["flow", "updates"],
}


@drawn
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(kinds) for name, kinds in KINDS.items()}))
def test_kinds_are_replaced_together_or_one_by_one(change):
    together, one_by_one = SPEC.replace(change), SPEC
    for name, kind in reversed(change.items()):
        one_by_one = one_by_one.replace(name, kind)
    assert together == one_by_one
    for name, kind in change.items():
        assert getattr(together, name.partition(".")[0]).kind == kind


# Axes and grids


def listed(values):
    return st.lists(values, min_size=1, max_size=3, unique=True)


# Axes are made in the tests: the checks of their types draw random numbers of their own.
MAKE = {
    "seed": (st.integers(0, 10**9), list),
    "c": (st.floats(0.05, 20), lambda c: Axis.compression_ratio(c, total=40)),
    "load": (
        st.integers(1, 9),
        lambda loads: Axis.derived(loads, lambda k: {"data.samples": 60 * k, "data.seed": k}),
    ),
    "dynamics.batch": (st.sampled_from([2, 3, 5, 10, 60, 125, "full"]), list),
    "fraction": (fraction, lambda values: Axis("rule.flipped.hidden", values)),
    "side": (
        st.sampled_from(["presynaptic", "synapse"]),
        lambda sides: Axis(sides, changes=[{"rule.side": side} for side in sides]),
    ),
}
axes = st.lists(st.sampled_from(sorted(MAKE)), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: listed(MAKE[name][0]) for name in names})
)
MANY = SPEC.replace("data.samples", 750)


def grid_of(values):
    """The grid over these axes; without batches where the spec refuses one of them alone."""
    over = {name: MAKE[name][1](given) for name, given in values.items()}
    try:
        return Grid(MANY, dimensions_of(MANY, over), STUDY, {})
    except ValueError:
        over["dynamics.batch"] = ["full"]
        return Grid(MANY, dimensions_of(MANY, over), STUDY, {})


@drawn
@given(axes)
def test_every_cell_is_a_combination_of_values_and_has_a_name_of_its_own(values):
    grid = grid_of(values)
    along = [zip(d.values, d.changes, strict=True) for d in grid.dimensions]
    cells = list(itertools.product(*along))
    assert grid.size == len(cells) == math.prod(grid.shape)
    tables, names = [], []
    for number, cell in enumerate(cells):
        expected = {field: value for _, change in cell for field, value in change.items()}
        assert grid.changes(number) == expected
        names.append(grid.identity(number))
        try:
            spec = grid.resolved(number)
        except ValueError:
            tables.append(json.dumps(expected, sort_keys=True))
            continue
        assert spec == MANY.replace(expected)
        assert Spec.from_json(spec.to_json()) == spec
        assert Grid(spec, (), STUDY, {}).identity(0) == names[-1]
        tables.append(spec.to_json())
    assert [t == tables[0] for t in tables] == [n == names[0] for n in names]
    assert len(set(tables)) == len(set(names))
    assert [name.decode() for name in grid.identities().tolist()] == names
    assert not set(names) & {name.decode() for name in grid.identities(version=2).tolist()}


@drawn
@given(axes, st.data())
def test_the_order_of_cells_is_a_permutation_with_the_shapes_together(values, data):
    grid = grid_of(values)
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=grid.size, max_size=grid.size)))
    order = list(grid.order(wanted))
    assert sorted(order) == np.flatnonzero(wanted).tolist()
    shapes = grid.shape_numbers[order].tolist()
    number = len(set(shapes))
    assert len(set(shapes[:number])) == number
    assert shapes[number:] == sorted(shapes[number:])
    # Cells of one shape have all fields in common that shapes depend on.
    fields = {}
    for cell, shape in enumerate(grid.shape_numbers.tolist()):
        own = {
            field: value
            for field, value in grid.changes(cell).items()
            if any(field == shaping or field.startswith(f"{shaping}.") for shaping in SHAPES)
        }
        assert fields.setdefault(shape, own) == own


@drawn
@given(axes, st.randoms(use_true_random=False))
def test_names_of_cells_depend_neither_on_the_order_of_axes_nor_on_what_is_written_down(values, random):
    grid = grid_of(values)
    manifest = Manifest(MANY, grid.dimensions, STUDY, options_of({}), {})
    again = Manifest.from_json(json.loads(json.dumps(manifest.as_json())))
    assert again.grid.identities().tolist() == grid.identities().tolist()
    assert again.as_json() == manifest.as_json()
    keys = list(values)
    random.shuffle(keys)
    shuffled = grid_of({key: values[key] for key in keys})
    allowed = [number for number in range(grid.size) if _allowed(grid, number)]
    there = {grid.identity(number) for number in allowed}
    assert there == {shuffled.identity(n) for n in range(shuffled.size) if _allowed(shuffled, n)}


def _allowed(grid, number):
    try:
        grid.resolved(number)
    except ValueError:
        return False
    return True


# From results to files, and from files to one dataset

KEPT = st.one_of(
    arrays_of.boolean_dtypes(),
    arrays_of.integer_dtypes(endianness="="),
    arrays_of.unsigned_integer_dtypes(endianness="="),
    arrays_of.floating_dtypes(endianness="=", sizes=(32, 64)),
    st.just(np.dtype("U7")),
)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=7)
attribute = st.one_of(
    text,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.builds(np.int8, st.integers(-128, 127)),
    st.builds(np.float32, st.floats(width=32, allow_nan=False)),
    arrays_of.arrays(np.int8, 3),
    arrays_of.arrays(np.float64, st.integers(0, 3), elements=st.floats(allow_nan=False)),
)
attributes = st.dictionaries(st.sampled_from(["units", "flag_values", "device", "n"]), attribute, max_size=3)
name = st.sampled_from(["a", "b", "status", "time"])


@st.composite
def outputs(draw, kind=KEPT):
    """What a study may return: some variables of one structure each."""
    found = {}
    for key in draw(st.lists(name, unique=True, max_size=3)):
        shape = draw(arrays_of.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
        dtype = draw(kind)
        elements = text if dtype.kind == "U" else None
        values = draw(arrays_of.arrays(dtype, shape, elements=elements))
        dims = tuple(f"{key}_{axis}" for axis in range(len(shape)))
        found[key] = Labelled(dims, values, draw(attributes))
    coordinates = tuple(draw(st.lists(st.sampled_from(sorted(found)), unique=True))) if found else ()
    return Output(found, coordinates, draw(attributes))


def finished(cell, output, identity=None):
    name = identity or f"{cell:032x}"
    return Finished(name, output, 0.25 * cell, (f"warning {cell}",), {"commit": "c", "versions": {}})


def like(found, expected):
    """Whether two attributes have the same value and the same type."""
    a, b = np.asarray(found), np.asarray(expected)
    return type(found) is type(expected) and a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


@drawn
@given(st.lists(outputs(), min_size=1, max_size=4))
def test_what_is_packed_is_read_as_it_was(tmp_path, results):
    results = [finished(cell, output) for cell, output in enumerate(results)]
    seen = 0
    for number, group in enumerate(groups(results)):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(pack(group, [{"seed": int(r.identity, 16)} for r in group], 3))
        header, arrays = read_header(path), read_arrays(path)
        assert header.identities == [result.identity for result in group]
        assert header.version == 3
        for row, result in enumerate(group):
            seen += 1
            cell = header.cells[row]
            assert cell["changes"] == {"seed": int(result.identity, 16)}
            assert (cell["seconds"], cell["warnings"]) == (result.seconds, list(result.warnings))
            assert not cell["attributes"].keys() & header.attributes.keys()
            _check_attributes({**header.attributes, **cell["attributes"]}, result.output.attributes)
            assert tuple(header.coordinates) == result.output.coordinates
            assert list(arrays) == list(header.variables) == list(result.output.variables)
            for key, variable in result.output.variables.items():
                described = header.variables[key]
                assert tuple(described["dims"]) == variable.dims
                _check_attributes(described["attributes"], variable.attributes)
                found, expected = np.asarray(arrays[key][row]), variable.values
                if expected.dtype.kind == "U":
                    assert found.tolist() == expected.tolist()
                else:
                    np.testing.assert_array_equal(found, expected, strict=True)
    assert seen == len(results)


def _check_attributes(found, expected):
    assert found.keys() == expected.keys()
    assert all(like(found[key], value) for key, value in expected.items())


sizes = st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=1, max_size=5)


@drawn
@given(sizes, st.sampled_from(["f8", "f4", "i8", "i1", "u2", "?", "U7"]), st.data())
def test_what_was_written_is_collected_and_the_rest_is_filled(tmp_path_factory, sizes, kind, data):
    """Cells whose variable has any length, or which have none, in any order and in any number of files."""
    directory, kind = tmp_path_factory.mktemp("sweep"), np.dtype(kind)
    elements = text if kind.kind == "U" else st.floats(width=32, allow_nan=False) if kind.kind == "f" else None
    cells = [None if size is None else data.draw(arrays_of.arrays(kind, size, elements=elements)) for size in sizes]
    manifest = Manifest(SPEC, dimensions_of(SPEC, {"seed": range(len(cells))}), STUDY, {}, {})
    grid, store = established(directory, manifest).grid, Store(directory)
    store.make()
    results = [
        Failed(grid.identity(cell), "no", "")
        if values is None
        else finished(cell, Output({"x": Labelled(("n",), values, {})}, (), {}), grid.identity(cell))
        for cell, values in enumerate(cells)
    ]
    for result in data.draw(st.permutations(results)):
        store.write([result], {result.identity: {}}, 1)
    ds = sweeping.collect(directory)
    assert ds.cell_status.to_numpy().tolist() == [int(values is None) for values in cells]
    there = [values for values in cells if values is not None]
    if not there:
        assert "x" not in ds
        return
    longest = max(values.size for values in there)
    assert dict(ds.sizes) == {"seed": len(cells), "n": longest}
    gaps = any(values is None or values.size < longest for values in cells)
    assert ds.x.dtype.kind == ("f" if kind.kind == "b" and gaps else kind.kind)
    fill = {"f": np.nan, "i": -1, "u": np.iinfo("u2").max, "b": np.nan, "U": ""}[kind.kind]
    for cell, values in enumerate(cells):
        own = np.zeros(0, kind) if values is None else values
        np.testing.assert_array_equal(ds.x[cell, : own.size], own)
        np.testing.assert_array_equal(ds.x[cell, own.size :], np.full(longest - own.size, fill))
    with pytest.raises(FileNotFoundError):
        read_header(directory / "cells" / "none.npz")
