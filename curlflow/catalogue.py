"""The studies: one row for each, which the package, the command line, sweeps, pictures and the docs read.

Nothing is imported here. A row names functions; whoever needs one imports it.
"""

from typing import NamedTuple


class Study(NamedTuple):
    """What is known of a study without importing it.

    **Attributes:**

    - `name`: of the function in `curlflow`, of its command, and of the attribute `study` of its datasets.
    - `function`: where the function is now, as `module:name`.
    - `identity`: what names the cells of its sweeps, for ever, wherever the function goes.
    - `version`: of its numbers. It is raised by hand whenever the same spec and options would give other numbers
      than before, so that old and new cells of a sweep are never mixed; a commit changes with every comment, and
      would throw away what is still right.
    - `batch`: a function that takes many specs of equal shapes at once and returns the dataset of each, which is one
      batch on an accelerator; None where there is none.
    - `picture`: the function of `curlflow.plot` that draws its datasets; None where there is nothing to draw.
    - `columns`: the table that the command line prints, a name in `curlflow.cli.tables`; None where there is none.
    - `sweeps`: whether `curlflow.sweep` takes it by its name.
    - `command`: whether it is a command.
    """

    name: str
    function: str
    identity: str
    version: int = 1
    batch: str | None = None
    picture: str | None = None
    columns: str | None = None
    sweeps: bool = True
    command: bool = True


_HOME = "curlflow.studies"

STUDIES = (
    Study(
        "train",
        f"{_HOME}.train.study:train",
        f"{_HOME}.training:train",
        version=2,
        batch=f"{_HOME}.train.study:train_together",
        columns="endings",
    ),
    Study(
        "convergence",
        f"{_HOME}.convergence.study:convergence",
        f"{_HOME}.convergences:convergence",
        picture="convergence",
        columns="convergence",
    ),
    Study(
        "compare_rules",
        f"{_HOME}.convergence.comparison:compare_rules",
        "curlflow:compare_rules",
        picture="convergence",
        columns="convergence",
        sweeps=False,
        command=False,
    ),
    Study(
        "lyapunov",
        f"{_HOME}.lyapunov.study:lyapunov",
        f"{_HOME}.exponents:lyapunov",
        picture="lyapunov",
        columns="exponents",
    ),
    Study(
        "covariant_vectors",
        f"{_HOME}.lyapunov.covariant:covariant_vectors",
        "curlflow:covariant_vectors",
        sweeps=False,
        command=False,
    ),
    Study(
        "fluctuations",
        f"{_HOME}.fluctuations.study:fluctuations",
        f"{_HOME}.fluctuation:fluctuations",
        version=2,
        picture="fluctuations",
        columns="fluctuations",
    ),
    Study(
        "classify",
        f"{_HOME}.classify.study:classify",
        "curlflow:classify",
        picture="classification",
        columns="verdicts",
        sweeps=False,
    ),
    Study(
        "step_sizes", f"{_HOME}.classify.step_sizes:step_sizes", "curlflow:step_sizes", sweeps=False, command=False
    ),
    Study(
        "bifurcation",
        "curlflow.diagrams:bifurcation",
        "curlflow:bifurcation",
        picture="bifurcation",
        columns="exponents",
        sweeps=False,
    ),
    Study(
        "stability",
        f"{_HOME}.stability.study:stability",
        f"{_HOME}.stability:stability",
        picture="stability",
        columns="stability",
    ),
    Study(
        "decomposition",
        f"{_HOME}.decomposition.study:decomposition",
        f"{_HOME}.decompositions:decomposition",
        command=False,
    ),
    Study(
        "plane_decomposition",
        f"{_HOME}.decomposition.plane:plane_decomposition",
        "curlflow:plane_decomposition",
        picture="decomposition",
        sweeps=False,
        command=False,
    ),
    Study(
        "simulate",
        f"{_HOME}.simulate:simulate",
        f"{_HOME}.simulation:simulate",
        picture="learning_curves",
        columns="errors",
    ),
    Study(
        "boundary",
        f"{_HOME}.boundary:boundary",
        "curlflow:boundary",
        picture="boundary",
        columns="boundary",
        sweeps=False,
    ),
)


def location(identity: str) -> str:
    """Where the function of that identity is now; other names, of functions of the user's, as they are."""
    return next((study.function for study in STUDIES if study.identity == identity), identity)


def named(name: str) -> Study | None:
    """The study of that name; None where there is none."""
    return next((study for study in STUDIES if study.name == name), None)
