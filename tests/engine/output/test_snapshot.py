"""An output that was copied, moved or changed by others: nothing untrue is said or lost."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from dataflow.core.errors import UsageError
from dataflow.engine.journal.journal import Journal
from dataflow.engine.paths import SideFiles
from dataflow.engine.runner import run
from dataflow.formats.registry import open_reader
from dataflow.serving.fake import FakeServing
from tests.engine.conftest import Dataset


def plan_of(dataset, answer, **more):
    plan = dataset.plan(FakeServing(answer), **more)
    output = replace(plan.output, read_back=lambda: open_reader(dataset.output).rows())
    return replace(plan, output=output)


def rewrite(dataset, change):
    rows = change([json.loads(line) for line in dataset.output.read_text().splitlines()])
    dataset.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def copied_without_times(dataset):
    other = Dataset(dataset.folder.with_name(f"{dataset.folder.name}-copy"))
    shutil.copytree(dataset.folder, other.folder, copy_function=shutil.copyfile)
    other.names = dataset.names
    for number, file in enumerate(other.folder.iterdir()):
        os.utime(file, (1e9 + number, 1e9))
    return other


def deleted(dataset):
    dataset.output.unlink()
    return dataset


def moved(dataset):
    there = dataset.folder / "elsewhere"
    there.mkdir()
    for file in (dataset.output, SideFiles(dataset.output).journal.parent):
        file.rename(there / file.name)
    dataset.output = there / dataset.output.name
    return dataset


def named_by_a_link(dataset):
    moved(dataset)
    (dataset.folder / "link").symlink_to("elsewhere")
    dataset.output = dataset.folder / "link" / dataset.output.name
    return dataset


def rewritten(dataset):
    shutil.copyfile(dataset.output, dataset.output.with_name("x"))
    dataset.output.with_name("x").replace(dataset.output)
    return dataset


@pytest.mark.parametrize(
    "happens", [copied_without_times, deleted, moved, named_by_a_link, rewritten]
)
def test_what_nobody_changed_is_not_called_changed(dataset, width_of, caplog, happens):
    run(plan_of(dataset.add(5), width_of))
    now = happens(dataset)
    caplog.clear()
    summary = run(plan_of(now, width_of))
    assert summary.requests == 0
    assert now.captions() == [f"width {n}" for n in range(32, 37)]
    for word in ("changed", "edit", "kept as"):
        assert word not in caplog.text
    assert len(list(now.output.parent.glob("out.jsonl*"))) == 2


@pytest.mark.parametrize("happens", [copied_without_times, rewritten])
def test_an_edit_in_a_copy_is_an_edit(dataset, width_of, happens):
    run(plan_of(dataset.add(5), width_of))
    now = happens(dataset)
    rewrite(now, lambda rows: [row | ({"caption": "by hand"} if n == 2 else {})
                               for n, row in enumerate(rows)])  # fmt: skip
    for _ in range(2):
        assert run(plan_of(now, width_of)).requests == 0
        assert now.captions() == ["width 32", "width 33", "by hand", "width 35", "width 36"]
    assert not list(now.folder.glob("out.jsonl.2*"))


def with_a_column(rows):
    return [row | {"rating": 5} for row in rows]


def with_another_id(rows):
    return [*rows[:2], rows[2] | {"id": "mine"}, *rows[3:]]


def without_a_row(rows):
    return [*rows[:2], *rows[3:]]


def without_the_last(rows):
    return rows[:-1]


def in_another_order(rows):
    return rows[::-1]


@pytest.mark.parametrize(
    "change", [with_a_column, with_another_id, without_a_row, without_the_last, in_another_order]
)
def test_what_is_no_caption_is_kept_beside_the_new_output(dataset, width_of, caplog, change):
    run(plan_of(dataset.add(5), width_of))
    rewrite(dataset, change)
    theirs = dataset.output.read_bytes()
    run(plan_of(dataset, width_of))
    (kept,) = dataset.folder.glob("out.jsonl.2*")
    assert kept.read_bytes() == theirs
    assert "held changes besides captions" in caplog.text
    assert dataset.captions() == [f"width {n}" for n in range(32, 37)]


def test_rows_that_came_into_the_dataset_are_no_change_by_others(dataset, width_of):
    run(plan_of(dataset.add(5), width_of))
    rewrite(dataset, lambda rows: [rows[0] | {"caption": "by hand"}, *rows[1:]])
    run(plan_of(dataset.add(2), width_of))
    assert dataset.captions()[0] == "by hand"
    assert not list(dataset.folder.glob("out.jsonl.2*"))


@pytest.mark.parametrize("damage", ["emptied", "header"])
def test_an_edit_survives_a_journal_that_was_damaged(dataset, width_of, damage):
    run(plan_of(dataset.add(5), width_of))
    rewrite(dataset, lambda rows: [rows[0] | {"caption": "by hand"}, *rows[1:]])
    path = SideFiles(dataset.output).journal
    data = bytearray(path.read_bytes())
    data[18:20] = b"\xff\xff"
    path.write_bytes(b"" if damage == "emptied" else data)
    if damage == "emptied":
        with pytest.raises(UsageError):
            run(plan_of(dataset, width_of))
        assert not list(dataset.folder.glob("out.jsonl.2*")), "nothing was replaced yet"
    for _ in range(2):
        run(replace(plan_of(dataset, width_of), assume_yes=True))
        kept = [file.read_text() for file in dataset.folder.glob("out.jsonl.2*")]
        if damage == "emptied":  # whose words they are nobody knows any more
            assert len(kept) == 1
            assert "by hand" in kept[0]
        else:
            assert not kept
            assert dataset.captions()[0] == "by hand"


def test_a_file_that_somebody_put_there_before_the_first_output_is_kept(dataset, width_of):
    dataset.add(3)
    Journal(SideFiles(dataset.output).journal).close()  # of a run that was killed early
    dataset.output.write_text('{"id": "0", "image": ["0000.jpg"], "caption": "theirs"}\n')
    run(plan_of(dataset, width_of))
    (kept,) = dataset.folder.glob("out.jsonl.2*")
    assert "theirs" in kept.read_text()
