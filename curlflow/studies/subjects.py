"""What a study is about: the systems of a spec's realizations, or one system of the user's own."""

import hashlib
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..integrate import Adaptive
from ..problem import qualified_name
from ..spec import Spec
from ..systems import AbstractSystem, Flow
from ..tangents import size
from .options import below_one


def systems_of(
    subject: Spec | AbstractSystem, *, rule: Any, rtol: float | None, atol: float | None
) -> list[AbstractSystem]:
    """The system of every realization, with other tolerances where they are given."""
    tolerances = {"rtol": rtol, "atol": atol}
    tolerances = {name: below_one(name, value) for name, value in tolerances.items() if value is not None}
    if isinstance(subject, Spec):
        batch = getattr(subject.dynamics, "batch", "full")
        if batch != "full":
            raise ValueError(
                f"dynamics.batch: got {batch}; exponents of minibatch updates are not defined here yet. "
                'Set it to "full", or dynamics.kind to "flow".'
            )
        systems = [subject.build(realization=i, rule=rule).system() for i in range(subject.realizations)]
    else:
        systems = [subject]
    if tolerances and not (isinstance(systems[0], Flow) and isinstance(systems[0].integrator, Adaptive)):
        raise ValueError(f"{next(iter(tolerances))}: maps and fixed steps have no tolerance; leave it out.")
    return [with_tolerances(system, **tolerances) for system in systems]


def with_tolerances(system: AbstractSystem, **tolerances: float) -> AbstractSystem:
    """`system` with other tolerances."""
    for name, value in tolerances.items():
        system = eqx.tree_at(lambda s, name=name: getattr(s.integrator, name), system, np.asarray(value))
    return system


def system_name(system: AbstractSystem) -> str:
    """A line that tells one system from another: its kind, function, dimension and a digest of its parameters."""
    function = system.vector_field if isinstance(system, Flow) else getattr(system, "step", system)
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return f"{type(system).__name__} {name}, {size(system.state)} dimensions, parameters {_digest(system.args)}"


def _digest(parameters: Any) -> str:
    """A short hash of all numbers in a pytree."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        digest.update(np.asarray(leaf).tobytes() if hasattr(leaf, "dtype") else repr(leaf).encode())
    return digest.hexdigest()[:12]


def subject_attributes(subject: Spec | AbstractSystem, rule: Any) -> dict[str, str]:
    """Attributes that say what a dataset is about: the spec as JSON, or the name of the system."""
    if not isinstance(subject, Spec):
        return {"system": system_name(subject)}
    if rule is None:
        return {"spec": subject.to_json()}
    subject = subject.replace("rule", {"kind": "custom", "name": qualified_name(rule)})
    return {"spec": subject.to_json(), "rule_parameters": _digest(rule)}
