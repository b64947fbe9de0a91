"""Loads pictures: references in, pictures that are safe to send out, many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from dataflow.core.aio import import_in_thread, in_thread
from dataflow.core.errors import UsageError
from dataflow.core.picture import ImageRef, Picture
from dataflow.images.base.byte_semaphore import ByteSemaphore
from dataflow.images.base.limits import SHARED_MEMORY, Limits
from dataflow.images.base.open_file import check_size, open_file
from dataflow.images.base.reservation import Reservation, Unlimited
from dataflow.images.base.timeout_pool import PoolTask, TimeoutPool
from dataflow.images.decode.target_size import Size

if TYPE_CHECKING:
    from typing_extensions import Self

    from dataflow.images.fetch.cached_fetch import CachedFetcher

T = TypeVar("T")


class Loader:
    """Loads pictures within limits; an async context manager, for one event loop.

    Files are read and decoded in threads, URLs are fetched in the event loop. Any number of loads
    may be awaited at once; memory stays within `Limits.max_picture_memory`, with small encoded
    pictures besides.

    Args:
        limits: What a picture may cost, and how large it is sent.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._pool: TimeoutPool | None = None
        self._fetcher: CachedFetcher | None = None

    async def __aenter__(self) -> Self:
        """Start the threads."""
        await in_thread(lambda: _prepare(self._limits.max_pixels))
        threads = self._limits.threads or os.cpu_count() or 1
        shared = ByteSemaphore(min(SHARED_MEMORY, self._limits.max_picture_memory))
        self._pool = TimeoutPool(threads, self._limits.max_seconds, shared)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the threads go and close the connections; waits for no decode."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._fetcher is not None:
            await self._fetcher.close()
            self._fetcher = None

    async def load(self, ref: ImageRef, reservation: Reservation | None = None) -> Picture:
        """Load one picture.

        Args:
            ref: Where it is.
            reservation: Entered before it takes memory, and left while it waits for a host; None
                where the caller bounds its memory in another way.

        Raises:
            PictureMissingError: there is no such file, or the server says so.
            PictureTooLargeError: it passes a limit on pixels, bytes or memory.
            PictureTooSlowError: it passes a limit on seconds.
            PictureForbiddenError: it points where data may not point.
            PictureError: it cannot be had or decoded for another reason.
            UsageError: the loader is not entered.
        """
        from dataflow.images.decode.decode import to_picture  # Pillow, at first use

        def decode(source: bytes | BinaryIO, job: PoolTask[Picture]) -> Picture:
            made = to_picture(source, name=ref.name, limits=self._limits, reserve=job.reserve)
            return made.digested()  # here, as the event loop has no time for it

        return await self._work_on(ref, decode, reservation or Unlimited())

    async def measure(self, ref: ImageRef) -> Size:
        """Width and height of one whole picture, upright, from its header; a URL is fetched.

        Raises:
            PictureError: as `load`, but for what only shows behind the header.
            UsageError: the loader is not entered.
        """
        from dataflow.images.decode.decode import full_size  # Pillow, at first use

        def read(source: bytes | BinaryIO, _job: PoolTask[Size]) -> Size:
            return full_size(source, name=ref.name, limits=self._limits)

        return await self._work_on(ref, read, Unlimited())

    async def _work_on(
        self,
        ref: ImageRef,
        work: Callable[[bytes | BinaryIO, PoolTask[T]], T],
        reservation: Reservation,
    ) -> T:
        """Do `work` in a thread, with what is behind `ref`."""
        if self._pool is None:
            raise UsageError("a Loader loads only inside `async with`")
        if ref.kind == "url":
            if self._fetcher is None:
                await import_in_thread("dataflow.images.fetch.cached_fetch")
            if self._fetcher is None:
                from dataflow.images.fetch.cached_fetch import (
                    CachedFetcher,  # aiohttp and SQLite, at first use
                )

                self._fetcher = CachedFetcher(self._limits, self._pool)
            return await self._fetcher.use(ref, work, reservation)
        await reservation.enter()

        def opened(job: PoolTask[T]) -> T:
            source = self._source(ref)
            try:
                return work(source, job)
            finally:
                if not isinstance(source, bytes):
                    source.close()

        return await self._pool.run(opened, ref.name)

    def _source(self, ref: ImageRef) -> bytes | BinaryIO:
        if ref.kind == "path":
            return open_file(ref, self._limits)
        check_size(len(ref.data), ref, self._limits)
        return ref.data


def _prepare(max_pixels: int) -> None:
    """Import Pillow and what decodes with it."""
    from dataflow.images.decode import codecs
    from dataflow.images.decode import decode as decode  # it is needed at once

    codecs.prepare(max_pixels)
