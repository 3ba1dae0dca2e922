"""Figure 11: figures 5c–f without the norm constraint.

Variables and pictures as of `fig5_convergence_speed.py`. Writes `data/fig11a.nc` … `fig11d.nc`:

    python analyses/fig11_without_constraint.py            (--quick: minutes, in results/; --help: more)
"""

from convergence_figures import FLIPPED, SAMPLES, SCALES, TEACHER_SCALES, Panel, by_field, flipped_hidden, main

PROTOCOL = "no constraint, minibatches of 10, learning rate 0.1 per epoch, {} epochs, 10 realizations"
PANELS = (
    Panel(
        "fig11a", "fig11a", "samples", SAMPLES, by_field("data.samples"), "number of training samples",
        PROTOCOL.format("1e5"), to_end=True,
    ),
    Panel("fig11d", "fig11d", "flipped", FLIPPED, flipped_hidden, "flipped hidden units", PROTOCOL.format("1e5")),
    Panel("fig11b", "fig11b", "scale", SCALES, by_field("start.scale"), "starting scale", PROTOCOL.format("1e5")),
    Panel(
        "fig11c", "fig11c", "teacher_scale", TEACHER_SCALES, by_field("teacher.scale"), "scale of the teacher",
        PROTOCOL.format("2e5"), epochs=200_000,
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(__doc__, PANELS)
