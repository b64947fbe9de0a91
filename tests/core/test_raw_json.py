"""Values of JSON that come from outside: read, or refused as any broken text is."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json
from dataflow.operators.core_vision.structured import read_schema


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "{", ""])
def test_what_is_nested_too_deeply_is_broken_text(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_a_schema_nested_too_deeply_is_refused_by_name(tmp_path):
    (tmp_path / "s.json").write_text('{"properties":' * 50_000 + "{}" + "}" * 50_000)
    with pytest.raises(UsageError, match="nested too deeply"):
        read_schema(str(tmp_path / "s.json"))
