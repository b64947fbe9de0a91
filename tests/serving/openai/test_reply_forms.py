"""Replies in the forms that gateways and home-made servers give them."""

from __future__ import annotations

import gzip
import json

import pytest

from dataflow.core import errors
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import StreamedReply, is_stream, read_stream
from dataflow.serving.openai.usage import usage_of

TEXT = "A red tram stands beside the old bridge."
USAGE = {"prompt_tokens": 90, "completion_tokens": 9}


def choice(**parts):
    return {"index": 0, "finish_reason": "stop", **parts}


def whole(body, status=200):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(status, {}, data)


def piece(text, reason=None):
    return {"choices": [{"index": 0, "finish_reason": reason, "delta": {"content": text}}]}


def events(*values, done=True):
    lines = [v if isinstance(v, bytes) else b"data: " + json.dumps(v).encode() for v in values]
    return b"\n\n".join([*lines, b"data: [DONE]"] if done else lines) + b"\n\n"


@pytest.mark.parametrize(
    "content",
    [TEXT, [{"type": "text", "text": TEXT}], [TEXT], {"type": "text", "text": TEXT}],
    ids=["text", "parts", "texts", "one part"],
)
def test_the_content_is_text_a_part_or_a_list_of_these(content):
    assert whole({"choices": [choice(message={"content": content})]}).text == TEXT


@pytest.mark.parametrize("parts", [{"text": TEXT}, {"delta": {"content": TEXT}}])
def test_a_choice_without_a_message_has_its_text_where_older_apis_and_streams_have_it(parts):
    assert whole({"choices": [choice(**parts)]}).text == TEXT


@pytest.mark.parametrize("name", ["data", "result", "output", "response"])
def test_a_completion_below_a_gateways_own_name_is_read_with_its_usage(name):
    body = {"code": 0, "message": "ok", "usage": USAGE}
    reply = whole({**body, name: {"choices": [choice(message={"content": TEXT})]}})
    assert (reply.text, reply.usage.completion_tokens) == (TEXT, 9)


@pytest.mark.parametrize(
    "error", [{"code": 0, "message": ""}, {"code": None, "message": None}, {}, None, ""]
)
def test_an_error_that_says_nothing_beside_an_answer_is_none(error):
    assert whole({"choices": [choice(message={"content": TEXT})], "error": error}).text == TEXT


@pytest.mark.parametrize(
    "feedback",
    [
        {"prompt_feedback": {"block_reason": "PROHIBITED_CONTENT"}},
        {"promptFeedback": {"blockReason": "SAFETY"}},
    ],
)
@pytest.mark.parametrize("choices", [[], None])
def test_a_question_that_was_blocked_is_refused_and_not_asked_again(feedback, choices):
    body = {"choices": choices, **feedback}
    with pytest.raises(errors.RefusedError, match="block reason"):
        whole(body)
    with pytest.raises(errors.RefusedError, match="block reason"):
        read_stream({}, events(body))


def test_the_providers_own_finish_reason_wins_where_it_says_that_the_answer_is_not_whole():
    filtered = choice(message={"content": None}, native_finish_reason="PROHIBITED_CONTENT")
    with pytest.raises(errors.RefusedError):
        whole({"choices": [filtered]})
    cut = choice(message={"content": "A red"}, native_finish_reason="MAX_TOKENS")
    assert whole({"choices": [cut]}).finish_reason == "length"
    for native in ("STOP", "end_turn", "completed", None, "unheard_of"):
        good = choice(message={"content": TEXT}, native_finish_reason=native)
        assert whole({"choices": [good]}).finish_reason == "stop"


def test_a_reply_without_json_names_a_status_other_than_200():
    with pytest.raises(errors.GarbledReplyError, match=r"^HTTP 202: .*it is empty"):
        whole(b"", 202)


def test_a_reply_that_is_gzip_and_does_not_say_so_is_read():
    body = json.dumps({"choices": [choice(message={"content": TEXT})]}).encode()
    assert whole(gzip.compress(body)).text == TEXT
    with pytest.raises(errors.GarbledReplyError):
        whole(b"\x1f\x8bnothing")


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "90", "completion_tokens": 9.0},
        {"input_tokens": 90, "output_tokens": 9},
        {"prompt_tokens": None, "input_tokens": 90, "completion_tokens": 9},
    ],
)
def test_tokens_are_counted_by_other_names_and_kinds_of_numbers(usage):
    found = usage_of({"usage": usage})
    assert (found.prompt_tokens, found.completion_tokens) == (90, 9)


@pytest.mark.parametrize("value", ["", "9.5", "-3", 9.5, "9" * 30, "٣"])
def test_what_is_no_count_is_none(value):
    assert usage_of({"usage": {"prompt_tokens": value}}).prompt_tokens is None


@pytest.mark.parametrize("word", ["null", "None", "", "unspecified", "FINISH_REASON_UNSPECIFIED"])
def test_a_stream_that_breaks_after_a_word_for_no_reason_is_not_whole(word):
    pieces = [piece("A red ", word), piece("tram", word)]
    with pytest.raises(errors.ConnectionLostError):
        read_stream({}, events(*pieces, done=False))
    reply = StreamedReply()
    reply.feed(events(*pieces, done=False))
    assert not reply.is_whole
    assert read_stream({}, events(*pieces)).text == "A red tram"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"choices": [choice(message={"content": TEXT})]}).encode(),
        json.dumps({"choices": [choice(message={"content": TEXT})]}, indent=1).encode(),
        json.dumps({"choices": [choice(message={"content": TEXT})]}).encode() + b"data: [DONE]\n\n",
        json.dumps({"choices": [choice(message={"content": TEXT})]}).encode()
        + b"\n\ndata: [DONE]\n\n",
        json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode(),
        json.dumps({"choices": [choice(message={"content": TEXT * 1000})]}).encode(),
    ],
    ids=["plain", "indented", "end glued on", "end", "no finish reason", "long"],
)
def test_a_whole_completion_that_calls_itself_a_stream_is_read(body):
    assert read_stream({}, body).text.startswith(TEXT)


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [choice(message={"content": TEXT})]},
        {"choices": [choice(delta=None)]},
        {"choices": [choice(delta={}, message={"content": TEXT})]},
    ],
    ids=["the whole message again", "no delta", "both"],
)
def test_a_last_piece_that_repeats_the_answer_adds_nothing(last):
    assert read_stream({}, events(piece(TEXT[:9]), piece(TEXT[9:]), last)).text == TEXT


def test_pieces_of_the_older_api_and_whole_messages_are_read():
    texts = [{"choices": [{"index": 0, "text": text}]} for text in ("A red ", "tram")]
    assert read_stream({}, events(*texts)).text == "A red tram"
    message = {"choices": [choice(message={"content": TEXT})]}
    assert read_stream({}, events(message)).text == TEXT


@pytest.mark.parametrize(
    "alive",
    [b"event: ping\ndata: alive", b"event: heartbeat\ndata: 1 2", b"data:", b": PROCESSING"],
)
def test_what_keeps_a_stream_alive_is_no_piece_of_it(alive):
    assert read_stream({}, events(alive, piece(TEXT), alive, piece("", "stop"))).text == TEXT


def test_a_broken_piece_is_passed_over_in_no_other_event():
    for broken in (b"event: error\ndata: gone", b"event: message\ndata: {", b"data: {"):
        with pytest.raises(errors.GarbledReplyError):
            read_stream({}, events(piece("A red"), broken, piece("", "stop")))


def test_a_stream_is_known_by_its_beginning():
    for body in (b"data: {}", b"\xef\xbb\xbfdata: {}", b": hello", b"event: x", b"\n\nid:1"):
        assert is_stream(body)
    for body in (b"", b"{}", b'{"data": 1}', b"<html>", b"database: x"):
        assert not is_stream(body)


def test_the_tokens_of_a_stream_that_fails_are_paid_for():
    filtered = {"choices": [choice(delta={}) | {"finish_reason": "content_filter"}], "usage": USAGE}
    with pytest.raises(errors.RefusedError) as caught:
        read_stream({}, events(filtered))
    assert caught.value.usage.completion_tokens == 9


@pytest.mark.parametrize("end", ["responses", "completions", "messages"])
def test_the_url_of_another_endpoint_says_where_it_is_to_end(end):
    with pytest.raises(errors.WrongAddressError, match=rf"end in /v1, and not in /{end}"):
        read_answer(404, {}, b'{"detail": "Not Found"}', path=f"/v1/{end}/chat/completions")


def test_a_redirect_within_the_server_names_its_path():
    with pytest.raises(errors.WrongAddressError, match=r"on to /v1/chat/completions/ \(HTTP 307"):
        read_answer(307, {"Location": "/v1/chat/completions/?key=hidden"}, b"")


def test_a_proxy_that_gave_up_on_its_server_is_asked_again():
    with pytest.raises(errors.OverloadedError):
        read_answer(499, {}, b"")


@pytest.mark.parametrize("status", [300, 304])
def test_a_redirect_to_nowhere_says_that_the_url_may_be_wrong(status):
    with pytest.raises(errors.WrongAddressError, match=rf"HTTP {status}: is the URL that of"):
        read_answer(status, {}, b"")


@pytest.mark.parametrize(
    "message",
    [
        "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_CSAM",
        "This violates OpenAI's usage policies",
        "Your request violates community standards",
        "The picture violates our content policy",
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_a_picture_that_breaks_the_providers_rules_is_refused(status, message):
    with pytest.raises(errors.RefusedError):
        read_answer(status, {}, json.dumps({"error": {"message": message}}).encode())
