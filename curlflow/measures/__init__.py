"""Numbers from functions and arrays; a measure never sees a network."""

from .lyapunov import Spectrum, lyapunov_spectrum

__all__ = ["Spectrum", "lyapunov_spectrum"]
