"""Before answers are bought again, the run says why, or stops."""

from __future__ import annotations

import os
import shutil

import pytest
from PIL import Image

from dataflow.core.errors import UsageError
from dataflow.engine.pipeline.reuse_check import changes_between
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


@pytest.fixture
def answered(dataset, width_of):
    run(dataset.add(30).plan(FakeServing(width_of)))
    return dataset


def redraw(dataset) -> None:
    for number, name in enumerate(dataset.names):
        Image.new("RGB", (300 + number, 31)).save(dataset.folder / name)


def test_pictures_that_are_all_others_stop_the_run_before_it_spends(answered, width_of):
    redraw(answered)
    serving = FakeServing(width_of)
    with pytest.raises(UsageError, match=r"30 answers .* 0 of them fit .* 30 requests .* --yes"):
        run(answered.plan(serving))
    assert serving.asked == 0


def test_with_yes_the_same_run_goes_on(answered, width_of, caplog):
    redraw(answered)
    serving = FakeServing(width_of)
    run(answered.plan(serving, assume_yes=True))
    assert serving.asked == 30
    assert "30 answers are in the journal" in caplog.text


@pytest.mark.parametrize(("says", "asked"), [(True, 30), (False, 0)])
def test_a_person_who_is_there_decides(answered, width_of, says, asked):
    redraw(answered)
    serving, questions = FakeServing(width_of), []
    plan = answered.plan(serving, confirm=lambda text: questions.append(text) or says)
    if says:
        run(plan)
    else:
        with pytest.raises(UsageError, match="as you decided"):
            run(plan)
    assert serving.asked == asked
    assert len(questions) == 1


def test_a_setting_that_changed_is_named_and_the_run_goes_on(answered, width_of, caplog):
    serving = FakeServing(width_of, model="another")
    run(answered.plan(serving, questions={"caption": "What is it?"}))
    assert serving.asked == 30
    assert "question for caption: not set → 'What is it?'" in caplog.text
    assert "model" in caplog.text


def test_copied_pictures_are_found_by_their_bytes_and_cost_nothing(answered, width_of, caplog):
    for number, name in enumerate(answered.names):
        os.utime(answered.folder / name, (number, number))
    serving = FakeServing(width_of)
    run(answered.plan(serving))
    assert serving.asked == 0
    assert "the bytes are compared" in caplog.text


def test_a_whole_folder_that_is_copied_without_times_asks_nothing(answered, width_of, tmp_path):
    there = tmp_path / "copy"
    shutil.copytree(answered.folder, there, copy_function=shutil.copyfile)
    other = type(answered)(there)
    other.names = answered.names
    serving = FakeServing(width_of)
    run(other.plan(serving))
    assert serving.asked == 0
    assert other.captions() == answered.captions()


def test_added_rows_and_another_order_are_no_reason_to_stop(answered, width_of):
    answered.add(300)
    answered.names.reverse()
    serving = FakeServing(width_of)
    run(answered.write().plan(serving))
    assert serving.asked == 300


def test_a_change_is_told_in_few_words():
    long = "x" * 100
    assert changes_between({"a": "1", "b": long}, {"a": "1", "b": "2"}) == [
        f"b: '{'x' * 59}…' → '2'"
    ]
    assert changes_between(None, {"a": "1"}) == []
