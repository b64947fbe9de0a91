"""What a run would ask, told from the dataset and the journal alone."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from dataflow.billing.price import NoPrice
from dataflow.core.errors import JournalError
from dataflow.engine.columns import Column
from dataflow.engine.estimate.dry_run import dry_run
from dataflow.engine.estimate.estimate import Terms, estimate
from dataflow.engine.plan import Output, Plan
from dataflow.engine.probe import probe
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing


@pytest.fixture
def plan(tmp_path):
    """A run over 100 rows of a Parquet file that holds its pictures, every fourth one twice."""

    def picture(number):
        file = io.BytesIO()
        Image.new("L", (100 + number, 60)).save(file, "PNG")
        return file.getvalue()

    numbers = [number - (number % 4 == 3) for number in range(100)]
    source = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [picture(n) for n in numbers]}), source)
    reader = open_reader(str(source), picture_key="image")
    target = tmp_path / "out.jsonl"
    output = Output(target, [Column("caption")], writer_for(target, reader, ["caption"]))
    return Plan(reader=reader, requests_of=RowRequests(), serving=FakeServing(), output=output)


def test_equal_requests_are_one(plan):
    found = dry_run(plan)
    assert (found.rows, found.read, found.requests, len(found.open)) == (100, 100, 75, 75)
    assert sorted(asked.sizes[0][0] for asked in found.open) == [
        100 + number for number in range(100) if number % 4 != 3
    ]


def test_of_a_large_dataset_the_first_rows_are_read_and_it_says_so(plan):
    found = dry_run(plan, most_rows=40)
    assert (found.rows, found.read, found.requests) == (100, 40, 30)
    told = estimate(found, Terms(rule=None, rule_error=0, price=NoPrice("")), max_side=1024)
    assert told.requests.low < 75 <= told.requests.likely <= told.requests.high


def test_a_limit_is_heeded(plan):
    found = dry_run(replace(plan, limit=10))
    assert (found.rows, found.read) == (10, 10)


def test_probed_rows_are_asked_once_and_answer_for_themselves(plan):
    probe(plan, [1, 49])
    assert plan.serving.asked == 2
    found = dry_run(plan)
    assert (found.done, found.requests) == (2, 73)
    assert {asked.index for asked in found.answered} == {1, 49}
    probe(plan, [1, 49])
    assert plan.serving.asked == 2


def test_a_journal_is_looked_at_without_a_trace(plan):
    probe(plan, [0])
    journal = plan.output.files.journal
    before = journal.read_bytes()
    assert dry_run(plan).done == 1
    assert journal.read_bytes() == before
    assert [path.name for path in journal.parent.iterdir()] == ["journal.sqlite"]
    assert sorted(path.name for path in journal.parent.parent.iterdir()) == [
        "data.parquet",
        "out.jsonl.dataflow",
    ]


def test_a_journal_in_use_is_looked_at_all_the_same(plan):
    from dataflow.engine.journal.journal import Journal

    probe(plan, [0, 5])
    journal = Journal(plan.output.files.journal)
    try:
        assert dry_run(plan).done == 2
    finally:
        journal.close()


def test_what_is_no_journal_is_told(plan):
    plan.output.files.folder.mkdir()
    plan.output.files.journal.write_text("not a journal, but long enough to be one")
    with pytest.raises(JournalError, match="cannot be read"):
        dry_run(plan)
