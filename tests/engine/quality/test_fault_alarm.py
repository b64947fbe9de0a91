"""A broken engine is noticed."""

from __future__ import annotations

import random

import pytest

from dataflow.core.errors import FaultAlarmError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.core.protocols.check import Verdict
from dataflow.core.request import Request, Turn
from dataflow.engine.job import Job
from dataflow.engine.journal.records import AttemptRecord
from dataflow.engine.quality.fault_alarm import FIRST_BREAKDOWNS, LATEST, FaultAlarm

SENTENCE = "A colourful square with a smooth gradient in it."


def feed(
    alarm: FaultAlarm,
    number: int,
    text: str,
    *kinds: str,
    asks: int = 1,
    first_fresh: int | None = 0,
) -> None:
    picture = ImageRef("path", f"{number}.jpg", f"{number}.jpg")
    request = Request((Turn("user", (picture, "What is it?")),))
    job = Job(number.to_bytes(4, "big"), request)
    verdicts = tuple(Verdict(kind, f"it is {kind}") for kind in kinds)
    job.answers = [AttemptRecord(job.key, ask, text, verdicts=verdicts) for ask in range(asks)]
    job.first_fresh = first_fresh
    alarm.record(job, job.answers[-1])


def spent_until_alarm(alarm: FaultAlarm, answers) -> int:
    for number, (text, *kinds) in enumerate(answers):
        try:
            feed(alarm, number, text, *kinds)
        except FaultAlarmError:
            return number + 1
    return 0


def good(count):
    return [(f"Picture number {n} shows a boat in a harbour at noon.",) for n in range(count)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("! ! ! ! !", "loop"),
        ("", "empty"),
        ("I cannot help with that.", "refusal"),
        ("Error: 503", "error_text"),
        ("{", "schema"),
    ],
)
def test_an_engine_that_turns_broken_is_noticed_within_a_hundred_answers(text, kind):
    spent = spent_until_alarm(FaultAlarm(), [*good(500), *[(text, kind)] * 4500])
    assert 500 < spent <= 500 + LATEST


def test_one_sentence_for_many_pictures_is_noticed_though_no_check_finds_it():
    spent = spent_until_alarm(FaultAlarm(), [*good(500), *[(SENTENCE,)] * 4500])
    assert 500 < spent <= 500 + LATEST


def test_the_message_names_the_fault_three_examples_and_the_way_out():
    alarm = FaultAlarm()
    for number in range(LATEST - 1):
        feed(alarm, number, f"! ! ! {number % 5}", "loop")
    with pytest.raises(FaultAlarmError) as caught:
        feed(alarm, LATEST, "! ! !", "loop")
    message = str(caught.value)
    assert "(loop)" in message
    assert message.count("“") == 3
    assert "--fault-alarm off" in message
    assert len(alarm.suspects) == LATEST


def test_answers_without_text_are_shown_by_what_the_server_said_of_them():
    alarm = FaultAlarm()
    for number in range(LATEST - 1):
        feed(alarm, number, "", "empty")
    with pytest.raises(FaultAlarmError, match=r"It answers: nothing \(it is empty\)"):
        feed(alarm, LATEST, "", "empty")


def test_faults_of_a_weak_model_are_borne():
    rng = random.Random(7)
    answers = [("! ! !", "loop") if rng.random() < 0.6 else good(1)[0] for _ in range(5000)]
    assert spent_until_alarm(FaultAlarm(), answers) == 0


def test_short_answers_and_blemishes_are_no_faults_of_the_engine():
    assert spent_until_alarm(FaultAlarm(), [("Yes.",)] * 500) == 0
    assert spent_until_alarm(FaultAlarm(), [(f"text {n} …", "cut_off") for n in range(500)]) == 0


def test_it_can_be_turned_off():
    assert spent_until_alarm(FaultAlarm(None), [("! !", "loop")] * 500) == 0


def test_a_check_that_breaks_down_from_the_start_stops_the_run_after_three():
    assert spent_until_alarm(FaultAlarm(), [("fine", "check_failed")] * 50) == FIRST_BREAKDOWNS


def test_a_check_that_breaks_down_now_and_then_does_not():
    answers = [("fine",), *[("fine", "check_failed"), ("fine too",)] * 50]
    assert spent_until_alarm(FaultAlarm(), answers) == 0


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match="share"):
        FaultAlarm(share)


def test_where_nothing_is_checked_one_text_for_all_pictures_is_no_fault():
    assert spent_until_alarm(FaultAlarm(compares_texts=False), [(SENTENCE,)] * 500) == 0
    assert spent_until_alarm(FaultAlarm(compares_texts=False), [("! !", "loop")] * 500) == LATEST


def test_all_that_got_the_one_text_are_asked_again():
    alarm, raised = FaultAlarm(), 0
    for number, (text,) in enumerate([*good(10), *[(SENTENCE,)] * 50]):
        try:
            feed(alarm, number, text)
        except FaultAlarmError:
            raised += 1
    assert raised > 1
    assert [int.from_bytes(key, "big") for key in alarm.suspects] == list(range(10, 60))


def test_rows_that_are_turned_down_again_tell_nothing_of_an_engine_that_gave_a_sound_answer():
    alarm = FaultAlarm()
    feed(alarm, 0, "A boat lies in a harbour at noon.")
    for number in range(500):
        feed(alarm, number, "I cannot help with that.", "refusal", asks=2 + number % 2)


def test_rows_of_an_engine_that_was_broken_tell_whether_it_still_is():
    alarm = FaultAlarm()
    for number in range(LATEST - 4):
        feed(alarm, number, "! ! !", "loop", asks=4, first_fresh=3)
    for number in range(3):
        feed(alarm, number, "A boat lies in a harbour at noon.", asks=4, first_fresh=3)
    with pytest.raises(FaultAlarmError):
        feed(alarm, LATEST, "! ! !", "loop", asks=4, first_fresh=3)


def test_an_engine_that_never_gave_a_sound_answer_is_noticed_by_few_rows():
    alarm = FaultAlarm()
    with pytest.raises(FaultAlarmError):  # noqa: PT012 - by which of them is left open
        for number in range(LATEST):
            feed(alarm, number % 12, "Both are nice.", "schema", asks=1 + number // 12)


def test_rows_that_a_former_run_turned_down_tell_nothing():
    alarm = FaultAlarm()
    for number in range(500):
        feed(alarm, number, "I cannot help with that.", "refusal", asks=4, first_fresh=None)
