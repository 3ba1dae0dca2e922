"""Former names of what is public: they work for one version, with a warning."""

import pkgutil
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def former_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has former names.

    **Arguments:**

    - `module`: its `__name__`.
    - `names`: what each is called now: another name of the same module, or the full name of something in the
      package.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = names[name]
        warnings.warn(f"{module}.{name} is now {now}.", DeprecationWarning, stacklevel=2)
        return pkgutil.resolve_name(now) if now.startswith("curlflow.") else getattr(sys.modules[module], now)

    return find
