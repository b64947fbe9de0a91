"""The one HTTP client: every engine is reached by it, ours on loopback as well as a paid API.

One `send` is one attempt and has one outcome, a `Reply` or one of our errors; whether and when to
ask again is the engine's. Only where the model does not take the form of a request is it put
another way at once (`adaptations`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dataflow.core.aio import import_in_thread
from dataflow.core.errors import (
    BadRequestError,
    ConnectionLostError,
    DataflowError,
    ParameterError,
    PictureError,
    StopRunError,
    UnknownModelError,
    WrongAddressError,
    WrongKeyError,
)
from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request
from dataflow.serving.openai.adaptations import Adaptations
from dataflow.serving.openai.exchanges import HttpExchanges
from dataflow.serving.openai.model_list import model_hint, read_model_list
from dataflow.serving.openai.rate_limit_headers import read_rate_limit
from dataflow.serving.openai.request_body import BodyForm, build_body, merge_sampling
from dataflow.serving.openai.transport.credentials import Credentials, doubt_of
from dataflow.serving.openai.transport.endpoint import read_endpoint
from dataflow.serving.openai.transport.replay_detector import Replay, ReplayDetector
from dataflow.serving.openai.transport.scheme_probe import scheme_hint
from dataflow.serving.openai.transport.session import open_session

if TYPE_CHECKING:
    import aiohttp
    from typing_extensions import Self

MAX_ADAPTATIONS = 8
"""Changes in the form of one request at most, so that no server keeps it going round."""

VAIN_JPEGS = 4
"""So many requests are sent again with JPEGs in vain, to learn whether a server wants them."""

_CONNECTOR = "dataflow.serving.openai.transport.safe_connector"  # and with it aiohttp
_LIST_SECONDS = 30.0
_TELLING_NAME = 4  # characters; a shorter name stands in any sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client asks.

    Attributes:
        credentials: The key and the headers of every request.
        sampling: Fields of the protocol sent with each request (``temperature`` …); a request's
            own sampling wins over them.
        timeout: Seconds for one attempt, from the first byte sent to the last received.
        stream: Whether to ask for replies in pieces.
        connections: Connections at most; as many requests can be in flight.
        ca_file: A file of certificates to trust beside the system's.
        adaptations: What is known of the model already; None for nothing.
    """

    credentials: Credentials = field(default_factory=Credentials)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 1800.0
    stream: bool = False
    connections: int = 10
    ca_file: str | os.PathLike[str] | None = None
    adaptations: Adaptations | None = None


class ChatClient:
    """A client of one OpenAI-compatible API, open while it is entered as a context.

    Args:
        base_url: The API, as ``"https://host/v1"`` or as its chat completions' whole URL.
        model: The model's name at the server.
        options: How it asks; None for the defaults.

    Raises:
        UsageError: the URL or the sampling cannot be used.
    """

    def __init__(self, base_url: str, *, model: str, options: ClientOptions | None = None) -> None:
        options = options or ClientOptions()
        self.address = read_endpoint(base_url)
        self.model = model
        self.adaptations = options.adaptations or Adaptations(
            model, base=BodyForm(stream=options.stream)
        )
        self._options = options
        self._sampling = merge_sampling(options.sampling)
        self._timeout = options.timeout
        self.http = HttpExchanges(self.address, None, self._timeout)
        self._replays = ReplayDetector()
        self._has_answered = False
        self._reads_png = False
        self._vain_jpegs = 0
        self._has_tried_plain = False
        self._models: list[str] | None = None
        self._scheme_hint: str | None = None

    async def __aenter__(self) -> Self:
        await import_in_thread(_CONNECTOR)
        session = open_session(
            self.address,
            self._options.credentials,
            connections=self._options.connections,
            timeout=self._timeout,
            ca_file=self._options.ca_file,
        )
        self.http = HttpExchanges(self.address, session, self._timeout)
        self._trying = asyncio.Lock()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.close()

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt at `request`; see `core.serving.Client`.

        Where the model does not take a parameter or the form of a message, the request is put
        another way and sent again at once, and so are all that follow.

        Raises:
            RowError: this row cannot be answered.
            TryAgainError: this attempt failed; a later one may not.
            StopRunError: no row can be answered until a person acts.
        """
        for _ in range(MAX_ADAPTATIONS):
            version = self.adaptations.version
            if self.adaptations.form.only_jpeg:
                pictures = await _as_jpegs(pictures)
            try:
                reply = await self._attempt(request, pictures)
            except DataflowError as error:
                found = await self._ask_with_jpegs(error, request, pictures)
                if found is None and not await self._adapts(error, request, pictures, version):
                    raise await self._explained(error) from None
                if found is None:
                    continue
                reply = found
            else:
                self._reads_png = self._reads_png or _has_png(pictures)
            self._has_answered = True
            return reply
        return await self._attempt(request, pictures)

    async def _ask_with_jpegs(
        self, error: DataflowError, request: Request, pictures: Sequence[Picture]
    ) -> Reply | None:
        """The reply to `request` with JPEGs, where that is what a server wants; else None.

        That a picture is sent as a PNG is our choice. Some servers read JPEGs alone.
        """
        is_about_it = isinstance(error, (PictureError, BadRequestError)) and error.status
        if not is_about_it or self._reads_png or not _has_png(pictures):
            return None
        jpegs = await _as_jpegs(pictures)
        async with self._trying:
            if not self.adaptations.form.only_jpeg:
                if self._vain_jpegs >= VAIN_JPEGS:
                    return None
                try:
                    reply = await self._attempt(request, jpegs)
                except DataflowError:
                    self._vain_jpegs += 1
                    return None
                self.adaptations.send_only_jpeg()
                return reply
        return await self._attempt(request, jpegs)  # another request has learned it meanwhile

    async def _adapts(
        self, error: DataflowError, request: Request, pictures: Sequence[Picture], version: int
    ) -> bool:
        """Whether `request` is to be sent again, because it is put otherwise now."""
        if isinstance(error, WrongKeyError) or error.status is None:
            return False
        if version != self.adaptations.version and isinstance(
            error, (BadRequestError, StopRunError)
        ):
            return True  # another request has learned meanwhile what this one met
        if self.adaptations.adapt(error, self._sampling, request):
            return True
        is_unclear = type(error) in {BadRequestError, ParameterError}
        if is_unclear and not self._has_answered:
            return await self._try_plain(request, pictures, version)
        return False

    async def _try_plain(self, request: Request, pictures: Sequence[Picture], version: int) -> bool:
        """Whether a server that gives no reason takes the request without all that is ours."""
        async with self._trying:
            if version != self.adaptations.version:
                return True
            if self._has_tried_plain or self._has_answered:
                return False
            self._has_tried_plain = True
            plain = self.adaptations.plain(request)
            if plain is None:
                return False
            try:
                await self._attempt(request, pictures, plain)
            except DataflowError:
                return False
            self.adaptations.adopt(plain)
            return True

    async def _explained(self, error: DataflowError) -> DataflowError:
        """`error` with what only the client knows: that no key was sent, which models there are."""
        if isinstance(error, ConnectionLostError) and not self._has_answered:
            return await self._wrong_scheme(error)
        credentials = self._options.credentials
        if isinstance(error, WrongKeyError) and credentials.key is None:
            reason = credentials.missing or "none is given"
            return error.with_message(f"{error.message}; no key was sent: {reason}")
        if isinstance(error, WrongKeyError) and (doubt := doubt_of(credentials.key or "-")):
            return error.with_message(f"{error.message}; {doubt}")
        is_unknown = isinstance(error, UnknownModelError)
        may_be = isinstance(error, (BadRequestError, WrongAddressError)) and not self._has_answered
        if not is_unknown and not (may_be and self._names_model(error)):
            return error
        hint = model_hint(self.model, await self._known_models())
        message = f"{error.message}; {hint}" if hint else error.message
        if is_unknown or not hint:
            return error.with_message(message)
        found = UnknownModelError(message, is_vague=True)
        return found if error.status is None else found.with_status(error.status)

    async def _wrong_scheme(self, error: ConnectionLostError) -> DataflowError:
        """`error`, or that the server speaks https where http was tried, or the other way round."""
        if self.http.has_proxy:
            return error
        async with self._trying:
            if self._scheme_hint is None:
                self._scheme_hint = await scheme_hint(self.address)
        return WrongAddressError(self._scheme_hint) if self._scheme_hint else error

    def _names_model(self, error: DataflowError) -> bool:
        text = error.message.lower()
        return "model" in text.replace(self.model.lower(), "") or (
            len(self.model) >= _TELLING_NAME and self.model.lower() in text
        )

    async def _known_models(self) -> list[str]:
        async with self._trying:
            if self._models is None:
                self._models = []
                with contextlib.suppress(DataflowError):
                    self._models = await self.models()
        return self._models

    async def models(self) -> list[str]:
        """The names of the server's models; it costs nothing.

        Raises:
            TryAgainError: the server cannot be reached or cannot answer now.
            StopRunError: it does not accept the key, or has no such list.
        """
        seconds = min(_LIST_SECONDS, self._timeout)
        async with self.http.open("GET", self.address.models_url, seconds=seconds) as answer:
            body = await self.http.whole_body(answer)
            if answer.status != 200:
                self.http.read(answer, body)
        return read_model_list(body)

    def body(
        self, request: Request, pictures: Sequence[Picture], form: Adaptations | None = None
    ) -> bytes:
        """The JSON body that asks `request` of this server; see `request_body.build_body`.

        Raises:
            BadRowError: a text of it cannot be sent.
        """
        asked = form or self.adaptations
        return build_body(
            request,
            pictures,
            model=self.model,
            sampling=asked.sampling(self._sampling, request),
            form=asked.form_for(request),
        )

    def batch_body(self, request: Request, pictures: Sequence[Picture]) -> bytes:
        """As `body`, for a line of a batch's file, which no stream answers."""
        whole = replace(self.adaptations, _form=replace(self.adaptations.form, stream=False))
        send = replace(request.send, stream=None)
        return self.body(replace(request, send=send), pictures, whole)

    def adapt(self, error: DataflowError, request: Request | None = None) -> bool:
        """Whether `error`, of a batch's line, changed how requests are put; see `Adaptations`."""
        return self.adaptations.adapt(error, self._sampling, request or Request(()))

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """The texts that must not appear in a message."""
        return (*self._options.credentials.secrets, *self.http.secrets)

    async def _attempt(
        self, request: Request, pictures: Sequence[Picture], form: Adaptations | None = None
    ) -> Reply:
        body = self.body(request, pictures, form)
        headers = request.send.headers
        async with self.http.open("POST", self.address.chat_url, body, headers=headers) as answer:
            try:
                reply = await self._read_reply(answer, body)
            except DataflowError:
                from dataflow.serving.openai.transport.safe_connector import drop_connection

                drop_connection()  # whatever else comes on it answers no later request
                raise
            rate_limit = read_rate_limit(answer.headers)
            return reply if rate_limit is None else replace(reply, rate_limit=rate_limit)

    async def _read_reply(self, answer: aiohttp.ClientResponse, body: bytes) -> Reply:
        reply = await self.http.read_reply(answer)
        from dataflow.serving.openai.transport.safe_connector import connection_number

        replay = self._replays.check(reply.id, body, connection_number())
        if replay is Replay.CACHED:
            raise StopRunError(
                f"replies to different pictures have one id ({reply.id}): something between you "
                "and the model, a gateway's cache most likely, repeats them, and captions would "
                "stand beside the wrong pictures. Turn that cache off (often with "
                "--header 'Cache-Control: no-cache'); where the run had begun, ask again with "
                "--restart"
            )
        if replay is Replay.ONCE:
            raise ConnectionLostError("the server sent its answer to another request once more")
        return reply


def _has_png(pictures: Sequence[Picture]) -> bool:
    return any(picture.media_type == "image/png" for picture in pictures)


async def _as_jpegs(pictures: Sequence[Picture]) -> Sequence[Picture]:
    """The pictures as JPEGs, made beside the event loop."""
    if not _has_png(pictures):
        return pictures
    from dataflow.images.decode.encode import as_jpeg

    return await asyncio.to_thread(lambda: tuple(map(as_jpeg, pictures)))
