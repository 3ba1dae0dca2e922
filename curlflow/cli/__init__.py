"""The command line. `curlflow.cli.main` runs it; `commands.py` puts the commands together."""

from .commands import main

__all__ = ["main"]
