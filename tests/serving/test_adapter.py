"""Servings that others wrote, lists in and lists out."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from dataflow.core import errors
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.request import Request, Turn
from dataflow.serving.adapter import ServingAdapter, as_async_serving
from dataflow.serving.fake import FakeServing
from tests.serving.contract import ask_all


class Theirs(LLMServingABC):
    """Answers by a function of one conversation."""

    def __init__(self, answer):
        self.answer = answer
        self.sizes = []
        self.prompts = []

    def generate_from_input(self, user_inputs, system_prompt):
        self.sizes.append(len(user_inputs))
        self.prompts.append(system_prompt)
        return [self.answer(text) for text in user_inputs]

    def cleanup(self):
        self.sizes = None


def text(number, system="s"):
    return Request((Turn("system", (system,)), Turn("user", (f"q{number}",)))), []


def outcomes(serving, questions):
    async def run():
        async with serving.connect() as client:
            return await asyncio.gather(
                *(client.send(*question) for question in questions), return_exceptions=True
            )

    return asyncio.run(run())


def test_requests_go_in_batches():
    theirs = Theirs(str.upper)
    replies = outcomes(ServingAdapter(theirs, batch_size=8), [text(n) for n in range(20)])
    assert [reply.text for reply in replies] == [f"Q{n}" for n in range(20)]
    assert theirs.sizes == [8, 8, 4]


def test_one_batch_has_one_system_prompt():
    theirs = Theirs(str.upper)
    questions = [text(n, "ab"[n // 3]) for n in range(6)]
    assert [reply.text for reply in outcomes(ServingAdapter(theirs), questions)] == [
        f"Q{n}" for n in range(6)
    ]
    assert (theirs.sizes, theirs.prompts) == ([3, 3], ["a", "b"])


def test_only_the_row_to_blame_fails():
    def answer(question):
        if question == "q3":
            raise ValueError("no 3")
        return question

    results = outcomes(ServingAdapter(Theirs(answer)), [text(n) for n in range(6)])
    assert type(results[3]) is errors.BadRequestError
    assert "ValueError: no 3" in str(results[3])
    assert [r.text for r in results[:3] + results[4:]] == ["q0", "q1", "q2", "q4", "q5"]


def test_a_serving_that_fails_for_all_stops_the_run():
    def answer(question):
        raise RuntimeError("CUDA is gone")

    results = outcomes(ServingAdapter(Theirs(answer)), [text(n) for n in range(3)])
    assert [type(r) for r in results] == [errors.StopRunError] * 3
    assert isinstance(results[0].__cause__, RuntimeError)


def test_a_last_row_that_fails_alone_stops_nothing():
    def answer(question):
        return {"q0": "fine"}[question]

    async def run():
        async with ServingAdapter(Theirs(answer)).connect() as client:
            await client.send(*text(0))
            with pytest.raises(errors.BadRequestError):
                await client.send(*text(1))
            with pytest.raises(errors.BadRequestError):
                await client.send(*text(2))
            with pytest.raises(errors.StopRunError):
                await client.send(*text(3))

    asyncio.run(run())


def test_its_own_typed_errors_pass():
    def answer(question):
        raise errors.RateLimitedError("slow", retry_after=3.0)

    [error, _] = outcomes(ServingAdapter(Theirs(answer)), [text(0), text(1)])
    assert type(error) is errors.RateLimitedError
    assert error.retry_after == 3.0


@pytest.mark.parametrize("wrong", [["only one"], "text", {"a": 1, "b": 2}, None, 7])
def test_a_wrong_number_of_answers_stops_the_run(wrong):
    theirs = Theirs(None)
    theirs.generate_from_input = lambda user_inputs, system_prompt: wrong
    results = outcomes(ServingAdapter(theirs), [text(0), text(1)])
    assert [type(r) for r in results] == [errors.ServingContractError] * 2


@pytest.mark.parametrize("nothing", [None, "", "  ", 7])
def test_an_answer_without_text_is_its_rows_error(nothing):
    results = outcomes(
        ServingAdapter(Theirs(lambda q: nothing if q == "q0" else "ok")), [text(0), text(1)]
    )
    assert type(results[0]) is errors.EmptyCaptionError
    assert results[1].text == "ok"


def test_pictures_go_as_the_data_names_them(lists_in_lists_out):
    refs = (
        ImageRef("path", "a.jpg", "/data/a.jpg"),
        ImageRef("url", "u", "https://host/u.png"),
        ImageRef("bytes", "3 bytes", data=b"raw"),
    )
    pictures = [Picture(b"abc", "image/jpeg", 1, 1)] * 3
    front = Request((Turn("system", ("S",)), Turn("user", (*refs, "q"))))
    between = Request((Turn("user", ("see ", refs[0], " and ", *refs[1:])),))
    serving = ServingAdapter(lists_in_lists_out)
    [first, second] = asyncio.run(ask_all(serving, [(front, pictures), (between, pictures)]))
    names = "['/data/a.jpg', 'https://host/u.png', 'data:image/jpeg;base64,YWJj']"
    assert first.text == f"S <image><image><image>q {names}"
    assert second.text == f" see <image> and <image><image> {names}"


def test_image_inputs_go_where_they_are_taken():
    class Sees(Theirs):
        def generate_from_input(self, user_inputs, system_prompt, image_inputs=None):
            return [f"{t}{i}" for t, i in zip(user_inputs, image_inputs, strict=True)]

    request = Request((Turn("user", (ImageRef("path", "a", "a"), "q")),))
    [reply] = asyncio.run(
        ask_all(ServingAdapter(Sees(None)), [(request, [Picture(b"", "image/png", 1, 1)])])
    )
    assert reply.text == "q['a']"


def test_a_serving_that_takes_no_pictures_stops_the_run_before_it_is_called():
    theirs = Theirs(str.upper)
    with pytest.raises(errors.ServingContractError, match="without seeing the pictures"):
        asyncio.run(ask_all(ServingAdapter(theirs), [picture_question()]))
    assert theirs.sizes == []


def picture_question(text="q"):
    request = Request((Turn("user", (ImageRef("path", "a", "a"), text)),))
    return request, [Picture(b"", "image/png", 1, 1)]


def test_each_picture_has_its_marker_in_a_conversation():
    class Places(Theirs):
        def generate_from_input_messages(self, conversations, image_list=None, system_prompt=""):
            return [f"{c[0]['value']} {i}" for c, i in zip(conversations, image_list, strict=True)]

    [reply] = asyncio.run(ask_all(ServingAdapter(Places(None)), [picture_question()]))
    assert reply.text == "<image>q ['a']"


SAID = ["Error: 429 Too Many Requests", "Error code: 500", "API error: no", '{"error": "x"}']


@pytest.mark.parametrize("said", SAID)
def test_an_error_message_in_place_of_an_answer_is_a_failure(said):
    theirs = Theirs(lambda question: said if question == "q1" else "A cat.")
    first, second = outcomes(ServingAdapter(theirs), [text(0), text(1)])
    assert first.text == "A cat."
    assert type(second) is errors.BadRequestError
    assert said in second.message
    assert "Error:" not in second.message.replace(said, "")


def test_error_messages_for_every_row_stop_the_run():
    theirs = Theirs(lambda question: "Error: no such model")
    for outcome in outcomes(ServingAdapter(theirs), [text(0), text(1)]):
        assert type(outcome) is errors.StopRunError
        assert "fails for every row: Error: no such model" in outcome.message


class Own(BaseException):
    """An exception of somebody's that is no `Exception`."""


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError("no words")


CONTROL = [
    *(StopIteration, StopAsyncIteration, asyncio.CancelledError, GeneratorExit, SystemExit, Own),
    UnprintableError,
]


@pytest.mark.parametrize("kind", CONTROL)
@pytest.mark.timeout(20)
def test_an_exception_that_steers_python_is_as_any_other(kind):
    def answer(question):
        raise kind

    for outcome in outcomes(ServingAdapter(Theirs(answer)), [text(0), text(1)]):
        assert type(outcome) is errors.StopRunError
        assert kind.__name__ in outcome.message


@pytest.mark.parametrize("kind", [k for k in CONTROL if k is not StopIteration])
@pytest.mark.timeout(20)
def test_so_is_one_out_of_a_coroutine(kind):
    class Awaited(Theirs):
        async def generate_from_input(self, user_inputs, system_prompt):
            raise kind

    for outcome in outcomes(ServingAdapter(Awaited(None)), [text(0), text(1)]):
        assert type(outcome) is errors.StopRunError
        assert kind.__name__ in outcome.message


@pytest.mark.parametrize("odd", [b"A cat.", {"text": "A cat."}, 5, ["A cat."]])
def test_answers_that_are_no_texts_stop_the_run(odd):
    for outcome in outcomes(ServingAdapter(Theirs(lambda _: odd)), [text(0), text(1)]):
        assert isinstance(outcome, errors.ServingContractError)
        assert f"a list of {type(odd).__name__}" in outcome.message


@pytest.mark.parametrize("settings", [5, None, ["a"], {"a": object()}, {"a": float("nan")}])
def test_settings_that_no_key_can_be_made_of_are_refused(settings):
    theirs = Theirs(str.upper)
    theirs.settings = lambda: settings
    with pytest.raises(errors.ServingContractError, match="must return a dict of"):
        ServingAdapter(theirs).settings()


def test_coroutines_are_awaited():
    class Awaited(LLMServingABC):
        async def generate_from_input(self, user_inputs, system_prompt):
            await asyncio.sleep(0)
            return [question.upper() for question in user_inputs]

        def cleanup(self):
            pass

    replies = outcomes(ServingAdapter(Awaited()), [text(0), text(1)])
    assert [reply.text for reply in replies] == ["Q0", "Q1"]


@pytest.mark.parametrize("method", ["generate_from_input", "generate_from_input_messages"])
def test_a_method_that_a_subclass_of_ours_overrides_is_called(method):
    def mine(self, questions, system_prompt="", **pictures):
        return [f"mine {len(pictures)}" for _ in questions]

    kind = type("Mine", (FakeServing,), {method: mine})
    adapted = as_async_serving(kind("theirs"))
    [reply] = asyncio.run(ask_all(adapted, [picture_question()]))
    assert reply.text == "mine 1"


def test_one_of_ours_that_overrides_no_list_method_is_driven_directly():
    kind = type("Mine", (FakeServing,), {"settings": lambda self: {"model": "m"}})
    serving = kind("theirs")
    assert as_async_serving(serving) is serving


def test_an_overridden_method_may_ask_the_one_it_replaces():
    class Polite(FakeServing):
        def generate_from_input(self, user_inputs, system_prompt="", **more):
            texts = super().generate_from_input(user_inputs, system_prompt, **more)
            return [f"{text} Thank you." for text in texts]

    [reply] = outcomes(as_async_serving(Polite("A cat.")), [text(0)])
    assert reply.text == "A cat. Thank you."


def test_leaving_does_not_wait_for_a_call_nor_leave_anyone_waiting():
    theirs = Theirs(lambda q: time.sleep(0.3) or q)

    async def run():
        async with ServingAdapter(theirs).connect() as client:
            waiting = asyncio.create_task(client.send(*text(0)))
            await asyncio.sleep(0.1)
        with pytest.raises(errors.StopRunError):
            await waiting

    asyncio.run(run())


def test_any_serving_is_closed_at_the_end_of_its_block():
    with Theirs(str.upper) as theirs:
        assert theirs.sizes == []
    assert theirs.sizes is None


def test_names_and_ends():
    theirs = Theirs(str.upper)
    theirs.model_name_or_path = "their/model"
    serving = ServingAdapter(theirs, batch_size=5)
    assert (serving.model, serving.max_workers) == ("their/model", 10)
    assert serving.generate_from_input(["a"], "s") == ["A"]
    serving.cleanup()
    assert theirs.sizes is None
    with pytest.raises(errors.UsageError):
        ServingAdapter(object())
    with pytest.raises(errors.UsageError):
        ServingAdapter(theirs, batch_size=0)


STUCK = """
import sys, time
from dataflow.core.request import Request, Turn
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.engine.in_memory import answer_all
from dataflow.serving.adapter import ServingAdapter, as_async_serving
from dataflow.serving.fake import FakeServing

class Theirs(LLMServingABC):
    def generate_from_input(self, user_inputs, system_prompt):
        print("stuck", flush=True)
        time.sleep(1000)

    def cleanup(self):
        pass

answer_all(ServingAdapter(Theirs()), [Request((Turn("user", ("q",)),))])
"""


def test_two_ctrl_c_end_a_process_whose_serving_hangs():
    """A thread cannot be ended, but nobody needs to wait for it when the interpreter ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "stuck\n"
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    try:
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in err
