"""What is raised when the user stops a computation."""

from typing import Any


class Interrupted(KeyboardInterrupt):
    """A study or a sweep was interrupted; what was finished is in `dataset`."""

    def __init__(self, dataset: Any):
        super().__init__("interrupted; what was finished is in the attribute `dataset` of this exception")
        self.dataset = dataset
