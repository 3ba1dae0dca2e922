"""Figure 10: figures 5b–d with relu and 40 realizations.

Variables and pictures as of `fig5_convergence_speed.py`. Writes `data/fig10b.nc` (with the errors at the end, panel
a) and `data/fig10c.nc`:

    python analyses/fig10_relu.py            (--quick: minutes, in results/; --help: more)

At large scales runs take minutes each: figure 10c with 40 realizations everywhere is some 27 hours of one core. What
is shipped takes 5, by `--only fig10c --at 3=8 4=8 5=8 6=8 7=8 8=8 9=4 10=4`.
"""

from convergence_figures import RELU_FLOW, SAMPLES, SCALES, Panel, by_field, run

PROTOCOL = "minibatches of 10, learning rate 0.1 per epoch, 1e5 epochs, 40 realizations"
PANELS = (
    Panel(
        "fig10b", "fig10b", "samples", SAMPLES, by_field("data.samples"), "number of training samples", PROTOCOL,
        to_end=True, flow=RELU_FLOW,
    ),
    Panel("fig10c", "fig10c", "scale", SCALES, by_field("start.scale"), "starting scale", PROTOCOL, flow=RELU_FLOW),
)  # fmt: skip

if __name__ == "__main__":
    run(__doc__, PANELS)
