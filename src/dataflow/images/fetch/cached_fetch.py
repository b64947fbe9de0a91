"""What is behind URLs: from the image cache, or fetched and then kept in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from dataflow.core.errors import PictureError, PictureTooLargeError, PictureTooSlowError
from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.base.reservation import Reservation
from dataflow.images.base.timeout_pool import PoolTask, TimeoutPool
from dataflow.images.fetch.disk_cache import DiskCache
from dataflow.images.fetch.http import Fetcher
from dataflow.remote.path import server_of

T = TypeVar("T")
Body = bytes | BinaryIO


class CachedFetcher:
    """Does work on what is behind URLs; lives in one event loop.

    Only what the work could use is kept: an error page that came as a picture, or a body cut short,
    is fetched again the next time.

    Args:
        limits: Of fetching, and where the cache is.
        pool: Threads for the work and for the disk.
    """

    def __init__(self, limits: Limits, pool: TimeoutPool) -> None:
        self._limits = limits
        self._pool = pool
        self._fetcher = Fetcher(limits)
        self._cache: DiskCache | None = None
        if limits.image_cache is not None:
            self._cache = DiskCache(limits.image_cache, limits.image_cache_max)
        self._under_way: dict[str, asyncio.Event] = {}

    async def close(self) -> None:
        """Close the connections and the cache."""
        await self._fetcher.close()
        if self._cache is not None:
            self._cache.close()

    async def use(
        self, ref: ImageRef, work: Callable[[Body, PoolTask[T]], T], reservation: Reservation
    ) -> T:
        """Do `work`, in a thread, on what is behind the URL of `ref`.

        Args:
            ref: The picture.
            work: Gets the body, and the `PoolTask` to reserve memory through.
            reservation: As in `Fetcher.fetch`.

        Raises:
            PictureError, StopRunError: as `Fetcher.fetch`.
            Exception: whatever `work` raises.
        """
        cache = self._cache
        if cache is None:
            return await self._use_fetched(ref, work, reservation)
        key = _key(ref.location, self._limits)

        def keep(body: Body) -> None:
            cache.keep(key, body)

        if key in self._under_way:  # rows that follow each other often share a picture
            await self._under_way[key].wait()
        done = self._under_way.setdefault(key, asyncio.Event())
        try:
            kept = await self._on_disk(lambda: cache.find(key), ref)
            if kept is None:
                return await self._use_fetched(ref, work, reservation, keep)
        finally:
            done.set()
            self._under_way.pop(key, None)
        await reservation.enter()
        try:
            return await self._use(kept, ref, work)
        except (PictureTooLargeError, PictureTooSlowError):
            raise
        except PictureError:  # what gives no picture any more is as good as not kept
            return await self._use_fetched(ref, work, reservation, keep)

    async def _use_fetched(
        self,
        ref: ImageRef,
        work: Callable[[Body, PoolTask[T]], T],
        reservation: Reservation,
        keep: Callable[[Body], None] | None = None,
    ) -> T:
        return await self._use(await self._fetcher.fetch(ref, reservation), ref, work, keep)

    async def _use(
        self,
        body: Body,
        ref: ImageRef,
        work: Callable[[Body, PoolTask[T]], T],
        keep: Callable[[Body], None] | None = None,
    ) -> T:
        try:
            result = await self._pool.run(lambda job: work(body, job), ref.name)
            if keep is not None:
                await self._on_disk(lambda: keep(body), ref)
            return result
        finally:
            if not isinstance(body, bytes):
                body.close()  # here, since a cancelled job may never have begun

    async def _on_disk(self, do: Callable[[], T], ref: ImageRef) -> T | None:
        """What `do` gives; None, and no cache from now on, where the disk hangs."""
        try:
            return await self._pool.run(lambda _: do(), ref.name)
        except PictureError:
            if self._cache is not None:
                self._cache.give_up("does not answer")
            return None


def _key(url: str, limits: Limits) -> str:
    """A digest, for a signed URL is a secret; other limits may not see what these let through."""
    is_trusted = limits.trusted_server is not None and server_of(url) == limits.trusted_server
    fetched = (
        limits.allow_private_urls or is_trusted,
        limits.max_redirects,
        limits.max_picture_bytes,
    )
    text = f"{fetched} {url}".encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text, digest_size=20).hexdigest()
