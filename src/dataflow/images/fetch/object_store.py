"""A picture in an object store → its bytes."""

from __future__ import annotations

import asyncio
import tempfile
from typing import BinaryIO, cast

from dataflow.core.errors import (
    MissingPackageError,
    PictureChangedError,
    PictureError,
    PictureMissingError,
)
from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.base.open_file import SMALL, check_size
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import RemotePath
from dataflow.remote.ranges import read_range


async def from_store(ref: ImageRef, limits: Limits) -> bytes | BinaryIO:
    """What is at `ref`: bytes where it is small, else an open unnamed file.

    Raises:
        RemoteError: another attempt may succeed.
        PictureMissingError: there is no such file.
        PictureChangedError: it changed while it was read.
        PictureTooLargeError: it passes the limit on bytes.
        PictureError: the store does not give it, or its package is not installed.
    """
    path = RemotePath(ref.location)
    try:
        path, data = await _head(path)
        if len(data) > SMALL:
            return await _large(path, ref, limits)
    except MissingPackageError as error:
        raise PictureError(f"{ref.name}: {error.message}") from None
    except RemoteError as error:
        if error.is_transient:
            raise
        kind = PictureMissingError if error.is_missing else PictureError
        raise kind(f"{ref.name}: {error.strerror}") from None
    check_size(len(data), ref, limits)
    return data


async def _head(path: RemotePath) -> tuple[RemotePath, bytes]:
    """The first bytes, and where they are: a path put together with ``//`` may mean one slash."""
    try:
        return path, await read_range(path, 0, SMALL + 1)
    except RemoteError as error:
        other = path.without_empty_parts
        if not error.is_missing or other == path:
            raise
    return other, await read_range(other, 0, SMALL + 1)


async def _large(path: RemotePath, ref: ImageRef, limits: Limits) -> BinaryIO:
    known = await asyncio.to_thread(path.stat)
    check_size(known.st_size, ref, limits)
    body = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - handed on
    try:
        for start in range(0, known.st_size, SMALL):
            body.write(await read_range(path, start, min(start + SMALL, known.st_size)))
        if await asyncio.to_thread(path.stat) != known:
            raise PictureChangedError
        body.seek(0)
    except BaseException:
        body.close()
        raise
    return body
