"""One run per output in an object store, whatever machine it is on.

The lock is an object beside the output. It is made by a conditional request, which stores grant to
one of two who ask at once: ``If-None-Match: *`` in S3
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html),
``ifGenerationMatch=0`` in Google Cloud Storage
(https://cloud.google.com/storage/docs/request-preconditions). Its holder renews it, so that the
lock of a machine that is gone ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.core.side_files import open_new
from dataflow.engine.plan import Output
from dataflow.remote.errors import RemoteError
from dataflow.remote.filesystem import create, overwrite, read, remove
from dataflow.remote.path import RemotePath
from dataflow.remote.pure_path import OBJECT_STORES

STALE_SECONDS = 600.0
"""A lock that was not renewed for so long is stale: its machine is gone, or cut off."""

RENEW_SECONDS = 60.0
"""Between two renewals."""

SETTLE_SECONDS = 1.0
"""After a stale lock is taken over, for another run that takes it over at the same moment."""

_TRIES = 3


class StoreLock:
    """Holds the lock of an output in an object store until `release`.

    Args:
        url: The output.
        note: A file of this machine that says which lock is ours, so that the next run of a machine
            whose run was killed need not wait. Only one run at a time may use it.
        clock: Seconds since 1970.
        pause: Waits for so many seconds.

    Raises:
        OutputError: another run holds it.
        RemoteError: the store does not answer, or does not take it.
    """

    def __init__(
        self,
        url: RemotePath,
        note: Path,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.with_name(f".{url.name}.lock")
        self._output = url
        self._note = note
        self._clock = clock
        self._pause = pause
        self._name = secrets.token_hex(8)
        self._over = threading.Event()
        self._take()
        threading.Thread(target=self._renewals, name="dataflow-lease", daemon=True).start()

    def _take(self) -> None:
        former = self._note.read_text(encoding="ascii") if self._note.exists() else ""
        with open_new(self._note) as file:
            file.write(self._name)
        for _ in range(_TRIES):
            holder = self._holder()
            if holder is None:
                create(self.url, self._text())  # where another run was faster, its name is there
            elif holder["run"] == former or self._is_stale(holder):
                overwrite(self.url, self._text())
                self._pause(SETTLE_SECONDS)
            else:
                raise self._taken(holder)
            if (self._holder() or {}).get("run") == self._name:
                return
        raise self._taken(self._holder() or {})

    def check(self) -> None:
        """Make sure that the lock is still ours; to be called before the output is replaced.

        Raises:
            OutputError: another run took it over, since this one did not renew it in time.
            RemoteError: the store does not answer.
        """
        holder = self._holder()
        if holder is None:
            create(self.url, self._text())
            holder = self._holder() or {}
        if holder.get("run") != self._name:
            raise OutputError(
                f"{_who(holder)} is writing {self._output} now, because this run did not renew its "
                f"lock for {STALE_SECONDS / 60:.0f} minutes; the output is left as it is, and "
                "every answer is kept: run the same command again when the other run has ended"
            )

    def renew(self) -> None:
        """Say in the lock that its holder lives; nothing where it is not ours any more."""
        if (self._holder() or {}).get("run") == self._name:
            overwrite(self.url, self._text())

    def release(self) -> None:
        """Let go of it; may be called twice."""
        if not self._over.is_set():
            self._over.set()
            with contextlib.suppress(RemoteError, OSError):
                if (self._holder() or {}).get("run") == self._name:
                    remove(self.url)
                self._note.unlink(missing_ok=True)

    def _holder(self) -> dict[str, object] | None:
        """What the lock says; None where there is none."""
        try:
            value = json.loads(read(self.url))
            return {**value, "run": str(value["run"]), "renewed": float(value["renewed"])}
        except RemoteError as error:
            if error.is_missing:
                return None
            raise
        except (ValueError, TypeError, KeyError):
            return {"run": "", "renewed": 0.0}  # somebody's own object: never renewed

    def _text(self) -> bytes:
        lease = {
            "run": self._name,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "renewed": self._clock(),
        }
        return json.dumps(lease).encode()

    def _is_stale(self, holder: dict[str, object]) -> bool:
        age = self._clock() - float(str(holder["renewed"]))
        return not -STALE_SECONDS <= age <= STALE_SECONDS

    def _taken(self, holder: dict[str, object]) -> OutputError:
        ends = float(str(holder.get("renewed", self._clock()))) + STALE_SECONDS
        until = datetime.fromtimestamp(ends, timezone.utc)
        return OutputError(
            f"{_who(holder)} is writing {self._output} (lock {self.url}); wait for it, stop it, or "
            f"choose another output. If that machine is gone, its lock ends at {until:%H:%M} UTC"
        )

    def _renewals(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            with contextlib.suppress(RemoteError):  # a store that is away comes back
                self.renew()


def _who(holder: dict[str, object]) -> str:
    if "host" not in holder:
        return "another run"
    return f"process {holder.get('process')} on {holder['host']}"


@contextlib.contextmanager
def store_lock(output: Output) -> Iterator[Callable[[], None]]:
    """Hold the lock of an output in an object store; yields what checks that it is still ours.

    Raises:
        OutputError: another run holds it, or the store cannot be written.
    """
    if output.url is None or output.url.scheme not in OBJECT_STORES:
        yield lambda: None
        return
    try:
        lock = StoreLock(output.url, output.files.folder / "store-lock")
    except RemoteError as error:
        raise OutputError(f"cannot write {output.url}: {error.strerror}; {error.cure}") from error

    def check() -> None:
        try:
            lock.check()
        except RemoteError as error:
            raise OutputError(
                f"{output.url}: cannot be written: {error.strerror}; {error.cure}, then run the "
                "same command again: nothing is asked twice"
            ) from error

    try:
        yield check
    finally:
        lock.release()
