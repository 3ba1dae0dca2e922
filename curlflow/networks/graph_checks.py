"""The conditions for a graph to be a network, checked one by one, with a sentence for each that fails.

Neurons are nodes with `layer` (0 = inputs), synapses are edges from one layer to the next; docs/graphs.md.
"""

import math
import numbers
import reprlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import jax
import networkx as nx
import numpy as np

from .activations import ACTIVATIONS

TYPES = ("excitatory", "inhibitory")
Layers = tuple[tuple[Hashable, ...], ...]
"""The names of the neurons of every layer, in their order."""


def check_directed(graph: Any) -> None:
    """Refuse anything but a simple directed graph."""
    if not isinstance(graph, nx.Graph):
        raise ValueError(f"graph: got {type(graph).__name__}, required is a networkx.DiGraph.")
    if graph.is_multigraph():
        raise ValueError("graph: got a multigraph, required is a networkx.DiGraph: one synapse joins two neurons.")
    if not graph.is_directed():
        raise ValueError("graph: got an undirected graph, required is a networkx.DiGraph: a synapse has a direction.")
    if len(graph) == 0:
        raise ValueError("graph: got a graph without nodes, required are neurons with the attribute layer.")


def checked_layers(graph: nx.DiGraph) -> Layers:
    """The neurons of every layer in the order of the graph's nodes.

    **Raises:** `ValueError` for neurons without a layer, layers that are not whole numbers, and gaps between them.
    """
    layers: dict[int, list[Hashable]] = {}
    for node, data in graph.nodes(data=True):
        if data.get("layer") is None:
            raise ValueError(
                f"layer: node {node!r} has none, required is a whole number from 0 (the inputs) for every node."
            )
        layer = data["layer"]
        if isinstance(layer, bool) or not isinstance(layer, numbers.Integral) or layer < 0:
            raise ValueError(
                f"layer: got {layer!r} for node {node!r}, allowed are whole numbers from 0 (the inputs)."
            )
        layers.setdefault(int(layer), []).append(node)
    empty = next((layer for layer in range(max(layers)) if layer not in layers), None)
    if empty is not None:
        raise ValueError(
            f"layer: no node has layer {empty}, but {layers[max(layers)][0]!r} has layer {max(layers)}; "
            "layers are counted from 0 without gaps."
        )
    if len(layers) < 2:
        raise ValueError("layer: all nodes have layer 0, required are inputs (0) and at least one more layer.")
    return tuple(tuple(layers[layer]) for layer in range(len(layers)))


def check_edges(graph: nx.DiGraph, layers: Layers) -> None:
    """Refuse cycles, synapses that do not lead to the next layer, and layers that no synapse joins."""
    if not nx.is_directed_acyclic_graph(graph):
        cycle = [node for node, *_ in nx.find_cycle(graph)]
        path = " → ".join(repr(node) for node in [*cycle, cycle[0]])
        raise ValueError(f"graph: got the cycle {path}, allowed are feedforward networks, which have none.")
    depth = {node: layer for layer, nodes in enumerate(layers) for node in nodes}
    joined = set()
    for pre, post in graph.edges:
        step = depth[post] - depth[pre]
        if step != 1:
            kind = "stays within a layer" if step == 0 else "goes backwards" if step < 0 else "skips a layer"
            raise ValueError(
                f"graph: the edge {pre!r} → {post!r} leads from layer {depth[pre]} to layer {depth[post]}: it "
                f"{kind}; allowed are edges to the next layer."
            )
        joined.add(depth[pre])
    for layer in range(len(layers) - 1):
        if layer not in joined:
            raise ValueError(f"graph: no edge leads from layer {layer} to layer {layer + 1}, one is required.")


def checked_type(node: Hashable, data: dict) -> str | None:
    """The type of a neuron."""
    value = data.get("type")
    if value is not None and (not isinstance(value, str) or value not in TYPES):
        raise ValueError(f"type: got {value!r} for node {node!r}, allowed are {', '.join(TYPES)}, or none.")
    return value


def checked_number(field: str, value: Any, where: str) -> float:
    """A finite real number in double precision."""
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 0:
        value = np.asarray(value)[()]
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        number = float(value) if real else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{field}: got {reprlib.repr(value)} for {where}, allowed are finite numbers.")
    if isinstance(value, np.floating) and value.dtype != np.float64:
        raise ValueError(f"{field}: got {value.dtype} for {where}, double precision is required; pass a float.")
    return number


def checked_activation(graph: nx.DiGraph, field: str) -> str | None:
    """An activation among the attributes of the graph."""
    value = graph.graph.get(field)
    if value is not None and (not isinstance(value, str) or value not in ACTIVATIONS):
        raise ValueError(f"{field}: got {value!r} as attribute of the graph, allowed are {', '.join(ACTIVATIONS)}.")
    return value


def layers_of(field: str, given: Any, required: str) -> list[np.ndarray]:
    """A list of arrays, one for every layer of weights."""
    if isinstance(given, str) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0:
        raise ValueError(f"{field}: got {given!r}, required is {required} for every layer.")
    try:
        return [np.asarray(array) for array in given]
    except ValueError:
        raise ValueError(f"{field}: a layer is no array; required is {required} for every layer.") from None


def checked_weights(weights: Any, masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One array of finite numbers per layer, 0 where the mask has no synapse.

    **Raises:** `ValueError` for other shapes, numbers that are not finite and weights on missing synapses.
    """
    weights = layers_of("weights", weights, "one array (post, pre)")
    shapes, required = [w.shape for w in weights], [m.shape for m in masks]
    if shapes != required:
        raise ValueError(f"weights: got shapes {shapes}, required are {required}.")
    for layer, (mask, w) in enumerate(zip(masks, weights, strict=True), start=1):
        if w.dtype.kind not in "iuf" or not np.isfinite(w).all():
            raise ValueError(f"weights: layer {layer} has values that are no finite real numbers; all must be.")
        extra = int(np.count_nonzero(w[~mask]))
        if extra:
            raise ValueError(f"weights: layer {layer} has {extra} weights on missing synapses; they must be 0.")
    return weights


def checked_gains(gains: Any, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """One array of finite numbers per layer that broadcasts against its weights."""
    gains = layers_of("gains", gains, "one array of gains")
    fit = len(gains) == len(shapes) and all(
        g.ndim == 2 and all(a in (1, b) for a, b in zip(g.shape, shape, strict=True))
        for g, shape in zip(gains, shapes, strict=True)
    )
    if not fit:
        raise ValueError(
            f"gains: got shapes {[g.shape for g in gains]}, required are {list(shapes)}, or 1 in place of any number."
        )
    if any(g.dtype.kind not in "iuf" or not np.isfinite(g).all() for g in gains):
        raise ValueError("gains: got values that are no finite real numbers, allowed are those.")
    return gains
