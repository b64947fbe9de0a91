"""Rows are loaded within a bound; those that wait for a picture host keep no other back."""

from __future__ import annotations

import asyncio

from dataflow.core.errors import PictureError
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn
from dataflow.engine.flow.backpressure import InFlightBound, SlotReservation
from dataflow.engine.job import Job
from dataflow.engine.pipeline.row_loader import RowLoader

HUNG, WELL = "http://hung.example/", "http://well.example/"


class Hosts:
    """A loader: one host never answers, another does; `inside` counts rows in the bound."""

    def __init__(self):
        self.inside = 0

    async def load(self, ref, reservation):
        if ref.location.startswith(HUNG):
            await asyncio.sleep(3600)
        await reservation.enter()
        if "comes back" in ref.location:
            reservation.leave()
            await asyncio.sleep(0)
            await reservation.enter()
        if "broken" in ref.location:
            raise PictureError("broken")
        return Picture(b"x" * 10, "image/jpeg", 1, 1)


class Maker:
    def is_unchanged(self, job):
        return True


def job_of(url):
    ref = ImageRef("url", url, url)
    return Job(url.encode(), Request((Turn("user", ("?", ref)),)))


def outcomes(urls, *, bound=8):
    """The jobs that came through within a moment, and why not, where they cannot be asked."""

    async def main():
        found, tasks = {}, []
        room = InFlightBound(bound, 10_000)

        async def loaded(job, problem):
            found[job.key.decode()] = problem
            room.release(job.row_group.size)

        rows = RowLoader(
            room,
            Maker(),
            start=lambda work: tasks.append(asyncio.ensure_future(work)),
            loaded=loaded,
        )
        inbox = asyncio.Queue()
        rows.run(inbox, Hosts())
        for url in urls:
            await inbox.put([job_of(url)])
        wanted = sum(not url.startswith(HUNG) for url in urls)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if len(found) == wanted:
                break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return found, room

    return asyncio.run(main())


def test_a_hung_host_keeps_no_other_hosts_rows_back():
    urls = [f"{host}{n}" for n in range(300) for host in (HUNG, WELL)]
    found, _ = outcomes(urls)
    assert len(found) == 300
    assert set(found.values()) == {None}


def test_a_row_that_waits_again_takes_its_share_of_the_bound_once():
    found, room = outcomes([f"{WELL}{n} comes back" for n in range(50)], bound=3)
    assert len(found) == 50
    assert (room._jobs_left, room._inside) == (3, 0)


def test_a_broken_picture_is_its_rows_problem():
    found, _ = outcomes([f"{WELL}1", f"{WELL}broken"])
    assert found[f"{WELL}1"] is None
    assert found[f"{WELL}broken"].message == "broken"


def test_a_slot_is_given_back_while_its_row_waits_and_never_twice():
    async def main():
        slots = asyncio.Semaphore(1)
        first, second = SlotReservation(slots), SlotReservation(slots)
        await first.enter()
        await first.enter()
        waiting = asyncio.ensure_future(second.enter())
        await asyncio.sleep(0)
        assert not waiting.done()
        first.leave()
        first.leave()
        await asyncio.wait_for(waiting, 5)
        assert slots.locked()
        second.leave()
        assert not slots.locked()

    asyncio.run(main())
