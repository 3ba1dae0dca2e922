"""Lyapunov exponents of the dynamics inside a recurrent network, at weights along its learning: `inner_lyapunov`.

Learning moves the weights W(t), slowly or not; at each recorded t they are held fixed, and the exponents are those of
the motion of the hidden units h at these weights, by discrete QR as in `curlflow.measures.lyapunov`. They say nothing
about learning itself, whose own exponents are those of `curlflow.lyapunov`.

Sources: Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61 (1988) 259, for chaos inside large random networks;
Engelken, Wolf & Abbott, Phys. Rev. Res. 5 (2023) 043044, for their spectra.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

from ...measures.convergence import Doubt
from ...measures.lyapunov import TRUSTED
from ...networks import Recurrent
from ...networks.model import Model
from ...precision import random_key
from ...results import status_variable
from ...spec import Spec
from ...systems import inner_dynamics
from ...systems.flat import unflattened
from ...systems.inner import As
from ...systems.linearised.tangent_spaces import Whole
from ...variable import SOLVER, Variable, flag_variable
from ..arguments import Bar, Batching, Count, Length, Positive, Rule, Seed, study
from ..assemble import assembled
from ..lyapunov.dataset import numbers_of
from ..lyapunov.options import LyapunovOptions
from ..lyapunov.runs import TangentRun, average, prepare
from ..runs import Progress, attended, finished
from ..simulate import simulate
from ..subject import Subject, check_drawn

LENGTHS = {"duration": 1000.0, "transient": 200.0, "alignment": 100.0}
"""Default lengths in units of τ, or in steps of a network in discrete time."""
STREAM = 1
"""Of the states that networks start in, apart from that of tangents."""


@study
def inner_lyapunov(
    experiment: Spec,
    *,
    times: Sequence[float] | np.ndarray | None = None,
    at: xr.Dataset | None = None,
    exponents: Count | None = None,
    inputs: Any = None,
    dynamics: As = "auto",
    duration: Positive | None = None,
    transient: Length | None = None,
    alignment: Length | None = None,
    block: Positive | None = None,
    seed: Seed = 0,
    progress: Bar = None,
    batching: Batching = "auto",
    rule: Rule = None,
) -> xr.Dataset:
    """The leading Lyapunov exponents of a recurrent network's own dynamics, at recorded times of its learning.

    ```python
    ds = curlflow.inner_lyapunov(experiment, times=[0, 10, 100, 1000], exponents=3)
    ```

    **Returns:** a dataset over `realization`, `time` (`epoch` for updates, with `time` along it) and `exponent`:
    `inner_exponent` in decreasing order, per unit of time of the network, with `inner_exponent_se`; `converged`, with
    the reason in `doubt`, and `status`, of the network's run at every time; `train_error` at these weights.

    **Related:** `curlflow.lyapunov`, the exponents of learning; `curlflow.systems.inner_dynamics`, the network as a
    system for every study.

    **Arguments:**

    - `experiment`: a `curlflow.Experiment` whose model is a `curlflow.networks.Recurrent`.
    - `times`: when weights are recorded, as for `curlflow.simulate`. Required, unless `at` is given.
    - `at`: a dataset of the same experiment, of `curlflow.simulate` with `weights="all"`, in place of `times`.
    - `exponents`: how many, the largest first. Default: 5, or all where there are fewer hidden units.
    - `inputs`, `dynamics`: what drives the network, and whether it is a flow or a map, as for
      `curlflow.systems.inner_dynamics`.
    - `duration`: how long exponents are averaged. Default: 1,000 τ, or 1,000 steps of a network in discrete time.
    - `transient`: how long the network runs first, from a random state. Default: 200 τ, or steps.
    - `alignment`: how long the tangents run after that before averaging begins. Default: 100 τ, or steps.
    - `block`: time between two QR factorisations. Default: as for `curlflow.lyapunov`, by a pilot run.
    - `seed`: of the states in which networks start, which are the same at all times of a realization, and of the
      tangents.
    - `progress`: True for a bar, or a function of (realization, phase, fraction), where every time is counted as a
      realization.
    - `batching`: whether all networks run as one program, `"together"`, or on threads, `"apart"`, as elsewhere.
    - `rule`: a rule object in place of the experiment's.

    **Description:** standard errors and verdicts are those of `curlflow.lyapunov`. In a network with several
    attractors the exponents are those of the one that the start leads to. Where learning diverged there are no
    weights, and `status` is `diverged`.

    **Raises:** `ValueError` for arguments out of range, for other models, and for a dataset that does not fit;
    `curlflow.Interrupted` on Ctrl-C, with what was finished in its attribute `dataset` (that of `curlflow.simulate`
    as long as it learns).
    """
    subject = Subject.of(experiment, rule=rule, systems=(), argument="experiment")
    student = subject.build().student
    network = student.seen if isinstance(student, Model) else student
    if not isinstance(network, Recurrent):
        raise ValueError(
            f"experiment: its model is a {type(network).__name__}, required is a curlflow.networks.Recurrent."
        )
    recorded = _recorded(subject, times, at, progress)
    along = next(dim for dim in recorded.weights.dims if dim not in ("realization", "weight"))
    weights = recorded.weights.transpose("realization", along, "weight").to_numpy()
    starts = [_start(seed, i, np.shape(network.w_rec)[0]) for i in range(len(weights))]
    systems = [
        inner_dynamics(unflattened(w, student).seen, inputs=inputs, state=start, dynamics=dynamics)
        for some, start in zip(weights, starts, strict=True)
        for w in some
    ]
    unit = network.step if network.tau is None else network.tau
    given = {name: length * unit for name, length in LENGTHS.items()} | {"seed": seed}
    asked = {"exponents": exponents, "block": block}
    asked |= {"duration": duration, "transient": transient, "alignment": alignment}
    given |= {name: value for name, value in asked.items() if value is not None}
    options = LyapunovOptions.of(given, systems[0], Whole(systems[0]))
    runs = [TangentRun.fresh(i, system, options, Whole(system)) for i, system in enumerate(systems)]
    for run in runs:  # all times of a realization begin with the same tangents
        run.key = jax.random.fold_in(random_key(seed), run.index // weights.shape[1])

    def work(report: Progress) -> None:
        prepare(runs, report)
        average(runs, report)

    names = [f"realization {i}, {along} {x:g}" for i in range(len(weights)) for x in recorded[along].to_numpy()]
    interrupted = attended(work, runs, progress, names)
    return finished(_dataset(subject, runs, recorded, along), interrupted)


def _recorded(subject: Subject, times: Any, at: xr.Dataset | None, progress: Any) -> xr.Dataset:
    """A dataset with all weights of all realizations along learning."""
    if (times is None) == (at is None):
        raise ValueError("times: required, unless a dataset is given by at; give one of the two.")
    if at is None:
        return simulate(subject.given, times=times, weights="all", progress=progress, rule=subject.rule)
    required = f"{subject.realizations} realizations along learning with {subject.size} weights each"
    sizes = at["weights"].sizes if "weights" in at else {}
    if (sizes.get("realization"), sizes.get("weight"), len(sizes)) != (subject.realizations, subject.size, 3):
        raise ValueError(
            f'at: got weights of sizes {dict(sizes)}, required are {required}; curlflow.simulate with weights="all" '
            "records them."
        )
    check_drawn("at", at, _drawn(subject), streams_only=True)
    return at


def _drawn(subject: Subject) -> dict[str, str]:
    for realization in range(subject.realizations):
        subject.build(realization)
    return subject.drawn


def _start(seed: int, realization: int, units: int) -> np.ndarray:
    key = jax.random.fold_in(jax.random.fold_in(random_key(seed), realization), STREAM)
    return np.asarray(jax.random.normal(key, (units,)))


def _dataset(subject: Subject, runs: list[TangentRun], recorded: xr.Dataset, along: str) -> xr.Dataset:
    """All realizations and times, finished or not."""
    options, errors = runs[0].options, recorded["train_error"].transpose("realization", along).to_numpy().ravel()
    rows = []
    for run, error in zip(runs, errors, strict=True):
        found = numbers_of(run, None)
        row = {name: found[name] for name in ("converged", "doubt", "status")} | {"train_error": error}
        for end in ("", "_se"):
            row[f"inner_exponent{end}"] = found[f"lyapunov_exponent{end}"]
        rows.append(row)
    axes = {name: recorded[name] for name in ("realization", along, "time")}
    known = {name: (axis.dims, axis.to_numpy(), axis.attrs["long_name"]) for name, axis in axes.items()}
    over = {name: known.pop(name) for name in ("realization", along)}
    known["exponent"] = (("exponent",), np.arange(1, options.exponents + 1), "rank of the exponent")
    settings = {name: value for name, value in vars(options).items() if name != "before"}
    settings["method"] = runs[0].system.label
    return assembled("inner_lyapunov", _variables(along), rows, known, settings, subject.attributes, along=over)


def _variables(along: str) -> tuple[Variable, ...]:
    dims = ("realization", along)
    text = "Lyapunov exponent of the network's own dynamics, per unit of its time"
    return (
        Variable("inner_exponent", (*dims, "exponent"), text, attributes=TRUSTED),
        Variable("inner_exponent_se", (*dims, "exponent"), "standard error of that exponent"),
        Variable("converged", dims, "whether nothing speaks against any exponent"),
        flag_variable("doubt", dims, "what speaks against the exponents first", Doubt),
        Variable("train_error", dims, "training error at these weights", uncertainty=SOLVER),
        status_variable(dims),
    )
