"""Further members of the kinds of answers: each is known by what its kind has in common."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.core import errors
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import StreamedReply


def error_of(status, body, headers=None):
    with pytest.raises(errors.DataflowError) as caught:
        read_answer(
            status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode()
        )
    return caught.value


BODIES = [
    json.loads(line)
    for line in Path(__file__)
    .with_name("provider_bodies.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
"""Name, HTTP status, body, and the errors that it may become; in the shapes that providers document
or that their users reported."""


@pytest.mark.parametrize(
    ("status", "body", "kinds"), [pytest.param(*one, id=name) for name, *one in BODIES]
)
def test_an_error_says_who_must_act(status, body, kinds):
    error = error_of(status, body.encode() if isinstance(body, str) else body)
    assert type(error).__name__ in kinds, error


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, "slow", 50),
        ({"ratelimit": '"default";r=0;t=42'}, "slow", 42),
        ({"ratelimit": '"minute";r=7;t=9, "day";r=0;t=4000'}, "slow", 4000),
        ({}, "请求过于频繁，请在30秒后重试", 30),
        ({}, "请 2 分钟后再试", 120),
        ({}, "1小时后重试", 3600),
        ({}, "Wait 90s before retrying", 90),
        ({}, "retry in 12.3 minutes", 738),
        ({}, "Out of call volume quota. Quota will be replenished in 02:10:30.", 7830),
        ({}, "Rate limited. Please retry after 30", 30),
        ({"x-ratelimit-reset": "00:05:00", "x-ratelimit-remaining": "0"}, "slow", 300),
    ],
)
def test_a_limit_says_when_it_lifts(headers, message, seconds):
    error = error_of(429, {"error": {"message": message}}, headers)
    assert error.retry_after == pytest.approx(seconds)


@pytest.mark.parametrize(
    "message",
    [
        "This model doesn't support image inputs",
        "Multi-modal inputs not allowed for text models",
        "`image_url` content type is not supported",
        "Invalid 'messages': content type 'image_url' is unsupported for model",
        "multimodal support is disabled",
        "No multimodal projector loaded",
        "This endpoint's model is text-only",
        "模型不支持图片输入",
    ],
)
def test_a_model_without_eyes_is_known_by_other_words(message):
    assert isinstance(error_of(400, {"error": {"message": message}}), errors.NoVisionError)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
         errors.OutOfMoneyError),
        ({"base_resp": {"status_code": 2013, "status_msg": "invalid model"}},
         errors.UnknownModelError),
        ({"Response": {"Error": {"Code": "LimitExceeded", "Message": "too many"}}},
         errors.RateLimitedError),
        ({"choices": None, "error": {"message": "Upstream overloaded", "code": 503}},
         errors.OverloadedError),
        (b"<!DOCTYPE html><title>Login</title>", errors.GarbledReplyError),
        (b'{"choices":[{"message":{"content":"A red', errors.GarbledReplyError),
    ],
)  # fmt: skip
def test_what_comes_with_200_and_is_no_answer(body, kind):
    assert isinstance(error_of(200, body), kind)


def test_an_envelope_that_says_nothing_is_wrong_hides_no_answer():
    body = {
        "choices": [{"message": {"content": "A red bowl."}, "finish_reason": "stop"}],
        "base_resp": {"status_code": 0, "status_msg": ""},
    }
    assert read_answer(200, {}, json.dumps(body).encode()).text == "A red bowl."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b"<title>Attention Required! | Cloudflare</title>You have been blocked",
         errors.AccountPolicyError),
        (420, b"Enhance your calm", errors.RateLimitedError),
        (498, {"error": {"message": "Flex tier capacity exceeded"}}, errors.OverloadedError),
        (521, b"error code: 521", errors.OverloadedError),
        (504, b"upstream request timeout", errors.OverloadedError),
    ],
)  # fmt: skip
def test_what_stands_between_us_and_the_server(status, body, kind):
    assert isinstance(error_of(status, body), kind)


CHUNK = b'data: {"choices":[{"delta":{"content":"A red "},"finish_reason":null}]}\n\n'


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((b'{"error":{"message":"x","code":"insufficient_quota"}}',), errors.OutOfMoneyError),
        ((b"<html>bad gateway</html>\n\n",), errors.GarbledReplyError),
        ((CHUNK, b'data: {"error":{"type":"overloaded_error","message":"x"}}\n\n'),
         errors.OverloadedError),
        ((CHUNK, b'event: error\ndata: {"message":"boom"}\n\n'), errors.GarbledReplyError),
        ((CHUNK,), errors.ConnectionLostError),
        ((CHUNK, b'data: {"choi'), errors.GarbledReplyError),
    ],
)  # fmt: skip
def test_a_stream_that_brings_no_answer(pieces, kind):
    with pytest.raises(kind):
        streamed(pieces)


def streamed(pieces):
    reply = StreamedReply()
    for piece in pieces:
        reply.feed(piece)
    return reply.finish()
