"""A URL from a dataset → the bytes behind it. aiohttp is met here.

Data is not trusted: an address is checked as it is connected to, so that neither a name that
resolves to an inner address nor one that changes its mind gets through. Hosts are treated as a
guest would: `Host` says when each may be asked.
"""

from __future__ import annotations

import asyncio
import socket
import time
from importlib import metadata
from typing import BinaryIO
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dataflow.core.errors import (
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    PictureTooSlowError,
)
from dataflow.core.picture import ImageRef
from dataflow.core.times.retry_after import read_retry_after
from dataflow.images.base.limits import Limits
from dataflow.images.base.reservation import Reservation, Unlimited
from dataflow.images.fetch.host import Failure, Host, HostGivenUpError, HostPolicy
from dataflow.images.fetch.object_store import from_store
from dataflow.images.fetch.public_addresses import AddressPolicy, numeric
from dataflow.images.fetch.transport import FETCH_ERRORS, RetryLaterError, read_body, typed
from dataflow.remote.errors import RemoteError
from dataflow.remote.path import scheme_of

POLICY = HostPolicy()

_STORE_ATTEMPTS = 2
_LONE_FAILURES = 7  # of one picture while its host asks nothing of others: 30 s of pauses
_OWN_FAILURES = 3  # of one picture while its host gives others
_DENIALS = 40  # 429 for one picture while its host gives others
_CONNECT_SECONDS = 10.0
_MANY_HOSTS = 4096
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_PASSING = {408, 425}
_PROJECT = "https://github.com/dataflow-caption/dataflow"
_HEADERS = {"Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


class Fetcher:
    """Fetches pictures over HTTP; made and closed in a running event loop.

    Args:
        limits: Bytes, seconds, redirects, connections, and which addresses are allowed.
        policy: How patient it is with hosts.
    """

    def __init__(self, limits: Limits, policy: HostPolicy | None = None) -> None:
        self._limits = limits
        self._policy = policy or POLICY
        self._addresses = AddressPolicy(limits)
        self._slots = asyncio.Semaphore(limits.max_connections)
        self._hosts: dict[tuple[str, int | None], Host] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.max_connections,
                limit_per_host=limits.picture_connections,
                resolver=_Resolver(self._addresses),
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={**_HEADERS, "User-Agent": limits.user_agent or _own_name()},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def fetch(
        self, ref: ImageRef, reservation: Reservation | None = None
    ) -> bytes | BinaryIO:
        """The body behind `ref`: bytes where it is small, else an open unnamed file.

        It waits for a host that limits its requests or is away, and asks again.

        Args:
            ref: The picture.
            reservation: Entered while it is fetched, left while it waits for its host.

        Raises:
            PictureMissingError: the server says that there is none (404, 410).
            PictureForbiddenError: it leads to an inner address, or away from http(s).
            PictureTooLargeError: it passes the limit on bytes.
            PictureTooSlowError: it does not come within `Limits.fetch_seconds`.
            PictureError: any other failure, once asking again may not help any more.
            StopRunError: the machine has no space for another connection.
        """
        reservation = reservation or Unlimited()
        if scheme_of(ref.location) != "http":
            await reservation.enter()
            async with self._slots:
                return await self._from_store(ref)
        host, row = self._host_of(_parsed(ref.location, ref)), _Patience()
        while True:
            try:
                return await self._attempt(ref, host, reservation)
            except HostGivenUpError as error:
                kind = PictureTooSlowError if host.is_hung else PictureError
                raise kind(f"{ref.name}: {error}") from None
            except RetryLaterError as error:
                if row.is_over(error.how, host):
                    raise PictureError(f"{ref.name}: {error.reason}") from None
            reservation.leave()
            await asyncio.sleep(row.pause(self._policy))

    async def _attempt(
        self, ref: ImageRef, host: Host, reservation: Reservation
    ) -> bytes | BinaryIO:
        await host.acquire()
        try:
            await reservation.enter()
            async with self._slots:
                body = await asyncio.wait_for(self._follow(ref), self._limits.fetch_seconds)
        except RetryLaterError as error:
            if error.how is Failure.RATE_LIMITED:
                host.rate_limited(error.retry_after, ref.location, error.reason)
            else:
                host.failed(error.how, ref.location, error.reason, error.retry_after)
            raise
        except (asyncio.TimeoutError, TimeoutError):
            host.failed(Failure.HUNG, ref.location, Failure.HUNG.value)
            raise PictureTooSlowError(
                f"{ref.name}: not fetched within {self._limits.fetch_seconds:g} s"
            ) from None
        except PictureError:
            host.answered()
            raise
        finally:
            host.release()
        host.answered()
        return body

    def _host_of(self, url: URL) -> Host:
        key = (url.host or "", url.port)
        if key not in self._hosts:
            if len(self._hosts) >= _MANY_HOSTS:
                self._hosts = {k: host for k, host in self._hosts.items() if not host.is_idle}
            self._hosts[key] = Host(self._limits.picture_connections, self._policy, time.monotonic)
        return self._hosts[key]

    async def _from_store(self, ref: ImageRef) -> bytes | BinaryIO:
        reason = ""
        for attempt in range(_STORE_ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._policy.pause)
            try:
                return await asyncio.wait_for(
                    from_store(ref, self._limits), self._limits.fetch_seconds
                )
            except RemoteError as error:
                reason = str(error.strerror)
            except (asyncio.TimeoutError, TimeoutError):
                raise PictureTooSlowError(
                    f"{ref.name}: not fetched within {self._limits.fetch_seconds:g} s"
                ) from None
        raise PictureError(f"{ref.name}: {reason}")

    async def _follow(self, ref: ImageRef) -> bytes | BinaryIO:
        url = _parsed(ref.location, ref)
        for _ in range(self._limits.max_redirects + 1):
            try:
                reached = await self._hop(self._allowed(url, ref), ref)
            except aiohttp.InvalidURL:
                raise PictureError(f"{ref.name}: is no valid URL") from None
            except FETCH_ERRORS as error:
                raise typed(error, ref) from None
            except ValueError:
                raise PictureError(f"{ref.name}: is no valid URL") from None
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
        refusal = self._addresses.refusal(address, url.host, url.port)
        if refusal is not None:
            raise PictureForbiddenError(f"{ref.name}: {refusal}")
        return url if address == url.host else url.with_host(address)

    async def _hop(self, url: URL, ref: ImageRef) -> URL | bytes | BinaryIO:
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    return url.join(_parsed(location, ref))
                _check_status(response, ref)
                return await read_body(response, ref, self._limits)
        except _InnerAddressError as error:
            raise PictureForbiddenError(f"{ref.name}: {error}") from None


class _Patience:
    """What one picture has cost so far: one that is broken may not wait as long as its host."""

    def __init__(self) -> None:
        self._alone = self._own = self._denials = 0
        self._answers = -1

    def is_over(self, how: Failure, host: Host) -> bool:
        """Whether the picture, not its host, is to blame for another failure."""
        others_came = 0 <= self._answers < host.answers
        self._answers = host.answers
        if others_came and how is Failure.RATE_LIMITED:
            self._denials += 1
        elif others_came:
            self._own += 1
        elif not host.is_ill():
            self._alone += 1
        return (
            self._own >= _OWN_FAILURES or self._alone >= _LONE_FAILURES or self._denials >= _DENIALS
        )

    def pause(self, policy: HostPolicy) -> float:
        """Seconds before the picture asks its host for another turn."""
        return min(policy.pause * 2.0 ** max(self._own + self._alone - 1, 0), policy.longest_pause)


class _InnerAddressError(Exception):
    """A name leads to nothing but addresses that are shut; the text says which."""


class _Resolver(AbstractResolver):
    """The system's resolver, less the addresses that data may not lead to."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        refusals = [self._addresses.refusal(entry["host"], host, port) for entry in found]
        if found and all(refusals):
            raise _InnerAddressError(refusals[0])
        return [entry for entry, why in zip(found, refusals, strict=True) if why is None]

    async def close(self) -> None:
        await self._system.close()


def _own_name() -> str:
    try:
        version = metadata.version("dataflow-caption")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"dataflow-caption/{version} (+{_PROJECT})"


def _parsed(text: str, ref: ImageRef) -> URL:
    """`text` as it stands where it is a well-formed URL: signed URLs bear no rewriting."""
    plain = text.isascii() and text.isprintable() and " " not in text
    try:
        if plain:
            urlsplit(text)
        return URL(text, encoded=plain)
    except ValueError:
        raise PictureError(f"{ref.name}: is no valid URL") from None


def _check_status(response: aiohttp.ClientResponse, ref: ImageRef) -> None:
    status = response.status
    if status in _GONE:
        raise PictureMissingError(f"{ref.name}: the server answers {status}")
    if status == 429 or status in _PASSING or status >= 500:
        wait = read_retry_after({k.lower(): v for k, v in response.headers.items()})
        how = Failure.RATE_LIMITED if status == 429 else Failure.STATUS
        raise RetryLaterError(how, f"the server answers {status}", wait)
    if status in {401, 403}:
        raise PictureError(
            f"{ref.name}: the server answers {status}; some hosts want an address to write to "
            "(--user-agent)"
        )
    if status not in {200, 203}:
        raise PictureError(f"{ref.name}: the server answers {status}")
