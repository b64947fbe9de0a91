"""What the arguments ask of captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dataflow.checks.suite import Asked
from dataflow.cli.choices.checking import CheckingChoices

_LISTS = ("forbid", "require", "forbid_pattern", "require_pattern")


def given_of(choices: CheckingChoices) -> dict[str, Any]:
    """The fields of `Asked` of which the arguments say something."""
    default = CheckingChoices()
    said = wanted_of(choices, plain=True, most_alike=None)
    unsaid = wanted_of(default, plain=True, most_alike=None)
    given = {
        field.name: getattr(said, field.name)
        for field in fields(Asked)
        if getattr(said, field.name) != getattr(unsaid, field.name)
    }
    if choices.markdown is False:
        given["plain"] = True
    return given


def wanted_of(
    choices: CheckingChoices,
    *,
    plain: bool,
    most_alike: int | None,
    schema: Mapping[str, Any] | None = None,
) -> Asked:
    """What the arguments ask of captions.

    Args:
        choices: The arguments.
        plain: Whether Markdown is a fault where the arguments do not say.
        most_alike: How many pictures may have the same caption where the arguments do not say.
        schema: The JSON Schema of captions that are JSON.
    """
    own = {"schema", "plain", "most_alike", "leave_out", *_LISTS}
    named = {field.name for field in fields(Asked)} - own
    given: dict[str, Any] = {name: getattr(choices, name) for name in named}
    given |= {name: tuple(getattr(choices, name) or ()) for name in _LISTS}
    leave_out = frozenset(choices.no_check or ())
    alike = most_alike if choices.most_alike is None else choices.most_alike
    return Asked(
        **given,
        plain=plain if choices.markdown is None else not choices.markdown,
        most_alike=None if "repeated" in leave_out else alike,
        leave_out=leave_out,
        schema=schema,
    )
