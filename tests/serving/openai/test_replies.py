"""What servers in the world say, and what it means; then anything at all."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.core import errors
from dataflow.core.request import Reply, Usage
from dataflow.core.text import scrub
from dataflow.core.times.retry_after import LONGEST_WAIT
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import EventLines, StreamedReply
from dataflow.serving.openai.usage import usage_of
from tests.servers.hostile_server import KEY

SAID = [
    (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, errors.TooLongError),
    (400, {"object": "error", "message": "The decoder prompt (length 6000) is longer than the "
           "maximum model length of 4096.", "code": 400}, errors.TooLongError),
    (400, {"error": {"message": "the request exceeds the available context size"}},
     errors.TooLongError),
    (400, {"error": {"message": "Range of input length should be [1, 30720]",
                     "code": "invalid_parameter_error"}}, errors.TooLongError),
    (400, {"error": {"message": "x", "code": "content_filter",
                     "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
     errors.RefusedError),
    (400, {"code": "DataInspectionFailed", "message": "Input data may contain inappropriate "
           "content."}, errors.RefusedError),
    (400, {"error": {"code": "Arrearage", "message": "Access denied, please make sure your "
           "account is in good standing."}}, errors.OutOfMoneyError),
    (403, {"error": {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the "
           "model has been exhausted."}}, errors.OutOfMoneyError),
    (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}},
     errors.OutOfMoneyError),
    (429, {"error": {"code": "insufficient_quota", "message": "Allocated quota exceeded, please "
           "increase your quota limit."}}, errors.RateLimitedError),
    (429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your "
           "current quota"}}, errors.RateLimitedError),
    (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
                      "status": "INVALID_ARGUMENT"}}], errors.WrongKeyError),
    (404, {"object": "error", "message": "The model `x` does not exist.",
           "type": "NotFoundError", "code": 404}, errors.UnknownModelError),
    (404, {"error": {"message": 'model "llava:7b" not found, try pulling it first'}},
     errors.UnknownModelError),
    (403, {"error": {"code": "model_not_found", "message": "Project has no access to model"}},
     errors.UnknownModelError),
    (404, {"detail": "Not Found"}, errors.WrongAddressError),
    (500, {"error": {"message": "image input is not supported - hint: provide the mmproj"}},
     errors.NoVisionError),
    (400, {"error": {"message": "At most 0 image(s) may be provided in one prompt."}},
     errors.NoVisionError),
    (400, {"error": {"message": "At most 1 image(s) may be provided in one prompt."}},
     errors.BadRequestError),
    (400, {"error": {"message": "You uploaded an unsupported image.",
                     "code": "invalid_image_format"}}, errors.PictureError),
    (400, {"error": {"message": "Failed to load image or audio file"}}, errors.PictureError),
    (400, {"error": {"message": "This response_format type is unavailable now",
                     "code": "invalid_request_error"}}, errors.ParameterError),
    (400, {"error": {"message": "Invalid schema for response_format 'caption': In context=(), "
                     "'additionalProperties' is required to be supplied and to be false."}},
     errors.ParameterError),
    (418, {"error": "teapot"}, errors.BadRequestError),
    (599, {}, errors.OverloadedError),
    (200, {"error": {"message": "bad", "code": "invalid_api_key"}}, errors.WrongKeyError),
    (200, {"choices": [{"error": {"code": 502, "message": "upstream"}, "message": {}}]},
     errors.OverloadedError),
    (200, {"code": "DataInspectionFailed", "message": "no"}, errors.RefusedError),
    (200, {"choices": [{"message": {"content": "", "refusal": "I will not"}}]},
     errors.RefusedError),
    (200, {"choices": [{"finish_reason": "error", "message": {"content": "a"}}]},
     errors.OverloadedError),
    (200, None, errors.GarbledReplyError),
    (200, [], errors.GarbledReplyError),
    (200, {"choices": [{}]}, errors.GarbledReplyError),
    (204, "", errors.GarbledReplyError),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), SAID)
def test_what_servers_say(status, body, expected):
    with pytest.raises(errors.DataflowError) as caught:
        read_answer(status, {}, json.dumps(body).encode())
    assert type(caught.value) is expected


def test_replies():
    def reply(message, **more):
        body = {"choices": [{"message": message, "finish_reason": "stop"}], **more}
        return read_answer(200, {}, b"\xef\xbb\xbf \n" + json.dumps(body).encode())

    assert reply({"content": "a cat"}).text == "a cat"
    assert reply({"content": [{"type": "text", "text": "a "}, {"text": "cat"}]}).text == "a cat"
    assert reply({"content": None}).text == ""
    assert reply({"content": "yes", "refusal": "no"}).text == "yes"
    odd = reply({"content": "a"}, usage={"prompt_tokens": -1, "completion_tokens": True}, model=7)
    assert odd == Reply("a", "stop")


def test_the_message_shows_what_the_server_said_but_no_secret():
    picture = "/9j/4AAQ" + "Ab3+" * 40
    message = f"no\n\x1b[31m{KEY} data:image/png;base64,QUJD {picture} end" + "x y " * 200
    with pytest.raises(errors.BadRequestError) as caught:
        read_answer(400, {}, json.dumps({"error": message}).encode(), secrets=(KEY,))
    said = caught.value.message
    assert said.startswith(r"HTTP 400: no \x1b[31m[key] [data] [data] end")
    assert len(said) <= 320


def test_scrub_leaves_no_half_of_a_secret_at_its_cut():
    for size in range(16_300, 16_420):
        assert KEY[:12] not in scrub("/" * size + KEY + "tail", secrets=(KEY,))
    assert scrub("Zk9" * 9000) == ""
    assert scrub("Zk9" * 90) == "[data]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["error", "errors", "message", "code", "type", "status", "choices", "content", "text",
             "finish_reason", "usage", "prompt_tokens", "refusal", "detail", "msg", "innererror",
             "delta", "index", "model", "metadata"]
        )
        | st.text(max_size=6),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip
WORDS = st.sampled_from(
    [KEY, "QUJD" * 30, "data:image/png;base64,QUJDRA==", "model 'x' not found", "\x00\n", "é", " "]
)
SPICED = st.lists(st.text(max_size=20) | WORDS, max_size=8).map(" ".join)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    SPICED.map(lambda text: json.dumps({"error": {"message": text, "code": text}}).encode()),
    SPICED.map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON.map(lambda value: json.dumps({"choices": [value]}).encode()),
    JSON.map(lambda value: json.dumps({"choices": [{"message": value, "delta": value}]}).encode()),
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "retry-after-ms", "Date", "Location", "X"]),
    st.text(max_size=20) | WORDS | st.floats().map(str),
)


def outcome_is_one_of_ours(call):
    try:
        outcome = call()
    except errors.DataflowError as error:
        outcome = error
    if isinstance(outcome, Reply):
        assert isinstance(outcome.text, str)
        return
    assert KEY not in outcome.message
    assert "QUJDQUJD" not in outcome.message
    assert outcome.message.isprintable()
    assert len(outcome.message) < 600
    wait = getattr(outcome, "retry_after", None)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


@settings(max_examples=400, deadline=None)
@given(st.integers(100, 599), HEADERS, BODIES)
def test_any_bytes_are_a_reply_or_an_error_of_ours(status, headers, body):
    outcome_is_one_of_ours(lambda: read_answer(status, headers, body, secrets=(KEY,)))


LINES = st.sampled_from([b"data: ", b"data:", b": ", b"event: x", b"\n", b"\r\n", b"\r", b"\n\n"])
STREAMS = st.lists(LINES | BODIES | st.just(b"data: [DONE]\n\n"), max_size=12).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(STREAMS, st.lists(st.integers(1, 40), max_size=10))
def test_any_stream_is_a_reply_or_an_error_of_ours(data, cuts):
    outcome_is_one_of_ours(lambda: read_in_pieces(data, cuts))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(max_size=8), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(1, 15), max_size=60),
)
def test_a_stream_says_the_same_however_it_is_cut(texts, newline, cuts):
    events = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    events.append({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None})
    whole = newline.join(f"data: {json.dumps(e, ensure_ascii=False)}{newline}" for e in events)
    stream = f"\ufeff: hello{newline}{newline}{whole}{newline}data: [DONE]{newline}{newline}"
    assert read_in_pieces(stream.encode(), cuts).text == "".join(texts)


def test_an_event_may_have_several_lines_and_no_end():
    stream = b'data: {"choices": [{"delta":\ndata: {"content": "a"}, "finish_reason": "stop"}]}'
    assert read_in_pieces(stream, [20]).text == "a"


def read_in_pieces(data, cuts):
    reply = StreamedReply({}, secrets=(KEY,))
    position = 0
    for cut in cuts:
        reply.feed(data[position : position + cut])
        position += cut
    reply.feed(data[position:])
    return reply.finish()


def test_a_lone_cr_at_the_end_of_a_piece_ends_its_line():
    cut, whole = EventLines(), EventLines()
    pieces = [b'data: {"id": 1}\r', b" more", b" and more"]
    in_pieces = [data for piece in pieces for data in cut.feed(piece)] + list(cut.close())
    assert in_pieces == [*whole.feed(b"".join(pieces)), *whole.close()] == [b'{"id": 1}']


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {  # OpenAI, DashScope, vLLM, SGLang
                "prompt_tokens": 900,
                "completion_tokens": 80,
                "total_tokens": 980,
                "prompt_tokens_details": {"cached_tokens": 512, "image_tokens": 765},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            Usage(900, 80, cached_tokens=512, picture_tokens=765, reasoning_tokens=30),
        ),
        (  # DeepSeek
            {"prompt_tokens": 90, "completion_tokens": 8, "prompt_cache_hit_tokens": 64},
            Usage(90, 8, cached_tokens=64),
        ),
        (  # Moonshot
            {"prompt_tokens": 90, "completion_tokens": 8, "cached_tokens": 64},
            Usage(90, 8, cached_tokens=64),
        ),
        (  # xAI: the thoughts stand beside what was written
            {
                "prompt_tokens": 90,
                "completion_tokens": 8,
                "total_tokens": 398,
                "completion_tokens_details": {"reasoning_tokens": 300},
            },
            Usage(90, 308, reasoning_tokens=300),
        ),
        (  # Gemini: the thoughts stand in the total alone
            {"prompt_tokens": 90, "completion_tokens": 8, "total_tokens": 398},
            Usage(90, 308),
        ),
        ({"prompt_tokens": 90, "prompt_tokens_details": None}, Usage(90)),
        ({"prompt_tokens_details": {"cached_tokens": "many"}}, Usage()),
        ([], Usage()),
    ],
)
def test_tokens_are_read_by_each_servers_names(told, usage):
    assert usage_of({"usage": told}) == usage


def test_llamacpp_tells_its_cache_in_its_timings():
    body = {"usage": {"prompt_tokens": 9, "completion_tokens": 1}, "timings": {"cache_n": 5}}
    assert usage_of(body) == Usage(9, 1, cached_tokens=5)


@pytest.mark.parametrize(
    "choice",
    [
        {"message": {"content": ""}, "finish_reason": "content_filter"},
        {"message": {"content": None}, "finish_reason": "length"},
        {"message": {"content": "", "refusal": "no"}, "finish_reason": "stop"},
        {"message": "gone"},
    ],
)
def test_an_answer_that_is_no_caption_is_paid_for(choice):
    body = {"choices": [choice], "usage": {"prompt_tokens": 70, "completion_tokens": 5}}
    with pytest.raises(errors.DataflowError) as caught:
        read_answer(200, {}, json.dumps(body).encode())
    assert caught.value.usage == Usage(70, 5)
    assert pickle.loads(pickle.dumps(caught.value)).usage == Usage(70, 5)


def test_a_stream_that_ends_too_early_is_paid_for_as_far_as_it_told():
    reply = StreamedReply()
    chunk = {"choices": [{"delta": {"content": "A"}}], "usage": {"prompt_tokens": 7}}
    reply.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    with pytest.raises(errors.ConnectionLostError):
        reply.finish()
    assert reply.usage == Usage(7)


LOOSE = {
    "NaN in the probabilities": (
        b'{"choices":[{"message":{"content":"ok"},"logprobs":NaN}]}',
        "ok",
    ),
    "half of a surrogate pair": (b'{"choices":[{"message":{"content":"a\\ud83d"}}]}', "a\ud83d"),
    "another charset": ('{"choices":[{"message":{"content":"été"}}]}'.encode("latin-1"), "été"),
}


@pytest.mark.parametrize("case", LOOSE)
def test_json_that_is_not_strict_is_read_all_the_same(case):
    body, text = LOOSE[case]
    headers = {"Content-Type": "application/json; charset=latin-1"} if "charset" in case else {}
    assert read_answer(200, headers, body).text == text


def test_a_rows_own_words_in_a_400_stop_the_run_only_where_they_come_again_and_again():
    body = b'{"error": {"message": "cannot read: What of the sign Incorrect API key?"}}'
    with pytest.raises(errors.WrongKeyError) as caught:
        read_answer(400, {}, body)
    assert caught.value.is_vague
    by_code = b'{"error": {"message": "no", "code": "invalid_api_key"}}'
    with pytest.raises(errors.WrongKeyError) as caught:
        read_answer(400, {}, by_code)
    assert not caught.value.is_vague
