"""Fast updates of deviations from a solution, for two-layer linear networks with one output on Frobenius spheres.

With W1 = W1* + δ1 and w = w* + δ2 for the weights, w = W2ᵀ, and v = W1*ᵀ w* for what is to be learned, an update of
`curlflow.systems.fast.rank_one` becomes one of (δ1, δ2):

    e = δ1ᵀ w + W1*ᵀ δ2,    u = D1 Σ e,    δ1 ← s (δ1 − η w uᵀ) + (s − 1) W1*,    δ2 ← δ2 − η D2 (W1* + δ1) Σ e,

and δ2 is put back onto its sphere as in `curlflow.systems.fast.deviation_spheres`. Since ‖W1‖ = r before the update,

    s = (1 + x)^(−½),    x = (−2η (v + e)·u + η² |w|² |u|²) / r²,

where s − 1 is taken without cancellation. Every `ANCHOR` updates the norm of W1 is computed and put back exactly.
"""

import equinox as eqx
import jax.numpy as jnp

from ...networks import Feedforward
from .deviation_spheres import DeviationSpheres
from .rank_one import gains_of, updated


class RankOneDeviations(eqx.Module):
    """Many updates of a deviation, a function of (deviation, index, number, (rule, task, reference, rate))."""

    spheres: DeviationSpheres

    def __call__(self, deviation: Feedforward, index, number, args) -> Feedforward:
        rule, task, reference, rate = args
        d1, d2 = gains_of(rule)
        squared1, squared2 = map(self.spheres.squared_radius, (0, 1))
        w1_star, w_star = jnp.asarray(reference.weights[0]), jnp.asarray(reference.weights[1])[0]
        v = w_star @ w1_star

        def update(delta1, delta2):
            w = w_star + delta2
            e = w @ delta1 + delta2 @ w1_star
            x = task.times_covariance(e)
            u = d1 * x
            excess = jnp.sum(u * (rate * rate * squared2 * u - 2 * rate * (v + e))) / squared1
            shrink = jnp.expm1(-0.5 * jnp.log1p(excess))
            new = delta2 - rate * d2 * (w1_star @ x + delta1 @ x)
            delta1 = (1 + shrink) * delta1 - ((1 + shrink) * rate * w)[:, None] * u + shrink * w1_star
            return delta1, self.spheres.layer_retracted(1, new[None])[0]

        def anchored(delta1, delta2):
            return self.spheres.layer_retracted(0, delta1), delta2

        start1, start2 = map(jnp.asarray, deviation.weights)
        delta1, delta2 = updated(update, anchored, (start1, start2[0]), number)
        return deviation.with_weights((delta1, delta2[None]))
