"""A command made of a dataclass whose fields are its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from typer.core import TyperCommand, TyperOption
from typer.models import OptionInfo

T = TypeVar("T")


def takes(choices: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Makes a command of a function of `choices`: a dataclass whose fields are its options.

    A dataclass that is made of several shows the options of each under its `PANEL`.
    """

    def command_of(function: Callable[[T], None]) -> Callable[..., None]:
        hints = get_type_hints(choices, include_extras=True)
        for name, panel in _panels(choices):
            hints[name] = _in_panel(hints[name], panel)

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


class PanelCommand(TyperCommand):
    """A command whose plain help shows its options panel by panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # of types that typer keeps private
        """Write the arguments, then each panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            told = param.get_help_record(ctx)
            if told is not None:
                title = getattr(param, "rich_help_panel", None) or (
                    "Options" if isinstance(param, TyperOption) else "Arguments"
                )
                panels.setdefault(title, []).append(told)
        for title, lines in panels.items():
            with formatter.section(title):
                formatter.write_dl(lines)


def is_required(field: Field[Any]) -> bool:
    """Whether an option must be given."""
    return field.default is MISSING


def _panels(choices: type) -> Iterator[tuple[str, str]]:
    """Each option that stands under a panel, and the panel."""
    for one in choices.__mro__:
        if "PANEL" in vars(one):
            yield from ((name, vars(one)["PANEL"]) for name in inspect.get_annotations(one))


def _in_panel(hint: Any, panel: str) -> Any:
    kind, info, *_ = (*get_args(hint), None)
    if not isinstance(info, OptionInfo):
        return hint
    info = copy(info)
    info.rich_help_panel = panel
    return Annotated[kind, info]
