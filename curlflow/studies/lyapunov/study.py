"""Lyapunov exponents with error bars, of a spec or of any system: `lyapunov`."""

from typing import Any, Literal

import xarray as xr

from ...spec import Spec
from ...systems import AbstractSystem
from ..arguments import Bar, Batching, Count, Flag, Graph, Length, Positive, Rule, Seed, Tolerance, study
from ..runs import Progress, attended, finished
from ..subject import Subject
from .dataset import lyapunov_dataset
from .options import LyapunovOptions
from .resume import Resumable, restored, starts_of, stretches, tolerances_of
from .runs import TangentRun, average, prepare


@study
def lyapunov(
    spec_or_system: Spec | AbstractSystem,
    *,
    exponents: Count | None = None,
    duration: Positive | None = None,
    transient: Length | None = None,
    alignment: Length | None = None,
    block: Positive | None = None,
    tolerance: Positive | None = None,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    stepping: Literal["adaptive", "fixed"] | None = None,
    seed: Seed | None = None,
    resume: Resumable | None = None,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
    graph: Graph = None,
    compress: Flag = True,
    transverse: Flag = False,
    starts: Any = None,
) -> xr.Dataset:
    """The leading Lyapunov exponents, with standard errors.

    ```python
    ds = curlflow.lyapunov(curlflow.preset("hidden_chaos"))
    ds = curlflow.lyapunov(curlflow.systems.lorenz63(), duration=2000)
    longer = curlflow.lyapunov(curlflow.systems.lorenz63(), resume=ds, duration=2000)
    ```

    **Returns:** a dataset with the dimensions `realization`, `exponent` and `block`: `lyapunov_exponent` in
    decreasing order with `lyapunov_exponent_se`, `local_exponent` of every block, `kaplan_yorke_dimension`,
    `converged` with the reason in `doubt`, `status` and the state to resume from; where all exponents of the system
    were asked for also `mean_divergence` and `divergence_residual`, the sum of the exponents less that mean, which
    should vanish within twice its `divergence_residual_se`.

    **Arguments** (all lengths are in units of time; a map's iteration lasts `time_per_step`):

    - `spec_or_system`: a `curlflow.Spec`, whose realizations are run side by side, or a `Flow`, `Map` or `Diffusion`.
    - `exponents`: how many, the largest first. Default: 5, or all where there are fewer.
    - `duration`: how long exponents are averaged. Default: 1,000; 10,000 iterations for a map. With `tolerance` the
      most that is run, ten times as long by default.
    - `transient`: how long the state runs first, to reach its attractor. Default: 1,000 (10,000 iterations).
      Published starts, which are 1e-10 away from the solution, take a few hundred units of time to leave it.
    - `alignment`: how long the tangents run after that before averaging begins. Default: 100 (1,000 iterations).
    - `block`: time between two QR factorisations. By default a pilot run chooses it such that the condition number of
      a block stays below about 1e6, and at most 1, or ten iterations of a map. Durations are rounded up to whole
      blocks, blocks of a map to whole iterations. Widely spread exponents need short blocks: ask for fewer of them.
    - `tolerance`: stop when every standard error is at most this.
    - `rtol`, `atol`: tolerances of the solver, in place of those of the spec or the flow.
    - `stepping`: `"adaptive"` (default) or `"fixed"`: classical Runge–Kutta with a step calibrated against the
      adaptive solver for every realization. Maps have no steps to choose.
    - `seed`: of the random initial tangents, and of nothing else. Default: 0.
    - `resume`: the dataset of an earlier call with the same spec or system: its runs go on for `duration` more,
      exactly as if they had not stopped. `duration` and `tolerance` are those of this call, all else is as before.
    - `progress`: True for a bar, or a function of (realization, phase, fraction).
    - `batching`: whether realizations run as one program, `"together"`, or on threads, `"apart"`. Default: `"auto"`,
      together where there is an accelerator. Both agree up to rounding.
    - `rule`: a rule object of your own in place of the spec's.
    - `graph`: a `networkx.DiGraph` of the spec's widths: which synapses there are, and their signs; docs/graphs.md.
    - `compress`: whether wide networks with linear hidden units run as narrow ones where that is exact; the exponents
      are those of the wide network, and the attribute `compression` says so; docs/compression.md.
    - `transverse`: of linear networks with one hidden layer: leave out the directions along the orbits of rotations
      of hidden units, whose exponents are zero or below whatever the motion is.
    - `starts`: of a system, states like its own with a leading axis. Every start is a realization. The mean over all
      is `ensemble_exponent`, whose error is no less than their scatter says. Starts that disagree by more than their
      errors are never called converged; this finds orbits that stick to a part of the phase space.

    **Description:** discrete QR (Householder) over blocks; the standard error is read off the spectrum of the local
    exponents near zero. `converged` means that nothing speaks against any exponent: no drift, halves that
    agree, tangents that were aligned, correlations that are shorter than batches, a derivative that carries the
    velocity of the flow along; `doubt` names what does. A sign that is smaller than its error is not resolved, and is
    a correct answer. Under a constraint, exponents are those of its tangent space. With batches or noise they are
    those of a random cocycle along one frozen path, which state and tangents share: none is zero by itself.

    **Raises:** `ValueError` for arguments out of range; `curlflow.Interrupted` on Ctrl-C, with what was finished in
    its attribute `dataset`. A run that diverges or stalls is no error: it has a `status`, and the others go on.

    **Sources:** docs/model.md, section on Lyapunov exponents.
    """
    given = {
        "exponents": exponents, "duration": duration, "transient": transient, "alignment": alignment,
        "block": block, "tolerance": tolerance, "rtol": rtol, "atol": atol, "stepping": stepping, "seed": seed,
    }  # fmt: skip
    if resume is not None:
        compress, transverse = "compression" in resume.attrs, "transverse" in resume.attrs
        rtol, atol = tolerances_of(resume)
        if starts is not None:
            raise ValueError("starts: with resume they are those of the dataset; leave it out.")
        starts = starts_of(resume, spec_or_system)
    how = {"compress": compress, "transverse": transverse, "tangents": True, "starts": starts}
    subject = Subject.of(spec_or_system, rule=rule, graph=graph, **how)
    systems, spaces = subject.with_tolerances(rtol, atol), subject.spaces
    if resume is not None:
        runs = restored(resume, given, subject.identity, subject.drawn, systems, spaces)
    else:
        options = LyapunovOptions.of(given, systems[0], spaces[0])
        pairs = enumerate(zip(systems, spaces, strict=True))
        runs = [TangentRun.fresh(i, system, options, space) for i, (system, space) in pairs]

    def work(report: Progress) -> None:
        prepare(runs, report)
        average(runs, report)

    interrupted = attended(work, runs, progress)
    dataset = lyapunov_dataset(runs, systems[0], subject.attributes, not subject.learning and len(runs) > 1)
    if resume is not None:
        dataset.attrs["stretches"] = stretches(resume, dataset)
    return finished(dataset, interrupted)
