"""Deprecated: this module is `curlflow.sweeping.engines.local` now."""

import warnings

from .engines.local import LocalProcesses as LocalProcesses

warnings.warn("curlflow.sweeping.local is now curlflow.sweeping.engines.local.", DeprecationWarning, stacklevel=2)
