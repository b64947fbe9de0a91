"""The registry finds the format, imports it late, and says what it knows."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import ending_of, open_reader


def test_importing_the_registry_imports_no_heavy_package():
    code = "import sys, dataflow.formats.registry; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pyarrow", "pandas", "numpy", "ijson", "orjson", "pickle", "csv"}
    assert heavy.isdisjoint(done.stdout.split())


def test_no_format_but_parquet_imports_pyarrow(tmp_path):
    code = (
        "import sys, pathlib\n"
        "from dataflow.formats.output_spec import writer_for\n"
        "from dataflow.formats.registry import open_reader\n"
        "for end in ('.json', '.jsonl', '.csv'):\n"
        "    path = pathlib.Path(sys.argv[1]) / f'x{end}'\n"
        "    path.write_text('')\n"
        "    list(open_reader(path).rows())\n"
        "    writer_for(path, None, ['c'])(path).close()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert {"pyarrow", "pandas", "numpy"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("name", FORMATS)
def test_every_entry_names_classes_that_exist(name):
    for where in filter(None, (FORMATS[name].reader, FORMATS[name].writer)):
        module, _, attribute = where.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))


def test_no_ending_belongs_to_two_formats():
    endings = [ending for known in FORMATS.values() for ending in known.endings]
    assert len(endings) == len(set(endings))


@pytest.mark.parametrize(
    ("path", "ending"),
    [("a/B.JSONL", ".jsonl"), ("a.CSV.Gz", ".csv.gz"), ("a.gz", ".gz"), ("a", ""), (".csv", "")],
)
def test_the_ending_of_a_path_is_in_lower_case(path, ending):
    assert ending_of(path) == ending


def test_a_missing_path_is_an_error_that_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"nowhere.jsonl: no such file.*starts at {tmp_path}"):
        open_reader("nowhere.jsonl")


def test_an_unknown_ending_is_an_error_that_lists_the_known(tmp_path):
    (tmp_path / "x.xlsx").touch()
    with pytest.raises(InputError, match=r"'\.xlsx' is no known format.*\.jsonl.*\.parquet.*\.jpg"):
        open_reader(tmp_path / "x.xlsx")


@pytest.mark.parametrize("ending", ["xlsx", "XLS", "ods", "sqlite3", "pkl"])
def test_a_file_of_a_kind_that_is_not_read_names_its_cure(tmp_path, ending):
    (tmp_path / f"x.{ending}").touch()
    cure = {"sqlite3": "export the table", "pkl": "by name"}.get(ending, r"read_excel\(…\)")
    with pytest.raises(InputError, match=cure):
        open_reader(tmp_path / f"x.{ending}")


def test_an_unknown_output_ending_is_a_usage_error_that_lists_the_known():
    with pytest.raises(UsageError, match=r"'\.xlsx'.*\.json .*\.parquet"):
        writer_for("x.xlsx", None, [])


def test_a_pickle_is_never_written():
    with pytest.raises(UsageError, match=r"\.pkl"):
        writer_for("x.pkl", None, [])


def test_a_format_can_be_named_where_the_ending_does_not_tell(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text('{"a": 1}\n')
    rows = open_reader(path, format_name="jsonl").rows()
    assert [row.fields for row in rows] == [{"a": 1}]


def test_an_unknown_format_name_is_a_usage_error_that_lists_the_known(tmp_path):
    with pytest.raises(UsageError, match="'xml'; known: json, jsonl, csv"):
        open_reader(tmp_path, format_name="xml")


def test_a_folder_with_an_ending_is_a_folder(tmp_path):
    (tmp_path / "x.json").mkdir()
    (tmp_path / "x.json" / "a.jpg").write_bytes(b"")
    assert len(list(open_reader(tmp_path / "x.json").rows())) == 1


def test_a_folder_read_as_a_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        list(open_reader(tmp_path, format_name="json").rows())
