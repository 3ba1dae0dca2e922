"""Presets: the published settings, as TOML files inside the package."""

from importlib import resources

from .sentences import nearest
from .spec import Spec

_PRESETS = resources.files("curlflow") / "experiments"


def presets() -> dict[str, str]:
    """The names of all presets, each with a line of description."""
    files = sorted((f for f in _PRESETS.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): f.read_text("utf-8").partition("\n")[0].lstrip("# ") for f in files}


def preset_text(name: str) -> str:
    """The TOML text of the preset `name`, with its comments."""
    names = presets()
    if name not in names:
        hint = nearest(str(name), list(names)) or "."
        raise ValueError(f"preset: got {name!r}{hint} Allowed are {', '.join(names)}.")
    return (_PRESETS / f"{name}.toml").read_text("utf-8")


def preset(name: str) -> Spec:
    """The spec of a published setting, by name.

    **Raises:** `ValueError` for an unknown name, with the nearest one.
    """
    return Spec.from_toml_string(preset_text(name), name)
