"""What a student learns from: samples of a teacher, or the second moments, which suffice for linear networks.

A rule that is driven by the error needs only a pair (X, E) from a task: inputs and errors whose products, summed over
the samples, are the means of equation (2) of docs/model.md. For samples it is X and (ŷ − y)/n. For a linear network
every such mean depends on the data through ⟨e xᵀ⟩ = (W_L…W_1 − V) Σ alone, so that one *virtual sample* per output
gives the same means at a cost that does not depend on n: X = Σ (W_L…W_1 − V)ᵀ with the errors I; equation (3).
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from .losses import ACCURACIES
from .networks import Feedforward
from .networks.model import Model
from .precision import double_precision

Inputs = Num[Array | np.ndarray, "*inputs samples"]
Outputs = Float[Array | np.ndarray, "*outputs samples"]
Rows = Float[Array | np.ndarray, "samples inputs"]
Teacher = Float[Array | np.ndarray, "outputs inputs"]
Covariance = Float[Array | np.ndarray, "inputs inputs"] | Float[Array | np.ndarray, " inputs"]


class Residuals(NamedTuple):
    """Inputs (inputs × samples) and errors (outputs × samples), weighted so that sums over samples are means."""

    inputs: Inputs
    errors: Outputs


class AbstractTask(eqx.Module):
    """A regression task: what drives learning, and how large the error is."""

    @abstractmethod
    def residuals(self, network: Feedforward | Model) -> Residuals:
        """The pair that drives learning at these weights."""

    @abstractmethod
    def error(self, network: Feedforward | Model) -> Float[Array, ""]:
        """½ · mean over samples of |ŷ − y|², summed over the outputs; or another loss."""

    @property
    def classifies(self) -> bool:
        """Whether samples have classes, so that there is an `accuracy`."""
        return False

    def transposed(self, inputs: Inputs) -> Rows:
        """The transpose of `inputs`, which must be those of `residuals`: a task may hold it already."""
        return inputs.T


class AbstractDataTask(AbstractTask):
    """A task with data, of which at least the second moments are known."""

    @abstractmethod
    def times_covariance(self, vectors: Any) -> Any:
        """Σ v for a vector of as many numbers as there are inputs, or for every column of a matrix."""

    @abstractmethod
    def error_covariance(self, network: Feedforward | Model) -> Float[Array, "outputs outputs"]:
        """⟨e eᵀ⟩ of the errors e = ŷ − y; for a linear network where only second moments are known."""


class AbstractSampleTask(AbstractDataTask):
    """Samples with inputs `x` (inputs × samples). A member supplies `differences`."""

    x: eqx.AbstractVar[Inputs]

    @abstractmethod
    def differences(self, network: Feedforward | Model) -> Outputs:
        """ŷ − y of every sample."""

    def residuals(self, network: Feedforward | Model) -> Residuals:
        return Residuals(self.x, self.differences(network) / self.x.shape[-1])

    @double_precision
    def error(self, network: Feedforward | Model) -> Float[Array, ""]:
        return 0.5 * jnp.sum(self.differences(network) ** 2) / self.x.shape[-1]

    def times_covariance(self, vectors: Any) -> Any:
        return jnp.asarray(self.x) @ (self.x.T @ vectors) / self.x.shape[-1]

    @double_precision
    def error_covariance(self, network: Feedforward | Model) -> Float[Array, "outputs outputs"]:
        e = self.differences(network)
        return jnp.asarray(e @ e.T / e.shape[1])


class Samples(AbstractSampleTask):
    """Inputs `x` (inputs × samples) with targets `y` (outputs × samples).

    `rows` may be a copy of the inputs as samples × inputs. A gradient multiplies by the inputs from both sides, and
    takes a quarter less time if both copies are stored in the order in which they are read.
    """

    x: Inputs
    y: Outputs
    rows: Float[Array, "samples inputs"] | None = None

    def transposed(self, inputs: Inputs) -> Rows:
        return inputs.T if self.rows is None else self.rows

    def differences(self, network: Feedforward | Model) -> Outputs:
        return network(self.x) - self.y

    def batch(self, indices) -> "Samples":
        """The samples with these indices."""
        return Samples(*(jnp.take(array, indices, axis=-1) for array in (self.x, self.y)))


class LossSamples(AbstractSampleTask):
    """Inputs `x` (… × samples) with targets `y` (… × samples) of any kind, and a loss.

    In place of the error ŷ − y of a sample stands ∂ℓ/∂ŷ, with ℓ the loss of that sample, so that all rules driven by
    errors learn. `loss` is a function of outputs and targets (both samples × …) that returns a mean over the samples.
    """

    x: Inputs
    y: Num[Array | np.ndarray, "*outputs samples"]
    loss: Callable = eqx.field(static=True)

    @double_precision
    def error(self, network: Any) -> Any:
        return self._loss(network(self.x))

    @property
    def classifies(self) -> bool:
        return self.loss in ACCURACIES

    @double_precision
    def accuracy(self, network: Any) -> Float[Array, ""]:
        """The share of samples that are put into the right class, of a task that `classifies`."""
        outputs, targets = (jnp.moveaxis(jnp.asarray(values), -1, 0) for values in (network(self.x), self.y))
        return ACCURACIES[self.loss](outputs, targets)

    def differences(self, network: Feedforward | Model) -> Outputs:
        return jax.grad(self._loss)(network(self.x)) * self.x.shape[-1]

    def batch(self, indices) -> "LossSamples":
        """The samples with these indices."""
        return LossSamples(*(jnp.take(array, indices, axis=-1) for array in (self.x, self.y)), self.loss)

    def _loss(self, outputs: Outputs) -> Any:
        return self.loss(jnp.moveaxis(outputs, -1, 0), jnp.moveaxis(jnp.asarray(self.y), -1, 0))


class SecondMoments(AbstractDataTask):
    """The covariance Σ = ⟨x xᵀ⟩ (inputs × inputs) and a linear teacher V (outputs × inputs).

    Where the inputs are uncorrelated, `covariance` may be their variances alone: products with it then cost nothing.
    Of targets that are no linear function of the inputs V is the best one, and `unexplained` the covariance
    (outputs × outputs) of what it leaves.
    """

    covariance: Covariance
    teacher: Teacher
    unexplained: Float[Array | np.ndarray, "outputs outputs"] | None = None

    def residuals(self, network: Feedforward | Model) -> Residuals:
        discrepancy = network.product() - self.teacher
        return Residuals(self.times_covariance(discrepancy.T), jnp.eye(discrepancy.shape[0]))

    @double_precision
    def error(self, network: Feedforward | Model) -> Float[Array, ""]:
        discrepancy = network.product() - self.teacher
        error = 0.5 * jnp.sum(self.times_covariance(discrepancy.T) * discrepancy.T)
        return error if self.unexplained is None else error + 0.5 * jnp.trace(self.unexplained)

    @double_precision
    def error_covariance(self, network: Feedforward) -> Float[Array, "outputs outputs"]:
        discrepancy = network.product() - self.teacher
        explained = jnp.asarray(discrepancy @ self.times_covariance(discrepancy.T))
        return explained if self.unexplained is None else explained + self.unexplained

    def times_covariance(self, vectors: Any) -> Any:
        if self.covariance.ndim == 2:
            return self.covariance @ vectors
        return self.covariance * vectors if vectors.ndim == 1 else self.covariance[:, None] * vectors


class LinearSamples(AbstractSampleTask):
    """Inputs `x` (inputs × samples) with the targets V x of a linear teacher (outputs × inputs).

    The errors of a linear network are (W_L…W_1 − V) x: it is not run on the samples, and their squares are never
    negative, as rounding can make those of second moments where there are fewer samples than inputs.
    """

    x: Inputs
    teacher: Teacher

    def differences(self, network: Feedforward | Model) -> Outputs:
        return (network.product() - self.teacher) @ self.x


class GivenErrors(AbstractTask):
    """Prescribed errors (outputs × samples) on `inputs`, whatever the weights are; weighted as `Residuals` are.

    With these a rule's velocity is a function of the errors alone, at fixed weights: the factor G of F = −G e. (Of a
    rule that is not linear in them, G is the derivative at e = 0.)
    """

    inputs: Inputs
    errors: Outputs

    def residuals(self, network: Feedforward | Model) -> Residuals:
        return Residuals(self.inputs, self.errors)

    @double_precision
    def error(self, network: Feedforward | Model) -> Float[Array, ""]:
        return 0.5 * jnp.sum(self.errors**2)

    def error_covariance(self, network: Feedforward | Model) -> Float[Array, "outputs outputs"]:
        """⟨e eᵀ⟩, if all samples have the same weight."""
        return jnp.asarray(self.errors @ self.errors.T * self.errors.shape[1])
