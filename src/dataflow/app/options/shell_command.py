"""Options → the command line that gives them, to say how a run is repeated."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from dataflow.app.options.option import OptionField, Options, given_options, option_fields
from dataflow.core.secrets import redact
from dataflow.remote.path import is_url
from dataflow.serving.openai.transport.endpoint import PUBLIC_QUERY

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
    is_secret |= any(has_secret(getattr(options, one.name)) for one in option_fields(type(options)))
    return None if is_secret or redact(text) != text else text


def has_secret(value: object) -> bool:
    """Whether an option's value holds a secret, or a URL with what may be one.

    In a URL that is a user's name, a password, a fragment, and a query, unless its values are
    variables' names (``?code=$NAME``) or stand under a name of `PUBLIC_QUERY`.

    Args:
        value: What was given: a text, a number, or a list or dict of them.
    """
    if isinstance(value, dict):
        return any(map(has_secret, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_secret, value))
    text = str(value)
    return redact(text) != text or (is_url(text) and _is_signed(text))


def _is_signed(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    if parts.scheme not in ("http", "https"):  # in an object store, ? and # are part of the name
        return "@" in parts.netloc
    if "@" in parts.netloc or parts.fragment:
        return True
    values = parse_qsl(parts.query)
    return bool(parts.query and not values) or any(
        name.lower() not in PUBLIC_QUERY and not value.startswith("$") for name, value in values
    )


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
