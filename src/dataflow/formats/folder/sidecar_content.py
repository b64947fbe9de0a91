"""What stands in a sidecar: captions as text or as a member of a JSON object."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.row import Row
from dataflow.core.text import path_text, trimmed
from dataflow.formats.base.affixes import NO_AFFIXES, CaptionAffixes
from dataflow.formats.base.json_values import utf8_safe
from dataflow.formats.base.reading import not_utf8, open_input, unreadable, wrong_at

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at a text's start (https://www.unicode.org/faq/utf_bom.html); the longer ones first."""

_BETWEEN = ", "  # as kohya's tagger joins tags


@dataclass(frozen=True, slots=True)
class SidecarContent:
    """How captions stand in a sidecar, with what was there before and with affixes.

    Attributes:
        is_json: Whether it is a JSON object.
        existing: ``"append"`` or ``"prepend"`` to add a caption to what is there.
        key: The member of a JSON object that holds the caption; its other members stay.
        newlines: ``"keep"`` for line breaks that stay in a text; otherwise each is a space.
        affixes: What stands around each caption.
    """

    is_json: bool
    existing: str
    key: str
    newlines: str = "space"
    affixes: CaptionAffixes = NO_AFFIXES

    def is_caption(self, path: str, data: bytes) -> bool:
        """Whether `data`, which was there before, is a caption and no affix alone.

        Raises:
            InputError: it is no JSON object, or not UTF-8.
        """
        if self.is_json:
            return json_object(path, data)[1].get(self.key) is not None
        return not self.affixes or bool(self.affixes.remove(decoded(path, data).strip()))

    def text(self, path: str, data: bytes | None) -> str:
        """The caption in `data`, which was there before, without affixes; empty for none.

        Raises:
            InputError: it is not UTF-8 or, as JSON, no object with a text.
        """
        if data is None:
            return ""
        if not self.is_json:
            return self.affixes.remove(decoded(path, data).strip())
        found = json_object(path, data)[1].get(self.key)
        if isinstance(found, str):
            return self.affixes.remove(found.strip())
        if found is None or self.existing == "overwrite":
            return ""
        raise wrong_at(
            path_text(path), f"its {self.key!r} is no text, so nothing can be added to it"
        )

    def captions(self, path: str, data: bytes, before: bytes | None) -> str:
        """The captions that a run, or a person after it, left in `data`, one a line.

        Args:
            path: The sidecar.
            data: What it holds.
            before: What it held before the run.

        Returns:
            The captions without affixes and what was there before.

        Raises:
            InputError: it is not UTF-8 or no JSON object.
        """
        return "\n".join(
            self._without(self.old(path, before), line) for line in self._lines(path, data)
        )

    def has_old(self, path: str, data: bytes, before: bytes | None) -> bool:
        """Whether what was there before still stands in `data`.

        Raises:
            InputError: it is not UTF-8 or no JSON object.
        """
        old = self.old(path, before)
        if not old:
            return True
        lines = self._lines(path, data)
        # it stands alone where it holds the caption already
        return any(old in (line, self.affixes.remove(line)) for line in lines) or any(
            self._without(old, line) != line for line in lines
        )

    def old(self, path: str, before: bytes | None) -> str:
        """The text of before to which captions are added; empty for none.

        Raises:
            InputError: see `text`.
        """
        return self.text(path, before) if self.existing in {"append", "prepend"} else ""

    def joined(
        self, path: str, before: bytes | None, old: str, caption: str | Sequence[str]
    ) -> bytes:
        """What the sidecar is to hold.

        Args:
            path: The sidecar.
            before: What it held before the run.
            old: The text of before to which the caption is added.
            caption: The caption; several stand one a line.

        Raises:
            InputError: what it held is no JSON object.
        """
        lines = [caption] if isinstance(caption, str) else list(caption)
        texts = [self.affixes.add(self._with(old, one)) for one in lines]
        if not self.is_json:
            return utf8_safe("\n".join(texts)).encode("utf-8")
        from dataflow.formats.base.json_rows import row_object

        raw, fields = json_object(path, before or b"{}")
        value = texts[0] if isinstance(caption, str) else texts
        return row_object(Row(0, fields, path_text(path), raw), {self.key: value}) + b"\n"

    def _with(self, old: str, caption: str) -> str:
        """The caption with the one that was there, without line breaks unless they stay."""
        if not self.is_json and self.newlines == "space":
            caption = " ".join(line.strip() for line in caption.splitlines() if line.strip())
        if old and f"{_BETWEEN}{caption}{_BETWEEN}" in f"{_BETWEEN}{old}{_BETWEEN}":
            return old  # it stands there already
        parts = [caption, old] if self.existing == "prepend" else [old, caption]
        return _BETWEEN.join(part for part in parts if part)

    def _without(self, old: str, line: str) -> str:
        text = self.affixes.remove(line)
        if not old:
            return text
        if self.existing == "prepend":
            return text.removesuffix(f"{_BETWEEN}{old}")
        return text.removeprefix(f"{old}{_BETWEEN}")

    def _lines(self, path: str, data: bytes) -> list[str]:
        if not self.is_json:
            return trimmed(decoded(path, data)).split("\n")
        found = json_object(path, data)[1].get(self.key)
        texts = found if isinstance(found, list) else [found]
        return [one for one in texts if isinstance(one, str)]


def read_sidecar(path: str) -> bytes:
    """What the file at `path` holds.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open_input(Path(path)) as file:
            return file.read()
    except OSError as error:
        raise unreadable(path, error) from error


def decoded(path: str, data: bytes) -> str:
    """`data` as text, without a byte order mark; a mark of UTF-16 or UTF-32 says that it is that.

    Raises:
        InputError: it is neither, nor UTF-8.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_utf8(path_text(path)) from error


def json_object(path: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The JSON object in `data`: its bytes, and its members.

    Raises:
        InputError: it is none, or not text.
    """
    from dataflow.formats.base.json_rows import no_object, parse

    raw = decoded(path, data).strip().encode("utf-8")
    try:
        fields = parse(raw)
    except ValueError as error:
        raise wrong_at(path_text(path), f"invalid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise wrong_at(path_text(path), no_object(fields))
    return raw, fields
