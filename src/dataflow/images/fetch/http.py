"""A URL from a dataset → the bytes behind it. aiohttp is met here.

Data is not trusted: an address is checked as it is connected to, so that neither a name that
resolves to an inner address nor one that changes its mind gets through.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dataflow.core.errors import (
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    PictureTooLargeError,
)
from dataflow.core.picture import ImageRef
from dataflow.core.resources import lack_of
from dataflow.images.base.limits import Limits
from dataflow.images.base.open_file import SMALL, check_size
from dataflow.images.fetch.object_store import from_store
from dataflow.images.fetch.public_addresses import is_public, numeric
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import scheme_of

_ATTEMPTS = 2
_PAUSE = 0.5  # seconds before the second attempt
_CONNECT_SECONDS = 10.0
_CHUNK = 1 << 16
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_PASSING = {408, 425, 429}
_HEADERS = {"Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
_MAY_PASS = (aiohttp.ClientError, asyncio.TimeoutError, TimeoutError, OSError)


class Fetcher:
    """Fetches pictures over HTTP; made and closed in a running event loop.

    Args:
        limits: Bytes, seconds, redirects, connections, and whether inner addresses are allowed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.max_connections)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.max_connections, resolver=_Resolver(limits)
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers=_HEADERS,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch(self, ref: ImageRef) -> bytes | BinaryIO:
        """The body behind `ref`: bytes where it is small, else an open unnamed file.

        Raises:
            PictureMissingError: the server says that there is none (404, 410).
            PictureForbiddenError: it leads to an inner address, or away from http(s).
            PictureTooLargeError: it passes the limit on bytes or seconds.
            PictureError: any other failure, after a second attempt where that may help.
            StopRunError: the machine has no room for another connection.
        """
        async with self._slots:
            try:
                return await asyncio.wait_for(self._attempts(ref), self._limits.fetch_seconds)
            except (asyncio.TimeoutError, TimeoutError):
                pass
        raise PictureTooLargeError(
            f"{ref.name}: not fetched within {self._limits.fetch_seconds:g} s"
        )

    async def _attempts(self, ref: ImageRef) -> bytes | BinaryIO:
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE)
            try:
                if scheme_of(ref.location) != "http":
                    return await from_store(ref, self._limits)
                return await self._follow(ref)
            except _MayPassError as error:
                reason = str(error)
            except RemoteError as error:
                reason = str(error.strerror)
            except (aiohttp.InvalidURL, ValueError):
                raise PictureError(f"{ref.name}: is no valid URL") from None
            except _MAY_PASS as error:
                if lack := lack_of(getattr(error, "os_error", error)):
                    raise lack from None
                reason = f"cannot be fetched ({type(error).__name__})"
        raise PictureError(f"{ref.name}: {reason}")

    async def _follow(self, ref: ImageRef) -> bytes | BinaryIO:
        url = _parsed(ref.location)
        for _ in range(self._limits.max_redirects + 1):
            reached = await self._hop(self._allowed(url, ref), ref)
            if not isinstance(reached, URL):
                return reached
            url = reached
        raise PictureError(f"{ref.name}: redirects over {self._limits.max_redirects} times")

    def _allowed(self, url: URL, ref: ImageRef) -> URL:
        """`url`, an address in it spelt plainly, where it may be fetched."""
        if url.scheme not in {"http", "https"} or not url.host:
            raise PictureForbiddenError(f"{ref.name}: redirects away from http")
        if url.user is not None or url.password is not None:
            raise PictureForbiddenError(f"{ref.name}: redirects to a URL with a password")
        address = numeric(url.host)
        if address is None:
            return url  # a name: the resolver checks what it leads to
        limits = self._limits
        is_allowed = limits.allow_private_urls or (url.host, url.port) == limits.trusted_server
        if not (is_allowed or is_public(address)):
            raise _forbidden(ref.name)
        return url if address == url.host else url.with_host(address)

    async def _hop(self, url: URL, ref: ImageRef) -> URL | bytes | BinaryIO:
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    return url.join(_parsed(location))
                _check_status(response.status, ref)
                return await self._read(response, ref)
        except _InnerAddressError:
            raise _forbidden(ref.name) from None

    async def _read(self, response: aiohttp.ClientResponse, ref: ImageRef) -> bytes | BinaryIO:
        check_size(response.content_length or 1, ref, self._limits)
        body = tempfile.SpooledTemporaryFile(SMALL)  # noqa: SIM115 - handed on when it is large
        size = 0
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                check_size(size, ref, self._limits)
                body.write(chunk)
            check_size(size, ref, self._limits)
            body.seek(0)
            if size > SMALL:
                return cast("BinaryIO", body)
            with body:
                return body.read()
        except BaseException:
            body.close()
            raise


class _MayPassError(Exception):
    """An answer that may be better a moment later."""


class _InnerAddressError(Exception):
    """A name leads to nothing but inner addresses."""


class _Resolver(AbstractResolver):
    """The system's resolver, less the addresses that data may not lead to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        if self._limits.allow_private_urls or (host, port) == self._limits.trusted_server:
            return found
        public = [entry for entry in found if is_public(entry["host"])]
        if found and not public:
            raise _InnerAddressError
        return public

    async def close(self) -> None:
        await self._system.close()


def _parsed(text: str) -> URL:
    """`text` as it stands where it is a well-formed URL: signed URLs bear no rewriting."""
    plain = text.isascii() and text.isprintable() and " " not in text
    if plain:
        urlsplit(text)
    return URL(text, encoded=plain)


def _check_status(status: int, ref: ImageRef) -> None:
    if status in _GONE:
        raise PictureMissingError(f"{ref.name}: the server answers {status}")
    if status in _PASSING or status >= 500:
        raise _MayPassError(f"the server answers {status}")
    if status not in {200, 203}:
        raise PictureError(f"{ref.name}: the server answers {status}")


def _forbidden(name: str) -> PictureForbiddenError:
    return PictureForbiddenError(
        f"{name}: leads to a private address (--allow-private-urls permits it)"
    )
