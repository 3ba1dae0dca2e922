"""Is learning with flipped inputs chaotic in continuous time? Exponents of the preset `hidden_chaos`, run long.

Variables: `lyapunov_exponent` with `lyapunov_exponent_se` over realizations, as `curlflow.lyapunov` returns them.
Setting: c = 0.5 and 30 % of the inputs flipped, started at a solution; averaged over 4,000 units of time after
1,000 of transient, and 500 in which tangents align.

Writes `data/lyapunov_hidden_chaos.nc` and `docs/figures/lyapunov_hidden_chaos.png`. It saves after every piece: a run
that was stopped goes on from its file. To make it again, remove the file and run

    python analyses/hidden_chaos.py            (about a minute on two cores; --quick: 20 seconds)
"""

from scripts import Figure, main

import curlflow

PIECE = 500.0


def compute(given, path):
    """Average in pieces that are saved to `path` and taken up again from there."""
    realizations, duration = (2, PIECE) if given.quick else (6, 4000.0)
    spec = curlflow.preset("hidden_chaos").replace("realizations", realizations)
    ds = curlflow.load(path) if path.exists() else None
    while ds is None or float(ds.time[-1]) < duration:
        options = {"alignment": PIECE, "exponents": 5} if ds is None else {"resume": ds}
        try:
            ds = curlflow.lyapunov(spec, duration=PIECE, progress=True, **options)
        except curlflow.Interrupted as interrupt:
            curlflow.save(interrupt.dataset, path)
            raise
        curlflow.save(ds, path)
    return ds


def summarize(ds):
    """Print how many largest exponents are positive."""
    resolved = (ds.lyapunov_exponent[:, 0] > 3 * ds.lyapunov_exponent_se[:, 0]).sum()
    print(f"{int(resolved)} of {ds.sizes['realization']} largest exponents are positive by three standard errors")


if __name__ == "__main__":
    figure = Figure("lyapunov_hidden_chaos", compute, curlflow.plot.lyapunov, summarize)
    main(__doc__, [figure], "two realizations, 500 units of time")
