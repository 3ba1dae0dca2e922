"""Commands made from studies: an option for every argument, its help from the study's docstring.

An argument that is a number, a flag or a word becomes an option of that type. What else a command line can say is in
`READERS`; what it cannot say, objects of Python, is in `WITHHELD`.
"""

import inspect
import re
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import curlflow

from ..catalogue import Study
from ..interrupts import Interrupted
from ..spec.arguments import check, parts, words
from ..spec.words import directions_from, numbers_from, over_from, spec_from, times_from, window_from
from . import common

WITHHELD = ("progress", "rule", "graph", "loss", "observables", "engine", "starts")
NUMBERS = "NUMBERS|FIRST:LAST:NUMBER"
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "c": (NUMBERS, lambda text: numbers_from("--c", text, logarithmic=True)),
    "directions": ("rotation|trajectory|I,J", directions_from),
    "extent": ("NUMBER|NUMBER,NUMBER", lambda text: numbers_from("--extent", text)),
    "grid": ("NUMBER|NUMBER,NUMBER", lambda text: numbers_from("--grid", text, whole=True)),
    "inputs": (NUMBERS, lambda text: numbers_from("--inputs", text)),
    "learning_rates": (NUMBERS, lambda text: numbers_from("--learning-rates", text, several=True)),
    "over": ("FIELD=VALUES", over_from),
    "resume": ("FILE", curlflow.load),
    "rules": ("KIND,KIND", lambda text: text.split(",")),
    "times": (NUMBERS, lambda text: numbers_from("--times", text, several=True)),
    "window": ("FROM:TO", window_from),
}
"""How options are read that are no plain numbers, flags or words, by name: what stands for the value in the help, and
a function from the words to the value."""
TIMES = {
    "until": (float | None, None, None, "Last time, or epoch. Default: 1000, or 10000 epochs."),
    "records": (int, 100, None, "How many records, besides the start."),
    "spacing": (str, "log", "log|linear", "How the records are spaced."),
}
"""The options of simulate in place of `times`."""


def command_of(study: Study) -> Callable[..., int]:
    """The function of a study's command, for typer."""
    function = getattr(curlflow, study.name)
    parameters = _parameters(study, function)

    def command(**given: Any) -> int:
        return _run(study, function, given)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = help_of(study, function)
    return command


def help_of(study: Study, function: Callable[..., Any]) -> str:
    """The summary, the note behind the heading of the arguments, and the examples."""
    note = re.search(r"\*\*Arguments\*\* \((.*?)\):", inspect.getdoc(function) or "", re.S)
    unit = "All lengths are in units of time; an epoch of updates is learning_rate units." if note else ""
    ranged = {name for name, (metavar, _) in READERS.items() if metavar == NUMBERS}
    if ranged & {*inspect.signature(function).parameters} and study.name != "simulate":
        unit += " NUMBERS are 0.5 or 0.1,0.5; of FIRST:LAST:NUMBER the spacing is even, for --c logarithmic."
    examples = (f"curlflow {study.command} {words}".rstrip() for words in study.examples)
    return "\n\n".join(filter(None, (study.summary, unit.strip(), "Examples:", *examples)))


def sayings(function: Callable[..., Any]) -> dict[str, str]:
    """What the list of arguments in a docstring says of each: its first sentence, and the one about the default."""
    listed = (inspect.getdoc(function) or "").partition("**Arguments")[2].partition("\n\n**")[0]
    found = {}
    for names, text in re.findall(r"^- (`\w+`(?:, `\w+`)*): (.*?)(?=\n- |\Z)", listed, re.M | re.S):
        sentences = re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(text.split()))
        default = [sentence for sentence in sentences[1:] if sentence.startswith(("Default", "By default"))]
        said = " ".join([sentences[0], *default]).replace("`", "")
        other = re.match(r"(?:of specs: )?as for curlflow\.(\w+)", said)
        for name in re.findall(r"\w+", names):
            whole = f"{name.replace('_', ' ')} {said}" if said.startswith("of ") and ":" not in sentences[0] else said
            elsewhere = sayings(getattr(curlflow, other[1])).get(name, said) if other else ""
            found[name] = elsewhere or whole[:1].upper() + whole[1:]
    return found


def _parameters(study: Study, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What the command takes: the subject, fields to replace, an option for every argument, where results go."""
    subject, *arguments = inspect.signature(function).parameters.values()
    said, has_spec = sayings(function), subject.name not in ("dataset", "c")
    found = []
    if subject.name == "dataset":
        found.append(_parameter("file", common.FileArgument))
    elif subject.name == "c":
        arguments = [subject, *arguments]
    else:
        found += [_parameter("spec", common.SpecArgument), _parameter("set_", common.SetOption, None)]
    for argument in arguments:
        if study.name == "simulate" and argument.name == "times":
            found += [
                _parameter(name, Annotated[kind, typer.Option(help=text, metavar=metavar)], default)
                for name, (kind, default, metavar, text) in TIMES.items()
            ]
        elif argument.name not in WITHHELD:
            found.append(_option(argument, said[argument.name]))
    if has_spec:
        found.append(_parameter("realizations", common.RealizationsOption, None))
    found.append(_parameter("output", common.OutputOption, None))
    if study.picture is not None:
        found.append(_parameter("picture", common.PictureOption, True))
    return [*found, _parameter("quiet", common.QuietOption, False)]


def _parameter(name: str, annotation: Any, *default: Any) -> inspect.Parameter:
    given = {"default": default[0]} if default else {}
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, **given)


def _option(argument: inspect.Parameter, text: str) -> inspect.Parameter:
    """An option for an argument, of its type where it is a number, a flag or a word."""
    annotation, default = argument.annotation, argument.default
    kind, metavar = str, None
    if argument.name in READERS:
        metavar, _ = READERS[argument.name]
        default = default if default in (None, argument.empty) else str(default)
    elif words(annotation):
        metavar = "|".join((*words(annotation), *(["NUMBER"] if _has_number(annotation) else [])))
    else:
        types = [typing.get_args(t)[0] if typing.get_origin(t) is Annotated else t for t in parts(annotation)]
        kind = next(kind for kind in (bool, int, float, Path, str) if kind in types)
    word = argument.name.replace("_", "-")
    flags = [f"--{word}/--no-{word}" if kind is bool else f"--{word}", *(["-d"] if word == "directory" else [])]
    option = typer.Option(*flags, help=text, metavar=metavar, show_default=default is not None)
    return _parameter(argument.name, Annotated[kind if default is not None else kind | None, option], default)


def _run(study: Study, function: Callable[..., Any], given: dict[str, Any]) -> int:
    """Read what was given, run the study, and save, show and draw what it returns.

    Where its dataset goes is checked before anything is computed. If the study is interrupted, what was finished is
    saved.
    """
    output, picture, quiet = given.pop("output"), given.pop("picture", False), given.pop("quiet")
    subject, default = (), f"{study.name}.nc"
    if "spec" in given:
        name = given.pop("spec")
        subject = (spec_from(name, given.pop("set_"), given.pop("realizations")),)
        default = f"{study.name}_{Path(name).stem}.nc"
    elif "file" in given:
        file = given.pop("file")
        subject, default = (curlflow.load(file),), f"{study.name}_{file.stem}.nc"
    path = common.results_path(output, default)
    parameters = inspect.signature(function).parameters
    if study.name == "simulate":
        given["times"] = times_from(*(given.pop(name) for name in TIMES), subject[0].dynamics.kind == "flow")
    options = {n: _read(n, value, parameters[n].annotation) for n, value in given.items() if value is not None}
    if "progress" in parameters:
        options["progress"] = not quiet
    common.interrupt_once()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*values failed; cell_message says why")  # it follows below
            dataset = function(*subject, **options)
    except Interrupted as interrupt:
        saved = common.save_anyhow(interrupt.dataset, path)
        common.show(interrupt.dataset)
        common.err.print(f"interrupted; what was finished is in {saved}", soft_wrap=True)
        return common.INTERRUPTED
    return common.finish(dataset, path, picture, quiet)


def _read(name: str, value: Any, annotation: Any) -> Any:
    if name in READERS and isinstance(value, str):
        _, read = READERS[name]
        return read(value)
    if _has_number(annotation) and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if words(annotation):
        return check(name, value, typing.Union[tuple(t for t in parts(annotation) if t is not Any)])  # noqa: UP007
    return value


def _has_number(annotation: Any) -> bool:
    """Whether a choice of words has a number beside them."""
    return bool(words(annotation)) and any(typing.get_origin(t) is Annotated for t in parts(annotation))
