"""Figures 3b, c, d: how learning moves whose inputs are flipped: order parameter, traces, autocorrelation, plane.

The order parameter q over the last 999 of 10⁵ epochs: against the fraction of flipped inputs at c = 0.3, 0.4 and 0.5,
and against c at fractions 0.4, 0.5 and 0.6, 10 realizations each, from 10⁻¹⁰ beside the teacher's weights: updates
with full batches, as published, and the flow, which does not have their cycle of two states (status `period_two`).

Variables of `fig3b_fraction.nc` and `fig3b_c.nc`: `order_parameter(dynamics, c, fraction, realization)`, also of each
layer, `decay_time`, `integrated_time`, `participation_ratio`, `window_status`, `status`. `fig3cd_full_batch.nc` and
`fig3cd_flow.nc` are what `curlflow.fluctuations` returns for the preset `fig3cd` (c = 0.8, 60 % flipped), single
weights and components of the first realization only.

Writes these files to `data/` and pictures to `docs/figures/`:

    python analyses/fig3bcd_hidden_layer.py            (--quick: few cells, in results/; --help: more)
"""

import numpy as np
from order_parameters import Line, run

LINES = (
    Line("fig3b_fraction", "fig3b", (0.3, 0.4, 0.5), tuple(np.linspace(0, 1, 25).tolist()), along="fraction"),
    Line("fig3b_c", "fig3b", tuple(np.linspace(0.1, 0.7, 20).tolist()), (0.4, 0.5, 0.6), along="c"),
)

if __name__ == "__main__":
    run(__doc__, "fig3cd", {"fig3b": LINES})
