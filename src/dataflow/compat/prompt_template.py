"""DataFlow's template of a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dataflow.serving.base.conversation import DEFAULT_QUESTION

__path__: list[str] = []  # DataFlow has a package here


class CaptionGeneratorPrompt:
    """The same question for every picture."""

    def __init__(self, question: str = DEFAULT_QUESTION) -> None:
        self.question = question

    def build_prompt(self) -> str:
        """The question."""
        return self.question


class NamedPlaceholderPromptTemplate:
    """A text with ``{name}`` places.

    Args:
        template: The text.
        join_list_with: What stands between the items of a value that is a list.
    """

    def __init__(self, template: str, join_list_with: str = "\n") -> None:
        self.template = template
        self.join_list_with = join_list_with

    def build_prompt(self, need_fields: Iterable[str] | None = None, **fields: Any) -> str:
        """The text with `fields` in their places; a missing one of `need_fields` is empty."""
        names = fields if need_fields is None else need_fields
        return self.template.format(**{name: self._text(fields.get(name)) for name in names})

    def _text(self, value: Any) -> str:
        if isinstance(value, (list, tuple)):
            return self.join_list_with.join(map(str, value))
        return "" if value is None else str(value)
