"""A spec whose parts may be objects and arrays: `Experiment`."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from pydantic import PrivateAttr

from .constraints import AbstractConstraint
from .losses import LOSSES
from .networks import Feedforward
from .networks.model import Model, in_double_precision
from .optimizers import AbstractOptimizer, Optax
from .optimizers.base import checked_optimizer
from .outside import law_digest, reason
from .precision import double_precision, jax_settings
from .problem.own_data import Data
from .problem.problem import Problem, build, qualified_name
from .results import load
from .rules import AbstractLearningRule
from .rules.function import as_rule
from .spec import Spec
from .spec.spec import noted
from .systems.optimized import as_given
from .tasks import AbstractTask


class Part(NamedTuple):
    """An object in the place of a table: as problems take it, and the table that stands for it."""

    used: Any
    table: Any


class Experiment(Spec):
    """A spec in Python: every part may be a table, as in a `Spec`, or an object of your own.

    ```python
    experiment = curlflow.Experiment(
        model=lambda key: eqx.nn.MLP(64, 10, 32, 1, activation=jnp.tanh, key=key),
        data=curlflow.Data(x, y, x_test, y_test),
        loss="softmax",
        dynamics={"kind": "updates", "learning_rate": 0.1},
        realizations=3,
    )
    ds = curlflow.lyapunov(experiment)
    ```

    Every study takes it where it takes a spec. What a spec can say it says in the same words, with the same defaults,
    and gives the same numbers bit for bit.

    **Arguments** (all other fields are those of a `Spec`):

    - `network`: a table, in which `inputs` and `outputs` may be left out where the data tell them; or a
      `curlflow.networks.Feedforward`, with which every realization starts.
    - `model`: in place of a network: an Equinox module, which maps one sample; a pair (apply, parameters), where
      `apply(parameters, inputs)` maps samples × …; or a function of a random key that makes one of these, anew for
      every realization.
    - `data`: a `curlflow.Data`, or a table. The targets are then its own, and there is no teacher.
    - `teacher`: a table; or a `Feedforward`, for data of which it gave the targets.
    - `loss`: `"squared"`, `"logistic"`, `"softmax"`, or a function of outputs and targets (both samples × …) that
      returns one number, a mean over the samples. Whatever is called an error is then this loss.
    - `rule`: a table, a rule of `curlflow.rules`, or a function of (model, x, y) as
      `curlflow.rules` describes it.
    - `optimizer`: a table, one of `curlflow.optimizers`, or a gradient transformation of optax.
    - `constraint`: a table, or a `curlflow.constraints.AbstractConstraint`.
    - `start`: a table; weights, as a list of arrays in the order of the model's, or as a `Feedforward`, or a list of
      these, one for each realization; or a dataset with all weights along a run, or the name of its file: every
      realization goes on from the end of that run.

    **Raises:** `ValueError` with a sentence for every part that is not allowed or does not fit.
    """

    _parts: dict[str, Part] = PrivateAttr(default_factory=dict)

    def __init__(self, **given: Any):
        tables = {name: value for name, value in given.items() if value is not None}
        if isinstance(tables.get("network"), Feedforward):
            tables["network"], start = _table_of(tables["network"]), tables["network"]
            tables.setdefault("start", start)
        if "network" in tables and "model" in tables:
            raise ValueError("model: an experiment has a network or a model; leave one of them out.")
        objects = {name: tables[name] for name in PARTS if name in tables and _is_object(name, tables[name])}
        with jax_settings():
            parts = {name: _part(name, value) for name, value in objects.items()}
        if isinstance(tables.get("network"), Mapping) and "data" in parts:
            tables["network"] = _widths(parts["data"].used, tables.get("loss")) | dict(tables["network"])
        super().__init__(**tables | {name: part.table for name, part in parts.items()})
        self._parts.update(parts)

    @property
    def parts(self) -> Mapping[str, Any]:
        """The objects among the parts, by name, as problems take them."""
        return {name: part.used for name, part in self._parts.items()}

    def build(self, *, realization: int = 0, rule: Any = None, graph: Any = None) -> Problem:
        """The problem of one realization; arguments and errors are those of `Spec.build`."""
        parts = self.parts
        rule = parts.get("rule") if rule is None else rule
        return noted(build(self, realization=realization, rule=rule, graph=graph, parts=parts))

    def replace(self, field: str | Mapping[str, Any], value: Any = None) -> "Experiment":
        """A copy with another value of `field`, as `Spec.replace` gives it; whole parts may also be objects.

        Of the fields of a part that is an object only `data.samples` can be replaced: the first samples are used.

        **Raises:** `ValueError` as `Spec.replace`, and for any other field of an object.
        """
        changes = dict(field) if isinstance(field, Mapping) else {field: value}
        for name in changes:
            part, _, inner = str(name).partition(".")
            anew = inner in ("", "kind") or {part, f"{part}.kind"} & changes.keys()
            if part in self._parts and not anew and name != "data.samples":
                raise ValueError(f"{name}: {part} is an object of the experiment; replace {part} as a whole.")
        objects = {name: given for name, given in changes.items() if name in PARTS and _is_object(name, given)}
        changed = super().replace({name: given for name, given in changes.items() if name not in objects})
        return Experiment(**{**_given(changed), **objects}) if objects else changed

    def sealed(self) -> "Experiment":
        """This experiment with a checksum of what its objects compute, by which its results are known again."""
        if not self._parts:
            return super().sealed()
        problem = self.build()
        system = problem.system()
        with jax_settings():
            computed = system.definition["law"], law_digest(_error, problem.training_error, problem.student)
        return (
            super().sealed().replace("definition", f"{_digest([problem.student, problem.rule])}-{'-'.join(computed)}")
        )

    def restored(self, text: str) -> "Experiment":
        """An experiment like this one from JSON, with its objects."""
        return self._with_tables(json.loads(text))

    def _with_tables(self, fields: dict[str, Any]) -> "Experiment":
        """Objects whose tables are as they were stay, but for the number of samples; others have been replaced."""
        own, now = self.model_dump(), Spec(**fields).model_dump()
        kept = {name: part for name, part in self._parts.items() if now.get(name) == own.get(name)}
        if "data" in self._parts and now["data"] == own["data"] | {"samples": now["data"]["samples"]}:
            kept["data"] = self._parts["data"]._replace(table=now["data"])
        return Experiment(**fields | kept)


@double_precision
def law_at_start(function: Callable, subject: Any) -> str:
    """The fingerprint of a function of the state of a spec or system, whatever the numbers in the state are.

    **Raises:** `ValueError` for a function that JAX cannot apply to the state.
    """
    state = subject.build().student if isinstance(subject, Spec) else subject.state
    try:
        return law_digest(function, as_given(jax.tree.map(jnp.asarray, state)))
    except Exception as error:  # whatever the user's function raises
        raise ValueError(f"the function cannot be applied to the state by JAX ({reason(error)}).") from error


def _error(task: AbstractTask, student: Any) -> Any:
    return task.error(student)


def _given(experiment: Experiment) -> dict[str, Any]:
    """What the experiment was made of."""
    return {**experiment.model_dump(), **experiment._parts}


def _part(name: str, value: Any) -> Part:
    """An object with what is made of it; a part of another experiment as it is, so that nothing is made twice."""
    return value if isinstance(value, Part) else Part(*PARTS[name](value))


def _is_object(name: str, value: Any) -> bool:
    """Whether a part is no table, and no word that stands for one."""
    if name == "start":
        # The parameters of a model, or a dataset, are mappings as well.
        return not (isinstance(value, Mapping) and "kind" in value)
    return not isinstance(value, Mapping | str)


def _table_of(network: Feedforward) -> dict[str, Any]:
    inputs, *hidden, outputs = network.widths
    activations = {"activation": network.activation, "output_activation": network.output_activation}
    biases = {"biases": network.biases is not None}
    return {"inputs": inputs, "hidden": hidden, "outputs": outputs, **activations, **biases}


def _widths(data: Data, loss: Any) -> dict[str, int]:
    """The numbers of inputs and outputs that data call for."""
    outputs = data.y.shape[1] if data.y.ndim > 1 else int(data.y.max()) + 1 if loss == "softmax" else 1
    return {"inputs": data.x.shape[1] if data.x.ndim > 1 else 1, "outputs": outputs}


def _digest(arrays: Any) -> str:
    found = hashlib.sha256()
    for array in jax.tree.leaves(arrays):
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def _data(given: Any) -> tuple[Data, dict[str, Any]]:
    if not isinstance(given, Data):
        raise ValueError(f"data: got {type(given).__name__}, required is a curlflow.Data, or a table.")
    return given, {"samples": len(given.x), "test_samples": len(given.x_test), "digest": given.digest}


def _teacher(given: Any) -> tuple[Feedforward, dict[str, Any]]:
    if not isinstance(given, Feedforward):
        raise ValueError(
            f"teacher: got {type(given).__name__}, required is a curlflow.networks.Feedforward, or a table."
        )
    return given, {"width": list(given.widths[1:-1]), "digest": _digest(given)}


def _model(given: Any) -> tuple[Any, dict[str, Any]]:
    made = given
    if not isinstance(given, eqx.Module | tuple) and callable(given):
        try:
            made = given(jax.random.key(0))
        except Exception as error:  # whatever the user's function raises
            raise ValueError(f"model: the function cannot be applied to a random key ({reason(error)}).") from error
    model = Model.of(made)
    name = made[0] if isinstance(made, tuple) else type(made)
    numbers = sum(np.size(w) for w in model.weights)
    if not numbers:
        raise ValueError("model: got one without parameters, which learns nothing.")
    return given if made is not given else model, {"name": _name(name), "parameters": numbers}


def _loss(given: Any) -> tuple[Callable, str]:
    if not callable(given):
        raise ValueError(f"loss: got {given!r}, required is squared, logistic, softmax, or a function.")
    return given, next((name for name, known in LOSSES.items() if known is given), "custom")


def _rule(given: Any) -> tuple[AbstractLearningRule, dict[str, Any]]:
    rule = as_rule(given)
    return rule, {"kind": "custom", "name": qualified_name(rule) if rule is given else _name(given)}


def _optimizer(given: Any) -> tuple[AbstractOptimizer, dict[str, Any]]:
    if isinstance(given, tuple) and hasattr(given, "update") and hasattr(given, "init"):
        given = Optax(given)
    checked_optimizer(given)
    return given, {"kind": "custom", "name": qualified_name(given)}


def _constraint(given: Any) -> tuple[AbstractConstraint, dict[str, Any]]:
    if not isinstance(given, AbstractConstraint):
        kind = type(given).__name__
        raise ValueError(f"constraint: got {kind}, required is one of curlflow.constraints, or a table.")
    return given, {"kind": "custom", "name": qualified_name(given)}


def _start(given: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(given, str | Path):
        try:
            given = load(given)
        except (OSError, ValueError) as error:
            raise ValueError(f"start: {error}") from None
    starts = ends_of(given) if isinstance(given, xr.Dataset) else _sets_of_weights(given)
    bad = sum(int(np.sum(~np.isfinite(w))) for w in jax.tree.leaves(starts))
    if bad:
        raise ValueError(f"start: got {bad} weights that are not finite; all must be.")
    return starts, {"kind": "custom", "digest": _digest(starts)}


def _sets_of_weights(given: Any) -> list[list[np.ndarray]]:
    several = isinstance(given, list | tuple) and len(given) and not hasattr(given[0], "ndim")
    sets = []
    for one in given if several else [given]:
        leaves = jax.tree.leaves(eqx.filter(one, eqx.is_inexact_array_like))
        if not leaves:
            raise ValueError(f"start: got {type(one).__name__}, required are the weights of a model or a network.")
        sets.append([np.asarray(w, dtype=float) for w in in_double_precision(leaves, "start")])
    return sets


def ends_of(dataset: xr.Dataset, argument: str = "start") -> list[np.ndarray]:
    """All weights at the end of every realization of a dataset, flat; it was given as `argument`.

    **Raises:** `ValueError` for a dataset that did not record all weights.
    """
    if "weights" not in dataset:
        raise ValueError(
            f"{argument}: the dataset has no variable weights; curlflow.simulate and curlflow.train record all of "
            'them with weights="all".'
        )
    values = dataset["weights"].transpose("realization", ..., "weight")
    places = dataset["weight"].to_numpy() if "weight" in dataset.coords else np.arange(values.sizes["weight"])
    if not np.array_equal(places, np.arange(len(places))):
        raise ValueError(f'{argument}: the dataset has only some of the weights; record them with weights="all".')
    ends = values.to_numpy().reshape(values.sizes["realization"], -1, values.sizes["weight"])[:, -1]
    return list(ends.astype(float))


def _name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


PARTS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "data": _data,
    "teacher": _teacher,
    "model": _model,
    "loss": _loss,
    "rule": _rule,
    "optimizer": _optimizer,
    "constraint": _constraint,
    "start": _start,
}
"""From an object to what problems take, and to the table that stands for it, by part."""
