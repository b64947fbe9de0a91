"""An operator's run, stopped and awaited."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from PIL import Image

from dataflow.core.errors import RunStoppedError
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory

ROWS = 40


@pytest.fixture
def storage(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    rows = [{"image": "a.png", "id": number} for number in range(ROWS)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return FileStorage(str(tmp_path / "rows.json"), cache_path=str(tmp_path / "cache")).step()


class Slow:
    """Answers one after the other, and says when the first two are there."""

    def __init__(self):
        self.two = threading.Event()
        self.serving = FakeServing(self.answer, delay=0.02, max_workers=1)

    def answer(self, request, pictures):
        if self.serving.asked >= 2:
            self.two.set()
        return f"Caption {self.serving.asked}."


def captioner(serving):
    return ImageCaptionGenerator(serving, "")


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def rows(tmp_path):
    for number in range(ROWS):
        Image.new("RGB", (40 + number, 40)).save(tmp_path / f"{number}.png")
    return [{"image": str(tmp_path / f"{number}.png")} for number in range(ROWS)]


@pytest.fixture
def many(tmp_path, rows):
    (tmp_path / "many.json").write_text(json.dumps(rows))
    return FileStorage(str(tmp_path / "many.json"), cache_path=str(tmp_path / "c")).step()


def settled(serving):
    """How many were asked, once no more are."""
    before = -1
    while before != serving.asked:
        before = serving.asked
        time.sleep(0.1)
    return before


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_a_run_that_is_stopped_asks_no_more_and_goes_on_later(kind, slow, many, rows, tmp_path):
    storage = many if kind == "files" else Memory(rows)
    more = {} if kind == "files" else {"journal": tmp_path / "answers.journal"}
    run = captioner(slow.serving).start(storage, output_key="caption", **more)
    assert slow.two.wait(20)
    run.stop()
    with pytest.raises(RunStoppedError, match="answered and kept"):
        run.result()
    asked = settled(slow.serving)
    assert 2 <= asked < ROWS
    rest = FakeServing("Later.")
    again = storage.step() if kind == "files" else storage
    captioner(rest).run(again, output_key="caption", **more)
    assert rest.asked == ROWS - asked


def test_a_cancelled_await_stops_the_run(slow, many):
    async def main():
        task = asyncio.create_task(captioner(slow.serving).arun(many, output_key="caption"))
        await asyncio.to_thread(slow.two.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert settled(slow.serving) < ROWS


def test_a_run_in_a_thread_is_stopped_by_its_operator(slow, many):
    operator = captioner(slow.serving)
    found = []

    def work():
        with pytest.raises(RunStoppedError) as caught:
            operator.run(many, output_key="caption")
        found.append(caught.value)

    thread = threading.Thread(target=work)
    thread.start()
    assert slow.two.wait(20)
    operator.stop()
    thread.join(20)
    assert found
    assert settled(slow.serving) < ROWS


def test_a_block_that_ends_early_stops_its_run(slow, many):
    run = captioner(slow.serving).start(many, output_key="caption")

    def leave_early():
        with run:
            slow.two.wait(20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave_early()
    assert run.is_over
    assert settled(slow.serving) < ROWS


def test_awaited_it_returns_what_run_returns(storage):
    async def main():
        operator = captioner(FakeServing("A square."))
        run = operator.start(storage, output_key="caption")
        async with run:
            assert await run == ["caption"]
        assert run.progress.captioned + run.progress.reused == ROWS
        return run.is_over

    assert asyncio.run(main())


def test_what_run_raises_comes_out_of_start():
    run = captioner(FakeServing()).start(Memory([{"image": "x"}]), output_key="")
    with pytest.raises(ValueError, match="output_key"):
        run.result()
