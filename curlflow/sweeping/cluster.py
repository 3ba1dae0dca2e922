"""Deprecated: this module is `curlflow.sweeping.engines.cluster` now."""

import warnings

from .engines.cluster import Cluster as Cluster

warnings.warn("curlflow.sweeping.cluster is now curlflow.sweeping.engines.cluster.", DeprecationWarning, stacklevel=2)
