"""Rules for recurrent networks: which way errors take through units and through time.

With e_t = ∂E/∂y_t the error of the outputs at time t, the gradient of `curlflow.networks.Recurrent` is

    −dW_rec/dt = Σ_t (∂r_t/∂W_rec)ᵀ W_outᵀ e_t,    dW_out/dt = −Σ_t e_t r_tᵀ,

and likewise for W_in and b. `Gradient` takes it as it is: backpropagation through time (BPTT; Werbos, Proc. IEEE 78
(1990) 1550). The rules here replace one of its two parts that a synapse cannot know, or both:

- the weights W_outᵀ by which errors reach hidden units, by a fixed matrix Bᵀ (`RandomFeedback`);
- the sensitivity ∂r_t/∂W, by what remains of it where a unit hears no other unit's change (`EProp`, `RFLO`). What a
  synapse keeps is then an eligibility trace p of its input alone, low-pass filtered by the leak of the unit,

    p_j(t) = (1 − α) p_j(t−1) + α r_j(t−1),    −dW_ij/dt = Σ_t (Bᵀ e_t)_i φ′(h_i(t)) p_j(t),

  with x_j(t) in place of r_j(t−1) for W_in, and 1 for b. All that a trace needs is there when it is needed: the
  rule is local, and could run while the network runs. Here all of a sequence is summed, as for the gradient.

W_out follows its gradient under all of them. e_t may be that of any loss, summed or averaged over times and samples.
"""

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..networks.feedforward import Matrix
from ..networks.model import Model
from ..networks.recurrent import Recurrent
from ..precision import double_precision, to_float64
from ..tasks import AbstractTask
from .base import AbstractLearningRule


class AbstractRecurrentRule(AbstractLearningRule):
    """A rule for recurrent networks. *For developers:* a new member supplies `pulled_back`.

    **Raises**, on use: `ValueError` for other networks, for samples without a time axis, and for feedback of another
    shape than that of W_out.
    """

    @abstractmethod
    def pulled_back(self, network: Recurrent, x: Any, signals: Any) -> Recurrent:
        """Sensitivities of the rates to the weights times the `signals` that reach hidden units, summed over times.

        **Arguments:** `x` is samples × time × inputs, `signals` are samples × time × hidden.
        """

    def matrix(self, network: Recurrent) -> Matrix:
        """B (outputs × hidden): the feedback of the rule, or W_out where it has none."""
        fixed = getattr(self, "feedback", None)
        if fixed is None:
            return network.w_out
        if fixed.shape != network.w_out.shape:
            raise ValueError(f"feedback: got shape {fixed.shape}, required is that of w_out: {network.w_out.shape}.")
        return fixed

    @double_precision
    def velocity(self, network: Any, task: AbstractTask) -> Model:
        name = type(self).__name__
        recurrent = network.seen if isinstance(network, Model) else network
        if not isinstance(network, Model) or not isinstance(recurrent, Recurrent):
            raise ValueError(
                f"rule: got a {type(recurrent).__name__}, {name} learns in a curlflow.networks.Recurrent alone; give "
                "one by model=."
            )
        x, errors = task.residuals(network)
        if jnp.ndim(x) != 3 or jnp.ndim(errors) != 3:
            raise ValueError(
                f"data.x: got samples of shape {jnp.shape(x)[:-1]}, {name} requires (time, inputs), time first."
            )
        x, errors = (jnp.moveaxis(jnp.asarray(array), -1, 0) for array in (x, errors))
        update = self.pulled_back(recurrent, x, errors @ self.matrix(recurrent))
        rates = jax.vmap(recurrent.rates_along)(x)
        parts = {"w_in": update.w_in, "w_rec": update.w_rec, "bias": update.bias}
        parts["w_out"] = jnp.einsum("sto,sth->oh", errors, rates)
        names = [field for field in ("w_in", "w_rec", "w_out", "bias") if parts[field] is not None]
        return network.with_weights(-parts[field] for field in names)


class RandomFeedback(AbstractRecurrentRule):
    """Backpropagation through time with a fixed matrix in place of the readout, by which errors reach hidden units.

    Between hidden units errors go back in time as in the gradient: feedback alignment (Lillicrap et al., Nat. Commun.
    7 (2016) 13276) of the readout alone.

    **Arguments:**

    - `feedback`: B, of the shape of W_out (outputs × hidden).
    """

    feedback: Matrix

    def __init__(self, feedback: Matrix):
        self.feedback = to_float64(feedback, "feedback")

    def pulled_back(self, network: Recurrent, x: Any, signals: Any) -> Recurrent:
        return jax.vjp(lambda n: jax.vmap(n.rates_along)(x), network)[1](signals)[0]


class EProp(AbstractRecurrentRule):
    """Eligibility propagation: local traces of synapses times learning signals, for units with rates.

    Source: Bellec et al., Nat. Commun. 11 (2020) 3625, equations (1) and (4), of which spikes are one case; with
    observable state r = φ(h), hidden state h and readouts without a leak.

    **Arguments:**

    - `feedback`: B, of the shape of W_out (outputs × hidden), for random e-prop. Default: None, symmetric e-prop, in
      which B is W_out.
    """

    feedback: Matrix | None

    def __init__(self, feedback: Matrix | None = None):
        self.feedback = None if feedback is None else to_float64(feedback, "feedback")

    def pulled_back(self, network: Recurrent, x: Any, signals: Any) -> Recurrent:
        return _local(network, x, signals)


class RFLO(AbstractRecurrentRule):
    """Random-feedback online learning: fixed feedback, and sensitivities without what passes through other units.

    Source: Murray, eLife 8 (2019) e43299. There the leak acts on rates, h ← (1 − α)h + α φ(W h + W_in x), and traces
    are p_ij(t) = (1 − α) p_ij(t−1) + α φ′(u_i(t)) h_j(t−1). The same step, to leave out what is not local, gives the
    traces above where the leak acts on h; in discrete time (α = 1) the two are the same. This is then `EProp` with
    the same feedback, number for number: the two rules differ in the networks that they were published for.

    **Arguments:**

    - `feedback`: B, of the shape of W_out (outputs × hidden).
    """

    feedback: Matrix

    def __init__(self, feedback: Matrix):
        self.feedback = to_float64(feedback, "feedback")

    def pulled_back(self, network: Recurrent, x: Any, signals: Any) -> Recurrent:
        return _local(network, x, signals)


def _local(network: Recurrent, x: Any, signals: Any) -> Recurrent:
    """Signals times traces: the derivative at rates that are given, which is what no unit's change can reach."""
    rates = jax.vmap(network.rates_along)(x)
    first = jnp.broadcast_to(network.rates(np.zeros(rates.shape[-1])), rates[:, :1].shape)
    sent = jnp.concatenate([first, rates[:, :-1]], axis=1)
    return jax.vjp(lambda n: jax.vmap(n.rates_along)(x, sent), network)[1](signals)[0]
