"""What a function of the user's makes of the values along the axes, where a sweep otherwise has a spec: `Made`."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..spec.sentences import nearest
from .engines.worker import find_function
from .study import reference, written


@dataclass(frozen=True)
class Made:
    """The arguments of a function that makes what is studied: a spec, an experiment or a system.

    **Attributes:**

    - `function`: its name, `module:name`; `text` is a hash of what is written there.
    - `arguments`: by name; those that no axis sets have the function's defaults.
    """

    function: str
    text: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    definition = None

    @classmethod
    def by(cls, function: Callable[..., Any]) -> "Made":
        """What `function` makes. **Raises:** `ValueError` for a function that cannot be found by its name."""
        name = reference(function, "spec")
        return cls(name, written(name)[1])

    @property
    def fields(self) -> list[str]:
        """The names of the arguments."""
        return list(inspect.signature(find_function(self.function)).parameters)

    def replace(self, changes: Mapping[str, Any]) -> "Made":
        """With other arguments. **Raises:** `ValueError` for those that the function does not have or lacks."""
        for name in changes:
            if name not in self.fields:
                raise ValueError(f"{name}: {self.function} has no argument of this name{nearest(name, self.fields)}.")
        return replace(self, arguments={**self.arguments, **changes})

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """As a table."""
        return {"function": self.function, "text": self.text, "arguments": dict(self.arguments)}

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(self.model_dump(), ensure_ascii=False)

    def sealed(self) -> "Made":
        """Itself: the text of the function is part of it."""
        return self

    def restored(self, text: str) -> Any:
        """What the function makes of the arguments in `text`."""
        given = json.loads(text)
        return find_function(given["function"])(**given["arguments"])
