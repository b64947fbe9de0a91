"""A look at any time, and at every stop: what is there is written, null for what is open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import FaultAlarmError, LimitReachedError, StopRunError, WrongKeyError
from dataflow.engine.output.write_so_far import write_so_far
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


def failing_after(width_of, count, error=StopRunError("no more")):  # noqa: B008
    asked = []

    def answer(request, pictures):
        asked.append(1)
        if len(asked) > count:
            raise error
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
    stopped.output.unlink()
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


@pytest.mark.parametrize(
    "error", [StopRunError("no more"), LimitReachedError("the limit"), WrongKeyError("no such key")]
)
def test_a_run_that_stops_writes_what_is_answered_by_itself(dataset, width_of, error, caplog):
    dataset.add(6)
    with pytest.raises(type(error)):
        run(dataset.plan(FakeServing(failing_after(width_of, 3, error), max_workers=1)))
    assert_three_are_right(dataset.captions())
    assert "out.jsonl: 3 captions, 3 open" in caplog.text
    assert not (dataset.folder / "out.jsonl.errors.jsonl").exists(), "open rows are no failures"
    later = FakeServing(width_of)
    run(dataset.plan(later))
    assert later.asked == 3
    assert dataset.captions() == [f"width {32 + n}" for n in range(6)]
    assert not list(dataset.folder.glob("out.jsonl.2*"))


def test_the_fault_alarm_leaves_an_output_without_the_texts_that_raised_it(dataset):
    dataset.add(40)
    plan = dataset.plan(FakeServing("! ! ! ! ! ! ! ! ! ! ! !"))
    with pytest.raises(FaultAlarmError):
        run(replace(plan, checks=[*checks_for(CaptionRequirements()).values()]))
    assert dataset.captions() == [None] * 40


def test_a_run_that_got_no_answer_writes_nothing(dataset):
    with pytest.raises(WrongKeyError):
        run(dataset.add(3).plan(FakeServing([WrongKeyError("no such key")] * 3)))
    assert not dataset.output.exists()


def test_a_former_output_stays_where_another_question_was_stopped(dataset, width_of, caplog):
    run(dataset.add(6).plan(FakeServing(width_of)))
    with pytest.raises(StopRunError):
        run(
            dataset.plan(
                FakeServing(failing_after(lambda *_: "new", 3), max_workers=1),
                system_prompt="Another.",
            )
        )
    assert dataset.captions() == [f"width {32 + n}" for n in range(6)]
    assert "stays as a former run wrote it" in caplog.text
    write_so_far(dataset.plan(FakeServing("new"), system_prompt="Another."))
    assert sorted(dataset.captions(), key=str) == [None, None, None, "new", "new", "new"]
    [aside] = dataset.folder.glob("out.jsonl.2*")
    assert "width 37" in aside.read_text()


def test_a_run_from_the_start_that_is_stopped_leaves_the_former_output(dataset, width_of):
    run(dataset.add(6).plan(FakeServing(width_of)))
    with pytest.raises(StopRunError):
        run(dataset.plan(FakeServing(failing_after(width_of, 3), max_workers=1), restart=True))
    assert dataset.captions() == [f"width {32 + n}" for n in range(6)]


def test_an_edit_of_what_was_written_at_a_stop_is_kept(dataset, width_of):
    from dataflow.formats.registry import open_reader

    dataset.add(6)
    plan = dataset.plan(FakeServing(failing_after(width_of, 3), max_workers=1))
    output = replace(plan.output, read_back=lambda: open_reader(dataset.output).rows())
    with pytest.raises(StopRunError):
        run(replace(plan, output=output))
    first = next(text for text in dataset.captions() if text)
    dataset.output.write_text(dataset.output.read_text().replace(first, "by hand"))
    run(replace(plan, output=output, serving=FakeServing(width_of)))
    assert "by hand" in dataset.captions()
    assert None not in dataset.captions()


def test_a_caption_that_was_written_by_hand_into_an_open_row_is_kept(dataset, width_of):
    from dataflow.formats.registry import open_reader

    dataset.add(6)
    plan = dataset.plan(FakeServing(failing_after(width_of, 3), max_workers=1))
    output = replace(plan.output, read_back=lambda: open_reader(dataset.output).rows())
    with pytest.raises(StopRunError):
        run(replace(plan, output=output))
    dataset.output.write_text(dataset.output.read_text().replace("null", '"by hand"', 1))
    run(replace(plan, output=output, serving=FakeServing(width_of)))
    assert dataset.captions().count("by hand") == 1
