"""A request is put as the model takes it; what the user gave is never dropped unasked."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from dataflow.core import errors
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.openai.adaptations import Adaptations, names_field
from dataflow.serving.openai.error_rules import ApiError
from dataflow.serving.openai.replies import read_answer
from tests.servers.replay_server import Answer, Provider, ReplayServer

SCHEMA = {"type": "object", "properties": {"caption": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "caption", "schema": SCHEMA}}


def failure(message, status=400, **more):
    """The error of a server that complains with `message`."""
    body = {"error": {"message": message, "type": "invalid_request_error", **more}}
    with pytest.raises(errors.DataflowError) as caught:
        read_answer(status, {}, json.dumps(body).encode())
    return caught.value


def request(*, droppable=(), system=True, **sampling):
    turns = (Turn("user", (ImageRef("path", "a.jpg", "a.jpg"), "What is it?")),)
    if system:
        turns = (Turn("system", ("You describe pictures.",)), *turns)
    return Request(turns, sampling, droppable=frozenset(droppable))


@pytest.mark.parametrize(
    ("name", "message", "more"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0.2 with this model.",
         {"param": "temperature"}),
        ("temperature", "`temperature` is deprecated for this model.", {}),
        ("seed", "Unrecognized request argument supplied: seed", {}),
        ("seed", ("[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are "
                 "not permitted'}]"), {}),
        ("top_k", "property top_k is unsupported", {}),
        ("frequency_penalty", "Argument not supported on this model: frequencyPenalty", {}),
        ("repetition_penalty", "unexpected keyword argument 'repetition_penalty'", {}),
        ("temperature", "temperature must be between 0 and 1", {}),
    ],
)  # fmt: skip
def test_what_a_preset_or_a_re_ask_added_is_left_out_from_then_on(name, message, more, caplog):
    asked = request(droppable=[name], **{name: 1})
    model = Adaptations("m")
    with caplog.at_level(logging.WARNING):
        assert model.adapt(failure(message, **more), {"max_tokens": 9}, asked)
    assert model.sampling({"max_tokens": 9}, asked) == {"max_tokens": 9}
    assert len(model.notes) == caplog.text.count("left out from now on") == 1


def test_what_is_taken_back_leaves_the_users_own_value():
    """A re-ask doubles the user's max_tokens; where that is too much, the user's stays."""
    asked = request(droppable=["max_tokens"], max_tokens=2000)
    model = Adaptations("m")
    assert model.adapt(failure("max_tokens must be at most 1000"), {"max_tokens": 1000}, asked)
    assert model.sampling({"max_tokens": 1000}, asked) == {"max_tokens": 1000}


@pytest.mark.parametrize(
    ("given", "message", "flag"),
    [
        ({"temperature": 0.2}, "Unsupported value: 'temperature' does not support 0.2",
         "--temperature"),
        ({"seed": 7}, "Unrecognized request argument supplied: seed", "--seed"),
        ({"max_tokens": 99999}, "max_tokens is too large: 99999. This model supports at most 4096",
         "--max-tokens"),
        ({"chat_template_kwargs": {"enable_thinking": False}},
         "unknown field 'chat_template_kwargs'", "--body chat_template_kwargs"),
        ({"reasoning_effort": "low"}, "does not support parameter reasoningEffort.",
         "--body reasoning_effort"),
    ],
)  # fmt: skip
def test_what_the_user_gave_stops_the_run_with_the_cure(given, message, flag):
    model = Adaptations("m")
    with pytest.raises(errors.ParameterError) as caught:
        model.adapt(failure(message), given, request())
    assert flag in caught.value.message
    assert "--drop-params" in caught.value.message
    assert model.sampling(given, request()) == given

    lenient = Adaptations("m", drop_params=True)
    assert lenient.adapt(failure(message), given, request())
    assert lenient.sampling(given, request()) == {}


def test_max_tokens_is_sent_under_the_name_that_the_model_knows_and_back():
    model, given = Adaptations("m"), {"max_tokens": 9}
    new = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'."
    assert model.adapt(failure(new), given, request())
    assert model.sampling(given, request()) == {"max_completion_tokens": 9}
    old = "[{'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted'}]"
    assert model.adapt(failure(old), given, request())
    assert model.sampling(given, request()) == {"max_tokens": 9}


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "Only user and assistant roles are supported!",
        "Conversation roles must alternate user/assistant/user/assistant/...",
    ],
)
def test_a_model_without_a_system_role_is_told_before_the_question(message):
    model = Adaptations("m")
    assert model.adapt(failure(message), {}, request())
    assert model.form.system == "question"
    assert not Adaptations("m").adapt(failure(message), {}, request(system=False))


def test_a_system_message_is_sent_as_parts_where_a_list_is_wanted():
    model = Adaptations("m")
    message = "messages[0].content: invalid type: string, expected a sequence"
    assert model.adapt(failure(message), {}, request())
    assert model.form.system == "parts"


@pytest.mark.parametrize(
    "message",
    [
        "This response_format type is unavailable now",
        "Invalid schema for response_format 'caption': 'additionalProperties' is required",
        "json_schema is not supported by this model",
        "failed to parse grammar",
    ],
)
def test_a_schema_that_is_not_taken_stands_in_the_question(message):
    asked = request(droppable=["response_format"], response_format=FORMAT)
    model = Adaptations("m")
    assert model.adapt(failure(message), {}, asked)
    assert model.form.schema_in_words
    assert not model.adapt(failure("it is cold"), {}, asked)


def test_a_model_that_answers_in_streams_alone_is_asked_for_one():
    model = Adaptations("m")
    message = "This model only support stream mode, please enable the stream parameter."
    assert model.adapt(failure(message), {}, request())
    assert model.form.stream


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("This model's maximum context length is 4096 tokens; reduce max_tokens", 400),
        ("Incorrect API key provided: temperature", 401),
        ("Rate limit reached: temperature", 429),
        ("Your input image was flagged as potentially violating our policy on temperature", 400),
    ],
)
def test_other_complaints_change_nothing(message, status):
    model = Adaptations("m")
    asked = request(droppable=["temperature", "max_tokens"], temperature=1, max_tokens=9)
    assert not model.adapt(failure(message, status), {}, asked)
    assert model.version == 0


@pytest.mark.parametrize("word", ["seed", "temperature", "stop"])
def test_an_ordinary_word_in_a_sentence_names_no_parameter(word):
    assert not names_field(word, ApiError(" ", f"cannot read the picture of a {word} on a table"))
    assert names_field(word, ApiError(" ", f"unknown parameter: {word}"))


# --- what an earlier run has learned -------------------------------------------------------------


def relearned(model, **more):
    """Another process's adaptations, which begin with what `model` has learned."""
    other = Adaptations("m", **more)
    other.recall(json.loads(json.dumps(model.learned())))
    return other


def test_another_process_begins_with_what_was_learned(caplog):
    asked = request(droppable=["temperature"], temperature=0.2)
    model, given = Adaptations("m"), {"max_tokens": 9}
    assert model.adapt(failure("`temperature` is deprecated for this model."), given, asked)
    assert model.adapt(
        failure("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        given,
        asked,
    )
    assert model.adapt(failure("System role not supported"), given, asked)
    caplog.clear()
    other = relearned(model)
    assert other.sampling(given, asked) == {"max_completion_tokens": 9}
    assert other.form.system == "question"
    assert other.learned() == model.learned()
    assert caplog.text == ""  # the earlier run has said it


def test_nothing_learned_leaves_nothing_to_keep():
    assert Adaptations("m").learned() == {}
    assert relearned(Adaptations("m")).sampling({"seed": 1}, request()) == {"seed": 1}


def test_what_the_user_gave_is_left_out_only_where_that_is_still_allowed():
    lenient, given = Adaptations("m", drop_params=True), {"temperature": 0.2}
    assert lenient.adapt(failure("`temperature` is deprecated."), given, request())
    assert relearned(lenient, drop_params=True).sampling(given, request()) == {}
    assert relearned(lenient).sampling(given, request()) == given


def test_what_was_learned_can_be_unlearned():
    """A server that takes the old name again is asked by it."""
    model, given = Adaptations("m"), {"max_tokens": 9}
    new = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'."
    assert model.adapt(failure(new), given, request())
    other = relearned(model)
    old = "[{'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted'}]"
    assert other.adapt(failure(old), given, request())
    assert other.sampling(given, request()) == given


# --- over the wire ------------------------------------------------------------------------------


def ask(provider, *, count=3, droppable=(), sampling=None, situation="main job", **arguments):
    """The replies to some requests at once, and what the server was sent."""

    async def scene(url):
        serving = APIVLMServing_openai(url, model_name=provider.model, timeout=10, **arguments)
        async with serving.connect() as client:
            asked = request(droppable=droppable, **(sampling or {}))
            picture = [Picture(b"\xff\xd8\xff", "image/jpeg", 1, 1)]
            replies = await asyncio.gather(
                *(client.send(asked, picture) for _ in range(count)), return_exceptions=True
            )
        return replies, [note for one in serving.learned().values() for note in one["notes"]]

    with ReplayServer(provider, situation) as server:
        replies, notes = asyncio.run(scene(server.url))
    return replies, notes, server.bodies


def provider(**more):
    return Provider(name="test", url="", model="m", source="", **more)


def test_requests_that_are_under_way_learn_from_the_first(caplog):
    refused = Answer(400, {"error": {"message": "'temperature' is not supported"}})
    replies, notes, bodies = ask(
        provider(refuses={"temperature": refused}),
        count=8, droppable=["temperature"], sampling={"temperature": 0.2},
    )  # fmt: skip
    assert all(reply.text for reply in replies)
    assert len(notes) == caplog.text.count("left out from now on") == 1
    assert len(bodies) <= 16


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Bad Request"),
        (404, "No endpoints found that can handle the requested parameters."),
        (422, "structured_outputs is not available here"),
    ],
)
def test_a_server_that_names_no_parameter_is_asked_in_the_plainest_form_once(status, words):
    bare = Answer(status, {"error": {"message": words}})
    replies, notes, bodies = ask(
        provider(refuses={"temperature": bare}, system="none"),
        count=4, droppable=["temperature"], sampling={"temperature": 0.2},
    )  # fmt: skip
    assert all(reply.text for reply in replies)
    assert notes
    assert "temperature" not in bodies[-1]


def test_a_server_that_rejects_everything_costs_one_request_more():
    replies, notes, bodies = ask(
        provider(needs={"secret_handshake": 1}), droppable=["temperature"],
        sampling={"temperature": 0.2},
    )  # fmt: skip
    assert all(isinstance(reply, errors.BadRequestError) for reply in replies)
    assert notes == []
    assert len(bodies) <= 3 + 1


def test_the_users_own_parameter_is_dropped_only_where_that_is_allowed():
    refused = Answer(400, {"error": {"message": "'temperature' is not supported"}})
    theirs = provider(refuses={"temperature": refused})
    replies, _, _ = ask(theirs, count=1, temperature=0.2)
    assert isinstance(replies[0], errors.ParameterError)
    replies, notes, bodies = ask(theirs, count=1, temperature=0.2, drop_params=True)
    assert replies[0].text
    assert "temperature" in notes[0]
    assert "temperature" not in bodies[-1]
