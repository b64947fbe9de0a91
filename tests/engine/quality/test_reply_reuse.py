"""Replies that belong to another request."""

from __future__ import annotations

import pytest

from dataflow.core.errors import ReplyReuseError
from dataflow.core.request import Reply
from dataflow.engine.quality.reply_reuse import ReplyReuseDetector

LONG = "A red boat lies in the harbour beside two others."
UUID = "chatcmpl-3f2a9c1e-77aa-4c1b-9a52-0e1f2d3c4b5a"


def replies(*pairs):
    """(id, text) of each request's reply, in turn."""
    detector = ReplyReuseDetector()
    for number, (identity, text) in enumerate(pairs):
        detector.record(str(number).encode(), number, Reply(text, id=identity))


@pytest.mark.parametrize(
    "pairs",
    [
        [(UUID, LONG), (UUID, LONG)],
        [("chatcmpl-9kQ2Zx81LmPq", LONG), ("chatcmpl-9kQ2Zx81LmPq", LONG)],
        [("id-0", LONG), ("id-1", "Another text that is long enough."), ("id-0", LONG)],
        [(UUID, "Yes."), *[("x", "No.")], *[(UUID, "Yes.")] * 9],
    ],
    ids=["uuid", "random", "ids that vary", "short text"],
)
def test_one_reply_to_two_requests_stops_the_run(pairs):
    with pytest.raises(ReplyReuseError, match="cache"):
        replies(*pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        [("chatcmpl-1", LONG)] * 100,
        [("", LONG)] * 100,
        [(UUID, f"{LONG} {n}") for n in range(100)],
        [(f"{UUID}{n}", LONG) for n in range(100)],
        [(UUID, "Yes."), (UUID, "Yes."), (UUID, "No.")],
    ],
    ids=["one home-made id", "no id", "one id and many texts", "same text, own ids", "short"],
)
def test_servers_whose_ids_prove_nothing_are_not_suspected(pairs):
    replies(*pairs)


def test_the_same_request_asked_twice_may_get_the_same_reply():
    detector = ReplyReuseDetector()
    for _ in range(5):
        detector.record(b"one", 1, Reply(LONG, id=UUID))
    assert detector.keys_of(Reply(LONG, id=UUID)) == {b"one"}


def test_several_answers_to_one_question_may_be_one_reply():
    detector = ReplyReuseDetector()
    for sample in range(5):
        detector.record(str(sample).encode(), 1, Reply(LONG, id=UUID))
