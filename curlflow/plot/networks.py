"""Networks as graphs: neurons in layers from left to right, synapses between them, docs/graphs.md."""

import json
from collections.abc import Hashable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import styled

COLORS = {"excitatory": "#c8553d", "inhibitory": "#33658a", None: "0.55"}
"""Colors of the types of neurons."""
MARKERS = {"+": ("o", "rule sign +1"), "-": ("s", "rule sign −1"), "other": ("D", "other rule sign")}
"""Shape and label of the rule signs of neurons."""
LABELLED = 16
"""Names are written beside the neurons where no layer has more than this many."""
WIDEST = 2.4
"""Width of the line of the strongest synapse, in points, between layers of up to `MANY` synapses."""
MANY = 100
"""Beyond this number between two layers, lines become thinner and fainter."""
SIDE = 11.0
"""Largest diameter of a neuron, in points."""

Positions = dict[Hashable, tuple[float, float]]


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
    tallest = max(len(names) for names in layers)
    with styled():
        height = float(np.clip(0.36 * tallest + 1.0, 2.6, 7.5))
        figure, axes = plt.subplots(figsize=(2.3 * len(layers) + 1.6, height))
        positions = _positions(network, layers)
        _synapses(figure, axes, network, positions)
        _neurons(axes, network, layers, positions, size=float(np.clip(0.7 * 72 * height / tallest, 3.0, SIDE)))
        axes.set_xticks(range(len(layers)), _captions(layers))
        axes.set_yticks([])
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


def _captions(layers: list[list[Hashable]]) -> list[str]:
    last = len(layers) - 1
    kinds = ["inputs", *("hidden" if last == 2 else f"hidden {i}" for i in range(1, last)), "outputs"]
    return [f"{kind}\n({len(names)})" for kind, names in zip(kinds[-len(layers) :], layers, strict=True)]


def _positions(network: nx.DiGraph, layers: list[list[Hashable]]) -> Positions:
    """networkx's layout in columns, at x = 0, 1, … and of comparable heights, the first neuron on top."""
    flat = nx.multipartite_layout(network, subset_key=dict(enumerate(layers)))
    positions: Positions = {}
    tallest = max(len(names) for names in layers)
    for x, names in enumerate(layers):
        heights = np.array([flat[name][1] for name in names])
        span = np.ptp(heights)
        reach = np.sqrt((len(names) - 1) / max(tallest - 1, 1))
        scaled = (heights - heights.mean()) * (reach / span if span else 0.0)
        positions |= {name: (float(x), -float(y)) for name, y in zip(names, scaled, strict=True)}
    return positions


def _sign(data: dict) -> float:
    """The rule sign of a neuron, as `curlflow.networks.from_graph` reads it."""
    sign = data.get("rule_sign")
    return (-1.0 if data.get("type") == "inhibitory" else 1.0) if sign is None else float(sign)


def _has_own_sign(network: nx.DiGraph, pre: Hashable, post: Hashable, data: dict) -> bool:
    """Whether a synapse has another rule sign than the neuron that it leaves."""
    sign, neuron = data.get("rule_sign"), _sign(network.nodes[pre])
    return sign is not None and float(sign) != neuron


def _shape(sign: float) -> str:
    return "+" if sign == 1 else "-" if sign == -1 else "other"


def _neurons(axes: Axes, network: nx.DiGraph, layers: list, positions: Positions, size: float) -> None:
    groups: dict[tuple, list[Hashable]] = {}
    for layer, names in enumerate(layers):
        for name in names:
            data = network.nodes[name]
            shape = "+" if layer == len(layers) - 1 else _shape(_sign(data))
            groups.setdefault((data.get("type"), shape), []).append(name)
    for (kind, shape), names in groups.items():
        x, y = zip(*(positions[name] for name in names), strict=True)
        color = COLORS.get(kind, COLORS[None])
        axes.plot(
            x, y, MARKERS[shape][0], color=color, markersize=size, zorder=3,
            markeredgecolor="white", markeredgewidth=0.05 * size,
        )  # fmt: skip
    if max(len(names) for names in layers) <= LABELLED:
        for name, place in positions.items():
            axes.annotate(
                str(name), place, (0, 0.62 * size), textcoords="offset points", ha="center", fontsize=8,
                parse_math=False,
            )  # fmt: skip


def _synapses(figure: Figure, axes: Axes, network: nx.DiGraph, positions: Positions) -> None:
    edges = list(network.edges(data=True))
    segments = [(positions[pre], positions[post]) for pre, post, _ in edges]
    own = [_has_own_sign(network, *edge) for edge in edges]
    styles = [(0, (3, 2)) if other else "solid" for other in own]
    layer = np.array([positions[pre][0] for pre, *_ in edges], dtype=int)
    crowd = np.maximum(np.bincount(layer)[layer] / MANY, 1.0)
    faint, strong, widest = 0.8 / crowd**0.5, 0.95 * crowd**-0.12, WIDEST * crowd**-0.3
    if not edges or any(d.get("weight") is None for *_, d in edges):
        axes.add_collection(
            LineCollection(segments, colors="0.35", alpha=faint, linewidths=0.4 * widest, linestyles=styles, zorder=1)
        )
        return
    weights = np.array([float(d["weight"]) for *_, d in edges])
    largest = float(np.abs(weights).max()) or 1.0
    order = np.argsort(np.abs(weights), kind="stable")  # strong synapses lie on top
    strength, faint, strong, widest = (a[order] for a in (np.abs(weights) / largest, faint, strong, widest))
    lines = LineCollection(
        [segments[i] for i in order], array=weights[order], cmap=_map(), norm=mpl.colors.Normalize(-largest, largest),
        linewidths=widest * (0.25 + 0.75 * strength), linestyles=[styles[i] for i in order], zorder=1,
        alpha=faint + (strong - faint) * strength,
    )  # fmt: skip
    axes.add_collection(lines)
    scale = mpl.cm.ScalarMappable(lines.norm, lines.cmap)
    figure.colorbar(scale, ax=axes, label="weight", shrink=0.7, aspect=25, pad=0.02).outline.set_visible(False)


def _map() -> mpl.colors.Colormap:
    """The color of inhibition for negative weights, light grey at zero, that of excitation for positive ones."""
    colors = [COLORS["inhibitory"], "0.85", COLORS["excitatory"]]
    return mpl.colors.LinearSegmentedColormap.from_list("weights", colors)


def _legend(network: nx.DiGraph, layers: list[list[Hashable]]) -> list[Line2D]:
    """One entry for every type and sign that occurs, where more than one does."""
    kinds = {network.nodes[name].get("type") for names in layers for name in names}
    shapes = {_shape(_sign(network.nodes[name])) for names in layers[:-1] for name in names}
    handles = []
    if kinds != {None}:
        named = {"excitatory": "excitatory", "inhibitory": "inhibitory", None: "no type"}
        handles += [_mark("o", COLORS[kind], text) for kind, text in named.items() if kind in kinds]
    if shapes - {"+"}:
        handles += [_mark(mark, "0.3", text) for key, (mark, text) in MARKERS.items() if key in shapes]
    if any(_has_own_sign(network, *edge) for edge in network.edges(data=True)):
        handles.append(Line2D([], [], color="0.3", linestyle=(0, (3, 2)), label="synapse with its own rule sign"))
    return handles


def _mark(marker: str, color: str, label: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=color, markersize=7, label=label)
