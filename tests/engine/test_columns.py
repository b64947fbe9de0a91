"""The columns of captions, and what stands in them."""

from __future__ import annotations

import pytest

from dataflow.core.column_types import ListType
from dataflow.core.errors import UsageError
from dataflow.engine.columns import Column, added_columns, values_of
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.meta import META_SHAPE


def test_one_caption_is_a_text_and_several_are_a_list_with_a_null_for_each_that_failed():
    entries = [
        ResultRecord(b"a", "one"),
        ResultRecord(b"b", "x"),
        ResultRecord(b"c", error_kind="empty"),
    ]
    columns = [Column("short"), Column("tags", 2)]
    assert values_of(columns, entries, has_meta=False) == {"short": "one", "tags": ["x", None]}
    made = values_of(columns, entries, has_meta=True)
    assert list(made) == ["short", "short_meta", "tags", "tags_meta"]
    assert made["short_meta"]["status"] == "ok"
    assert [meta["status"] for meta in made["tags_meta"]] == ["ok", "empty"]


def test_a_column_of_lists_says_so_to_the_writer():
    columns = [Column("short"), Column("tags", 2)]
    assert added_columns(columns, has_meta=True) == {
        "short": None,
        "short_meta": META_SHAPE,
        "tags": ListType(),
        "tags_meta": ListType(META_SHAPE),
    }


@pytest.mark.parametrize(
    ("names", "has_meta"), [(["a", "a"], False), (["a", "a_meta"], True), (["a_meta", "a"], True)]
)
def test_two_columns_of_one_name_are_refused(names, has_meta):
    with pytest.raises(UsageError, match="rename one"):
        added_columns([Column(name) for name in names], has_meta=has_meta)


def test_a_column_of_no_captions_is_refused():
    with pytest.raises(UsageError, match="1 is the least"):
        Column("caption", 0)
