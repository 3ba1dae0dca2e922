"""Chaos of learning, or of its steps: the same runs at several learning rates and as a flow: `step_sizes`."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import xarray as xr
from pydantic import PlainValidator

from ... import results
from ...interrupts import Interrupted
from ...measures import extrapolation
from ...measures.extrapolation import limits
from ...measures.step_sizes import ChaoticIn, chaotic_in, moves_like_the_flow
from ...spec import Spec
from ..arguments import Bar, Count, Graph, Length, Positive, Rule, Seed, check, study
from ..runs import finished
from .study import classify

ALONG = "learning_rate"
VARIABLES = (
    *extrapolation.VARIABLES,
    results.flag_variable("chaotic_in", ("realization",), "what is chaotic, at the largest learning rate", ChaoticIn),
)


def _different(given: Any) -> list[float]:
    """Different positive numbers."""
    try:
        rates = [check("learning_rates", rate, Positive) for rate in given]
    except TypeError:
        raise ValueError(f"learning_rates: got {given!r}, required is a list of positive numbers.") from None
    if len(set(rates)) < len(rates) or not rates:
        raise ValueError(f"learning_rates: got {list(given)!r}, required are different positive numbers.")
    return rates


Rates = Annotated[Sequence[float], PlainValidator(_different)]


@study
def step_sizes(
    spec: Any,
    *,
    learning_rates: Rates | None = None,
    transient: Length | None = None,
    duration: Positive | None = None,
    exponents: Count | None = None,
    seed: Seed | None = None,
    progress: Bar = None,
    rule: Rule = None,
    graph: Graph = None,
) -> xr.Dataset:
    """Lyapunov exponents and verdicts of full-batch updates at several learning rates, beside those of the flow.

    ```python
    ds = curlflow.step_sizes(curlflow.preset("fig3cd").replace("realizations", 5))
    print(ds.chaotic_in.attrs["flag_meanings"].split(), ds.chaotic_in.values)
    ```

    **Returns:** what `curlflow.classify` returns (without power spectra), with the dimension `learning_rate` first,
    in decreasing order; 0 is the flow. `exponent_limit` with `exponent_limit_se` is where a straight line through
    the exponents of the updates goes at learning rate 0, `exponent_limit_chi_square` whether they lie on one, and
    `limit_difference` the distance to the exponent of the flow in standard errors of the difference. `chaotic_in`
    says whether the flow and the updates at the largest learning rate are chaotic.

    **Arguments** (lengths are in units of time, the same for all learning rates):

    - `spec`: a `curlflow.Spec`; its dynamics are replaced.
    - `learning_rates`: of the updates. Default: η, η/2, η/5 and η/10, with the spec's η, or 0.1 if it is a flow.
    - `transient`, `duration`, `exponents`, `seed`, `progress`, `rule`, `graph`: as for `curlflow.classify`.

    **Description:** the line is through runs of the flow's kind of motion. Those of another verdict are left out
    (chaotic, partially predictable and undecided ones go together), and those with a trap as their `status`: two
    states alternate, weights have collapsed to rank one, or rounding holds them at an unstable point. The exponents
    of chaotic motion have statistical errors, by which the line is weighted; where all are zero there is no line.

    **Raises:** as `curlflow.classify`; `curlflow.Interrupted` with the learning rates that were finished.

    **Sources:** docs/model.md, known traps; docs/classification.md.
    """
    if not isinstance(spec, Spec):
        raise ValueError(f"spec: got {spec!r}, required is a curlflow.Spec; other systems have no learning rate.")
    if spec.optimizer.kind != "none":
        raise ValueError(
            f'optimizer.kind: got "{spec.optimizer.kind}"; step sizes are compared with the flow of the rule, which '
            "is the limit of plain updates only; leave it out."
        )
    if learning_rates is None:
        largest = getattr(spec.dynamics, "learning_rate", 0.1)
        learning_rates = [largest / divisor for divisor in (1, 2, 5, 10)]
    rates = [*sorted(learning_rates, reverse=True), 0.0]
    given = {"transient": transient, "duration": duration, "exponents": exponents, "seed": seed}
    options = {**given, "rule": rule, "graph": graph, "progress": progress}
    parts, interrupted = [], False
    for rate in rates:
        try:
            parts.append(classify(_with(spec, rate), **options))
        except Interrupted as stop:
            parts.append(stop.dataset)
            interrupted = True
            break
    return finished(_assembled(spec, rates[: len(parts)], parts), interrupted)


def _with(spec: Spec, rate: float) -> Spec:
    if rate > 0:
        return spec.replace("dynamics", {"kind": "updates", "learning_rate": rate, "batch": "full"})
    return spec if spec.dynamics.kind == "flow" else spec.replace("dynamics", {"kind": "flow"})


def _assembled(spec: Spec, rates: list[float], parts: list[xr.Dataset]) -> xr.Dataset:
    """All learning rates in one dataset, and what follows from them together."""
    axis = xr.DataArray(rates, dims=ALONG, name=ALONG, attrs={"long_name": "learning rate; 0: flow", "units": "1"})
    kept = [part.drop_vars(["power", "frequency"]) for part in parts]
    whole = xr.concat(kept, axis, combine_attrs="override", coords="minimal", compat="override")
    found = _limits(whole, np.array(rates))
    found |= {"chaotic_in": chaotic_in(whole.verdict.transpose(ALONG, "realization").to_numpy(), rates[-1] == 0)}
    whole = whole.merge(results.labelled(VARIABLES, found, {}, {}), combine_attrs="override")
    whole.attrs |= {"title": "curlflow step_sizes", "study": "step_sizes", "spec": spec.to_json()}
    return whole


def _limits(whole: xr.Dataset, rates: np.ndarray) -> dict[str, np.ndarray]:
    """Where lines through the exponents of the updates go, and how far that is from the flow's."""
    dims = (ALONG, "realization", "exponent")
    values, errors = (whole[n].transpose(*dims).to_numpy() for n in ("lyapunov_exponent", "lyapunov_exponent_se"))
    verdicts, status = (whole[name].transpose(*dims[:2]).to_numpy() for name in ("verdict", "status"))
    return limits(rates, values, errors, moves_like_the_flow(rates, verdicts, status))
