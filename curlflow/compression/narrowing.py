"""Wide linear hidden layers as narrow ones, without approximation; equation (7) of docs/model.md.

Let Q be orthogonal and mix only hidden units with identical gains on all their synapses. Then W_in → Q W_in,
W_out → W_out Qᵀ, B → B Qᵀ (and B → Q B for a feedback matrix that ends at the layer) leaves the output and the
Frobenius norms unchanged, and turns the velocity of the rule in the same way: F(Q·W) = Q·F(W). With the QR
factorisation of every group,

    [W_in | W_outᵀ | Bᵀ] = Q R,                                                                        (7)

all but the first r rows (r: the number of columns) have weights and feedback zero, and keep them, because their
velocity is zero: the first r units follow the same equations on their own. Bᵀ enters for fixed feedback only, where
dW_in/dt lies in the span of its columns; a feedback matrix that ends at the layer is used in that span alone.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..constraints import AbstractConstraint, Free, FrobeniusSpheres
from ..networks import Feedforward
from ..networks.feedforward import Matrix
from ..rules import AbstractLearningRule
from .rotations import Rotation, Rows, Units, groups_of_units, rotation

Rotations = tuple[Rotation | None, ...]


@dataclass(frozen=True)
class Compression:
    """A narrow network that learns exactly as a wide one does.

    **Attributes:**

    - `network`, `rule`, `constraint`: the narrow ones.
    - `wide_rule`: the rule of the wide network.
    - `rotations`: for every hidden layer a `curlflow.compression.rotations.Rotation`, or None if it is unchanged.
    """

    network: Feedforward
    rule: AbstractLearningRule
    constraint: AbstractConstraint
    wide_rule: AbstractLearningRule
    rotations: Rotations

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units of the wide network, from the inputs to the outputs."""
        narrow = self.network.widths
        hidden = [w if r is None else r.units for w, r in zip(narrow[1:-1], self.rotations, strict=True)]
        return (narrow[0], *hidden, narrow[-1])

    @property
    def summary(self) -> dict[str, list[int]]:
        """Hidden widths of the wide and of the narrow network, for the attributes of a dataset."""
        narrow = self.network.widths[1:-1]
        kept = [w - (0 if r is None else len(r.idle)) for w, r in zip(narrow, self.rotations, strict=True)]
        return {"hidden": list(self.widths[1:-1]), "compressed": kept}

    @property
    def layout(self) -> tuple[tuple[tuple[int, int], ...] | None, ...]:
        """For every hidden layer the sizes of the groups, wide and narrow; None where the layer is unchanged."""
        return tuple(r and tuple((len(group.units), group.width) for group in r.groups) for r in self.rotations)

    def expand(self, network: Feedforward) -> Feedforward:
        """The wide network that the narrow `network` stands for: W = Q W_c."""
        return network.with_weights(_turned(network.weights, self.rotations, Rotation.widen))

    def entries(
        self, flat: Float[np.ndarray, "*records narrow"], index: Int[np.ndarray, " entries"]
    ) -> Float[np.ndarray, "*records entries"]:
        """Single weights of wide networks.

        **Arguments:**

        - `flat`: all weights of narrow networks, layer by layer and row by row.
        - `index`: places among all weights of the wide network in the same order.
        """
        result = np.empty((*flat.shape[:-1], index.size))
        start = begin = 0
        wide, narrow, turns = self.widths, self.network.widths, (None, *self.rotations, None)
        for layer, w in enumerate(self.network.weights):
            size = wide[layer + 1] * wide[layer]
            here = np.flatnonzero((index >= start) & (index < start + size))
            post, pre = np.divmod(index[here] - start, wide[layer])
            (posts, post), (pres, pre) = (np.unique(units, return_inverse=True) for units in (post, pre))
            matrix = flat[..., begin : begin + w.size].reshape(*flat.shape[:-1], *w.shape)
            matrix = _rows(turns[layer + 1], posts, narrow[layer + 1]) @ matrix
            result[..., here] = (matrix @ _rows(turns[layer], pres, narrow[layer]).T)[..., post, pre]
            start, begin = start + size, begin + w.size
        return result

    def rotate(self, network: Feedforward) -> Feedforward:
        """The narrow network Qᵀ W of a wide one; exact where its columns are in the span that was kept."""
        return network.with_weights(_turned(network.weights, self.rotations, Rotation.narrow))

    def with_idle_units(self) -> "Compression":
        """The same with an idle unit, one without synapses, for every group that got narrower; see `sectors`."""
        rotations = tuple(r and r.with_idle_units() for r in self.rotations)
        idle = [0, *(0 if r is None else len(r.idle) for r in rotations), 0]
        weights = [np.pad(w, ((0, idle[i + 1]), (0, idle[i]))) for i, w in enumerate(self.network.weights)]
        network, rule = self.network.with_weights(weights), _narrowed_rule(self.wide_rule, rotations)
        return dataclasses.replace(self, network=network, rule=rule, rotations=rotations)


def compress(
    network: Feedforward,
    rule: AbstractLearningRule,
    constraint: AbstractConstraint,
    extra: Sequence[Any] | None = None,
    pad: bool = False,
    kinds: int | None = None,
) -> Compression | None:
    """The narrow network, rule and constraint that learn exactly as the given ones; equation (7) of docs/model.md.

    ```python
    narrow = compress(problem.student, problem.rule, problem.constraint)
    wide = narrow.expand(narrow.network)  # problem.student, to rounding
    ```

    **Returns:** a `Compression`, or None where no layer gets smaller: hidden units that are not linear, or have
    biases, constraints other than `Free` and `FrobeniusSpheres`, rules not known to rotate with the hidden units (see
    `curlflow.rules.AbstractLearningRule`), gains drawn synapse by synapse, and layers that are narrow already.

    **Arguments:**

    - `network`: the weights at the start.
    - `rule`: one with `rotates_with_hidden_units`, such as gradient descent or feedback alignment, or flips of it.
    - `constraint`: the constraint on the weights; radii do not change.
    - `extra`: one array (units × k) per hidden layer, or None in its place: further columns whose span is kept, for
      example those of other weights that `rotate` is to reproduce exactly.
    - `pad`: add units that have no synapses, and keep none, up to a width that depends on the shapes and on `kinds`
      alone, min(N, `kinds` · r): one compiled program then serves any number of flips.
    - `kinds`: how many different gains the units of a layer can have. Default: 2 for flipped rules, otherwise 1.
    """
    base, gains = rule.unflipped()
    rotating = network.activation == "linear" and network.biases is None and base.rotates_with_hidden_units
    if not rotating or not isinstance(constraint, Free | FrobeniusSpheres):
        return None
    kinds = (1 if gains is None else 2) if kinds is None else kinds
    gains = gains or (np.ones((1, 1)),) * len(network.weights)
    found = []
    # A layer gets smaller only if it is wider than both neighbours together, so that of two neighbours at most one
    # does: the layers do not depend on one another, and one pass is enough.
    for layer in range(len(network.weights) - 1):
        columns = _columns(network, base, layer, None if extra is None else extra[layer])
        units, r = columns.shape
        groups = groups_of_units(gains[layer], gains[layer + 1], units)
        found.append(rotation(columns, groups, kinds * r if pad else None))
    if all(r is None for r in found):
        return None
    rotations = tuple(found)
    narrow = network.with_weights(_turned(network.weights, rotations, Rotation.narrow))
    return Compression(narrow, _narrowed_rule(rule, rotations), constraint, rule, rotations)


def _rows(turn: Rotation | None, units: Units, width: int) -> Rows:
    """The rows of Q of some units, or those of the identity for a layer that is unchanged."""
    return np.eye(width)[units] if turn is None else turn.rows(units)


def _columns(network: Feedforward, base: AbstractLearningRule, layer: int, extra: Any) -> np.ndarray:
    """[W_in | W_outᵀ | Bᵀ | extra] of a hidden layer, one row per unit; Bᵀ stands for all arrays of the rule."""
    incoming, outgoing = (np.asarray(w) for w in network.weights[layer : layer + 2])
    columns = [incoming, outgoing.T, *base.kept_columns(network, layer)]
    if extra is not None:
        extra = np.asarray(extra, dtype=float)
        if extra.ndim != 2 or len(extra) != len(incoming):
            raise ValueError(
                f"extra: got shape {extra.shape} for hidden layer {layer + 1}, required is ({len(incoming)}, k)."
            )
        columns.append(extra)
    return np.hstack(columns)


def _narrowed_rule(rule: AbstractLearningRule, rotations: Rotations) -> AbstractLearningRule:
    """`rule` for the narrow network: feedback matrices are rotated, gains are those of the groups."""
    units = [None, *(r and r.representatives for r in rotations), None]
    return rule.narrowed(
        lambda matrices: _turned(matrices, rotations, Rotation.narrow),
        lambda gains: [_taken(g, units[layer + 1], units[layer]) for layer, g in enumerate(gains)],
    )


def _taken(gains: Matrix, post: Units | None, pre: Units | None) -> np.ndarray:
    """Gains of some units; one that is the same for all units stays one."""
    gains = np.asarray(gains)
    gains = gains if post is None or gains.shape[0] == 1 else gains[post]
    return gains if pre is None or gains.shape[1] == 1 else gains[:, pre]


def _turned(matrices: Sequence[Any], rotations: Rotations, turn: Callable) -> list[Any]:
    """Every matrix (post × pre) with its hidden units turned on both sides; None stays None."""
    turned = []
    for matrix, post, pre in zip(matrices, (*rotations, None), (None, *rotations), strict=True):
        if matrix is not None:
            matrix = np.asarray(matrix)
            matrix = matrix if post is None else turn(post, matrix)
            matrix = matrix if pre is None else np.ascontiguousarray(turn(pre, matrix.T).T)
        turned.append(matrix)
    return turned
