"""Exact width compression: wide linear hidden layers run as narrow ones; equation (7) of docs/model.md.

`compress` makes the narrow problem, `rotations` says how the units of both correspond.
"""

from .narrowing import Compression, compress

__all__ = ["Compression", "compress"]
