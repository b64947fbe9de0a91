"""Some rows again: just these are asked, everything else stays byte for byte."""

from __future__ import annotations

import pytest

from dataflow.engine.journal.journal import Journal
from dataflow.engine.runner import run
from dataflow.engine.selection.row_selection import RowSelection
from dataflow.serving.fake import FakeServing


def journal_of(dataset) -> Journal:
    return Journal(dataset.folder / "out.jsonl.dataflow" / "journal.sqlite")


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["1"], [1]), (["0003.jpg"], [3]), (["000[24].jpg"], [2, 4]), (["1", "0003.jpg"], [1, 3]),
        (["*"], [0, 1, 2, 3, 4]), (["none.jpg"], []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prompt", ["", "Be brief."])
def test_just_these_are_asked_and_the_others_stay(dataset, width_of, names, rows, prompt):
    run(dataset.add(5).plan(FakeServing(width_of)))
    before = dataset.output.read_text().splitlines()
    again = FakeServing("again")
    run(dataset.plan(again, system_prompt=prompt, only=RowSelection(names)))
    assert again.asked == len(rows)
    after = dataset.output.read_text().splitlines()
    assert [n for n in range(5) if after[n] != before[n]] == rows
    assert [n for n, text in enumerate(dataset.captions()) if text == "again"] == rows


def test_the_former_answer_stays_in_the_journal(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    run(dataset.plan(FakeServing("again"), only=RowSelection(["1"])))
    journal = journal_of(dataset)
    key = next(result.key for row, _, result in journal.outcomes() if row == 1)
    assert journal.texts_of(key, "caption") == {"width 33", "again"}
    journal.close()


def test_the_same_command_without_it_asks_nothing_and_keeps_what_came(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    run(dataset.plan(FakeServing("again"), only=RowSelection(["1"])))
    later = FakeServing(width_of)
    run(dataset.plan(later))
    assert later.asked == 0
    assert dataset.captions() == ["width 32", "again", "width 34"]


def test_a_row_whose_picture_changed_is_not_labelled_with_the_old_caption(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    (dataset.folder / "0002.jpg").write_bytes((dataset.folder / "0000.jpg").read_bytes())
    summary = run(dataset.plan(FakeServing("again"), only=RowSelection(["1"])))
    assert dataset.captions() == ["width 32", "again", None]
    assert summary.failed == {"open": 1}
