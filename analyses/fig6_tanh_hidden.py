"""Figure 6: figure 3a and its inset with tanh: does learning with flipped inputs reach a solution?

Final test errors over c and the fraction of flipped inputs for tanh networks from random weights. Full batches stand
for the published minibatches of ten: every cell, but one realization, since a run is up to 10⁵ gradients. The flow
runs at every fourth value of both axes, as a check.

Variables: `test_error(dynamics, c, fraction, realization)` at the end, `train_error`, `peak_error`, `stop_epoch`,
`stopped_by`, `status`; `critical_fraction(c)`, the limit of large **linear** networks; `unstable_share(dynamics, c,
fraction)` of the tanh networks at their teacher's weights, and `critical_fraction_finite(dynamics, c)` with `_lower`
and `_upper`, from which half, 10 % and 90 % of them are unstable at a rate that shows within the run.

Writes `data/fig6a.nc`, `data/fig6b.nc` and pictures of these names in `docs/figures`:

    python analyses/fig6_tanh_hidden.py            (--quick: a minute or so, in results/; --help: more)
"""

import numpy as np
from phase_diagrams import Diagram, Runs, by_stability, run

RATIOS = {"fig6a": np.logspace(-1, 2, 20), "fig6b": np.linspace(0.1, 0.7, 20)}
RUNS = (Runs("full_batch", 1), Runs("flow", 1, every=4))
PUBLISHED = "minibatches of 10, learning rate 0.1 per epoch, 1e5 epochs, 10 realizations"
FURTHER = {"records": 100, "floor": 1e-15, "samples": 10, "solver": "rkc2"}
DIAGRAMS = [
    Diagram(name, name, ratios, {"fraction": "inputs"}, RUNS, PUBLISHED, **FURTHER) for name, ratios in RATIOS.items()
]


if __name__ == "__main__":
    run(__doc__, DIAGRAMS, by_stability, "test_error")
