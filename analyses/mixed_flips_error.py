"""With flips among inputs and hidden units at once: where does learning end?

Final test errors over 21 fractions of flipped inputs and 21 of flipped hidden units at c = 0.1, 1 and 10, from 10⁻¹⁵
beside the teacher's weights: updates with full batches, as published, and the flow. How many flipped hidden units a
solution bears beside flipped inputs is in `mixed_flips_surface.py`.

Variables: `test_error(dynamics, c, inputs_fraction, hidden_fraction, realization)` at the end, `train_error`,
`peak_error`, `stop_epoch`, `stopped_by`, `status`; `critical_hidden_fraction(c, inputs_fraction)`, the limit of large
networks; `critical_hidden_fraction_finite(dynamics, c, inputs_fraction)` with `_lower` and `_upper`, of networks of
these widths.

Writes `data/mixed_flips_error.nc` and `docs/figures/mixed_flips_error.png`:

    python analyses/mixed_flips_error.py            (--quick: a minute or so, in results/; --help: more)
"""

from phase_diagrams import TEXTS, Diagram, Runs, run, with_boundary

from curlflow import random_matrix

DIAGRAM = Diagram(
    name="mixed_flips_error",
    preset="mixed",
    ratios=(0.1, 1.0, 10.0),
    flips={"inputs_fraction": "inputs", "hidden_fraction": "hidden"},
    records=200,
    runs=(Runs("full_batch", 20), Runs("flow", 20)),
    published="full batches, learning rate 0.1, 1e5 epochs, 20 realizations",
    floor=1e-20,
    samples=20,
    solver="rkc2",
    solver_at_zero={"hidden_fraction": "tsit5"},
)


def mixed(dataset, diagram, given):
    """Add critical fractions of hidden units of large linear networks, and of networks of these widths."""
    dims, name = ("c", "inputs_fraction"), "critical_hidden_fraction"
    flipped = dataset.flipped_inputs.transpose(*dims).to_numpy()
    widths = dataset.inputs.to_numpy()[:, None], dataset.hidden.to_numpy()[:, None]
    critical = [
        random_matrix.critical_fraction_at(*widths, "hidden", flipped=flipped, **diagram.judged(runs))
        for runs in diagram.runs
    ]
    limit = random_matrix.phase_surface(dataset.c.to_numpy()[:, None], dataset.inputs_fraction.to_numpy())
    attributes = {"long_name": f"smallest unstable {TEXTS['hidden']}, limit of large networks", "units": "1"}
    return with_boundary(dataset.assign({name: (dims, limit, attributes)}), name, dims, critical, diagram.how)


if __name__ == "__main__":
    run(__doc__, [DIAGRAM], mixed, "test_error", x="inputs_fraction", y="hidden_fraction")
