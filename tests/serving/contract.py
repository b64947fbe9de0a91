"""What every `AsyncServing` must keep; a serving joins by a subclass with a `serving` fixture."""

from __future__ import annotations

import asyncio
import json

from dataflow.core.request import Reply


class ServingContract:
    """The contract's tests.

    `deaf` says that the serving answers the same to every picture, so that its answers cannot show
    a mix-up.
    """

    deaf = False

    def test_it_names_itself(self, serving):
        assert isinstance(serving.model, str)
        assert serving.model
        assert serving.max_workers >= 1
        assert isinstance(serving.is_local, bool)

    def test_its_settings_are_plain_and_steady(self, serving):
        settings = serving.settings()
        assert json.loads(json.dumps(settings)) == settings == serving.settings()
        assert settings.get("model", serving.model) == serving.model
        assert {"model", "weights"} & set(settings)

    def test_it_answers(self, serving, question):
        reply = asyncio.run(ask_all(serving, [question(1)]))[0]
        assert isinstance(reply, Reply)
        assert reply.text.strip()

    def test_answers_belong_to_their_questions(self, serving, question):
        questions = [question(number) for number in range(serving.max_workers * 2)]
        at_once = asyncio.run(ask_all(serving, questions))
        one_by_one = asyncio.run(ask_in_turn(serving, questions[:4]))
        texts = [reply.text for reply in at_once]
        assert texts[:4] == [reply.text for reply in one_by_one]
        assert self.deaf or len(set(texts)) == len(texts)

    def test_a_question_given_up_harms_no_other(self, serving, question):
        async def run():
            async with serving.connect() as client:
                given_up = asyncio.create_task(client.send(*question(1)))
                kept = asyncio.create_task(client.send(*question(2)))
                await asyncio.sleep(0)
                given_up.cancel()
                await asyncio.gather(given_up, return_exceptions=True)
                return await kept, await client.send(*question(2))

        kept, again = asyncio.run(run())
        assert kept.text == again.text

    def test_it_connects_in_one_loop_after_another(self, serving, question):
        first, second = (asyncio.run(ask_all(serving, [question(1)])) for _ in range(2))
        assert first[0].text == second[0].text

    def test_cleanup_may_be_called_again_and_again(self, serving):
        serving.cleanup()
        serving.cleanup()


async def ask_all(serving, questions):
    async with serving.connect() as client:
        return await asyncio.gather(*(client.send(*question) for question in questions))


async def ask_in_turn(serving, questions):
    async with serving.connect() as client:
        return [await client.send(*question) for question in questions]
