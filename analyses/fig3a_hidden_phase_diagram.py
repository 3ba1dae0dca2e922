"""Figure 3a: over which c and fractions of flipped inputs does learning from random weights reach a solution?

Final test errors over 20 ratios c from 0.1 to 100 and 21 fractions of flipped inputs, and over 20 ratios from 0.1 to
0.7 (the inset). As a flow, which stands for the published minibatches of ten; with full batches of the same learning
rate, where some runs fall onto a cycle of two states that the flow does not have; and with minibatches of ten at
every second value of both axes, two realizations, as a check that they do what the flow does.

Variables: `test_error(dynamics, c, fraction, realization)` at the end, `train_error`, `peak_error`, `stop_epoch`,
`stopped_by`, `status`; `critical_fraction(c)`, the limit of large networks; `critical_fraction_finite(dynamics, c)`
with `_lower` and `_upper` and `unstable_share(dynamics, c, fraction)`, of networks of these widths.

Writes `data/fig3a.nc`, `data/fig3a_inset.nc` and pictures of these names in `docs/figures`:

    python analyses/fig3a_hidden_phase_diagram.py            (--quick: a minute or so, in results/; --help: more)
"""

import numpy as np
from phase_diagrams import Diagram, Runs, linear, run

PUBLISHED = "minibatches of 10, learning rate 0.1 per epoch, {} epochs, 10 realizations"
SHARED = {
    "flips": {"fraction": "inputs"}, "records": 100, "floor": 1e-15,
    "runs": (Runs("flow", 10), Runs("full_batch", 10), Runs("minibatch", 2, every=2)),
}  # fmt: skip
DIAGRAMS = (
    Diagram("fig3a", "fig3a", np.logspace(-1, 2, 20), published=PUBLISHED.format("1e5"), **SHARED),
    Diagram(
        "fig3a_inset", "fig3a_inset", np.linspace(0.1, 0.7, 20), published=PUBLISHED.format("2e4"), epochs=20_000,
        **SHARED,
    ),
)  # fmt: skip


if __name__ == "__main__":
    run(__doc__, DIAGRAMS, linear, "test_error")
