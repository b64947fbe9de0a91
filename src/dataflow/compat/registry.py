"""DataFlow's registry of operators: name → class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView
from importlib import import_module
from typing import Any

_OURS = (
    "BatchVQAGenerator",
    "FixPromptedVQAGenerator",
    "ImageCaptionGenerator",
    "PromptTemplatedVQAGenerator",
    "PromptedVQAGenerator",
)


class Registry:
    """Objects by name; `name` says what it holds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, Any] = {}

    def register(self, obj: Any = None) -> Any:
        """Keep `obj` under its ``__name__``; without it, a decorator that does so."""
        if obj is None:
            return self.register
        self._objects.setdefault(obj.__name__, obj)
        return obj

    def get(self, name: str) -> Callable[..., Any]:
        """The object of that name.

        Raises:
            KeyError: there is none.
        """
        if name not in self._objects and name in _OURS:
            self._objects[name] = getattr(import_module("dataflow.compat.generate"), name)
        if name not in self._objects:
            known = ", ".join(sorted({*self._objects, *_OURS}))
            raise KeyError(f"there is no {name!r} in {self._name}; known are {known}")
        found: Callable[..., Any] = self._objects[name]
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._objects or name in _OURS

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.get_obj_map().items())

    def keys(self) -> KeysView[str]:
        """The names."""
        return self.get_obj_map().keys()

    def get_obj_map(self) -> dict[str, Any]:
        """All objects by name."""
        return {name: self.get(name) for name in {**dict.fromkeys(_OURS), **self._objects}}


OPERATOR_REGISTRY = Registry("operators")
