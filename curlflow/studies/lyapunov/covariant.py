"""The directions that belong to Lyapunov exponents, and where they live: `covariant_vectors`."""

from typing import Any

import xarray as xr

from ..arguments import Bar, Count, Flag, Graph, Length, Positive, Rule, Seed, Tolerance, study
from ..runs import Progress, attended, finished
from ..subject import Subject
from .covariant_dataset import covariant_dataset, places_of
from .covariant_runs import FramedRun, run_forward
from .options import LyapunovOptions
from .runs import prepare


@study
def covariant_vectors(
    spec_or_system: Any,
    *,
    exponents: Count | None = None,
    duration: Positive | None = None,
    transient: Length | None = None,
    alignment: Length | None = None,
    block: Positive | None = None,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    seed: Seed | None = None,
    progress: Bar = None,
    rule: Rule = None,
    graph: Graph = None,
    transverse: Flag = False,
) -> xr.Dataset:
    """Covariant Lyapunov vectors: their growth, the angles between them, and the synapses that they live on.

    ```python
    ds = curlflow.covariant_vectors(curlflow.preset("hidden_chaos"), exponents=3)
    print(ds.flipped_share.sum("layer").to_numpy(), ds.flipped_synapses.sum("layer").to_numpy())
    ```

    **Returns:** a dataset over `realization` and `exponent`: `covariant_exponent` beside `lyapunov_exponent`, with
    standard errors; the mean `angle` and the `smallest_angle` between every two vectors, from 0 to π/2; over how many
    entries a vector is spread (`participation`); one `covariant_vector`; for networks the shares of its squared
    length in every layer (`layer_share`), on synapses from every unit (`unit_share`) and on synapses with flipped
    sign (`flipped_share`, to be compared with the share of synapses that are, `flipped_synapses`); and `status`.

    **Arguments** (all lengths are in units of time; a map's iteration lasts `time_per_step`):

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, or a `Flow` or `Map`.
    - `exponents`: how many vectors, those of the largest exponents first. Default: 5, or all where there are fewer.
    - `duration`: of the window. Default: 1,000; 10,000 iterations for a map.
    - `transient`, `alignment`, `block`, `rtol`, `atol`, `seed`: as for `curlflow.lyapunov`. Behind the window the run
      goes on for `alignment` again: there vectors align backwards in time, as tangents do before the window.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `transverse`: as for `curlflow.lyapunov`: vectors across the orbits of rotations of hidden units, perpendicular
      to the orbit.

    **Description:** Ginelli's method: forward all factors R of the blocks are kept and at most 200 frames Q, backward
    the coefficients follow from R alone. Shares are means over these frames. Vectors of equal exponents are not
    unique; an angle near zero between two of them says that they cannot be told apart.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with the realizations that
    were finished in its attribute `dataset`. A run that diverges is no error: it has a `status`.

    **Sources:** docs/model.md, equation (15); docs/classification.md.
    """
    given = {
        "exponents": exponents, "duration": duration, "transient": transient, "alignment": alignment, "block": block,
        "rtol": rtol, "atol": atol, "seed": seed,
    }  # fmt: skip
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, transverse=transverse, tangents=True)
    systems, spaces = subject.with_tolerances(rtol, atol), subject.spaces
    options = LyapunovOptions.of(given, systems[0], spaces[0])
    if options.block is not None and options.block > options.duration:
        raise ValueError(
            f"block: got {options.block:g}, allowed are lengths up to the duration, {options.duration:g}."
        )
    pairs = enumerate(zip(systems, spaces, strict=True))
    runs = [FramedRun.fresh(i, system, options, space) for i, (system, space) in pairs]

    def work(report: Progress) -> None:
        prepare(runs, report)
        if runs[0].options.block is not None:
            run_forward(runs, report)

    interrupted = attended(work, runs, progress)
    places = places_of(subject.build()) if subject.learning else None
    settings = {name: getattr(runs[0].options, name) for name in given}
    dataset = covariant_dataset(runs, places, settings, subject.attributes)
    return finished(dataset, interrupted)
