"""A pipeline's steps as files."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas
import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.utils.storage import FileStorage

ROWS = [
    {"id": "00123", "n": 1, "x": 1.5, "none": None, "tags": ["a", "b"]},
    {"id": "2", "n": 2, "x": 2.0, "none": None, "tags": []},
]


@pytest.fixture
def storage(tmp_path):
    first = tmp_path / "first.json"
    first.write_text(json.dumps(ROWS))

    def make(cache_type="jsonl"):
        return FileStorage(str(first), str(tmp_path / "cache"), "task", cache_type)

    return make


@pytest.mark.parametrize("use", [lambda s: s.read("dict"), lambda s: s.write([]), FileStorage.read])
def test_reading_or_writing_before_step_says_so(storage, use):
    with pytest.raises(UsageError, match=r"call storage.step\(\)"):
        use(storage())


def test_step_and_reset_count_and_return_the_storage(storage):
    s = storage()
    assert s.operator_step == -1
    assert s.step() is s
    assert s.step().operator_step == 1
    assert s.reset() is s
    assert s.operator_step == -1


@pytest.mark.parametrize("entry", ["in/a-*.jsonl", "in/a-{9..10}.jsonl", "in"])
def test_step_0_may_be_several_files(tmp_path, entry):
    (tmp_path / "in").mkdir()
    for number in (9, 10):
        (tmp_path / "in" / f"a-{number}.jsonl").write_text(json.dumps({"n": number}))
    storage = FileStorage(str(tmp_path / entry), str(tmp_path / "cache"))
    assert storage.step().read("dict") == [{"n": 9}, {"n": 10}]


def test_step_0_reads_the_first_entry_as_it_is(storage):
    assert storage().step().read("dict") == ROWS


TYPES = ["json", "jsonl", "ndjson", "json.zst", "jsonl.gz", "parquet", "arrow", "feather", "pickle"]


@pytest.mark.parametrize("cache_type", TYPES)
def test_what_a_step_writes_the_next_reads(storage, tmp_path, cache_type):
    s = storage(cache_type).step()
    path = s.write(ROWS)
    assert path == str(tmp_path / "cache" / f"task_step1.{cache_type}")
    assert s.step().read("dict") == ROWS


@pytest.mark.parametrize("cache_type", ["csv", "tsv", "csv.bz2"])
def test_tables_keep_every_value_as_text(storage, cache_type):
    s = storage(cache_type).step()
    s.write([{"id": "00123", "caption": None}])
    assert s.step().read("dict") == [{"id": "00123", "caption": ""}]


@pytest.mark.parametrize("cache_type", ["jsonl", "parquet", "feather"])
def test_a_dataframe_goes_in_and_out(storage, cache_type):
    s = storage(cache_type).step()
    frame = s.read()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["id"]) == ["00123", "2"]
    frame["n"] = [5, None]
    s.write(frame)
    rows = s.step().read("dict")
    assert [row["n"] for row in rows] == [5, None]
    assert [list(row["tags"]) for row in rows] == [["a", "b"], []]


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz"])
def test_a_dataframe_of_a_text_table_has_numbers(tmp_path, ending):
    storage = FileStorage("none.json", str(tmp_path), "made", ending)
    storage.operator_step = 0
    storage.write([
        {"id": "007", "n": "3", "x": "0.5", "e": "1e-3", "gap": "4", "text": "12 dogs", "no": ""},
        {"id": "1", "n": "-2", "x": "2", "e": ".5", "gap": "", "text": "3", "no": ""},
    ])  # fmt: skip
    storage.operator_step = 1
    frame = storage.read("dataframe")
    assert frame["n"].dtype.kind == "i"
    assert frame["x"].tolist() == [0.5, 2.0]
    assert frame["e"].tolist() == [0.001, 0.5]
    assert frame["gap"].tolist()[0] == 4
    assert pandas.isna(frame["gap"].tolist()[1])
    assert frame["id"].tolist() == ["007", "1"]
    assert frame["text"].tolist() == ["12 dogs", "3"]
    assert frame["no"].tolist() == ["", ""]
    assert storage.read("dict")[0]["n"] == "3"


def test_an_empty_list_is_an_empty_step(storage):
    s = storage().step()
    s.write([])
    assert s.step().read("dict") == []


def test_a_step_that_was_not_written_names_its_file(storage):
    with pytest.raises(InputError, match=r"task_step1\.jsonl"):
        storage().step().step().read("dict")


def test_a_failed_write_leaves_the_former_step_whole(storage, tmp_path):
    s = storage().step()
    s.write(ROWS)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever kind, the file stays
        s.write([{"x": 1}, {"x": object()}])
    assert s.step().read("dict") == ROWS
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["task_step1.jsonl"]


@pytest.mark.parametrize("cache_type", ["json", "csv", "parquet", "feather", "jsonl.gz"])
@pytest.mark.parametrize("first_type", ["json.gz", "tsv", "arrows", "parquet"])
def test_a_first_entry_of_any_format_goes_through_any(tmp_path, first_type, cache_type):
    rows = [{"id": "00123", "image": "ü.jpg"}, {"id": "2", "image": "b.jpg"}]
    made = FileStorage("none.json", str(tmp_path), "made", first_type)
    made.operator_step = 0
    first = made.write(rows)
    s = FileStorage(first, str(tmp_path), "task", cache_type).step()
    frame = s.read("dataframe")
    s.write(frame.assign(caption=["a", "b"]))
    expected = [{**row, "caption": text} for row, text in zip(rows, "ab", strict=True)]
    assert s.step().read("dict") == expected


def test_a_folder_and_a_pattern_are_first_entries(tmp_path):
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).touch()
    for first, count in ((tmp_path, 2), (tmp_path / "*.png", 1)):
        assert len(FileStorage(str(first), str(tmp_path)).step().read("dict")) == count


@pytest.mark.parametrize("wrong", [{"x": 1}, "text", [1, 2]])
def test_only_rows_can_be_written(storage, wrong):
    with pytest.raises(UsageError, match="list of dicts"):
        storage().step().write(wrong)


def test_unknown_types_are_refused_at_once(tmp_path, storage):
    with pytest.raises(UsageError, match=r"\.json \.jsonl"):
        FileStorage("x", cache_type="xml")
    with pytest.raises(UsageError, match="neither"):
        storage().step().read("list")


def test_a_pickle_is_only_read_when_asked_for_by_name(tmp_path):
    first = tmp_path / "first.pkl"
    pandas.DataFrame(ROWS).to_pickle(first)
    with pytest.raises(InputError):
        FileStorage(str(first)).step().read("dict")
    assert len(FileStorage(str(first), cache_type="pickle").step().read("dict")) == 2


def test_dicts_need_no_pandas(storage, tmp_path):
    script = (
        "import sys; sys.modules['pandas'] = None\n"
        "from dataflow.utils.storage import FileStorage\n"
        "from dataflow.core.errors import MissingPackageError\n"
        f"s = FileStorage({str(tmp_path / 'first.json')!r}, {str(tmp_path)!r}).step()\n"
        "assert len(s.read('dict')) == 2\n"
        "try: s.read()\n"
        "except MissingPackageError as error: assert 'dataframe' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    storage()
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_url_is_no_cache_path(tmp_path):
    with pytest.raises(UsageError, match="is a URL; give a folder here"):
        FileStorage("a.jsonl", cache_path="s3://bucket/cache")


def test_a_dataset_of_the_hub_may_be_the_first_entry(monkeypatch):
    asked = []
    monkeypatch.setattr("dataflow.utils.storage.open_reader", lambda path, **_: asked.append(path))
    FileStorage("hf:someone/eyes").step()._reader("image")
    assert [str(path) for path in asked] == ["hf:someone/eyes"]
