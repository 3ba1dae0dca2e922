"""The rules that a study compares: by kind, as tables of a spec, or as objects, each with a name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...rules import AbstractLearningRule
from ...rules.function import as_rule
from ..subject import Subject


def named_rules(subject: Subject, given: Any) -> dict[str, Subject]:
    """From what a study's argument `rules` says to a subject for every name; to `subject` for the spec's own rule.

    **Arguments:**

    - `given`: a list of kinds, tables and objects, or a mapping from names to them. A kind means the spec's own rule
      where that is of this kind, and its defaults elsewhere. None: gradient descent and the spec's own rule.

    **Raises:** `ValueError` for what is no rule, for two of one name, and for curl descent without flips.
    """
    if given is None:
        given = list(dict.fromkeys(("gradient", subject.given.rule.kind)))
    if not isinstance(given, Mapping | list | tuple):
        raise ValueError(f"rules: got {given!r}, required is a list of rules, or a mapping from names to rules.")
    if isinstance(given, Mapping) and isinstance(given.get("kind"), str):
        raise ValueError(f"rules: got the table {given!r}; required is a list of rules: put it into brackets.")
    pairs = list(given.items()) if isinstance(given, Mapping) else [(_name(rule), rule) for rule in given]
    if not pairs:
        raise ValueError("rules: got none, at least one is required.")
    names = [name for name, _ in pairs]
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"rules: got the name {name!r}, names are words.")
        if names.count(name) > 1:
            raise ValueError(f"rules: two are named {name!r}; give a mapping from different names to rules.")
    return {name: _resolved(subject, name, rule) for name, rule in pairs}


def _name(rule: Any) -> str:
    if isinstance(rule, str):
        return rule
    if isinstance(rule, Mapping):
        if not isinstance(rule.get("kind"), str):
            raise ValueError(f'rules: got the table {rule!r}, which has no kind; give one, such as "curl".')
        return rule["kind"]
    return getattr(rule, "__name__", type(rule).__name__)


def _resolved(subject: Subject, name: str, rule: Any) -> Subject:
    if callable(rule) or isinstance(rule, AbstractLearningRule):
        return dataclasses.replace(subject, rule=as_rule(rule))
    if isinstance(rule, str):
        if rule == subject.given.rule.kind:
            return subject
        if rule == "curl":
            raise ValueError(
                'rules: "curl" flips nothing, because the spec has another rule; give a table such as '
                '{"kind": "curl", "flipped": {"hidden": {"count": 1}}}.'
            )
        rule = {"kind": rule}
    if not isinstance(rule, Mapping):
        raise ValueError(
            f'rules: got {rule!r} for {name!r}; allowed are kinds such as "gradient", tables such as '
            '{"kind": "curl", "flipped": {"hidden": {"count": 1}}}, rule objects and functions.'
        )
    try:
        return dataclasses.replace(subject, given=subject.given.replace("rule", dict(rule)))
    except ValueError as error:
        raise ValueError(f"rules: {name}: {error}") from None
