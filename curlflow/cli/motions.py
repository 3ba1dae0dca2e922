"""Commands about motion that does not settle: windows, verdicts, bifurcation diagrams."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ..spec.words import numbers_from, spec_from, window_from
from .common import (
    SOME_FAILED,
    CompressOption,
    OutputOption,
    PictureOption,
    QuietOption,
    RealizationsOption,
    SetOption,
    SpecArgument,
    err,
    finish,
    output_from,
    run,
    without_screen,
)

TransientOption = Annotated[float | None, typer.Option(help="Time before the window. Default: 3000.")]
DurationOption = Annotated[float | None, typer.Option(help="Length of the window. Default: 6000.")]


def fluctuations(
    spec: SpecArgument,
    set_: SetOption = None,
    window: Annotated[
        str | None, typer.Option(help="FROM:TO, in epochs or time. Default: epochs 99001:100000, time 9900.1:10000.")
    ] = None,
    interval: Annotated[
        float | None, typer.Option(help="Between samples. Default: 1 epoch, or a thousandth of the window.")
    ] = None,
    lags: Annotated[int | None, typer.Option(help="How many. Default: half the samples, at most 10000.")] = None,
    weights: Annotated[int, typer.Option(help="How many are recorded for the autocorrelation.")] = 100,
    components: Annotated[int | None, typer.Option(help="How many principal components. Default: 3.")] = None,
    snapshots: Annotated[int, typer.Option(help="At most so many samples are kept whole for them.")] = 1000,
    compress: CompressOption = True,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Order parameter, autocorrelation and principal components over a window of a run.

    Examples:

    curlflow fluctuations fig3cd --realizations 2

    curlflow fluctuations hidden_chaos --window 1000:2000 --interval 0.5
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "fluctuations", spec)
    ends = window_from(window)
    without_screen()
    from ..studies.fluctuations.study import fluctuations

    options = {
        "window": ends, "interval": interval, "lags": lags, "weights": weights, "components": components,
        "snapshots": snapshots, "compress": compress,
    }  # fmt: skip
    dataset = run(lambda: fluctuations(settings, progress=not quiet, **options), path)
    return finish(dataset, path, picture, quiet)


def classify(
    spec: SpecArgument,
    set_: SetOption = None,
    transient: TransientOption = None,
    duration: DurationOption = None,
    exponents: Annotated[int | None, typer.Option(help="How many. Default: 3.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of tangents, observables, frequencies of the 0-1 test.")] = None,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """Chaos or not: a verdict for every realization, with its indicators.

    All lengths are in units of time; an epoch of updates is learning_rate units.

    Examples:

    curlflow classify hidden_chaos

    curlflow classify fig3cd --realizations 2
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "classify", spec)
    without_screen()
    from ..studies.classify.study import classify

    options = {"transient": transient, "duration": duration, "exponents": exponents, "seed": seed}
    dataset = run(lambda: classify(settings, progress=not quiet, **options), path)
    return finish(dataset, path, picture, quiet)


def bifurcation(
    spec: SpecArgument,
    over: Annotated[str, typer.Option(help="A field and its values: rule.gain=-1:1:41 or =0,0.1,0.5.")],
    set_: SetOption = None,
    observable: Annotated[str | None, typer.Option(help="Whose extrema. Default: train_error.")] = None,
    transient: TransientOption = None,
    duration: DurationOption = None,
    exponents: Annotated[int, typer.Option(help="How many.")] = 1,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="Folder for finished values; the same command goes on.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes. Default: all cores.")] = None,
    realizations: RealizationsOption = None,
    output: OutputOption = None,
    picture: PictureOption = True,
    quiet: QuietOption = False,
) -> int:
    """A bifurcation diagram: late extrema, the largest exponent and verdicts along a field of the spec.

    Examples:

    curlflow bifurcation hidden_chaos --over rule.gain=-1:1:41 -d gain/

    curlflow bifurcation hidden_chaos --over rule.flipped.inputs=0:0.6:13 --realizations 1
    """
    settings, path = spec_from(spec, set_, realizations), output_from(output, "bifurcation", spec)
    field, found, values = over.partition("=")
    if not found:
        raise ValueError(f"--over: got {over!r}, required is FIELD=VALUES, as in rule.gain=-1:1:41.")
    numbers = numbers_from("--over", values)
    without_screen()
    from ..diagrams import bifurcation

    options = {
        "observable": observable, "transient": transient, "duration": duration, "exponents": exponents,
        "directory": directory, "workers": workers, "progress": not quiet,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*values failed; cell_message says why")  # it follows below
        dataset = run(lambda: bifurcation(settings, {field: numbers}, **options), path)
    code = finish(dataset, path, picture and "late_extremum" in dataset, quiet)
    return SOME_FAILED if _show_failed(dataset) else code


def _show_failed(dataset: Any) -> bool:
    """Say which values failed, and why; whether there are any."""
    if "cell_message" not in dataset:
        return False
    name = dataset.cell_message.dims[0]
    for value, message in zip(dataset[name].values.tolist(), dataset.cell_message.values.tolist(), strict=True):
        if message:
            err.print(f"{name} {value:g}: {message}", soft_wrap=True)
    return True


COMMANDS = (fluctuations, classify, bifurcation)
