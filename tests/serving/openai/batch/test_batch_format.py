"""The Batch API's lines and objects → our words, whatever bytes they hold."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    GarbledReplyError,
    OutOfMoneyError,
    OverloadedError,
    RateLimitedError,
    RefusedError,
    TooLongError,
    TryAgainError,
    UnknownModelError,
)
from dataflow.core.protocols.batch import BatchState
from dataflow.core.request import Reply
from dataflow.engine.journal.codec import from_text, to_text
from dataflow.serving.openai.batch.batch_format import (
    read_batch,
    read_line,
    read_list,
    request_line,
)

KEY = "sk-secret-1234567890"
COMPLETION = {
    "model": "m",
    "choices": [{"message": {"content": "A cat."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


def line(response, error=None):
    value = {"id": "x", "custom_id": "a1", "response": response, "error": error}
    return json.dumps(value).encode()


def answered(status, body):
    return {"status_code": status, "request_id": "r", "body": body}


def failed(code, message="why"):
    return {"error": {"code": code, "message": message}}


def test_a_request_becomes_one_line():
    made = request_line("a1", b'{"model":"m"}')
    assert made.endswith(b"}\n")
    assert json.loads(made) == {
        "custom_id": "a1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m"},
    }


def test_an_answer_is_a_reply():
    found = read_line(line(answered(200, COMPLETION)))
    assert found is not None
    assert isinstance(found[1], Reply)
    assert (found[0], found[1].text, found[1].usage.prompt_tokens) == ("a1", "A cat.", 3)


@pytest.mark.parametrize(
    ("response", "error", "kind"),
    [
        (answered(429, failed("rate_limit_exceeded")), None, RateLimitedError),
        (answered(500, failed("server_error")), None, OverloadedError),
        (answered(400, failed("content_policy_violation")), None, RefusedError),
        (answered(400, failed("context_length_exceeded")), None, TooLongError),
        (answered(429, failed("insufficient_quota")), None, OutOfMoneyError),
        (None, {"code": "batch_expired", "message": "too late"}, TryAgainError),
        (None, {"code": "server_error", "message": "oh"}, OverloadedError),
        (None, None, GarbledReplyError),
        # as vLLM's run-batch writes them
        (answered(400, None), failed("400", "maximum context length"), TooLongError),
        (answered(400, None), "Request must not be sent in stream mode", BadRequestError),
    ],
)
def test_a_failure_is_its_error(response, error, kind):
    found = read_line(line(response, error))
    assert found is not None
    assert type(found[1]) is kind


def test_no_key_gets_into_an_error():
    found = read_line(line(answered(400, failed("x", f"you sent {KEY}"))), secrets=[KEY])
    assert found is not None
    assert KEY not in str(found[1])


@pytest.mark.parametrize("bad", [b"", b"{", b"[]", b"null", b'{"custom_id": 7}', b"\xff"])
def test_a_line_that_names_no_request_is_none(bad):
    assert read_line(bad) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_any_line_is_a_reply_or_an_error_of_ours_and_can_be_kept(response, error):
    found = read_line(line(response, error))
    assert found is not None
    assert isinstance(found[1], (Reply, DataflowError))
    kept = from_text(to_text(found[1]))
    assert type(kept) is type(found[1])


@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "status", "errors", "metadata", "request_counts", "created_at", "output_file_id"]
        ),
        JSON | st.sampled_from(["failed", "completed"]),
    )
)
def test_any_object_is_a_batch_or_no_batch(value):
    with contextlib.suppress(GarbledReplyError):
        assert isinstance(read_batch(json.dumps(value).encode()), BatchState)


@given(st.binary() | JSON.map(lambda value: json.dumps({"data": value}).encode()))
def test_any_list_is_a_list_or_none(body):
    try:
        found, _ = read_list(body)
        assert all(isinstance(item, dict) for item in found)
    except GarbledReplyError:
        pass


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("token_limit_exceeded", "Enqueued token limit reached for gpt-4o", RateLimitedError),
        ("model_not_found", "no such model", UnknownModelError),
        ("invalid_json_line", "line 3", BadRequestError),
    ],
)
def test_why_a_batch_failed_is_told(code, message, kind):
    errors = {"object": "list", "data": [{"code": code, "message": message, "line": None}]}
    found = read_batch(json.dumps({"id": "b", "status": "failed", "errors": errors}).encode())
    assert found.has_ended
    assert type(found.error) is kind


def test_an_empty_file_name_is_no_file():
    value = {"id": "b", "status": "completed", "output_file_id": "", "error_file_id": None}
    found = read_batch(json.dumps(value).encode())
    assert (found.output_file, found.error_file) == (None, None)
