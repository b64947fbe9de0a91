"""Writes captions as sidecars, row by row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.core.row import Row
from dataflow.formats.folder.sidecar import SidecarFiles


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
        if isinstance(caption, list):  # several of one picture; those that failed are null
            caption = [one for one in caption if one is not None] or None
        if caption is not None:
            self._sidecars.put(row.fields[self._picture_key], caption)
        else:
            self._sidecars.note_absent(row.fields[self._picture_key])

    def close(self) -> None:
        """Wait until the disk has all of them."""
        os.sync()
        self._sidecars.close()

    def commit(self, target: Path) -> None:
        """Nothing is left to be moved."""

    def discard(self) -> None:
        """Let go of the originals; nothing is half done."""
        self._sidecars.close()
