"""The types of arguments, and the sentences of what they refuse."""

from typing import Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import PlainValidator

from curlflow.precision import jax_settings
from curlflow.spec.arguments import (
    Count,
    Flag,
    Function,
    Length,
    Natural,
    Positive,
    Seed,
    Tolerance,
    allowed,
    check,
    checked,
    whole,
)

with jax_settings():
    FIVE, HALF = jnp.asarray(5), jnp.asarray(0.5)


def _pair(value):
    if len(value) != 2:
        raise ValueError(f"pair: got {value!r}, required are two.")
    return tuple(value)


def study(
    spec: Any,
    *,
    duration: Positive | None = None,
    transient: Length = 0.0,
    exponents: Count = 3,
    seed: Seed = 0,
    number: whole(2, 10) = 2,
    weights: Literal["none", "all"] | Natural = "none",
    stepping: Literal["adaptive", "fixed"] | None = None,
    rtol: Tolerance | None = None,
    stop: Flag = True,
    loss: Function | None = None,
    pair: Annotated[tuple[float, float], PlainValidator(_pair)] | None = None,
    at: Literal["start", "origin"] | Any = "start",
): ...


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"exponents": 3.0}, 3),
        ({"exponents": np.int32(4)}, 4),
        ({"exponents": np.array(4.0)}, 4),
        ({"exponents": FIVE}, 5),
        ({"duration": 2}, 2.0),
        ({"duration": np.float32(0.5)}, 0.5),
        ({"duration": HALF}, 0.5),
        ({"duration": None}, None),
        ({"transient": 0}, 0.0),
        ({"weights": "all"}, "all"),
        ({"weights": 7}, 7),
        ({"stop": False}, False),
        ({"loss": len}, len),
        ({"pair": [1, 2]}, (1, 2)),
        ({"at": [[1.0]]}, [[1.0]]),
    ],
)
def test_what_is_allowed_comes_as_pythons_own(given, found):
    ((name, value),) = checked(study, given).items()
    assert name in given
    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"duration": -1}, "duration: got -1.0, allowed are finite numbers above 0."),
        ({"duration": np.inf}, "duration: got inf, allowed are finite numbers above 0."),
        ({"duration": 10**400}, "duration: got inf, allowed are finite numbers above 0."),
        ({"duration": "long"}, "duration: got 'long', a number is required."),
        ({"duration": True}, "duration: got True, a number is required."),
        ({"transient": -1}, "transient: got -1.0, allowed are finite numbers from 0."),
        ({"exponents": 2.5}, "exponents: got 2.5, allowed are whole numbers of at least 1."),
        ({"exponents": None}, "exponents: got None, allowed are whole numbers of at least 1."),
        ({"exponents": True}, "exponents: got True, allowed are whole numbers of at least 1."),
        ({"seed": 2**63}, f"seed: got {2**63}, allowed are whole numbers from 0 to {2**63 - 1}."),
        ({"number": 1e12}, "number: got 1000000000000.0, allowed are whole numbers from 2 to 10."),
        ({"weights": "some"}, "weights: got 'some', allowed are none, all and whole numbers of at least 0."),
        ({"stepping": "euler"}, "stepping: got 'euler', allowed are adaptive, fixed."),
        ({"rtol": 1.5}, "rtol: got 1.5, allowed are numbers above 0 and below 1."),
        ({"stop": 1}, "stop: got 1, allowed are True and False."),
        ({"loss": 3}, "loss: got 3, required is a function of the state."),
        ({"pair": [1]}, "pair: got [1], required are two."),
        ({"exponent": 3}, "exponent: study has no argument of this name; did you mean exponents?"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(given, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the sentence is compared)
        checked(study, given)
    assert str(caught.value) == sentence


def test_a_name_that_resembles_none_is_told_what_there_is():
    with pytest.raises(
        ValueError, match=r"^zzz: study has no argument of this name; it has spec, duration, .*, at\.$"
    ):
        checked(study, {"zzz": 1})


def test_bounds_that_depend_on_the_subject_say_why():
    with pytest.raises(
        ValueError, match=r"^exponents: got 4, allowed are whole numbers from 1 to 3, the dimension\.$"
    ):
        check("exponents", 4, whole(1, 3), ", the dimension")
    assert allowed(whole(1, 3)) == "whole numbers from 1 to 3"


def test_whatever_has_no_type_of_its_own_is_left_alone():
    def free(spec, number=1, **given): ...

    assert checked(free, {"number": "a", "other": -1}) == {"number": "a", "other": -1}
