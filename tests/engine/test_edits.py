"""The decisions of people about an output's captions: listed and taken back."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.core.errors import UsageError
from dataflow.engine.edits import edits_of, restore
from dataflow.engine.journal.decisions import Decision, text_digest
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.paths import SideFiles

KEY = b"k" * 16


@pytest.fixture
def output(tmp_path):
    output = tmp_path / "out.jsonl"
    journal = Journal(SideFiles(output).journal)
    asyncio.run(journal.put(ResultRecord(KEY, "a cat", is_final=True)))
    seen = text_digest("a cat")
    journal.decide(
        [
            Decision(KEY, "caption", "edit", "a lynx", "ann", 10.0, seen, picture="x.jpg"),
            Decision(KEY, "caption", "edit", "a wild lynx", "bob", 20.0, seen, picture="x.jpg"),
        ]
    )
    journal.close()
    return output


def test_the_one_in_force_is_listed_with_the_machines_words(output):
    [edit] = edits_of(output)
    assert (edit.number, edit.text, edit.machine) == (2, "a wild lynx", "a cat")
    assert (edit.author, edit.decided_at, edit.picture) == ("bob", 20.0, "x.jpg")
    assert not edit.is_conflict


def test_an_edit_that_is_taken_back_leaves_the_one_before_it(output):
    assert restore(output, 2, "ann", clock=lambda: 30.0).text == "a wild lynx"
    [edit] = edits_of(output)
    assert (edit.number, edit.text) == (1, "a lynx")
    restore(output, 1, "ann")
    assert edits_of(output) == []


def test_a_machine_that_says_something_else_by_now_is_a_conflict(output):
    journal = Journal(SideFiles(output).journal)
    asyncio.run(journal.put(ResultRecord(KEY, "a dog", is_final=True)))
    assert journal.texts_of(KEY, "caption") == {"a cat", "a dog", "a lynx", "a wild lynx"}
    journal.close()
    [edit] = edits_of(output)
    assert edit.is_conflict
    assert edit.machine == "a dog"


def test_what_is_not_there_is_a_clear_error(output, tmp_path):
    with pytest.raises(UsageError, match="has no edit 7"):
        restore(output, 7, "ann")
    with pytest.raises(UsageError, match="nothing was written or decided"):
        edits_of(tmp_path / "none.jsonl")
