"""Dimensions of boundaries: exactly for self-similar sets of powers of two, nearly for the Koch curve and a disc."""

import numpy as np
import pytest
from matplotlib.path import Path

from curlflow.measures.fractal_dimension import (
    boundary_cells,
    box_counts,
    box_dimension,
    uncertainty_dimension,
)

SIZE = 256


def snowflake(folds):
    """The corners of a Koch snowflake within the unit circle."""
    points = np.exp(2j * np.pi * np.arange(4) / 3) * 1j
    for _ in range(folds):
        side = np.diff(points)
        tip = points[:-1] + side / 3 + side / 3 * np.exp(-1j * np.pi / 3)
        parts = np.stack([points[:-1], points[:-1] + side / 3, tip, points[:-1] + 2 * side / 3], axis=1)
        points = np.append(parts.ravel(), points[-1])
    return points


def within(path):
    x, y = np.meshgrid(*2 * [np.linspace(-1.35, 1.35, SIZE)])
    return path.contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(SIZE, SIZE)


def test_sierpinskis_triangle_has_its_dimension_exactly():
    i, j = np.indices((SIZE, SIZE))
    assert box_dimension((i & j) == 0) == pytest.approx(np.log2(3), rel=1e-12)
    assert box_counts((i & j) == 0, [1, 2, 128]) == [3**8, 3**7, 3]


@pytest.mark.parametrize(("folds", "dimension", "tolerance"), [(0, 1, 0.02), (5, np.log(4) / np.log(3), 0.06)])
def test_a_triangle_and_the_koch_curve(folds, dimension, tolerance):
    points = snowflake(folds)
    kinds = within(Path(np.stack([points.real, points.imag], axis=1)))
    assert box_dimension(boundary_cells(kinds)) == pytest.approx(dimension, abs=tolerance)
    assert uncertainty_dimension(kinds) == pytest.approx(dimension, abs=tolerance)


def test_kinds_at_random_fill_the_plane():
    kinds = np.random.default_rng(0).random((128, SIZE)) < 0.5
    assert box_dimension(boundary_cells(kinds)) == pytest.approx(2, abs=0.05)
    assert uncertainty_dimension(kinds) == pytest.approx(2, abs=0.01)


def test_boundary_cells_are_those_beside_another_kind():
    kinds = np.zeros((16, 16), bool)
    kinds[5:, :] = True
    assert np.argwhere(boundary_cells(kinds))[:, 0].tolist() == [4] * 16
    assert box_dimension(boundary_cells(kinds)) == pytest.approx(1, rel=1e-12)
    assert np.isnan(box_dimension(boundary_cells(kinds[:, :] & False)))


@pytest.mark.parametrize(("shape", "message"), [((8, 64), "at least 16"), ((64, 65), "multiples of 8")])
def test_grids_that_have_no_such_boxes_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        box_dimension(np.ones(shape, bool))
