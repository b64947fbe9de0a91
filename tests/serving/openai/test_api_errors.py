"""What providers really said, and what it comes to."""

from __future__ import annotations

import json

import pytest

from dataflow.core import errors
from dataflow.core.request import Request, Turn
from dataflow.serving.openai.adaptations import Adaptations
from dataflow.serving.openai.replies import read_answer
from tests.serving.openai.api_error_bodies import BODIES, MENDS

OURS = {
    "temperature": 0.2,
    "top_p": 0.9,
    "frequency_penalty": 0.5,
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
}
GIVEN = {
    "max_tokens": 200,
    "presence_penalty": 0.1,
    "reasoning_effort": "low",
    "safety_identifier": "u",
    "tools": [],
}
REQUEST = Request(
    (Turn("system", ("You describe pictures.",)), Turn("user", ("What is it?",))),
    OURS,
    droppable=frozenset(OURS),
)


def outcome(status, body):
    """What comes of a request that is answered so: an error's class, or that it mends itself."""
    try:
        read_answer(status, {}, json.dumps(body).encode() if body else b"")
    except errors.DataflowError as error:
        try:
            mends = Adaptations("m").adapt(error, GIVEN, REQUEST)
        except errors.ParameterError as found:
            return type(found)
        return MENDS if mends else type(error)
    raise AssertionError("it was read as an answer")


def test_there_are_sixty_of_them():
    assert len(BODIES) >= 60
    assert len({json.dumps(body) for _, _, body, _ in BODIES}) == len(BODIES)


@pytest.mark.parametrize(
    ("status", "body", "expected"), [seen[1:] for seen in BODIES], ids=[seen[0] for seen in BODIES]
)
def test_what_a_provider_said_stops_the_run_fails_the_row_or_mends_itself(status, body, expected):
    assert outcome(status, body) == expected


def test_a_gateways_error_shows_the_provider_s_own_words():
    body = {"error": {"message": "Provider returned error", "metadata": {"raw": "it is asleep"}}}
    with pytest.raises(errors.BadRequestError, match="Provider returned error: it is asleep"):
        read_answer(400, {}, json.dumps(body).encode())
