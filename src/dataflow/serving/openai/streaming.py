"""A reply that comes in pieces (server-sent events) → the same `Reply` as in one body.

The frame is that of https://html.spec.whatwg.org/multipage/server-sent-events.html; the pieces are
OpenAI's chat completion chunks (https://platform.openai.com/docs/api-reference/chat-streaming).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.errors import ConnectionLostError, GarbledReplyError
from dataflow.core.request import Reply, Usage
from dataflow.core.text import scrub
from dataflow.serving.openai.replies import (
    error_inside,
    finish_reason_of,
    first_choice,
    make_reply,
    model_of,
    name_of,
    parse_json,
    text_of,
    usage_of,
)


class EventLines:
    """Cuts bytes, in whatever pieces they come, into the data of whole events."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that `piece` completes."""
        waits_for_lf = bool(self._rest) and self._rest[-1].endswith(b"\r")
        if b"\n" not in piece and b"\r" not in piece and not waits_for_lf:
            self._rest.append(piece)
            return
        buffer = b"".join((*self._rest, piece))
        # A CR at the very end may be the first half of a CRLF: it waits for the next piece.
        end = len(buffer) - buffer.endswith(b"\r")
        *lines, rest = buffer[:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = [rest + buffer[end:]]
        for line in lines:
            yield from self._line(line)

    def close(self) -> Iterator[bytes]:
        """The data of a last event whose empty line the server left out."""
        yield from self.feed(b"\n")
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line:
            name, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
        elif self._data:
            data, self._data = b"\n".join(self._data), []
            yield data


class StreamedReply:
    """Joins the chunks of one streamed completion.

    Args:
        headers: The answer's headers, in any case.
        secrets: Texts that must not appear in an error's message.

    Attributes:
        is_done: Whether the server said that nothing follows.
        usage: The tokens, as far as the server has told them.
    """

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, secrets: Sequence[str | None] = ()
    ) -> None:
        self.is_done = False
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._secrets = secrets
        self._lines = EventLines()
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._finish_reason: str | None = None
        self.usage = Usage()
        self._model = ""
        self._name = ""
        self._has_choices = False

    @property
    def is_whole(self) -> bool:
        """Whether the answer has ended; a stream that breaks after this has lost nothing."""
        return self.is_done or self._finish_reason is not None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            DataflowError: the stream holds an error, or something that is no chunk.
        """
        for data in self._lines.feed(piece):
            self._event(data)

    def finish(self) -> Reply:
        """The reply, after the last byte; a stream that broke after its last word is whole.

        Raises:
            ConnectionLostError: the stream ended before the answer did.
            DataflowError: as `answers.make_reply`, or for a stream without chunks.
        """
        for data in self._lines.close():
            self._event(data)
        if self._finish_reason is None:
            if not self.is_done:
                raise ConnectionLostError("the stream ended before the answer did")
            if not self._has_choices:
                raise GarbledReplyError("the stream has no choices")
        return make_reply(
            "".join(self._texts),
            refusal="".join(self._refusals),
            finish_reason=self._finish_reason,
            usage=self.usage,
            model=self._model,
            name=self._name,
            secrets=self._secrets,
        )

    def _event(self, data: bytes) -> None:
        if self.is_done:
            return
        if data.strip() == b"[DONE]":
            self.is_done = True
            return
        chunk = parse_json(data, self._headers)
        if chunk is None:
            said = scrub(data[:65_536].decode("utf-8", "replace"), secrets=self._secrets, limit=120)
            raise GarbledReplyError(f"a piece of the stream is no JSON: {said}")
        if (error := error_inside(chunk, self._headers, self._secrets)) is not None:
            raise error
        if isinstance(chunk, dict):
            self._chunk(chunk)

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        usage = usage_of(chunk)
        if usage != Usage():
            self.usage = usage
        self._model = self._model or model_of(chunk)
        self._name = self._name or name_of(chunk)
        choice = first_choice(chunk)
        if choice is None or choice.get("index") not in (None, 0):
            return
        self._has_choices = True
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._texts.append(text_of(delta.get("content")))
            if isinstance(refusal := delta.get("refusal"), str):
                self._refusals.append(refusal)
        self._finish_reason = finish_reason_of(choice) or self._finish_reason
