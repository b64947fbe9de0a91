"""The same id under two different requests is another request's reply."""

from __future__ import annotations

from dataflow.serving.openai.transport.replay_detector import (
    PROOFS,
    REMEMBERED,
    Replay,
    ReplayDetector,
)


def test_each_reply_has_its_own_id():
    found = ReplayDetector()
    assert {found.check(f"id-{n}", b"%d" % n, 1) for n in range(100)} == {Replay.NONE}


def test_servers_with_one_id_for_all_or_none_are_not_suspected():
    for name in ("", "chatcmpl-1"):
        found = ReplayDetector()
        assert {found.check(name, b"%d" % n, n) for n in range(50)} == {Replay.NONE}


def test_the_same_request_may_get_the_same_reply():
    found = ReplayDetector()
    found.check("other", b"0", 1)
    assert {found.check("id", b"same", n) for n in range(9)} == {Replay.NONE}


def test_a_reply_sent_twice_on_one_connection_is_only_asked_again():
    found = ReplayDetector()
    found.check("a", b"1", 7)
    found.check("b", b"2", 7)
    assert {found.check("b", b"%d" % n, 7) for n in range(3, 20)} == {Replay.ONCE}


def test_a_reply_that_comes_for_others_on_other_connections_is_a_cache():
    found = ReplayDetector()
    found.check("a", b"1", 1)
    found.check("b", b"2", 2)
    outcomes = [found.check("a", b"%d" % n, n) for n in range(3, 3 + PROOFS)]
    assert outcomes == [Replay.ONCE] * (PROOFS - 1) + [Replay.CACHED]


def test_the_very_first_reply_sent_to_several_is_noticed_with_the_second_id():
    found = ReplayDetector()
    found.check("a", b"1", 1)
    assert found.check("a", b"2", 2) is Replay.NONE  # all may have one id
    assert found.check("b", b"3", 3) is Replay.CACHED


def test_memory_does_not_grow_with_the_run():
    found = ReplayDetector()
    for number in range(REMEMBERED + 100):
        found.check(f"id-{number}", b"%d" % number, 1)
    assert len(found._requests) == REMEMBERED
