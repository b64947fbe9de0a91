"""Which files below a folder are pictures, which are left out, and that both is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataflow.core.errors import UsageError
from dataflow.formats.folder import ignored_files
from dataflow.formats.folder.pictures import FolderReader, PictureFolder
from dataflow.formats.registry import ReadOptions, open_reader, resolve_input

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 12


def put(folder: Path, *names: str, data: bytes = PNG) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def below(folder: Path, **settings: bool) -> tuple[list[str], dict[str, int]]:
    reader = FolderReader(str(folder), PictureFolder(**settings))
    paths = [os.path.relpath(row.fields["image"], folder) for row in reader.rows()]
    return paths, reader.skipped.passed_over


def test_linked_folders_are_followed(tmp_path):
    put(tmp_path, "real/cats/1.png", "real/dogs/2.png", "set/0.png")
    (tmp_path / "set/cats").symlink_to(tmp_path / "real/cats")
    (tmp_path / "set/dogs").symlink_to("../real/dogs")
    assert below(tmp_path / "set") == (["0.png", "cats/1.png", "dogs/2.png"], {})


@pytest.mark.parametrize("target", [".", "..", "a", "../set"])
def test_a_link_that_leads_back_ends_there_and_is_counted(tmp_path, target):
    put(tmp_path, "set/a/1.png")
    (tmp_path / "set/a/loop").symlink_to(tmp_path / "set" / target)
    paths, passed = below(tmp_path / "set")
    assert paths[0] == "a/1.png"
    assert len(paths) <= 2
    assert passed[ignored_files.LINKED] >= 1


def test_folders_that_all_link_to_each_other_end_in_bounded_work(tmp_path):
    names = [f"f{n}" for n in range(12)]
    for name in names:
        put(tmp_path, f"set/{name}/x.png")
    for name in names:
        for other in names:
            (tmp_path / "set" / name / f"to-{other}").symlink_to(tmp_path / "set" / other)
    paths, _ = below(tmp_path / "set")
    assert set(names) <= {path.split("/")[0] for path in paths}
    assert len(paths) <= len(names) ** 3


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("0a1b2c", JPEG),
        ("photo.jpg_large", JPEG),
        ("photo.jpeg.1", JPEG),
        ("2024.05.17", PNG),
        ("picture.image", b"RIFF\0\0\0\0WEBPVP8 "),
        ("x.heics", b"\0\0\0\x18ftypheic\0\0\0\0"),
    ],
)
def test_a_picture_without_a_pictures_ending_is_found_by_its_first_bytes(tmp_path, name, data):
    put(tmp_path, name, data=data)
    put(tmp_path, "notes", "list.dat", data=b"no picture at all")
    assert below(tmp_path) == ([name], {ignored_files.UNKNOWN: 2})


@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        ("@eaDir/000.png", ignored_files.THUMBNAILS),
        (".thumbnails", ignored_files.THUMBNAILS),
        (".@__thumb", ignored_files.THUMBNAILS),
        ("$RECYCLE.BIN", ignored_files.RECYCLED),
        ("#recycle", ignored_files.RECYCLED),
        ("@Recycle", ignored_files.RECYCLED),
        (".Trash-1000", ignored_files.RECYCLED),
        ("lost+found", ignored_files.RECYCLED),
        ("__MACOSX", ignored_files.MACOS),
        (".hidden", ignored_files.HIDDEN),
    ],
)
def test_folders_that_programs_make_are_left_out_by_name_and_an_option_takes_them(
    tmp_path, folder, rule
):
    put(tmp_path, "1.png", f"sub/{folder}/2.png")
    assert below(tmp_path) == (["1.png"], {rule: 1})
    paths, _ = below(tmp_path, takes_all=True)
    assert (len(paths) == 2) == (rule != ignored_files.MACOS)


@pytest.mark.parametrize("mask", ["1-masklabel.png", "1-condlabel.png", "1_mask.png", "1.mask.jpg"])
def test_a_mask_is_left_out_only_beside_its_picture(tmp_path, mask):
    put(tmp_path, mask)
    assert below(tmp_path) == ([mask], {})
    put(tmp_path, "1.jpg")
    assert below(tmp_path) == (["1.jpg"], {ignored_files.MASKS: 1})
    assert len(below(tmp_path, takes_all=True)[0]) == 2


def test_an_apple_double_file_is_never_a_picture(tmp_path):
    put(tmp_path, "1.png", "._1.png")
    assert below(tmp_path, takes_all=True) == (["1.png"], {ignored_files.MACOS: 1})


def test_texts_are_passed_over_without_a_word_and_videos_are_counted(tmp_path):
    put(tmp_path, "1.png", "1.txt", "1.json", "a.mp4", "b.MP4", "c.zip")
    _, passed = below(tmp_path)
    assert passed == {f"{ignored_files.UNKNOWN} (.mp4)": 2, f"{ignored_files.UNKNOWN} (.zip)": 1}


def test_a_pipe_without_an_ending_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    put(tmp_path, "1.png")
    assert below(tmp_path)[0] == ["1.png"]


def test_a_folder_without_pictures_is_an_error_that_says_what_is_there(tmp_path):
    put(tmp_path, "a.mp4", ".thumbnails/1.png")
    with pytest.raises(UsageError, match=r"no picture in this folder \(left out: 1 .*\.mp4\), 1 t"):
        open_reader(tmp_path)


def test_several_folders_and_pictures_are_one_dataset(tmp_path):
    put(tmp_path, "a/1.png", "b/2.png", "c.png")
    spec = resolve_input(str(tmp_path / "a"))
    more = tuple(resolve_input(str(tmp_path / name)) for name in ("c.png", "b"))
    reader = type(spec)(spec.name, spec.path, None, spec.root, (), more).open(ReadOptions())
    rows = list(reader.rows())
    assert [Path(row.fields["image"]).name for row in rows] == ["1.png", "c.png", "2.png"]
    assert [row.index for row in rows] == [0, 1, 2]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "train/metadata.jsonl"])
def test_metadata_beside_the_pictures_is_named_before_anything_is_asked(tmp_path, name):
    put(tmp_path, "1.png", "train/2.png")
    assert FolderReader(str(tmp_path)).notices() == []
    put(tmp_path, name, data=b"{}")
    [notice] = FolderReader(str(tmp_path)).notices()
    assert str(tmp_path / name) in notice
