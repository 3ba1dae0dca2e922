"""What the benchmark of sweeps computes in cells: next to nothing."""


def product(spec):
    """A number."""
    return spec.seed * spec.network.inputs
