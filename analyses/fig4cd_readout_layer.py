"""Figures 4c, d: how learning moves whose hidden units are flipped: traces, autocorrelation, components.

The last 999 of 10⁵ epochs at c = 1 with 60 % of the hidden units flipped, from 10⁻¹⁵ beside the teacher's weights,
20 realizations: updates with full batches, as published, and the flow. Errors against the epoch (figure 4b,
inset) are in `fig4_inset.nc`, which `fig4_readout_phase_diagram.py` makes.

`fig4cd_full_batch.nc` and `fig4cd_flow.nc` are what `curlflow.fluctuations` returns for the preset `fig4cd`, single
weights and components of the first realization only.

Writes these files to `data/` and pictures to `docs/figures/`:

    python analyses/fig4cd_readout_layer.py            (--quick: two realizations, in results/; --help: more)
"""

from order_parameters import run

if __name__ == "__main__":
    run(__doc__, "fig4cd", {})
