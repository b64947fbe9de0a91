"""An output in parts: nothing lost, nothing twice, nothing left over."""

from __future__ import annotations

import itertools
import json

import pytest

from dataflow.formats.base.split_output import part_name, parts_of
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise

ROWS = [{"id": f"{n:03}", "text": f"ü {n}"} for n in range(25)]


def write(source, output, rows, member=None, count=None):
    name = member and member.format_name
    reader = open_reader(source, format_name=name)
    open_writer = writer_for(output, reader, ["c"], rows_per_file=rows, format_name=name)
    writer = open_writer(output.with_name(output.name + ".part"))
    for row in list(reader.rows())[:count]:
        writer.write(row, {"c": f"caption {row.index}"})
    return writer


@promise("parts")
def test_the_parts_together_are_the_whole(save, load, ending, member, tmp_path):
    source = save(ending, ROWS)
    output = source.with_name(source.name.replace("data", "out"))
    writer = write(source, output, 10, member)
    writer.close()
    writer.commit(output)
    parts = parts_of(output)
    assert [part.name for part in parts] == [
        source.name.replace("data", f"out-0000{n}-of-00003") for n in range(3)
    ]
    loaded = [load(part) for part in parts]
    assert [len(rows) for rows in loaded] == [10, 10, 5]
    assert list(itertools.chain(*loaded)) == [
        {**row, "c": f"caption {n}"} for n, row in enumerate(ROWS)
    ]
    assert not output.exists()
    assert not list(tmp_path.glob("*.part*"))


def lines(tmp_path, count=25):
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:count]))
    return source


def test_no_rows_are_one_part_without_rows(tmp_path):
    output = tmp_path / "out.jsonl.gz"
    writer = write(lines(tmp_path, 0), output, 10)
    writer.close()
    writer.commit(output)
    assert [path.name for path in parts_of(output)] == ["out-00000-of-00001.jsonl.gz"]


@pytest.mark.parametrize("rows", [1, 24, 25, 26])
def test_a_full_last_part_is_followed_by_none(tmp_path, rows):
    output = tmp_path / "out.csv"
    writer = write(lines(tmp_path), output, rows)
    writer.close()
    writer.commit(output)
    assert len(parts_of(output)) == -(-25 // rows)


def test_the_parts_of_a_former_run_go_and_nothing_else(tmp_path):
    output = tmp_path / "out.jsonl"
    others = ["out-00000-of-00002.csv", "out-1-of-2.jsonl", "my-out-00000-of-00002.jsonl"]
    for name in ("out-00000-of-00009.jsonl", "out-00008-of-00009.jsonl", *others):
        (tmp_path / name).touch()
    writer = write(lines(tmp_path), output, 20)
    writer.close()
    assert len(parts_of(output)) == 2, "nothing goes before the new parts are whole"
    writer.commit(output)
    assert parts_of(output) == [part_name(output, n, 2) for n in range(2)]
    assert all((tmp_path / name).exists() for name in others)


def test_a_broken_run_leaves_the_parts_that_were_there(tmp_path):
    output = tmp_path / "out.jsonl"
    (tmp_path / "out-00000-of-00001.jsonl").write_text("mine\n")
    write(lines(tmp_path), output, 10).discard()
    assert (tmp_path / "out-00000-of-00001.jsonl").read_text() == "mine\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl", "out-00000-of-00001.jsonl"
    ]  # fmt: skip


def test_what_a_killed_run_left_half_written_goes(tmp_path):
    output = tmp_path / "out.jsonl"
    for number in range(7):
        (tmp_path / f"out.jsonl.part-{number:05}").touch()
    writer = write(lines(tmp_path), output, 10)
    writer.close()
    writer.commit(output)
    assert not list(tmp_path.glob("*.part*"))


def test_types_are_inferred_once_for_all_parts(tmp_path):
    """A fraction in the last part makes fractions of the first one's numbers too."""
    import pyarrow.parquet as pq

    source = tmp_path / "in.jsonl"
    source.write_text('{"n": 1}\n{"n": 2}\n{"n": 2.5}\n')
    output = tmp_path / "out.parquet"
    writer = write(source, output, 1)
    writer.close()
    writer.commit(output)
    assert {str(pq.read_schema(part).field("n").type) for part in parts_of(output)} == {"double"}
