"""A person's words are never lost: edits in the output, and decisions in the journal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dataflow.engine.journal.decisions import Decision, DecisionTable, text_digest
from dataflow.engine.journal.journal import Journal
from dataflow.engine.runner import run
from dataflow.formats.registry import open_reader
from dataflow.serving.fake import FakeServing


def plan_of(dataset, answer, **more):
    plan = dataset.plan(FakeServing(answer), **more)
    output = replace(plan.output, read_back=lambda: open_reader(dataset.output).rows())
    return replace(plan, output=output)


def edit(dataset, changes) -> None:
    rows = [json.loads(line) for line in dataset.output.read_text().splitlines()]
    for number, text in changes.items():
        rows[number]["caption"] = text
    dataset.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def journal_of(dataset) -> Journal:
    return Journal(dataset.folder / "out.jsonl.dataflow" / "journal.sqlite")


@pytest.fixture
def edited(dataset, width_of):
    run(plan_of(dataset.add(5), width_of))
    edit(dataset, {1: "by hand"})
    return dataset


def test_an_edit_in_the_output_survives_the_same_command(edited, width_of, caplog):
    run(plan_of(edited, width_of))
    assert edited.captions() == ["width 32", "by hand", "width 34", "width 35", "width 36"]
    assert "1 captions" in caplog.text
    assert "edits are kept" in caplog.text
    run(plan_of(edited, width_of))
    assert edited.captions()[1] == "by hand"


@pytest.mark.parametrize("change", ["prompt", "model", "more rows", "another order"])
def test_an_edit_survives_whatever_else_changes(edited, width_of, change):
    more = {}
    if change == "prompt":
        more["system_prompt"] = "Be brief."
    if change == "more rows":
        edited.add(3)
    if change == "another order":
        edited.names.reverse()
        edited.write()
    serving = FakeServing(width_of, **({"model": "another"} if change == "model" else {}))
    plan = plan_of(edited, width_of, **more)
    run(replace(plan, serving=serving))
    captions = dict(zip(edited.names, edited.captions(), strict=True))
    assert captions["0001.jpg"] == "by hand"
    assert [name for name, text in captions.items() if text == "by hand"] == ["0001.jpg"]


@pytest.mark.parametrize("text", ["width  33", "width\n33", "width 33,"])
def test_an_edit_of_blanks_alone_is_an_edit(dataset, width_of, text):
    run(plan_of(dataset.add(3), width_of))
    edit(dataset, {1: text})
    run(plan_of(dataset, width_of, system_prompt="Be brief."))
    assert dataset.captions()[1] == text


@pytest.mark.parametrize("text", [" width 33", "width 33\n"])
def test_blanks_at_the_ends_are_no_edit(dataset, width_of, text):
    run(plan_of(dataset.add(3), width_of))
    edit(dataset, {1: text})
    run(plan_of(dataset, width_of))
    assert dataset.captions()[1] == "width 33"


def test_the_machines_answer_stays_in_the_journal(edited, width_of):
    run(plan_of(edited, width_of))
    journal = journal_of(edited)
    [decision] = DecisionTable(journal._db).all()
    machine = journal.find(decision.key)
    journal.close()
    assert machine is not None
    assert machine.caption == "width 33"
    assert (decision.kind, decision.text) == ("edit", "by hand")
    assert decision.seen_digest == text_digest("width 33")
    assert decision.picture == "0001.jpg"


def test_where_the_machine_says_something_else_now_a_conflict_is_told(edited, width_of, caplog):
    run(plan_of(edited, width_of))
    run(plan_of(edited, "something else", system_prompt="Be brief."))
    assert edited.captions()[1] == "by hand"
    assert edited.captions()[0] == "something else"
    assert "1 captions that people edited have another answer" in caplog.text


def test_an_emptied_caption_stays_empty(dataset, width_of):
    run(plan_of(dataset.add(3), width_of))
    edit(dataset, {2: ""})
    summary = run(plan_of(dataset, width_of))
    assert dataset.captions() == ["width 32", "width 33", None]
    assert summary.failed == {"rejected": 1}


def test_an_edit_that_is_taken_back_by_hand_is_taken_back(edited, width_of):
    run(plan_of(edited, width_of))
    edit(edited, {1: "width 33"})
    run(plan_of(edited, width_of))
    run(plan_of(edited, width_of))
    assert edited.captions()[1] == "width 33"


def test_rows_that_were_sorted_by_hand_keep_their_edits(dataset, width_of):
    run(plan_of(dataset.add(5), width_of))
    edit(dataset, {1: "by hand"})
    lines = dataset.output.read_text().splitlines(keepends=True)
    dataset.output.write_text("".join(reversed(lines)))
    run(plan_of(dataset, width_of))
    assert dataset.captions() == ["width 32", "by hand", "width 34", "width 35", "width 36"]


def test_an_output_that_cannot_be_read_back_is_kept_under_another_name(dataset, width_of, caplog):
    run(plan_of(dataset.add(3), width_of))
    dataset.output.write_text("{ no JSON at all\n")
    run(plan_of(dataset, width_of))
    assert dataset.captions() == ["width 32", "width 33", "width 34"]
    [aside] = dataset.folder.glob("out.jsonl.2*")
    assert aside.read_text() == "{ no JSON at all\n"
    assert "kept as" in caplog.text


def test_overwrite_drops_the_edits_when_asked_to(edited, width_of):
    run(plan_of(edited, width_of, edits="overwrite"))
    assert edited.captions()[1] == "width 33"


def test_nothing_is_read_back_while_nobody_touched_the_output(dataset, width_of):
    run(plan_of(dataset.add(3), width_of))
    plan = plan_of(dataset, width_of)
    output = replace(plan.output, read_back=lambda: 1 / 0)
    run(replace(plan, output=output))
    assert dataset.captions() == ["width 32", "width 33", "width 34"]


@pytest.mark.parametrize(
    ("kind", "expected"), [("edit", "new words"), ("reject", None), ("accept", "width 33")]
)
def test_a_decision_in_the_journal_is_in_the_next_output(dataset, width_of, kind, expected):
    run(plan_of(dataset.add(3), width_of))
    journal = journal_of(dataset)
    key = next(result.key for row, _, result in journal.outcomes() if row == 1)
    text = "new words" if kind == "edit" else None
    journal.decide([Decision(key, "caption", kind, text, "ann", 1.0, text_digest("width 33"))])
    journal.close()
    serving = FakeServing(width_of)
    run(replace(plan_of(dataset, width_of), serving=serving))
    assert serving.asked == 0
    assert dataset.captions() == ["width 32", expected, "width 34"]


def test_an_undo_takes_the_decision_before_it_back(dataset, width_of):
    run(plan_of(dataset.add(2), width_of))
    journal = journal_of(dataset)
    key = next(result.key for row, _, result in journal.outcomes() if row == 1)
    table = DecisionTable(journal._db)
    table.append([Decision(key, "caption", "edit", text, "ann", 1.0, group="g") for text in "ab"])
    assert table.undo("g", "ann") == 1
    journal.close()
    run(plan_of(dataset, width_of))
    assert dataset.captions()[1] == "a"


def test_an_edit_made_after_a_run_was_killed_while_it_wrote_is_kept(dataset, width_of, monkeypatch):
    run(plan_of(dataset.add(5), width_of))
    edit(dataset, {0: "before the kill"})

    def killed(*_, **__):
        raise SystemExit("as a kill: nothing after it is done")

    with monkeypatch.context() as patch:
        patch.setattr("dataflow.engine.output.write_output._WrittenNotes.flush", killed)
        with pytest.raises(SystemExit):
            run(plan_of(dataset, width_of))
    edit(dataset, {2: "after the kill"})
    run(plan_of(dataset, width_of))
    expected = ["before the kill", "width 33", "after the kill", "width 35", "width 36"]
    assert dataset.captions() == expected
