"""DataFlow's registry of operators: name → class."""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from importlib import import_module
from typing import Any

_OURS = "dataflow.compat.generate"


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

    def get(self, name: str) -> Any:
        """The object of that name.

        Raises:
            KeyError: there is none.
        """
        objects = self.get_obj_map()
        if name not in objects:
            known = ", ".join(sorted(objects))
            raise KeyError(f"there is no {name!r} in {self._name}; known are {known}")
        return objects[name]

    def __contains__(self, name: object) -> bool:
        return name in self.get_obj_map()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.get_obj_map().items())

    def keys(self) -> KeysView[str]:
        """The names."""
        return self.get_obj_map().keys()

    def get_obj_map(self) -> dict[str, Any]:
        """All objects by name."""
        ours = import_module(_OURS)
        return {**{name: getattr(ours, name) for name in ours.__all__}, **self._objects}


OPERATOR_REGISTRY = Registry("operators")
