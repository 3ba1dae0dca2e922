"""Exact width compression: wide linear hidden layers run as narrow ones; equation (7) of docs/model.md."""

from .narrowing import Compression, compress

__all__ = ["Compression", "compress"]
