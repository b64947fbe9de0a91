"""A body says exactly what the request says."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import BadRowError, UsageError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn
from dataflow.serving.openai.request_body import BodyForm, build_body, merge_sampling

PARTS = st.lists(st.text(st.characters(exclude_categories=("Cs",))) | st.binary(max_size=99))
TURNS = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), PARTS), max_size=4)


@given(TURNS, st.booleans())
def test_a_body_read_back_is_the_request(said, stream):
    turns = tuple(
        Turn(role, tuple(p if isinstance(p, str) else ImageRef("path", "p") for p in parts))
        for role, parts in said
    )
    pictures = [
        Picture(part, "image/png", 1, 1)
        for _, parts in said
        for part in parts
        if isinstance(part, bytes)
    ]
    sampling = merge_sampling({"temperature": 0.5, "seed": 1}, {"seed": None, "max_tokens": 9})
    body = json.loads(
        build_body(
            Request(turns), pictures, model='m"', sampling=sampling, form=BodyForm(stream=stream)
        )
    )
    read = [(m["role"], _content(m["content"])) for m in body.pop("messages")]
    assert read == [(role, _joined(role, parts)) for role, parts in said]
    expected = {"model": 'm"', "temperature": 0.5, "max_tokens": 9}
    if stream:
        expected |= {"stream": True, "stream_options": {"include_usage": True}}
    assert body == expected


def _content(content):
    return content if isinstance(content, str) else [_read(part) for part in content]


def _joined(role, parts):
    """The system's and the assistant's texts are sent as one text."""
    is_text = role != "user" and all(isinstance(part, str) for part in parts)
    return "\n".join(parts) if is_text else parts


def _read(part):
    if part["type"] == "text":
        return part["text"]
    head, _, data = part["image_url"]["url"].partition("base64,")
    assert head == "data:image/png;"
    return b64decode(data, validate=True)


def test_what_cannot_be_sent_is_said():
    request = Request((Turn("user", ("\ud800",)),))
    with pytest.raises(BadRowError):
        build_body(request, [], model="m", sampling={})
    with pytest.raises(ValueError, match="0 pictures to send, 1 given"):
        build_body(request, [Picture(b"", "image/png", 1, 1)], model="m", sampling={})


@pytest.mark.parametrize("wrong", [{"messages": []}, {"n": 2}, {"stop": object()}, {"seed": 2**70}])
def test_sampling_that_cannot_be(wrong):
    with pytest.raises(UsageError):
        merge_sampling(wrong)
