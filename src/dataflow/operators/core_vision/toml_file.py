"""TOML files (https://toml.io) that say what is asked: read, and what is wrong in them refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.settings import YES_NO, ValueRule, one_of
from dataflow.serving.openai.request_body import DETAILS

REQUEST_KEYS: Mapping[str, ValueRule] = {
    "body": ValueRule("a table of fields", lambda value: isinstance(value, dict)),
    "header": ValueRule(
        "a table of names and texts",
        lambda value: (
            isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
        ),
    ),
    "stream": YES_NO,
    "detail": one_of(DETAILS),
}
"""What a file may say of the requests' form, as --body, --header, --stream and --detail do."""


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """The text of the file at `path`, and what it holds.

    Args:
        path: The file.
        what: What it is, for the message.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the {what} {path} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the {what} {path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the {what} {path} is no TOML: {error}") from None


def refuse_wrong(given: Mapping[str, Any], rules: Mapping[str, ValueRule], where: str) -> None:
    """Make sure that `given` holds only what `rules` know.

    Raises:
        UsageError: it does not; the message begins with `where`.
    """
    for key, value in given.items():
        if key not in rules:
            cure = f" (a field of the request: body.{key} = …)" if "body" in rules else ""
            raise UsageError(f"{where}: unknown key {key!r}; known are {', '.join(rules)}{cure}")
        rules[key].take(f"{where}: {key}", value)
