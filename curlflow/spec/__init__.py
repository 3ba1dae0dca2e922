"""The description of an experiment: validated, immutable, readable as TOML.

A spec says what is learned, by whom, by which rule and from where; it holds no arrays. `Spec.build()` makes
them. Published settings are presets: `curlflow.preset("hidden_chaos")`.
"""

from .published import preset, preset_text, presets
from .spec import Spec

__all__ = ["Spec", "preset", "preset_text", "presets"]
