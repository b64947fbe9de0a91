"""Folders of tables: img2dataset's, and those of Hugging Face's save_to_disk."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.output_spec import output_format, writer_for
from dataflow.formats.registry import open_reader
from tests.formats.promises import promise
from tests.formats.shards import jpeg

FEATURES = {"image": {"_type": "Image"}, "label": {"dtype": "int64", "_type": "Value"}}


def captioned(reader, output, **options):
    writer = writer_for(output, reader, ["caption"], **options)(output.with_name("part"))
    for row in reader.rows():
        writer.write(row, {"caption": f"c{row.index}"})
    writer.close()
    writer.commit(output)
    return output


def downloaded(folder, kind):
    """What img2dataset leaves: the fourth of each six downloads failed."""
    folder.mkdir()
    for shard in range(2):
        rows = []
        for number in range(6):
            key, done = f"{shard:05}{number:04}", number != 3
            row = {"url": f"http://x/{key}", "key": key, "width": 64 if done else None}
            row["status"] = "success" if done else "failed_to_download"
            row["error_message"] = None if done else "404"
            if kind == "parquet":
                row["jpg"] = jpeg(shard * 6 + number) if done else None
            elif done:
                (folder / f"{shard:05}").mkdir(exist_ok=True)
                (folder / f"{shard:05}" / f"{key}.jpg").write_bytes(jpeg(shard * 6 + number))
            rows.append(row)
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{shard:05}.parquet")
        (folder / f"{shard:05}_stats.json").write_text("{}")
    return folder


@promise("round trip", "img2dataset")
@pytest.mark.parametrize("kind", ["parquet", "files"])
def test_downloads_are_rows_with_their_pictures(tmp_path, kind):
    reader = open_reader(downloaded(tmp_path / "in", kind))
    rows = list(reader.rows())
    assert [row.index for row in rows] == [*range(12)]
    assert rows[7].source == f"{tmp_path / 'in' / '00001.parquet'}, row 1"
    assert reader.count() == 12
    for row in rows:
        picture = row.fields["image"]
        if row.index % 6 == 3:
            assert picture is None
        elif kind == "parquet":
            assert picture == {"bytes": jpeg(row.index), "path": f"{row.fields['key']}.jpg"}
        else:
            assert (tmp_path / "in" / picture).read_bytes() == jpeg(row.index)
            assert reader.folder() == str(tmp_path / "in")
    output = captioned(reader, tmp_path / "out.parquet")
    given = pa.concat_tables(
        [pq.read_table(p) for p in sorted((tmp_path / "in").glob("*.parquet"))]
    )
    written = pq.read_table(output)
    assert written.drop_columns("caption").equals(given)
    assert written["caption"].to_pylist() == [f"c{n}" for n in range(12)]


@promise("clear errors", "img2dataset")
@pytest.mark.parametrize("damage", ["cut", "middle", "other types"])
def test_what_is_wrong_with_a_download_is_told_with_its_file(tmp_path, damage):
    folder = downloaded(tmp_path / "in", "files")
    bad = folder / "00001.parquet"
    data = bad.read_bytes()
    if damage == "other types":
        pq.write_table(pa.table({"key": [1], "status": [True]}), bad)
    else:
        bad.write_bytes(data[:-50] if damage == "cut" else data[:4] + b"\xff" * 99 + data[103:])
    with pytest.raises(InputError, match=r"in/00001\.parquet"):
        list(open_reader(folder).rows())


def test_any_folder_of_parquet_is_one_dataset(tmp_path):
    (tmp_path / "in").mkdir()
    for number in (1, 0):
        pq.write_table(pa.table({"a": [number]}), tmp_path / "in" / f"train-{number}.parquet")
    assert [dict(row.fields) for row in open_reader(tmp_path / "in").rows()] == [{"a": 0}, {"a": 1}]


def save(folder, rows=5, files=2):
    """A folder as ``datasets`` 4 saves it."""
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(
        [{"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, "label": n} for n in range(rows)]
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
    names = [f"data-{number:05}-of-{files:05}.arrow" for number in range(files)]
    for number, name in enumerate(names):
        part = table.slice(
            number * rows // files, (number + 1) * rows // files - number * rows // files
        )
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(part, max_chunksize=2)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    info = {"description": "pictures", "features": FEATURES, "splits": {"train": {}}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


@promise("round trip", "saved folder")
def test_a_saved_folder_keeps_types_and_metadata(tmp_path):
    reader = open_reader(save(tmp_path / "in"))
    output = captioned(
        reader, tmp_path / "out", format_name=output_format(str(tmp_path / "in"), "out")
    )
    again = open_reader(output)
    assert again.schema().metadata == reader.schema().metadata
    assert [dict(row.fields) for row in again.rows()] == [
        {**row.fields, "caption": f"c{row.index}"} for row in reader.rows()
    ]
    info = json.loads((output / "dataset_info.json").read_text())
    assert info == {"description": "pictures"}


@promise("resume", "saved folder")
def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path):
    reader = open_reader(save(tmp_path / "in"))
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "half.arrow").touch()
    for _ in range(2):  # the second takes the first one's place
        output = captioned(reader, tmp_path / "out", format_name="saved")
        assert sorted(path.name for path in output.iterdir()) == [
            "data-00000-of-00001.arrow", "dataset_info.json", "state.json"
        ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_abandoning_leaves_nothing(tmp_path):
    reader = open_reader(save(tmp_path / "in"))
    writer = writer_for(tmp_path / "out", reader, ["caption"], format_name="saved")(tmp_path / "p")
    writer.write(next(reader.rows()), {"caption": "x"})
    writer.discard()
    writer.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@promise("empty", "saved folder")
def test_no_rows_make_a_folder_without_rows(tmp_path):
    reader = open_reader(save(tmp_path / "in", rows=0))
    assert list(open_reader(captioned(reader, tmp_path / "out", format_name="saved")).rows()) == []


@promise("clear errors", "saved folder")
def test_what_is_wrong_with_a_saved_folder_is_told(tmp_path):
    folder = save(tmp_path / "in")
    state = (folder / "state.json").read_text()
    for text, message in [
        ("{", "invalid JSON"), ("[]", "an object"), ("{}", "lists no files"),
        (state.replace("data-00000", "../data-00000"), "lists no files of its own folder"),
    ]:  # fmt: skip
        (folder / "state.json").write_text(text)
        with pytest.raises(InputError, match=rf"state\.json: .*{message}"):
            open_reader(folder)
    (folder / "state.json").write_text(state)
    data = folder / "data-00001-of-00002.arrow"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(InputError, match="data-00001-of-00002"):
        list(open_reader(folder).rows())
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match=r"several splits \(train, test\).*in/train"):
        open_reader(folder)


def test_a_folder_is_not_written_in_parts(tmp_path):
    reader = open_reader(save(tmp_path / "in"))
    with pytest.raises(UsageError, match="--rows-per-file"):
        writer_for(tmp_path / "out", reader, [], format_name="saved", rows_per_file=2)
