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


def test_step_0_reads_the_first_entry_as_it_is(storage):
    assert storage().step().read("dict") == ROWS


@pytest.mark.parametrize("cache_type", ["json", "jsonl", "pickle"])
def test_what_a_step_writes_the_next_reads(storage, tmp_path, cache_type):
    s = storage(cache_type).step()
    path = s.write(ROWS)
    assert path == str(tmp_path / "cache" / f"task_step1.{cache_type}")
    assert s.step().read("dict") == ROWS


def test_parquet_keeps_values_and_types(storage):
    s = storage("parquet").step()
    s.write(ROWS)
    assert s.step().read("dict") == ROWS


def test_csv_keeps_every_value_as_text(storage):
    s = storage("csv").step()
    s.write([{"id": "00123", "caption": None}])
    assert s.step().read("dict") == [{"id": "00123", "caption": ""}]


def test_a_dataframe_goes_in_and_out(storage):
    s = storage().step()
    frame = s.read()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["id"]) == ["00123", "2"]
    frame["n"] = [5, None]
    s.write(frame)
    rows = s.step().read("dict")
    assert [row["n"] for row in rows] == [5, None]
    assert [row["tags"] for row in rows] == [["a", "b"], []]


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


@pytest.mark.parametrize("wrong", [{"x": 1}, "text", [1, 2]])
def test_only_rows_can_be_written(storage, wrong):
    with pytest.raises(UsageError, match="list of dicts"):
        storage().step().write(wrong)


def test_unknown_types_are_refused_at_once(tmp_path, storage):
    with pytest.raises(UsageError, match="json, jsonl"):
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
