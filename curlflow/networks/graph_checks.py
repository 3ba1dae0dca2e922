"""The conditions for a graph to be a network, with a sentence for each that fails; docs/graphs.md."""

import numbers
import reprlib
import sys
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import jax
import networkx as nx
import numpy as np

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


def check_no_biases(network: Any) -> None:
    """Refuse a network with biases."""
    if network.biases is not None:
        raise ValueError("network: it has biases (network.biases), which a graph does not hold.")


def checked_layers(graph: nx.DiGraph) -> Layers:
    """The neurons of every layer in the order of the graph's nodes; layers must be counted from 0 without gaps."""
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


def checked_word(field: str, value: Any, allowed: Iterable[str], where: str) -> str | None:
    """A word out of those that are allowed, or None."""
    if value is not None and (not isinstance(value, str) or value not in allowed):
        raise ValueError(f"{field}: got {value!r} {where}, allowed are {', '.join(allowed)}, or none.")
    return value


def checked_type(node: Hashable, value: Any) -> str | None:
    """The type of a neuron."""
    return checked_word("type", value, ("excitatory", "inhibitory"), f"for node {node!r}")


def checked_number(field: str, value: Any, where: str) -> float:
    """A finite real number in double precision."""
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 0:
        value = np.asarray(value)[()]
    if isinstance(value, np.floating) and value.dtype != np.float64:
        raise ValueError(f"{field}: got {value.dtype} for {where}, double precision is required; pass a float.")
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{field}: got {reprlib.repr(value)} for {where}, allowed are finite numbers.")
    return float(value)


def listed(field: str, given: Any, required: str) -> list[Any]:
    """A list with one entry for every layer of weights."""
    iterable = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) > 0
    entries = list(given) if iterable else []
    if not entries:
        raise ValueError(f"{field}: got {given!r}, required is {required} for every layer.")
    return entries


def layers_of(
    field: str, given: Any, required: str, shapes: Sequence[tuple[int, ...]] | None = None
) -> list[np.ndarray]:
    """A list of arrays, one for every layer of weights, of these shapes if any are given."""
    layers = listed(field, given, required)
    try:
        arrays = [np.asarray(layer) for layer in layers]
    except ValueError:
        raise ValueError(f"{field}: a layer is no array; required is {required} for every layer.") from None
    found = [array.shape for array in arrays]
    if shapes is not None and found != list(shapes):
        raise ValueError(f"{field}: got shapes {found}, required are those of the network: {list(shapes)}.")
    return arrays


def checked_weights(weights: Any, masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One array of finite numbers per layer, of the shape of its mask, 0 where that has no synapse."""
    weights = layers_of("weights", weights, "one array (post, pre)", [m.shape for m in masks])
    for layer, (mask, w) in enumerate(zip(masks, weights, strict=True), start=1):
        if w.dtype.kind not in "iuf" or not np.isfinite(w).all():
            raise ValueError(f"weights: layer {layer} has values that are no finite real numbers; all must be.")
        if extra := np.count_nonzero(w[~mask]):
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
