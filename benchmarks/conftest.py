"""One thread: set before JAX starts."""

import os

from curlflow.sweeping.engines.environment import ONE_THREAD

os.environ.update(ONE_THREAD)
