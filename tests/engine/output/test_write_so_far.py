"""A look at any time: what is there is written, null for what is open; then the run resumes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.core.errors import StopRunError
from dataflow.engine.output.write_so_far import write_so_far
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


def failing_after(width_of, count):
    asked = []

    def answer(request, pictures):
        asked.append(1)
        if len(asked) > count:
            raise StopRunError("no more")
        return width_of(request, pictures)

    return answer


@pytest.fixture
def stopped(dataset, width_of):
    dataset.add(6)
    with pytest.raises(StopRunError):
        run(dataset.plan(FakeServing(failing_after(width_of, 3), max_workers=1)))
    return dataset


def assert_three_are_right(captions) -> None:
    """Three rows have their captions, whichever were asked first; the others have none."""
    assert all(text in (None, f"width {32 + n}") for n, text in enumerate(captions))
    assert sum(text is not None for text in captions) == 3


def test_what_is_answered_is_written_and_the_rest_is_null(stopped, width_of):
    assert not stopped.output.exists()
    plan = stopped.plan(FakeServing(width_of))
    counts = write_so_far(replace(plan, output=replace(plan.output, tag=".1")))
    assert_three_are_right(stopped.captions())
    assert (counts.captioned, counts.failed) == (3, {"open": 3})
    assert not list(stopped.folder.glob("out.jsonl.dataflow/*.part"))


def test_the_run_resumes_to_the_same_end_as_an_unbroken_one(stopped, width_of):
    write_so_far(stopped.plan(FakeServing(width_of)))
    later = FakeServing(width_of)
    run(stopped.plan(later))
    assert later.asked == 3
    assert stopped.captions() == [f"width {32 + n}" for n in range(6)]
    assert not list(stopped.folder.glob("out.jsonl.2*")), "what we wrote ourselves is replaced"


def test_another_model_or_prompt_needs_no_asking(stopped, width_of):
    write_so_far(stopped.plan(FakeServing(width_of, model="none"), system_prompt="Another."))
    assert_three_are_right(stopped.captions())


def test_a_look_is_no_run_and_keeps_what_was_edited(stopped, width_of):
    from dataflow.engine.reporting.status import status_of
    from dataflow.formats.registry import open_reader

    before = status_of(stopped.output).started
    plan = stopped.plan(FakeServing(width_of))
    output = replace(plan.output, read_back=lambda: open_reader(stopped.output).rows())
    plan = replace(plan, output=output)
    write_so_far(plan)
    first = next(text for text in stopped.captions() if text)
    stopped.output.write_text(stopped.output.read_text().replace(first, "by hand"))
    write_so_far(plan)
    assert "by hand" in stopped.captions()
    assert first not in stopped.captions()
    assert status_of(stopped.output).started == before
