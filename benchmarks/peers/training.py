"""Learning that is not about exponents: problems that curlflow draws, for whoever learns them."""

import functools

import numpy as np

import curlflow

EPOCHS, MINIBATCH_EPOCHS, UNTIL, NETWORKS = 5000, 100, 100.0, 16
RATIOS = np.geomspace(0.1, 10, 8)
FLOW = {"kind": "flow", "solver": "tsit5", "rtol": 1e-6, "atol": 1e-9}


def linear():
    """Figure 4 with 109 inputs, 109 hidden units and 250 samples."""
    widths = {"network.inputs": 109, "network.hidden": 109, "teacher.width": 109, "realizations": 1}
    changes = {**widths, "rule.flipped.hidden": 0.3, "start": {"kind": "random"}}
    return curlflow.preset("fig4").replace(changes)


def tanh(**changes):
    """Figure 5c: 100 inputs, ten hidden units, one of them flipped, 2,000 samples."""
    return curlflow.preset("fig5c").replace({"data.samples": 2000, "realizations": 1, **changes})


def ensemble():
    """Small networks of equal shapes."""
    widths = {"network.inputs": 10, "network.hidden": 10, "teacher.width": 10, "data.samples": 100}
    return curlflow.preset("fig5c").replace({**widths, "realizations": NETWORKS, "dynamics": FLOW})


@functools.cache
def drawn(which: str):
    """The problems of all realizations."""
    spec = {"updates": linear, "minibatches": tanh, "tanh": tanh, "ensemble": ensemble}[which]()
    return [spec.build(realization=i) for i in range(spec.realizations)]
