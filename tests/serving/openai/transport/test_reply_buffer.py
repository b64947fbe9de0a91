"""What all large replies of a client hold together is bounded."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.serving.openai.transport.reply_buffer import ReplyMemory


def test_rooms_are_given_first_come_first_served_and_never_more_than_there_is():
    async def scene():
        memory, held, most, order = ReplyMemory(100), 0, 0, []

        async def hold(number, size):
            nonlocal held, most
            async with memory.room(size):
                order.append(number)
                held += size
                most = max(most, held)
                await asyncio.sleep(0)
                held -= size

        await asyncio.gather(*(hold(n, size) for n, size in enumerate([60, 60, 10, 100, 1, 40])))
        return most, order

    most, order = asyncio.run(scene())
    assert most <= 100
    assert order == sorted(order)


@pytest.mark.parametrize("is_granted", [False, True])
def test_who_gives_up_waiting_leaves_the_room_to_others(is_granted):
    async def scene():
        memory = ReplyMemory(100)
        first = memory.room(100)
        await first.__aenter__()
        waiting = asyncio.create_task(memory.room(100).__aenter__())
        await asyncio.sleep(0)
        if is_granted:
            await first.__aexit__(None, None, None)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        if not is_granted:
            await first.__aexit__(None, None, None)
        last = memory.room(100)
        await asyncio.wait_for(last.__aenter__(), 1)
        return True

    assert asyncio.run(scene())
