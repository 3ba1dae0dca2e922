"""The loop that runs a sweep: what is missing goes to the engine in batches, what comes back goes to the disk.

No more than two batches for each worker are ever on their way, so that the memory does not grow with the sweep.
"""

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from ..catalogue import named
from ..spec import Spec
from .engines import Engine, Outcome, WorkerLost
from .engines.worker import Batch, Cell, Failed, Finished
from .folder import writing_to
from .folder.leases import Leases
from .folder.manifest import Manifest
from .folder.store import Settled, Store
from .folder.writer import Writer
from .report import Meter, Tally

SECONDS = 0.25
"""How long a batch should take: what is lost when its worker dies, and how soon Ctrl-C takes effect."""
MOST = 512  # cells in a batch
TOGETHER = 64  # cells in a batch that an accelerator computes at once
ATTEMPTS = 3  # workers that may die of a cell
POLL = 0.25  # seconds between two looks at what has come back, or at what others have done


class Sizes:
    """How many cells of each shape go into one batch."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def size(self, shape: int) -> int:
        """One for a shape that has not come back yet."""
        return self._sizes.get(shape, 1)

    def learn(self, shape: int, submitted: int, results: Sequence[Finished | Failed]) -> None:
        """Adapt to how long the slowest of the results took; at most four times as many as before."""
        slowest = max((result.seconds for result in results), default=SECONDS)
        shared = any(isinstance(result, Finished) and result.shared for result in results)
        wanted = TOGETHER if shared else min(MOST, int(SECONDS / max(slowest, 1e-6)))
        self._sizes[shape] = max(1, min(wanted, 4 * submitted))


def batches(cells: Iterator[int], shapes: Int[np.ndarray, " cells"], sizes: Sizes) -> Iterator[list[int]]:
    """Neighbouring cells of one shape, as many as `sizes` says when they are asked for."""
    for shape, group in itertools.groupby(cells, lambda cell: int(shapes[cell])):
        while batch := list(itertools.islice(group, sizes.size(shape))):
            yield batch


class Runner:
    """One process at work on a sweep; `run` ends when no cell is missing."""

    def __init__(self, directory: Path, manifest: Manifest, retry_failed: bool = False):
        self._directory = directory
        self._grid = manifest
        self.store = Store(directory)
        with writing_to(directory):
            self.store.make()
        self.store.scan(thorough=True)
        self.damaged = self.store.discard_damaged()
        self.store.check_streams(manifest)
        if retry_failed:
            self.store.failures.clear()  # whatever the clocks of those who computed them said
        self.warned = 0
        self.first_warning = ""
        self._settled = Settled(manifest)
        self._settled.mark(self.store)
        self._sizes = Sizes()
        self._cells: dict[str, int] = {}
        self._attempts: Counter[str] = Counter()
        self._computed = 0
        self._again: deque[list[int]] = deque()
        self._elsewhere: list[int] = []
        self._flying = 0

    def run(self, engine: Engine, report: Callable[[Tally], None]) -> None:
        """Compute what is missing. **Raises:** `OSError` where the folder cannot be written to, and as the engine."""
        self._engine, self._meter = engine, Meter()
        missing = self._settled.missing
        if not missing.any():
            report(self._tally())
            return
        self._source = batches(self._grid.order(missing), self._grid.shape_numbers, self._sizes)
        with writing_to(self._directory):
            self._leases = Leases(self._directory, engine.workers)
        with Writer(self._directory, self.store, self._leases, self._grid.study.version) as self._writer:
            while True:
                self._submit()
                self._writer.check()
                tally = self._tally()
                self._leases.own.rate = tally.rate if tally.rate > 0 else 0.0
                report(tally)
                if self._flying:
                    for outcome in engine.completed(POLL):
                        self._take(outcome)
                elif self._elsewhere:
                    self._wait_for_others()
                else:
                    return

    def _submit(self) -> None:
        """Keep every worker busy, with one batch and another in advance."""
        study = self._grid.study
        together = known.batch if (known := named(study.name)) else None
        while self._flying < 2 * self._engine.workers and (cells := self._claimed()):
            if accepted := tuple(cell for cell in map(self._cell, cells) if cell is not None):
                like = None if type(self._grid.spec) is Spec else self._grid.spec
                options = {**self._grid.options, **self._grid.functions}
                self._engine.submit(Batch(study.function, options, accepted, SECONDS, together, like))
                self._flying += 1

    def _claimed(self) -> list[int]:
        """The next batch of cells that nobody has computed and nobody else is at work on; empty at the end."""
        if self._again:
            return self._again.popleft()
        for cells in self._source:
            others = self._leases.others()
            if others and self.store.scan():
                self._settled.mark(self.store)
            missing = [cell for cell in cells if not self._settled[cell]]
            names = {self._settled.identity(cell): cell for cell in missing}
            with writing_to(self._directory):
                mine = {names[name] for name in self._leases.claim(list(names), others)}
            self._elsewhere += [cell for cell in missing if cell not in mine]
            if mine:
                return sorted(mine)
        return []

    def _wait_for_others(self) -> None:
        """Look at what others have done, and take over what they have let go of."""
        time.sleep(POLL)
        self.store.scan()
        self._settled.mark(self.store)
        cells, self._elsewhere = self._elsewhere, []
        self._source = batches(iter(cells), self._grid.shape_numbers, self._sizes)

    def _cell(self, cell: int) -> Cell | None:
        """What a worker gets; None for a combination of values that the spec refuses, which is recorded."""
        identity = self._settled.identity(cell)
        self._cells[identity] = cell
        try:
            return Cell(identity, self._grid.resolved(cell).to_json())
        except ValueError as error:
            self._record([Failed(identity, str(error), "")])
            return None

    def _take(self, outcome: Outcome) -> None:
        """Record what a batch came to, and put back what it did not."""
        self._flying -= 1
        names = [cell.identity for cell in outcome.batch.cells]
        if outcome.error is not None:
            self._lost(names, outcome.error)
            return
        self.store.check_streams(self._grid, outcome.value)
        shape = int(self._grid.shape_numbers[self._cells[names[0]]])
        self._sizes.learn(shape, len(names), outcome.value)
        if rest := names[len(outcome.value) :]:
            self._again.append([self._cells[name] for name in rest])
        said = [result.warnings[0] for result in outcome.value if isinstance(result, Finished) and result.warnings]
        self.warned += len(said)
        self.first_warning = self.first_warning or next(iter(said), "")
        self._record(outcome.value)

    def _lost(self, names: list[str], error: BaseException) -> None:
        """Try the cells of a batch that did not come back one by one, so that the one to blame is found."""
        for name in names:
            self._attempts[name] += len(names) == 1
            if len(names) > 1 or (isinstance(error, WorkerLost) and self._attempts[name] < ATTEMPTS):
                self._again.append([self._cells[name]])
                continue
            times = f"the worker died {ATTEMPTS} times: " if isinstance(error, WorkerLost) else ""
            self._record([Failed(name, f"{times}{error}", "")])

    def _record(self, results: list[Any]) -> None:
        cells = {result.identity: self._cells.pop(result.identity) for result in results}
        self._writer.add(results, {name: self._grid.changes(cell) for name, cell in cells.items()})
        self._computed += len(cells)
        for result in results:
            failed = isinstance(result, Failed)
            (self._settled.failed if failed else self._settled.done)[cells[result.identity]] = True
            self._leases.own.failed += failed
            self._leases.own.done += not failed

    def _tally(self) -> Tally:
        return Tally(self._grid.size, *self._settled.counts, self._meter.mark(self._computed))
