"""A row that is dropped is not in the output, whatever its format, and all others are, in order."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.core.protocols.check import Verdict
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.quality.reject_policy import rejects_named
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing

ROWS = 23
DROPPED = {0, 3, 4, 11, 22}


def only_others(text, context):
    return Verdict("unwanted", "") if int(text.split()[1]) - 32 in DROPPED else None


def drop_from(dataset, source, output) -> list[str]:
    reader = open_reader(source)
    plan = Plan(
        reader=reader,
        requests_of=RowRequests(folders=[str(dataset.folder)]),
        serving=FakeServing(lambda request, pictures: f"width {pictures[0].width}"),
        output=Output(output, [Column("caption")], writer_for(output, reader, ["caption"])),
    )
    plan = replace(plan, checks=[only_others], reject_policy=rejects_named("drop", mark=1))
    assert run(plan).dropped == len(DROPPED)
    return [(row.fields["id"], row.fields["caption"]) for row in open_reader(output).rows()]


LEFT = [(f"{n:05d}", f"width {32 + n}") for n in range(ROWS) if n not in DROPPED]


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet", "arrow", "feather"])
def test_from_json_lines_into_any_format(dataset, ending):
    dataset.add(ROWS)
    assert drop_from(dataset, dataset.path, dataset.folder / f"out.{ending}") == LEFT


@pytest.mark.parametrize("group", [4, 100])
def test_from_parquet_whose_slices_are_taken_over(dataset, group):
    dataset.add(ROWS)
    table = pa.table(
        {"id": [f"{n:05d}" for n in range(ROWS)], "image": dataset.names[:ROWS]},
    )
    source = dataset.folder / "data.parquet"
    pq.write_table(table, source, row_group_size=group)
    assert drop_from(dataset, source, dataset.folder / "out.parquet") == LEFT
