"""Learning as a script would have it: loops in NumPy over the published protocols."""

import numpy as np


def numpy_on_samples(p, epochs):
    """A loop as a script would have it: forward and backward over all samples."""
    w1, w2 = (w.copy() for w in p.student.weights)
    d1, d2 = p.rule.gains
    r1, r2, n = np.linalg.norm(w1), np.linalg.norm(w2), p.x_train.shape[1]
    for _ in range(epochs):
        h = w1 @ p.x_train
        e = w2 @ h - p.y_train
        step1, step2 = (w2.T @ e) @ p.x_train.T / n * d1, e @ h.T / n * d2
        w1, w2 = w1 - 0.1 * step1, w2 - 0.1 * step2
        w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
    return w1, w2


def numpy_epochs(problem, number):
    """The published protocol, minibatch by minibatch, with the test error after every epoch."""
    w1, w2 = (np.array(w) for w in problem.student.weights)
    r1, r2 = np.linalg.norm(w1), np.linalg.norm(w2)
    x, y, d2 = problem.x_train, problem.y_train, np.asarray(problem.rule.gains[1])
    rng = np.random.default_rng(0)
    rate, samples = 0.1 * 10 / x.shape[1], x.shape[1]
    for _ in range(number):
        for batch in rng.permutation(samples).reshape(-1, 10):
            xb, yb = x[:, batch], y[:, batch]
            h = np.tanh(w1 @ xb)
            e = np.tanh(w2 @ h) - yb
            f2, f1 = e @ h.T / 10 * d2, (w2.T @ e * (1 - h * h)) @ xb.T / 10
            w1, w2 = w1 - rate * f1, w2 - rate * f2
            w1, w2 = w1 * (r1 / np.linalg.norm(w1)), w2 * (r2 / np.linalg.norm(w2))
        error = 0.5 * np.mean((np.tanh(w2 @ np.tanh(w1 @ problem.x_test)) - problem.y_test) ** 2)
    return error
