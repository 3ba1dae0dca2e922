"""The symmetric and the antisymmetric part of a vector field's Jacobian, matrix-free.

The Jacobian J of a field F splits into a gradient part and a curl part,

    J = S + A,    S = (J + Jᵀ)/2,    A = (J − Jᵀ)/2,

and F is locally a gradient exactly where A = 0. For any set of vectors z the sums over z of |Sz|², |Az|² and
zᵀJz need one product with J and one with Jᵀ each, and no matrix:

    the basis, z = e₁, …, eₙ:     Σ |Sz|² = ‖S‖²,      Σ |Az|² = ‖A‖²,      Σ zᵀJz = tr J,
    random signs, ⟨zzᵀ⟩ = 1:      ⟨|Sz|²⟩ = ‖S‖²,      ⟨|Az|²⟩ = ‖A‖²,      ⟨zᵀJz⟩ = tr J.

The differences are taken vector by vector: from (tr JᵀJ ∓ tr J²)/2 a small norm is lost in the rounding of the other.

On a set with tangent projection P the operator is P J P, which for a field tangent to the set is its covariant
derivative: symmetric exactly for the gradients on that set.

Source: Hutchinson, Commun. Stat. Simul. 18 (1989) 1059, for the random signs.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.sparse.linalg import LinearOperator, eigsh

from ..outside import compiled
from ..precision import random_key
from ..variable import EXACT, Variable

Vector = Float[Array, " n"] | Float[np.ndarray, " n"]
Plane = Float[np.ndarray, "2 n"]
"""Two orthonormal directions."""
Field = Callable[[Vector], Vector]
"""A vector field on flat vectors, which JAX can trace."""

COLUMNS = 512
"""Products in one compiled call: few enough that progress and interrupts are noticed."""
TOGETHER = 16
"""Products under one `vmap`: 12,210 tanh weights with 250 samples take 9 s on one core, and 15 s one by one."""
DENSE = 256
"""Up to this size the plane of strongest rotation comes from a dense eigenproblem."""
PARALLEL = 1e-8
"""Directions whose sine is smaller than this do not span a plane that rounding leaves alone."""
PROBES = 4
"""Random vectors that tell whether there is any rotation at all."""
NOISE = 1e-13
"""A projected quantity counts as rounding where it is no larger than this share of the quantity before."""
ROUNDING = 32 * np.finfo(float).eps
"""A field counts as zero where it is no larger than its change if the point changes by this, relative."""

VARIABLES = (
    Variable("symmetric_norm", ("realization",), "Frobenius norm of the symmetric part S of the Jacobian"),
    Variable("antisymmetric_norm", ("realization",), "Frobenius norm of the antisymmetric part A of the Jacobian"),
    Variable("curl_ratio", ("realization",), "antisymmetric over symmetric part of the Jacobian, Frobenius norms"),
    Variable("divergence", ("realization",), "divergence of the velocity, trace of the Jacobian"),
    Variable("speed", ("realization",), "norm of the velocity", uncertainty=EXACT),
    Variable(
        "gradient_angle",
        ("realization",),
        "angle between the velocity and minus the loss gradient",
        "rad",
        uncertainty=EXACT,
    ),
)


class Parts(NamedTuple):
    """‖S‖, ‖A‖, ‖A‖/‖S‖ and tr J."""

    symmetric_norm: float
    antisymmetric_norm: float
    curl_ratio: float
    divergence: float


class Basis(eqx.Module):
    """The unit vectors e₀, …, eₙ₋₁, and 0 from there on."""

    def __call__(self, i: Any, n: int) -> Vector:
        return jax.nn.one_hot(i, n, dtype=float)


class RandomSigns(eqx.Module):
    """Independent vectors of independent signs."""

    key: Array

    def __call__(self, i: Any, n: int) -> Vector:
        return jax.random.rademacher(jax.random.fold_in(self.key, i), (n,), dtype=float)


@compiled
def products(field: Any, project: Any, x: Vector, vectors: Any, first: Any) -> Float[Array, "columns 3"]:
    """|Sz|², |Az|² and zᵀJz for `COLUMNS` vectors z, or about as many as there are dimensions if those are fewer.

    Compiled once per kind of field and size: the point and the parameters of the field are data.

    **Arguments:**

    - `field`: a function of a flat vector, as a pytree: an Equinox module with its parameters.
    - `project`: a function of (x, v), the orthogonal projection of v onto the tangent space at x.
    - `vectors`: `Basis()` or `RandomSigns(key)`.
    - `first`: the index of the first vector.
    """
    n = x.shape[0]
    apply = derivatives(field, project, x)

    def product(i):
        z = vectors(i, n)
        jz, jtz = apply(z)
        return jnp.stack([jnp.sum((jz + jtz) ** 2) / 4, jnp.sum((jz - jtz) ** 2) / 4, jnp.sum(z * jz)])

    return jax.lax.map(product, first + jnp.arange(at_once(n)), batch_size=TOGETHER)


def at_once(n: int) -> int:
    """Products in one compiled call: whole batches, beyond the last basis vector of zeros."""
    return min(COLUMNS, -(-n // TOGETHER) * TOGETHER)


def all_products(
    field: Any, project: Any, x: Vector, vectors: Any, number: int
) -> Iterator[Float[np.ndarray, "_ 3"]]:
    """The `products` of the first `number` vectors: those so far, after each compiled call."""
    rows = np.empty((0, 3))
    while len(rows) < number:
        rows = np.concatenate([rows, products(field, project, x, vectors, np.asarray(len(rows)))])
        yield rows[:number]


def derivatives(field: Any, project: Any, x: Vector) -> Callable[[Vector], tuple[Vector, Vector]]:
    """A function of z that gives P J P z and P Jᵀ P z."""
    _, forward = jax.linearize(field, x)
    _, backward = jax.vjp(field, x)

    def apply(z):
        z = project(x, z)
        return project(x, forward(z)), project(x, backward(z)[0])

    return apply


def exact_parts(sums: Float[np.ndarray, "columns 3"]) -> Parts:
    """The parts from the `products` of all basis vectors."""
    return _parts(*np.sum(sums, axis=0))


def estimated_parts(samples: Float[np.ndarray, "probes 3"]) -> tuple[Parts, Parts]:
    """Estimates from the `products` of random signs, and their standard errors (to first order in them)."""
    s, a, trace = samples.mean(axis=0)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    estimate = _parts(s, a, trace)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.std(samples[:, 1] / a - samples[:, 0] / s, ddof=1) / np.sqrt(len(samples))
        symmetric = error[0] / (2 * estimate.symmetric_norm) if s > 0 else 0.0
        antisymmetric = error[1] / (2 * estimate.antisymmetric_norm) if a > 0 else 0.0
        ratio = estimate.curl_ratio * relative / 2 if s > 0 and a > 0 else 0.0
    return estimate, Parts(float(symmetric), float(antisymmetric), float(ratio), float(error[2]))


def _parts(s: float, a: float, trace: float) -> Parts:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Parts(float(np.sqrt(s)), float(np.sqrt(a)), float(np.sqrt(np.float64(a) / s)), float(trace))


class Scales(NamedTuple):
    """|F|, ‖DF‖ and |∇loss| before any projection, with which their projections are compared."""

    speed: Any
    derivative: Any
    slope: Any


@compiled
def scales(field: Any, loss: Any, x: Vector) -> tuple[Array, Array, Array]:
    """The numbers of `Scales` for a field that is not projected; ‖DF‖ from `PROBES` random signs, to a factor of two,
    and a slope of 0 where `loss` is None."""
    signs = RandomSigns(random_key(0))
    images = [jax.jvp(field, (x,), (signs(i, x.shape[0]),))[1] for i in range(PROBES)]
    slope = jnp.zeros(()) if loss is None else jnp.linalg.norm(jax.grad(loss)(x))
    return jnp.linalg.norm(field(x)), jnp.max(jnp.linalg.norm(jnp.stack(images), axis=1)), slope


def without_noise(parts: Parts, scale: Scales) -> Parts:
    """`parts`, with a ratio of NaN where S and A are both rounding."""
    known = max(parts.symmetric_norm, parts.antisymmetric_norm) > NOISE * scale.derivative
    return parts if known else parts._replace(curl_ratio=np.nan)


@compiled
def speed_and_angle(field: Any, loss: Any, project: Any, x: Vector, scale: Scales) -> tuple[Array, Array, Array]:
    """|F|, the angle between F and −∇loss (projected), and the loss; these two are NaN where `loss` is None.

    The angle is NaN where F or ∇loss is zero up to rounding (including that of the projection, relative to `scale`).
    """
    speed = jnp.linalg.norm(field(x))
    if loss is None:
        return speed, jnp.asarray(jnp.nan), jnp.asarray(jnp.nan)

    def descent(x):
        return -project(x, jax.grad(loss)(x))

    a, b = unit_vector(field, x, NOISE * scale.speed), unit_vector(descent, x, NOISE * scale.slope)
    return speed, angle_between(a, b), loss(x)


def angle_between(a: Vector, b: Vector) -> Array:
    """The angle 2 atan2(|a − b|, |a + b|) between unit vectors, which is accurate for all angles (Kahan)."""
    return 2 * jnp.arctan2(jnp.linalg.norm(a - b), jnp.linalg.norm(a + b))


def unit_vector(field: Field, x: Vector, least: Any) -> Vector:
    """F/|F|, or NaN where the rounding of x alone could have made F, and where |F| is `least` or less."""
    signs = jax.random.rademacher(random_key(0), x.shape, dtype=float)
    f, change = jax.jvp(field, (x,), (x * signs,))
    norm = jnp.linalg.norm(f)
    least = jnp.maximum(ROUNDING * jnp.linalg.norm(change), least)
    return f / jnp.where(norm > least, norm, jnp.nan)


@compiled
def both_products(field: Any, project: Any, x: Vector, z: Vector) -> tuple[Vector, Vector]:
    """P J P z and P Jᵀ P z."""
    return derivatives(field, project, x)(z)


def rotation_plane(field: Any, project: Any, x: Vector, scale: float = 0.0) -> Plane | None:
    """Orthonormal directions u, v of the plane of strongest rotation: the largest curl ∂F_v/∂u − ∂F_u/∂v.

    iA is Hermitian; the eigenvector u + iv of its largest eigenvalue σ spans the plane, whose curl is 2σ. A phase
    is free: the component that is largest in modulus is made real. Beyond `DENSE` dimensions no matrix is formed, and
    the tolerance is 1e-6.

    **Returns:** u and v, oriented such that the curl is positive; None where A is zero up to rounding, also that of
    the projection against the norm `scale` of the Jacobian before it.
    """
    x, n = np.asarray(x), len(x)
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (PROBES, n))

    def apply(z, sign=-1):
        jz, jtz = (np.asarray(part) for part in both_products(field, project, x, z))
        return (jz + sign * jtz) / 2

    antisymmetric, symmetric = (np.linalg.norm([apply(z, sign) for z in probes]) for sign in (-1, 1))
    if n < 2 or not antisymmetric > max(1e-10 * symmetric, NOISE * scale):
        return None

    def hermitian(z):
        z = np.ravel(z)
        return 1j * (apply(np.ascontiguousarray(z.real)) + 1j * apply(np.ascontiguousarray(z.imag)))

    if n <= DENSE:
        z = np.linalg.eigh(1j * np.stack([apply(e) for e in np.eye(n)], axis=1))[1][:, -1]
    else:
        start = np.random.default_rng(0).normal(size=n).astype(complex)
        operator = LinearOperator((n, n), matvec=hermitian, dtype=complex)
        z = eigsh(operator, k=1, which="LA", v0=start, tol=1e-6)[1][:, 0]
    largest = z[np.argmax(np.abs(z))]
    z = z * (np.conj(largest) / abs(largest)) * np.sqrt(2)
    u, v = z.real, z.imag
    return np.stack([u, v if v @ apply(u) > 0 else -v])


def trajectory_plane(field: Any, project: Any, x: Float[np.ndarray, " n"], scale: Scales) -> Plane | None:
    """The plane of velocity and acceleration, or None where they do not span one (up to rounding)."""
    velocity = np.asarray(field(x))
    if not np.linalg.norm(velocity) > NOISE * scale.speed:
        return None
    unit = velocity / np.linalg.norm(velocity)
    acceleration = np.asarray(both_products(field, project, x, unit)[0])
    if not np.linalg.norm(acceleration) > NOISE * scale.derivative:
        return None
    return orthonormal(unit, acceleration)


def orthonormal(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> Plane | None:
    """Gram and Schmidt for two vectors, twice against rounding; None where they are parallel or zero."""
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    if not min(lengths) > 0:
        return None
    u, rest = first / lengths[0], second / lengths[1]
    rest = rest - u * (u @ rest)
    if not np.linalg.norm(rest) > PARALLEL:
        return None
    v = rest / np.linalg.norm(rest)
    v = v - u * (u @ v)
    return np.stack([u, v / np.linalg.norm(v)])
