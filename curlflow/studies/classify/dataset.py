"""The dataset of `curlflow.classify`."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from ... import results
from ...measures.motion import Verdict, verdict
from ...variable import Variable
from .indicators import PIECES, columns, indicators, named_status
from .observed import PEAKS, frequencies
from .options import ClassifyOptions
from .runs import Classified


def assemble(
    runs: list[Classified],
    options: ClassifyOptions,
    names: list[str],
    scales: list[Float[np.ndarray, " observables"]],
    subject: dict[str, Any],
) -> xr.Dataset:
    """Indicators and verdicts of every realization, with labels."""
    found = [_judged(r, options, scale, names) for r, scale in zip(runs, scales, strict=True)]
    data = {name: np.stack([f[name] for f in found]) for name in found[0]}
    coordinates = {
        "realization": (("realization",), np.arange(len(runs)), "realization"),
        "exponent": (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent"),
        "tangents": (("tangents",), np.arange(1, options.exponents + 1), "number of tangents that align"),
        "piece": (("piece",), np.arange(1, PIECES + 1), "piece of the window"),
        "observable": (("observable",), np.array(names), "what is looked at"),
        "frequency": (("frequency",), frequencies(runs[0].samples, runs[0].interval), "cycles per unit of time"),
        "peak": (("peak",), np.arange(1, PEAKS + 1), "rank of the peak"),
    }
    if "rank_ratio" in data:
        coordinates["layer"] = (("layer",), np.arange(1, data["rank_ratio"].shape[1] + 1), "layer of weights")
    device = jax.devices()[0]
    attributes = results.provenance("classify", options.settings, f"{device.platform}: {device.device_kind}")
    return results.labelled(VARIABLES, data, coordinates, attributes | subject)


def _judged(
    r: Classified, options: ClassifyOptions, scale: Float[np.ndarray, " observables"], names: list[str]
) -> dict[str, Any]:
    found = columns(r, options, scale)
    kind, why = verdict(indicators(r, found, names))
    return {"verdict": np.int8(kind), "reason": why, "status": np.int8(named_status(r, found))} | found


ONE, BOTH = ("realization",), ("realization", "observable")
VARIABLES = (
    results.flag_variable("verdict", ONE, "kind of motion", Verdict),
    Variable("reason", ONE, "why"),
    Variable("lyapunov_exponent", ("realization", "exponent"), "Lyapunov exponent, per unit of time"),
    Variable("lyapunov_exponent_se", ("realization", "exponent"), "standard error of the Lyapunov exponent"),
    Variable("averaged_time", ONE, "time that exponents were averaged over"),
    Variable("converged", ONE, "whether both halves of that time agree on the largest exponent"),
    Variable("finite_time_exponent", ("realization", "piece"), "largest exponent over a piece of the window"),
    Variable("finite_time", ONE, "duration of a piece"),
    Variable("preserves_volume", ONE, "whether the divergence vanishes all along"),
    Variable("log_gali", ("realization", "tangents"), "ln of the generalized alignment index after gali_time"),
    Variable("gali_time", ONE, "how long tangents were followed for the alignment index"),
    Variable("zero_one", BOTH, "K of the 0-1 test, near 0 for regular and near 1 for chaotic motion"),
    Variable("zero_one_lower", BOTH, "lower quartile of K over frequencies"),
    Variable("zero_one_upper", BOTH, "upper quartile of K over frequencies"),
    Variable("zero_one_interval", BOTH, "interval of the values in the 0-1 test, in units of time"),
    Variable("zero_one_oversampled", BOTH, "whether that is too short for the test to see chaos"),
    Variable("moves", BOTH, "whether the observable still moves at the end"),
    Variable("not_finite", BOTH, "samples in which the observable is not finite"),
    Variable("stationary", BOTH, "whether mean and variance are the same in both halves of the window"),
    Variable("return_time", ONE, "time after which the observables come back"),
    Variable("return_distance", ONE, "mean square distance after that time, over twice the variance"),
    Variable("returns_steadily", ONE, "whether they are as near after all multiples of that time"),
    Variable("power", (*BOTH, "frequency"), "one-sided power spectral density"),
    Variable("peak_frequency", (*BOTH, "peak"), "frequency of a peak of the power spectrum"),
    Variable("peak_width", (*BOTH, "peak"), "width of a peak at half height"),
    Variable("peak_is_line", (*BOTH, "peak"), "whether the peak is no wider than a line"),
    Variable("early_growth", ONE, "ln of the growth of a difference before the window, away from start and end"),
    Variable("rank_ratio", ("realization", "layer"), "second over first singular value of a layer at the end"),
    Variable("weight_speed", ONE, "speed of all weights at the end over their norm, per unit of time"),
    results.status_variable(),
)
