"""What every dataset format promises; each format joins in `members.py`."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from dataflow.core.errors import InputError, OutputError
from dataflow.core.row import Row
from dataflow.core.side_files import open_new
from dataflow.formats.base import writing
from tests.formats.conftest import without_key
from tests.formats.promises import promise

ROWS = [
    {"id": "00123", "image": "a/1.jpg", "note": "first"},
    {"id": "1.10", "image": "a/2.jpg", "note": ""},
    {"id": "-0", "image": "ü/3.jpg", "note": "third"},
]
ODD_TEXTS = [
    "line\nbreak",
    "carriage\rreturn",
    "both\r\nof them",
    "tab\tcomma,quote\"'",
    ' " ',
    "U+2028 \u2028 U+2029 \u2029 U+0085 \x85",
    "emoji 👩‍👩‍👧‍👦 é vs e\u0301",
    "\\backslash\\n \\u0041 {} [] }",
    "control \x01 \x1f",
    "=1+1",
    "null",
    "NaN",
]


def with_caption(index):
    return {"caption": f"caption {index}"}


def texts_of(rows):
    return [without_key(row.fields) for row in rows]


@promise("round trip")
def test_rows_come_in_order_and_are_numbered_from_0(save, ending, opened):
    rows = list(opened(save(ending, ROWS)).rows())
    assert [row.index for row in rows] == [0, 1, 2]
    assert texts_of(rows) == ROWS


@promise("clear errors")
def test_each_row_has_its_own_place_which_names_the_file(save, ending, opened):
    path = save(ending, ROWS)
    places = [row.source for row in opened(path).rows()]
    assert len(set(places)) == 3
    assert all(place.startswith(str(path)) for place in places)


@promise("round trip")
def test_rows_start_again_at_row_0_at_each_call(save, ending, opened):
    reader = opened(save(ending, ROWS))
    half_read = reader.rows()
    next(half_read)
    assert texts_of(reader.rows()) == texts_of(reader.rows()) == ROWS
    assert next(half_read).index == 1


@promise("round trip")
def test_untouched_values_come_out_as_they_went_in(save, ending, caption, load):
    output = caption(save(ending, ROWS), ending, with_caption)
    assert load(output) == [{**row, **with_caption(i)} for i, row in enumerate(ROWS)]


@promise("round trip")
def test_a_written_file_can_be_read_and_captioned_again(save, ending, caption, load):
    once = caption(save(ending, ROWS), ending, with_caption, name="once")
    twice = caption(once, ending, lambda index: {"more": "x"}, name="twice")
    assert load(twice) == [{**row, "more": "x"} for row in load(once)]


@promise("round trip")
def test_an_added_name_comes_last(save, ending, caption, load):
    output = caption(save(ending, ROWS), ending, with_caption)
    assert list(load(output)[0]) == ["id", "image", "note", "caption"]


@promise("round trip")
def test_an_added_name_that_exists_is_replaced_where_it_stands(save, ending, caption, load):
    output = caption(save(ending, ROWS), ending, lambda index: {"image": "new"})
    assert [list(row.items())[1] for row in load(output)] == [("image", "new")] * 3
    assert [row["id"] for row in load(output)] == [row["id"] for row in ROWS]


@promise("round trip")
def test_an_added_null_is_null_or_an_empty_cell(save, ending, caption, load, member):
    output = caption(save(ending, ROWS), ending, lambda index: {"caption": None})
    if member.leaves_out_null:
        assert load(output) == ROWS
        return
    expected = None if member.has_null else ""
    assert [row["caption"] for row in load(output)] == [expected] * 3


@promise("unicode")
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_survives_in_a_field_and_in_a_caption(save, ending, caption, load, text):
    source = save(ending, [{"image": text, "note": text}])
    output = caption(source, ending, lambda index: {"caption": text})
    assert load(output) == [{"image": text, "note": text, "caption": text}]


@promise("unicode")
def test_a_half_surrogate_in_a_caption_stops_nothing(save, ending, caption, load, member):
    output = caption(save(ending, ROWS), ending, lambda index: {"caption": "x\udcffy"})
    exact = member.holds_half_surrogates
    assert load(output)[0]["caption"] == ("x\udcffy" if exact else "x\\udcffy")


@promise("huge row")
def test_a_row_of_megabytes_survives(save, ending, caption, load):
    huge = 'x"\n' * 1_000_000
    output = caption(save(ending, [{"a": huge}, {"a": "b"}]), ending, with_caption)
    assert [row["a"] for row in load(output)] == [huge, "b"]


@promise("empty")
def test_no_rows_in_no_rows_out(save, ending, caption, load, opened):
    output = caption(save(ending, []), ending, with_caption)
    assert load(output) == []
    assert texts_of(opened(output).rows()) == []


@promise("empty")
def test_a_file_without_bytes_has_no_rows_or_is_no_dataset(tmp_path, ending, opened, member):
    """A text of nothing is a text; the others begin with something, however few their rows."""
    path = tmp_path / f"empty.{ending.lstrip('.')}"
    path.write_bytes(b"")
    if member.is_text:
        assert list(opened(path).rows()) == []
        return
    with pytest.raises(InputError, match=r"empty\."):
        list(opened(path).rows())


@promise("clear errors")
def test_a_cut_short_file_is_an_error_that_names_it(save, ending, opened):
    path = save(ending, ROWS)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="data"):
        list(opened(path).rows())


@promise("clear errors", of_text=True)
def test_the_rows_before_a_broken_end_are_read(save, ending, opened, member):
    """The index of the others stands at their end, or their last block."""
    path = save(ending, ROWS)
    path.write_bytes(path.read_bytes()[:-4])
    rows = opened(path).rows()
    assert [next(rows).fields, next(rows).fields] == ROWS[:2]


@promise("clear errors", of_text=True)
def test_text_that_is_not_utf8_is_an_error_that_names_the_line(
    tmp_path, save, ending, opened, member
):
    path = save(ending, ROWS)
    path.write_bytes(path.read_bytes().replace("ü".encode(), "ü".encode("latin-1")))
    line = {".json": 1, ".csv": 4, ".tsv": 4}.get(ending, 3)
    with pytest.raises(InputError, match=rf"line {line}: the text is not UTF-8"):
        list(opened(path).rows())


@promise("unicode", of_text=True)
def test_a_byte_order_mark_is_no_content(save, ending, opened, member):
    path = save(ending, ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert texts_of(opened(path).rows()) == ROWS


def test_the_case_of_an_ending_does_not_matter(save, ending, caption, load):
    output = caption(save(ending.upper(), ROWS), ending.upper(), with_caption)
    assert [row["id"] for row in load(output)] == [row["id"] for row in ROWS]


def test_the_folder_of_a_dataset_file_is_where_it_lies(save, tmp_path, ending, opened):
    assert opened(save(ending, ROWS)).folder() == str(tmp_path)


def test_the_folder_of_a_bare_file_name_is_the_working_folder(
    save, tmp_path, ending, monkeypatch, opened
):
    save(ending, ROWS)
    monkeypatch.chdir(tmp_path)
    assert opened(Path(f"data.{ending.lstrip('.')}")).folder() == "."


@promise("clear errors")
def test_a_file_that_vanishes_is_an_error_that_names_it(save, ending, opened):
    path = save(ending, ROWS)
    reader = opened(path)
    path.unlink()
    with pytest.raises(InputError, match="data"):
        list(reader.rows())


@promise("clear errors")
def test_a_pipe_is_an_error_and_not_waited_for(tmp_path, ending, opened):
    path = tmp_path / f"data{ending}"
    os.mkfifo(path)
    with pytest.raises(InputError, match="no regular file"):
        list(opened(path).rows())


@promise("constant memory")
def test_reading_and_writing_hold_a_few_rows_only(save, ending, caption, opened, member):
    """16 MB of rows pass through less than 8 MB of Python's memory."""
    source = save(ending, [{"id": str(i), "text": f"{i:05}" * 16_000} for i in range(200)])
    opened(source)
    tracemalloc.start()
    try:
        caption(source, ending, with_caption)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000 + member.overhead


@pytest.fixture
def full_disk(monkeypatch):
    """Files that are created from here on, and lie on a disk that refuses every byte."""

    def created(path, *args, **kwargs):
        file = open_new(path, *args, **kwargs)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file.fileno())
        os.close(full)
        return file

    monkeypatch.setattr(writing, "open_new", created)


@promise("clear errors")
def test_a_full_disk_is_an_output_error_that_names_the_file_and_leaves_none(
    save, ending, tmp_path, opened, written_by, full_disk
):
    reader = opened(save(ending, ROWS))
    output = tmp_path / f"out.{ending.lstrip('.')}"
    full = tmp_path / "full"
    writer = written_by(output, reader, ["caption"], at=full)
    assert full.is_file()

    def write_all():
        for row in reader.rows():
            writer.write(row, {"caption": "x" * 2_000_000})
        writer.close()

    with pytest.raises(OutputError, match=r"full.*No space left"):
        write_all()
    writer.discard()
    assert not full.exists()
    assert not output.exists()


@promise("clear errors")
def test_a_missing_output_folder_is_an_output_error(save, ending, tmp_path, opened, written_by):
    reader = opened(save(ending, ROWS))
    with pytest.raises(OutputError, match="nowhere"):
        written_by(tmp_path / "nowhere" / f"out.{ending.lstrip('.')}", reader, ["caption"])


def test_abandoning_raises_nothing_at_any_time(save, ending, tmp_path, opened, written_by):
    reader = opened(save(ending, ROWS))
    for count in range(3):
        writer = written_by(tmp_path / f"out.{ending.lstrip('.')}", reader, ["caption"])
        for row in list(reader.rows())[:count]:
            writer.write(row, {"caption": "x"})
        writer.discard()
        writer.discard()


def test_a_closed_file_is_on_the_disk(save, ending, caption, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), real(number)))
    caption(save(ending, ROWS), ending, with_caption)
    assert len(synced) == 1


@promise("round trip")
def test_rows_that_come_from_no_file_can_be_written(tmp_path, ending, load, written_by):
    path = tmp_path / f"out.{ending.lstrip('.')}"
    writer = written_by(path, None, ["caption"])
    for index, fields in enumerate(ROWS):
        writer.write(Row(index, fields, f"row {index}"), {"caption": f"c{index}"})
    writer.close()
    assert load(path) == [{**row, "caption": f"c{i}"} for i, row in enumerate(ROWS)]


@promise("empty")
def test_no_rows_from_no_file_can_be_written(tmp_path, ending, load, written_by):
    path = tmp_path / f"out.{ending.lstrip('.')}"
    written_by(path, None, ["caption"]).close()
    assert load(path) == []


@promise("clear errors")
def test_a_value_that_has_no_place_is_an_output_error_that_names_the_row(
    tmp_path, ending, written_by
):
    path = tmp_path / f"out.{ending.lstrip('.')}"
    writer = written_by(path, None, ["caption"])

    def write():
        writer.write(Row(0, {"a": threading.Lock()}, "row 0"), {"caption": "c"})
        writer.close()

    with pytest.raises(OutputError, match="row 0"):
        write()
    writer.discard()


@promise("round trip")
def test_captions_and_texts_are_the_same_in_whatever_format(
    save, ending, other_ending, caption, load
):
    output = caption(save(ending, ROWS), other_ending, with_caption)
    assert load(output) == [{**row, **with_caption(i)} for i, row in enumerate(ROWS)]


@promise("round trip")
def test_there_and_back_again_changes_no_text(save, ending, other_ending, caption, load):
    rows = [{"image": text, "note": text} for text in ODD_TEXTS]
    there = caption(save(ending, rows), other_ending, with_caption, name="there")
    back = caption(there, ending, lambda index: {"again": "y"}, name="back")
    expected = [{**row, **with_caption(i), "again": "y"} for i, row in enumerate(rows)]
    assert load(back) == expected
