"""What is learned, by whom, by which rule and from where: specs, which are read as TOML and hold no arrays."""

from .published import preset, preset_text, presets
from .spec import Spec

__all__ = ["Spec", "preset", "preset_text", "presets"]
