"""Commands that compute."""

from pathlib import Path
from typing import Annotated

import typer

from ..spec.words import numbers_from, spec_from, times_from
from .common import (
    CompressOption,
    OutputOption,
    PictureOption,
    QuietOption,
    RealizationsOption,
    SetOption,
    SpecArgument,
    finish,
    output_from,
    results_path,
    run,
    without_screen,
)
from .motions import COMMANDS as MOTIONS


def lyapunov(
    spec: SpecArgument,
    set_: SetOption = None,
    exponents: Annotated[int | None, typer.Option(help="How many, the largest first. Default: 5.")] = None,
    duration: Annotated[float | None, typer.Option(help="Time that is averaged over. Default: 1000.")] = None,
    transient: Annotated[float | None, typer.Option(help="Time that the state runs before. Default: 1000.")] = None,
    alignment: Annotated[float | None, typer.Option(help="Time that the tangents run before. Default: 100.")] = None,
    block: Annotated[
        float | None, typer.Option(help="Time between QR factorisations. Default: by a pilot run.")
    ] = None,
    tolerance: Annotated[float | None, typer.Option(help="Stop when every standard error is below this.")] = None,
    rtol: Annotated[float | None, typer.Option(help="Relative tolerance, in place of the spec's.")] = None,
    atol: Annotated[float | None, typer.Option(help="Absolute tolerance, in place of the spec's.")] = None,
    stepping: Annotated[str | None, typer.Option(help="adaptive (default) or fixed; not for updates.")] = None,
    compress: CompressOption = True,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the initial tangents (the spec's own: --set seed=1).")
    ] = None,
    realizations: RealizationsOption = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the runs in this file, exactly.")] = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Lyapunov exponents with standard errors, as a table, a NetCDF file and a picture.

    All lengths are in units of time; an epoch of updates is learning_rate units.

    Examples:

    curlflow lyapunov hidden_chaos

    curlflow lyapunov hidden_chaos --set rule.flipped.inputs=0.6 --exponents 3 -o chaos.nc

    curlflow lyapunov hidden_chaos --resume chaos.nc --set rule.flipped.inputs=0.6 --duration 2000 -o longer.nc
    """
    from .. import results

    settings, path = spec_from(spec, set_, realizations), output_from(output, "lyapunov", spec)
    previous = None if resume is None else results.load(resume)
    without_screen()
    from ..studies.lyapunov.study import lyapunov

    options = {
        "exponents": exponents, "duration": duration, "transient": transient, "alignment": alignment, "block": block,
        "tolerance": tolerance, "rtol": rtol, "atol": atol, "stepping": stepping, "seed": seed, "resume": previous,
        "compress": compress,
    }  # fmt: skip
    dataset = run(lambda: lyapunov(settings, progress=not quiet, **options), path)
    return finish(dataset, path, picture, quiet)


def simulate(
    spec: SpecArgument,
    set_: SetOption = None,
    until: Annotated[float | None, typer.Option(help="Last time, or epoch. Default: 1000, or 10000 epochs.")] = None,
    records: Annotated[int, typer.Option(help="How many records, besides the start.")] = 100,
    spacing: Annotated[str, typer.Option(help="log or linear.")] = "log",
    weights: Annotated[str, typer.Option(help="none, all, or how many weights to record.")] = "none",
    compress: CompressOption = True,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Learning curves: errors and norms along the dynamics, as a NetCDF file and a picture.

    Examples:

    curlflow simulate fig5c --until 1000 --realizations 2

    curlflow simulate hidden_chaos --spacing linear --until 500 --weights 10
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "simulate", spec)
    times = times_from(until, records, spacing, settings.dynamics.kind == "flow")
    without_screen()
    from ..studies.simulate import simulate

    chosen = int(weights) if weights.lstrip("-").isdigit() else weights
    options = {"times": times, "weights": chosen, "compress": compress}
    dataset = run(lambda: simulate(settings, progress=not quiet, **options), path)
    return finish(dataset, path, picture, quiet)


def train(
    spec: SpecArgument,
    set_: SetOption = None,
    epochs: Annotated[int, typer.Option(help="How long; an epoch of a flow is 0.1 units of time.")] = 100_000,
    records: Annotated[int, typer.Option(help="Errors are looked at after so many epochs, log spaced.")] = 100,
    threshold: Annotated[
        float | None, typer.Option(help="Stop at the first record with a smaller test error.")
    ] = None,
    stop: Annotated[bool, typer.Option(help="Stop where the rest of a run changes nothing.")] = True,
    compress: CompressOption = True,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """How learning ends: final and peak errors, and whether it settled, as a table and a NetCDF file.

    Examples:

    curlflow train fig4

    curlflow train fig3a --set rule.flipped.inputs=0.3 --epochs 20000 --realizations 3
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "train", spec)
    from ..studies.train.study import train

    options = {"epochs": epochs, "records": records, "threshold": threshold, "stop": stop, "compress": compress}
    dataset = run(lambda: train(settings, progress=not quiet, **options), path)
    return finish(dataset, path, False, quiet)


def convergence(
    spec: SpecArgument,
    set_: SetOption = None,
    threshold: Annotated[float, typer.Option(help="The error to reach.")] = 1e-3,
    error: Annotated[str, typer.Option(help="test or train: which error that is.")] = "test",
    relative: Annotated[bool, typer.Option(help="In units of the variance of the teacher's outputs.")] = False,
    rules: Annotated[
        str | None,
        typer.Option(help="Kinds, such as gradient,feedback_alignment. Default: gradient and the spec's own."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="How long; an epoch of a flow is 0.1 units of time.")] = 100_000,
    records: Annotated[int, typer.Option(help="Errors are recorded after so many epochs, log spaced.")] = 100,
    to_end: Annotated[bool, typer.Option(help="Go on to the last epoch, for the errors at the end.")] = False,
    compress: CompressOption = True,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """When learning reaches an error, under several rules on the same problems, and which is faster.

    The first rule is the one that the others are compared with. A run that does not converge is no failure.

    Examples:

    curlflow convergence fig5c --set dynamics.kind=flow --set dynamics.solver=rkc2

    curlflow convergence fig5c --set dynamics.kind=flow --rules gradient,curl,feedback_alignment --realizations 3
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "convergence", spec)
    without_screen()
    from ..studies.convergence.study import convergence

    options = {
        "threshold": threshold, "error": error, "relative": relative, "epochs": epochs, "records": records,
        "to_end": to_end, "compress": compress, "rules": None if rules is None else rules.split(","),
    }  # fmt: skip
    dataset = run(lambda: convergence(settings, progress=not quiet, **options), path)
    return finish(dataset, path, picture, quiet)


def stability(
    spec: SpecArgument,
    set_: SetOption = None,
    at: Annotated[str, typer.Option(help="solution, origin or start.")] = "solution",
    eigenvalues: Annotated[int, typer.Option(help="How many, where not all can be computed.")] = 10,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Eigenvalues at the solution, the origin or the start, and whether the rule stays there.

    Eigenvalues are rates per unit of time; neutral directions are counted apart.

    Examples:

    curlflow stability fig3a --set rule.flipped.inputs=0.3

    curlflow stability fig5c --realizations 3

    curlflow stability hidden_chaos --at origin --set constraint.kind=none
    """
    if at not in ("solution", "origin", "start"):
        raise ValueError(f"--at: got {at!r}, allowed are solution, origin and start.")
    settings, path = spec_from(spec, set_, realizations), output_from(output, "stability", spec)
    without_screen()
    from ..studies.stability.study import stability

    dataset = run(lambda: stability(settings, at=at, eigenvalues=eigenvalues, progress=not quiet), path)
    return finish(dataset, path, picture, quiet)


def boundary(
    c: Annotated[str | None, typer.Option("--c", help="Ratios M/N: 0.5, or 0.1,0.5,1, or 0.01:10:200.")] = None,
    layer: Annotated[str, typer.Option(help="inputs, hidden or both.")] = "both",
    inputs: Annotated[
        str | None, typer.Option(help="Fractions of flipped inputs, for flips in both layers: 0,0.1 or 0:1:21.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="NetCDF file. Default: boundary.nc.")] = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Critical fraction of flips of large linear networks, by random-matrix theory.

    Ranges are FIRST:LAST:NUMBER, for c with logarithmic spacing. "always stable": no fraction is unstable; 0: every
    positive one is.

    Examples:

    curlflow boundary

    curlflow boundary --c 0.1,0.5,1 --layer inputs

    curlflow boundary --c 0.1,1 --inputs 0:0.5:11 -o mixed.nc
    """
    path = results_path(output, "boundary.nc")
    ratios, fractions = numbers_from("--c", c, logarithmic=True), numbers_from("--inputs", inputs)
    without_screen()
    from ..studies.boundary import boundary

    return finish(boundary(ratios, layer=layer, inputs=fractions), path, picture, quiet)


COMMANDS = (lyapunov, simulate, train, convergence, *MOTIONS, stability, boundary)
