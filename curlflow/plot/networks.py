"""Networks as graphs: neurons in layers from left to right, synapses between them, docs/graphs.md."""

import json
from collections.abc import Hashable
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import styled

COLORS = {"excitatory": "#c8553d", "inhibitory": "#33658a", None: "0.55"}
MARKERS = {1.0: ("o", "rule sign +1"), -1.0: ("s", "rule sign −1"), None: ("D", "other rule sign")}
WEIGHTS = LinearSegmentedColormap.from_list("weights", [COLORS["inhibitory"], "0.85", COLORS["excitatory"]])
"""The color of inhibition for negative weights, light grey at zero, that of excitation for positive ones."""
OWN_SIGN = (0, (3, 2))
"""Dashes of synapses with another rule sign than their neuron."""

Positions = dict[Hashable, tuple[float, float]]


@styled()
def graph(graph_or_dataset: Any) -> Figure:
    """Draw a network: layers from left to right, the neurons of a layer from top to bottom in their order.

    ```python
    curlflow.plot.graph(spec.build().graph())
    ```

    **Returns:** a Matplotlib figure. The color of a neuron is its type, its shape is its rule sign (that of the
    synapses that leave it); the color and width of a line are the weight of the synapse, where edges have weights. A
    synapse whose rule sign is not that of its neuron is dashed.

    **Arguments:**

    - `graph_or_dataset`: a `networkx.DiGraph` whose nodes have the attribute `layer`, or a dataset of a study that
      was run with `graph=`.

    **Raises:** `ValueError` for anything else.
    """
    network = _network(graph_or_dataset)
    layers = _layers(network)
    tallest = max(map(len, layers))
    height = float(np.clip(0.36 * tallest + 1.0, 2.6, 7.5))
    figure, axes = plt.subplots(figsize=(2.3 * len(layers) + 1.6, height))
    # Columns at x = 0, 1, … of comparable heights, the first neuron on top.
    positions: Positions = {}
    for x, names in enumerate(layers):
        top = np.sqrt((len(names) - 1) / max(tallest - 1, 1)) / 2
        heights = np.linspace(top, -top, len(names)).tolist()
        positions |= {name: (float(x), y) for name, y in zip(names, heights, strict=True)}
    _synapses(axes, network, positions)
    _neurons(axes, network, layers, positions, size=float(np.clip(0.7 * 72 * height / tallest, 3.0, 11.0)))
    last = len(layers) - 1
    kinds = ["inputs", *("hidden" if last == 2 else f"hidden {i}" for i in range(1, last)), "outputs"]
    captions = [f"{kind}\n({len(names)})" for kind, names in zip(kinds[-len(layers) :], layers, strict=True)]
    axes.set(xticks=range(len(layers)), xticklabels=captions, yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.margins(0.12, 0.06)
    handles = _legend(network, layers)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * len(layers)))
    return figure


def _network(given: Any) -> nx.DiGraph:
    """The graph, read from the attribute `graph` of a dataset if need be."""
    if isinstance(given, xr.Dataset):
        text = str(given.attrs.get("graph", ""))
        if not text.startswith("{"):
            why = "it has only the digest of one" if text else "it was made without graph="
            raise ValueError(f"graph_or_dataset: the dataset holds no graph ({why}); give a networkx.DiGraph.")
        return nx.node_link_graph(json.loads(text), edges="edges")
    if not isinstance(given, nx.DiGraph):
        raise ValueError(
            f"graph_or_dataset: got {type(given).__name__}, required is a networkx.DiGraph or a dataset of a study "
            "that was run with graph=."
        )
    return given


def _layers(network: nx.DiGraph) -> list[list[Hashable]]:
    layers: dict[Any, list[Hashable]] = {}
    for name, layer in network.nodes(data="layer"):
        if isinstance(layer, bool) or not isinstance(layer, int | np.integer):
            raise ValueError(f"layer: got {layer!r} for node {name!r}, required is a whole number for every node.")
        layers.setdefault(int(layer), []).append(name)
    if not layers:
        raise ValueError("graph_or_dataset: got a graph without nodes, required are neurons.")
    return [layers[layer] for layer in sorted(layers)]


def _sign(data: dict) -> float:
    """The rule sign of a neuron, as `curlflow.networks.from_graph` reads it."""
    sign = data.get("rule_sign")
    return (-1.0 if data.get("type") == "inhibitory" else 1.0) if sign is None else float(sign)


def _has_own_sign(network: nx.DiGraph, pre: Hashable, post: Hashable, data: dict) -> bool:
    """Whether a synapse has another rule sign than the neuron that it leaves."""
    return data.get("rule_sign") is not None and float(data["rule_sign"]) != _sign(network.nodes[pre])


def _mark(data: dict) -> tuple[str, str]:
    return MARKERS.get(_sign(data), MARKERS[None])


def _neurons(axes: Axes, network: nx.DiGraph, layers: list, positions: Positions, size: float) -> None:
    style = {"markersize": size, "zorder": 3, "markeredgecolor": "white", "markeredgewidth": 0.05 * size}
    groups: dict[tuple, list[tuple[float, float]]] = {}
    for name, place in positions.items():
        # Outputs have no rule sign: no synapse leaves them.
        marker, _ = MARKERS[1.0] if name in layers[-1] else _mark(network.nodes[name])
        color = COLORS.get(network.nodes[name].get("type"), COLORS[None])
        groups.setdefault((color, marker), []).append(place)
    for (color, marker), places in groups.items():
        axes.plot(*np.transpose(places), marker, color=color, **style)
    if max(map(len, layers)) <= 16:
        style = {"textcoords": "offset points", "ha": "center", "fontsize": 8, "parse_math": False}
        for name, place in positions.items():
            axes.annotate(str(name), place, (0, 0.62 * size), **style)


def _synapses(axes: Axes, network: nx.DiGraph, positions: Positions) -> None:
    """Lines, the strongest synapses on top; with a colour bar where all have weights."""
    edges = sorted(network.edges(data=True), key=lambda edge: abs(edge[2].get("weight") or 0.0))
    styles = [OWN_SIGN if _has_own_sign(network, *edge) else "solid" for edge in edges]
    layer = np.array([positions[pre][0] for pre, *_ in edges], dtype=int)
    # Beyond a hundred synapses between two layers, lines become thinner and fainter.
    crowd = np.maximum(np.bincount(layer)[layer] / 100, 1.0)
    faint, strong, widest = 0.8 / crowd**0.5, 0.95 * crowd**-0.12, 2.4 * crowd**-0.3
    lines = LineCollection([(positions[pre], positions[post]) for pre, post, _ in edges], linestyles=styles, zorder=1)
    axes.add_collection(lines)
    if not edges or any(data.get("weight") is None for *_, data in edges):
        lines.set(color="0.35", alpha=faint, linewidth=0.4 * widest)
        return
    weights = np.array([float(data["weight"]) for *_, data in edges])
    largest = float(np.abs(weights).max()) or 1.0
    strength = np.abs(weights) / largest
    lines.set(array=weights, cmap=WEIGHTS, norm=Normalize(-largest, largest))
    lines.set(linewidth=widest * (0.25 + 0.75 * strength), alpha=faint + (strong - faint) * strength)
    scale = ScalarMappable(lines.norm, lines.cmap)
    bar = axes.figure.colorbar(scale, ax=axes, label="weight", shrink=0.7, aspect=25, pad=0.02)
    bar.outline.set_visible(False)


def _legend(network: nx.DiGraph, layers: list[list[Hashable]]) -> list[Line2D]:
    """One entry for every type and sign that occurs, where more than one does."""
    kinds = {network.nodes[name].get("type") for names in layers for name in names}
    signs = {_mark(network.nodes[name]) for names in layers[:-1] for name in names}
    marks = [("o", COLORS[kind], kind or "no type") for kind in COLORS if kind in kinds and kinds != {None}]
    marks += [(mark[0], "0.3", mark[1]) for mark in MARKERS.values() if mark in signs and signs != {MARKERS[1.0]}]
    handles = [Line2D([], [], linestyle="", marker=m, color=c, markersize=7, label=text) for m, c, text in marks]
    if any(_has_own_sign(network, *edge) for edge in network.edges(data=True)):
        handles.append(Line2D([], [], color="0.3", linestyle=OWN_SIGN, label="synapse with its own rule sign"))
    return handles
