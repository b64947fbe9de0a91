"""What comes from the wire: any status, headers and bytes are a reply or one typed error."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable

from hypothesis import strategies as st

from dataflow.core.errors import DataflowError, TryAgainError
from dataflow.core.request import Reply
from dataflow.core.times.retry_after import LONGEST_WAIT
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import StreamedReply
from tests.fuzz.mutate import mutated
from tests.servers.hostile_server import KEY

_WHOLE = {
    "id": "1",
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "A cat."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3},
}
_PARTS = {**_WHOLE, "choices": [{"message": {"content": [{"type": "text", "text": "A cat."}]}}]}
_ERROR = {"error": {"message": f"no {KEY}", "code": "context_length_exceeded", "type": "x"}}
_DETAIL = {"detail": [{"msg": "Field required", "loc": ["body"], "input": {"k": KEY}}]}
_CHUNK = {"model": "m", "choices": [{"index": 0, "delta": {"content": "A"}, "finish_reason": None}]}
_LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_JSON = [json.dumps(one).encode() for one in (_WHOLE, _PARTS, _ERROR, _DETAIL, [_ERROR], {}, [])]
_STREAMS = [
    b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks) + end
    for chunks in ((_CHUNK, _LAST), (_CHUNK, _ERROR), (_LAST,))
    for end in (b"data: [DONE]\n\n", b"", b": comment\r\n\r\n")
]
_WORDS = (
    b"null", b"true", b"-1", b"1e999", b'"', b"{}", b"[]", b'"content":', b'"error":', b'"code":',
    b"429", b"\\ud800", b"\xed\xa0\x80", b"[" * 1100, b"data:", b"\n", b"\r",
    b"\r\n", b": ", b"event:", b"[DONE]", b'"content_filter"', b'"length"', b"<html>",
    KEY.encode(), b"data:image/jpeg;base64,/9j/",
)  # fmt: skip
_HEADERS = st.dictionaries(
    st.sampled_from(("Retry-After", "retry-after-ms", "Date", "Location", "Content-Type")),
    st.one_of(
        st.text(max_size=30),
        st.floats().map(str),
        st.sampled_from(
            ("Tue, 01 Jan 2030 00:00:00 GMT", "nan", "1e400", "-1", "Mon, 99 Foo 9999999")
        ),
    ),
    max_size=3,
)
_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("choices", "message", "content", "error", "code", "type", "detail", "delta",
                 "finish_reason", "usage", "prompt_tokens", "completion_tokens", "model", "refusal",
                 "text", "index", "status", "msg", "innererror", "metadata")
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@st.composite
def inputs(draw: st.DrawFn) -> tuple[int, dict[str, str], bytes, list[int]]:
    """Status, headers, body, and where a stream is cut into pieces."""
    status = draw(st.sampled_from((200, 200, 200, 201, 204, 301, 400, 401, 404, 429, 500, 599)))
    shaped = _JSON_VALUES.map(lambda value: json.dumps(value).encode())
    body = draw(
        st.one_of(mutated(_JSON, _WORDS), mutated(_STREAMS, _WORDS), shaped, st.binary(max_size=80))
    )
    return status, draw(_HEADERS), body, draw(st.lists(st.integers(0, len(body)), max_size=6))


def check(given: tuple[int, dict[str, str], bytes, list[int]]) -> None:
    """One outcome, without secrets; in whatever pieces a stream comes, it is the same."""
    status, headers, body, cuts = given
    _outcome(lambda: read_answer(status, headers, body, secrets=(KEY,), path="/v1/x"))
    whole = _outcome(lambda: _streamed(headers, [body]))
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(edges)]
    assert _outcome(lambda: _streamed(headers, pieces)) == whole


def _streamed(headers: dict[str, str], pieces: list[bytes]) -> Reply:
    reply = StreamedReply(headers, secrets=(KEY,))
    for piece in pieces:
        reply.feed(piece)
    return reply.finish()


def _outcome(ask: Callable[[], Reply]) -> object:
    failure, reply = None, None
    try:
        reply = ask()
    except DataflowError as error:
        failure = error
    if failure is None:
        _check_reply(reply)
        return reply
    _check_failure(failure)
    return type(failure), failure.message


def _check_failure(error: DataflowError) -> None:
    assert KEY not in error.message
    assert len(error.message) < 600, len(error.message)
    assert type(error) is not DataflowError
    if isinstance(error, TryAgainError) and error.retry_after is not None:
        assert 0 <= error.retry_after <= LONGEST_WAIT
        assert math.isfinite(error.retry_after)


def _check_reply(reply: Reply | None) -> None:
    assert isinstance(reply, Reply)
    assert isinstance(reply.text, str)
    assert isinstance(reply.model, str)
    for tokens in (reply.usage.prompt_tokens, reply.usage.completion_tokens):
        assert tokens is None or (isinstance(tokens, int) and 0 <= tokens < 2**63), tokens
