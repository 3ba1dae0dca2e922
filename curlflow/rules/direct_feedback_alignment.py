"""Direct feedback alignment: the output error reaches every hidden layer through a fixed random matrix of its own,

    δ_L = e,    δₗ = (Bₗᵀ e) ∘ φ′(aₗ),    dWₗ/dt = −⟨δₗ hₗ₋₁ᵀ⟩,    dbₗ/dt = −⟨δₗ⟩.                        (49)

With two layers of weights this is feedback alignment.

Source: Nøkland, Adv. Neural Inf. Process. Syst. 29 (2016) 1037.
"""

from collections.abc import Iterable

from ..networks import Feedforward
from ..networks.activations import ACTIVATIONS
from ..networks.feedforward import Matrix
from ..precision import double_precision, to_float64
from ..tasks import AbstractTask
from .base import AbstractLearningRule


class DirectFeedbackAlignment(AbstractLearningRule):
    """The error travels from the outputs to every hidden layer directly.

    **Arguments:**

    - `matrices`: B₁, …, B_{L−1}, one for each hidden layer, of shape (outputs, units).

    **Raises:** `ValueError`, on use, for matrices of other shapes.
    """

    second_moments_suffice = True
    needs_layers = True

    matrices: tuple[Matrix, ...]

    def __init__(self, matrices: Iterable[Matrix]):
        self.matrices = tuple(to_float64(list(matrices), "matrices"))

    @double_precision
    def velocity(self, network: Feedforward, task: AbstractTask) -> Feedforward:
        shapes = [b.shape for b in self.matrices]
        required = [(network.widths[-1], units) for units in network.widths[1:-1]]
        if shapes != required:
            raise ValueError(f"matrices: got shapes {shapes}, required are (outputs, units): {required}.")
        x, e = task.residuals(network)
        a, h = network.forward(x)
        derivative = ACTIVATIONS[network.activation].derivative
        signals = [(b.T @ e) * derivative(a[layer], h[layer + 1]) for layer, b in enumerate(self.matrices)]
        signals.append(e)
        velocities = [-(delta @ before.T) for delta, before in zip(signals, h[:-1], strict=True)]
        return network.with_weights(velocities, None if network.biases is None else [-d.sum(axis=1) for d in signals])
