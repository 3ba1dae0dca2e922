"""Figure 8: figure 4 with tanh: what becomes of a solution whose hidden units are flipped?

Final test errors and peak training errors over c and the fraction of flipped hidden units for tanh networks, from
10⁻¹⁵ beside the teacher's weights, in double precision: updates with full batches, as published, in every cell, but
one realization, since a run is up to 10⁵ gradients. The flow runs at every fourth value of both axes, as a check.

Variables: `test_error` and `peak_error` (dynamics, c, fraction, realization), `train_error`, `stop_epoch`,
`stopped_by`, `status`; `critical_fraction(c)`, the limit of large **linear** networks; `unstable_share(dynamics, c,
fraction)` of the tanh networks at their teacher's weights, and `critical_fraction_finite(dynamics, c)` with `_lower`
and `_upper`, from which half, 10 % and 90 % of them are unstable at a rate that shows within the run.

Writes `data/fig8.nc` and `docs/figures/fig8.png`:

    python analyses/fig8_tanh_readout.py            (--quick: a minute or so, in results/; --help: more)
"""

import numpy as np
from phase_diagrams import Diagram, Runs, by_stability, run

RUNS = (Runs("full_batch", 1), Runs("flow", 1, every=4))
PUBLISHED = "full batches, learning rate 0.1, 1e5 epochs, 20 realizations"
DIAGRAM = Diagram(
    "fig8", "fig8", np.logspace(-2, 1, 20), {"fraction": "hidden"}, RUNS, PUBLISHED, records=200, floor=1e-20,
    samples=10, solver="rkc2",
)  # fmt: skip


if __name__ == "__main__":
    run(__doc__, [DIAGRAM], by_stability, ["test_error", "peak_error"])
