"""What a graph says about a network: widths, missing synapses, neuron types, rule signs, perhaps weights.

hₗ = φ((Pₗ ∘ Wₗ) hₗ₋₁) with Pₗ the mask of layer l, and a velocity Gₗ ∘ Fₗ with the gains Gₗ of equation (2) of
docs/model.md: the sign belongs to the presynaptic neuron, unless a synapse has one of its own.
"""

import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float

from .feedforward import Feedforward
from .graph_checks import Layers, check_no_biases, checked_gains, checked_weights, layers_of


@dataclass(frozen=True, eq=False)
class Architecture:
    """A network as drawn. `curlflow.networks.from_graph` makes it.

    **Attributes:**

    - `nodes`: for every layer, the names of its neurons in the order of the units.
    - `masks`: one boolean array per layer of weights (post × pre), False where a synapse is missing.
    - `gains`: what `SignFlipped(rule, gains)` takes, one array per layer of weights: (1, pre) where signs belong to
      neurons, (post, pre) where a synapse of the layer has one of its own.
    - `weights`: one array per layer (post × pre), 0 where a synapse is missing; None where no edge has a weight.
    - `types`: for every layer, `"excitatory"`, `"inhibitory"` or None for each of its neurons.
    - `activation`, `output_activation`: φ and φ_out, None where the graph does not say.
    - `drawn`: the graph itself, frozen.
    """

    nodes: Layers
    masks: tuple[Bool[np.ndarray, "_ _"], ...]
    gains: tuple[Float[np.ndarray, "_ _"], ...]
    weights: tuple[Float[np.ndarray, "_ _"], ...] | None
    types: tuple[tuple[str | None, ...], ...]
    activation: str | None
    output_activation: str | None
    drawn: nx.DiGraph

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from the inputs to the outputs."""
        return tuple(len(names) for names in self.nodes)

    @property
    def is_fully_connected(self) -> bool:
        """Whether no synapse between consecutive layers is missing."""
        return all(bool(m.all()) for m in self.masks)

    @property
    def has_signs(self) -> bool:
        """Whether any synapse learns with a gain other than 1."""
        return any(bool(((g != 1) & m).any()) for g, m in zip(self.gains, self.masks, strict=True))

    def masked(self, weights: Any) -> list[Float[np.ndarray, "_ _"]]:
        """`weights` (one array per layer, post × pre) with 0 for the missing synapses.

        **Raises:** `ValueError` for other shapes.
        """
        weights = layers_of("weights", weights, "one array (post, pre)", [m.shape for m in self.masks])
        return [np.where(m, w, 0.0) for m, w in zip(self.masks, weights, strict=True)]

    def network(self, weights: Any = None) -> Feedforward:
        """A network of this architecture, linear where the graph names no activation.

        **Arguments:**

        - `weights`: one array per layer (post × pre), 0 for missing synapses; `masked` makes them so. By default the
          weights of the edges.

        **Raises:** `ValueError` for weights of other shapes, on missing synapses or not finite, and where neither the
        argument nor the edges give weights.
        """
        weights = self.weights if weights is None else weights
        if weights is None:
            raise ValueError("weights: the edges of the graph have none, so they must be given.")
        weights = checked_weights(weights, self.masks)
        return Feedforward(weights, self.activation or "linear", self.output_activation or "linear")

    def graph(self, network: Feedforward | None = None, *, gains: Sequence[Any] | None = None) -> nx.DiGraph:
        """The graph as it was drawn, with all attributes and in its order; a copy that may be changed.

        **Arguments:**

        - `network`: a network whose weights and activations are written into the graph.
        - `gains`: one array per layer, to write as `rule_sign` where they differ from what the graph says.

        **Raises:** `ValueError` for weights and gains of other shapes or not finite, weights on missing synapses, and
        a network with biases.
        """
        graph = self.drawn.copy()
        if network is not None:
            check_no_biases(network)
            write_weights(graph, self.nodes, checked_weights(network.weights, self.masks))
            graph.graph |= {"activation": network.activation, "output_activation": network.output_activation}
        gains = self.gains if gains is None else checked_gains(gains, [m.shape for m in self.masks])
        for layer, gain in enumerate(gains):
            if ((gain != self.gains[layer]) & self.masks[layer]).any():
                write_gains(graph, self.nodes, layer, gain)
        return graph

    def to_json(self) -> str:
        """All that enters a computation, in networkx's node-link format: the same text for the same network.

        Read it with `networkx.node_link_graph(json.loads(text), edges="edges")`. The user's own attributes are left
        out. Names that JSON has are kept: strings, finite numbers and flat tuples of them. Nested tuples and bytes
        become their `repr`, everything else "neuron 3 of layer 1" (counted from 1 within its layer), with a prime if
        another neuron has that name.
        """
        named = _json_names(self.nodes)
        plain = nx.DiGraph()
        plain.graph |= _known(self.drawn.graph, {"activation": str, "output_activation": str})
        for name, word in named.items():
            plain.add_node(word, **_known(self.drawn.nodes[name], {"layer": int, "type": str, "rule_sign": float}))
        place = {name: number for number, name in enumerate(named)}
        for pre, post in sorted(self.drawn.edges, key=lambda edge: (place[edge[0]], place[edge[1]])):
            data = self.drawn.edges[pre, post]
            plain.add_edge(named[pre], named[post], **_known(data, {"weight": float, "rule_sign": float}))
        return json.dumps(nx.node_link_data(plain, edges="edges"), ensure_ascii=False)


def places(graph: nx.DiGraph, nodes: Layers) -> dict[tuple[Hashable, Hashable], tuple[int, int, int]]:
    """For every edge its layer of weights and its place in that layer, (post, pre)."""
    unit = {name: (layer, number) for layer, names in enumerate(nodes) for number, name in enumerate(names)}
    return {(pre, post): (unit[pre][0], unit[post][1], unit[pre][1]) for pre, post in graph.edges}


def write_weights(graph: nx.DiGraph, nodes: Layers, weights: Sequence[np.ndarray]) -> None:
    """Set the attribute `weight` of every edge of `graph`."""
    for edge, (layer, post, pre) in places(graph, nodes).items():
        graph.edges[edge]["weight"] = float(weights[layer][post, pre])


def write_gains(graph: nx.DiGraph, nodes: Layers, layer: int, gain: np.ndarray) -> None:
    """Set `rule_sign` of the neurons before a layer of weights if all gains are theirs, else of its edges."""
    if gain.shape[0] == 1:
        for name, value in zip(nodes[layer], np.broadcast_to(gain[0], len(nodes[layer])), strict=True):
            graph.nodes[name]["rule_sign"] = float(value)
            for post in graph.successors(name):
                graph.edges[name, post].pop("rule_sign", None)
        return
    gain = np.broadcast_to(gain, (len(nodes[layer + 1]), len(nodes[layer])))
    for edge, (at, post, pre) in places(graph, nodes).items():
        if at == layer:
            graph.edges[edge]["rule_sign"] = float(gain[post, pre])


def _known(data: dict, kinds: dict[str, type]) -> dict[str, Any]:
    """The attributes with these names, where they are set, as these types."""
    return {name: kind(data[name]) for name, kind in kinds.items() if data.get(name) is not None}


def _json_names(nodes: Layers) -> dict[Hashable, Hashable]:
    """For every neuron the name that stands for it in JSON, all different."""
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
