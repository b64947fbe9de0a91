"""Lists in, lists out, over the same road."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time

import pytest

from dataflow.core.errors import (
    BadRowError,
    DataflowError,
    OutOfMoneyError,
    RefusedError,
    error_named,
)
from dataflow.core.request import Reply, Request, Turn
from dataflow.engine.in_memory import answer_all
from dataflow.engine.run import RunInterruptedError
from dataflow.serving.fake import FakeServing


def ask(text):
    return Request((Turn("user", (text,)),))


def test_answers_come_in_the_order_of_the_questions():
    serving = FakeServing(
        lambda request, pictures: str(request.turns[-1].parts[0]).upper(),
        delay=lambda request, pictures: 0.02 if request.turns[-1].parts[0] == "a" else 0.0,
    )
    replies = answer_all(serving, [ask(t) for t in "abcab"])
    assert [r.text for r in replies if isinstance(r, Reply)] == list("ABCAB")
    assert serving.asked == 3


def test_an_error_stands_in_the_place_of_its_question():
    serving = FakeServing([RefusedError("no")], max_workers=1)
    bad, refused = answer_all(serving, [BadRowError("no picture"), ask("a")])
    assert isinstance(bad, BadRowError)
    assert bad.message == "no picture"
    assert isinstance(refused, RefusedError)


def test_what_was_paid_before_a_stop_is_in_the_error():
    """No journal is kept for lists; nothing else would be left of it."""

    def answer(request, pictures):
        number = int(request.turns[-1].parts[0])
        if number >= 30:
            raise OutOfMoneyError("no credit left")
        return f"answer {number}"

    with pytest.raises(OutOfMoneyError) as stopped:
        answer_all(FakeServing(answer, max_workers=1), [ask(str(n)) for n in range(50)])
    answers = stopped.value.answers
    assert answers == tuple(f"answer {n}" if n < 30 else None for n in range(50))
    assert pickle.loads(pickle.dumps(stopped.value)).answers == answers


def test_what_was_paid_before_ctrl_c_is_in_the_error():
    serving = FakeServing(
        lambda request, pictures: request.turns[-1].parts[0].upper(),
        delay=lambda request, pictures: 0.0 if request.turns[-1].parts[0] == "a" else 60.0,
        max_workers=2,
    )

    def interrupt():
        while serving.asked < 3:
            time.sleep(0.01)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(RunInterruptedError) as stopped:
        answer_all(serving, [ask(text) for text in "abcd"])
    thread.join()
    assert stopped.value.answers == ("A", None, None, None)


def test_no_questions_no_answers():
    assert answer_all(FakeServing([]), []) == []


def test_every_kind_of_error_comes_back_as_its_own_class():
    def below(kind):
        return [kind, *(k for sub in kind.__subclasses__() for k in below(sub))]

    for kind in below(DataflowError):
        error = error_named(kind.kind, "x")
        assert error.kind == kind.kind
