"""The command line in this process: what a command prints and how it ends, without the seconds of a new process."""

import contextlib
import io
import os
import signal
import sys
import warnings
from typing import NamedTuple
from unittest import mock

from curlflow.cli import common, main

common.out.width = common.err.width = 120


class Ended(NamedTuple):
    """How a command ended, as `subprocess.CompletedProcess` says it."""

    returncode: int
    stdout: str
    stderr: str


def run(*words, cwd):
    """`curlflow WORDS` in the folder `cwd`."""
    said, wrong, handler = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGINT)
    with (
        contextlib.chdir(cwd), contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong),
        warnings.catch_warnings(), mock.patch.object(sys, "argv", ["curlflow", *map(str, words)]),
        mock.patch.dict(os.environ, COLUMNS="120", XDG_CACHE_HOME=str(cwd / "cache")),
    ):  # fmt: skip
        warnings.simplefilter("default")
        try:
            main()
        except SystemExit as end:
            return Ended(end.code, said.getvalue(), wrong.getvalue())
        finally:
            signal.signal(signal.SIGINT, handler)
    raise AssertionError("the command line ends with an exit code")
