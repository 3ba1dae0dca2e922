"""Random matrices against closed forms, exact algebra, free cumulants, a fixed-point iteration and samples."""

import itertools

import mpmath
import numpy as np
import pytest
import sympy as sp

from curlflow import random_matrix as rm
from curlflow.random_matrix import symbolic

FLIPS = [(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.3, 0.2), (0.7, 0.5), (1.0, 0.3), (0.5, 1.0), (0.01, 0.95)]
RATIOS = [1e-3, 0.1, 0.5, 1.3, 5.0, 100.0]
SETTINGS = [(c, *flips) for c, flips in itertools.product(RATIOS, FLIPS)]


def keywords(inputs, hidden):
    return {"inputs": inputs, "hidden": hidden}


def quadrature(low, high, number=400):
    """Nodes and weights for a density with square-root edges, and peaks at ±1 where an atom is about to form."""
    angle = (np.arange(number) + 0.5) / number * np.pi - np.pi / 2
    inner = np.pi / 2 * np.sin(angle)
    ends = np.array([low, *(place for place in (-1.0, 1.0) if low < place < high), high])
    middle, half = (ends[1:] + ends[:-1])[:, None] / 2, (ends[1:] - ends[:-1])[:, None] / 2
    weights = half * np.cos(inner) * np.pi / 2 * np.cos(angle) * np.pi / number
    return (middle + half * np.sin(inner)).ravel(), weights.ravel()


def fixed_point(x, c, inputs, hidden, steps):
    """g(x) by iterating ω ← x − R(G(ω)), which needs no choice of a root."""
    one, omega = x * 0 + 1, x + 1j
    for _ in range(steps):
        g = (1 - inputs) / (omega - one) + inputs / (omega + one)
        omega = (omega + x - (1 - hidden) / c / (one - g) + hidden / c / (one + g)) / 2
    return g


@pytest.mark.quick
def test_polynomial_has_the_degree_of_the_parts_present():
    assert rm.resolvent_polynomial().degree() == 5
    assert [rm.resolvent_polynomial(inputs=a).degree() for a in (0, 1)] == [3, 3]
    assert [rm.resolvent_polynomial(hidden=a).degree() for a in (0, 1)] == [3, 3]
    # Marchenko–Pastur for y = x − 1 and rate r = 1/c: y g² − (y + 1 − r) g + 1 = 0.
    c, g, y = symbolic.c, symbolic.g, symbolic.x - 1
    ratio = sp.cancel(rm.resolvent_polynomial(0, 0).as_expr() / (c * y * g**2 - (c * (y + 1) - 1) * g + c))
    assert ratio in (1, -1)


@pytest.mark.parametrize(("c", "inputs", "hidden"), [(0.5, 0.25, 0.125), (3.0, 0.5, 0.75), (0.125, 0.75, 0.5)])
def test_polynomial_vanishes_on_the_fixed_point_in_high_precision(c, inputs, hidden):
    with mpmath.workdps(40):
        x = mpmath.mpc("0.7", "0.5")
        g = fixed_point(x, mpmath.mpf(c), mpmath.mpf(inputs), mpmath.mpf(hidden), 600)
        values = {symbolic.x: x, symbolic.c: c, symbolic.alpha_h: inputs, symbolic.alpha_r: hidden, symbolic.g: g}
        polynomial = sp.lambdify(list(values), rm.resolvent_polynomial().as_expr(), "mpmath")
        assert abs(polynomial(*values.values())) < 1e-30


def test_no_more_than_one_pair_of_roots_is_complex():
    # Exact count of real roots (Sturm) at rational points: none or two are missing, never four.
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(60):
        rational = [sp.Rational(int(k), 16) for k in rng.integers(1, 16, size=3)]
        at = {symbolic.alpha_h: rational[0], symbolic.alpha_r: rational[1], symbolic.c: rational[2] * 8}
        at[symbolic.x] = sp.Rational(int(rng.integers(-60, 60)), 17)
        polynomial = sp.Poly(rm.resolvent_polynomial().as_expr().subs(at), symbolic.g)
        counts.add(polynomial.degree() - polynomial.count_roots())
    assert counts == {0, 2}


def test_derived_curves_satisfy_their_equations():
    # A zero of x(ω) and of x′(ω), and the closed forms of docs/random_matrix.md.
    surface, omega = rm.critical_surface(), symbolic.omega
    rates = {"A": (1 - surface.hidden) / surface.c, "B": surface.hidden / surface.c}
    signs = symbolic.cauchy_transform_of_signs(symbolic.alpha_h)
    a, b = sp.symbols("A B")
    x = omega + symbolic.r_transform(a, b).subs(symbolic.g, signs)
    for equation in (x, sp.diff(x, omega)):
        assert sp.simplify(equation.subs({a: rates["A"], b: rates["B"]})) == 0
    inputs, hidden, w, g = rm.boundary_curve("inputs"), rm.boundary_curve("hidden"), omega, symbolic.g
    assert sp.simplify(inputs.c - (1 + w**2) / (w**2 * (1 - 2 * w))) == 0
    twice = w * (w**2 - 1) * (2 * w - 1) / (1 + w**2) - w**2 + w + 2
    assert sp.simplify(2 * inputs.fraction - twice) == 0
    assert sp.simplify(hidden.c - g**2 / ((1 + g) * (1 - g + 2 * g**2))) == 0
    assert sp.simplify(surface.hidden.subs(symbolic.alpha_h, inputs.fraction)) == 0


def test_discriminant_vanishes_on_the_critical_surface():
    for omega, inputs in [(sp.Rational(-3, 2), sp.Rational(1, 8)), (sp.Rational(-2), sp.Rational(1, 3))]:
        surface = rm.critical_surface()
        at = {surface.omega: omega, surface.inputs: inputs}
        c, hidden = surface.c.subs(at), surface.hidden.subs(at)
        assert 0 < hidden < 1
        values = {symbolic.x: 0, symbolic.c: c, symbolic.alpha_h: inputs, symbolic.alpha_r: hidden}
        at_zero = sp.Poly(rm.resolvent_polynomial().as_expr().subs(values), symbolic.g)
        assert sp.discriminant(at_zero) == 0
        assert abs(rm.phase_surface(float(c), float(inputs)) - float(hidden)) < 1e-12
        assert abs(rm.smallest_eigenvalue(float(c), **keywords(float(inputs), float(hidden)))) < 1e-12


@pytest.mark.quick
@pytest.mark.parametrize("c", np.geomspace(1e-6, 1e6, 13))
def test_edges_without_flips_are_those_of_marchenko_and_pastur(c):
    r = 1 / np.sqrt(c)
    for inputs, hidden, expected in [
        (0, 0, [1 + (1 - r) ** 2, 1 + (1 + r) ** 2]), (1, 0, [(1 - r) ** 2 - 1, (1 + r) ** 2 - 1]),
        (0, 1, [1 - (1 + r) ** 2, 1 - (1 - r) ** 2]), (1, 1, [-1 - (1 + r) ** 2, -1 - (1 - r) ** 2]),
    ]:  # fmt: skip
        edges = rm.spectral_edges(c, **keywords(inputs, hidden))
        np.testing.assert_allclose(edges, [expected], atol=1e-13 * (1 + r**2))


@pytest.mark.quick
def test_density_without_flips_is_marchenko_and_pastur():
    for c in (0.2, 1.0, 4.0):
        low, high = rm.spectral_edges(c)[0]
        x = np.linspace(low, high, 50)[1:-1]
        expected = np.sqrt((x - low) * (high - x)) / (2 * np.pi * (x - 1))
        density = rm.spectral_density(x, c)
        np.testing.assert_allclose(density.values, expected, rtol=1e-10)
        np.testing.assert_allclose(density.masses.sum(), max(0, 1 - 1 / c))


@pytest.mark.parametrize(("c", "inputs", "hidden"), SETTINGS)
def test_mass_and_moments_are_those_of_the_free_cumulants(c, inputs, hidden):
    # Free cumulants add: A − B, A + B, A − B of the Wishart parts, and those of two points at ±1.
    positive, negative, s = (1 - hidden) / c, hidden / c, 1 - 2 * inputs
    first, second, third = (
        positive - negative + s, positive + negative + 1 - s**2, positive - negative - 2 * s + 2 * s**3
    )  # fmt: skip
    expected = [1, first, second + first**2, third + 3 * first * second + first**3]
    atoms = rm.spectral_atoms(c, **keywords(inputs, hidden))
    moments = [float(np.sum(atoms.masses * atoms.positions**power)) for power in range(4)]
    for low, high in rm.spectral_edges(c, **keywords(inputs, hidden)):
        x, weights = quadrature(low, high)
        weights = weights * rm.spectral_density(x, c, **keywords(inputs, hidden)).values
        moments = [moment + np.sum(weights * x**power) for power, moment in enumerate(moments)]
    scale = [max(1, 2 / c) ** power for power in range(4)]
    np.testing.assert_allclose(np.divide(moments, scale), np.divide(expected, scale), atol=1e-6)


@pytest.mark.parametrize(("c", "inputs", "hidden"), SETTINGS[2::5])
def test_density_is_that_of_the_fixed_point(c, inputs, hidden):
    low, high = rm.spectral_edges(c, **keywords(inputs, hidden))[-1]
    x = np.linspace(low, high, 7)[1:-1]
    expected = -fixed_point(x, c, inputs, hidden, 20000).imag / np.pi
    np.testing.assert_allclose(rm.spectral_density(x, c, **keywords(inputs, hidden)).values, expected, rtol=1e-8)


@pytest.mark.parametrize(("c", "inputs", "hidden"), [*SETTINGS[1::6], (0.5, 1e-6, 1e-4), (4.0, 0.999999, 1e-3)])
def test_distribution_is_the_integral_of_the_density(c, inputs, hidden):
    flips = keywords(inputs, hidden)
    edges, atoms = rm.spectral_edges(c, **flips), rm.spectral_atoms(c, **flips)
    total = 0.0
    for low, high in edges:
        below = float(np.sum(atoms.masses[atoms.positions <= low]))
        np.testing.assert_allclose(rm.spectral_distribution(low, c, **flips), total + below, atol=1e-7)
        x, weights = quadrature(low, high, 2000)
        mass = weights * rm.spectral_density(x, c, **flips).values
        half = 0.5 * (low + high)
        left, left_weights = quadrature(low, half, 2000)
        share = np.sum(left_weights * rm.spectral_density(left, c, **flips).values)
        np.testing.assert_allclose(rm.spectral_distribution(half, c, **flips), total + below + share, atol=1e-6)
        total += mass.sum()
        below = float(np.sum(atoms.masses[atoms.positions <= high]))
        np.testing.assert_allclose(rm.spectral_distribution(high, c, **flips), total + below, atol=1e-6)
    np.testing.assert_allclose(rm.spectral_distribution([edges[0, 0] - 3, edges[-1, 1] + 3], c, **flips), [0, 1])


def test_atoms_step_in_the_distribution():
    # c = 5, half of the inputs flipped: 1/2 − 1/5 at −1 and at +1, inside gaps between four bands.
    flips = keywords(0.5, 0.5)
    assert rm.spectral_edges(5.0, **flips).shape == (4, 2)
    for place in (-1.0, 1.0):
        before, at = rm.spectral_distribution([place - 1e-9, place], 5.0, **flips)
        np.testing.assert_allclose(at - before, 0.3, atol=1e-12)
    np.testing.assert_allclose(rm.spectral_distribution(0.0, 5.0, **flips), 0.5)
    # Without flipped hidden units the atom at −1 is the smallest eigenvalue, below the lowest band.
    assert rm.smallest_eigenvalue(5.0, inputs=0.3) == -1.0 < rm.spectral_edges(5.0, inputs=0.3)[0, 0]
    np.testing.assert_allclose(rm.spectral_distribution([-1.001, -1.0], 5.0, inputs=0.3), [0, 0.1])
    assert np.isnan(rm.finite_size_slope(5.0, inputs=0.3))


@pytest.mark.parametrize(("c", "inputs", "hidden"), SETTINGS[1::4])
def test_mirror_image(c, inputs, hidden):
    # −H has the flipped and unflipped units exchanged.
    flips, others = keywords(inputs, hidden), keywords(1 - inputs, 1 - hidden)
    edges, mirrored = rm.spectral_edges(c, **flips), rm.spectral_edges(c, **others)
    np.testing.assert_allclose(edges, -mirrored[::-1, ::-1], atol=1e-12 * np.abs(edges).max())
    x = np.linspace(edges[0, 0], edges[-1, 1], 40)[1:-1] + 0.00123
    one, other = rm.spectral_density(x, c, **flips), rm.spectral_density(-x, c, **others)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("c", "inputs", "hidden", "bands"),
    [(0.5, 0.3, 0.2, 1), (0.5, 0.3, 0.0, 2), (2.0, 0.3, 0.3, 3), (5.0, 0.5, 0.5, 4), (1.0, 0.0, 0.01, 2)],
)
def test_edges_are_some_of_the_roots_of_the_discriminant(c, inputs, hidden, bands):
    edges = rm.spectral_edges(c, **keywords(inputs, hidden))
    assert edges.shape == (bands, 2)
    polynomial = rm.resolvent_polynomial(inputs if inputs == 0 else None, hidden if hidden == 0 else None).as_expr()
    at = {symbolic.c: c, symbolic.alpha_h: inputs, symbolic.alpha_r: hidden}
    exact = polynomial.subs({symbol: sp.nsimplify(value) for symbol, value in at.items()})
    roots = sp.Poly(sp.discriminant(sp.Poly(exact, symbolic.g)), symbolic.x).nroots(n=30, maxsteps=500)
    distance = [min(abs(complex(root) - edge) for root in roots) for edge in edges.ravel()]
    assert max(distance) < 1e-8
    # Inside a band the density is positive, in a gap it is zero.
    inside, outside = edges.mean(axis=1), (edges[1:, 0] + edges[:-1, 1]) / 2
    assert (rm.spectral_density(inside, c, **keywords(inputs, hidden)).values > 0.01).all()
    np.testing.assert_array_equal(rm.spectral_density(outside, c, **keywords(inputs, hidden)).values, 0)


def test_bands_that_touch_are_one():
    # α_r = 0: bands touch where F = A f(ω) has a minimum equal to one; F from the symbols.
    position = sum((symbolic.omega, symbolic.r_transform(sp.Integer(1), sp.Integer(0))))
    signs = symbolic.cauchy_transform_of_signs(sp.Rational(3, 10))
    f = sp.cancel(1 - sp.diff(position.subs(symbolic.g, signs), symbolic.omega))
    flat = sp.Poly(sp.fraction(sp.cancel(sp.diff(f, symbolic.omega)))[0], symbolic.omega)
    places = [float(root) for root in flat.real_roots()]
    touching = [float(f.subs(symbolic.omega, place)) for place in places if -0.7 < place < 2]
    assert len(touching) == 1
    c = touching[0]  # A = 1/c and F = 1
    assert len(rm.spectral_edges(c, inputs=0.3)) == len(rm.spectral_edges(c * (1 - 1e-4), inputs=0.3)) == 1
    assert len(rm.spectral_edges(c * (1 + 1e-4), inputs=0.3)) == 2


@pytest.mark.quick
def test_phase_boundary_of_inputs_at_its_ends():
    np.testing.assert_array_equal(rm.phase_boundary([0.2, 0.25, 0.7, 100.0]), [np.nan, 1.0, 0.0, 0.0])
    assert isinstance(rm.phase_boundary(0.5), float)
    assert rm.phase_boundary(np.full((2, 3), 0.5)).shape == (2, 3)
    # One flipped input: 2⟨1/(λ + 1)⟩ = 1 over the law of W1ᵀW1 at c = 2/3 (the resolvent of the unflipped H at 0).
    low, high = rm.spectral_edges(2 / 3)[0]
    x, weights = quadrature(low, high)
    np.testing.assert_allclose(2 * np.sum(weights * rm.spectral_density(x, 2 / 3).values / x), 1, rtol=1e-9)
    assert rm.is_stable(0.2499, inputs=[0.0, 0.3, 0.9, 1.0]).all()
    assert not rm.is_stable(0.6667, inputs=[1e-6, 0.1, 1.0]).any()


@pytest.mark.parametrize("layer", ["inputs", "hidden"])
def test_phase_boundary_to_ten_digits(layer):
    # The root of the same curve in 50 digits, for the very number that c is in double precision.
    near = 2 / 3 - np.logspace(-10, -1, 10)
    ratios = np.concatenate([near, 0.25 + np.logspace(-12, -1, 6)]) if layer == "inputs" else np.logspace(-6, 6, 25)
    curve = rm.boundary_curve(layer)
    numerator, denominator = sp.fraction(sp.together(curve.c))
    for c, got in zip(ratios, rm.phase_boundary(ratios, layer), strict=True):
        polynomial = sp.Poly(numerator - sp.Rational(float(c)) * denominator, curve.parameter)
        low, high = sorted((curve.start, curve.end))
        (root,) = [r for r in polynomial.nroots(n=50, maxsteps=500) if r.is_real and low <= r <= high]
        expected = float(curve.fraction.subs(curve.parameter, root))
        assert abs(got - expected) <= 1e-10 * expected


def test_smallest_eigenvalue_is_zero_on_the_phase_boundary():
    for layer, ratios in (("inputs", np.linspace(0.2501, 0.6666, 40)), ("hidden", np.geomspace(1e-3, 1e3, 40))):
        fraction = rm.phase_boundary(ratios, layer)
        scale = 1 + 1 / ratios
        np.testing.assert_allclose(rm.smallest_eigenvalue(ratios, **{layer: fraction}) / scale, 0, atol=1e-13)
        assert rm.is_stable(ratios, **{layer: fraction * (1 - 1e-6)}).all()
        assert not rm.is_stable(ratios, **{layer: np.minimum(fraction * (1 + 1e-6), 1)}).any()


def test_boundaries_near_their_ends():
    # 1/2 − √c and 1/(16 c); at the end of the curve for the inputs (81/80) (2/3 − c)².
    np.testing.assert_allclose(0.5 - rm.phase_boundary(1e-8, "hidden"), 1e-4, rtol=1e-3)
    np.testing.assert_allclose(rm.phase_boundary(2 / 3 - 1e-5), 81 / 80 * 1e-10, rtol=1e-4)
    np.testing.assert_allclose(16e6 * rm.phase_boundary(1e6, "hidden"), 1, rtol=1e-5)


def test_stability_never_returns_with_more_flips():
    fractions = np.linspace(0, 1, 41)
    for c in (0.05, 0.3, 0.5, 0.8, 3.0):
        stable = rm.is_stable(c, inputs=fractions[:, None], hidden=fractions)
        assert stable[0, 0]
        assert not (np.diff(stable.astype(int), axis=0) > 0).any()
        assert not (np.diff(stable.astype(int), axis=1) > 0).any()


def test_phase_surface_agrees_with_the_boundaries_on_both_axes():
    ratios = np.geomspace(1e-3, 1e3, 31)
    np.testing.assert_allclose(rm.phase_surface(ratios, 0.0), rm.phase_boundary(ratios, "hidden"), rtol=1e-10)
    ratios = np.linspace(0.26, 0.65, 14)
    critical = rm.phase_boundary(ratios)
    assert (rm.phase_surface(ratios, critical * (1 + 1e-9)) == 0).all()
    assert (rm.phase_surface(ratios, critical * (1 - 1e-3)) > 0).all()
    # Few flipped inputs: a single band of outliers, and a jump for c > 1/4.
    np.testing.assert_allclose(rm.phase_surface(ratios, 1e-10), (2 - 3 * ratios) / 8, atol=1e-4)
    assert rm.phase_surface(0.7, 1e-10) == 0 < rm.phase_surface(0.7, 0.0)


def test_phase_surface_is_the_largest_value_on_a_fine_grid():
    # (random.6) read off without any root: −1 < G < 0, c [ω (1 − G²)] + 1 + G over 2.
    for c, inputs in [(0.1, 0.2), (0.1, 1.0), (0.3, 0.1), (0.5, 0.02), (0.01, 0.6)]:
        omega = -1 - np.geomspace(1e-6, 2 + 2 / c, 400_001)
        g = (1 - inputs) / (omega - 1) + inputs / (omega + 1)
        values = (c * omega * (1 - g**2) + 1 + g)[g > -1] / 2
        np.testing.assert_allclose(rm.phase_surface(c, inputs), values.max(), atol=1e-8)
        at = rm.phase_surface(c, inputs)
        np.testing.assert_allclose(rm.smallest_eigenvalue(c, inputs=inputs, hidden=at) * c, 0, atol=1e-13)


@pytest.mark.parametrize(
    ("c", "inputs", "hidden", "law"),
    [
        (0.5, 0.0, 0.0, "uniform"), (0.5, 0.3, 0.0, "normal"), (0.5, 0.0, 0.3, "uniform"), (0.5, 0.3, 0.2, "uniform"),
        (2.0, 0.3, 0.3, "normal"), (5.0, 0.5, 0.5, "uniform"), (5.0, 0.3, 0.0, "normal"),
    ],
)  # fmt: skip
def test_sampled_eigenvalues_follow_the_distribution(c, inputs, hidden, law):
    # Eigenvalues are rigid: the distance is of order 1/M, far less than for independent numbers.
    values = rm.sample_eigenvalues(c, 800, **keywords(inputs, hidden), law=law, seed=4)[0]
    assert rm.kolmogorov_smirnov(values, c, **keywords(inputs, hidden)) < 0.008
    atoms = rm.spectral_atoms(c, **keywords(inputs, hidden))
    for place, mass in zip(*atoms, strict=True):
        assert abs(np.mean(np.abs(values - place) < 1e-9) - mass) < 1e-12
    assert rm.kolmogorov_smirnov(values + 0.3, c, **keywords(inputs, hidden)) > 0.03


@pytest.mark.parametrize(
    ("c", "inputs", "hidden", "law"),
    [(0.5, 0.3, 0.0, "normal"), (0.5, 0.0, 0.25, "uniform"), (2.0, 0.3, 0.3, "normal")],
)
def test_smallest_eigenvalues_approach_the_edge_from_the_stable_side(c, inputs, hidden, law):
    sizes = [80, 160, 320]
    edge = rm.smallest_eigenvalue(c, **keywords(inputs, hidden))
    values = rm.smallest_eigenvalues(c, sizes, **keywords(inputs, hidden), samples=80, law=law, seed=2)
    assert (values.mean(axis=1) > edge).all()
    fit = rm.extrapolate(sizes, values)
    slope = rm.finite_size_slope(c, **keywords(inputs, hidden))
    # The next order in M is not in the fit: half a per cent of the width of the spectrum, and a third of the slope.
    width = np.ptp(rm.spectral_edges(c, **keywords(inputs, hidden)))
    assert abs(fit.limit - edge) < 3 * fit.limit_standard_error + 0.005 * width
    assert abs(fit.slope - slope) < 3 * fit.slope_standard_error + 0.33 * slope


def test_slope_is_that_of_the_density_at_the_edge():
    for c, inputs, hidden in [(0.5, 0.3, 0.0), (0.5, 0.0, 0.25), (3.0, 0.4, 0.2), (0.1, 0.0, 0.0)]:
        edge = rm.spectral_edges(c, **keywords(inputs, hidden))[0, 0]
        kappa = np.pi * rm.spectral_density(edge + 1e-8, c, **keywords(inputs, hidden)).values / 1e-4
        slope = rm.finite_size_slope(c, **keywords(inputs, hidden))
        np.testing.assert_allclose(slope, 1.2065336 * kappa ** (-2 / 3), rtol=1e-5)


def test_extrapolation_recovers_a_line():
    sizes, noise = np.array([50, 100, 400, 900]), np.array([-1.0, 1.0]) * 1e-3
    fit = rm.extrapolate(sizes, (0.3 + 2 * sizes ** (-2 / 3))[:, None] + noise)
    np.testing.assert_allclose([fit.limit, fit.slope], [0.3, 2], rtol=1e-10)
    assert 0 < fit.limit_standard_error < 1e-3


def test_samples_are_reproducible_and_count_flips_exactly():
    one, other = (rm.sample_matrix(0.5, 90, inputs=0.7, hidden=0.25, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    # With every hidden unit flipped H is D1 less a Wishart matrix; ⌊0.7 · 90 + 1e-9⌋ = 63 entries of D1 are −1.
    trace = np.trace(rm.sample_matrix(1e4, 90, inputs=0.7, hidden=1.0, seed=0))
    assert abs(trace - (90 - 2 * 63)) < 2
    wide = rm.sample_matrix(0.002, 10, seed=0)  # 5,000 hidden units, drawn in two parts
    np.testing.assert_allclose(wide, 501 * np.eye(10), atol=60)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: rm.phase_boundary(0.0), "c: got 0.0, allowed are finite positive numbers."),
        (lambda: rm.phase_boundary([0.5, np.nan]), "c: got"),
        (lambda: rm.phase_boundary("half"), "c: got 'half'"),
        (lambda: rm.phase_boundary(True), "c: got True"),
        (lambda: rm.phase_boundary(0.5, "readout"), "layer: got 'readout', allowed are inputs, hidden."),
        (lambda: rm.boundary_curve("both"), "layer: got 'both'"),
        (lambda: rm.spectral_edges([0.5, 0.6]), "c: got an array of shape"),
        (lambda: rm.spectral_edges(0.5, inputs=1.01), "inputs: got 1.01, allowed are numbers from 0 to 1."),
        (lambda: rm.is_stable(0.5, hidden=[-0.1, 0.5]), "hidden: got"),
        (lambda: rm.spectral_density(np.inf, 0.5), "x: got inf, allowed are finite numbers."),
        (lambda: rm.resolvent_polynomial(inputs=2), "inputs: got 2, allowed are numbers from 0 to 1."),
        (lambda: rm.phase_surface(0.5, None), "inputs: got None"),
        (lambda: rm.sample_matrix(0.5, 0), "size: got 0, allowed are positive whole numbers."),
        (lambda: rm.sample_matrix(0.5, 10, law="cauchy"), "law: got 'cauchy', allowed are normal, uniform."),
        (lambda: rm.sample_matrix(0.5, 10, seed=-1), "seed: got -1"),
        (lambda: rm.sample_eigenvalues(0.5, 10, samples=1.5), "samples: got 1.5"),
        (lambda: rm.extrapolate([10, 20], [[1.0, 2.0]]), r"values: got shape \(1, 2\) for 2 sizes"),
        (lambda: rm.kolmogorov_smirnov([], 0.5), "eigenvalues: got none"),
        (lambda: rm.kolmogorov_smirnov(np.ma.array([1.0]), 0.5), "eigenvalues: got a masked array"),
        (lambda: rm.resolvent_polynomial(hidden=symbolic.g), "hidden: got g, allowed are numbers from 0 to 1."),
        (lambda: rm.boundary_curve([]), r"layer: got \[\], allowed are inputs, hidden."),
        (lambda: rm.sample_matrix(0.5, 10, law=np.array([])), r"law: got \[\], allowed are normal, uniform."),
        (lambda: rm.sample_matrix(0.5, 10**400), "size: got 1000.*, allowed are whole numbers from 1 to 100,000."),
        (lambda: rm.sample_matrix(1e-50, 5), "c: got 1e-50 with 5 inputs, allowed are at most 1,000,000,000 hidden"),
        (lambda: rm.phase_surface(0.3, 1e-310), "inputs: got 1e-310, allowed are 0 and numbers from 1e-100 to 1."),
        (lambda: rm.phase_surface(1e-200, 0.2), r"c: got 1e-200, allowed are numbers from 1e-100 to 1e\+100."),
        (lambda: rm.spectral_edges(1e300), r"c: got 1e\+300, allowed are numbers from 1e-100 to 1e\+100."),
        (lambda: rm.phase_surface(0.5, np.array([[2.0]])), "inputs: got 2.0, allowed are numbers from 0 to 1."),
        (lambda: rm.extrapolate([10, 10], [[1, 2], [1, 2]]), r"sizes: got \[10, 10\], required are positive numbers"),
        (lambda: rm.extrapolate([0, 10], [[1, 2], [1, 2]]), r"sizes: got \[0, 10\], required are positive numbers"),
        (lambda: rm.extrapolate([5, 10], [[1, 2], [1, 1]]), "values: got a row 1 without spread"),
    ],
)
def test_mistakes_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("sizes", [None, 5, np.nan, b"1", "", {}, "0.5", []])
def test_sizes_are_lists_of_whole_numbers(sizes):
    with pytest.raises(ValueError, match="sizes: got .*, required is a list of positive whole numbers."):
        rm.smallest_eigenvalues(1.0, sizes)


@pytest.mark.parametrize("value", ["a", [], {}, True, "0.5", sp.I, np.nan])
def test_exact_fractions_are_numbers(value):
    with pytest.raises(ValueError, match="inputs: got .*, allowed are numbers from 0 to 1."):
        rm.resolvent_polynomial(inputs=value)


@pytest.mark.parametrize(
    ("c", "inputs", "atom"), [(3.0, 0.0, 1.0), (1.5, 0.0, 1.0), (3.0, 0.5, -1.0), (3.0, 1.0, -1.0)]
)
def test_an_atom_below_the_bands_is_the_smallest_eigenvalue(c, inputs, atom):
    # Without hidden flips H = W1ᵀW1 + D1, and W1 has a kernel of dimension M − N in common with an eigenspace of D1.
    assert rm.smallest_eigenvalue(c, inputs=inputs) == atom
    assert atom < rm.spectral_edges(c, inputs=inputs)[0, 0]
    assert np.isnan(rm.finite_size_slope(c, inputs=inputs))
    np.testing.assert_allclose(rm.sample_eigenvalues(c, 60, inputs=inputs)[0, 0], atom, atol=1e-12)
    with_hidden = rm.smallest_eigenvalue(c, inputs=inputs, hidden=0.1)
    assert with_hidden == rm.spectral_edges(c, inputs=inputs, hidden=0.1)[0, 0] < atom


def exact_edges(c, inputs, hidden):
    """All real critical values of x(ω), from the roots of a polynomial in many digits."""
    omega, rates = symbolic.omega, [sp.Rational(1 - hidden) / sp.Rational(c), sp.Rational(hidden) / sp.Rational(c)]
    signs = symbolic.cauchy_transform_of_signs(sp.Rational(inputs))
    position = sp.cancel(omega + symbolic.r_transform(*rates).subs(symbolic.g, signs))
    slope = sp.Poly(sp.fraction(sp.cancel(sp.diff(position, omega)))[0], omega)
    with mpmath.workdps(400):
        value = sp.lambdify(omega, position, "mpmath")
        coefficients = [mpmath.mpf(int(a.p)) / int(a.q) for a in slope.monic().all_coeffs()]
        roots = mpmath.polyroots(coefficients, maxsteps=2000, extraprec=1000)
        real = sorted(
            mpmath.re(r) for r in roots if abs(mpmath.im(r)) < abs(mpmath.re(r) + 1) * mpmath.mpf(10) ** -150
        )
        return [float(value(root)) for root in real]


@pytest.mark.parametrize(
    ("c", "inputs", "hidden"),
    [
        (0.5, 1e-36, 0.2),
        (0.5, 1e-50, 0.2),
        (5.0, 0.5, 1e-50),
        (5.0, 1e-40, 1e-60),
        (1e20, 0.3, 0.2),
        (1e-30, 0.3, 0.2),
    ],
)
def test_edges_where_a_parameter_is_tiny(c, inputs, hidden):
    # The band of a tiny fraction is a point to double precision, and the gap beside it is there all the same.
    edges, exact = rm.spectral_edges(c, inputs=inputs, hidden=hidden).ravel(), exact_edges(c, inputs, hidden)
    inner = zip(exact[1:-1:2], exact[2:-1:2], strict=True)
    apart = [x for low, high in inner if high - low > 1e-12 * max(1, abs(low)) for x in (low, high)]
    np.testing.assert_allclose(edges, [exact[0], *apart, exact[-1]], rtol=1e-12, atol=1e-13)
    assert (np.diff(edges) >= 0).all()
