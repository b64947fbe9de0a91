"""WebDataset: samples of tar shards, and the same shards with captions."""

from __future__ import annotations

import itertools
import json
import os
import tarfile
import tracemalloc

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise
from tests.formats.shards import jpeg, members_in, write_shards, write_tar

LAYOUTS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def rows_of(path, **options):
    return list(open_reader(path, **options).rows())


def captioned(reader, output, added=lambda row: {"caption": f"c{row.index}"}, **options):
    columns = ["caption"] if not callable(added) else list(added(Row(0, {}, "")))
    name = options.pop("format_name", "webdataset")
    writer = writer_for(output, reader, columns, format_name=name, **options)(output)
    for row in reader.rows():
        writer.write(row, added(row))
    writer.close()
    return output


def headers_of(path):
    with tarfile.open(path) as archive:
        return archive.getmembers()


def test_a_sample_is_what_shares_a_name_up_to_the_first_dot(tmp_path):
    path = write_tar(
        tmp_path / "a.tar",
        [
            ("a.b/001.jpg", b"\xff\xd8\xff"),
            ("a.b/001.Txt", b"one"),
            ("a.b/001.seg.png", b"\x89PNG"),
            ("a.b/001.json", b'{"n": 1.10}'),
            ("a.b/001.tags.txt", b"x, y"),
            ("a.b/001.boxes.json", b"[1]"),
            ("a.b/001.npy", b"abc"),
            ("a.b/002.txt", b"two"),
        ],
    )
    first, second = rows_of(path)
    assert dict(first.fields) == {
        "__key__": "a.b/001",
        "image": {"bytes": b"\xff\xd8\xff", "path": "a.b/001.jpg"},
        "caption": "one",
        "seg.png": {"bytes": b"\x89PNG", "path": "a.b/001.seg.png"},
        "json": {"n": 1.1},
        "tags": "x, y",
        "boxes": [1],
        "npy": b"abc",
    }
    assert dict(second.fields) == {"__key__": "a.b/002", "caption": "two"}
    assert second.source == f"{path}, sample a.b/002"


def test_a_field_of_the_json_is_a_column_too(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.json", b'{"url": "u"}')])
    [row] = rows_of(path)
    assert (row.fields["json.url"], "json.url" in row.fields) == ("u", True)
    assert ("json.x" in row.fields, row.fields.get("json.x", 0)) == (False, 0)
    with pytest.raises(KeyError):
        row.fields["json.x"]


def test_a_picture_may_go_by_its_ending(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j"), ("1.seg.png", b"p")])
    [row] = rows_of(path, picture_key="jpg")
    assert list(row.fields) == ["__key__", "jpg", "seg.png"]
    [row] = rows_of(path, picture_key="seg.png")
    assert list(row.fields) == ["__key__", "jpg", "seg.png"]


def test_folders_hidden_files_and_meta_members_are_no_samples(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("x")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("x/1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("x/.hidden.jpg", "README", "__meta__/a.txt", "x/1.txt"):
            archive.addfile(tarfile.TarInfo(name))
    [row] = rows_of(path)
    assert dict(row.fields) == {"__key__": "x/1", "caption": ""}
    output = captioned(open_reader(path), tmp_path / "out.tar", lambda row: {"new": "n"})
    names = [info.name for info in headers_of(output)]
    assert names == [*(info.name for info in headers_of(path)), "x/1.new.txt"]


@promise("round trip", "webdataset shards")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_members_come_out_to_the_byte_with_their_headers(tmp_path, layout):
    names = ["é" * 40, "n" * 150 + "/k", "plain"]
    members = [(f"{name}.{kind}", os.urandom(700)) for name in names for kind in ("jpg", "cls")]
    path = write_tar(tmp_path / "a.tar", members, format=LAYOUTS[layout])
    output = captioned(open_reader(path), tmp_path / "out.tar")
    expected = []
    for number, name in enumerate(names):
        expected += [*members[2 * number : 2 * number + 2], (f"{name}.txt", b"c%d" % number)]
    assert members_in(output) == expected
    raw = path.read_bytes().rstrip(b"\0")
    first = raw.index(members[1][1]) + 1024  # the first sample: headers, contents and padding
    assert output.read_bytes().startswith(raw[:first])
    assert {info.uname for info in headers_of(output)} == {"someone"}


keys = st.text(
    st.characters(exclude_characters="./\0\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30
)
kinds = st.lists(
    st.sampled_from(["jpg", "png", "cls", "npy", "x.bin", "mask.png"]), unique=True, min_size=1
)
samples = st.dictionaries(keys, st.tuples(kinds, st.binary(max_size=1500), st.text()), max_size=6)


@promise("round trip", ".tar", ".tar.gz", "webdataset shards")
@settings(max_examples=150, deadline=None)
@given(samples, st.sampled_from(list(LAYOUTS)), st.sampled_from(["", ".gz", ".zst"]))
def test_whatever_is_in_a_shard_comes_out_as_it_was(tmp_path_factory, samples, layout, packing):
    folder = tmp_path_factory.mktemp("t")
    samples = {k: v for k, v in samples.items() if not (k.startswith("__") and "__" in k[2:])}
    members = [
        (f"{key}.{kind}", data) for key, (kinds, data, _) in samples.items() for kind in kinds
    ]
    path = write_tar(folder / "in.tar", members, format=LAYOUTS[layout])
    texts = [text for _, _, text in samples.values()]
    packed = captioned(
        open_reader(path), folder / f"mid.tar{packing}", lambda row: {"caption": "x"}
    )
    reader = open_reader(packed)

    def added(row):
        return {"caption": texts[row.index] if texts else "", "json.n": [row.index]}

    output = captioned(reader, folder / "out.tar", added)
    expected = []
    for number, (key, (kinds, data, text)) in enumerate(samples.items()):
        expected += [(f"{key}.{kind}", data) for kind in kinds]
        expected += [(f"{key}.txt", text.encode()), (f"{key}.json", b'{"n": [%d]}' % number)]
    assert members_in(output) == expected


def test_captions_as_a_field_of_the_json_touch_no_other_byte(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.json", b'{"b":1.10,"a":  1e400}'), ("1.jpg", b"j")])
    output = captioned(open_reader(path), tmp_path / "out.tar", lambda row: {"json.caption": "é"})
    assert members_in(output) == [
        ("1.json", '{"b":1.10,"a":  1e400, "caption": "é"}'.encode()), ("1.jpg", b"j")
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "left"), [("caption", ["1.jpg"]), ("new", ["1.jpg", "1.txt"])])
def test_a_row_without_a_caption_has_no_member_for_it(tmp_path, key, left):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j"), ("1.txt", b"old")])
    output = captioned(open_reader(path), tmp_path / "out.tar", lambda row: {key: None})
    assert [name for name, _ in members_in(output)] == left


def test_objects_are_json_members(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j")])
    added = {"caption": "c", "caption_meta": {"status": "ok"}}
    output = captioned(open_reader(path), tmp_path / "out.tar", lambda row: added)
    assert members_in(output)[1:] == [("1.txt", b"c"), ("1.caption_meta.json", b'{"status": "ok"}')]
    assert rows_of(output)[0].fields["caption_meta"] == {"status": "ok"}


def test_rows_from_elsewhere_make_samples(tmp_path):
    writer = writer_for(tmp_path / "out.tar", None, ["caption"])(tmp_path / "out.tar")
    picture = {"bytes": jpeg(1), "path": "x/y.JPEG"}
    rows = [
        {"image": picture, "mask": b"\x89PNG..", "n": 1, "caption": "old"},
        {"__key__": "a/k", "jpg": b"\xff\xd8\xff", "image": "p.jpg"},
    ]
    for index, row in enumerate(rows):
        writer.write(Row(index, row, f"row {index}"), {"caption": f"c{index}"})
    writer.close()
    assert members_in(tmp_path / "out.tar") == [
        ("000000000.jpeg", jpeg(1)), ("000000000.mask.png", b"\x89PNG.."),
        ("000000000.json", b'{"n": 1}'), ("000000000.txt", b"c0"),
        ("a/k.jpg", b"\xff\xd8\xff"), ("a/k.json", b'{"image": "p.jpg"}'), ("a/k.txt", b"c1"),
    ]  # fmt: skip


def test_a_key_with_a_dot_is_refused(tmp_path):
    writer = writer_for(tmp_path / "out.tar", None, [])(tmp_path / "out.tar")
    with pytest.raises(OutputError, match=r"row 0: .*'a\.b'"):
        writer.write(Row(0, {"__key__": "a.b"}, "row 0"), {})
    writer.discard()


@promise("fields", "webdataset shards")
def test_members_can_be_left_out(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j"), ("1.json", b"{}"), ("1.cls", b"7")])
    output = captioned(
        open_reader(path), tmp_path / "out.tar", choice=FieldFilter(drop=frozenset({"json"}))
    )
    assert [name for name, _ in members_in(output)] == ["1.jpg", "1.cls", "1.txt"]


@promise("clear errors", "webdataset shards")
@pytest.mark.parametrize("cut", [10, 511, 512, 600, 1000, 1030, 2048, 2600])
def test_a_cut_shard_says_where(tmp_path, cut):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j" * 500), ("2.jpg", b"k" * 500)])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"a\.tar"):
        rows_of(path)


@promise("clear errors", "webdataset shards")
def test_a_damaged_header_is_no_quiet_end(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j"), ("2.jpg", b"k"), ("3.jpg", b"l")])
    data = bytearray(path.read_bytes())
    data[1024 + 150] ^= 1  # in the checksum of the second header
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tar, byte 1024: the archive is damaged"):
        rows_of(path)


@promise("clear errors", "webdataset shards")
def test_two_archives_in_one_file_are_no_quiet_loss(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"j")])
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match="damaged"):
        rows_of(path)


def test_what_is_no_archive_is_said_to_be_none(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match="no tar archive"):
        rows_of(path)


@promise("clear errors", "webdataset shards")
@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("2.json", b"{x"), r"a\.tar, sample 2, 2\.json: invalid JSON"),
        (("2.txt", b"\xff"), r"a\.tar, sample 2, 2\.txt: the text is not UTF-8"),
        (("2.jpg", b"again"), r"a\.tar, sample 2: two members are called \.jpg"),
    ],
)
def test_a_bad_sample_is_told_or_left_out(tmp_path, member, message):
    members = [("1.jpg", b"1"), ("2.jpg", b"2"), member, ("3.jpg", b"3")]
    path = write_tar(tmp_path / "a.tar", members)
    with pytest.raises(InputError, match=message):
        rows_of(path, picture_key="jpg")
    reader = open_reader(path, skip_bad_rows=True, picture_key="jpg")
    rows = list(reader.rows())
    assert [(row.index, row.fields["__key__"]) for row in rows] == [(0, "1"), (1, "3")]
    assert reader.skipped.count == 1


def test_the_rest_of_a_damaged_shard_is_left_out_when_asked(tmp_path):
    folder = write_shards(tmp_path / "in", 3, 2)
    damaged = folder / "00001.tar"
    damaged.write_bytes(damaged.read_bytes()[:-9000][:3000])
    reader = open_reader(folder, skip_bad_rows=True)
    keys = [row.fields["__key__"] for row in reader.rows()]
    assert keys == ["000000000", "000000001", "000020000", "000020001"]
    assert reader.skipped.count == 1
    assert reader.skipped.listed[0].source.startswith(f"{damaged}, byte ")


@promise("constant memory", "webdataset shards")
def test_a_shard_of_many_samples_takes_the_memory_of_one(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(f"{n}.jpg", b"x" * 1_000_000) for n in range(40)])
    tracemalloc.start()
    try:
        captioned(open_reader(path), tmp_path / "out.tar")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


@promise("several files", "webdataset shards")
@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("{00000..00002}.tar", [0, 1, 2]),
        ("{00002..00001}.tar", [2, 1]),
        ("0000{0,2}.tar", [0, 2]),
        ("*.tar", [0, 1, 2]),
        ("", [0, 1, 2]),
        ("00001.tar", [1]),
    ],
)
def test_names_stand_for_several_shards(tmp_path, name, files):
    folder = write_shards(tmp_path / "in", 3, 1)
    keys = [row.fields["__key__"] for row in rows_of(os.path.join(folder, name))]
    assert keys == [f"{number:05}0000" for number in files]


def test_a_shard_that_braces_name_must_be_there(tmp_path):
    folder = write_shards(tmp_path / "in", 2, 1)
    with pytest.raises(UsageError, match=r"00002\.tar: no such file"):
        rows_of(folder / "{00000..00002}.tar")
    with pytest.raises(UsageError, match="no file fits"):
        rows_of(folder / "x*.tar")


@promise("round trip", "webdataset shards")
def test_shards_keep_their_names_and_order(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 3, 2, ".tar.gz"))
    output = captioned(reader, tmp_path / "out")
    assert sorted(os.listdir(output)) == ["00000.tar.gz", "00001.tar.gz", "00002.tar.gz"]
    assert [row.fields["caption"] for row in rows_of(output)] == [f"c{n}" for n in range(6)]


@promise("resume", "webdataset shards")
def test_a_finished_shard_is_not_written_again(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 3, 2))
    output = tmp_path / "out"
    writer = writer_for(output, reader, ["caption"], format_name="webdataset")(output)
    for row in list(reader.rows())[:5]:
        writer.write(row, {"caption": f"c{row.index}"})
    writer.discard()  # in the middle of the third
    assert sorted(os.listdir(output)) == ["00000.tar", "00001.tar"]
    before = [(output / name).stat().st_ino for name in ("00000.tar", "00001.tar")]
    captioned(reader, output)
    after = [(output / name).stat().st_ino for name in ("00000.tar", "00001.tar")]
    assert after == before
    assert [row.fields["caption"] for row in rows_of(output)] == [f"c{n}" for n in range(6)]
    everything = {path.name: path.stat().st_ino for path in output.iterdir()}
    captioned(reader, output)
    assert {path.name: path.stat().st_ino for path in output.iterdir()} == everything


@promise("resume", "webdataset shards")
def test_a_shard_whose_captions_are_others_is_written_again(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 3, 2))
    output = captioned(reader, tmp_path / "out")
    before = {path.name: path.stat().st_ino for path in output.iterdir()}
    captioned(reader, output, lambda row: {"caption": "new" if row.index == 3 else f"c{row.index}"})
    after = {path.name: path.stat().st_ino for path in output.iterdir()}
    assert [name for name in sorted(after) if after[name] != before[name]] == ["00001.tar"]
    captions = [row.fields["caption"] for row in rows_of(output)]
    assert captions == ["c0", "c1", "c2", "new", "c4", "c5"]


@promise("empty", "webdataset shards")
def test_a_shard_without_samples_stays_one(tmp_path):
    """Where every download failed, img2dataset leaves such; loaders name shards by their number."""
    folder = write_shards(tmp_path / "in", 2, 2)
    write_tar(folder / "00000.5.tar", [])
    write_tar(folder / "00002.tar", [])
    output = captioned(open_reader(folder), tmp_path / "out")
    names = ["00000.5.tar", "00000.tar", "00001.tar", "00002.tar"]
    assert sorted(os.listdir(output)) == names
    assert [len(members_in(output / name)) for name in names] == [0, 6, 6, 0]
    assert len(rows_of(output)) == 4


def test_shards_that_a_run_did_not_get_to_are_not_written(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 3, 2))
    output = tmp_path / "out"
    writer = writer_for(output, reader, ["caption"], format_name="webdataset")(output)
    for row in itertools.islice(reader.rows(), 2):
        writer.write(row, {"caption": "c"})
    writer.close()
    assert os.listdir(output) == ["00000.tar"]


def test_a_shard_that_was_touched_is_written_again(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 2, 2))
    output = captioned(reader, tmp_path / "out")
    (output / "00000.tar").write_bytes(b"")
    with open(tmp_path / "out.shards", "a") as notes:
        notes.write('{"shard": "00001.t')  # a kill in the middle of a note
    captioned(reader, output)
    assert [row.fields["caption"] for row in rows_of(output)] == ["c0", "c1", "c2", "c3"]


def test_a_folder_of_shards_is_not_written_in_parts(tmp_path):
    reader = open_reader(write_shards(tmp_path / "in", 2, 1))
    with pytest.raises(UsageError, match="a folder has files of its own; leave --rows-per-file"):
        writer_for(tmp_path / "out", reader, [], format_name="webdataset", rows_per_file=2)


def test_what_cannot_be_a_folder_of_shards_is_refused(tmp_path):
    folder = write_shards(tmp_path / "in", 2, 1)
    with pytest.raises(UsageError, match="the folder of the input"):
        captioned(open_reader(folder), folder)
    (tmp_path / "more").mkdir()
    os.link(folder / "00000.tar", tmp_path / "more" / "00000.tar")
    several = open_reader(f"{tmp_path}/{{in,more}}/00000.tar")
    with pytest.raises(UsageError, match=r"two shards are called 00000\.tar"):
        captioned(several, tmp_path / "out")
    lines = tmp_path / "a.jsonl"
    lines.write_text("{}\n")
    with pytest.raises(UsageError, match="only a WebDataset"):
        captioned(open_reader(lines), tmp_path / "out")


def test_what_webdataset_writes_is_read(tmp_path):
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as sink:
        for number in range(3):
            sink.write(
                {"__key__": f"k{number}", "jpg": jpeg(number), "json": {"n": number}, "txt": "é"}
            )
    rows = rows_of(tmp_path / "a.tar")
    assert [row.fields["json.n"] for row in rows] == [0, 1, 2]
    assert [row.fields["image"]["bytes"] for row in rows] == [jpeg(n) for n in range(3)]
    assert json.dumps(rows[0].fields["caption"]) == '"\\u00e9"'


def test_two_rows_of_one_key_would_be_one_sample_and_are_refused(tmp_path):
    writer = writer_for(tmp_path / "a.tar", None, ["caption"])(tmp_path / "a.tar")
    writer.write(Row(0, {"__key__": "a", "n": 1}, "row 0"), {"caption": "A."})
    writer.write(Row(1, {"__key__": "b", "n": 2}, "row 1"), {"caption": "B."})
    with pytest.raises(OutputError, match=r"row 2: has the key b of the row before it.*--drop"):
        writer.write(Row(2, {"__key__": "b", "n": 3}, "row 2"), {"caption": "C."})
    writer.discard()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_json_of_a_sample_keeps_its_digits_in_other_formats(tmp_path, name):
    meta = b'{"x": 1e400, "p": 1.10, "big": 1180591620717411303424}'
    write_tar(tmp_path / "in.tar", [("0.jpg", jpeg(0)), ("0.json", meta)])
    reader = open_reader(tmp_path / "in.tar")
    writer = writer_for(tmp_path / name, reader, ["caption"])(tmp_path / name)
    for row in reader.rows():
        writer.write(row, {"caption": "A."})
    writer.close()
    assert meta in (tmp_path / name).read_bytes().replace(b'""', b'"')
