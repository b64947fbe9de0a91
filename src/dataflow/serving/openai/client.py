"""The one HTTP client: every engine is reached by it, ours on loopback as well as a paid API.

One `send` is one attempt and has one outcome, a `Reply` or one of our errors; whether and when to
ask again is the road's.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import orjson

from dataflow.core.errors import (
    ConnectionLostError,
    DataflowError,
    GarbledReplyError,
    UnreachableError,
)
from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.serving.openai.api_errors import MaxTokensNameError
from dataflow.serving.openai.endpoint import check_key, read_endpoint
from dataflow.serving.openai.rate_limit_headers import read_rate_limit
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.request_body import build_body, merge_sampling
from dataflow.serving.openai.streaming import StreamedReply
from dataflow.serving.openai.transport_errors import map_transport_error, network_errors

if TYPE_CHECKING:
    import aiohttp
    from typing_extensions import Self

    from dataflow.serving.openai.safe_connector import ReplayDetector

LONGEST_BODY = 16 * 2**20
"""Bytes; a reply that is longer is no caption."""

_LARGE_BODY = 2**20
_LONGEST_HEADER = 64 * 2**10  # proxies and gateways add whole policies
_CONNECT_SECONDS = 30.0
_LIST_SECONDS = 30.0


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


class ChatClient:
    """A client of one OpenAI-compatible API, open while it is entered as a context.

    Args:
        base_url: The API, as ``"https://host/v1"`` or as its chat completions' whole URL.
        model: The model's name at the server.
        api_key: Sent as bearer token; None or empty sends none.
        sampling: Fields of the protocol sent with each request (``temperature`` …); a request's
            own sampling wins over them.
        timeout: Seconds for one attempt, from the first byte sent to the last received.
        stream: Whether to ask for replies in pieces.
        connections: Connections at most; as many requests can be in flight.

    Raises:
        UsageError: the URL, the key or the sampling cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        api_key: str | None,
        sampling: Mapping[str, Any],
        timeout: float,
        stream: bool = False,
        connections: int,
    ) -> None:
        self.address = read_endpoint(base_url)
        self.model = model
        self._key = check_key(api_key)
        self._sampling = merge_sampling(sampling)
        self._timeout = timeout
        self._stream = stream
        self._connections = connections
        self._new_name = False
        self._session: aiohttp.ClientSession | None = None
        self._repeats: ReplayDetector | None = None
        self._proxy: str | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        from dataflow.serving.openai.safe_connector import CleanConnector, ReplayDetector

        headers = {
            "Accept-Encoding": "identity",
            "User-Agent": "dataflow-caption",
        }
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._repeats = ReplayDetector()
        self._proxy = None if self.address.is_loopback else _proxy_for(self.address.chat_url)
        # trust_env stays off: it would also send what stands in ~/.netrc.
        self._session = aiohttp.ClientSession(
            connector=CleanConnector(limit=self._connections, ttl_dns_cache=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            trust_env=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            timeout=aiohttp.ClientTimeout(
                total=self._timeout, sock_connect=min(self._timeout, _CONNECT_SECONDS)
            ),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt at `request`; see `core.serving.Client`.

        A server that knows ``max_tokens`` only as ``max_completion_tokens`` is asked again at
        once with that name, and with it from then on.

        Raises:
            RowError: this row cannot be answered.
            TryAgainError: this attempt failed; a later one may not.
            StopRunError: no row can be answered until a person acts.
        """
        used_new_name = self._new_name
        try:
            return await self._attempt(request, pictures)
        except MaxTokensNameError:
            if used_new_name:
                raise
        self._new_name = True
        return await self._attempt(request, pictures)

    async def models(self) -> list[str]:
        """The names of the server's models; it costs nothing.

        Raises:
            TryAgainError: the server cannot be reached or cannot answer now.
            StopRunError: it does not accept the key, or has no such list.
        """
        seconds = min(_LIST_SECONDS, self._timeout)
        async with self._open("GET", self.address.models_url, seconds=seconds) as answer:
            body = await _whole_body(answer)
            if answer.status != 200:
                self._read(answer, body)
        try:
            names = [str(model["id"]) for model in orjson.loads(body)["data"]]
        except (ValueError, KeyError, TypeError):
            raise GarbledReplyError("the server's list of models is no such list") from None
        return names

    def body(self, request: Request, pictures: Sequence[Picture], *, stream: bool = False) -> bytes:
        """The JSON body that asks `request` of this server; see `body.build_body`.

        Raises:
            BadRowError: a text of it cannot be sent.
        """
        sampling = merge_sampling(self._sampling, request.sampling)
        if self._new_name and "max_tokens" in sampling:
            sampling["max_completion_tokens"] = sampling.pop("max_tokens")
        return build_body(request, pictures, model=self.model, sampling=sampling, stream=stream)

    def use_new_name(self) -> None:
        """Say ``max_completion_tokens`` for ``max_tokens`` from now on."""
        self._new_name = True

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """The texts that must not appear in a message."""
        return (self._key,)

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
        url = self.address.url(path, query)
        async with self._open(
            method, url, body, upload=upload, headers=headers, seconds=seconds
        ) as answer:
            whole = await _whole_body(answer)
            if answer.status == 404:
                return None
            if not 200 <= answer.status <= 299:
                self._read(answer, whole)
            return whole

    async def stream_file(self, path: str, *, seconds: float) -> AsyncIterator[bytes]:
        """A file of the API, piece by piece as it comes.

        Raises:
            DataflowError: as `send`; also in the middle of the file.
        """
        async with self._open("GET", self.address.url(path), seconds=seconds) as answer:
            if answer.status == 404:
                raise GarbledReplyError(f"the server has no {answer.url.path}")
            if answer.status != 200:
                self._read(answer, await _whole_body(answer))
            async for piece in answer.content.iter_any():
                yield piece

    async def _attempt(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        body = self.body(request, pictures, stream=self._stream)
        async with self._open("POST", self.address.chat_url, body) as answer:
            try:
                reply = await self._read_reply(answer)
            except DataflowError:
                from dataflow.serving.openai.safe_connector import drop_connection

                drop_connection()  # whatever else comes on it answers no later request
                raise
            rate_limit = read_rate_limit(answer.headers)
            return reply if rate_limit is None else replace(reply, rate_limit=rate_limit)

    async def _read_reply(self, answer: aiohttp.ClientResponse) -> Reply:
        if answer.status == 200 and answer.content_type == "text/event-stream":
            reply = await self._read_stream(answer)
        else:
            reply = self._read(answer, await _whole_body(answer))
        if self._repeats is not None and self._repeats.is_repeat(reply.id):
            raise ConnectionLostError("the server sent its answer to a former request once more")
        return reply

    @contextlib.asynccontextmanager
    async def _open(
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
        with contextlib.ExitStack() as held:
            options = _content(body, upload, held)
            options["headers"] = {**options.get("headers", {}), **(headers or {})}
            options |= {"proxy": self._proxy, "allow_redirects": False}
            if seconds is not None:
                options["timeout"] = _limits(seconds, still=self._timeout)
            try:
                async with self._session.request(method, url, **options) as answer:
                    yield answer
            except network_errors() as error:
                raise self._fault(error) from None

    def _fault(self, error: BaseException) -> DataflowError:
        host, secrets = self.address.host, (self._key,)
        return map_transport_error(error, host=host, timeout=self._timeout, secrets=secrets)

    def _read(self, answer: aiohttp.ClientResponse, body: bytes) -> Reply:
        return read_answer(
            answer.status, answer.headers, body, secrets=(self._key,), place=answer.url.path
        )

    async def _read_stream(self, answer: aiohttp.ClientResponse) -> Reply:
        reply = StreamedReply(answer.headers, secrets=(self._key,))
        try:
            await self._feed(reply, answer)
            return reply.finish()
        except DataflowError as error:
            raise error.billed(reply.usage) from None

    async def _feed(self, reply: StreamedReply, answer: aiohttp.ClientResponse) -> None:
        left = LONGEST_BODY
        try:
            async for piece in answer.content.iter_any():
                left -= len(piece)
                if left < 0:
                    raise GarbledReplyError(f"the stream is longer than {LONGEST_BODY} bytes")
                reply.feed(piece)
                if reply.is_done:
                    await _run_out(answer)
                    break
        except network_errors() as error:
            if not reply.is_whole:
                raise self._fault(error) from None


def _content(
    body: bytes | None, upload: Upload | None, held: contextlib.ExitStack
) -> dict[str, Any]:
    """What to send, as aiohttp's arguments; files opened for it are closed by `held`."""
    if upload is not None:
        import aiohttp

        form = aiohttp.FormData(dict(upload.fields))
        file = held.enter_context(upload.path.open("rb"))
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
        total=seconds, sock_connect=min(still, _CONNECT_SECONDS), sock_read=still
    )


async def _whole_body(answer: aiohttp.ClientResponse) -> bytes:
    chunks = []
    left = LONGEST_BODY
    async for piece in answer.content.iter_any():
        left -= len(piece)
        if left < 0:
            raise GarbledReplyError(f"the reply is longer than {LONGEST_BODY} bytes")
        chunks.append(piece)
    return b"".join(chunks)


async def _run_out(answer: aiohttp.ClientResponse) -> None:
    """Wait a moment for the stream's own end, so that its connection can be used again."""
    with contextlib.suppress(*network_errors()):
        await asyncio.wait_for(answer.content.read(1), 0.25)


def _proxy_for(url: str) -> str | None:
    """The proxy that the environment names for `url` (``HTTPS_PROXY``, ``NO_PROXY`` …)."""
    from urllib.request import getproxies, proxy_bypass

    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(host) or not proxy.startswith(("http://", "https://")):
        return None
    return proxy
