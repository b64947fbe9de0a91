"""What a damaged journal lost is not paid for again before somebody agreed to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.core.errors import UsageError
from dataflow.engine.paths import SideFiles
from dataflow.engine.runner import run
from dataflow.serving.fake import FakeServing


def emptied(path):
    path.write_bytes(b"")


def replaced_by_text(path):
    path.write_text("x" * 9000)


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def cut_to_its_head(path):
    path.write_bytes(path.read_bytes()[:3000])


DAMAGES = [emptied, replaced_by_text, zeroed, cut_to_its_head]


class Asked:
    """A scripted engine that counts what it is asked."""

    def __init__(self):
        self.count = 0

    def __call__(self, request, pictures):
        self.count += 1
        return f"width {pictures[0].width}"


@pytest.fixture
def lost(dataset, request):
    """A run of 8 pictures whose journal was damaged, and its output removed."""
    run(dataset.add(8).plan(FakeServing(Asked())))
    request.param(SideFiles(dataset.output).journal)
    dataset.output.unlink()
    return dataset


@pytest.mark.parametrize("lost", DAMAGES, indirect=True)
def test_nothing_is_asked_again_unasked_today_or_in_the_next_run(lost):
    asked = Asked()
    for _ in range(2):
        with pytest.raises(UsageError, match="nothing was asked"):
            run(lost.plan(FakeServing(asked)))
    assert asked.count == 0


@pytest.mark.parametrize("lost", DAMAGES, indirect=True)
def test_whoever_says_yes_is_asked_no_more(lost):
    summary = run(replace(lost.plan(FakeServing(Asked())), assume_yes=True))
    assert summary.captioned == 8
    lost.add(2)
    assert run(lost.plan(FakeServing(Asked()))).requests == 2


@pytest.mark.parametrize("lost", [emptied], indirect=True)
@pytest.mark.parametrize("answer", [True, False])
def test_a_person_decides(lost, answer):
    asked, questions = Asked(), []

    def confirm(question):
        questions.append(question)
        return answer

    plan = replace(lost.plan(FakeServing(asked)), confirm=confirm)
    if answer:
        run(plan)
    else:
        with pytest.raises(UsageError, match="as you decided"):
            run(plan)
    assert asked.count == (8 if answer else 0)
    assert len(questions) == 1
    assert "was an empty file. 8 requests" in questions[0]


@pytest.mark.parametrize("lost", [emptied], indirect=True)
def test_a_fresh_run_is_free_to_ask(lost):
    assert run(replace(lost.plan(FakeServing(Asked())), restart=True)).requests == 8


def test_a_damage_that_cost_no_answer_stops_nothing(dataset, caplog):
    run(dataset.add(8).plan(FakeServing(Asked())))
    path = SideFiles(dataset.output).journal
    data = bytearray(path.read_bytes())
    data[18:20] = b"\xff\xff"
    path.write_bytes(data)
    asked = Asked()
    assert run(dataset.plan(FakeServing(asked))).captioned == 8
    assert asked.count == 0
    assert "8 answers could be read" in caplog.text


def test_a_new_journal_has_lost_nothing(dataset):
    dataset.add(3)
    SideFiles(dataset.output).journal.parent.mkdir()
    part = SideFiles(dataset.output).journal.with_name("journal.sqlite.part")
    part.write_bytes(b"of a run that was killed")
    assert run(dataset.plan(FakeServing(Asked()))).captioned == 3
    assert not part.exists()
