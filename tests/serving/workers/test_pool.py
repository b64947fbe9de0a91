"""The workers of one run: who has what, what becomes of a lost worker's, and how many there are."""

from __future__ import annotations

import asyncio

import pytest

from dataflow.core.errors import EngineDiedError, EngineFailedError, WrongKeyError
from dataflow.core.request import Reply, Request, Turn
from dataflow.images.base.limits import Limits
from dataflow.serving.fake import FakeServing
from dataflow.serving.workers import pool as pool_module
from dataflow.serving.workers.link import WorkerLostError
from dataflow.serving.workers.messages import WorkerAnswers, WorkerSetup
from dataflow.serving.workers.pool import WorkerPool


class FakeWorker:
    """Answers each request by its text, once it is told to; ends where a text says so."""

    def __init__(self, number, launcher):
        self.number = number
        self._launcher = launcher
        self._said = asyncio.Queue()
        self.leases = []
        self.closed = False

    async def start(self):
        return WorkerAnswers(failure=self._launcher.failure)

    async def give(self, lease):
        self.leases.append([one.request.turns[0].parts[0] for one in lease])
        if self._launcher.answers:
            self.answer(lease)
        else:
            self._launcher.open.append((self, lease))

    def answer(self, lease):
        if any("poison" in one.request.turns[0].parts[0] for one in lease):
            self.lose()
            return
        done = [
            (one.number, Reply(f"{one.request.turns[0].parts[0]} by {self.number}"))
            for one in lease
        ]
        self._said.put_nowait(WorkerAnswers(done))

    def lose(self):
        self._said.put_nowait(None)

    async def collect(self):
        said = await self._said.get()
        if said is None:
            raise WorkerLostError("ended by SIGKILL")
        return said

    async def close(self):
        self.closed = True


class FakeLauncher:
    def __init__(self, *, answers=True, failure=None):
        self.answers = answers
        self.failure = failure
        self.workers = []
        self.open = []

    def prepare(self):
        pass

    def launch(self, number, setup):
        self.workers.append(FakeWorker(number, self))
        return self.workers[-1]

    def close(self):
        pass


def question(text):
    return Request((Turn("user", (text,)),))


def with_pool(launcher, work, *, fewest=2, most=2, slots=8):
    async def run():
        setup = WorkerSetup(FakeServing(), Limits())
        pool = WorkerPool(launcher, setup, fewest=fewest, most=most, slots=slots)
        try:
            await pool.open()
            return await asyncio.wait_for(work(pool), 20)
        finally:
            await pool.close()

    return asyncio.run(run())


async def until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(pool_module, "RESTART_SECONDS", 0.001)
    monkeypatch.setattr(pool_module, "SCALE_SECONDS", 0.005)
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.02)


def test_what_comes_together_goes_together_to_the_workers_with_the_fewest():
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        await until(lambda: pool.size == 2)
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(8)]
        await until(lambda: len(launcher.open) == 2)
        for worker, lease in launcher.open:
            worker.answer(lease)
        return [reply.text for reply in await asyncio.gather(*tasks)]

    texts = with_pool(launcher, work)
    assert [text.partition(" ")[0] for text in texts] == [str(n) for n in range(8)]
    assert [[len(lease) for lease in worker.leases] for worker in launcher.workers] == [[4], [4]]


def test_no_worker_has_more_than_its_slots():
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        await until(lambda: pool.size == 2)
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(9)]
        await until(lambda: len(launcher.open) == 2)
        assert [len(lease) for _, lease in launcher.open] == [3, 3]
        launcher.answers = True
        for worker, lease in launcher.open:
            worker.answer(lease)
        await asyncio.gather(*tasks)

    with_pool(launcher, work, slots=3)


def test_what_a_lost_worker_had_is_given_to_another_and_counted():
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        await until(lambda: pool.size == 2)
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(8)]
        await until(lambda: len(launcher.open) == 2)
        launcher.answers = True
        (lost, _), (other, lease) = launcher.open
        lost.lose()
        other.answer(lease)
        await asyncio.gather(*tasks)
        await until(lambda: pool.size == 2)
        return pool.lost, pool.given_again, len(launcher.workers)

    assert with_pool(launcher, work) == (1, 4, 3)


def test_a_request_that_ends_its_workers_fails_alone_and_the_others_are_answered():
    launcher = FakeLauncher()

    async def work(pool):
        await until(lambda: pool.size == 2)
        questions = [question("poison" if n == 3 else str(n)) for n in range(8)]
        return await asyncio.gather(*map(pool.answer, questions), return_exceptions=True)

    found = with_pool(launcher, work)
    assert isinstance(found.pop(3), EngineDiedError)
    assert [one.text.partition(" ")[0] for one in found] == ["0", "1", "2", "4", "5", "6", "7"]


def test_workers_that_end_one_after_another_stop_the_run(monkeypatch):
    monkeypatch.setattr(pool_module, "FATAL_LOSSES", 99)

    async def work(pool):
        await pool.answer(question("poison"))

    with pytest.raises(EngineFailedError, match="workers ended 5 times before they answered"):
        with_pool(FakeLauncher(), work)


def test_an_engine_that_no_worker_can_have_stops_the_run_at_once():
    launcher = FakeLauncher(failure=WrongKeyError("no key"))
    with pytest.raises(WrongKeyError):
        with_pool(launcher, lambda pool: pool.answer(question("x")))


def test_workers_are_added_while_requests_wait_and_let_go_when_there_is_nothing_to_do():
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(6)]
        await until(lambda: pool.size == 3)
        await until(lambda: len(launcher.open) == 3)
        most = pool.size
        launcher.answers = True
        for worker, lease in launcher.open:
            worker.answer(lease)
        await asyncio.gather(*tasks)
        for worker in launcher.workers:  # as real ones do, they say all the while that they live
            asyncio.get_running_loop().call_later(0.1, worker._said.put_nowait, WorkerAnswers())
            asyncio.get_running_loop().call_later(0.2, worker._said.put_nowait, WorkerAnswers())
        await until(lambda: pool.size == 1)
        return most

    assert with_pool(launcher, work, fewest=1, most=3, slots=2) == 3
    assert sum(worker.closed for worker in launcher.workers) == 3


def test_the_runs_own_checks_do_not_travel():
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        asked = Request(question("x").turns, checks=[lambda *_: None], refine=[str.strip])
        task = asyncio.create_task(pool.answer(asked))
        await until(lambda: launcher.open)
        worker, lease = launcher.open[0]
        worker.answer(lease)
        await task
        return lease[0].request

    sent = with_pool(launcher, work)
    assert (sent.checks, sent.refine) == (None, None)


def lose_all_once(launcher, workers, of):
    """The first `of` workers are lost together, as with their node."""

    async def work(pool):
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(workers)]
        await until(lambda: len(launcher.open) == workers)
        launcher.answers = True
        for worker, _ in launcher.open[:of]:
            worker.lose()
        for worker, lease in launcher.open[of:]:
            worker.answer(lease)
        return [reply.text.partition(" ")[0] for reply in await asyncio.gather(*tasks)]

    return work


@pytest.mark.parametrize("of", [7, 8])
def test_workers_that_are_lost_together_with_their_node_stop_no_run(of):
    launcher = FakeLauncher(answers=False)
    work = lose_all_once(launcher, 8, of)
    texts = with_pool(launcher, work, fewest=8, most=8, slots=1)
    assert texts == [str(n) for n in range(8)]


def test_workers_that_answered_before_they_were_lost_stop_no_run():
    launcher = FakeLauncher()

    async def work(pool):
        for number in range(8):
            await pool.answer(question(str(number)))
            await until(lambda: pool.size)
            for worker in launcher.workers:
                worker.lose()
            await until(lambda at=number: pool.lost > at)
        return pool.lost

    assert with_pool(launcher, work, fewest=1, most=1) >= 8


def late(*, doubles=True, then):
    """Two workers, of which the first keeps what it has: (texts, doubled, leases of the second)."""
    launcher = FakeLauncher(answers=False)

    async def work(pool):
        await until(lambda: pool.size == 2)
        tasks = [asyncio.create_task(pool.answer(question(str(n)))) for n in range(4)]
        await until(lambda: len(launcher.open) == 2)
        (slow, kept), (quick, lease) = launcher.open
        quick.answer(lease)
        if doubles:
            await until(lambda: len(quick.leases) == 2)
            assert pool.doubled == 2
        else:
            await asyncio.sleep(0.05)
            assert len(quick.leases) == 1
        then(launcher, slow, quick, kept)
        found = await asyncio.gather(*tasks)
        return [reply.text for reply in found], pool.given_again

    async def run():
        setup = WorkerSetup(FakeServing(), Limits())
        pool = WorkerPool(launcher, setup, fewest=2, most=2, slots=8, doubles=doubles)
        try:
            await pool.open()
            return await asyncio.wait_for(work(pool), 20)
        finally:
            await pool.close()

    return asyncio.run(run())


@pytest.fixture
def _soon_late(monkeypatch):
    monkeypatch.setattr(pool_module, "LATE_SECONDS", 0.01)
    monkeypatch.setattr(pool_module, "LATE_TIMES", 0.0)


@pytest.mark.usefixtures("_soon_late")
def test_what_is_late_at_the_end_is_given_to_an_idle_worker_and_the_first_answer_counts():
    def both(launcher, slow, quick, kept):
        quick.answer(kept)
        slow.answer(kept)

    texts, given_again = late(then=both)
    assert len({text.partition(" by ")[2] for text in texts}) == 1, "all by the quick one"
    assert given_again == 0


@pytest.mark.usefixtures("_soon_late")
def test_a_late_request_whose_second_worker_is_lost_is_not_asked_a_third_time():
    def second_lost(launcher, slow, quick, kept):
        launcher.answers = True
        quick.lose()
        slow.answer(kept)

    texts, given_again = late(then=second_lost)
    assert len(texts) == 4
    assert given_again == 0


@pytest.mark.usefixtures("_soon_late")
def test_a_late_request_whose_both_workers_are_lost_is_given_to_a_third():
    def both_lost(launcher, slow, quick, kept):
        launcher.answers = True
        quick.lose()
        slow.lose()

    texts, given_again = late(then=both_lost)
    assert len(texts) == 4
    assert given_again == 2


@pytest.mark.usefixtures("_soon_late")
def test_where_an_answer_costs_money_nothing_is_doubled():
    texts, _ = late(doubles=False, then=lambda launcher, slow, quick, kept: slow.answer(kept))
    assert len(texts) == 4


@pytest.mark.usefixtures("_soon_late")
def test_an_error_of_one_worker_waits_for_the_other_that_has_the_request_too():
    def error_first(launcher, slow, quick, kept):
        slow._said.put_nowait(
            WorkerAnswers([(one.number, EngineFailedError("slow and broken")) for one in kept])
        )
        asyncio.get_running_loop().call_later(0.02, quick.answer, kept)

    texts, _ = late(then=error_first)
    assert len(texts) == 4
