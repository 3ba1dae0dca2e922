"""Verdicts of motion and decisions of stability are total and monotone, whatever the indicators are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curlflow.measures.close_pairs import CrossDistance
from curlflow.measures.decision import Decision, critical_step, decided
from curlflow.measures.motion import FOLDS, SIGNIFICANT, Indicators, Verdict, verdict
from curlflow.measures.unbounded import SteadyGrowth
from curlflow.status import Status

pytestmark = pytest.mark.quick
derandomised = settings(derandomize=True, deadline=None, max_examples=300)
EXTREME = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
POSITIVE = st.floats(1e-6, 1e6)


@st.composite
def indicators(draw) -> Indicators:
    number = draw(st.integers(1, 4))
    exponents = draw(st.lists(st.floats(-10, 10) | st.just(-np.inf), min_size=number, max_size=number))
    errors = draw(st.lists(st.floats(0, 10) | st.just(np.nan), min_size=number, max_size=number))
    flags = {
        name: draw(st.booleans())
        for name in (
            "converged", "continuous", "moves", "stationary", "lines", "preserves_volume", "aligns_as_expected",
            "steady", "zeros_are_tori", "grows_throughout",
        )
    }  # fmt: skip
    of_pairs = st.just(np.ones(3)), st.integers(0, 3), st.just(np.nan), st.just(np.full(3, np.nan))
    return Indicators(
        status=draw(st.sampled_from(Status)), exponents=np.sort(exponents)[::-1], errors=np.array(errors),
        resolution=draw(st.floats(0, 1)), duration=draw(POSITIVE), zero_one=draw(st.floats(-1, 1) | st.just(np.nan)),
        distance=draw(st.floats(0, 2) | st.just(np.nan)), period=draw(st.floats(1, 100) | st.just(np.nan)),
        early_growth=draw(st.floats(0, 1e3)), log_alignment=draw(EXTREME),
        growth=draw(st.sampled_from([SteadyGrowth(), SteadyGrowth(1.0, 0.1), SteadyGrowth(25.0, 0.1, np.nan, True)])),
        pairs=draw(st.builds(CrossDistance, EXTREME, EXTREME, EXTREME, *of_pairs)),
        not_finite=draw(st.sampled_from(["", "y"])), weights_go=draw(st.floats(0, 10)), **flags,
    )  # fmt: skip


@derandomised
@given(indicators())
def test_every_run_has_a_verdict_and_a_reason(i):
    kind, why = verdict(i)
    assert isinstance(kind, Verdict)
    assert why.strip()
    if i.status not in (Status.completed, Status.diverged):
        assert kind == Verdict.undecided
    if not np.isnan(i.growth.log):
        assert kind != Verdict.chaotic
    if kind in (Verdict.chaotic, Verdict.partially_predictable):
        assert i.exponents[0] * i.duration >= FOLDS
        assert not i.exponents[0] < SIGNIFICANT * i.errors[0]


@derandomised
@given(indicators(), st.floats(1, 1e3))
def test_larger_errors_make_nothing_chaotic(i, factor):
    if verdict(i)[0] != Verdict.chaotic:
        assert verdict(i._replace(errors=i.errors * factor))[0] != Verdict.chaotic


@derandomised
@given(indicators(), st.sampled_from(["stationary", "converged", "aligns_as_expected"]))
def test_nothing_becomes_chaotic_because_a_condition_fails(i, name):
    if verdict(i)[0] != Verdict.chaotic:
        assert verdict(i._replace(**{name: False}))[0] != Verdict.chaotic


RATES = st.lists(st.complex_numbers(max_magnitude=1e3, allow_nan=False), min_size=1, max_size=6).map(np.array)


@derandomised
@given(RATES, st.floats(0, 10))
def test_faster_decay_makes_no_flow_unstable(rates, faster):
    before, after = decided(rates, 1e-9), decided(rates - faster, 1e-9)
    assert before in Decision
    if before == Decision.stable:
        assert after == Decision.stable


@derandomised
@given(RATES, st.floats(1e-6, 10), st.floats(1e-3, 1))
def test_shorter_steps_stay_stable(rates, step, share):
    # Each |1 + ημ| < 1 is a disc that shrinks towards 0 along rays: what a long step keeps, a shorter one keeps.
    moving = rates[np.abs(rates) > 1e-3]
    if decided(moving, 1e-9, step=step) == Decision.stable:
        assert decided(moving, 1e-9, step=step * share) != Decision.unstable
        assert critical_step(moving, 1e-9) >= step * (1 - 1e-9)
