"""Figure 4: what becomes of a solution whose hidden units are flipped, and how far do the weights move before?

Final test errors and peak training errors over 20 ratios c from 0.01 to 10 and 21 fractions of flipped hidden units,
from 10⁻¹⁵ beside the teacher's weights: updates with full batches, as published, and the flow. The inset is the error
against the epoch at c = 1 and 60 %, where large transients come down again.

Variables: `test_error` and `peak_error` (dynamics, c, fraction, realization), `train_error`, `stop_epoch`,
`stopped_by`, `status`; `critical_fraction(c)`, the limit of large networks; `critical_fraction_finite(dynamics, c)`
with `_lower` and `_upper` and `unstable_share(dynamics, c, fraction)`, of networks of these widths.

Writes `data/fig4.nc` and `docs/figures/fig4.png`; `fig4_inset` likewise, a dataset of `curlflow.simulate`:

    python analyses/fig4_readout_phase_diagram.py            (--quick: a minute or so, in results/; --help: more)
"""

import numpy as np
from phase_diagrams import QUICK_EPOCHS, QUICK_REALIZATIONS, Diagram, Figure, Runs, linear, run

import curlflow

RUNS = (Runs("full_batch", 20), Runs("flow", 20))
PUBLISHED = "full batches, learning rate 0.1, 1e5 epochs, 20 realizations"
RATIOS = np.logspace(-2, 1, 20)
DIAGRAM = Diagram("fig4", "fig4", RATIOS, {"fraction": "hidden"}, RUNS, PUBLISHED, records=200, floor=1e-20)


def inset(given, path):
    """Errors against the epoch at c = 1 and 60 %, the preset itself."""
    spec = curlflow.preset(DIAGRAM.preset)
    spec = spec.replace("realizations", QUICK_REALIZATIONS) if given.quick else spec
    last = QUICK_EPOCHS if given.quick else DIAGRAM.epochs
    epochs = np.unique(np.round(np.geomspace(1, last, DIAGRAM.records)).astype(int))
    return curlflow.simulate(spec, times=np.concatenate([[0], epochs]), progress=True)


if __name__ == "__main__":
    curves = Figure("fig4_inset", inset, curlflow.plot.learning_curves)
    run(__doc__, [DIAGRAM], linear, ["test_error", "peak_error"], curves)
