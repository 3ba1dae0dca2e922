"""curlflow: a dynamical-systems analysis toolkit for learning rules.

```python
import curlflow

ds = curlflow.lyapunov(curlflow.preset("hidden_chaos"))
curlflow.save(ds, "hidden_chaos.nc")
curlflow.plot.lyapunov(ds)
```

Importing curlflow loads none of its dependencies; each public name loads what it needs on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Axis": "curlflow.sweeping",
    "Diffusion": "curlflow.systems",
    "Flow": "curlflow.systems",
    "Interrupted": "curlflow.interrupts",
    "Map": "curlflow.systems",
    "Problem": "curlflow.problem",
    "Spec": "curlflow.spec",
    "Status": "curlflow.status",
    "bifurcation": "curlflow.diagrams",
    "boundary": "curlflow.studies.boundaries",
    "classify": "curlflow.studies.classification",
    "compare_rules": "curlflow.studies.rule_comparison",
    "convergence": "curlflow.studies.convergences",
    "covariant_vectors": "curlflow.studies.covariant",
    "decomposition": "curlflow.studies.decompositions",
    "fluctuations": "curlflow.studies.fluctuation",
    "load": "curlflow.results",
    "lyapunov": "curlflow.studies.exponents",
    "plane_decomposition": "curlflow.studies.plane_decompositions",
    "preset": "curlflow.spec",
    "presets": "curlflow.spec",
    "save": "curlflow.results",
    "simulate": "curlflow.studies.simulation",
    "stability": "curlflow.studies.stability",
    "step_sizes": "curlflow.studies.step_sizes",
    "sweep": "curlflow.sweeping",
    "train": "curlflow.studies.training",
}
_MODULES = (
    "constraints",
    "integrate",
    "measures",
    "networks",
    "plot",
    "random_matrix",
    "rules",
    "sweeping",
    "symbolic",
    "systems",
    "tasks",
)

__all__ = [
    "Axis",
    "Diffusion",
    "Flow",
    "Interrupted",
    "Map",
    "Problem",
    "Spec",
    "Status",
    "bifurcation",
    "boundary",
    "classify",
    "compare_rules",
    "constraints",
    "convergence",
    "covariant_vectors",
    "decomposition",
    "fluctuations",
    "integrate",
    "load",
    "lyapunov",
    "measures",
    "networks",
    "plane_decomposition",
    "plot",
    "preset",
    "presets",
    "random_matrix",
    "rules",
    "save",
    "simulate",
    "stability",
    "step_sizes",
    "sweep",
    "sweeping",
    "symbolic",
    "systems",
    "tasks",
    "train",
]

if TYPE_CHECKING:
    from . import (
        constraints,
        integrate,
        measures,
        networks,
        plot,
        random_matrix,
        rules,
        sweeping,
        symbolic,
        systems,
        tasks,
    )
    from .diagrams import bifurcation
    from .interrupts import Interrupted
    from .problem import Problem
    from .results import load, save
    from .spec import Spec, preset, presets
    from .status import Status
    from .studies.boundaries import boundary
    from .studies.classification import classify
    from .studies.convergences import convergence
    from .studies.covariant import covariant_vectors
    from .studies.decompositions import decomposition
    from .studies.exponents import lyapunov
    from .studies.fluctuation import fluctuations
    from .studies.plane_decompositions import plane_decomposition
    from .studies.rule_comparison import compare_rules
    from .studies.simulation import simulate
    from .studies.stability import stability
    from .studies.step_sizes import step_sizes
    from .studies.training import train
    from .sweeping import Axis, sweep
    from .systems import Diffusion, Flow, Map


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"curlflow.{name}")
    else:
        raise AttributeError(f"module 'curlflow' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
