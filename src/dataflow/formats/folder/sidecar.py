"""Sidecars: each picture's caption in a small file of the picture's name beside it.

This is how the trainers of LoRA and diffusion models read captions: ``a.jpg`` and ``a.txt``
(kohya's sd-scripts, OneTrainer, ai-toolkit), ``a.caption`` (kohya's default), or ``a.json`` with a
member ``caption`` (ai-toolkit). A text sidecar is one line, because kohya reads the first line only
and OneTrainer takes each line for another caption.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.errors import OutputError, UsageError
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.json_values import utf8_safe
from dataflow.formats.base.reading import UTF8_MARK, not_utf8, open_input, unreadable, wrong_at
from dataflow.formats.folder.sidecar_backup import SidecarBackup

ENDINGS = (".txt", ".caption", ".json")
"""The endings that a sidecar may have."""

EXISTING = ("skip", "append", "prepend", "overwrite")
"""What may be done about a caption that is there already."""

FIELD = "existing"
"""The name of that field where a prompt may speak of it."""

_BETWEEN = ", "  # as kohya's tagger joins tags


@dataclass(frozen=True, slots=True)
class SidecarFiles:
    """The sidecars of a folder's pictures.

    Attributes:
        ending: One of `ENDINGS`.
        existing: One of `EXISTING`.
        key: The member of a .json sidecar that holds the caption; its other members stay.
        originals: What stood in the sidecars before this run wrote them; None where a caption
            that is there is never changed.
        field: The name of the field in which a row carries the caption that is there already.

    Raises:
        UsageError: the ending or what is to be done is none of the known.
    """

    ending: str = ".txt"
    existing: str = "skip"
    key: str = "caption"
    originals: SidecarBackup | None = None
    field: str = FIELD

    def __post_init__(self) -> None:
        if self.ending not in ENDINGS:
            raise UsageError(f"sidecars end with one of {' '.join(ENDINGS)}, not {self.ending!r}")
        if self.existing not in EXISTING:
            raise UsageError(f"{self.existing!r} is none of {', '.join(EXISTING)}")

    def beside(self, picture: str) -> str:
        """Where the sidecar of the picture at this path is."""
        return os.path.splitext(picture)[0] + self.ending  # noqa: PTH122 (names may be odd)

    def is_left(self, picture: str) -> bool:
        """Whether the picture has a caption already and is to be left as it is.

        Raises:
            InputError: the sidecar is a .json and no JSON object.
        """
        path = self.beside(picture)
        if self.existing != "skip" or not os.path.lexists(path):
            return False
        return self.ending != ".json" or _object(path, _read(path))[1].get(self.key) is not None

    def text(self, picture: str) -> str:
        """The caption that stood there before this run; empty where there was none.

        Raises:
            InputError: the sidecar cannot be read, is not UTF-8 or, as .json, holds no text.
        """
        path = self.beside(picture)
        data = self._before(path)
        if data is None:
            return ""
        if self.ending != ".json":
            return _decoded(path, data).strip()
        found = _object(path, data)[1].get(self.key)
        if isinstance(found, str):
            return found.strip()
        if found is None or self.existing == "overwrite":
            return ""
        raise wrong_at(
            path_text(path), f"its {self.key!r} is no text, so nothing can be added to it"
        )

    def put(self, picture: str, caption: str) -> None:
        """Write the picture's caption; whoever reads the sidecar meets the old one or the new.

        Raises:
            OutputError: the sidecar cannot be written.
            InputError: what stands there cannot be read.
        """
        path = self.beside(picture)
        if self.is_left(picture):
            return  # it came while the run was under way
        before = self._before(path)
        data = self._joined(picture, before, caption)
        if self.originals is not None:
            self.originals.keep(path, before, data)
        _replace(path, data, may_replace=self.existing != "skip" or before is not None)

    def close(self) -> None:
        """Let go of the originals' file; the next use opens it again."""
        if self.originals is not None:
            self.originals.close()

    def _before(self, path: str) -> bytes | None:
        now = _read(path) if os.path.lexists(path) else None
        return now if self.originals is None else self.originals.find(path, now)

    def _joined(self, picture: str, before: bytes | None, caption: str) -> bytes:
        old = "" if self.existing in {"skip", "overwrite"} else self.text(picture)
        if self.ending != ".json":
            caption = " ".join(line.strip() for line in caption.splitlines() if line.strip())
        parts = [caption, old] if self.existing == "prepend" else [old, caption]
        text = _BETWEEN.join(part for part in parts if part)
        if self.ending != ".json":
            return utf8_safe(text).encode("utf-8")
        from dataflow.formats.base.json_rows import row_object

        path = self.beside(picture)
        raw, fields = _object(path, before or b"{}")
        return row_object(Row(0, fields, path_text(path), raw), {self.key: text}) + b"\n"


class SidecarWriter:
    """Writes each row's caption beside its picture, as soon as it is handed the row.

    What it wrote stays, whatever happens after. A row without a caption leaves its sidecar alone.

    Args:
        sidecars: The sidecars.
        picture_key: The column with the picture's path.
        output_key: The name under which the caption comes.
    """

    def __init__(self, sidecars: SidecarFiles, picture_key: str, output_key: str) -> None:
        self._sidecars = sidecars
        self._picture_key = picture_key
        self._output_key = output_key

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Write the row's sidecar; see `core.dataset.Writer`."""
        caption = added[self._output_key]
        if caption is not None:
            self._sidecars.put(row.fields[self._picture_key], caption)

    def close(self) -> None:
        """Wait until the disk has all of them."""
        os.sync()
        self._sidecars.close()

    def commit(self, target: Path) -> None:
        """Nothing is left to be moved."""

    def discard(self) -> None:
        """Let go of the originals; nothing is half done."""
        self._sidecars.close()


def _read(path: str) -> bytes:
    try:
        with open_input(Path(path)) as file:
            return file.read()
    except OSError as error:
        raise unreadable(path, error) from error


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.removeprefix(UTF8_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(path_text(path)) from error


def _object(path: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The JSON object in `data`: its bytes, and its members."""
    from dataflow.formats.base.json_rows import no_object, parse

    raw = data.removeprefix(UTF8_MARK).strip()
    try:
        fields = parse(raw)
    except ValueError as error:
        raise wrong_at(path_text(path), f"invalid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise wrong_at(path_text(path), no_object(fields))
    return raw, fields


def _replace(path: str, data: bytes, *, may_replace: bool) -> None:
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.part")  # noqa: PTH118 (names may be odd)
    try:
        with open(part, "wb") as file:
            file.write(data)
        if may_replace:
            os.replace(part, path)  # noqa: PTH105
        else:
            _place(part, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path_text(path)}: cannot be written ({reason}); check the folder, its rights and "
            "the free space"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)  # noqa: PTH108


def _place(part: str, path: str) -> None:
    """Move `part` to `path` only where nothing is: what came in between is left as it is."""
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # a disk without links
        if not os.path.lexists(path):
            os.replace(part, path)  # noqa: PTH105
