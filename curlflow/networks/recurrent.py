"""Recurrent networks: one hidden layer with dynamics of its own, between inputs and outputs along time.

    τ dh/dt = −h + W_rec φ(h) + W_in x + b,        y = W_out φ(h),                                     (continuous)

the rate equations of Sompolinsky, Crisanti & Sommers, Phys. Rev. Lett. 61 (1988) 259. In learning they are taken by
Euler steps of length Δt, as is usual, and start at rest:

    hₜ = (1 − α) hₜ₋₁ + α (W_rec φ(hₜ₋₁) + W_in xₜ + b),    yₜ = W_out φ(hₜ),    α = Δt/τ,    h₀ = 0.

With α = 1 the rates rₜ = φ(hₜ) follow rₜ = φ(W_rec rₜ₋₁ + W_in xₜ + b), which is the network in discrete time.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..precision import double_precision, to_float64
from .activations import ACTIVATIONS
from .feedforward import Matrix, Vector

State = Float[Array | np.ndarray, " hidden"]
Sample = Float[Array | np.ndarray, "time inputs"]
Rates = Float[Array | np.ndarray, "time hidden"]


class Recurrent(eqx.Module):
    """A hidden layer of recurrent units, in discrete or in continuous time, that maps one sample along time.

    ```python
    experiment = curlflow.Experiment(
        model=lambda key: curlflow.networks.Recurrent.drawn(key, inputs=1, hidden=50, outputs=1, gain=1.5, tau=5.0),
        data=curlflow.problem.integration(),
        dynamics={"kind": "updates", "learning_rate": 0.01},
    )
    ```

    All arrays learn. As a model of a `curlflow.Experiment` it takes samples of shape (time, inputs), and targets are
    (time, outputs) for the squared error, which is then summed over the times.

    **Arguments:**

    - `w_in`, `w_rec`, `w_out`: weights, (hidden, inputs), (hidden, hidden) and (outputs, hidden).
    - `bias`: of the hidden units, (hidden,). Default: None, a network without.
    - `activation`: φ: `"tanh"`, `"linear"`, `"relu"` or `"sigmoid"`.
    - `tau`: the time constant τ in units of time. Default: None, a network in discrete time.
    - `step`: Δt, the time between two samples of the input, at most τ. It is 1 in discrete time.

    **Raises:** `ValueError` for shapes that do not fit, unknown activations, numbers not in double precision, and
    time constants and steps out of range.
    """

    w_in: Matrix
    w_rec: Matrix
    w_out: Matrix
    bias: Vector | None
    activation: str = eqx.field(static=True)
    tau: float | None = eqx.field(static=True)
    step: float = eqx.field(static=True)

    def __init__(
        self,
        w_in: Matrix,
        w_rec: Matrix,
        w_out: Matrix,
        bias: Vector | None = None,
        *,
        activation: str = "tanh",
        tau: float | None = None,
        step: float = 1.0,
    ):
        self.w_in, self.w_rec, self.w_out = (
            to_float64(w, name) for w, name in ((w_in, "w_in"), (w_rec, "w_rec"), (w_out, "w_out"))
        )
        self.bias = None if bias is None else to_float64(bias, "bias")
        self.activation, self.tau, self.step = activation, tau, step

    def __check_init__(self):
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation: got {self.activation!r}, allowed are {', '.join(ACTIVATIONS)}.")
        hidden = np.shape(self.w_rec)[0]
        own = {"w_rec": (hidden, hidden), "w_in": (hidden, np.shape(self.w_in)[1])}
        own |= {"w_out": (np.shape(self.w_out)[0], hidden)} | ({} if self.bias is None else {"bias": (hidden,)})
        for name, required in own.items():
            if np.shape(getattr(self, name)) != required:
                raise ValueError(f"{name}: got shape {np.shape(getattr(self, name))}, required is {required}.")
        if self.tau is None and self.step != 1.0:
            raise ValueError(f"step: got {self.step!r}, allowed is 1 in discrete time; tau makes time continuous.")
        if self.tau is not None and not 0 < self.step <= self.tau < np.inf:
            raise ValueError(f"step: got {self.step!r} with tau = {self.tau!r}, allowed is 0 < step ≤ tau.")

    @classmethod
    @double_precision
    def drawn(
        cls, key: Any, *, inputs: int, hidden: int, outputs: int, gain: float = 1.0, bias: bool = False, **given: Any
    ) -> "Recurrent":
        """A network with weights from normal distributions, all with mean 0.

        The variance of recurrent weights is `gain`²/hidden, so that large autonomous tanh networks are chaotic for
        gains above 1 (Sompolinsky et al.); that of the others is 1/inputs and 1/hidden. Biases begin at 0.

        **Arguments:**

        - `key`: of `jax.random.key`; each matrix has a stream of its own.
        - `inputs`, `hidden`, `outputs`: how many there are.
        - `gain`: g.
        - `bias`: whether hidden units have biases.
        - `given`: `activation`, `tau` and `step`, as for the class.
        """
        shapes = {"w_in": (hidden, inputs), "w_rec": (hidden, hidden), "w_out": (outputs, hidden)}
        keys = jax.random.split(key, len(shapes))
        scales = {"w_rec": gain}
        weights = {
            name: scales.get(name, 1.0) * np.asarray(jax.random.normal(k, shape, dtype=float)) / np.sqrt(shape[1])
            for k, (name, shape) in zip(keys, shapes.items(), strict=True)
        }
        return cls(**weights, bias=np.zeros(hidden) if bias else None, **given)

    @property
    def alpha(self) -> float:
        """α = Δt/τ; 1 in discrete time."""
        return 1.0 if self.tau is None else self.step / self.tau

    def rates(self, state: Float[Array | np.ndarray, "*any hidden"]) -> Float[Array, "*any hidden"]:
        """r = φ(h)."""
        return ACTIVATIONS[self.activation].function(jnp.asarray(state))

    def drift(self, state: State, rates: State, x: Float[Array | np.ndarray, " inputs"]) -> Float[Array, " hidden"]:
        """−h + W_rec r + W_in x + b, which is τ dh/dt for r = φ(h)."""
        total = jnp.asarray(self.w_rec) @ rates + jnp.asarray(self.w_in) @ x - state
        return total if self.bias is None else total + self.bias

    def after(self, state: State, x: Float[Array | np.ndarray, " inputs"]) -> Float[Array, " hidden"]:
        """hₜ from hₜ₋₁ and xₜ."""
        return state + self.alpha * self.drift(state, self.rates(state), x)

    @double_precision
    def rates_along(self, x: Sample, given: Rates | None = None) -> Float[Array, "time hidden"]:
        """r₁, …, r_T for the inputs x₁, …, x_T.

        **Arguments:**

        - `given`: rates r₀, …, r_{T−1} that reach other units in place of the network's own. Each unit then
          integrates what it is given, and none hears another: local learning rules differentiate this.
        """
        if jnp.ndim(x) != 2 or jnp.shape(x)[1] != jnp.shape(self.w_in)[1]:
            raise ValueError(f"x: got a sample of shape {jnp.shape(x)}, required is (time, {self.w_in.shape[1]}).")

        def step(state: Any, now: Any) -> tuple[Any, Any]:
            inputs, sent = now
            state = state + self.alpha * self.drift(state, self.rates(state) if sent is None else sent, inputs)
            return state, self.rates(state)

        return jax.lax.scan(step, jnp.zeros(self.w_rec.shape[0]), (jnp.asarray(x), given))[1]

    @double_precision
    def __call__(self, x: Sample) -> Float[Array, "time outputs"]:
        """The outputs y₁, …, y_T for the inputs x₁, …, x_T of one sample."""
        return self.rates_along(x) @ jnp.asarray(self.w_out).T
