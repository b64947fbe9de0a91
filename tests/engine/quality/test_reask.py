"""How a request is asked again: what is changed for which fault, and which answer is the best."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.core.protocols.check import Verdict
from dataflow.core.request import Request, Turn, Usage
from dataflow.engine.journal.records import AttemptRecord
from dataflow.engine.quality.reask import EngineCapabilities, best_of, next_request, severity_of

REQUEST = Request((Turn("system", ("Be brief.",)), Turn("user", ("Describe the image.",))))
SAMPLING = {"temperature": 0.2, "seed": 7, "max_tokens": 100}


def answer(*kinds: str, ask: int = 0, follow_up: str = "") -> AttemptRecord:
    verdicts = tuple(Verdict(kind, "why", follow_up) for kind in kinds)
    return AttemptRecord(b"key", ask, "text", verdicts, caption="text")


def changes(answers, *, sampling=SAMPLING, penalty="repetition_penalty", context=None):
    takes = EngineCapabilities(sampling, penalty, context)
    found = next_request(REQUEST, answers, takes, max_asks=9)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["language", "loop", "cut_off", "refusal", "their_own"])
def test_every_further_ask_has_another_seed_and_is_warmer(kind):
    _, first = changes([answer(kind)])
    _, second = changes([answer(kind), answer(kind, ask=1)])
    assert (first["seed"], second["seed"]) == (1007, 2007)
    assert (first["temperature"], second["temperature"]) == (0.5, 0.8)


def test_the_temperature_rises_to_1_at_most_and_one_above_stays():
    _, changed = changes([answer("loop", ask=n) for n in range(5)])
    assert changed["temperature"] == 1.0
    assert "temperature" not in changes([answer("loop")], sampling={"temperature": 1.5})[1]


def test_what_was_not_given_is_not_sent():
    """A model that thinks refuses any temperature; a server may know no seed."""
    request, changed = changes([answer("cut_off")], sampling={})
    assert changed == {}
    assert request == REQUEST


@pytest.mark.parametrize(
    ("penalty", "first", "second"),
    [
        ("repetition_penalty", 1.1, 1.2),
        ("repeat_penalty", 1.1, 1.2),
        ("frequency_penalty", 0.5, 1.0),
    ],
)
def test_a_loop_is_penalised_by_the_field_that_the_engine_knows(penalty, first, second):
    loop = answer("loop")
    assert changes([loop], penalty=penalty)[1][penalty] == first
    assert changes([loop, loop], penalty=penalty)[1][penalty] == second
    given = {penalty: 1.5}
    assert changes([loop], sampling=given, penalty=penalty)[1][penalty] > 1.5
    assert penalty not in changes([answer("refusal")], penalty=penalty)[1]


def test_an_engine_without_a_penalty_is_sent_none():
    request, changed = changes([answer("loop")], penalty="")
    assert set(changed) == {"seed", "temperature"}
    assert set(request.sampling) == {"seed", "temperature"}


def test_what_was_cut_off_or_came_to_nothing_gets_twice_the_tokens_each_time():
    assert changes([answer("cut_off")])[1]["max_tokens"] == 200
    assert changes([answer("empty"), answer("cut_off")])[1]["max_tokens"] == 400
    assert "max_tokens" not in changes([answer("language")])[1]


def test_a_loop_that_was_cut_off_gets_no_more_tokens_to_loop_with():
    assert "max_tokens" not in changes([answer("loop", "cut_off")])[1]


def test_no_more_tokens_are_asked_for_than_the_context_has_beside_the_question():
    cut = replace(answer("cut_off"), usage=Usage(prompt_tokens=300))
    assert changes([cut], context=4096)[1]["max_tokens"] == 200
    assert 100 < changes([cut], context=500)[1]["max_tokens"] <= 200 - 50
    assert changes([cut], context=310)[1]["max_tokens"] == 100


def test_follow_ups_stand_at_the_end_of_the_question_each_once():
    english, brief = "Answer in English.", "Use at most 30 words."
    answers = [
        answer("language", follow_up=english),
        answer("language", follow_up=english),
        answer("length", follow_up=brief),
    ]
    request, changed = changes(answers)
    assert changed["follow_up"] == f"{english} {brief}"
    assert request.turns[0] == REQUEST.turns[0]
    assert request.turns[1].parts == (f"Describe the image.\n\n{english} {brief}",)


def test_the_follow_up_goes_to_what_the_user_says_last():
    turns = (Turn("user", ("What?",)), Turn("assistant", ("A cat.",)), Turn("user", ("Where?",)))
    takes = EngineCapabilities({})
    found = next_request(
        Request(turns), [answer("language", follow_up="In English.")], takes, max_asks=2
    )
    assert found is not None
    assert found[0].turns == (*turns[:2], Turn("user", ("Where?\n\nIn English.",)))


def test_the_requests_own_sampling_is_kept():
    request = Request(REQUEST.turns, {"response_format": {"type": "json_object"}, "top_p": 0.5}, 2)
    found = next_request(request, [answer("loop")], EngineCapabilities(SAMPLING, ""), max_asks=2)
    assert found is not None
    assert found[0].sampling == {**request.sampling, "seed": 1007, "temperature": 0.5}
    assert found[0].sample_index == 2


def test_no_more_is_asked_than_allowed():
    takes = EngineCapabilities(SAMPLING)
    assert next_request(REQUEST, [answer("loop")] * 2, takes, max_asks=3) is not None
    assert next_request(REQUEST, [answer("loop")] * 3, takes, max_asks=3) is None


def test_a_check_that_broke_down_has_nothing_asked_again():
    assert (
        next_request(REQUEST, [answer("check_failed")], EngineCapabilities(SAMPLING), max_asks=3)
        is None
    )


def test_the_best_answer_has_the_least_grave_verdicts_then_the_fewest_then_is_the_first():
    refused, loop = answer("refusal"), answer("loop", ask=1)
    long, long_and_cut = answer("length", ask=2), answer("length", "cut_off", ask=3)
    cut = answer("cut_off", ask=5)
    assert [severity_of(a) for a in (refused, loop, cut, long, answer())] == [4, 3, 2, 1, 0]
    assert best_of([cut, long]) == long
    assert best_of([refused, loop]) == loop
    assert best_of([loop, long_and_cut]) == long_and_cut
    assert best_of([long_and_cut, long]) == long
    assert best_of([long, answer("wording", ask=4)]) == long
    assert best_of([]) is None
