"""A part of a file at a store, awaited: many at once in one event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from dataflow.remote import filesystem
from dataflow.remote.errors import RemoteError, map_errors
from dataflow.remote.pure_path import PureRemotePath

_NOTHING_THERE = 416  # the file ends before


async def read_range(place: PureRemotePath, start: int, end: int) -> bytes:
    """The bytes from `start` to `end`; fewer where the file ends before.

    Raises:
        RemoteError: there is no such file, or the store does not give it.
        MissingPackageError: the store's package is not installed.
    """
    system = await asyncio.to_thread(filesystem.filesystem, place.scheme)
    address = filesystem.address(place)
    try:
        return await _range(system, place, address, start, end)
    except RemoteError as error:
        if error.status == _NOTHING_THERE:
            return b""
        raise


async def _range(system: Any, place: PureRemotePath, address: str, start: int, end: int) -> bytes:
    with map_errors(place):
        if not system.async_impl:
            return await asyncio.to_thread(_read, system, address, start, end)
        # fsspec runs its requests in an event loop of its own
        asked = asyncio.run_coroutine_threadsafe(
            system._cat_file(address, start=start, end=end), system.loop
        )
        data: bytes = await asyncio.wrap_future(asked)
    return data


def _read(system: Any, address: str, start: int, end: int) -> bytes:
    data: bytes = system.cat_file(address, start=start, end=end)
    return data
