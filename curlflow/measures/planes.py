"""Planes through a point of a vector field F with Jacobian J, given by two orthonormal directions u and v.

The curl in a plane is v·Ju − u·Jv = 2 v·Au, with A the antisymmetric part of J. It is largest in the plane of
strongest rotation, that of the largest eigenvalue of the Hermitian matrix iA. A trajectory that bends spans the plane
of velocity F and acceleration JF.

On a set with tangent projection P the operator is P J P, as in `curlflow.measures.jacobian_parts`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from .jacobian_parts import NOISE, PROBES, Scales, Vector, both_products

DENSE = 256
"""Up to this size the plane of strongest rotation comes from a dense eigenproblem."""
PARALLEL = 1e-8
"""Directions at an angle whose sine is smaller than this do not span a plane, to within rounding."""

Plane = Float[np.ndarray, "2 n"]


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


def rotation_plane(field: Any, project: Any, x: Vector, scale: float = 0.0) -> Plane | None:
    """Orthonormal directions u, v of the plane of strongest rotation: the largest curl ∂F_v/∂u − ∂F_u/∂v.

    iA is Hermitian; the eigenvector u + iv of its largest eigenvalue σ spans the plane, whose curl is 2σ. A phase
    is free: the component that is largest in modulus is made real. Its products are matrix-free, and the tolerance
    is 1e-6, beyond `DENSE` dimensions.

    **Returns:** u and v, oriented such that the curl is positive; None where A is zero up to rounding, including that
    of the projection relative to the norm `scale` of the Jacobian before it.
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
