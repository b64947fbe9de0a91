"""Options → the command line that gives them, to say how a run is repeated."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from dataflow.app.options.option import OptionField, Options, given_options, option_fields
from dataflow.core.secrets import redact

_HOW_SHOWN = ("quiet", "shard", "config")


def command_line(name: str, options: Options) -> str | None:
    """The command with these options, for a shell; None where one of them holds a secret.

    Args:
        name: The command's name, such as ``"caption"``.
        options: Its options; those that only say how it is shown are left out.
    """
    arguments = [known for known in option_fields(type(options)) if known.option.is_argument]
    words = ["dataflow", name]
    for known in arguments:
        value = getattr(options, known.name)
        given = value if isinstance(value, (list, tuple)) else [value]
        words += [str(one) for one in given if one is not None]
    for known in given_options(options):
        if not known.option.is_argument and known.name not in _HOW_SHOWN:
            words.extend(_flag(known, getattr(options, known.name)))
    text = shlex.join(words)
    headers = getattr(options, "header", None) or {}
    is_secret = any("$" not in str(value) for value in headers.values())  # a key, most likely
    return None if is_secret or redact(text) != text else text


def _flag(known: OptionField, value: object) -> Iterator[str]:
    if known.kind is bool:
        yield known.flag if value else f"--no-{known.flag.removeprefix('--')}"
    elif known.is_switch and isinstance(value, bool):
        yield known.flag
    elif isinstance(value, dict):
        for name, one in value.items():
            text = one if isinstance(one, str) and known.option.pairs != "=" else json.dumps(one)
            yield from (known.flag, f"{name}{known.option.pairs}{text}")
    else:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            yield from (known.flag, str(one))
