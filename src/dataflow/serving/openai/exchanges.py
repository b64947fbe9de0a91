"""One client's HTTP exchanges: sent, read within bounds, and their failures as our errors."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.core.errors import (
    DataflowError,
    GarbledReplyError,
    ReplyTooLargeError,
    UnreachableError,
)
from dataflow.core.request import Reply
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import StreamedReply, is_stream, read_stream
from dataflow.serving.openai.transport.endpoint import Endpoint
from dataflow.serving.openai.transport.reply_buffer import FREE_BYTES, LONGEST_BODY, ReplyMemory
from dataflow.serving.openai.transport.session import CONNECT_SECONDS, Session
from dataflow.serving.openai.transport.transport_errors import map_transport_error, network_errors

if TYPE_CHECKING:
    import aiohttp

LONGEST_STREAM = 128 * 2**20
"""Bytes of one streamed reply; only its text is kept."""

_LARGE_BODY = 2**20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send from the disk, as a form.

    Attributes:
        path: The file.
        name: What it is called at the server.
        fields: The form's other fields.
    """

    path: Path
    name: str
    fields: Mapping[str, str]


class HttpExchanges:
    """The exchanges with one API.

    Args:
        endpoint: The API.
        session: The open session; None raises at the first exchange.
        timeout: Seconds for one exchange.
    """

    def __init__(self, endpoint: Endpoint, session: Session | None, timeout: float) -> None:
        self._endpoint = endpoint
        self._session = session
        self._timeout = timeout
        self._memory = ReplyMemory()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """The texts that must not appear in a message."""
        return () if self._session is None else self._session.secrets

    @property
    def has_proxy(self) -> bool:
        """Whether the exchanges go through a proxy."""
        return self._session is not None and bool(self._session.proxy_variable)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        upload: Upload | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> bytes | None:
        """Another exchange with the same API; returns what it answers, None where it is a 404.

        Args:
            method: ``"GET"``, ``"POST"`` …
            path: After the API's address: ``"/batches"``.
            body: JSON.
            query: Of the URL.
            upload: A file to send instead of a body.
            headers: More of them.
            seconds: The limit, where it is not that of every attempt.

        Raises:
            DataflowError: as `send`.
        """
        url = self._endpoint.url(path, query)
        async with self.open(
            method, url, body, upload=upload, headers=headers, seconds=seconds
        ) as answer:
            whole = await self.whole_body(answer)
            if answer.status == 404:
                return None
            if not 200 <= answer.status <= 299:
                self.read(answer, whole)
            return whole

    async def stream_file(self, path: str, *, seconds: float) -> AsyncIterator[bytes]:
        """A file of the API, piece by piece as it comes.

        Raises:
            DataflowError: as `send`; also in the middle of the file.
        """
        async with self.open("GET", self._endpoint.url(path), seconds=seconds) as answer:
            if answer.status == 404:
                raise GarbledReplyError(f"the server has no {answer.url.path}")
            if answer.status != 200:
                self.read(answer, await self.whole_body(answer))
            async for piece in answer.content.iter_any():
                yield piece

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        upload: Upload | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One HTTP exchange; what fails in it, also while its reply is read, is our error."""
        if self._session is None:
            raise UnreachableError("the client is closed: use it as 'async with client:'")
        with contextlib.ExitStack() as files:
            options = _content(body, upload, files)
            options["headers"] = {**options.get("headers", {}), **(headers or {})}
            options |= {**self._session.options, "allow_redirects": False}
            if seconds is not None:
                options["timeout"] = _limits(seconds, still=self._timeout)
            try:
                async with self._session.http.request(method, url, **options) as answer:
                    yield answer
            except network_errors() as error:
                raise self._fault(error) from None

    def _fault(self, error: BaseException) -> DataflowError:
        return map_transport_error(
            error,
            host=self._endpoint.authority,
            timeout=self._timeout,
            secrets=self.secrets,
            proxy_variable="" if self._session is None else self._session.proxy_variable,
        )

    async def read_reply(self, answer: aiohttp.ClientResponse) -> Reply:
        """The reply of a chat completion, whole or in pieces.

        Raises:
            DataflowError: it is none.
        """
        if answer.status == 200 and answer.content_type == "text/event-stream":
            return await self._read_stream(answer)
        return await self._read_whole(answer)

    def read(self, answer: aiohttp.ClientResponse, body: bytes) -> Reply:
        """The reply in `body`; see `replies.read_answer`."""
        if answer.status == 200 and is_stream(body):
            return read_stream(answer.headers, body, secrets=self.secrets)
        return read_answer(
            answer.status, answer.headers, body, secrets=self.secrets, path=answer.url.path
        )

    async def _read_whole(self, answer: aiohttp.ClientResponse) -> Reply:
        """The reply in one body; a large one waits until memory is free for it."""
        head = await _read_up_to(answer, FREE_BYTES)
        if len(head) < FREE_BYTES:
            return self.read(answer, head)
        length = min(answer.content_length or LONGEST_BODY, LONGEST_BODY)
        async with self._memory.room(length):
            return self.read(answer, head + await _rest_of(answer, LONGEST_BODY - len(head)))

    async def whole_body(self, answer: aiohttp.ClientResponse) -> bytes:
        """The body of an exchange, up to `LONGEST_BODY`."""
        return await _rest_of(answer, LONGEST_BODY)

    async def _read_stream(self, answer: aiohttp.ClientResponse) -> Reply:
        reply = StreamedReply(answer.headers, secrets=self.secrets)
        try:
            await self._feed(reply, answer)
            return reply.finish()
        except DataflowError as error:
            raise error.billed(reply.usage) from None

    async def _feed(self, reply: StreamedReply, answer: aiohttp.ClientResponse) -> None:
        left = LONGEST_STREAM
        try:
            async for piece in answer.content.iter_any():
                left -= len(piece)
                if left < 0:
                    raise ReplyTooLargeError(f"the stream is longer than {LONGEST_STREAM:,} bytes")
                reply.feed(piece)
                if reply.is_done:
                    await _run_out(answer)
                    break
        except network_errors() as error:
            if not reply.is_whole:
                raise self._fault(error) from None


def _content(
    body: bytes | None, upload: Upload | None, files: contextlib.ExitStack
) -> dict[str, Any]:
    """What to send, as aiohttp's arguments; files opened for it are closed by `files`."""
    if upload is not None:
        import aiohttp

        form = aiohttp.FormData(dict(upload.fields))
        file = files.enter_context(upload.path.open("rb"))
        form.add_field("file", file, filename=upload.name, content_type="application/jsonl")
        return {"data": form}
    if body is None:
        return {}
    # Handed over as a file, a large body is sent in slices between which the loop runs;
    # a small one costs less CPU at once.
    data = body if len(body) < _LARGE_BODY else io.BytesIO(body)
    return {"data": data, "headers": {"Content-Type": "application/json"}}


def _limits(seconds: float, *, still: float) -> aiohttp.ClientTimeout:
    """The limits of an exchange that may take `seconds`, but not stand still for `still`."""
    import aiohttp

    return aiohttp.ClientTimeout(
        total=seconds, sock_connect=min(still, CONNECT_SECONDS), sock_read=still
    )


async def _read_up_to(answer: aiohttp.ClientResponse, size: int) -> bytes:
    """The first bytes of a body: all of it where it is shorter than `size`."""
    chunks: list[bytes] = []
    left = size
    while left > 0 and (piece := await answer.content.read(left)):
        chunks.append(piece)
        left -= len(piece)
    return b"".join(chunks)


async def _rest_of(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    chunks = []
    async for piece in answer.content.iter_any():
        longest -= len(piece)
        if longest < 0:
            raise ReplyTooLargeError(f"the reply is longer than {LONGEST_BODY:,} bytes: no caption")
        chunks.append(piece)
    return b"".join(chunks)


async def _run_out(answer: aiohttp.ClientResponse) -> None:
    """Wait a moment for the stream's own end, so that its connection can be used again."""
    with contextlib.suppress(*network_errors()):
        await asyncio.wait_for(answer.content.read(1), 0.25)
