"""What a linearisation at a solution needs from a rule: how errors travel back, and how fast each synapse follows.

A rule that is built from error-driven rules and sign flips has the velocity (2) of `curlflow.rules.base` times gains.
At a solution e = 0, so that derivatives of B and of the gains do not matter.
"""

import warnings
from typing import Any, NamedTuple

from ..networks import Feedforward
from ..networks.feedforward import Matrix


class ErrorSignal(NamedTuple):
    """Feedback matrices B₂, …, B_L (post × pre) and one array of gains per layer that broadcasts against it.

    Networks with biases have none: kernels, closed forms and symmetries are about weights alone.
    """

    feedback: tuple[Matrix, ...]
    gains: tuple[Matrix, ...]


def error_signal(rule: Any, network: Feedforward) -> ErrorSignal | None:
    """The former name of `rule.signal(network)`."""
    message = "curlflow.rules.signals.error_signal(rule, network) is now rule.signal(network)."
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return rule.signal(network)
