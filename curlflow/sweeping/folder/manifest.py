"""What a folder is a sweep of: everything that is needed to go on with it from another terminal or machine."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from ...results.files import write_new, write_whole
from ...spec import Spec
from ...spec.arguments import check
from ..axes import Dimension, dotted
from ..grid import Grid, canonical
from ..made import Made
from ..study import SweptStudy
from . import unread, writing_to
from .leases import runners

NAME = "sweep.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest(Grid):
    """A sweep, without any result: its grid, and what to do with cells of other versions of the study.

    **Attributes:**

    - `others`: for each version besides the study's own of which cells may be there, `"recompute"` or `"use"`.
    """

    others: Mapping[int, str]

    @property
    def grid(self) -> Grid:
        """Its cells."""
        return self

    def as_json(self) -> dict[str, Any]:
        """This as JSON can keep it."""
        return {
            "format": FORMAT,
            "spec": self.spec.model_dump(exclude_none=True),
            "axes": [dimension._asdict() for dimension in self.dimensions],
            "study": self.study._asdict(),
            "options": dict(self.options),
            "other_versions": {str(version): what for version, what in self.others.items()},
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Manifest":
        """The inverse of `as_json`."""
        return cls(
            Made(**given["spec"]) if "function" in given["spec"] else Spec(**given["spec"]),
            TypeAdapter(tuple[Dimension, ...]).validate_python(given["axes"]),
            SweptStudy(**given["study"]),
            given["options"],
            {int(version): what for version, what in given["other_versions"].items()},
        )


class Unreadable(ValueError):
    """A sweep.json that is no longer what was written."""


def folder_of(directory: Any) -> Path:
    """The folder that a user means. **Raises:** `ValueError` for what is no path, and for a file."""
    if not isinstance(directory, str | os.PathLike):
        raise ValueError(f"directory: got {directory!r}, required is the path of a folder.")
    path = Path(directory)
    if path.is_file():
        raise ValueError(f"directory: {path} is a file; required is the folder of a sweep.")
    return path


def read(directory: Path) -> Manifest:
    """The sweep of a folder.

    **Raises:** `ValueError` if it is none; `Unreadable` if its description is damaged.
    """
    path = directory / NAME
    try:
        given = json.loads(path.read_text("utf-8"))
        if given.get("format") == FORMAT:
            return Manifest.from_json(given)
    except FileNotFoundError:
        what = "has no sweep.json" if directory.is_dir() else "does not exist"
        raise ValueError(f"directory: {directory} {what}; a sweep begins with a spec and axes.") from None
    except OSError as error:
        raise unread(path, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise Unreadable(
            f"directory: {path} cannot be read: {said}. Begin the same sweep there again, with its spec and axes: "
            "cells that are finished are found."
        ) from None
    raise ValueError(f"directory: {path} has the format {given.get('format')!r}, this curlflow reads {FORMAT}.")


def established(
    directory: Path, wanted: Manifest, *, extend: bool = False, other_version: str = "refuse"
) -> Manifest:
    """Make `directory` a folder of the sweep `wanted`, or check that it is one; the arguments are those of `sweep`.

    **Raises:** `ValueError` for a folder of another sweep, with the differences, and for one of other files;
    `OSError` for one that cannot be written.
    """
    check("other_version", other_version, Literal["refuse", "recompute", "use"])
    path = directory / NAME
    with writing_to(directory):
        directory.mkdir(parents=True, exist_ok=True)
        names = {p.name for p in directory.iterdir() if not p.name.startswith(".")}
        # Where only sweep.json is gone the cells are still good, since their names say what they are.
        strangers = set() if names >= {"cells", "failed", "runners"} else names
        # Looked at last: another process may just be beginning the same sweep.
        if strangers and not path.exists():
            raise ValueError(
                f"directory: {directory} holds other files, but no sweep (such as {min(strangers)}); give a new or "
                "empty folder."
            )
        if write_new(path, _text(wanted)):
            return wanted
        try:
            there = read(directory)
        except Unreadable:
            write_whole(path, _text(wanted))
            return wanted
        # Where all cells that were computed have failed and nobody is at work, there is nothing to keep.
        failed, done = directory / "failed", directory / "cells"
        fruitless = any(failed.glob("*.json")) and not any(done.glob("*.npz")) and not runners(directory)
        merged = wanted if fruitless else _merged(directory, there, wanted, extend, other_version)
        # As text: in Python True, 1 and 1.0 are equal, and cells of each have names of their own.
        if _text(merged) != _text(there):
            write_whole(path, _text(merged))
    return merged


def _text(manifest: Manifest) -> bytes:
    return (json.dumps(manifest.as_json(), indent=1, ensure_ascii=False) + "\n").encode()


def _merged(directory: Path, there: Manifest, wanted: Manifest, extend: bool, other_version: str) -> Manifest:
    """The manifest that stands for both; `ValueError` with what differs where there is none."""
    others, old, new = dict(there.others), there.study, wanted.study
    same = (old.function, old.version) == (new.function, new.version)
    # Another function of the same name stands in another file, and has another text.
    another = old.text and new.text and old.text != new.text and (old.file != new.file or not new.file)
    if same and another and other_version != "use":
        there_at, here_at = (f"in {s.file}" if s.file else f"with the text {s.text[:6]}" for s in (old, new))
        raise ValueError(
            f"directory: {directory} holds cells of a function {old.name} {there_at}, which is not the one "
            f'{here_at}. Give another folder, raise version, or keep them by other_version="use".'
        )
    found = list(differences(replace(there, study=new._replace(function=old.function, name=old.name)), wanted))
    if found and not extend:
        raise ValueError(
            f"directory: {directory} is of another sweep: {'; '.join(found)}. Give another folder, or extend=True to "
            "make it this sweep and keep the cells that both have."
        )
    if old.version != new.version and old.function == new.function:
        if other_version == "refuse":
            raise ValueError(
                f"directory: {directory} holds cells of version {old.version} of {old.name}, this is version "
                f'{new.version}; other_version="recompute" computes them again, other_version="use" keeps them.'
            )
        others[old.version] = other_version
    others.pop(new.version, None)
    if other_version != "refuse":
        others = dict.fromkeys(others, other_version)
    return replace(wanted, others=others)


def differences(there: Manifest, wanted: Manifest) -> Iterator[str]:
    """How two sweeps differ, in phrases."""
    ours, theirs = wanted.as_json(), there.as_json()
    for part in ("spec", "options", "study"):
        old, new = (dotted(m[part], lambda _, value: isinstance(value, Mapping)) for m in (theirs, ours))
        for name in sorted({*old, *new}):
            if canonical(old.get(name, "nothing")) != canonical(new.get(name, "nothing")):
                label = name if part == "spec" else f"{part}.{name}"
                yield f"{label} is {old.get(name, 'not set')!r} there, {new.get(name, 'not set')!r} here"
    before, after = ({d.name: d for d in m.dimensions} for m in (there, wanted))
    if list(before) != list(after):
        yield f"the axes are {', '.join(before)} there, {', '.join(after)} here"
    for name in [name for name in before if name in after]:
        old, new = before[name], after[name]
        if _measured(old) != _measured(new):
            yield f"the axis {name} is {_axis(old, new)} there, {_axis(new, old)} here"


def _measured(dimension: Dimension) -> str:
    """A dimension as text, with whole numbers as real ones: along an axis 1 and 1.0 are one value."""
    return canonical(json.loads(canonical(dimension._asdict()), parse_int=float))


def _axis(dimension: Dimension, other: Dimension) -> str:
    """What to say of an axis beside another that differs."""
    values, changes = dimension.values, dimension.changes
    if values == other.values:
        i = next((i for i, change in enumerate(other.changes) if changes[i] != change), 0)
        return f"{values[i]!r} with {changes[i]}"
    return f"{list(values)}" if len(values) <= 5 else f"{values[0]!r} … {values[-1]!r} ({len(values)} values)"
