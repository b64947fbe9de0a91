"""Lists in, lists out, over the same road."""

from __future__ import annotations

from dataflow.core.errors import BadRowError, DataflowError, RefusedError, error_named
from dataflow.core.request import Reply, Request, Turn
from dataflow.engine.lists import answer_all
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


def test_no_questions_no_answers():
    assert answer_all(FakeServing([]), []) == []


def test_every_kind_of_error_comes_back_as_its_own_class():
    def below(kind):
        return [kind, *(k for sub in kind.__subclasses__() for k in below(sub))]

    for kind in below(DataflowError):
        error = error_named(kind.kind, "x")
        assert error.kind == kind.kind
