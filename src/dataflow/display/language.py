"""The language in which summaries and errors are shown: English, or Chinese."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dataflow.core.errors import DataflowError

LANGUAGES = ("en", "zh")
"""What ``--lang`` takes."""

_chosen: list[str] = []


def choose(language: str | None) -> None:
    """Use `language` from here on; None for the one of the environment."""
    _chosen[:] = [] if language is None else [language]


def current() -> str:
    """The language in use: the chosen one, or that of the locale where it is Chinese."""
    if _chosen:
        return _chosen[0]
    names = ("DATAFLOW_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((value for name in names if (value := os.environ.get(name))), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def rows_in_language(rows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rows of a summary, in the language in use."""
    if current() == "en":
        return list(rows)
    from dataflow.display.chinese import label, value

    return [(label(name), value(text)) for name, text in rows]


def sentence(text: str) -> str:
    """A sentence of ours in the language in use; as it is where there is no translation."""
    if current() == "en":
        return text
    from dataflow.display.chinese import value

    return value(text)


def explained(error: DataflowError) -> str | None:
    """What kind of error it is and what helps, in Chinese; None in English, or where unknown."""
    return None if current() == "en" else explained_kind(error.kind)


def explained_kind(kind: str) -> str | None:
    """Likewise, by the name of the kind."""
    if current() == "en":
        return None
    from dataflow.display.chinese import KINDS

    return KINDS.get(kind)
