"""A column of objects, in every format that is written."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from dataflow.core.column_types import ListType
from dataflow.core.row import Row
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader

SHAPE = {"status": "text", "attempts": "int", "seconds": "float", "tokens": {"prompt": "int"}}
NOTHING = {"status": "timeout", "attempts": 0, "seconds": 0.0, "tokens": {"prompt": None}}
SOMETHING = {"status": "ok", "attempts": 2, "seconds": 1.5, "tokens": {"prompt": 900}}


# what is added stands elsewhere than in the row, or only beside a caption
ELSEWHERE = {"files", "coco", "llava", "parquets", "hf", "ms"}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ELSEWHERE])
def test_objects_come_out_as_objects_or_as_their_json(tmp_path, name):
    """The first row knows least, so that no type can be guessed from it."""
    output = tmp_path / f"out.{name}"
    columns = {"caption": None, "meta": SHAPE}
    writer = writer_for(output, None, columns, format_name=name)(output)
    for index, (caption, meta) in enumerate([(None, NOTHING), ("a cat", SOMETHING)]):
        writer.write(
            Row(index, {"id": str(index)}, f"row {index}"), {"caption": caption, "meta": meta}
        )
    writer.close()
    rows = [dict(row.fields) for row in open_reader(output, format_name=name).rows()]
    metas = [row["meta"] for row in rows]
    if name in ("csv", "tsv"):
        metas = [json.loads(meta) for meta in metas]
    assert metas == [NOTHING, SOMETHING]


def test_parquet_types_are_the_shapes_own(tmp_path):
    output = tmp_path / "out.parquet"
    writer = writer_for(output, None, {"meta": SHAPE})(output)
    writer.write(Row(0, {"id": "0"}, "row 0"), {"meta": NOTHING})
    writer.close()
    tokens = pa.struct([("prompt", pa.int64())])
    assert pyarrow.parquet.read_schema(output).field("meta").type == pa.struct(
        [
            ("status", pa.string()),
            ("attempts", pa.int64()),
            ("seconds", pa.float64()),
            ("tokens", tokens),
        ]
    )


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ELSEWHERE])
def test_lists_come_out_as_lists_or_as_their_json(tmp_path, name):
    output = tmp_path / f"out.{name}"
    columns = {"captions": ListType(), "metas": ListType(SHAPE)}
    rows = [
        {"captions": [None, None], "metas": [NOTHING, NOTHING]},
        {"captions": ['a cat, "so"', None], "metas": [SOMETHING, NOTHING]},
    ]
    writer = writer_for(output, None, columns, format_name=name)(output)
    for index, added in enumerate(rows):
        writer.write(Row(index, {"id": str(index)}, f"row {index}"), added)
    writer.close()
    found = [dict(row.fields) for row in open_reader(output, format_name=name).rows()]
    for row, added in zip(found, rows, strict=True):
        for column, wanted in added.items():
            value = json.loads(row[column]) if name in ("csv", "tsv") else row[column]
            assert list(value) == wanted
