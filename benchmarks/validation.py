"""Numbers that are known by another method, and numbers that would be wrong: what curlflow says of each.

    python benchmarks/validation.py docs/validation.md    # some minutes

Every row is computed when the page is written.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import curlflow
from curlflow import Flow, Map, systems

HEADER = """# Validation

Exponents and verdicts that are known by another method, and cases in which a number would be wrong without a word.
The page is written by `python benchmarks/validation.py docs/validation.md`; every number was computed then. Standard
errors are those of the run. How often they cover the truth is counted on the page of [Lyapunov
exponents](lyapunov.md#standard-errors).

| case | expected | source | curlflow | says |
| --- | --- | --- | --- | --- |
"""
Row = tuple[str, str, str, str, str]


def flag(ds, name: str) -> str:
    """The meaning of a flag of realization 0."""
    return ds[name].attrs["flag_meanings"].split()[int(ds[name][0])].replace("_", " ")


def pairs(values, errors) -> str:
    """Numbers with their errors."""
    return ", ".join(f"{float(v):.4g} ± {float(e):.1g}" for v, e in zip(values, errors, strict=True))


def exponents(case: str, expected: str, source: str, system, **options) -> Row:
    """A row of exponents with what speaks against them."""
    ds = curlflow.lyapunov(system, **options)
    says = "converged" if ds.converged[0] else f"not converged: {flag(ds, 'doubt')}"
    if flag(ds, "doubt") == "status":
        says = f"status {flag(ds, 'status')}"
    return case, expected, source, pairs(ds.lyapunov_exponent[0], ds.lyapunov_exponent_se[0]), says


def verdict(case: str, expected: str, source: str, system, **options) -> Row:
    """A row of a verdict."""
    ds = curlflow.classify(system, **options)
    return (
        case,
        expected,
        source,
        pairs(ds.lyapunov_exponent[0, :1], ds.lyapunov_exponent_se[0, :1]),
        flag(ds, "verdict"),
    )


def refused(case: str, expected: str, call: Callable) -> Row:
    """A row of what is refused, with its sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
        says = "nothing"
    except (ValueError, UserWarning) as error:
        says = str(error).replace("|", "/").replace("\n", " ")
    return case, expected, "", "", says


def jerk(t, x, args):
    """A field that jumps where x₁ changes its sign."""
    return jnp.stack([x[1], x[2], -0.8 * (x[2] + x[1] + x[0] - jnp.sign(x[0]))])


def friction(t, x, args):
    """A mass on a spring with dry friction."""
    return jnp.stack([x[1], -x[0] - 2 * jnp.sign(x[1])])


def kicked(t, x, args):
    """A decay that is kicked every 20 units of time."""
    return -x + 40 * ((t % 20) < 0.05)


def tent(i, x, r):
    """The tent map."""
    return r * jnp.minimum(x, 1 - x)


def intermittent(i, x, z):
    """The map of Pomeau and Manneville."""
    return (x + x**z) % 1.0


def henon_heiles(t, x, args):
    """The Hamiltonian flow of Hénon and Heiles."""
    return jnp.stack([x[2], x[3], -x[0] - 2 * x[0] * x[1], -x[1] - x[0] ** 2 + x[1] ** 2])


LENGTH, POINTS, MODES = 36.0, 64, 21


def kuramoto_sivashinsky(t, u, args):
    """∂u/∂t = −u ∂u/∂x − ∂²u/∂x² − ∂⁴u/∂x⁴ on a circle, by the amplitudes of its first Fourier modes."""
    k = 2 * np.pi / LENGTH * np.arange(1, MODES + 1)
    modes = u[:MODES] + 1j * u[MODES:]
    field = jnp.fft.irfft(jnp.zeros(POINTS // 2 + 1, complex).at[1 : MODES + 1].set(modes), POINTS) * POINTS
    rate = (k**2 - k**4) * modes - 0.5j * k * jnp.fft.rfft(field**2)[1 : MODES + 1] / POINTS
    return jnp.concatenate([rate.real, rate.imag])


def ascent(i, x, eta):
    """Simultaneous descent and ascent on the product of two numbers."""
    return jnp.stack([x[0] - eta * x[1], x[1] + eta * x[0]])


def extra_gradient(i, x, eta):
    """The same with a step of extrapolation."""
    return x + eta * jnp.stack([-(x[1] + eta * x[0]), x[0] - eta * x[1]])


def known() -> Iterator[Row]:
    """Textbook systems."""
    sprott = "Sprott, Chaos and Time-Series Analysis (2003)"
    yield exponents("Lorenz, ρ = 28", "0.9056, 0, −14.5723", sprott, systems.lorenz63(), duration=2000)
    roots = np.sort(np.linalg.eigvals(lorenz_jacobian(20.0)).real)[::-1]
    yield exponents(
        "Lorenz, ρ = 20, at rest", ", ".join(f"{r:.4f}" for r in roots), "eigenvalues", systems.lorenz63(rho=20.0),
        transient=2000,
    )  # fmt: skip
    yield exponents("Rössler", "0.0714, 0, −5.3943", sprott, systems.rossler(), duration=4000)
    yield exponents("Hénon map", "0.41922, −1.62319", sprott, systems.henon(), duration=50_000)
    yield exponents("logistic map, r = 4", f"{np.log(2):.5f}", "ln 2", systems.logistic(4.0), duration=20_000)
    yield exponents("logistic map, r = 3.2", f"{0.5 * np.log(0.16):.5f}", "½ ln 0.16", systems.logistic(3.2))


def lorenz_jacobian(rho: float) -> np.ndarray:
    """The Jacobian of the Lorenz system at a fixed point that is not the origin."""
    z, beta = rho - 1, 8 / 3
    x = np.sqrt(beta * z)
    return np.array([[-10, 10, 0], [rho - z, -1, -x], [x, x, -beta]])


def tricky() -> Iterator[Row]:
    """What was wrong, or is wrong elsewhere, without a word."""
    yield exponents("linear flow", "−1, −2, −5", "exact", systems.linear(np.diag([-1.0, -2.0, -5.0])))
    oscillator = systems.linear([[0.0, 1.0], [-1.0, 0.0]], state=[1.0, 0.0])
    dimension = float(curlflow.lyapunov(oscillator, duration=200).kaplan_yorke_dimension[0])
    yield "harmonic oscillator, Kaplan–Yorke dimension", "2", "area-preserving", f"{dimension:g}", "known"
    yield exponents("extra-gradient, η = 0.1", f"{0.5 * np.log(0.9901):.6f} twice", "½ ln(1 − η² + η⁴)",
                    Map(extra_gradient, [1.0, 1.0], args=0.1), transient=0)  # fmt: skip
    yield exponents("tent map, r = 2", "ln 2, but orbits end at 0", "exact", Map(tent, 0.3, args=2.0), duration=1000)
    yield exponents("tent map, r = 2, over its top", "ln 2, not −∞", "exact", Map(tent, 2.0**-6, args=2.0),
                    duration=1000, transient=0, alignment=0)  # fmt: skip
    yield exponents("logistic map, r = 1 + √5", "−∞", "superstable", systems.logistic(1 + 5**0.5))
    yield exponents(
        "Pomeau–Manneville, z = 1.7", "infinite variance", "", Map(intermittent, 0.3, args=1.7), duration=20_000
    )
    yield exponents(
        "Hénon–Heiles", "sticks to islands", "", Flow(henon_heiles, [0.0, -0.25, 0.42, 0.0]), duration=2000
    )
    waves = Flow(kuramoto_sivashinsky, np.random.default_rng(0).normal(size=2 * MODES) * 0.1)
    for alignment, expected, source, duration in (
        (500, "", "", 3000), (20, "as the run before", "", 1000)
    ):  # fmt: skip
        yield exponents(f"Kuramoto–Sivashinsky, L = 36, alignment {alignment}", expected, source, waves, exponents=3,
                        alignment=alignment, transient=300, duration=duration)  # fmt: skip
    starts = np.array([0.0, -0.25, 0.42, 0.0]) + 1e-6 * np.random.default_rng(0).uniform(-1, 1, (8, 4))
    yield exponents("Hénon–Heiles, eight starts together", "", "", Flow(henon_heiles, starts[0]), duration=1000,
                    transient=600, exponents=1, starts=starts)  # fmt: skip
    by_hand = "saltation by hand, ± 0.0005"
    yield exponents("jerk with sign x", "0.0756, 0, −0.8757", by_hand, Flow(jerk, [0.1, 0.2, 0.3]), duration=2000)
    located = Flow(jerk, [0.1, 0.2, 0.3], switching=lambda t, x, args: x[0])
    yield exponents("the same with its switching function", "0.0756, 0, −0.8757", by_hand, located, duration=2000)
    held = Flow(friction, [1.0, 0.5], switching=lambda t, x, args: x[1])
    yield exponents("dry friction", "comes to rest, sliding", "", held, duration=20, transient=0)
    yield exponents(
        "kicked decay, fixed steps",
        "no step is short enough",
        "",
        Flow(kicked, [1.0]),
        stepping="fixed",
        duration=300,
    )
    yield verdict("descent–ascent, η = 0.1", "divergent", "1 + η² > 1", Map(ascent, [1.0, 0.0], args=0.1))
    yield verdict(
        "Lorenz, ρ = 180.78",
        "partially predictable",
        "Wernecke, Sándor and Gros (2017)",
        systems.lorenz63(rho=180.78),
    )
    yield verdict("Lorenz, ρ = 28", "chaotic", "", systems.lorenz63())


def changing() -> Iterator[Row]:
    """Functions that change, runs of something else, functions without a derivative."""
    rate = [1.0]
    flow, found = Flow(lambda t, x, args: -rate[0] * x, [1.0]), []
    for rate[0] in (1.0, 2.0):
        found.append(float(curlflow.lyapunov(flow, duration=20).lyapunov_exponent[0, 0]))
    yield "a function that reads a list which changes", "−1, −2", "exact", f"{found[0]:.4f}, {found[1]:.4f}", ""
    first = curlflow.lyapunov(Flow(lambda t, x, args: -x, [1.0]), duration=5)
    yield refused("resuming −x by −7x", "refused",
                  lambda: curlflow.lyapunov(Flow(lambda t, x, args: -7 * x, [1.0]), resume=first))  # fmt: skip

    def in_place(t, x, args):
        x[0] = 1.0
        return -x

    yield refused("assignment in place", "refused", lambda: Flow(in_place, [1.0, 2.0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    rows = [*known(), *tricky(), *changing()]
    path.write_text(HEADER + "".join(f"| {' | '.join(row)} |\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
