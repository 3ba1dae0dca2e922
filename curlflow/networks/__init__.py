"""Networks and the sign patterns of their synapses."""

from .feedforward import Feedforward

__all__ = ["Feedforward"]
