"""A schema is checked in bounded time, or refused before anything is asked."""

from __future__ import annotations

import json
import time

import pytest

from dataflow.checks.rules.pattern import compiled
from dataflow.checks.rules.schema import fits
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext


def of_text(pattern: str) -> dict[str, object]:
    return {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]$"])
def test_a_pattern_with_more_ways_than_time_takes_no_time(pattern: str):
    check = fits(of_text(pattern))
    began = time.process_time()
    assert check(json.dumps({"a": "a" * 5000 + "!"}), CheckContext()) is not None
    assert time.process_time() - began < 1


def test_property_names_are_matched_in_linear_time_too():
    check = fits({"type": "object", "patternProperties": {"^(a+)+$": {"type": "integer"}}})
    assert check(json.dumps({"a" * 60 + "!": "x"}), CheckContext()) is None
    assert check('{"aa": "x"}', CheckContext()) is not None


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(?<!a)b", r"(a)\1"])
def test_a_pattern_that_cannot_be_linear_is_refused(pattern: str):
    with pytest.raises(UsageError, match="linear time"):
        fits(of_text(pattern))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\w+$", "Größe"),
        (r"^[\w-]+$", "über-groß"),
        (r"\u00e9", "é"),
        (r"[]x]", "]"),
        (r"^\d{2}$", "42"),
    ],
)
def test_patterns_mean_what_they_mean_in_unicode(pattern: str, text: str):
    assert compiled(pattern).search(text) is not None


def test_a_schema_nested_too_deeply_is_refused():
    schema: dict[str, object] = {"type": "string"}
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    with pytest.raises(UsageError, match="nested"):
        fits(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_refers_to_itself_in_a_circle_is_refused(schema: dict[str, object]):
    with pytest.raises(UsageError, match="circle"):
        fits(schema)


def test_a_tree_may_refer_to_itself():
    tree = {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#"}}}}
    assert fits(tree)('{"of": [{"of": []}]}', CheckContext()) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"a": "x", "a": "y"}', "twice"), ('{"a": "\\ud83d"}', "surrogate"), ('{"a": NaN}', "NaN")],
)
def test_what_other_readers_cannot_read_is_turned_down(text: str, reason: str):
    verdict = fits({"type": "object"})(text, CheckContext())
    assert verdict is not None
    assert reason in verdict.reason


def test_json_that_ends_at_the_token_limit_is_cut_off():
    verdict = fits({"type": "object"})('{"a": "who', CheckContext(finish_reason="length"))
    assert verdict is not None
    assert (verdict.kind, "--max-tokens" in verdict.reason) == ("cut_off", True)


def test_a_format_is_checked():
    check = fits({"type": "string", "format": "ipv4"})
    assert check('"1.2.3.4"', CheckContext()) is None
    assert check('"here"', CheckContext()) is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"$dynamicAnchor": "n", "$dynamicRef": "#n"},
        {"$anchor": "n", "allOf": [{"$ref": "#n"}]},
        {"$recursiveRef": "#"},
    ],
)
def test_a_circle_by_an_anchor_is_refused_too(schema: dict[str, object]):
    with pytest.raises(UsageError, match="circle"):
        fits(schema)
