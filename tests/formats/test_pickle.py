"""Pickles: only by name, a DataFrame or a list of dicts."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest

from dataflow.core.errors import InputError, MissingPackageError
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

FRAME = pd.DataFrame({"image": ["a.jpg", "b.jpg"], "n": [1, 2], "x": [0.5, np.nan]})


def save(tmp_path, data):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(data))
    return path


def test_a_pickle_is_not_read_by_its_ending(tmp_path):
    path = save(tmp_path, [])
    with pytest.raises(InputError, match="only as format 'pickle' by name"):
        open_reader(path)


@pytest.mark.parametrize("data", [FRAME, FRAME.to_dict("records")])
def test_a_frame_and_a_list_of_dicts_give_the_same_rows(tmp_path, data, capsys):
    reader = open_reader(save(tmp_path, data), format_name="pickle")
    rows = list(reader.rows())
    assert [row.fields["image"] for row in rows] == ["a.jpg", "b.jpg"]
    assert [row.index for row in reader.rows()] == [0, 1]
    assert reader.count() == 2
    assert capsys.readouterr().out == ""


def test_numpy_values_are_written_as_json(tmp_path):
    data = [{"i": np.int64(3), "f": np.float32(0.5), "a": np.array([1.0, np.nan]), "n": pd.NA}]
    data[0]["t"] = pd.NaT
    reader = open_reader(save(tmp_path, data), format_name="pickle")
    output = tmp_path / "out.jsonl"
    writer = writer_for(output, reader, ["caption"])(output)
    for row in reader.rows():
        writer.write(row, {"caption": "c"})
    writer.close()
    assert json.loads(output.read_text()) == {
        "i": 3,
        "f": 0.5,
        "a": [1.0, None],
        "n": None,
        "t": None,
        "caption": "c",
    }


@pytest.mark.parametrize("data", [{"a": 1}, "text", None, [1, 2]])
def test_another_content_is_an_error_that_says_what_is_expected(tmp_path, data):
    with pytest.raises(InputError, match=r"data\.pkl.*dict"):
        list(open_reader(save(tmp_path, data), format_name="pickle").rows())


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(FRAME)[:-20]])
def test_a_damaged_pickle_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data\.pkl"):
        list(open_reader(path, format_name="pickle").rows())


def test_a_missing_package_is_an_error_that_names_the_cure(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(b"cpandas_of_another_world.core\nDataFrame\n.")
    with pytest.raises(MissingPackageError, match="pip install pandas_of_another_world"):
        list(open_reader(path, format_name="pickle").rows())
