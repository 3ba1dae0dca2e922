"""curlflow: a dynamical-systems analysis toolkit for learning rules.

```python
import curlflow

ds = curlflow.lyapunov(curlflow.preset("hidden_chaos"))
curlflow.save(ds, "hidden_chaos.nc")
curlflow.plot.lyapunov(ds)
```

Importing curlflow loads none of its dependencies; each public name loads what it needs on first use. It adds an
option to `XLA_FLAGS`, by which small loops run faster; see `curlflow.loops`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .catalogue import STUDIES
from .loops import compile_small_loops_whole

__version__ = "0.1.0"

compile_small_loops_whole()

_HOMES = {
    **{study.name: study.function.partition(":")[0] for study in STUDIES},
    "Axis": "curlflow.sweeping",
    "Data": "curlflow.problem",
    "Diffusion": "curlflow.systems",
    "Experiment": "curlflow.experiment",
    "Flow": "curlflow.systems",
    "Game": "curlflow.games",
    "Interrupted": "curlflow.interrupts",
    "Map": "curlflow.systems",
    "Problem": "curlflow.problem",
    "Spec": "curlflow.spec",
    "Status": "curlflow.status",
    "cache": "curlflow.caching",
    "load": "curlflow.results",
    "preset": "curlflow.spec",
    "presets": "curlflow.spec",
    "save": "curlflow.results",
    "sweep": "curlflow.sweeping",
}

__all__ = [  # modules, names with a home, and every study of the catalogue
    "Axis",
    "Data",
    "Diffusion",
    "Experiment",
    "Flow",
    "Game",
    "Interrupted",
    "Map",
    "Problem",
    "Spec",
    "Status",
    "cache",
    "constraints",
    "games",
    "load",
    "losses",
    "measures",
    "networks",
    "optimizers",
    "plot",
    "preset",
    "presets",
    "problem",
    "random_matrix",
    "rules",
    "save",
    "solvers",
    "sweep",
    "sweeping",
    "symbolic",
    "systems",
    "tasks",
]
__all__ += [study.name for study in STUDIES]

if TYPE_CHECKING:
    from . import (
        constraints,
        games,
        losses,
        measures,
        networks,
        optimizers,
        plot,
        problem,
        random_matrix,
        rules,
        solvers,
        sweeping,
        symbolic,
        systems,
        tasks,
    )
    from .caching import cache
    from .diagrams import bifurcation
    from .experiment import Experiment
    from .games import Game
    from .interrupts import Interrupted
    from .problem import Data, Problem
    from .results import load, save
    from .spec import Spec, preset, presets
    from .status import Status
    from .studies.boundary import boundary
    from .studies.classify.step_sizes import step_sizes
    from .studies.classify.study import classify
    from .studies.convergence.comparison import compare_rules
    from .studies.convergence.study import convergence
    from .studies.decomposition.plane import plane_decomposition
    from .studies.decomposition.study import decomposition
    from .studies.fluctuations.study import fluctuations
    from .studies.inner_lyapunov.study import inner_lyapunov
    from .studies.lyapunov.covariant import covariant_vectors
    from .studies.lyapunov.study import lyapunov
    from .studies.simulate import simulate
    from .studies.stability.study import stability
    from .studies.train.study import train
    from .sweeping import Axis, sweep
    from .systems import Diffusion, Flow, Map


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in __all__ or name == "integrate":  # a former module, which warns when it is imported
        value = importlib.import_module(f"curlflow.{name}")
    else:
        raise AttributeError(f"module 'curlflow' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
