"""Which rows a shard takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import UsageError
from dataflow.engine.job import Job
from dataflow.engine.selection.shard import Shard, shards_in


@given(st.binary(min_size=16, max_size=16), st.integers(1, 50))
def test_each_row_belongs_to_exactly_one_shard(key, count):
    takers = [n for n in range(1, count + 1) if Shard(n, count).takes([Job(key)])]
    assert len(takers) == 1


@pytest.mark.parametrize(
    "text", ["", "0/8", "9/8", "1", "1/0", "a/b", "1/8/2", "-1/8", "1.5/8", "1/100001"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_shards_with_a_journal_are_found_in_order(tmp_path):
    for name in ("10-of-12", "2-of-12", "other", "3-of-12"):
        (tmp_path / name).mkdir()
        if name != "3-of-12":
            (tmp_path / name / "journal.sqlite").touch()
    assert shards_in(tmp_path) == [Shard(2, 12), Shard(10, 12)]
    assert shards_in(tmp_path / "nowhere") == []
