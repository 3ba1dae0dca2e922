"""Which function a sweep runs in every cell: a study by its name, or a function of the user's."""

import contextlib
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..catalogue import STUDIES, identity_of, named
from ..spec.arguments import Natural, as_plain, check, checked
from ..spec.sentences import nearest
from .engines.worker import find_function, script_name

WITHHELD = {
    "progress": "a sweep has its own progress",
    "rule": "a rule object is no data that names a cell; give a function of your own that makes it",
    "graph": "a graph is no data that names a cell; give a function of your own that makes it",
    "starts": "starts are no data that names a cell; give a function of your own that has them",
    "resume": "finished cells are never computed again; give the whole duration",
}


OF_STATE = "observables", "loss"
"""The options that may be functions of the state, or mappings from names to such functions."""
LAW = "fingerprint"
"""What the stored options have in place of a function: a mapping from this word to a checksum of what it computes."""


class SweptStudy(NamedTuple):
    """What is computed in a cell: the `function` as `module:name`, with the `version` of its numbers.

    `file` says where a function of the user's stands, and `text` is a hash of what is written there, if Python knows.
    Names of cells do not depend on them: functions may be moved and mended.
    """

    name: str
    function: str
    version: int
    file: str = ""
    text: str = ""


def study_of(study: Any, version: Any = None) -> SweptStudy:
    """The study that a name in the catalogue, `"package.module:function"` or a function means.

    **Raises:** `ValueError` for unknown names, and functions that other processes cannot find by name.
    """
    swept = {row.name: SweptStudy(row.name, row.identity, row.version) for row in STUDIES if row.sweeps}
    if isinstance(study, str) and study in swept:
        if version not in (None, swept[study].version):
            raise ValueError(f"version: got {version!r}, but {study} has its own, {swept[study].version}.")
        return swept[study]
    version = 1 if version is None else check("version", version, Natural)
    if isinstance(study, str) and ":" in study:
        return SweptStudy(study, study, version, *written(study))
    if isinstance(study, str) or not callable(study):
        hint = nearest(study, list(swept)) if isinstance(study, str) and named(study) is None else ""
        raise ValueError(
            f"study: got {study!r}{hint or '.'} Allowed are {', '.join(swept)}, functions, and their names "
            '"package.module:function".'
        )
    function = reference(study)
    name = identity_of(function)
    for known in swept.values():
        if name == known.function:
            return known
    # A function of curlflow's own may move; that of a user at another place is another one.
    return SweptStudy(name, name, version, *(written(name) if name == function else ()))


def written(name: str) -> tuple[str, str]:
    """The file of a function and a hash of its text, as far as Python knows them."""
    try:
        function = inspect.unwrap(find_function(name))
        file = inspect.getsourcefile(function) or ""
    except (ValueError, TypeError):
        return "", ""
    try:
        text = inspect.getsource(function)
    except OSError:  # it was typed in
        code = getattr(function, "__code__", None)
        if code is None:
            return "", ""
        constants = [constant for constant in code.co_consts if not inspect.iscode(constant)]
        text = repr((code.co_code, code.co_names, constants))
    # What stands in a notebook has a new file for every text.
    file = os.path.realpath(file) if name.partition(":")[0] != "__main__" else ""
    return file, hashlib.sha256(text.encode()).hexdigest()[:16]


def reference(function: Callable[..., Any], argument: str = "study") -> str:
    """The name by which a function can be found: `module:name`, or `script.py:name` in the script that runs."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    named = f"{module if module != '__main__' else script_name() or module}:{name}"
    found: Any = None
    with contextlib.suppress(ValueError):
        found = find_function(named)
    if found is None or getattr(found, "__wrapped__", found) is not getattr(function, "__wrapped__", function):
        raise ValueError(
            f"{argument}: got {name or function!r}, which cannot be found by name; required is a function at the top "
            "of a module or script, since its name says which cells are whose (no lambda, no function within "
            "another, no partial)."
        )
    return named


def functions_in(options: Any) -> dict[str, Any]:
    """The options that are functions of the state, or mappings from names to such functions.

    **Raises:** `ValueError` for a mapping of which only a part is functions.
    """
    found = {}
    for name in OF_STATE if isinstance(options, Mapping) else ():
        given = options.get(name)
        each = given if isinstance(given, Mapping) else {"": given}
        if not any(map(callable, each.values())):
            continue
        for key, value in each.items():
            if not callable(value):
                raise ValueError(f"options.{name}.{key}: got {value!r}, required is a function of the state.")
        found[name] = given
    return found


def fingerprints_of(functions: Mapping[str, Any], subject: Any) -> dict[str, Any]:
    """What stands for functions among the stored options: a checksum of what each computes from the state.

    **Raises:** `ValueError` for a function that cannot be applied to the state of `subject`, a spec or a system.
    """
    from ..experiment import law_at_start

    def of(name: str, given: Any) -> dict[str, Any]:
        if isinstance(given, Mapping):
            return {key: of(f"{name}.{key}", function) for key, function in given.items()}
        try:
            return {LAW: law_at_start(given, subject)}
        except ValueError as error:
            raise ValueError(f"options.{name}: {error}") from error

    return {name: of(name, given) for name, given in functions.items()}


def names_of_laws(options: Mapping[str, Any]) -> list[str]:
    """The stored options that stand for functions."""
    values = {name: options[name] for name in OF_STATE if isinstance(options.get(name), Mapping)}
    return [name for name, value in values.items() if any(map(_is_law, (value, *value.values())))]


def _is_law(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {LAW}


def options_of(options: Any) -> dict[str, Any]:
    """The keyword arguments of the study, as they are stored.

    **Raises:** `ValueError` for what JSON cannot hold, and for arguments that a sweep does not hand on.
    """
    options = {} if options is None else options
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ValueError(f"options: got {options!r}, required is a mapping from names of arguments to values.")
    for name, reason in WITHHELD.items():
        if name in options:
            raise ValueError(f"options.{name}: {reason}.")
    options = as_plain(options)
    for name, value in options.items():
        try:
            if json.loads(json.dumps(value, allow_nan=False)) != value:
                raise TypeError
        except (TypeError, ValueError):
            raise ValueError(
                f"options.{name}: got {value!r}, allowed are numbers, strings, lists and mappings from strings."
            ) from None
    return json.loads(json.dumps(options))


def check_call(study: SweptStudy, options: Mapping[str, Any]) -> None:
    """Raise `ValueError` for options that the function does not take or allow, and where it cannot be imported."""
    function = find_function(study.function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise ValueError(f"study: got {study.function!r}, of which Python knows no arguments; wrap it.") from None
    try:
        checked(function, options)
    except ValueError as error:
        raise ValueError(f"options.{error}") from None
    try:
        signature.bind(None, **options)
    except TypeError as error:
        names = ", ".join(list(signature.parameters)[1:]) or "none"
        raise ValueError(f"options: {study.name}: {error}; its arguments besides the spec are {names}.") from None
