"""A folder of pictures, or one picture, as a dataset."""

from __future__ import annotations

import json
import os

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise


def touch(folder, *names):
    for name in names:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass


def pictures(folder):
    return [row.fields["image"] for row in open_reader(folder).rows()]


def below(folder):
    return [os.path.relpath(path, folder) for path in pictures(folder)]


@promise("round trip", "folder")
def test_pictures_come_sorted_bytewise_by_their_whole_path(tmp_path):
    names = ["a/b.jpg", "a.jpg", "a-b.jpg", "a/B.jpg", "b.jpg", "é.jpg", "z/z/z.jpg", "a/b/c.jpg"]
    touch(tmp_path, *names)
    assert below(tmp_path) == sorted(names, key=os.fsencode)


@pytest.mark.parametrize(
    "ending", ["jpg", "JPEG", "png", "WebP", "gif", "bmp", "tif", "TIFF", "heic", "heif", "avif"]
)
def test_picture_endings_are_known_in_any_case(tmp_path, ending):
    touch(tmp_path, f"x.{ending}", "x.txt", "x", "jpg", "x.jpg.part")
    assert below(tmp_path) == [f"x.{ending}"]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    touch(tmp_path, ".a.jpg", ".git/b.jpg", "c/.d/e.jpg", "f.jpg")
    assert below(tmp_path) == ["f.jpg"]


def test_links_to_folders_are_not_followed_but_links_to_pictures_are(tmp_path):
    touch(tmp_path, "in/a.jpg")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "round.jpg").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "b.jpg").symlink_to(tmp_path / "in" / "a.jpg")
    assert below(tmp_path / "in") == ["a.jpg", "b.jpg"]


def test_a_link_to_nothing_is_a_row_that_can_say_so(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert below(tmp_path) == ["gone.jpg"]


def test_what_is_no_file_is_left_out(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"")
    assert below(tmp_path) == ["a.jpg"]


def test_paths_begin_as_the_folder_was_given(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert pictures("in") == ["in/a.jpg"]
    assert pictures("./in/") == ["./in/a.jpg"]
    assert pictures(tmp_path / "in") == [str(tmp_path / "in" / "a.jpg")]
    assert open_reader("in").folder() == "."


def test_the_picture_column_can_be_named(tmp_path):
    touch(tmp_path, "a.jpg")
    reader = open_reader(tmp_path, picture_key="img")
    assert [list(row.fields) for row in reader.rows()] == [["img"]]
    assert reader.column_names() == ["img"]


def test_one_picture_is_a_dataset_of_one_row(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.JPG")
    monkeypatch.chdir(tmp_path)
    reader = open_reader("in/a.JPG")
    assert [(row.index, row.fields, row.source) for row in reader.rows()] == [
        (0, {"image": "in/a.JPG"}, "in/a.JPG")
    ]
    assert (reader.count(), reader.folder(), reader.column_names()) == (1, ".", ["image"])


@promise("unicode", "folder")
def test_a_name_that_is_no_utf8_survives_in_json_and_opens_again(tmp_path, load):
    touch(tmp_path / "in", b"x\xff.jpg")
    for ending in (".json", ".jsonl"):
        output = tmp_path / f"out{ending}"
        reader = open_reader(tmp_path / "in")
        writer = writer_for(output, reader, ["caption"])(output)
        for row in reader.rows():
            writer.write(row, {"caption": "c"})
            row.source.encode("utf-8")
        writer.close()
        assert "\\udcff" in output.read_text("ascii")
        assert os.path.exists(load(output)[0]["image"])
        again = [row.fields["image"] for row in open_reader(output).rows()]
        assert os.path.exists(again[0])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_name_that_is_no_utf8_stops_no_other_format(tmp_path, load, ending):
    touch(tmp_path / "in", b"x\xff.jpg")
    output = tmp_path / f"out{ending}"
    reader = open_reader(tmp_path / "in")
    writer = writer_for(output, reader, ["caption"])(output)
    for row in reader.rows():
        writer.write(row, {"caption": "c"})
    writer.close()
    assert load(output)[0]["image"].endswith("x\\udcff.jpg")


def test_a_deep_tree_is_no_problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = ["d" + "/d" * depth for depth in range(1100)]
    for folder in folders:
        os.mkdir(folder)
    touch(".", f"{folders[-1]}/a.jpg")
    try:
        assert pictures(".") == [f"./{folders[-1]}/a.jpg"]
    finally:  # pytest's own cleaning is recursive
        os.unlink(f"{folders[-1]}/a.jpg")
        for folder in reversed(folders):
            os.rmdir(folder)


@promise("clear errors", "folder")
def test_a_folder_that_cannot_be_listed_is_an_error_that_names_it(tmp_path, monkeypatch):
    touch(tmp_path, "a/b.jpg")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("/a/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"/a/: cannot be read \(Permission denied\)"):
        pictures(tmp_path)


@promise("constant memory", "folder")
def test_a_folder_of_many_pictures_gives_its_first_at_once(tmp_path):
    """Only the directories on the way to the first picture are listed."""
    touch(tmp_path, *(f"{i:03}/{i}.jpg" for i in range(200)))
    rows = open_reader(tmp_path).rows()
    first = next(rows)
    (tmp_path / "199" / "199.jpg").unlink()
    assert first.fields["image"].endswith("000/0.jpg")
    assert len(list(rows)) == 198


def test_rows_of_a_folder_can_be_written_as_json(tmp_path):
    touch(tmp_path / "in", "a.jpg")
    reader = open_reader(tmp_path / "in")
    output = tmp_path / "out.json"
    writer = writer_for(output, reader, ["caption"])(output)
    for row in reader.rows():
        writer.write(row, {"caption": "ein Hügel"})
    writer.close()
    expected = [{"image": str(tmp_path / "in" / "a.jpg"), "caption": "ein Hügel"}]
    assert (
        output.read_text("utf-8") == "[\n  " + json.dumps(expected[0], ensure_ascii=False) + "\n]\n"
    )


def test_a_link_to_itself_is_a_row_and_stops_nothing(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.jpg").symlink_to("b.jpg")
    rows = list(open_reader(tmp_path).rows())
    assert [row.fields["image"].rpartition("/")[2] for row in rows] == ["a.png", "b.jpg"]


def test_a_pattern_that_no_picture_fits_is_a_slip_of_the_pen(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    assert open_reader(f"{tmp_path}/*.jpg")
    with pytest.raises(UsageError, match="no picture fits this"):
        open_reader(f"{tmp_path}/*.jpgg")
