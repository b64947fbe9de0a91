"""aiohttp's errors and a response's body, in our own terms."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

import aiohttp

from dataflow.core.errors import PictureError, StopRunError
from dataflow.core.picture import ImageRef
from dataflow.core.resources import lack_of
from dataflow.images.base.limits import Limits
from dataflow.images.base.open_file import SMALL, check_size
from dataflow.images.fetch.host import Failure

_CHUNK = 1 << 16
_PLAIN = {"", "identity"}
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib finds out which it is
_WINDOW = {"gzip": _GZIP_OR_ZLIB, "x-gzip": _GZIP_OR_ZLIB, "deflate": _GZIP_OR_ZLIB}

FETCH_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, TimeoutError, OSError)
"""What a request raises where the host or the way to it fails."""


class RetryLaterError(Exception):
    """A request failed in a way that may pass.

    Args:
        how: The way.
        reason: What happened, for people.
        retry_after: Seconds that the host asked to wait, or None.
    """

    def __init__(self, how: Failure, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.how = how
        self.reason = reason
        self.retry_after = retry_after


def typed(error: BaseException, ref: ImageRef) -> RetryLaterError | PictureError | StopRunError:
    """One of `FETCH_ERRORS` as an error of ours."""
    cause = getattr(error, "os_error", error)
    lack = lack_of(cause)
    if lack is not None:
        return lack
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return PictureError(
            f"{ref.name}: the host's certificate is not trusted ({_certificate_fault(error)}); "
            "for an authority of your own, set SSL_CERT_FILE to its certificate"
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return PictureError(f"{ref.name}: no encrypted connection can be made to the host")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        is_passing = getattr(cause, "errno", None) == socket.EAI_AGAIN
        how = Failure.UNREACHABLE if is_passing else Failure.UNKNOWN_NAME
        return RetryLaterError(how, Failure.UNKNOWN_NAME.value)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return RetryLaterError(Failure.UNREACHABLE, Failure.UNREACHABLE.value)
    if isinstance(error, aiohttp.ClientResponseError):
        return RetryLaterError(Failure.LOST, "the host's answer is not HTTP")
    return RetryLaterError(Failure.LOST, Failure.LOST.value)


def _certificate_fault(error: BaseException) -> str:
    fault = getattr(error, "certificate_error", error)
    return getattr(fault, "verify_message", "") or "it is another host's"


async def read_body(
    response: aiohttp.ClientResponse, ref: ImageRef, limits: Limits
) -> bytes | BinaryIO:
    """The body of `response`, decompressed: bytes where it is small, else an open unnamed file.

    Raises:
        PictureTooLargeError: it has more bytes than `limits` allow, packed or unpacked.
        PictureError: it is empty, or packed in a way that is not read.
    """
    check_size(response.content_length or 1, ref, limits)
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in _PLAIN and coding not in _WINDOW:
        raise PictureError(f"{ref.name}: is sent with an encoding that is not read ({coding:.20})")
    unpack = zlib.decompressobj(_WINDOW[coding]) if coding in _WINDOW else None
    body = tempfile.SpooledTemporaryFile(SMALL)  # noqa: SIM115 - handed on when it is large
    try:
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            for part in [chunk] if unpack is None else _unpacked(unpack, chunk):
                size += len(part)
                check_size(size or 1, ref, limits)
                body.write(part)
                if unpack is not None:  # one chunk can hold 64 MiB: others may run in between
                    await asyncio.sleep(0)
        check_size(size, ref, limits)
        body.seek(0)
        if size > SMALL:
            return cast("BinaryIO", body)
        with body:
            return body.read()
    except zlib.error:
        body.close()
        raise PictureError(f"{ref.name}: its {coding} encoding is broken") from None
    except BaseException:
        body.close()
        raise


def _unpacked(unpack: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """The unpacked `chunk`, a mebibyte at a time: deflate packs up to 1:1032."""
    while chunk:
        yield unpack.decompress(chunk, 1 << 20)
        chunk = unpack.unconsumed_tail
