"""Names of neurons in JSON: kept where JSON has them, otherwise replaced by a word that no other neuron has."""

import math
from collections.abc import Hashable

import numpy as np

from .graph_checks import Layers


def json_names(nodes: Layers) -> dict[Hashable, Hashable]:
    """For every neuron the name that stands for it in JSON, all different.

    Strings, finite numbers and flat tuples of them are kept (networkx reads lists as tuples). Nested tuples and bytes
    become their `repr`; everything else becomes "neuron 3 of layer 1", counted from 1 within its layer (the text of
    other objects need not be the same in the next session). If another neuron has that name, a prime is added.
    """
    every = [(layer, number, name) for layer, names in enumerate(nodes) for number, name in enumerate(names, start=1)]
    found = {name: _plain(name) for *_, name in every if _is_kept(name)}
    taken = set(found.values())
    for layer, number, name in every:
        if name not in found:
            word = repr(name) if _has_stable_text(name) else f"neuron {number} of layer {layer}"
            while word in taken:
                word += "′"
            found[name] = word
            taken.add(word)
    return {name: found[name] for *_, name in every}


def _is_number_or_text(name: Hashable) -> bool:
    if isinstance(name, str):
        return not any(0xD800 <= ord(letter) < 0xE000 for letter in name)  # lone surrogates have no UTF-8
    if isinstance(name, float | np.floating):
        return math.isfinite(name)
    return isinstance(name, int | np.integer | np.bool_)


def _is_kept(name: Hashable) -> bool:
    """Whether JSON returns the name unchanged."""
    return all(map(_is_number_or_text, name)) if type(name) is tuple else _is_number_or_text(name)


def _plain(name: Hashable) -> Hashable:
    if type(name) is tuple:
        return tuple(map(_plain, name))
    return name.item() if isinstance(name, np.generic) else name


def _has_stable_text(name: Hashable) -> bool:
    """Whether `repr` gives the same text in every session."""
    if type(name) is tuple:
        return all(map(_has_stable_text, name))
    return name is None or isinstance(name, bytes | complex) or _is_number_or_text(name)
