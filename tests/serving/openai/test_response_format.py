"""Schemas as they are sent, and which of them OpenAI's strict mode takes."""

from __future__ import annotations

import pytest

from dataflow.serving.openai.response_format import is_strict, response_format


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


TEXT = {"type": "string"}


def test_what_is_sent():
    schema = closed(a=TEXT)
    sent = {"name": "caption", "schema": schema, "strict": True}
    assert response_format(schema) == {"type": "json_schema", "json_schema": sent}


STRICT = {
    "plain": closed(a=TEXT),
    "nested": closed(a=closed(b={"type": ["string", "null"]})),
    "a list": closed(a={"type": "array", "items": closed(b=TEXT), "maxItems": 3}),
    "a choice": closed(a={"anyOf": [TEXT, {"type": "null"}]}),
    "a definition": {**closed(a={"$ref": "#/$defs/B"}), "$defs": {"B": closed(b=TEXT)}},
    "property names that are words": closed(allOf=TEXT, properties=TEXT),
}
NOT_STRICT = {
    "open": {**closed(a=TEXT), "additionalProperties": True},
    "open without a word": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
    "not all required": {**closed(a=TEXT, b=TEXT), "required": ["a"]},
    "no object": {"type": "array", "items": TEXT},
    "a choice at the root": {**closed(a=TEXT), "anyOf": [closed(a=TEXT)]},
    "an open object inside": closed(a={"type": "array", "items": {"type": "object"}}),
    "an open one that may be null": closed(a={"type": ["object", "null"], "properties": {}}),
    "an open definition": {**closed(a=TEXT), "$defs": {"B": {"type": "object"}}},
    "a word that it does not know": closed(a={"type": "string", "allOf": [TEXT]}),
    "a default": closed(a={"type": "string", "default": "x"}),
}


@pytest.mark.parametrize("name", STRICT)
def test_strict_where_it_can_be(name):
    assert is_strict(STRICT[name])


@pytest.mark.parametrize("name", NOT_STRICT)
def test_not_strict_where_openai_would_refuse(name):
    assert not is_strict(NOT_STRICT[name])
