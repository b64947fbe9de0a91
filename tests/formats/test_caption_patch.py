"""Some captions of a dataset made anew among all others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.core.column_types import ListType
from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.caption_patch import CaptionPatchWriter, CaptionPosition, FaultyCaptions
from dataflow.formats.existing_captions import open_captions
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

SPOTS = [
    CaptionPosition(1, "caption", 0),
    CaptionPosition(3, "caption", 0),
    CaptionPosition(3, "caption", 2),
]


@pytest.fixture
def data(tmp_path: Path):
    captions = ["a", "b", "c", ["d", "e", "f"], "g"]
    lines = [f'{{"n":{n},  "caption": {json.dumps(text)}}}\n' for n, text in enumerate(captions)]
    (tmp_path / "out.jsonl").write_text("".join(lines))
    return open_captions(str(tmp_path / "out.jsonl"))


def mended(data, path: Path, new: list[str | None]) -> list[str]:
    writer = writer_for(path, data.reader, {"caption": None})(path)
    mending = CaptionPatchWriter(writer, data, key="caption")
    for row, text in zip(FaultyCaptions(data.reader, SPOTS).rows(), new, strict=True):
        mending.write(row, {"caption": text})
    mending.close()
    return path.read_text().splitlines()


def test_a_dataset_of_faulty_captions_has_a_row_for_each(data):
    rows = [*FaultyCaptions(data.reader, SPOTS).rows()]
    assert [(row.index, row.fields["n"], row.raw.spot.number) for row in rows] == [
        (0, 1, 0),
        (1, 3, 0),
        (2, 3, 2),
    ]
    assert rows[1].source.endswith("out.jsonl, line 4")
    assert FaultyCaptions(data.reader, SPOTS).count() == 3


def test_new_captions_stand_among_the_bytes_of_the_others(data, tmp_path: Path):
    assert mended(data, tmp_path / "new.jsonl", ["B", None, "F"]) == [
        '{"n":0,  "caption": "a"}',
        '{"n":1,  "caption": "B"}',
        '{"n":2,  "caption": "c"}',
        '{"n":3,  "caption": ["d", "e", "F"]}',
        '{"n":4,  "caption": "g"}',
    ]


def test_where_no_new_caption_came_the_old_stays_to_the_byte(data, tmp_path: Path):
    old = (tmp_path / "out.jsonl").read_text().splitlines()
    assert mended(data, tmp_path / "new.jsonl", [None, None, None]) == old


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ROWS = st.one_of(
    st.lists(st.none() | TEXTS, min_size=1, max_size=9),
    st.lists(st.lists(st.none() | TEXTS, min_size=1, max_size=3), min_size=1, max_size=9),
)


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet", "arrow"])
@given(rows=ROWS, choice=st.randoms(use_true_random=False))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_captions_are_replaced_and_no_others(tmp_path: Path, ending: str, rows, choice):
    old, new = tmp_path / f"old.{ending}", tmp_path / f"new.{ending}"
    added = {"caption": ListType() if isinstance(rows[0], list) else None}
    writer = writer_for(old, None, added)(old)
    for index, value in enumerate(rows):
        writer.write(Row(index, {"n": str(index)}, ""), {"caption": value})
    writer.close()
    data = open_captions(str(old), columns=["caption"])
    read = [[found.text for found in data.of(row, "caption")] for row in data.reader.rows()]
    places = [
        CaptionPosition(row, "caption", n)
        for row, texts in enumerate(read)
        for n in range(len(texts))
    ]
    spots = sorted(choice.sample(places, choice.randint(1, len(places))))
    data = replace(data, reader=open_reader(old))
    mending = CaptionPatchWriter(writer_for(new, data.reader, added)(new), data, key="c")
    for row in FaultyCaptions(data.reader, spots).rows():
        mending.write(row, {"c": f"new {row.index}" if row.index % 3 else None})
    mending.close()
    for at, (row, _, number) in enumerate(spots):
        read[row][number] = f"new {at}" if at % 3 else read[row][number]
    mended = open_captions(str(new), columns=["caption"])
    found = [[found.text for found in mended.of(row, "caption")] for row in mended.reader.rows()]
    assert found == read
    assert [row.fields["n"] for row in open_reader(new).rows()] == [*map(str, range(len(rows)))]


def test_a_row_that_is_gone_is_told(data, tmp_path: Path):
    gone = [CaptionPosition(9, "caption", 0)]
    with pytest.raises(InputError, match="no row 9 any more"):
        [*FaultyCaptions(data.reader, gone).rows()]
    path = tmp_path / "new.jsonl"
    writer = CaptionPatchWriter(
        writer_for(path, data.reader, {"caption": None})(path), data, key="c"
    )
    row = next(open_reader(tmp_path / "out.jsonl").rows())
    (faulty,) = FaultyCaptions(data.reader, [CaptionPosition(0, "caption", 0)]).rows()
    lost = Row(0, faulty.fields, faulty.source, type(faulty.raw)(gone[0], row))
    with pytest.raises(InputError, match="no row 9 any more"):
        writer.write(lost, {"c": "x"})
    writer.discard()
    assert not path.exists()
