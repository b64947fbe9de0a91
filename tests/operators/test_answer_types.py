"""What a JSON Schema says of the types of its answers."""

from __future__ import annotations

import pytest

from dataflow.core.column_types import ListType
from dataflow.operators.core_vision.column_types import holds


def closed(**properties):
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT = {"type": "string"}
KNOWN = {
    "text": (TEXT, "text"),
    "whole numbers": ({"type": "integer"}, "int"),
    "numbers": ({"type": ["number", "null"]}, "float"),
    "yes and no": ({"type": "boolean"}, "bool"),
    "words to choose from": ({"enum": ["red", "blue", None]}, "text"),
    "one number": ({"const": 7}, "int"),
    "an object": (closed(a=TEXT, b={"type": "integer"}), {"a": "text", "b": "int"}),
    "a list of objects": ({"type": "array", "items": closed(a=TEXT)}, ListType({"a": "text"})),
    "lists of lists": (
        {"type": "array", "items": {"type": "array", "items": TEXT}},
        ListType(ListType("text")),
    ),
    "text or null": ({"anyOf": [TEXT, {"type": "null"}]}, "text"),
    "the same twice": ({"oneOf": [TEXT, {"enum": ["x"]}]}, "text"),
}
UNKNOWN = {
    "anything": {},
    "true": True,
    "an open object": {"type": "object", "properties": {"a": TEXT}},
    "an object without names": {"type": "object", "additionalProperties": False},
    "patterns of names": {**closed(a=TEXT), "patternProperties": {"^x": TEXT}},
    "a part that is open": closed(a=TEXT, b={}),
    "a list of anything": {"type": "array"},
    "a tuple": {"type": "array", "items": TEXT, "prefixItems": [TEXT]},
    "two types": {"type": ["string", "integer"]},
    "two choices": {"anyOf": [TEXT, {"type": "integer"}]},
    "mixed words": {"enum": ["a", 1]},
    "true is no number": {"enum": [True, 1]},
    "nothing but null": {"type": "null"},
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_type_where_the_schema_says_it(name):
    schema, right = KNOWN[name]
    assert holds(schema, schema) == right


@pytest.mark.parametrize("name", UNKNOWN)
def test_its_json_where_it_does_not(name):
    assert holds(UNKNOWN[name], {}) == "json"


def test_references_are_followed_unless_they_go_in_a_circle():
    defs = {"a/b": TEXT, "Tree": closed(leaf=TEXT, more={"$ref": "#/$defs/Tree"})}
    root = {"$defs": defs, **closed(x={"$ref": "#/$defs/a~1b"})}
    assert holds(root, root) == {"x": "text"}
    assert holds({"$ref": "#/$defs/Tree"}, root) == "json"
