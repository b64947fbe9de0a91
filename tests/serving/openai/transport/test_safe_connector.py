"""A server that sends an answer twice must not shift the answers that follow."""

from __future__ import annotations

import asyncio
import itertools
import json
import re

import pytest

from dataflow.core.errors import ConnectionLostError, DataflowError, OverloadedError
from dataflow.core.request import Request, Turn
from dataflow.serving.openai.client import ChatClient, ClientOptions

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RawServer:
    """Answers each question with its own text; `send` decides how the bytes go out."""

    def __init__(self, send, *, names: str = "chatcmpl-{}") -> None:
        self._send, self._names = send, names
        self._numbers = itertools.count()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aexit__(self, *_) -> None:
        self._server.close()

    async def _serve(self, reader, writer) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = json.loads(await reader.readexactly(int(LENGTH.search(head)[1])))
                number = next(self._numbers)
                await self._send(number, self._answer(number, asked), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, number: int, asked: dict) -> bytes:
        text = asked["messages"][0]["content"]
        text = text if isinstance(text, str) else text[0]["text"]
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        if self._names:
            body["id"] = self._names.format(number)
        return http(200, json.dumps(body).encode())


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


async def plain(number, answer, writer) -> None:
    """Each answer once."""
    writer.write(answer)


async def late(number, answer, writer) -> None:
    """Every fifth answer once more, when the next request may be under way already."""
    writer.write(answer)
    if number % 5 == 0:
        await asyncio.sleep(0.003)
        writer.write(answer)


async def split(number, answer, writer) -> None:
    """The first bytes of the second copy come with the first one."""
    writer.write(answer + answer[:20] if number % 5 == 0 else answer)
    if number % 5 == 0:
        await asyncio.sleep(0.003)
        writer.write(answer[20:])


async def same(number, answer, writer) -> None:
    """Both copies in one piece."""
    writer.write(answer * 2 if number % 5 == 0 else answer)


async def errors(number, answer, writer) -> None:
    """An error, once more; then the answer."""
    if number % 5 == 0:
        writer.write(http(503, b"{}"))
        await asyncio.sleep(0.003)
        writer.write(http(503, b"{}"))
    else:
        writer.write(answer)


async def idle(number, answer, writer) -> None:
    """The second copy comes while nobody asks."""
    writer.write(answer)
    if number % 5 == 0:
        writer.write(answer)
        await asyncio.sleep(0.05)


def questions(
    server: RawServer, count: int, *, pause: float = 0.0
) -> dict[str, str | DataflowError]:
    """What is answered to so many different questions, two at a time."""

    async def scene():
        answers: dict[str, str | DataflowError] = {}
        async with (
            server as url,
            ChatClient(url, model="m", options=ClientOptions(timeout=10, connections=2)) as client,
        ):

            async def ask(numbers):
                for number in numbers:
                    text = f"question {number}"
                    try:
                        reply = await client.send(Request((Turn("user", (text,)),)), ())
                        answers[text] = reply.text
                    except DataflowError as error:
                        answers[text] = error
                    await asyncio.sleep(pause)

            await asyncio.gather(ask(range(0, count, 2)), ask(range(1, count, 2)))
        return answers

    return asyncio.run(scene())


@pytest.mark.parametrize("send", [late, split, same, errors, idle])
def test_no_answer_is_taken_for_that_to_another_question(send):
    answers = questions(RawServer(send), 60)
    wrong = [t for t, said in answers.items() if isinstance(said, str) and said != t]
    assert wrong == []
    failed = [said for said in answers.values() if not isinstance(said, str)]
    assert len(failed) <= 40
    assert all(isinstance(said, (ConnectionLostError, OverloadedError)) for said in failed)


def test_what_came_unasked_on_an_idle_connection_is_never_read_even_without_names():
    answers = questions(RawServer(idle, names=""), 20, pause=0.06)
    assert {t: said for t, said in answers.items() if said != t} == {}


def test_equal_names_of_all_answers_are_no_sign():
    """Some servers call every answer the same."""

    answers = questions(RawServer(plain, names="x"), 10)
    assert {t: said for t, said in answers.items() if said != t} == {}
