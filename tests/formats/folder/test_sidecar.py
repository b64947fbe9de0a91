"""Sidecars: a hand-written caption is never lost, and trainers read what is written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.base.affixes import CaptionAffixes
from dataflow.formats.folder.sidecar import SidecarChange, SidecarFiles
from dataflow.formats.folder.sidecar_backup import SidecarBackup
from dataflow.formats.folder.sidecar_writer import SidecarWriter
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.formats.registry import open_reader
from tests.formats.folder.test_pictures import touch
from tests.formats.promises import promise

ODD = [
    "line\nbreak",
    "both\r\n\r\nof them",
    "\u2028separated\x85",
    ' "quoted", ',
    "👩‍👩‍👧‍👦 é e\u0301",
]


def kohya(folder, ending=".txt"):
    """Each picture's caption as kohya's sd-scripts find it: the first line of the file."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            stem, picture_ending = os.path.splitext(name)
            sidecar = os.path.join(parent, stem + ending)
            if picture_ending in {".jpg", ".png"} and os.path.isfile(sidecar):
                with open(sidecar, encoding="utf-8") as file:
                    found[os.path.relpath(os.path.join(parent, name), folder)] = file.readlines()[
                        0
                    ].strip()
    return found


def one_trainer(path):
    """The captions that OneTrainer would choose from: each line that is not empty."""
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def ai_toolkit(path):
    """The caption as ai-toolkit finds it in a .json."""
    with open(path, encoding="utf-8") as file:
        return json.loads(file.read())["caption"]


@pytest.fixture
def folder(tmp_path):
    touch(tmp_path / "in", "a.jpg", "b.png", "deep/c.jpg")
    return tmp_path / "in"


def write(folder, caption="A cat.", *, only=None, run="run", **options):
    """Caption every picture that is to be captioned; returns the rows."""
    originals = SidecarBackup(folder.parent / "in.originals", run)
    sidecars = SidecarFiles(**options, originals=originals)
    reader = open_reader(folder, sidecars=sidecars)
    rows = list(reader.rows())
    writer = SidecarWriter(sidecars, "image", "caption")
    for row in rows[:only]:
        text = caption(row) if callable(caption) else caption
        writer.write(row, {"caption": text})
    writer.close()
    writer.commit(folder)
    originals.close()
    return rows


def left(folder):
    """Whatever there is that is neither a picture nor a sidecar."""
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    return [n for n in names if not n.endswith((".jpg", ".png", ".txt", ".caption", ".json"))]


@promise("round trip", "sidecars")
@pytest.mark.parametrize("ending", [".txt", ".caption"])
def test_every_picture_gets_a_file_of_its_name_that_trainers_read(folder, ending):
    write(folder, lambda row: f"This is {row.source[-5:]}.", ending=ending)
    assert kohya(folder, ending) == {
        "a.jpg": "This is a.jpg.",
        "b.png": "This is b.png.",
        "deep/c.jpg": "This is c.jpg.",
    }
    assert one_trainer(folder / f"a{ending}") == ["This is a.jpg."]
    assert left(folder) == []


@promise("round trip", "sidecars")
def test_a_json_sidecar_has_a_member_caption(folder):
    write(folder, "A cat\non a mat.", ending=".json")
    assert ai_toolkit(folder / "a.json") == "A cat\non a mat."


@promise("round trip", "sidecars")
def test_the_other_members_of_a_json_sidecar_keep_every_byte(folder):
    mine = b'{ "n": 1.10,\n  "big": 1e400, "n": 00 }'.replace(b"00 ", b"2 ")
    (folder / "a.json").write_bytes(mine)
    write(folder, ending=".json")
    assert (folder / "a.json").read_bytes().startswith(mine[:-2].rstrip())
    assert ai_toolkit(folder / "a.json") == "A cat."


@promise("unicode", "sidecars")
@pytest.mark.parametrize("text", ODD)
def test_a_text_sidecar_is_one_line_of_utf8(folder, text):
    write(folder, text)
    expected = " ".join(text.split()) if text != ' "quoted", ' else '"quoted",'
    assert kohya(folder)["a.jpg"] == expected
    assert len(one_trainer(folder / "a.txt")) == 1


@promise("huge row", "sidecars")
def test_a_caption_of_megabytes_is_a_caption(folder):
    write(folder, "word " * 1_000_000)
    assert len(kohya(folder)["a.jpg"]) == 4_999_999


@promise("empty", "sidecars")
def test_an_empty_folder_is_an_error_and_stays_as_it_is(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match="there is no picture in this folder"):
        write(tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@promise("empty", "sidecars")
def test_a_picture_without_a_caption_gets_no_file(folder):
    write(folder, None)
    assert list(folder.rglob("*.txt")) == []


@promise("resume", "sidecars")
def test_a_picture_that_has_a_caption_is_no_row_and_its_file_is_not_touched(folder):
    (folder / "a.txt").write_text("by hand")
    (folder / "b.txt").write_text("")  # an empty caption may be meant
    before = (folder / "a.txt").stat()
    rows = write(folder)
    assert [row.fields["image"] for row in rows] == [str(folder / "deep" / "c.jpg")]
    assert (folder / "a.txt").stat() == before
    assert (folder / "b.txt").read_text() == ""


def test_the_reader_says_how_many_were_left(folder):
    (folder / "a.txt").write_text("by hand")
    reader = open_reader(folder, sidecars=SidecarFiles())
    assert len(list(reader.rows())) == 2
    assert len(list(reader.rows())) == 2
    assert reader.left == 1


def test_a_caption_that_comes_by_hand_while_the_run_is_under_way_stays(folder):
    sidecars = SidecarFiles()
    row = next(open_reader(folder, sidecars=sidecars).rows())
    (folder / "a.txt").write_text("by hand")
    SidecarWriter(sidecars, "image", "caption").write(row, {"caption": "A cat."})
    assert (folder / "a.txt").read_text() == "by hand"


@pytest.mark.parametrize("links", [True, False])
def test_what_comes_at_the_last_moment_stays_too(folder, monkeypatch, links):
    """Between the last look and the writing, on disks with and without links."""
    sidecars = SidecarFiles()
    real = os.link

    def link(part, path):
        (folder / "a.txt").write_text("by hand")
        if not links:
            raise PermissionError(1, "no links here")
        real(part, path)

    monkeypatch.setattr(os, "link", link)
    sidecars.put(str(folder / "a.jpg"), "A cat.")
    assert (folder / "a.txt").read_text() == "by hand"
    assert left(folder) == []


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ("append", "1girl, solo, A cat."),
        ("prepend", "A cat., 1girl, solo"),
        ("overwrite", "A cat."),
        ("skip", "1girl, solo"),
    ],
)
@pytest.mark.parametrize("ending", [".txt", ".json"])
def test_what_is_done_about_a_caption_that_is_there(folder, existing, expected, ending):
    text = "1girl, solo\n" if ending == ".txt" else '{"tags": 1, "caption": "1girl, solo"}'
    (folder / f"a{ending}").write_text(text)
    write(folder, existing=existing, ending=ending)
    path = folder / f"a{ending}"
    assert (ai_toolkit(path) if ending == ".json" else path.read_text().strip()) == expected
    other = folder / f"b{ending}"
    assert (ai_toolkit(other) if ending == ".json" else other.read_text()) == "A cat."


def test_a_row_tells_the_caption_that_is_there(folder):
    (folder / "a.txt").write_text("\ufeff 1girl, solo \n", encoding="utf-8")
    rows = list(open_reader(folder, sidecars=SidecarFiles(existing="overwrite")).rows())
    assert [row.fields["existing"] for row in rows] == ["1girl, solo", "", ""]


@promise("resume", "sidecars")
@pytest.mark.parametrize("existing", ["append", "prepend", "overwrite"])
def test_a_run_that_was_killed_while_it_wrote_goes_on_as_if_it_had_not_begun(folder, existing):
    """What it wrote itself is not taken for what was there."""
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text(f"tags of {name}")
    write(folder, lambda row: f"about {row.fields['existing']}", existing=existing, only=2)
    rows = write(folder, lambda row: f"about {row.fields['existing']}", existing=existing)
    assert [row.fields["existing"] for row in rows] == ["tags of a", "tags of b", ""]
    expected = {
        "append": "tags of a, about tags of a",
        "prepend": "about tags of a, tags of a",
        "overwrite": "about tags of a",
    }
    assert (folder / "a.txt").read_text() == expected[existing]
    again = {path: path.read_text() for path in folder.rglob("*.txt")}
    write(folder, lambda row: f"about {row.fields['existing']}", existing=existing)
    assert {path: path.read_text() for path in folder.rglob("*.txt")} == again


def test_another_run_takes_the_captions_of_the_one_before_for_what_is_there(folder):
    write(folder, "A cat.", existing="append", run="one")
    write(folder, "A red cat.", existing="append", run="two")
    assert (folder / "a.txt").read_text() == "A cat., A red cat."


@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_a_caption_that_stands_there_already_is_not_added_again(folder, existing):
    write(folder, "A cat.", existing=existing, run="one")
    write(folder, "A red cat.", existing=existing, run="two")
    write(folder, "A cat.", existing=existing, run="one")
    assert sorted((folder / "a.txt").read_text().split(", ")) == ["A cat.", "A red cat."]


@pytest.mark.parametrize("existing", ["append", "prepend", "overwrite", "skip"])
def test_a_sidecar_that_was_changed_by_hand_since_stays_byte_for_byte(folder, existing):
    write(folder, "A cat.", existing=existing)
    (folder / "a.txt").write_text("by  hand\n")
    write(folder, "A cat.", existing=existing)
    write(folder, "A dog.", existing=existing)
    assert (folder / "a.txt").read_text() == "by  hand\n"
    assert (folder / "b.txt").read_text() == "A dog."


def changed(folder, existing="skip", **more):
    originals = SidecarBackup(folder.parent / "in.originals", "run")
    return SidecarFiles(existing=existing, originals=originals, **more)


@pytest.mark.parametrize(
    ("existing", "text", "found"),
    [
        ("append", "tags, A lynx.", "A lynx."),
        ("prepend", "A lynx., tags", "A lynx."),
        ("append", "A lynx.", "A lynx."),
        ("overwrite", " A lynx.\n", "A lynx."),
        ("overwrite", "A  cat.", "A  cat."),
        ("overwrite", "", ""),
    ],
)
def test_a_change_by_hand_is_found_without_what_was_there_before(folder, existing, text, found):
    (folder / "a.txt").write_text("tags")
    write(folder, "A cat.", existing=existing)
    files, picture = changed(folder, existing), str(folder / "a.jpg")
    assert files.change(picture) is None
    (folder / "a.txt").write_text(text)
    assert files.change(picture) == SidecarChange(found)
    files.take_in(picture, found)
    assert files.change(picture) is None
    if found:
        files.put(picture, found)
        assert (folder / "a.txt").read_text() == text, "it holds these words already"
    files.close()


def test_a_deleted_file_is_a_change_and_one_that_was_never_written_is_none(folder):
    write(folder, "A cat.", only=1)
    files, picture = changed(folder), str(folder / "a.jpg")
    (folder / "a.txt").unlink()
    assert files.change(picture) == SidecarChange("", is_deleted=True)
    assert files.change(str(folder / "b.png")) is None
    files.take_in(picture, None)
    assert files.change(picture) is None
    files.close()


@pytest.mark.parametrize("before", [None, "tags"])
def test_a_kill_before_the_file_was_written_is_nobodys_change(folder, monkeypatch, before):
    if before:
        (folder / "a.txt").write_text(before)

    def kill(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dataflow.formats.folder.sidecar._replace", kill)
    with pytest.raises(KeyboardInterrupt):
        write(folder, "A cat.", existing="append")
    monkeypatch.undo()
    files = changed(folder, "append")
    assert files.change(str(folder / "a.jpg")) is None
    files.close()
    write(folder, "A cat.", existing="append")
    assert (folder / "a.txt").read_text() == ("tags, A cat." if before else "A cat.")


def test_other_members_of_a_json_that_a_person_changed_stay(folder):
    write(folder, "A cat.", ending=".json")
    (folder / "a.json").write_text('{"caption": "A cat.", "mine": 1}')
    files, picture = changed(folder, ending=".json"), str(folder / "a.jpg")
    assert files.change(picture) == SidecarChange(None)
    files.take_in(picture, None)
    files.put(picture, "A dog.")
    files.close()
    assert json.loads((folder / "a.json").read_text()) == {"caption": "A dog.", "mine": 1}


def test_reading_alone_forgets_nothing_of_another_run(folder):
    (folder / "a.txt").write_text("tags")
    write(folder, "A cat.", existing="overwrite", run="one")
    for run, is_same, text in (("two", False, "A cat."), ("one", True, "tags")):
        originals = SidecarBackup(folder.parent / "in.originals", run)
        found = originals.find(str(folder / "a.txt"))
        assert found is not None
        assert found.is_same_run == is_same
        files = SidecarFiles(existing="overwrite", originals=originals)
        assert files.text(str(folder / "a.jpg")) == text
        originals.close()


@promise("clear errors", "sidecars")
def test_two_pictures_that_would_share_a_sidecar_are_an_error(folder):
    touch(folder, "a-b.jpg", "a/x.jpg", "a.png", "deep/c.webp")
    with pytest.raises(InputError, match=r"in/a\.jpg and .*in/a\.png, .*c\.jpg and .*c\.webp"):
        list(open_reader(folder, sidecars=SidecarFiles()).rows())
    pick = GlobFilter(exclude=("a.png", "*.webp"))
    assert len(list(open_reader(folder, sidecars=SidecarFiles(), pick=pick).rows())) == 5


@promise("clear errors", "sidecars")
@pytest.mark.parametrize(
    ("ending", "data", "problem"),
    [
        (".txt", b"\xff\xfe\x00", "not UTF-8"),
        (".json", b"[1]", "must be a JSON object"),
        (".json", b'{"a": ', "invalid JSON"),
        (".json", b'{"caption": ["x"]}', "is no text"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_an_error_or_left_out(folder, ending, data, problem):
    (folder / f"b{ending}").write_bytes(data)
    sidecars = SidecarFiles(ending=ending, existing="append")
    with pytest.raises(InputError, match=rf"in/b\{ending}: .*{problem}"):
        list(open_reader(folder, sidecars=sidecars).rows())
    reader = open_reader(folder, sidecars=sidecars, skip_bad_rows=True)
    assert len(list(reader.rows())) == 2
    assert reader.skipped.listed[0].source.endswith(f"b{ending}")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(
    ("ending", "text"), [(".txt", "Möwe 🐈, 猫\r\n"), (".json", '{"caption": "Möwe 🐈, 猫"}\r\n')]
)
def test_a_sidecar_with_a_byte_order_mark_is_read_as_the_mark_says(
    folder, ending, text, encoding, big_endian
):
    data = text.encode(encoding)
    if big_endian and encoding != "utf-8-sig":
        data = f"\ufeff{text}".encode(f"{encoding}-be")
    (folder / f"b{ending}").write_bytes(data)
    sidecars = SidecarFiles(ending=ending, existing="append")
    assert len(list(open_reader(folder, sidecars=sidecars).rows())) == 3
    assert sidecars._content.text("b", data) == "Möwe 🐈, 猫"


@promise("constant memory", "sidecars")
def test_captions_are_not_gathered(folder):
    """A sidecar is there as soon as its row was handed over, before the next."""
    sidecars = SidecarFiles()
    writer = SidecarWriter(sidecars, "image", "caption")
    for row in open_reader(folder, sidecars=sidecars).rows():
        writer.write(row, {"caption": "c"})
        assert os.path.exists(os.path.splitext(row.fields["image"])[0] + ".txt")
    writer.discard()
    assert len(list(folder.rglob("*.txt"))) == 3


@promise("several files", "sidecars")
def test_the_pictures_that_a_pattern_stands_for_have_sidecars_and_no_others(folder):
    touch(folder, "deep/more/d.jpg")
    sidecars = SidecarFiles()
    writer = SidecarWriter(sidecars, "image", "caption")
    for row in open_reader(f"{folder}/**/[ac]*.jpg", sidecars=sidecars).rows():
        writer.write(row, {"caption": "A cat."})
    writer.close()
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.txt")} == {
        "a.txt", "deep/c.txt"
    }  # fmt: skip


def test_names_that_are_no_utf8_have_sidecars_too(tmp_path):
    touch(tmp_path / "in", b"x\xff.jpg")
    write(tmp_path / "in", existing="append")
    assert os.listdir(os.fsencode(tmp_path / "in")).count(b"x\xff.txt") == 1


def test_a_name_with_several_dots_loses_its_last_ending_only(tmp_path):
    touch(tmp_path / "in", "a.b.jpg", "a.jpg")
    write(tmp_path / "in")
    assert {path.name for path in (tmp_path / "in").glob("*.txt")} == {"a.b.txt", "a.txt"}


def test_one_picture_can_have_a_sidecar(folder):
    sidecars = SidecarFiles()
    (row,) = open_reader(folder / "a.jpg", sidecars=sidecars).rows()
    SidecarWriter(sidecars, "image", "caption").write(row, {"caption": "A cat."})
    assert (folder / "a.txt").read_text() == "A cat."
    assert list(open_reader(folder / "a.jpg", sidecars=sidecars).rows()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"ending": ".png"},
        {"ending": "."},
        {"ending": "a/b"},
        {"existing": "merge"},
        {"newlines": "x"},
    ],
)
def test_unknown_endings_and_ways_are_refused(wrong):
    with pytest.raises(UsageError, match=r"none of|ending"):
        SidecarFiles(**wrong)


def test_a_full_disk_leaves_what_was_there(folder, monkeypatch):
    from dataflow.core.errors import OutputError

    (folder / "a.txt").write_text("tags")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"a\.txt.*No space left"):
        SidecarFiles(existing="overwrite").put(str(folder / "a.jpg"), "A cat.")
    assert (folder / "a.txt").read_text() == "tags"
    assert left(folder) == []


def test_a_dataset_file_has_no_sidecars(tmp_path):
    (tmp_path / "x.jsonl").write_text("")
    with pytest.raises(UsageError, match="only a folder"):
        open_reader(tmp_path / "x.jsonl", sidecars=SidecarFiles())


@pytest.mark.parametrize("ending", [".captions", ".cap", ".TXT", "txt", "caption", ".md", ".json5"])
def test_a_sidecar_may_have_any_ending_with_or_without_its_dot(folder, ending):
    SidecarFiles(ending).put(str(folder / "a.jpg"), "A cat.")
    assert (folder / f"a.{ending.removeprefix('.')}").read_text() == "A cat."


def test_names_without_a_pictures_ending_have_sidecars_of_their_own():
    beside = SidecarFiles().beside
    assert [beside(name) for name in ("2024.05.17", "2024.05.18", "a.jpg_large", "b.tar.JPG")] == [
        "2024.05.17.txt",
        "2024.05.18.txt",
        "a.txt",
        "b.tar.txt",
    ]


def test_sidecars_go_into_another_folder_of_the_same_shape(folder, tmp_path):
    files = SidecarFiles(root=str(tmp_path / "texts"), base=str(folder))
    files.put(str(folder / "deep" / "c.jpg"), "A cat.")
    assert (tmp_path / "texts" / "deep" / "c.txt").read_text() == "A cat."
    assert not (folder / "deep" / "c.txt").exists()
    assert files.is_left(str(folder / "deep" / "c.jpg"))


def test_line_breaks_become_spaces_or_stay(folder):
    for newlines, text in (("space", "One. - a - b"), ("keep", "One.\n\n- a\n- b")):
        SidecarFiles(existing="overwrite", newlines=newlines).put(
            str(folder / "a.jpg"), "One.\n\n- a\n- b"
        )
        assert (folder / "a.txt").read_text() == text


def test_several_captions_stand_one_a_line(folder):
    SidecarFiles().put(str(folder / "a.jpg"), ["One\ncat.", "Two."])
    assert (folder / "a.txt").read_text() == "One cat.\nTwo."


def test_a_trigger_stands_once_and_is_no_part_of_what_was_there(folder):
    files = SidecarFiles(existing="append", affixes=CaptionAffixes("ohwx", suffix=", 4k"))
    picture, sidecar = str(folder / "a.jpg"), folder / "a.txt"
    files.put(picture, "a cat")
    assert sidecar.read_text() == "ohwx, a cat, 4k"
    assert files.text(picture) == "a cat"
    files.put(picture, "on a mat")
    assert sidecar.read_text() == "ohwx, a cat, on a mat, 4k"


def test_a_file_that_holds_the_trigger_alone_is_no_caption(folder):
    (folder / "a.txt").write_text("ohwx person\n")
    assert SidecarFiles().is_left(str(folder / "a.jpg"))
    files = SidecarFiles(affixes=CaptionAffixes("ohwx person"))
    assert not files.is_left(str(folder / "a.jpg"))


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing", "long name"])
def test_a_sidecar_that_cannot_be_is_the_fault_of_its_picture_alone(folder, kind):
    if kind == "folder":
        (folder / "a.txt").mkdir()
    elif kind == "pipe":
        os.mkfifo(folder / "a.txt")
    elif kind == "link to nothing":
        (folder / "a.txt").symlink_to("nowhere")
    else:
        (folder / ("x" * 251 + ".jpg")).write_bytes(b"")
        (folder / "a.jpg").unlink()
    for existing in ("skip", "append", "overwrite"):
        ending = ".caption" if kind == "long name" else ".txt"
        reader = open_reader(folder, sidecars=SidecarFiles(ending, existing))
        assert len(list(reader.rows())) == 2
        assert reader.skipped.count == 1


def test_a_picture_whose_name_is_as_long_as_can_be_gets_its_sidecar(folder):
    picture = folder / ("x" * 251 + ".jpg")
    picture.write_bytes(b"")
    SidecarFiles().put(str(picture), "A cat.")
    assert picture.with_suffix(".txt").read_text() == "A cat."


def test_all_pairs_that_would_share_a_sidecar_are_left_out_where_bad_rows_are(folder):
    touch(folder, "a.png", "deep/c.webp")
    reader = open_reader(folder, sidecars=SidecarFiles(), skip_bad_rows=True)
    assert [Path(row.fields["image"]).name for row in reader.rows()] == ["b.png"]
    assert reader.skipped.count == 4


@pytest.mark.parametrize("how", ["moved", "copied without times"])
def test_sidecars_are_known_where_the_folder_was_moved_or_copied(folder, how):
    write(folder)
    there = folder.parent / "elsewhere"
    if how == "moved":
        there.mkdir()
        folder.rename(there / "in")
        (folder.parent / "in.originals").rename(there / "in.originals")
    else:
        shutil.copytree(folder.parent, there, copy_function=shutil.copyfile)
    (there / "in" / "a.txt").write_text("A lynx.")
    (there / "in" / "b.txt").unlink()
    sidecars = changed(there / "in")
    assert sidecars.change(str(there / "in" / "a.jpg")) == SidecarChange("A lynx.")
    assert sidecars.change(str(there / "in" / "b.png")) == SidecarChange("", is_deleted=True)
    assert sidecars.change(str(there / "in" / "deep" / "c.jpg")) is None
