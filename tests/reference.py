"""Slow, independent NumPy implementations, written from the equations of docs/model.md."""

import numpy as np

FUNCTIONS = {
    "linear": (lambda a: a, lambda a: np.ones_like(a)),
    "tanh": (np.tanh, lambda a: 1 / np.cosh(a) ** 2),
    "relu": (lambda a: np.maximum(a, 0), lambda a: np.where(a > 0, 1.0, 0.0)),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: np.exp(-a) / (1 + np.exp(-a)) ** 2),
}


def velocity(weights, x, y, activation, output_activation, gains=None, feedback=None):
    """Equation (2), sample by sample."""
    phi, dphi = FUNCTIONS[activation]
    phi_out = FUNCTIONS[output_activation][0]
    feedback = weights[1:] if feedback is None else feedback
    total = [np.zeros_like(w) for w in weights]
    for sample, target in zip(x.T, y.T, strict=True):
        a, h = [], [sample]
        for layer, w in enumerate(weights):
            a.append(w @ h[-1])
            h.append((phi_out if layer == len(weights) - 1 else phi)(a[-1]))
        delta = h[-1] - target
        for layer in reversed(range(len(weights))):
            total[layer] -= np.outer(delta, h[layer]) / x.shape[1]
            if layer:
                delta = (feedback[layer - 1].T @ delta) * dphi(a[layer - 1])
    return [f * (1 if gains is None else g) for f, g in zip(total, gains or total, strict=True)]


def biased_velocity(weights, biases, x, y, activation, output_activation, gains=None, feedback=None, of_biases=None):
    """Equation (2) with biases, sample by sample: first the velocities of weights, then those of biases."""
    phi, dphi = FUNCTIONS[activation]
    phi_out, layers = FUNCTIONS[output_activation][0], len(weights)
    feedback = weights[1:] if feedback is None else feedback
    total = [np.zeros_like(array) for array in (*weights, *biases)]
    for sample, target in zip(x.T, y.T, strict=True):
        a, h = [], [sample]
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            a.append(w @ h[-1] + b)
            h.append((phi_out if layer == layers - 1 else phi)(a[-1]))
        delta = h[-1] - target
        for layer in reversed(range(layers)):
            total[layer] -= np.outer(delta, h[layer]) / x.shape[1]
            total[layers + layer] -= delta / x.shape[1]
            if layer:
                delta = (feedback[layer - 1].T @ delta) * dphi(a[layer - 1])
    every = [*(gains or [1] * layers), *(of_biases or [1] * layers)]
    return [g * f for g, f in zip(every, total, strict=True)]


def two_layer_updates(w1, w2, batches, x, y, d1, d2, rate, spheres, activation="linear"):
    """Published updates of a network with one output: a plain loop over (epoch, batch) index arrays."""
    phi, dphi = FUNCTIONS[activation]
    r1, r2 = np.linalg.norm(w1), np.linalg.norm(w2)
    for indices in batches:
        xb, yb = x[:, indices], y[:, indices]
        a1 = w1 @ xb
        h = phi(a1)
        e = phi(w2 @ h) - yb
        n = len(indices)
        step1 = -(((w2.T @ e) * dphi(a1)) @ xb.T) / n * d1
        step2 = -(e @ h.T) / n * d2
        w1, w2 = w1 + rate * step1, w2 + rate * step2
        if spheres:
            w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
    return w1, w2


def autoregressive(coefficient, times, series, rng):
    """x′ = a x + ξ with unit noise from its stationary law, times × series: r(k) = aᵏ."""
    x = rng.normal(size=series) / np.sqrt(1 - coefficient**2)
    found = np.empty((times, series))
    for t in range(times):
        found[t] = x
        x = coefficient * x + rng.normal(size=series)
    return found
