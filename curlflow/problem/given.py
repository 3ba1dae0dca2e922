"""What a problem takes from the user in place of what would be drawn, and what may be replaced in it."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..losses import softmax_loss
from ..networks import Feedforward
from ..networks.architecture import Architecture
from ..networks.model import Model
from ..outside import reason
from ..rules.memory import velocities
from . import draw
from .own_data import Data

if TYPE_CHECKING:
    from ..spec import Spec
    from .problem import Problem

Four = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


CUSTOM = {
    "data": lambda spec: spec.data.digest,
    "loss": lambda spec: spec.loss == "custom",
    "model": lambda spec: spec.model,
    "start": lambda spec: spec.start.kind == "custom",
    "teacher": lambda spec: spec.teacher.digest,
    "constraint": lambda spec: spec.constraint.kind == "custom",
}
"""Whether a spec stands for an object that it does not hold, by part."""


def check_complete(spec: "Spec", parts: Mapping[str, Any]) -> None:
    """Refuse the spec of an `Experiment` without its objects."""
    for name, stands in CUSTOM.items():
        if stands(spec) and name not in parts and not (name == "data" and spec.data.file):
            raise ValueError(
                f"{name}: this spec was written by an Experiment, which had an object there; make that anew."
            )


def samples_of(spec: "Spec", parts: Mapping[str, Any]) -> Four | None:
    """x_train, y_train, x_test and y_test, samples last; None where they are drawn."""
    data = parts.get("data")
    if data is None and spec.data.file is None:
        return None
    table, layered = spec.data, spec.network is not None
    if data is None:
        data = data_in_file(spec)
        if table.digest not in (None, data.digest):
            raise ValueError(
                f"data.file: {table.file} has the checksum {data.digest}, but the spec has {table.digest}: it has "
                "changed."
            )
    number = len(data.x) if table.samples == "all" else table.samples
    if number > len(data.x):
        raise ValueError(f"data.samples: got {number}, but there are {len(data.x)}.")
    batch = getattr(spec.dynamics, "batch", "full")
    if batch != "full" and number % batch:
        raise ValueError(f'dynamics.batch: got {batch}, allowed is a divisor of the {number} samples, or "full".')
    x, y, x_test, y_test = (
        np.moveaxis(a, 0, -1) for a in (data.x[:number], data.y[:number], data.x_test, data.y_test)
    )
    labels = spec.loss == "softmax" and y.ndim == 1
    if not labels and spec.loss != "custom":
        y, y_test = y.astype(float), y_test.astype(float)
    if layered and not labels and spec.loss != "custom":
        y, y_test = np.atleast_2d(y), np.atleast_2d(y_test)
    if layered:
        if x.ndim != 2 or len(x) != spec.network.inputs:
            raise ValueError(
                f"data.x: got samples of shape {x.shape[:-1]}, required are {spec.network.inputs} features, "
                "network.inputs."
            )
        x, x_test = x.astype(float), x_test.astype(float)
    return x, y, x_test, y_test


def data_in_file(spec: "Spec") -> Data:
    """The samples in the file of a spec; a file is read again when it has changed."""
    table = spec.data
    names = {"x": table.x, "y": table.y, "x_test": table.x_test, "y_test": table.y_test}
    path = Path(table.file)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _from_file(path, tuple((name, called) for name, called in names.items() if called), stamp)


@functools.lru_cache(maxsize=2)
def _from_file(path: Path, names: tuple, stamp: int) -> Data:
    return Data.from_file(path, dict(names))


def student_of(
    spec: "Spec",
    parts: Mapping[str, Any],
    realization: int,
    key: Array,
    teacher: Feedforward | None,
    architecture: Architecture | None,
) -> Feedforward | Model:
    """What learns, at its start: a model or weights of the user's, or a network that is drawn."""
    if "model" in parts:
        model = parts["model"]
        if not isinstance(model, Model):
            model = Model.of(model(key))
    elif "start" not in parts:
        return draw.drawn_student(spec, teacher, key, architecture)
    else:
        model = None
    if "start" not in parts:
        return model
    starts = parts["start"]
    if len(starts) not in (1, spec.realizations):
        raise ValueError(
            f"start: got {len(starts)} sets of weights, required is one for all or for each of {spec.realizations} "
            "realizations."
        )
    weights = starts[0] if len(starts) == 1 else starts[realization % len(starts)]
    shapes = spec.shapes if model is None else [np.shape(w) for w in model.weights]
    if isinstance(weights, np.ndarray):
        number = sum(map(math.prod, shapes))
        if weights.size != number:
            raise ValueError(f"start: got a dataset of {weights.size} weights, required are {number}.")
        flat = np.split(weights, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        weights = [w.reshape(shape) for w, shape in zip(flat, shapes, strict=True)]
    given = [np.shape(w) for w in weights]
    if given != shapes:
        raise ValueError(f"start: got weights of shapes {given}, required are {shapes}.")
    if model is not None:
        return model.with_weights(weights)
    layers = len(spec.widths) - 1
    weights, biases = weights[:layers], weights[layers:] or None
    weights = weights if architecture is None else architecture.masked(weights)
    return Feedforward(weights, spec.network.activation, spec.network.output_activation, biases)


def check_teacher(spec: "Spec", teacher: Feedforward, own: Four | None) -> None:
    """See that a teacher of the user's has the network's inputs and outputs, or gave the targets of the user's."""
    ends = teacher.widths[0], teacher.widths[-1]
    if own is None:
        required = spec.network.inputs, spec.network.outputs
        if ends != required:
            raise ValueError(
                f"teacher: got a network from {ends[0]} inputs to {ends[1]} outputs, required is one from "
                f"{required[0]} to {required[1]}."
            )
        return
    for name, x, y in (("y", own[0], own[1]), ("y_test", own[2], own[3])):
        fit = (len(x), len(y)) == ends and x.ndim == y.ndim == 2
        if not (fit and np.allclose(draw.targets(teacher, x), y, rtol=1e-6, atol=1e-12)):
            raise ValueError(f"teacher: data.{name} are not its outputs; leave it out.")


def check_learning(problem: "Problem") -> None:
    """See that loss, outputs, targets and rule fit together, by shapes alone.

    **Raises:** `ValueError` that names the part which does not fit.
    """
    student, rule = problem.student, problem.rule
    if rule.needs_layers and not isinstance(student, Feedforward):
        raise ValueError(f"rule: {type(rule).__qualname__} learns in layered networks alone; give one by network=.")
    if problem.x_train is None:
        return
    x, y = problem.x_train[..., :1], problem.y_train
    try:
        outputs = eqx.filter_eval_shape(student, x)
    except Exception as error:  # whatever the user's model raises
        raise ValueError(
            f"model: it cannot be applied to inputs of shape {x.shape[:-1]} ({reason(error)})."
        ) from error
    if outputs.shape[-1:] != (1,):
        raise ValueError(f"model: got outputs of shape {outputs.shape[:-1]} without an axis of samples.")
    classes = outputs.shape[0] if len(outputs.shape) == 2 else 1
    if problem.loss is softmax_loss and y.ndim == 1:
        labels = np.concatenate([y, problem.y_test])
        if labels.dtype.kind != "i" or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"data.y: got labels from {labels.min()} to {labels.max()} ({labels.dtype}), allowed are whole "
                f"numbers (int64) from 0 to {classes - 1}, for {classes} outputs."
            )
    elif problem.spec.loss != "custom" and outputs.shape[:-1] != y.shape[:-1]:
        raise ValueError(
            f"data.y: got targets of shape {y.shape[:-1]}, required is that of the outputs: {outputs.shape[:-1]}."
        )
    _check_probabilities(problem)
    _check_loss(problem)
    _check_update(problem)


def _check_probabilities(problem: "Problem") -> None:
    for name, y in (("y", problem.y_train), ("y_test", problem.y_test)):
        if problem.spec.loss not in ("logistic", "softmax") or y.dtype.kind == "i" or not y.size:
            continue
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"data.{name}: got targets from {y.min():g} to {y.max():g}, allowed are 0 to 1 for the loss "
                f"{problem.spec.loss}."
            )
        if problem.spec.loss == "softmax" and not np.allclose(y.sum(axis=0), 1):
            raise ValueError(
                f"data.{name}: got targets that do not sum to one in every sample, required are the probabilities "
                "of all classes, or labels, for the loss softmax."
            )


def _check_loss(problem: "Problem") -> None:
    try:
        value = eqx.filter_eval_shape(lambda model: jnp.asarray(problem.samples.error(model)), problem.student)
    except Exception as error:  # whatever the user's loss raises
        raise ValueError(f"loss: it cannot be applied to outputs and targets ({reason(error)}).") from error
    if value.shape != () or value.dtype != np.float64:
        raise ValueError(
            f"loss: got {value.dtype} of shape {value.shape}, required is one real number in double precision, a "
            "mean over the samples."
        )


def _check_update(problem: "Problem") -> None:
    student = problem.student
    try:
        memory = problem.rule.memory0(student)
        velocity, _ = eqx.filter_eval_shape(velocities, problem.rule, student, problem.task, memory)
    except ValueError:
        raise
    except Exception as error:  # whatever the user's rule raises
        raise ValueError(f"rule: it cannot be applied to the model and a batch ({reason(error)}).") from error
    required, given = jax.tree.structure(student), jax.tree.structure(velocity)
    if given != required:
        raise ValueError(f"rule: the update is {given}, required is the structure of the weights, {required}.")


def check_replaced(problem: "Problem") -> None:
    """See that what `dataclasses.replace` has changed is used; a frozen problem is completed here.

    **Raises:** `ValueError` for what would be ignored.
    """
    names = "teacher", "x_train", "y_train", "x_test", "y_test", "covariance", "spec", "optimizer"
    now = {name: getattr(problem, name) for name in names}
    before = dict(zip(names, problem.made_of, strict=True)) if problem.made_of else now
    changed = {name for name in names if now[name] is not before[name]}
    if "spec" in changed:
        _check_spec(before["spec"], now["spec"], {"optimizer"} & changed)
    if {"x_train", "covariance"} & changed and problem.x_train is not None and problem.covariance is not None:
        of_samples = problem.x_train @ problem.x_train.T / problem.x_train.shape[1]
        of_samples = np.diag(of_samples) if problem.covariance.ndim == 1 else of_samples
        same = np.allclose(of_samples, problem.covariance, rtol=1e-9, atol=1e-12 * np.abs(of_samples).max())
        if not same and "covariance" in changed:
            raise ValueError("covariance: it is not that of x_train; replace the samples, and it follows.")
        if not same:
            object.__setattr__(problem, "covariance", of_samples)
    if problem.teacher is not None and changed - {"spec", "covariance", "optimizer"}:
        for x, y, name in ((problem.x_train, problem.y_train, "y_train"), (problem.x_test, problem.y_test, "y_test")):
            if x is None or np.allclose(draw.targets(problem.teacher, x), y, rtol=1e-6, atol=1e-12):
                continue
            if not {name, name.replace("y", "x", 1)} & changed:
                raise ValueError(f"teacher: {name} are not its outputs; replace the targets, or both.")
            object.__setattr__(problem, "teacher", None)
            break
    object.__setattr__(problem, "made_of", tuple(getattr(problem, name) for name in names))


def _check_spec(before: "Spec", now: "Spec", changed: set[str]) -> None:
    if before.dynamics.layer_rates != now.dynamics.layer_rates:
        raise ValueError(
            f"spec: its layer_rates, {now.dynamics.layer_rates}, differ from those of the rule, "
            f"{before.dynamics.layer_rates}; build the other spec."
        )
    free = {"dynamics", "rule", "realizations", *changed}
    old, new = (spec.model_dump(exclude=free) for spec in (before, now))
    for name in old:
        if old[name] != new.get(name):
            raise ValueError(
                f"spec: its {name} differs from what the problem was drawn by; only dynamics can be replaced, build "
                "the other spec."
            )
