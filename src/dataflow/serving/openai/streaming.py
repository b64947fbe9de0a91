"""A reply that comes in pieces (server-sent events) → the same `Reply` as in one body.

The frame is that of https://html.spec.whatwg.org/multipage/server-sent-events.html; the pieces are
OpenAI's chat completion chunks (https://platform.openai.com/docs/api-reference/chat-streaming).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataflow.core.errors import (
    ConnectionLostError,
    DataflowError,
    GarbledReplyError,
    ReplyTooLargeError,
)
from dataflow.core.request import Reply, Usage
from dataflow.core.text import scrub
from dataflow.serving.openai.api_errors import (
    error_inside,
    first_choice,
    read_api_error,
    unwrapped_completion,
)
from dataflow.serving.openai.finish_reasons import is_ended
from dataflow.serving.openai.replies import (
    LONGEST_TEXT,
    ReplyParts,
    attach,
    finish_reason_of,
    id_of,
    make_reply,
    message_of,
    model_of,
    parse_json,
    raise_if_blocked,
    reasoning_of,
    text_of,
)
from dataflow.serving.openai.usage import usage_of

LONGEST_LINE = 4 * 2**20
"""Bytes of one event; a longer one is no piece of a caption."""

_KEPT_REASONING = 2000  # characters, for a message


_FIELDS = (b"event", b"id", b"retry", b"")  # WHATWG HTML, section 9.2.6; a comment has no name
_FRAME = re.compile(rb"(\xef\xbb\xbf)?\s*(data|event|id|retry)?:")
_DONE_AT_END = re.compile(rb"\s*data:\s*\[DONE\]\s*$")
_KEEP_ALIVE = re.compile(rb"ping|heart_?beat|keep_?-?alive", re.IGNORECASE)


class EventLines:
    """Cuts bytes, in whatever pieces they come, into the data of whole events.

    Attributes:
        event: The name of the event that was given last; empty where it has none.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._data: list[bytes] = []
        self._name = self.event = b""
        self._strays: list[bytes] = []
        self._stray_bytes = 0

    @property
    def strays(self) -> bytes:
        """The lines that belong to no event: a plain error or a whole body may stand there."""
        return b"".join(self._strays)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that `piece` completes.

        Raises:
            GarbledReplyError: a line is longer than `LONGEST_LINE`.
        """
        self._rest_bytes += len(piece)
        if self._rest_bytes > LONGEST_LINE:
            raise GarbledReplyError(f"a line of the stream is longer than {LONGEST_LINE:,} bytes")
        waits_for_lf = bool(self._rest) and self._rest[-1].endswith(b"\r")
        if b"\n" not in piece and b"\r" not in piece and not waits_for_lf:
            self._rest.append(piece)
            return
        buffer = b"".join((*self._rest, piece))
        # A CR at the very end may be the first half of a CRLF: it waits for the next piece.
        end = len(buffer) - buffer.endswith(b"\r")
        *lines, rest = buffer[:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = [rest + buffer[end:]]
        self._rest_bytes = len(self._rest[0])
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
            elif name == b"event":
                self._name = value.strip()
            elif name not in _FIELDS and self._stray_bytes < LONGEST_LINE:
                self._strays.append(line + b"\n")
                self._stray_bytes += len(line) + 1
            return
        self.event, self._name = self._name, b""
        if self._data:
            data, self._data = b"\n".join(self._data), []
            yield data


def is_stream(body: bytes) -> bool:
    """Whether a body is a stream of events, whatever its headers say."""
    return _FRAME.match(body, 0, 100) is not None


def read_stream(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str | None] = ()
) -> Reply:
    """The reply of a stream that lies there as a whole.

    Args:
        headers: The answer's headers, in any case.
        body: All of it.
        secrets: Texts that must not appear in an error's message.

    Raises:
        DataflowError: as `StreamedReply.finish`.
    """
    reply = StreamedReply(headers, secrets=secrets)
    try:
        reply.feed(body)
        return reply.finish()
    except DataflowError as error:
        raise error.billed(reply.usage) from None


class StreamedReply:
    """Joins the chunks of one streamed completion.

    Args:
        headers: The answer's headers, in any case.
        secrets: Texts that must not appear in an error's message.

    Attributes:
        is_done: Whether the server announced the end.
        usage: The tokens, as far as the server has reported them.
    """

    def __init__(
        self, headers: Mapping[str, str] | None = None, *, secrets: Sequence[str | None] = ()
    ) -> None:
        self.is_done = False
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._secrets = secrets
        self._lines = EventLines()
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._reasoning = ""
        self._finish_reason: str | None = None
        self.usage = Usage()
        self._model = ""
        self._id = ""
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
            DataflowError: as `replies.make_reply`, or for a stream without chunks.
        """
        for data in self._lines.close():
            self._event(data)
        if self._finish_reason is None:
            if not self._has_choices and self._lines.strays:
                self._body_without_events()
            if not self.is_done:
                raise ConnectionLostError("the stream ended before the answer did")
            if not self._has_choices:
                raise GarbledReplyError("the stream has no choices")
        parts = ReplyParts(
            text="".join(self._texts),
            reasoning=self._reasoning,
            refusal="".join(self._refusals),
            finish_reason=self._finish_reason,
            usage=self.usage,
            model=self._model,
            id=self._id,
        )
        return make_reply(parts, secrets=self._secrets)

    def _body_without_events(self) -> None:
        """Read an error or a whole completion that does not have the form of an event."""
        self.is_done = False
        self._event(_DONE_AT_END.sub(b"", self._lines.strays.strip()))
        self.is_done = self._has_choices

    def _event(self, data: bytes) -> None:
        if self.is_done or not data.strip():
            return
        if data.strip() == b"[DONE]":
            self.is_done = True
            return
        chunk = unwrapped_completion(parse_json(data, self._headers))
        if chunk is None and _KEEP_ALIVE.search(self._lines.event):
            return
        if chunk is None:
            shown = scrub(
                data[:65_536].decode("utf-8", "replace"), secrets=self._secrets, limit=120
            )
            raise GarbledReplyError(f"a piece of the stream is no JSON: {shown}")
        if (error := error_inside(chunk, self._headers, self._secrets)) is not None:
            raise attach(error, read_api_error(chunk))
        if isinstance(chunk, dict):
            self._chunk(chunk)

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        usage = usage_of(chunk)
        if usage != Usage():
            self.usage = usage
        self._model = self._model or model_of(chunk)
        self._id = self._id or id_of(chunk)
        choice = first_choice(chunk)
        if choice is None:
            raise_if_blocked(chunk, self._secrets)
        if choice is None or choice.get("index") not in (None, 0):
            return
        self._has_choices = True
        delta = choice.get("delta")
        if isinstance(delta, dict) and delta:
            self._delta(delta)
        elif not self._length or "message" not in choice:  # a last one repeats the whole answer
            self._delta(message_of(choice) or {})
        if is_ended(reason := finish_reason_of(choice)):
            self._finish_reason = reason

    def _delta(self, delta: Mapping[str, Any]) -> None:
        text = text_of(delta.get("content"))
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise ReplyTooLargeError(
                f"the answer is longer than {LONGEST_TEXT:,} characters, which is no caption: "
                "set --max-tokens"
            )
        self._texts.append(text)
        if len(self._reasoning) < _KEPT_REASONING:
            self._reasoning += reasoning_of(delta)
        if isinstance(refusal := delta.get("refusal"), str):
            self._refusals.append(refusal)
