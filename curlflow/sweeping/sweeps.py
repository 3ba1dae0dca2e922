"""`curlflow.sweep`, and its parts: plan, run, look, collect."""

import contextlib
import pickle
import sys
import tempfile
import warnings
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import xarray as xr

from ..interrupts import Interrupted
from ..spec import Spec
from .axes import dimensions_of
from .collecting import collect
from .engines import Engine, Serial
from .engines.cluster import Cluster
from .engines.local import LocalProcesses
from .engines.worker import run_batch, script_name
from .folder import manifest as manifests
from .folder.manifest import Manifest
from .made import Made
from .report import reporting
from .running import Runner
from .study import SweptStudy, check_call, fingerprints_of, functions_in, names_of_laws, options_of, study_of


def sweep(
    spec: Any,
    over: Any,
    study: Any = "train",
    options: Any = None,
    *,
    directory: Any = None,
    version: Any = None,
    engine: Any = None,
    workers: Any = None,
    scheduler: Any = None,
    client: Any = None,
    retry_failed: bool = False,
    extend: bool = False,
    other_version: str = "refuse",
    progress: Any = None,
) -> xr.Dataset:
    """Run a study in every cell of a grid of specs, and return one labelled dataset.

    ```python
    ds = curlflow.sweep(
        curlflow.preset("fig4"),
        over={
            "c": curlflow.Axis.compression_ratio(np.logspace(-2, 1, 20), total=220),
            "fraction": curlflow.Axis("rule.flipped.hidden", np.linspace(0, 1, 21)),
        },
        study="train",
        directory="fig4/",
    )
    ```

    **Returns:** a dataset with the axes as leading dimensions, then those of the study, such as `realization`;
    `cell_status` says which cells are done or have failed, and `cell_message`, where any have, why.

    **Arguments:**

    - `spec`: a `curlflow.Spec` or `curlflow.Experiment`, whose realizations are computed within a cell; or a function
      at the top of a module or script that makes one of these, or a system, of the values along the axes.
    - `over`: the axes: dotted fields of the spec, or arguments of the function, with their values, or names of your
      own with a `curlflow.Axis`.
    - `study`: the name of a study, such as `"train"`; a function at the top of a module or script, or its name
      `"package.module:function"`. It is called with the cell's spec and returns a dataset, a mapping from names to
      numbers, arrays or (dims, array), or a number.
    - `options`: keyword arguments of the study; `observables` and `loss` may be functions of the state.
    - `directory`: where finished cells are kept. The same call goes on with what is missing there, after whatever has
      interrupted it; several processes may share a folder. None keeps nothing.
    - `version`: of a function of your own: raise it when it would return other numbers.
    - `engine`: `"processes"` (the default), `"serial"`, or a function that makes an engine from the work.
    - `workers`: how many processes; by default all cores.
    - `scheduler`: address of a dask scheduler such as `"tcp://host:8786"`, on whose workers cells run; or `client`, a
      `distributed.Client` (docs/cluster.md).
    - `retry_failed`: compute failed cells again.
    - `extend`: let this sweep take the place of another in `directory`; cells that both have are kept.
    - `other_version`: `"refuse"`, `"recompute"` or `"use"` the cells of another version of the study.
    - `progress`: True for a bar, or a function of a `curlflow.sweeping.Tally`.

    **Description:** finished cells are written whole within a second, under a hash of their spec, the study with its
    version and the options; only the cells at work are lost when all is killed. The dataset is the same, bit for bit,
    however often the sweep was interrupted. See docs/sweeps.md.

    **Raises:** `ValueError` for bad input, a folder of another sweep, and cells of another version; `OSError` when
    the folder cannot be written to; `RuntimeError` when workers cannot start; `curlflow.Interrupted` on Ctrl-C, with
    what was finished in its attribute `dataset`. A cell that raises an error is recorded, and no error of the sweep.
    """
    wanted = _described(spec, over, study, options, version)
    chosen = engine_of(engine, workers, scheduler, client, wanted.study)
    if not isinstance(chosen, Serial):
        _check_sendable(wanted.spec, "spec: an object of the experiment")
        _check_sendable(wanted.functions, "options: a function")
    return _run(directory, wanted, chosen, retry_failed, progress, extend=extend, other_version=other_version)


def plan(
    spec: Any,
    over: Any,
    study: Any = "train",
    options: Any = None,
    *,
    directory: Any,
    version: Any = None,
    extend: bool = False,
    other_version: str = "refuse",
) -> Manifest:
    """Make `directory` a folder of a sweep without computing anything; `resume` computes.

    **Returns:** the sweep, with its `grid` of cells. Arguments and errors are those of `sweep`.
    """
    wanted = _described(spec, over, study, options, version)
    return manifests.established(manifests.folder_of(directory), wanted, extend=extend, other_version=other_version)


def resume(
    directory: Any,
    *,
    engine: Any = None,
    workers: Any = None,
    scheduler: Any = None,
    client: Any = None,
    retry_failed: bool = False,
    other_version: str = "refuse",
    progress: Any = None,
) -> xr.Dataset:
    """Go on with the sweep of a folder, from its files alone, and return its dataset.

    **Raises:** as `sweep`, whose arguments these are, and `ValueError` if the folder is of no sweep.
    """
    there = manifests.read(manifests.folder_of(directory))
    if there.spec.definition is not None:
        raise ValueError(
            "directory: it is a sweep of an Experiment, whose objects no file holds; call curlflow.sweep with that "
            "again."
        )
    if named := names_of_laws(there.options):
        raise ValueError(
            f"directory: {' and '.join(named)} of its options are functions, which no file holds; call "
            "curlflow.sweep with them again."
        )
    name, given = there.study.name, there.study.version
    current = study_of(name if ":" not in name else there.study.function, given if ":" in name else None)
    check_call(current, there.options)
    chosen = engine_of(engine, workers, scheduler, client, current)
    return _run(directory, replace(there, study=current), chosen, retry_failed, progress, other_version=other_version)


def engine_of(engine: Any, workers: Any, scheduler: Any, client: Any, study: SweptStudy) -> Engine:
    """The engine that the arguments ask for, not yet entered.

    **Raises:** `ValueError` for arguments that contradict each other, and functions that workers cannot find.
    """
    script = study.function.partition(":")[0] in ("__main__", script_name())
    if scheduler is not None or client is not None:
        if engine is not None or workers is not None:
            raise ValueError("scheduler: it has workers of its own; engine and workers do not go with it.")
        if script:
            raise ValueError(f"study: {study.function} is in the script; workers of a cluster need it in a module.")
        return Cluster(run_batch, scheduler=scheduler, client=client)
    if engine == "serial":
        if workers not in (None, 1):
            raise ValueError(f"workers: got {workers!r}, but the serial engine is one.")
        return Serial(run_batch)
    if callable(engine):
        return engine(run_batch)
    if engine not in (None, "processes"):
        raise ValueError(f"engine: got {engine!r}, allowed are processes, serial and functions that make one.")
    if script and not Path(getattr(sys.modules["__main__"], "__file__", None) or "").is_file():
        raise ValueError(
            f"study: {study.function} was typed in, and other processes cannot find it; put it in a file, or "
            'give engine="serial".'
        )
    return LocalProcesses(run_batch, workers)


def _described(spec: Any, over: Any, study: Any, options: Any, version: Any) -> Manifest:
    if not isinstance(spec, Spec) and not callable(spec):
        required = "a curlflow.Spec, or a function of the values along the axes that makes one, or a system"
        raise ValueError(f"spec: got {type(spec).__name__}, required is {required}.")
    spec = spec.sealed() if isinstance(spec, Spec) else Made.by(spec)
    functions = functions_in(options)
    data = options_of({n: v for n, v in options.items() if n not in functions} if functions else options)
    wanted = Manifest(spec, dimensions_of(spec, over), study_of(study, version), data, {}, functions=functions)
    check_call(wanted.study, {**data, **functions})
    if not functions:
        return wanted
    return replace(wanted, options=data | fingerprints_of(functions, _first_subject(wanted)))


def _first_subject(grid: Manifest) -> Any:
    """What the study is about in the first cell that can be made."""
    for cell in range(grid.size):
        with contextlib.suppress(Exception):  # whatever a function of the user's raises fails its own cell alone
            return grid.spec.restored(grid.resolved(cell).to_json())
    raise ValueError("over: got values of which no combination makes what the study is about.")


def _check_sendable(objects: Any, what: str) -> None:
    """Refuse objects that other processes cannot have; nothing of this is written to a file."""
    try:
        ForkingPickler.dumps(objects)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{what} cannot be sent to other processes ({error}); define functions at the "
            'top of a module, or give engine="serial".'
        ) from None


def _run(
    directory: Any, wanted: Manifest, engine: Engine, retry_failed: bool, progress: Any, **how: Any
) -> xr.Dataset:
    """Compute what is missing and collect; say what the user should know."""
    if progress not in (None, True, False) and not callable(progress):
        raise ValueError(f"progress: got {progress!r}, allowed are True, False and a function.")
    kept = contextlib.nullcontext(directory)
    with kept if directory is not None else tempfile.TemporaryDirectory(prefix="curlflow-sweep-") as folder:
        directory = manifests.folder_of(folder)
        try:
            with engine:
                runner = Runner(directory, manifests.established(directory, wanted, **how), retry_failed)
                if runner.damaged:
                    name, reason = next(iter(runner.damaged.items()))
                    more = f" and {len(runner.damaged) - 1} more" if len(runner.damaged) > 1 else ""
                    said = f"directory: {name}{more} was damaged ({reason}); its cells are computed again."
                    warnings.warn(said, stacklevel=3)
                with reporting(progress) as report:
                    runner.run(engine, report)
        except KeyboardInterrupt:
            if not (directory / manifests.NAME).exists():
                raise
            raise Interrupted(collect(directory)) from None
        if runner.warned:
            warnings.warn(f"in {runner.warned} cells, the first: {runner.first_warning}", stacklevel=3)
        del runner  # and what it knows of every cell
        dataset = collect(directory)
    if failed := int((dataset.cell_status == 1).sum()):
        warnings.warn(
            f"{failed} of {dataset.cell_status.size} cells failed; cell_message says why, and retry_failed=True "
            "computes those again that raised an error.",
            stacklevel=3,
        )
    return dataset
