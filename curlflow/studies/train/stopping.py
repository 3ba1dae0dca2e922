"""When a run of learning may stop before its end without changing what it ends in.

A run that starts near a solution sits at the floor of rounding until its instability has grown, so that a small error
alone never stops it. It stops only if

- *repeated*: its state repeats bit for bit with period one or two (for full batches: every update is the same),
- *at_solution*: its error is below 1e-20 and has stopped falling, and the linearised updates (or flow) at the current
  weights, constraint included, have all multipliers that are not neutral inside the unit circle by a margin (not with
  minibatches, where stability is that of a product of random updates),
- *failed*: it is no longer finite, or the solver gave up,
- *crossed*: only the first crossing of a threshold was asked for.

Errors below 1e-20 mean "at a solution" and nothing finer. The multipliers come from the signed tangent kernel
(`curlflow.systems.linearised.kernels`), equation (4′) of docs/model.md: 1 + ημ for updates with the step η of one
batch, e^μ for a flow. An unstable solution with the spectral radius ρ would show within ln(1e15)/ln ρ epochs; one
that still holds the weights after three times as many is held there by rounding.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...measures import spectrum
from ...measures.growth import Rates, held_time, rates
from ...measures.repetition import Advance, Repeated, alternates, repetition
from ...networks import Feedforward
from ...networks.model import Model
from ...outside import compiled
from ...problem import EPOCH, Problem
from ...status import Status
from ...systems.fast.rank_one import ANCHOR
from ...systems.linearised.kernels import geometry, tangent_kernel, virtual_samples
from .records import Plan, Stop, TrainingRun

AT_SOLUTION = 1e-20
"""A training error below this means that the weights solve the task."""
FLOOR = 1e-28
"""Below this an error has stopped falling, as far as the published arithmetic can tell."""
FALLING = 0.5
"""An error below this times the least of the records before it is falling."""
CHECK = 8
"""Records between two looks at whether a run may stop."""
LARGEST = 3000
"""Kernels of more rows are not made: such runs go on to their end."""


def rates_at(problem: Problem, network: Feedforward | Model) -> Rates | None:
    """The linearised dynamics of `problem` at the solution `network`; None where no kernel tells.

    Nor does one tell of optimizers and rules with a memory, which moves too: such runs go on until their whole state
    repeats.
    """
    if problem.remembers:
        return None
    signal, shape = problem.signal(network), geometry(problem.constraint)
    samples = virtual_samples(network, problem.task)
    if signal is None or shape is None or samples.inputs.shape[1] * network.widths[-1] > LARGEST:
        return None
    parts = tangent_kernel(network, signal, samples, shape)
    if not np.isfinite(parts.kernel).all():
        return None
    values = spectrum.without_neutral(spectrum.eigenvalues(parts.kernel), parts.scale)[0]
    return rates(values, problem.step) if values.size else None


def look(run: TrainingRun, plan: Plan, updated: Advance) -> None:
    """Whether the run, which is advanced by `updated`, may stop here, and what its state is called.

    A system with a loss goes on: its map may depend on the iteration, and of its minima nothing is known.
    """
    if run.problem is None:
        return
    last = run.done == plan.epochs.size
    autonomous = not (run.system.continuous or run.draws_batches)
    # A run that has left and come back since the last look is at another solution.
    if run.highest >= AT_SOLUTION:
        run.at_floor_since, run.status = None, Status.completed
    if run.train_error < AT_SOLUTION and run.at_floor_since is None:
        run.at_floor_since = run.epoch
    if autonomous and plan.may_stop and (repeated := repetition(updated, run.state, ANCHOR)) is not None:
        _settle(run, plan, repeated)
    elif run.train_error < AT_SOLUTION:
        before = min((errors[0] for errors in run.errors[-1 - CHECK : -1]), default=0.0)
        settled = run.train_error < FLOOR or run.train_error >= FALLING * before
        # With minibatches the multipliers of a mean over all samples say nothing of a product of random updates.
        if (last or (plan.may_stop and settled)) and not run.draws_batches:
            _judge(run, plan.may_stop)
    elif last and autonomous and alternates(updated, run.state):
        run.status = Status.period_two


def _judge(run: TrainingRun, may_stop: bool) -> None:
    """Stop at a stable solution; say so where rounding alone keeps an unstable one."""
    if run.rates is None or run.reference is None:
        # As long as a run is stepped as a deviation it is within 1e-5 of the solution that it started from.
        run.rates = rates_at(run.problem, run.network)
    if run.rates is None:
        return
    if run.rates.stable and may_stop:
        run.stop = Stop.at_solution
    # A deviation is not rounded away: it only grows from where it started.
    spent = (run.epoch - run.at_floor_since) * (EPOCH if run.system.continuous else 1)
    held = run.reference is None and spent >= held_time(run.rates.growth)
    run.status = Status.held_by_rounding if held else Status.completed


def _settle(run: TrainingRun, plan: Plan, repeated: Repeated) -> None:
    """The rest of a run whose states repeat for ever: its last state and errors without running it."""
    odd = (int(plan.epochs[-1]) - run.epoch) % 2
    both = [np.asarray(_observe(run.observer, state)) for state in repeated.states]
    run.peak = float(np.fmax(run.peak, max(errors[0] for errors in both)))
    run.state, run.stop = repeated.states[odd], Stop.repeated
    run.errors.append(both[odd])
    if repeated.period == 2:
        run.status = Status.period_two
    elif run.train_error < AT_SOLUTION:
        found = rates_at(run.problem, run.network)
        run.status = Status.held_by_rounding if found is not None and found.growth > 0 else Status.completed


@compiled
def _observe(observer: Callable, state: Any) -> Float[Array, " errors"]:
    return observer(jax.tree.map(jnp.asarray, state))
