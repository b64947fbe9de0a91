"""The index can be trusted, or is made again."""

from __future__ import annotations

import pytest

from dataflow.core.errors import OutputError
from dataflow.review.index import CHUNK, ReviewIndex
from tests.review.conftest import item


def test_an_index_is_current_only_for_the_dataset_that_made_it(index):
    assert index.is_current("one")
    assert not index.is_current("another")


def test_half_an_index_is_none(tmp_path):
    def broken():
        yield from (item(n, "a cat") for n in range(CHUNK + 1))
        raise KeyboardInterrupt

    index = ReviewIndex(tmp_path / "review.sqlite")
    with pytest.raises(KeyboardInterrupt):
        index.make(broken(), "one")
    assert not index.is_current("one")
    index.close()


def test_what_is_no_index_is_made_again(tmp_path):
    path = tmp_path / "review.sqlite"
    path.write_bytes(b"something else" * 100)
    index = ReviewIndex(path)
    assert not index.is_current("one")
    assert index.make([item(0, "a cat")], "one") == 1
    assert index.is_current("one")
    index.close()


def test_making_an_index_says_how_far_it_is(tmp_path):
    seen: list[int] = []
    index = ReviewIndex(tmp_path / "review.sqlite")
    index.make((item(n, "a cat") for n in range(CHUNK + 3)), "one", on_progress=seen.append)
    assert seen == [CHUNK, CHUNK + 3]
    index.close()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the index cannot be written"):
        ReviewIndex(tmp_path / "file" / "review.sqlite").make([], "one")


def test_bytes_of_a_picture_do_not_lie_in_the_index(tmp_path):
    index = ReviewIndex(tmp_path / "review.sqlite")
    made = item(0, "a cat")
    index.make(
        [made.__class__(**{**_fields(made), "picture": {"bytes": b"x" * 9, "path": None}})], "x"
    )
    assert index.item(1)["picture"] is None
    index.close()


def _fields(made):
    return {name: getattr(made, name) for name in made.__slots__}
