"""The phase boundary at 500 ratios, against roots of the discriminant and bisection on the smallest eigenvalue."""

import subprocess
import sys

import numpy as np
import sympy as sp
from interleaved import interleaved, report

from curlflow import random_matrix as rm
from curlflow.random_matrix import symbolic

RATIOS = np.geomspace(1e-3, 1e2, 500)
FRESH = """
import numpy as np
from curlflow import random_matrix as rm
for layer in ("inputs", "hidden"):
    rm.phase_boundary(np.geomspace(1e-3, 1e2, 500), layer)
"""


def bisection(ratios):
    """Hidden units: halve the interval of fractions by the verdict on λ_min, all ratios at once."""
    low, high = np.zeros_like(ratios), np.ones_like(ratios)
    for _ in range(50):
        middle = (low + high) / 2
        stable = rm.is_stable(ratios, hidden=middle)
        low, high = np.where(stable, middle, low), np.where(stable, high, middle)
    return low


def discriminant():
    """Hidden units: the discriminant at x = 0 as coefficients in α_r, for numbers c."""
    polynomial = sp.Poly(rm.resolvent_polynomial(inputs=0).as_expr().subs(symbolic.x, 0), symbolic.g)
    zero = sp.Poly(sp.discriminant(polynomial), symbolic.alpha_r)
    return sp.lambdify(symbolic.c, zero.all_coeffs(), "math")


def discriminant_roots(coefficients, ratios):
    """One root of many must be picked: real, between 0 and 1, and the verdict changes there."""
    found = []
    for c in ratios:
        roots = np.roots(coefficients(c))
        roots = np.sort(roots.real[(np.abs(roots.imag) < 1e-6) & (roots.real > 0) & (roots.real < 1)])
        unstable = ~np.atleast_1d(rm.is_stable(c, hidden=np.minimum(roots * (1 + 1e-6), 1.0)))
        found.append(roots[unstable][0] if unstable.any() else np.nan)
    return np.array(found)


def test_phase_boundary_of_500_ratios(benchmark):
    coefficients = discriminant()
    ours = rm.phase_boundary(RATIOS, "hidden")
    # The same numbers first.
    np.testing.assert_allclose(bisection(RATIOS), ours, rtol=1e-8)
    np.testing.assert_allclose(discriminant_roots(coefficients, RATIOS[::50]), ours[::50], rtol=1e-4)
    cases = {
        "bisection on the smallest eigenvalue": lambda: bisection(RATIOS),
        "roots of the discriminant, 50 ratios": lambda: discriminant_roots(coefficients, RATIOS[::10]),
        "inputs": lambda: rm.phase_boundary(RATIOS, "inputs"),
        "hidden units": lambda: rm.phase_boundary(RATIOS, "hidden"),
    }
    seconds = interleaved(cases)
    seconds["roots of the discriminant, 50 ratios"] = [
        s * 10 for s in seconds["roots of the discriminant, 50 ratios"]
    ]
    benchmark.extra_info.update(report("phase boundary, 500 ratios", seconds, 1e3, "ms"))
    benchmark.pedantic(cases["hidden units"], rounds=5)


def test_fresh_process(benchmark):
    cases = {
        "import numpy, sympy and scipy.optimize": lambda: subprocess.run(
            [sys.executable, "-c", "import numpy, sympy, scipy.optimize.elementwise"], check=True
        ),
        "both boundaries, derived and computed": lambda: subprocess.run([sys.executable, "-c", FRESH], check=True),
    }
    seconds = interleaved(cases, rounds=3)
    benchmark.extra_info.update(report("phase boundary in a fresh process", seconds, 1.0, "s"))
    benchmark.pedantic(list(cases.values())[-1], rounds=1)


def test_density(benchmark):
    x = np.linspace(-3, 8, 2000)
    flips = {"inputs": 0.3, "hidden": 0.2}
    cases = {
        "eigenvalues of one sample, M = 400": lambda: rm.sample_eigenvalues(0.5, 400, **flips),
        "density at 2,000 points": lambda: rm.spectral_density(x, 0.5, **flips),
    }
    benchmark.extra_info.update(report("density with flips in both layers", interleaved(cases), 1e3, "ms"))
    benchmark.pedantic(cases["density at 2,000 points"], rounds=5)
