"""Where batches of cells run: in this process, in processes of this machine, or on the workers of a cluster."""

from .protocol import Engine, Outcome, Serial, WorkerLost

__all__ = ["Engine", "Outcome", "Serial", "WorkerLost"]
