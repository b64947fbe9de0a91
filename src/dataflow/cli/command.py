"""A command made of a dataclass whose fields are its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def takes(choices: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Makes a command of a function of `choices`: a dataclass whose fields are its options."""

    def command_of(function: Callable[[T], None]) -> Callable[..., None]:
        hints = get_type_hints(choices, include_extras=True)

        def command(**given: Any) -> None:
            function(choices(**given))

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__annotations__ = hints
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if is_required(field) else field.default,
                    annotation=hints[field.name],
                )
                for field in fields(choices)  # type: ignore[arg-type]
            ]
        )
        return command

    return command_of


def is_required(field: Field[Any]) -> bool:
    """Whether an option must be given."""
    return field.default is MISSING
