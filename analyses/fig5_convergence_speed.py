"""Figure 5b–f: does one flipped readout neuron make tanh networks learn faster?

Gradient and curl descent from the same starts, against the number of samples (b: errors at the end, c: convergence),
the scale of the starting weights (d), that of the teacher (e) and the number of flipped hidden units (f). The flow,
with stabilised steps, stands for the published minibatches of ten.

Variables: what `curlflow.convergence` returns, along `samples`, `scale`, `teacher_scale` or `flipped`; `test_error`
and `train_error` are those at the end of the run, in `fig5c.nc` after all epochs, elsewhere where it has converged.

Writes `data/fig5c.nc` … `fig5f.nc` and pictures in `docs/figures`: `fig5c.png` by the published convention (mean and
standard error of recorded epochs), `fig5c_censored.png` with medians and speed-ups that know of censoring,
`fig5c_errors.png` with errors at the end (panel b):

    python analyses/fig5_convergence_speed.py            (--quick: minutes, in results/; --help: more)
"""

from convergence_figures import four_panels, run

PROTOCOL = "minibatches of 10, learning rate 0.1 per epoch, {} epochs, 10 realizations"
PANELS = four_panels("fig5c", "fig5f", "fig5d", "fig5e", PROTOCOL)

if __name__ == "__main__":
    run(__doc__, PANELS)
