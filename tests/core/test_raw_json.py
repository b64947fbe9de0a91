"""Values of JSON that come from outside: read, or refused as any broken text is."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json, parse_strict
from dataflow.operators.core_vision.structured import StructuredOutput, read_schema


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "{", ""])
def test_what_is_nested_too_deeply_is_broken_text(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_a_schema_nested_too_deeply_is_refused_by_name(tmp_path):
    (tmp_path / "s.json").write_text('{"properties":' * 50_000 + "{}" + "}" * 50_000)
    with pytest.raises(UsageError, match="nested too deeply"):
        read_schema(str(tmp_path / "s.json"))


NOT_STRICT = [
    '{"a": NaN}',
    "[Infinity]",
    '{"a": [{"k": 1, "k": 2}]}',
    '{"a": "\\ud800"}',
    '{"\\uDFFF": 1}',
    '"\ud800"',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", NOT_STRICT)
def test_what_not_every_reader_takes_is_no_strict_json_and_stands_in_no_output(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_strict(text)
    reading = StructuredOutput(schema={"type": "object"}).reading("caption")
    assert reading.values(text) == {"caption": None}


def test_a_pair_of_surrogates_is_a_character():
    assert parse_strict('"\\ud83d\\ude00"') == "\U0001f600"
