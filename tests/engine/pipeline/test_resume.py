"""Going on without a look at the rows that a former run of the same plan has seen."""

from __future__ import annotations

import os
import sqlite3

import pytest

from dataflow.core.errors import RefusedError, WrongKeyError
from dataflow.engine.journal.journal import Journal
from dataflow.engine.plan import PlanFingerprint
from dataflow.engine.runner import run
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing

ROWS = 30


def unseen(plan):
    """`plan`, of which no row's requests may be made."""

    def refuse(row):
        raise AssertionError(f"looked at {row.source}")

    object.__setattr__(plan, "requests_of", refuse)
    return plan


def looked_at(plan):
    """`plan`, and a list of the rows that are looked at before the output is written."""
    seen: list[int] = []
    requests_of = plan.requests_of

    def noting(row):
        if plan.progress.phase != "writing":
            seen.append(row.index)
        return requests_of(row)

    object.__setattr__(plan, "requests_of", noting)
    return plan, seen


def forget(dataset, condition):
    """Take the answers of these rows out of the journal."""
    db = sqlite3.connect(dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite"))
    with db:
        db.execute(f"DELETE FROM results WHERE key IN (SELECT key FROM plan WHERE {condition})")
    db.close()


def test_a_finished_run_looks_at_no_row_and_writes_nothing(dataset, width_of):
    first = run(dataset.add(ROWS).plan(FakeServing(width_of)))
    before = dataset.output.stat()
    again = run(unseen(dataset.plan(FakeServing([]))))
    assert dataset.output.stat() == before
    assert (again.rows, again.captioned, again.reused) == (ROWS, first.captioned, ROWS)


def test_failures_are_told_again_without_a_look(dataset):
    run(dataset.add(2).plan(FakeServing([RefusedError("no"), "fine"], max_workers=1)))
    again = run(unseen(dataset.plan(FakeServing([]))))
    assert again.failed == {"refused": 1}
    assert [error["kind"] for error in dataset.errors()] == ["refused"]


def test_only_rows_without_an_answer_are_looked_at(dataset, width_of):
    run(dataset.add(ROWS).plan(FakeServing(width_of)))
    captions = dataset.captions()
    forget(dataset, "row IN (7, 29)")
    serving = FakeServing(width_of)
    plan, seen = looked_at(dataset.plan(serving))
    run(plan)
    assert seen == [7, 29]
    assert serving.asked == 2
    assert dataset.captions() == captions


def test_a_run_that_broke_off_goes_on_behind_the_rows_that_it_had_seen(dataset, width_of):
    def answer(request, pictures):
        return WrongKeyError("no") if pictures[0].width == 32 + 20 else width_of(request, pictures)

    with pytest.raises(WrongKeyError):
        run(dataset.add(ROWS).plan(FakeServing(answer, max_workers=1)))
    db = sqlite3.connect(dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite"))
    with db:  # as if the reader had not been so far ahead
        db.execute("DELETE FROM plan WHERE row >= 25")
    # pictures are loaded side by side: which rows came before the one that broke off is chance
    answered = db.execute("SELECT row FROM plan JOIN results ON results.key = plan.key").fetchall()
    db.close()
    plan, seen = looked_at(dataset.plan(FakeServing(width_of)))
    run(plan)
    assert answered
    assert seen == [row for row in range(ROWS) if (row,) not in answered]
    assert dataset.captions() == [f"width {32 + n}" for n in range(ROWS)]


@pytest.mark.parametrize("change", ["dataset", "plan", "picture", "lost picture"])
def test_every_row_is_looked_at_where_anything_has_changed(dataset, width_of, change):
    run(dataset.add(3).plan(FakeServing(width_of)))
    more = {}
    if change == "dataset":
        os.utime(dataset.path, ns=(1, 1))
    elif change == "plan":
        more = {"system_prompt": "Be brief."}
    elif change == "picture":
        os.utime(dataset.folder / "0001.jpg", ns=(1, 1))
    else:
        (dataset.folder / "0001.jpg").unlink()
    again, seen = looked_at(dataset.plan(FakeServing(width_of), **more))
    run(again)
    assert seen == [0, 1, 2]


def test_a_picture_that_another_may_come_before_is_not_recalled(dataset, width_of, monkeypatch):
    """The first folder has none of that name, but may have one by the next run."""
    dataset.add(3)
    monkeypatch.chdir(dataset.folder)
    for expected in ([0, 1, 2], [0, 1, 2]):
        plan = dataset.plan(FakeServing(width_of), fingerprint=PlanFingerprint("same", "first"))
        object.__setattr__(plan, "requests_of", RowRequests(folders=["first", "."]))
        plan, seen = looked_at(plan)
        run(plan)
        assert seen == expected


def test_an_output_that_was_changed_is_written_again(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    captions = dataset.captions()
    dataset.output.write_text("{}\n")
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert (dataset.captions(), again.asked) == (captions, 0)


def test_a_damaged_answer_is_asked_again_though_its_row_was_recalled(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of)))
    captions = dataset.captions()
    db = sqlite3.connect(dataset.output.parent.joinpath("out.jsonl.dataflow", "journal.sqlite"))
    with db:
        db.execute("UPDATE results SET caption = 'width 99' WHERE caption = 'width 33'")
    db.close()
    dataset.output.unlink()
    again = FakeServing(width_of)
    run(dataset.plan(again))
    assert (dataset.captions(), again.asked) == (captions, 1)


def test_a_plan_that_nobody_can_vouch_for_is_not_recalled(dataset, width_of):
    run(dataset.add(3).plan(FakeServing(width_of), fingerprint=None))
    plan, seen = looked_at(dataset.plan(FakeServing(width_of), fingerprint=None))
    run(plan)
    assert seen == [0, 1, 2]


def test_a_stamp_is_forgotten_when_a_new_plan_begins(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin_plan(2, "one")
    journal.plan([(0, 0, b"k")], [(b"a.jpg", 1, 2)])
    journal.begin_plan(3, None)
    state = journal.plan_state()
    assert state is not None
    assert (state.fingerprint, state.rows, state.planned) == (None, 3, 0)
    assert list(journal.pictures()) == []
    journal.close()


def test_an_output_in_a_folder_that_is_gone_is_written_again(dataset, width_of):
    def plan():
        made = dataset.plan(FakeServing(width_of))
        object.__setattr__(made.output, "files_of", lambda path: [])  # as of a folder of shards
        return made

    dataset.add(3)
    run(plan())
    captions = dataset.captions()
    dataset.output.unlink()
    run(plan())
    assert dataset.captions() == captions
