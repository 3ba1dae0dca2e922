"""The studies: one row for each, which the package, the command line, sweeps, pictures and the docs read.

Nothing is imported here. A row names functions; whoever needs one imports it.
"""

from typing import NamedTuple


class Study(NamedTuple):
    """What is known about a study without importing it.

    **Attributes:**

    - `name`: the name of the function in `curlflow`, of its command, and in the attribute `study` of its datasets.
    - `function`: where the function is now, as `module:name`.
    - `identity`: what names the cells of its sweeps, permanently, wherever the function moves.
    - `summary`: its line in the list of commands.
    - `examples`: commands, without `curlflow` and the name of the study.
    - `version`: the version of its numbers, raised by hand whenever the same spec and options would give other
      numbers than before, so that old and new cells of a sweep are never mixed.
    - `batch`: a function that takes many specs of equal shapes together and returns the dataset of each, or None.
    - `picture`: the function of `curlflow.plot` that draws its datasets; None where there is nothing to draw.
    - `columns`: what the command line prints as a table: the names of variables, and of dimensions whose positions
      have rows of their own; or the name of a table in `curlflow.cli.tables` that says more.
    - `sweeps`: whether `curlflow.sweep` takes it by its name; not if it has no spec, or makes a sweep itself.
    - `shell`: whether the command line has it; not if what it is about takes objects, which no spec in TOML has.
    """

    name: str
    function: str
    identity: str
    summary: str
    examples: tuple[str, ...]
    columns: str | tuple[str, ...]
    picture: str | None
    version: int = 1
    batch: str | None = None
    sweeps: bool = True
    shell: bool = True

    @property
    def command(self) -> str:
        """The name of its command."""
        return self.name.replace("_", "-")


_HOME = "curlflow.studies"

STUDIES = (
    Study(
        "lyapunov",
        f"{_HOME}.lyapunov.study:lyapunov",
        f"{_HOME}.exponents:lyapunov",
        "Lyapunov exponents with standard errors.",
        (
            "hidden_chaos",
            "hidden_chaos --set rule.flipped.inputs=0.6 --exponents 3 -o chaos.nc",
            "hidden_chaos --resume chaos.nc --set rule.flipped.inputs=0.6 --duration 2000 -o longer.nc",
        ),
        columns="exponents",
        picture="lyapunov",
        version=3,
        batch=f"{_HOME}.cells:lyapunov",
    ),
    Study(
        "inner_lyapunov",
        f"{_HOME}.inner_lyapunov.study:inner_lyapunov",
        "curlflow:inner_lyapunov",
        "Lyapunov exponents inside a recurrent network, at times of its learning.",
        (),
        columns=("time", "epoch", "exponent", "inner_exponent", "inner_exponent_se", "converged", "status"),
        picture="numbers",
        shell=False,
    ),
    Study(
        "covariant_vectors",
        f"{_HOME}.lyapunov.covariant:covariant_vectors",
        "curlflow:covariant_vectors",
        "The directions that belong to Lyapunov exponents, and the synapses that they live on.",
        ("hidden_chaos --exponents 3 --realizations 2",),
        columns=("exponent", "covariant_exponent", "covariant_exponent_se", "participation", "status"),
        picture="covariant_vectors",
        version=3,
        batch=f"{_HOME}.cells:covariant_vectors",
    ),
    Study(
        "simulate",
        f"{_HOME}.simulate:simulate",
        f"{_HOME}.simulation:simulate",
        "Learning curves: errors and norms along the dynamics.",
        ("fig5c --until 1000 --realizations 2", "hidden_chaos --spacing linear --until 500 --weights 10"),
        columns=("train_error", "test_error", "state_variable", "state", "status"),
        picture="learning_curves",
        batch=f"{_HOME}.cells:simulate",
    ),
    Study(
        "train",
        f"{_HOME}.train.study:train",
        f"{_HOME}.training:train",
        "How learning ends: final and peak errors, and whether it settled.",
        ("fig4", "fig3a --set rule.flipped.inputs=0.3 --epochs 20000 --realizations 3"),
        columns=("test_error", "train_error", "peak_error", "stop_epoch", "stopped_by", "status"),
        picture=None,
        version=2,
        batch=f"{_HOME}.cells:train",
    ),
    Study(
        "convergence",
        f"{_HOME}.convergence.study:convergence",
        f"{_HOME}.convergences:convergence",
        "When learning reaches an error, under several rules on the same problems, and which is faster.",
        (
            "fig5c --set dynamics.kind=flow --set dynamics.solver=rkc2",
            "fig5c --set dynamics.kind=flow --rules gradient,curl,feedback_alignment --realizations 3",
        ),
        columns="convergence",
        picture="convergence",
        version=2,
        batch=f"{_HOME}.cells:convergence",
    ),
    Study(
        "compare_rules",
        f"{_HOME}.convergence.comparison:compare_rules",
        "curlflow:compare_rules",
        "Which rule is faster, of a dataset of convergence and with another baseline.",
        ("convergence_fig5c.nc --baseline feedback_alignment",),
        columns="convergence",
        picture="convergence",
        sweeps=False,
    ),
    Study(
        "fluctuations",
        f"{_HOME}.fluctuations.study:fluctuations",
        f"{_HOME}.fluctuation:fluctuations",
        "Order parameter, autocorrelation and principal components over a window of a run.",
        ("fig3cd --realizations 2", "hidden_chaos --window 1000:2000 --interval 0.5"),
        columns=(
            "order_parameter",
            "integrated_time",
            "decay_time",
            "participation_ratio",
            "window_status",
            "status",
        ),
        picture="fluctuations",
        version=3,
        batch=f"{_HOME}.cells:fluctuations",
    ),
    Study(
        "classify",
        f"{_HOME}.classify.study:classify",
        "curlflow:classify",
        "Chaos or not: a verdict for every realization, with its indicators.",
        ("hidden_chaos", "fig3cd --realizations 2"),
        columns=("lyapunov_exponent", "lyapunov_exponent_se", "zero_one", "verdict", "reason"),
        picture="classification",
        version=2,
        batch=f"{_HOME}.cells:classify",
    ),
    Study(
        "step_sizes",
        f"{_HOME}.classify.step_sizes:step_sizes",
        "curlflow:step_sizes",
        "Chaos of learning or of its steps: the same runs at several learning rates and as a flow.",
        ("fig3cd --realizations 2 --learning-rates 0.1,0.05,0.02",),
        columns=("lyapunov_exponent", "lyapunov_exponent_se", "verdict", "chaotic_in"),
        picture="step_sizes",
        version=2,
    ),
    Study(
        "bifurcation",
        "curlflow.diagrams:bifurcation",
        "curlflow:bifurcation",
        "Late extrema, the largest exponent and verdicts along a field of the spec.",
        (
            "hidden_chaos --over rule.gain=-1:1:41 -d gain/",
            "hidden_chaos --over rule.flipped.inputs=0:0.6:13 --realizations 1",
        ),
        columns=("lyapunov_exponent", "lyapunov_exponent_se", "verdict", "status"),
        picture="bifurcation",
        sweeps=False,
    ),
    Study(
        "stability",
        f"{_HOME}.stability.study:stability",
        f"{_HOME}.stability:stability",
        "Eigenvalues at the solution, the origin or the start, and whether the rule stays there.",
        (
            "fig3a --set rule.flipped.inputs=0.3",
            "fig5c --realizations 3",
            "hidden_chaos --at origin --set constraint.kind=none",
        ),
        columns=("verdict", "leading_real_part", "numerical_abscissa", "neutral_dimension", "method", "status"),
        picture="stability",
    ),
    Study(
        "decomposition",
        f"{_HOME}.decomposition.study:decomposition",
        f"{_HOME}.decompositions:decomposition",
        "How much of a rule is gradient and how much is curl, at a point or along learning.",
        ("hidden_chaos --realizations 2", "hidden_chaos --times 0,100,1000", "hidden_chaos --metric layerwise"),
        columns=(
            "symmetric_norm",
            "antisymmetric_norm",
            "curl_ratio",
            "euclidean_curl_ratio",
            "divergence",
            "speed",
            "status",
        ),
        picture="parts_of_jacobian",
        batch=f"{_HOME}.cells:decomposition",
    ),
    Study(
        "plane_decomposition",
        f"{_HOME}.decomposition.plane:plane_decomposition",
        "curlflow:plane_decomposition",
        "A rule on a plane through weight space: its gradient, curl and harmonic parts on a grid.",
        ("fig1 --at origin --extent 2", "hidden_chaos --directions 0,3 --grid 24,32"),
        columns=("gradient_share", "curl_share", "harmonic_share"),
        picture="decomposition",
    ),
    Study(
        "boundary",
        f"{_HOME}.boundary:boundary",
        "curlflow:boundary",
        "Critical fraction of flips of large linear networks, by random-matrix theory.",
        ("", "--c 0.1,0.5,1 --layer inputs", "--c 0.1,1 --inputs 0:0.5:11 -o mixed.nc"),
        columns="boundary",
        picture="boundary",
        sweeps=False,
    ),
)

CELLS = {"curlflow.studies.bifurcation_cell:at_value": f"{_HOME}.classify.at_value:at_value"}
"""Functions that compute the cells of sweeps and are not studies: where they are now, by identity."""

_FUNCTIONS = CELLS | {study.identity: study.function for study in STUDIES}


def location(identity: str) -> str:
    """Where the function of that identity is now; other names, those of the user's functions, are unchanged."""
    return _FUNCTIONS.get(identity, identity)


def identity_of(function: str) -> str:
    """The identity of a function by its present place; other names are unchanged."""
    return {now: identity for identity, now in _FUNCTIONS.items()}.get(function, function)


def named(name: str) -> Study | None:
    """The study of that name; None where there is none."""
    return next((study for study in STUDIES if study.name == name), None)
