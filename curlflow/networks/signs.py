"""Which synapses follow the flipped rule: from a selection of units to a gain for every synapse.

A gain multiplies the velocity of a synapse: 1 where the rule is unchanged, −1 (or another number) where it is
flipped. Gains of a layer have the shape (1, pre) for signs of the presynaptic neurons, (post, 1) for the postsynaptic
ones, and (post, pre) for signs of single synapses.
"""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

Selection = float | dict
"""A fraction (the first ⌊αn⌋), `{"count": m}`, `{"indices": [...]}` or `{"random": α}`."""


def flipped_count(fraction: float | int, size: int) -> int:
    """⌊αn + 10⁻⁹⌋: the guard makes 0.7 · 90 give 63 although 0.7 is a little less than 7/10."""
    return math.floor(fraction * size + 1e-9)


def flipped_indices(selection: Selection, size: int, field: str, *, key) -> Int[np.ndarray, " flipped"]:
    """The indices out of `range(size)` that `selection` names.

    **Arguments:**

    - `selection`: a fraction in [0, 1] for the first ⌊αn⌋, or a dictionary with one of `count`, `indices`,
      `random` (a fraction; exactly ⌊αn⌋ are drawn).
    - `size`: how many there are to choose from.
    - `field`: what to call the selection in an error.
    - `key`: a JAX key, used for `random` only.

    **Raises:** `ValueError` for counts and indices out of range.
    """
    if not isinstance(selection, dict):
        return np.arange(flipped_count(selection, size))
    if "random" in selection:
        return np.sort(np.asarray(jax.random.permutation(key, size))[: flipped_count(selection["random"], size)])
    if "count" in selection:
        if selection["count"] > size:
            raise ValueError(f"{field}.count: got {selection['count']}, allowed is 0 to {size}, the number of them.")
        return np.arange(selection["count"])
    indices = np.asarray(selection["indices"], dtype=int)
    if indices.size and (indices.min() < 0 or indices.max() >= size or len(set(indices.tolist())) < indices.size):
        raise ValueError(f"{field}.indices: got {indices.tolist()}, allowed are different indices 0 to {size - 1}.")
    return indices


def gains(
    widths: Sequence[int], side: str, selections: Sequence[Selection], gain: float, fields: Sequence[str], *, key
) -> tuple[Float[np.ndarray, "post_or_1 pre_or_1"], ...]:
    """One array of gains per layer.

    **Arguments:**

    - `widths`: numbers of units from the inputs to the outputs.
    - `side`: `"presynaptic"`, `"postsynaptic"` or `"synapse"`.
    - `selections`: one selection per layer of weights: of the units before it, of those after it, or of its
      post · pre synapses counted row by row.
    - `gain`: the gain of what is flipped.
    - `fields`: what to call each selection in an error.
    - `key`: a JAX key; every layer has its own stream.
    """
    result = []
    for layer, (pre, post) in enumerate(zip(widths, widths[1:], strict=False)):
        shape = {"presynaptic": (1, pre), "postsynaptic": (post, 1), "synapse": (post, pre)}[side]
        array = np.ones(shape)
        layer_key = jax.random.fold_in(key, layer)
        array.flat[flipped_indices(selections[layer], array.size, fields[layer], key=layer_key)] = gain
        result.append(array)
    return tuple(result)
