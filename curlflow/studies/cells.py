"""A study of many specs of equal shapes, all of whose realizations are one program: `cells.lyapunov`, …

A sweep computes its cells so on an accelerator, or where its option `batching` is `"together"`.
"""

import contextvars
import functools
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xarray as xr

from ..catalogue import named
from ..spec import Spec
from ..together import Meeting

WIDTH = 64
"""How many cells have lanes, whether there are so many or not, so that a cell has the same bits in all company."""


def __getattr__(name: str) -> Callable[..., list[xr.Dataset]]:
    study = named(name)
    if study is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, function = study.function.partition(":")
    return functools.partial(_together, getattr(importlib.import_module(module), function))


def _together(study: Callable[..., xr.Dataset], specs: Sequence[Spec], **options: Any) -> list[xr.Dataset]:
    """The dataset of every spec. **Raises:** what the study raises of the first that it refuses."""
    lanes = max(spec.realizations for spec in specs)
    meeting, options = Meeting(len(specs), lanes, WIDTH * lanes), options | {"batching": "together"}

    def cell(number: int) -> xr.Dataset:
        with meeting.member(number * lanes):
            return study(specs[number], **options)

    with ThreadPoolExecutor(len(specs)) as pool:
        found = [pool.submit(contextvars.copy_context().run, cell, number) for number in range(len(specs))]
        try:
            return [one.result() for one in found]
        except BaseException:
            meeting.end()
            raise
