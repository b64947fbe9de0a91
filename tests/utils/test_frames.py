"""Rows as DataFrames: nothing changes on the way there and back, or it is said."""

from __future__ import annotations

import pandas
import pytest

from dataflow.core.errors import InputError, UsageError
from dataflow.utils.frames import frame_of, records_of


def test_whole_numbers_stay_such_where_some_are_missing():
    rows = [{"id": 2**53 + 1, "x": 1.5}, {"id": None, "x": None}, {"x": 2}]
    assert records_of(frame_of(rows))[0]["id"] == 2**53 + 1
    assert records_of(frame_of([{"a": 1}, {}])) == [{"a": 1}, {"a": None}]


def test_numbers_that_are_all_there_have_their_own_type():
    assert frame_of([{"a": 1, "b": 1.5}])["a"].dtype.kind == "i"
    assert frame_of([{"a": 1, "b": 1.5}])["b"].dtype.kind == "f"


@pytest.mark.skipif(int(pandas.__version__.split(".")[0]) < 3, reason="older ones hold any text")
def test_half_of_a_surrogate_pair_is_told():
    with pytest.raises(InputError, match=r"surrogate pair.*read\('dict'\)"):
        frame_of([{"a": "x\ud800"}])


@pytest.mark.parametrize(
    "data",
    [
        [{1: 2, "1": 3}],
        pandas.DataFrame([[1, 2]], columns=["a", "a"]),
        pandas.DataFrame([[1]], columns=[("a", "b")]),
        pandas.DataFrame([[1]], columns=[None]),
    ],
)
def test_columns_that_cannot_be_told_apart_by_name_are_refused(data):
    with pytest.raises(UsageError, match=r"is no text|two columns called"):
        records_of(data)
