"""Networks, the sign patterns of their synapses, and networks as graphs."""

from .architecture import Architecture
from .feedforward import Feedforward
from .graph import from_graph, to_graph
from .model import in_double_precision
from .recurrent import Recurrent

__all__ = ["Architecture", "Feedforward", "Recurrent", "from_graph", "in_double_precision", "to_graph"]
