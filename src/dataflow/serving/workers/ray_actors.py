"""Workers as actors of a Ray cluster (https://docs.ray.io/en/latest/ray-core/actors.html).

Ray decides on which machine an actor runs and starts it there; all else is done as with any worker.
An actor is never restarted by Ray and none of its calls repeated, so that nothing is asked twice
behind the run's back: a lost actor's requests are given out again, and counted, by the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from dataflow.core.errors import MissingPackageError, UnreachableError
from dataflow.serving.workers.link import WorkerLostError
from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup
from dataflow.serving.workers.worker import LeaseWorker

SILENT_SECONDS = 60.0
"""An actor that says nothing for so long is taken for lost: its machine is cut off."""

CONNECT_SECONDS = 10.0
"""Until a cluster's address must listen."""

END_SECONDS = 20.0
"""An actor that is to end has so long to end its engine."""

MOST_REASON = 300
"""Characters of the reason for which an actor is gone."""

AUTH_CURE = (
    "A cluster without token authentication refuses a driver that has it: set "
    "RAY_AUTH_MODE=disabled, or RAY_AUTH_MODE=token on all machines."
)

_REFUSED = "cancelled before it started running"
"""What Ray 2.60 says of an actor where driver and cluster differ in token authentication.

Where the driver finds the cluster by itself and this machine has a token, Ray switches it on
(https://docs.ray.io/en/latest/ray-security/token-auth.html).
"""

_NAMES_ACTOR = re.compile(r"(class_name|actor_id|pid|name|namespace|ip|job_id|node_id): ")

_CALLS = 8
"""Calls of one actor under way at once: one that waits for answers, the others hand over."""


class RayWorker:
    """The class of the actors.

    Args:
        setup: What it works with.
        folder: The driver's, in which relative paths of pictures begin.
    """

    def __init__(self, setup: WorkerSetup, folder: str) -> None:
        with contextlib.suppress(OSError):  # a machine that lacks it needs absolute paths
            os.chdir(folder)
        self._worker = LeaseWorker(setup)

    async def start(self) -> WorkerAnswers:
        """See `LeaseWorker.start`."""
        return await self._worker.start()

    async def take(self, lease: Sequence[LeasedRequest]) -> None:
        """See `LeaseWorker.take`."""
        self._worker.take(lease)

    async def collect(self) -> WorkerAnswers:
        """See `LeaseWorker.collect`."""
        return await self._worker.collect()

    async def close(self) -> None:
        """See `LeaseWorker.close`."""
        await self._worker.close()


class RayLauncher:
    """Starts workers as actors.

    Args:
        address: The cluster's address; None for the one that ``RAY_ADDRESS`` or this machine names,
            and where there is none, for a cluster of this machine alone.
        cpus: That Ray sets aside for each actor.
        gpus: Likewise.
    """

    def __init__(self, address: str | None = None, *, cpus: float = 1, gpus: float = 0) -> None:
        self._address = address
        self._cpus, self._gpus = cpus, gpus
        self._over: threading.Event | None = None

    def launch(self, number: int, setup: WorkerSetup) -> RayLink:
        """See `link.WorkerLauncher`."""
        import ray

        actor = ray.remote(RayWorker).options(
            name=None,
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=_CALLS,
            scheduling_strategy="SPREAD",
        )
        return RayLink(actor.remote(setup, str(Path.cwd())))

    def close(self) -> None:
        """Leave the cluster, where this one joined it."""
        if self._over is not None:
            import ray

            ray.shutdown()
            self._over.set()
            self._over = None

    def prepare(self) -> None:
        """Join the cluster.

        Raises:
            MissingPackageError: Ray is not installed.
            UnreachableError: there is no cluster at the address.
        """
        try:
            import ray
        except ImportError:
            raise MissingPackageError(
                "--ray needs Ray: pip install 'dataflow-caption[ray]'"
            ) from None
        if ray.is_initialized():
            return
        _check_reachable(self._address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        joined: Future[None] = Future()
        over = threading.Event()
        # the processes of a cluster of this machine end with the thread that started them
        # (PR_SET_PDEATHSIG), so that thread stays until `close`
        threading.Thread(
            target=self._stay, args=(joined, over), name="dataflow-ray", daemon=True
        ).start()
        joined.result()
        self._over = over

    def _stay(self, joined: Future[None], over: threading.Event) -> None:
        """Join the cluster, and wait until it is over."""
        import ray

        try:
            ray.init(
                address=self._address,
                log_to_driver=False,
                logging_level=logging.WARNING,
                include_dashboard=False if self._address is None else None,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = self._address or "RAY_ADDRESS"
            joined.set_exception(UnreachableError(f"there is no Ray cluster at {where}: {error}"))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            joined.set_exception(error)
        else:
            joined.set_result(None)
            over.wait()


def _check_reachable(address: str | None) -> None:
    """Make sure that something listens at ``HOST:PORT``; Ray itself waits for it for minutes.

    Raises:
        UnreachableError: nothing does.
    """
    host, _, port = (address or "").rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        return  # a word such as "auto", or a URL, which Ray reads
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UnreachableError(
            f"there is no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}"
        ) from error


class RayLink:
    """One actor; see `link.WorkerLink`.

    Args:
        actor: Its handle.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def start(self) -> WorkerAnswers:
        """Wait until Ray has found a machine for it and its engine is up, however long that is."""
        said: WorkerAnswers = await _result(self._actor.start.remote(), None)
        return said

    async def give(self, lease: Sequence[LeasedRequest]) -> None:
        """See `link.WorkerLink`."""
        await _result(self._actor.take.remote(list(lease)), SILENT_SECONDS)

    async def collect(self) -> WorkerAnswers:
        """See `link.WorkerLink`."""
        said: WorkerAnswers = await _result(self._actor.collect.remote(), SILENT_SECONDS)
        return said

    async def close(self) -> None:
        """See `link.WorkerLink`."""
        import ray

        with contextlib.suppress(WorkerLostError):
            await _result(self._actor.close.remote(), END_SECONDS)
        ray.kill(self._actor)


async def _result(reference: Any, seconds: float | None) -> Any:
    """What a call of an actor returns.

    Raises:
        WorkerLostError: the actor is gone, or did not answer in time.
    """
    import ray.exceptions

    try:
        return await asyncio.wait_for(asyncio.wrap_future(reference.future()), seconds)
    except asyncio.TimeoutError:
        raise WorkerLostError(f"it said nothing for {seconds:.0f} s") from None
    except ray.exceptions.RayTaskError:
        raise  # a fault of this program in the actor
    except ray.exceptions.RayError as error:
        raise WorkerLostError(_reason_of(str(error))) from error


def _reason_of(text: str) -> str:
    """Why an actor is gone, on one line, out of Ray's words.

    Ray says on the first line that it is gone, on the next ones which it was, and then why.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    said = [line for line in lines if line and not _NAMES_ACTOR.match(line)]
    reason = " ".join(said[1:] or said)[:MOST_REASON] or "Ray does not say why"
    return f"{reason} {AUTH_CURE}" if _REFUSED in reason else reason
