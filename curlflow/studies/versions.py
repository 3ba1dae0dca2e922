"""The studies that a sweep knows by name: where they are, and the version of what they compute.

A version is raised by hand whenever the same spec and options would give other numbers than before. Cells of a
sweep are named by it, so that old and new numbers are never mixed unawares; the commit alone, which changes with
every comment, would throw away what is still right.
"""

from typing import NamedTuple


class NamedStudy(NamedTuple):
    """Where a study is, as `module:name`, and its version.

    `together`, where there is such a function, takes a sequence of specs of equal shapes and returns the dataset of
    each: on an accelerator they are one batch.
    """

    function: str
    version: int
    together: str | None = None


STUDIES = {
    "train": NamedStudy("curlflow.studies.training:train", 2, "curlflow.studies.training:train_together"),
    "lyapunov": NamedStudy("curlflow.studies.exponents:lyapunov", 1),
    "stability": NamedStudy("curlflow.studies.stability:stability", 1),
    "fluctuations": NamedStudy("curlflow.studies.fluctuation:fluctuations", 2),
    "simulate": NamedStudy("curlflow.studies.simulation:simulate", 1),
    "convergence": NamedStudy("curlflow.studies.convergences:convergence", 1),
    "decomposition": NamedStudy("curlflow.studies.decompositions:decomposition", 1),
}
