"""Rows that the reader left out: told of in the errors file and the summary."""

from __future__ import annotations

import dataclasses

import pytest

from dataflow.core.protocols import dataset as core_dataset
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.serving.fake import FakeServing


@pytest.fixture
def skipping_plan(dataset, width_of):
    """A run over good and bad lines in turn, into a file of the given name."""

    def make(name="out.jsonl", **more):
        dataset.add(4)
        dataset.path.write_text(dataset.path.read_text().replace("\n", "\nbad\n"))
        dataset.output = dataset.folder / name
        reader = open_reader(dataset.path, skip_bad_rows=True)
        open_writer = writer_for(dataset.output, reader, ["caption"])
        output = Output(dataset.output, [Column("caption")], open_writer)
        plan = dataset.plan(FakeServing(width_of), **more)
        return dataclasses.replace(plan, reader=reader, output=output)

    return make


def test_beyond_the_most_that_are_listed_they_are_counted(skipping_plan, dataset, monkeypatch):
    monkeypatch.setattr(core_dataset, "MAX_LISTED", 3)
    summary = run(skipping_plan())
    assert (summary.rows, summary.captioned, summary.skipped) == (4, 4, 4)
    errors = dataset.errors()
    assert len(errors) == 4
    assert errors[-1]["message"] == "1 more rows cannot be read and were left out"


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_writer_that_reads_the_dataset_first_does_not_list_them_twice(skipping_plan, name):
    assert run(skipping_plan(name)).skipped == 4


def test_a_limit_counts_good_rows(skipping_plan):
    summary = run(skipping_plan(limit=2))
    assert (summary.rows, summary.skipped) == (2, 1)
