"""Work that hangs, memory that is scarce."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest

from dataflow.core.errors import PictureError, PictureTooSlowError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.images import loader as loader_module
from dataflow.images.base import timeout_pool as pool_module
from dataflow.images.base.byte_semaphore import ByteSemaphore
from dataflow.images.base.limits import Limits
from dataflow.images.base.timeout_pool import TimeoutPool
from dataflow.images.loader import Loader


@pytest.fixture
def hang():
    """An event that hanging work waits for; set at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def test_hanging_work_is_left_behind_and_the_pool_goes_on(hang):
    async def main():
        pool = TimeoutPool(2, 0.2, ByteSemaphore(100))

        def stuck(job):
            job.reserve(100)
            hang.wait(60)

        def fine(job):
            job.reserve(100)
            return threading.current_thread().name

        started = time.monotonic()
        hanging = [pool.run(stuck, f"stuck {n}") for n in range(5)]
        working = [pool.run(fine, f"fine {n}") for n in range(20)]
        results = await asyncio.gather(*hanging, *working, return_exceptions=True)
        assert [type(r) for r in results[:5]] == [PictureTooSlowError] * 5
        assert results[0].message == "stuck 0: takes over 0.2 s"
        assert results[5:] == ["dataflow-picture"] * 20
        assert time.monotonic() - started < 5
        pool.close()

    asyncio.run(main())


def test_waiting_for_a_thread_or_for_memory_is_not_counted():
    async def main():
        pool = TimeoutPool(2, 0.3, ByteSemaphore(100))

        def slow(job):
            job.reserve(100)  # one at a time
            time.sleep(0.1)
            return "done"

        results = await asyncio.gather(*(pool.run(slow, "slow") for _ in range(8)))
        assert results == ["done"] * 8
        pool.close()

    asyncio.run(main())


def test_the_number_of_hanging_threads_is_bounded(hang, monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_ABANDONED", 3)
    before = threading.active_count()

    async def main():
        pool = TimeoutPool(2, 0.05, ByteSemaphore(100))

        def stuck(job):
            hang.wait(60)

        def fine(job):
            return "fine"

        stuck_ones = [pool.run(stuck, "stuck") for _ in range(30)]
        results = await asyncio.gather(*stuck_ones, return_exceptions=True)
        assert all(isinstance(r, PictureError) for r in results)
        assert threading.active_count() - before <= 5
        with pytest.raises(PictureError, match="before it still hang"):
            await pool.run(fine, "fine")
        hang.set()
        await asyncio.sleep(0.2)
        assert await pool.run(fine, "fine") == "fine"  # threads that came back work again
        pool.close()

    asyncio.run(main())


def test_errors_and_cancellation_pass_through():
    async def main():
        pool = TimeoutPool(1, 10, ByteSemaphore(100))

        def broken(job):
            raise PictureError("broken")

        def slow(job):
            job.reserve(60)
            time.sleep(0.1)
            return 1

        with pytest.raises(PictureError, match="broken"):
            await pool.run(broken, "x")
        tasks = [asyncio.ensure_future(pool.run(slow, "x")) for _ in range(10)]
        await asyncio.sleep(0.02)
        for task in tasks[:-1]:
            task.cancel()
        assert await tasks[-1] == 1
        pool.close()

    asyncio.run(main())


def test_the_gate_is_fair_and_never_passes_its_total():
    gate = ByteSemaphore(100)
    lock, used, peak, order = threading.Lock(), [0], [0], []

    def work(number, cost):
        gate.acquire(cost)
        with lock:
            order.append(number)
            used[0] += min(cost, 100)
            peak[0] = max(peak[0], used[0])
        time.sleep(0.01)
        with lock:
            used[0] -= min(cost, 100)
        gate.release(cost)

    costs = [30, 30, 30, 500, 10, 10, 60, 60]
    threads = []
    for number, cost in enumerate(costs):
        threads.append(threading.Thread(target=work, args=(number, cost)))
        threads[-1].start()
        time.sleep(0.002)
    for thread in threads:
        thread.join(10)
    assert peak[0] <= 100
    assert order.index(3) < order.index(4)  # the large one was not passed by


def test_a_decode_that_hangs_does_not_hold_the_run(hang, monkeypatch, encode, photo):
    from dataflow.images.decode import decode

    real = decode.to_picture

    def slow(source, *, name, **options):
        if name == "hang":
            hang.wait(60)
        return real(source, name=name, **options)

    monkeypatch.setattr(decode, "to_picture", slow)
    data = encode(photo, "JPEG")

    async def main():
        async with Loader(Limits(threads=1, max_seconds=0.3)) as loader:
            refs = [ImageRef("bytes", name, data=data) for name in ("hang", "a", "hang", "b")]
            return await asyncio.gather(*map(loader.load, refs), return_exceptions=True)

    results = asyncio.run(main())
    assert isinstance(results[0], PictureTooSlowError)
    assert isinstance(results[2], PictureTooSlowError)
    assert results[1].data == results[3].data == data


def test_a_process_ends_although_a_decode_hangs():
    code = """
import asyncio, time
from dataflow.core.picture import ImageRef
from dataflow.images.decode import decode
from dataflow.images.base.limits import Limits
from dataflow.images.loader import Loader
decode.to_picture = lambda *a, **k: time.sleep(600)
async def main():
    async with Loader(Limits(max_seconds=0.2)) as loader:
        try:
            await loader.load(ImageRef("bytes", "x", data=b"x"))
        except Exception as error:
            print(type(error).__name__)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "PictureTooSlowError\n"
    assert done.stderr == ""


def test_a_loader_works_only_when_entered():
    with pytest.raises(UsageError, match="async with"):
        asyncio.run(Loader().load(ImageRef("bytes", "x", data=b"x")))


def test_importing_the_loader_imports_neither_pillow_nor_aiohttp():
    code = f"import sys, {loader_module.__name__}, dataflow.images.reference; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    assert not {"PIL", "aiohttp", "numpy", "pillow_heif"} & set(modules)


STOPPED = """
import asyncio, time
from dataflow.images.base.byte_semaphore import ByteSemaphore
from dataflow.images.base.timeout_pool import TimeoutPool

def work(job):
    print("begun", flush=True)
    for _ in range(20):
        time.sleep(0.05)
    return "done"

async def main():
    pool = TimeoutPool(1, 5, ByteSemaphore(100))
    print(await pool.run(work, "x"), flush=True)
    pool.close()

asyncio.run(main())
"""


def test_time_in_which_the_process_is_stopped_does_not_count():
    """Ctrl-Z and fg: the picture that is being decoded has not taken so long."""
    process = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    assert out == "done\n"
