"""Whose fault a refusal is: the row's, or the run's."""

from __future__ import annotations

import itertools

import pytest

from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    OutOfMoneyError,
    PictureError,
    RefusedError,
    RowError,
    StopRunError,
    TooLongError,
    UnknownModelError,
    WrongKeyError,
)
from dataflow.engine.flow.complaints import (
    CONTROL_ROWS,
    FIRST_ROWS,
    FIRST_ROWS_RESUMED,
    OTHER_WORDS,
    ComplaintTracker,
    RefusalDecision,
)

_numbers = itertools.count()


def refused(words="HTTP 400: no such parameter", kind=BadRequestError, status=400, **more):
    return kind(words, status=status, **more)


def decide(tracker: ComplaintTracker, error: DataflowError) -> RefusalDecision:
    """Another row gets `error`."""
    return tracker.decide(next(_numbers).to_bytes(4, "big"), error)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 422, 426, 451])
def test_the_same_refusal_for_the_first_rows_stops_the_run_whatever_its_status(status):
    tracker, error = ComplaintTracker(), refused(status=status)
    first = [decide(tracker, error) for _ in range(FIRST_ROWS)]
    assert first == [RefusalDecision.HOLD] * (FIRST_ROWS - 1) + [RefusalDecision.STOP]


def test_numbers_in_the_words_do_not_tell_refusals_apart():
    tracker = ComplaintTracker()
    words = (f"HTTP 400: request req-{n}af took {n} ms: field x is unknown" for n in range(99))
    found = [decide(tracker, refused(next(words))) for _ in range(FIRST_ROWS)]
    assert found[-1] is RefusalDecision.STOP


def test_other_words_at_each_row_stop_the_run_too_but_later():
    tracker = ComplaintTracker()
    words = itertools.product("abcdefgh", repeat=3)
    found = [
        decide(tracker, refused("".join(next(words)))) for _ in range(FIRST_ROWS * OTHER_WORDS)
    ]
    assert found.index(RefusalDecision.STOP) == FIRST_ROWS * OTHER_WORDS - 1


def test_one_row_that_is_asked_again_and_again_counts_once():
    tracker = ComplaintTracker()
    found = [tracker.decide(b"one", refused()) for _ in range(3 * FIRST_ROWS)]
    assert set(found) == {RefusalDecision.HOLD}


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("HTTP 400: flagged", status=400),
        PictureError("HTTP 400: cannot decode", status=400),
        RowError("no answer came"),
        BadRequestError("the serving failed for this row"),
    ],
)
def test_what_is_the_rows_own_fails_the_row_at_once(error):
    tracker = ComplaintTracker()
    assert {decide(tracker, error) for _ in range(3 * FIRST_ROWS)} == {RefusalDecision.FAIL}


def test_after_an_answer_rows_fail_by_themselves():
    tracker = ComplaintTracker()
    tracker.record_reply()
    assert {decide(tracker, refused()) for _ in range(FIRST_ROWS)} == {RefusalDecision.FAIL}


def test_many_rows_in_a_row_with_one_refusal_after_answers_ask_for_a_control():
    tracker = ComplaintTracker()
    tracker.record_reply()
    assert RefusalDecision.CONTROL in [decide(tracker, refused()) for _ in range(50)]


@pytest.mark.parametrize("kind", [WrongKeyError, OutOfMoneyError, UnknownModelError, StopRunError])
@pytest.mark.parametrize("status", [302, 307, 401, 402, 403, 404])
def test_a_stray_refusal_after_answers_is_held_and_one_that_repeats_is_compared(kind, status):
    tracker = ComplaintTracker()
    tracker.record_reply()
    found = [decide(tracker, kind("no", status=status)) for _ in range(CONTROL_ROWS)]
    assert found == [RefusalDecision.HOLD] * (CONTROL_ROWS - 1) + [RefusalDecision.CONTROL]
    tracker.record_reply()
    assert decide(tracker, kind("no", status=status)) is RefusalDecision.HOLD


def test_each_control_that_is_answered_lets_twice_as_many_rows_be_refused():
    tracker = ComplaintTracker()
    tracker.record_reply()
    counts = []
    for _ in range(4):
        found = itertools.takewhile(
            lambda decision: decision is not RefusalDecision.CONTROL,
            (decide(tracker, WrongKeyError("HTTP 403", status=403)) for _ in itertools.count()),
        )
        counts.append(len(list(found)) + 1)
        tracker.record_control_reply()
    assert counts == [3, 6, 12, 24]


def test_a_wrong_key_before_any_answer_stops_at_once():
    assert decide(ComplaintTracker(), WrongKeyError("no", status=401)) is RefusalDecision.STOP


def test_an_error_that_no_server_sent_stops_at_once():
    tracker = ComplaintTracker()
    tracker.record_reply()
    assert decide(tracker, StopRunError("the disk is full")) is RefusalDecision.STOP


def test_in_a_resumed_run_the_rows_that_failed_before_do_not_stop_it():
    tracker = ComplaintTracker(lambda: True)
    error = WrongKeyError("HTTP 403: a firewall's page", status=403, is_vague=True)
    found = [decide(tracker, error) for _ in range(FIRST_ROWS_RESUMED)]
    assert found == [RefusalDecision.HOLD] * (FIRST_ROWS_RESUMED - 1) + [RefusalDecision.STOP]


def test_fewer_rows_than_needed_stop_the_run_where_they_are_all_and_alike():
    tracker = ComplaintTracker()
    error = TooLongError("HTTP 400: 5000 tokens, and 4096 at most", status=400)
    for _ in range(3):
        decide(tracker, error)
    assert tracker.decide_last(error, are_all=True) is RefusalDecision.STOP
    assert tracker.decide_last(error, are_all=False) is RefusalDecision.FAIL
    decide(tracker, refused("HTTP 400: something else"))
    assert tracker.decide_last(error, are_all=True) is RefusalDecision.FAIL
