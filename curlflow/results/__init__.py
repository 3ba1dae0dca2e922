"""Labelled results: datasets with units, provenance and flags, and the files that hold them."""

from ..variable import flag_variable
from .dataset import (
    CONVENTIONS,
    FINGERPRINT,
    commit,
    describe_status,
    failures,
    fill_value,
    labelled,
    provenance,
    stacked,
    status_variable,
)
from .files import check_output, load, save

__all__ = [
    "CONVENTIONS",
    "FINGERPRINT",
    "check_output",
    "commit",
    "describe_status",
    "failures",
    "fill_value",
    "flag_variable",
    "labelled",
    "load",
    "provenance",
    "save",
    "stacked",
    "status_variable",
]
