"""Is learning with flipped inputs chaotic in continuous time? Exponents of the preset `hidden_chaos`, run long.

Variables: `lyapunov_exponent` with `lyapunov_exponent_se` over realizations, as `curlflow.lyapunov` returns them.
Setting: c = 0.5 and 30 % of the inputs flipped, started at a solution; fixed steps calibrated against the adaptive
solver; averaged over 4,000 units of time after 1,000 of transient.

Writes `data/lyapunov_hidden_chaos.nc` and `docs/figures/lyapunov_hidden_chaos.png`. It saves after every piece: a run
that was stopped goes on from its file. To make it again, remove the file and run

    python analyses/hidden_chaos.py            (about 5 minutes on two cores; --quick: 1 minute)
"""

import argparse
from pathlib import Path

import curlflow

ROOT = Path(__file__).parent.parent
PIECE = 500.0


def compute(path: Path, realizations: int, duration: float):
    """Average for `duration`, in pieces that are saved to `path` and taken up again from there."""
    spec = curlflow.preset("hidden_chaos").replace("realizations", realizations)
    ds = curlflow.load(path) if path.exists() else None
    while ds is None or float(ds.time[-1]) < duration:
        options = {"stepping": "fixed", "exponents": 5} if ds is None else {"resume": ds}
        try:
            ds = curlflow.lyapunov(spec, duration=PIECE, progress=True, **options)
        except curlflow.Interrupted as interrupt:
            curlflow.save(interrupt.dataset, path)
            raise
        curlflow.save(ds, path)
    return ds


def main() -> None:
    """Compute, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two realizations, 500 units of time")
    quick = parser.parse_args().quick
    name = "lyapunov_hidden_chaos" + ("_quick" if quick else "")
    folder = ROOT / "results" if quick else ROOT / "data"
    folder.mkdir(exist_ok=True)
    ds = compute(folder / f"{name}.nc", 2 if quick else 6, PIECE if quick else 4000.0)
    figures = ROOT / "results" if quick else ROOT / "docs" / "figures"
    curlflow.plot.lyapunov(ds).savefig(figures / f"{name}.png")
    resolved = (ds.lyapunov_exponent[:, 0] > 3 * ds.lyapunov_exponent_se[:, 0]).sum()
    print(f"{int(resolved)} of {ds.sizes['realization']} largest exponents are positive by three standard errors")


if __name__ == "__main__":
    main()
