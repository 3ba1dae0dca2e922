"""How a sweep is getting on, from its files alone: `status` works while others compute, from any terminal."""

import math
from collections import Counter
from typing import Any, NamedTuple

from . import manifest as manifests
from .collecting import fitting
from .leases import Runner, runners
from .settled import Settled
from .store import Failure, Store
from .tally import Tally


class Report(NamedTuple):
    """How a sweep is getting on.

    **Attributes:**

    - `study`: what is computed, with its version.
    - `tally`: counts, rate of all runners together, time left.
    - `runners`: who is at work now.
    - `failures`: of cells that have failed, with their messages.
    - `versions`: of the study, and how many cells in files are of each.
    - `damaged`: files that cannot be read; their cells are computed again by the next run.
    """

    study: str
    tally: Tally
    runners: list[Runner]
    failures: list[Failure]
    versions: dict[int, int]
    damaged: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """This as plain lists and mappings."""
        rate, left = self.tally.rate, self.tally.seconds_left
        return {
            "study": self.study,
            "total": self.tally.total,
            "done": self.tally.done,
            "failed": self.tally.failed,
            "missing": self.tally.remaining,
            "cells_per_second": None if math.isnan(rate) else rate,
            "seconds_left": None if math.isnan(left) else left,
            "runners": [{k: v for k, v in vars(runner).items() if k != "cells"} for runner in self.runners],
            "failures": [{"changes": f.changes, "message": f.message} for f in self.failures],
            "versions": {str(version): number for version, number in self.versions.items()},
            "damaged": self.damaged,
        }


def status(directory: Any) -> Report:
    """How the sweep of a folder is getting on.

    ```python
    print(curlflow.sweeping.status("phase_diagram/").tally)
    ```

    **Returns:** a `Report`.

    **Arguments:**

    - `directory`: the folder of a sweep; it may be running, here or elsewhere.

    **Raises:** `ValueError` for a folder of no sweep.
    """
    directory = manifests.folder_of(directory)
    manifest = manifests.read(directory)
    store = Store(directory)
    store.scan(keep=True)
    settled = Settled(manifest)
    settled.mark(store.done, set(store.failures))
    unfit = [
        Failure(settled.identity(cell), reason, "", manifest.grid.changes(cell), 0.0)
        for cell, reason in fitting(store, settled)[1].items()
    ]
    alive = runners(directory)
    rate = sum(runner.rate for runner in alive) if alive else float("nan")
    versions: Counter[int] = Counter()
    for piece in store.pieces.values():
        versions[piece.header.version] += piece.identities.size
    failures = [store.failures[key] for key in settled.failed_names() if key in store.failures] + unfit
    tally = Tally(settled.done.size, *settled.counts, rate)
    study = f"{manifest.study.name}, version {manifest.study.version}"
    return Report(study, tally, alive, failures, dict(sorted(versions.items())), store.damaged)
