"""The pictures of the page: made in the safe picture pipeline, small or large, kept in memory."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.core.errors import PictureMissingError
from dataflow.core.picture import Picture
from dataflow.images.base.limits import MIB, Limits
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference

if TYPE_CHECKING:
    from typing_extensions import Self

SIDES = {"small": 256, "large": 1600}
"""Pixels of the longer side."""
KEPT_BYTES = 48 * MIB


class Thumbnails:
    """Loads the picture of an item; an async context manager.

    Args:
        folders: Where relative paths are looked up.
        limits: What a picture may cost.
    """

    def __init__(self, folders: Sequence[str], limits: Limits) -> None:
        self._folders = folders
        self._limits = limits
        self._loaders = {
            size: Loader(replace(limits, max_side=side)) for size, side in SIDES.items()
        }
        self._kept: OrderedDict[tuple[str, str], Picture] = OrderedDict()
        self._bytes = 0

    async def __aenter__(self) -> Self:
        """Start the decoding threads."""
        for loader in self._loaders.values():
            await loader.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the threads go."""
        for loader in self._loaders.values():
            await loader.__aexit__(kind, error, traceback)

    async def load(self, reference: str | None, size: str, *, which: int = 0) -> Picture:
        """One picture.

        Args:
            reference: The picture's value in the row, as JSON.
            size: ``"small"`` or ``"large"``.
            which: Which of several pictures of a row, from 0.

        Raises:
            RowError: there is no such picture, or it cannot be read.
        """
        if reference is None:
            raise PictureMissingError("the row names no picture")
        found = self._kept.get((reference, f"{size} {which}"))
        if found is not None:
            self._kept.move_to_end((reference, f"{size} {which}"))
            return found
        refs = parse_reference(
            json.loads(reference), self._folders, image_root=self._limits.image_root
        )
        if which >= len(refs):
            raise PictureMissingError("the row has no such picture")
        picture = await self._loaders[size].load(refs[which])
        self._keep((reference, f"{size} {which}"), picture)
        return picture

    def _keep(self, key: tuple[str, str], picture: Picture) -> None:
        self._kept[key] = picture
        self._bytes += len(picture.data)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.data)
