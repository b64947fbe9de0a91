"""A JSON Schema as the ``response_format`` of chat completions.

OpenAI's form (https://platform.openai.com/docs/guides/structured-outputs), which vLLM and llama.cpp
take too: those two hold every answer to the schema, OpenAI only where it may be ``strict``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_NAME = "caption"
# what OpenAI's strict mode knows; a schema with anything else is refused there
_STRICT_WORDS = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
    "$ref", "$defs", "definitions", "title", "description", "pattern", "format", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    "minLength", "maxLength", "$schema", "$id",
})  # fmt: skip
_OF_NAMES = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_OF_ONE = (
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_OF_SEVERAL = ("anyOf", "allOf", "oneOf", "prefixItems")


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent so that the answer is JSON of `schema`."""
    inner = {"name": _NAME, "schema": dict(schema), "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": inner}


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether OpenAI's strict mode takes `schema`.

    It wants an object at the root, and of every object that it has no further properties and that
    all are required; and it knows only some of JSON Schema's words
    (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
    """
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    return all(map(_may_be_strict, subschemas(schema)))


def _may_be_strict(schema: Mapping[str, Any]) -> bool:
    if not schema.keys() <= _STRICT_WORDS:
        return False
    kind = schema.get("type")
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
    if not is_object:
        return "properties" not in schema
    named = schema.get("properties", {}).keys()
    return schema.get("additionalProperties") is False and set(schema.get("required", ())) == named


def subschemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """`schema` and every schema inside it, but for those that are just true or false."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for word in _OF_NAMES:
        for inner in _values(schema.get(word)):
            yield from subschemas(inner)
    for word in _OF_ONE:
        yield from subschemas(schema.get(word))
    for word in _OF_SEVERAL:
        for inner in schema.get(word) or ():
            yield from subschemas(inner)


def _values(named: Any) -> Iterator[Any]:
    yield from named.values() if isinstance(named, Mapping) else ()


WORDS = "Answer with JSON alone, which this JSON Schema allows:\n"
"""What stands before a schema in the question."""


def schema_in_words(format_or_schema: Mapping[str, Any]) -> str:
    """The sentence that asks for JSON of a schema, given by itself or as a ``response_format``."""
    inner = format_or_schema.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else format_or_schema
    if schema == {"type": "json_object"}:
        return "Answer with JSON alone."
    return WORDS + json.dumps(schema, ensure_ascii=False)
