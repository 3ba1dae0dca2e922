"""Commands made from studies: an option for every argument, its help from the study's docstring.

An argument that is a number, a flag or a word becomes an option of that type. What else a command line can say is in
`READERS`; what it cannot say, objects of Python, is in `WITHHELD`.
"""

import importlib
import inspect
import re
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ..catalogue import Study
from ..spec.arguments import check, parts, words
from ..spec.words import directions_from, numbers_from, over_from, spec_from, times_from, window_from
from .common import (
    FileArgument,
    OutputOption,
    PictureOption,
    QuietOption,
    RealizationsOption,
    SetOption,
    SpecArgument,
    finish,
    output_from,
    results_path,
    run_study,
    without_screen,
)

WITHHELD = ("progress", "rule", "graph", "loss", "observables", "engine")


class Reader(NamedTuple):
    """How an option is read: what stands for its value in the help, and a function from the words to the value."""

    metavar: str
    read: Callable[[str], Any]


def _dataset_from(path: str) -> Any:
    from .. import results

    return results.load(Path(path))


NUMBERS = "NUMBERS|FIRST:LAST:NUMBER"
READERS = {
    "c": Reader(NUMBERS, lambda text: numbers_from("--c", text, logarithmic=True)),
    "directions": Reader("rotation|trajectory|I,J", directions_from),
    "extent": Reader("NUMBER|NUMBER,NUMBER", lambda text: numbers_from("--extent", text)),
    "grid": Reader("NUMBER|NUMBER,NUMBER", lambda text: numbers_from("--grid", text)),
    "inputs": Reader(NUMBERS, lambda text: numbers_from("--inputs", text)),
    "learning_rates": Reader(NUMBERS, lambda text: numbers_from("--learning-rates", text, several=True)),
    "over": Reader("FIELD=VALUES", over_from),
    "resume": Reader("FILE", _dataset_from),
    "rules": Reader("KIND,KIND", lambda text: text.split(",")),
    "times": Reader(NUMBERS, lambda text: numbers_from("--times", text, several=True)),
    "window": Reader("FROM:TO", window_from),
}
"""How options are read that are no plain numbers, flags or words, by name."""
SHORT = {"directory": "-d"}
TIMES = {
    "until": (float | None, None, None, "Last time, or epoch. Default: 1000, or 10000 epochs."),
    "records": (int, 100, None, "How many records, besides the start."),
    "spacing": (str, "log", "log|linear", "How the records are spaced."),
}
"""The options of simulate in place of `times`."""


def command_of(study: Study) -> Callable[..., int]:
    """The function of a study's command, for typer."""
    module, _, name = study.function.partition(":")
    function = getattr(importlib.import_module(module), name)
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
    ranged = {name for name, reader in READERS.items() if reader.metavar == NUMBERS}
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
            found[name] = _said_elsewhere(other[1], name, said) if other else whole[:1].upper() + whole[1:]
    return found


def _said_elsewhere(study: str, name: str, said: str) -> str:
    from .. import sweep
    from ..catalogue import named

    row = named(study)
    if row is None:
        return sayings(sweep).get(name, said)
    module, _, function = row.function.partition(":")
    return sayings(getattr(importlib.import_module(module), function)).get(name, said)


def _parameters(study: Study, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What the command takes: the subject, fields to replace, an option for every argument, where results go."""
    subject, *arguments = inspect.signature(function).parameters.values()
    said = sayings(function)
    found = []
    if subject.name == "dataset":
        found.append(_parameter("file", FileArgument))
    elif subject.name == "c":
        arguments = [subject, *arguments]
    else:
        found += [_parameter("spec", SpecArgument), _parameter("set_", SetOption, None)]
    for argument in arguments:
        if study.name == "simulate" and argument.name == "times":
            found += [
                _parameter(name, Annotated[kind, typer.Option(help=text, metavar=metavar)], default)
                for name, (kind, default, metavar, text) in TIMES.items()
            ]
        elif argument.name not in WITHHELD:
            found.append(_option(argument, said[argument.name]))
    if found and found[0].name == "spec":
        found.append(_parameter("realizations", RealizationsOption, None))
    found.append(_parameter("output", OutputOption, None))
    if study.picture is not None:
        found.append(_parameter("picture", PictureOption, True))
    return [*found, _parameter("quiet", QuietOption, False)]


def _parameter(name: str, annotation: Any, default: Any = ...) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option(argument: inspect.Parameter, text: str) -> inspect.Parameter:
    """An option for an argument, of its type where it is a number, a flag or a word."""
    annotation, default = argument.annotation, argument.default
    kind, metavar = str, None
    if argument.name in READERS:
        metavar = READERS[argument.name].metavar
        default = default if default in (None, argument.empty) else str(default)
    elif words(annotation):
        metavar = "|".join((*words(annotation), *(["NUMBER"] if _has_number(annotation) else [])))
    else:
        kind = _kind(parts(annotation))
    flags = [f"--{argument.name.replace('_', '-')}", *([SHORT[argument.name]] if argument.name in SHORT else [])]
    if kind is bool:
        flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
    option = typer.Option(*flags, help=text, metavar=metavar, show_default=default is not None)
    return _parameter(argument.name, Annotated[kind if default is not None else kind | None, option], default)


def _kind(types: tuple[Any, ...]) -> type:
    """The type of Python that an option's word is read as."""
    plain = [typing.get_args(t)[0] if typing.get_origin(t) is Annotated else t for t in types]
    for kind in (bool, int, float, Path, str):
        if kind in plain:
            return kind
    raise TypeError(f"no option says {types}")


def _run(study: Study, function: Callable[..., Any], given: dict[str, Any]) -> int:
    """Read what was given, run the study, and save, show and draw what it returns."""
    subject, path = _subject(study, given)
    picture, quiet = given.pop("picture", False), given.pop("quiet")
    parameters = inspect.signature(function).parameters
    if study.name == "simulate":
        times = times_from(*(given.pop(name) for name in TIMES), subject[0].dynamics.kind == "flow")
        given["times"] = times
    options = {n: _read(n, value, parameters[n].annotation) for n, value in given.items() if value is not None}
    if "progress" in parameters:
        options["progress"] = not quiet
    without_screen()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*values failed; cell_message says why")  # it follows below
        dataset = run_study(lambda: function(*subject, **options), path)
    return finish(dataset, path, picture, quiet)


def _subject(study: Study, given: dict[str, Any]) -> tuple[tuple[Any, ...], Path]:
    """What the study is about, and where its dataset goes, which is checked before anything is computed."""
    output = given.pop("output")
    if "spec" in given:
        name = given.pop("spec")
        spec = spec_from(name, given.pop("set_"), given.pop("realizations"))
        return (spec,), output_from(output, study.name, name)
    if "file" in given:
        file = given.pop("file")
        return (_dataset_from(file),), output_from(output, study.name, str(file))
    return (), results_path(output, f"{study.name}.nc")


def _read(name: str, value: Any, annotation: Any) -> Any:
    if name in READERS and isinstance(value, str):
        return READERS[name].read(value)
    if _has_number(annotation) and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if words(annotation):
        return check(name, value, typing.Union[tuple(t for t in parts(annotation) if t is not Any)])  # noqa: UP007
    return value


def _has_number(annotation: Any) -> bool:
    """Whether a choice of words has a number beside them."""
    return bool(words(annotation)) and any(typing.get_origin(t) is Annotated for t in parts(annotation))
