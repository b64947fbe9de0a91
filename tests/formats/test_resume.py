"""A run that stopped in the middle goes on there, whatever the format."""

from __future__ import annotations

import re

import pytest

from dataflow.core.errors import WrongKeyError
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing
from tests.formats.promises import promise

ROWS = [{"id": f"{n:04}", "question": f"What is number {n}?"} for n in range(30)]


def answer_to(request, _pictures):
    return f"It is {re.search(r'[0-9]+', request.turns[0].parts[0])[0]}."


def plan_of(opened, source, output, member, serving):
    reader = opened(source)
    open_writer = writer_for(output, reader, ["answer"], format_name=member.format_name)
    return Plan(
        reader=reader,
        requests_of=RowRequests(image_key=None, prompt_key="question"),
        serving=serving,
        output=Output(output, [Column("answer")], open_writer),
    )


def open_answer(member):
    """What the format holds for a row that has no answer yet."""
    if member.leaves_out_null:
        return {}
    return {"answer": None if member.has_null else ""}


@promise("resume")
def test_a_run_that_stops_in_the_middle_goes_on_there(save, load, opened, ending, member, tmp_path):
    source = save(ending, ROWS)
    output = source.with_name(source.name.replace("data", "out"))

    def stop_at_the_12th(request, pictures):
        return answer_to(request, pictures) if stopped.asked <= 12 else WrongKeyError("no key")

    stopped = FakeServing(stop_at_the_12th, max_workers=1)
    with pytest.raises(WrongKeyError):
        run(plan_of(opened, source, output, member, stopped))
    so_far = load(output)
    assert sum("It is" in (row.get("answer") or "") for row in so_far) == 12
    for n, (row, found) in enumerate(zip(ROWS, so_far, strict=True)):
        assert found in ({**row, "answer": f"It is {n}."}, {**row, **open_answer(member)})
    again = FakeServing(answer_to)
    summary = run(plan_of(opened, source, output, member, again))
    assert (summary.captioned, again.asked) == (30, 18)
    assert load(output) == [{**row, "answer": f"It is {n}."} for n, row in enumerate(ROWS)]
    assert not list(tmp_path.glob("*.part*"))
