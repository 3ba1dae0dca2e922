"""Numbers from functions and arrays; a measure never sees a network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lyapunov import LyapunovSpectrum, lyapunov_spectrum

__all__ = ["LyapunovSpectrum", "lyapunov_spectrum"]


def __getattr__(name: str) -> Any:
    """Load what needs JAX when it is asked for: pictures use measures that do not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import lyapunov

    return getattr(lyapunov, name)
