"""Only known good endings count as whole."""

from __future__ import annotations

import json

import pytest

from dataflow.core import errors
from dataflow.serving.openai.finish_reasons import Ending, ending_of, plain_reason
from dataflow.serving.openai.replies import read_answer
from dataflow.serving.openai.streaming import StreamedReply

WHOLE = [
    "stop",
    "end_turn",
    "eos",
    "STOP",
    None,
    "",
    "eos_token",
    "stop_sequence",
    "FINISH_REASON_STOP",
    "EndTurn",
    "StopSequence",
    "matched_stop",
    "Stop.EOS",
    "COMPLETE",
    "<|im_end|>",
]
CUT = ["length", "MAX_TOKENS", "max_tokens", "max_output_tokens", "model_length", "abort",
       "max_new_tokens", "incomplete", "model_context_window_exceeded", "MaxTokens", "ERROR_LIMIT",
       "FinishReason.MAX_TOKENS", "hit_max_tokens", "USER_CANCEL", "deadline_exceeded"]  # fmt: skip
FILTERED = ["content_filter", "SAFETY", "RECITATION", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
            "content_filter: PROHIBITED_CONTENT", "sensitive", "refusal", "guardrail_intervened",
            "BLOCKLIST", "SPII", "image_recitation", "content-filter", "ERROR_TOXIC", "LANGUAGE",
            "MODEL_ARMOR", "contentFiltered", "FinishReason.SAFETY",
            "GuardrailIntervened"]  # fmt: skip


def reply(reason, text="a cat", usage=None, **message):
    choice = {"message": {"content": text, **message}, "finish_reason": reason}
    return read_answer(200, {}, json.dumps({"choices": [choice], "usage": usage or {}}).encode())


@pytest.mark.parametrize("reason", WHOLE)
def test_good_endings(reason):
    assert ending_of(reason) is Ending.WHOLE
    assert reply(reason).finish_reason in ("stop", None)


@pytest.mark.parametrize("reason", CUT)
def test_cut_answers_have_one_name(reason):
    assert reply(reason).finish_reason == "length"


@pytest.mark.parametrize("reason", FILTERED)
def test_filtered_answers_are_refusals_and_say_the_providers_word(reason):
    with pytest.raises(errors.RefusedError) as caught:
        reply(reason)
    assert reason in caught.value.message


@pytest.mark.parametrize("reason", ["tool_calls", "banana", "weird_ending"])
def test_an_unknown_word_stays_by_its_name(reason):
    assert ending_of(reason) is Ending.UNKNOWN
    assert plain_reason(reason) == reply(reason).finish_reason == reason


@pytest.mark.parametrize("reason", ["tool_calls", "OTHER", "NO_IMAGE"])
def test_an_unknown_word_without_text_stands_in_the_message(reason):
    with pytest.raises(errors.EmptyCaptionError, match=reason):
        reply(reason, None)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_an_answer_that_is_all_reasoning_says_so_and_is_not_asked_again(field):
    with pytest.raises(errors.ReasoningOnlyError, match="enable_thinking=false") as caught:
        reply("stop", None, **{field: "A red square."})
    assert "A red square." in caught.value.message


@pytest.mark.parametrize(
    ("usage", "message", "words"),
    [
        ({"completion_tokens": 0}, {}, "wrote no token"),
        ({"completion_tokens": 9}, {"reasoning_content": "Let me"}, "spent all its tokens"),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 9}}, {},
         "spent all its tokens"),
        ({"completion_tokens": 9}, {}, "raise --max-tokens"),
    ],
)  # fmt: skip
def test_a_cut_answer_without_text_says_why(usage, message, words):
    with pytest.raises(errors.EmptyCaptionError, match=words) as caught:
        reply("length", None, usage, **message)
    assert ("thoughts" in caught.value.message) is ("spent" in words)


@pytest.mark.parametrize("kind", ["reasoning", "thinking", "tool_use", "summary"])
def test_parts_of_other_types_than_text_are_no_part_of_the_answer(kind):
    parts = [{"type": kind, "text": "Let me think"}, {"type": "text", "text": "a cat"}]
    assert reply("stop", parts).text == "a cat"
    stream = StreamedReply()
    for part in parts:
        chunk = {"choices": [{"delta": {"content": [part]}}]}
        stream.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    stream.feed(b"data: [DONE]\n\n")
    assert stream.finish().text == "a cat"


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "unicode_escape", "rot13"])
def test_a_charset_that_decodes_slowly_is_not_used(charset):
    body = b'{"choices": [' + b"\xff" * 3_000_000
    with pytest.raises(errors.GarbledReplyError):
        read_answer(200, {"Content-Type": f"application/json; charset={charset}"}, body)
