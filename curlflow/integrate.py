"""Deprecated: this module is `curlflow.solvers.integrate` now."""

import warnings

from .solvers.integrate import *  # noqa: F403

warnings.warn("curlflow.integrate is now curlflow.solvers.", DeprecationWarning, stacklevel=2)
