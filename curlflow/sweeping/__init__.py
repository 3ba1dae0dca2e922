"""Sweeps: a study in every cell of a grid of specs, with files from which an interrupted sweep goes on.

`curlflow.sweep` does all of it; here are its parts, for a sweep that is planned, run, looked at and collected by
different processes, and the engines that run it.
"""

from .axes import Axis
from .collecting import CellStatus, collect
from .engines import Engine, Outcome, Serial, WorkerLost
from .folder.manifest import Manifest
from .report import Report, Tally, status
from .sweeps import plan, resume, sweep
from .tables import from_toml

__all__ = [
    "Axis", "CellStatus", "Engine", "Manifest", "Outcome", "Report", "Serial", "Tally", "WorkerLost", "collect",
    "from_toml", "plan", "resume", "status", "sweep",
]  # fmt: skip
