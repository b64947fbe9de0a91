"""How a download goes: bytes, rate, a standstill; and whether what came is what was sent."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.core.errors import EngineFailedError
from dataflow.core.settings import ValueRule

if TYPE_CHECKING:
    from typing_extensions import Self

Progress = Callable[[str, int, int], None]
"""Called while a model comes: its name, bytes there, bytes in all (0 where that is not known)."""

PROGRESS = ValueRule(
    "a function", lambda value: callable(value) and not isinstance(value, type)
).or_none()

LOG_EVERY = 10.0
"""Seconds between two lines where nobody watches."""

STANDSTILL_SECONDS = 20.0
"""After so long without a byte a download is said to stand still."""

_TICK = 0.5
_RATE_SECONDS = 10.0  # over so long the rate is taken
_log = logging.getLogger("dataflow")


class DownloadMeter:
    """Counts what comes of a model; a context manager for the time of its download.

    Args:
        name: What is downloaded.
        source: Where from, for messages.
        progress: Hears the numbers; None writes them to the log.
        stop: Asked at each step; True ends the download.
    """

    def __init__(
        self, name: str, source: str, progress: Progress | None, stop: Callable[[], bool]
    ) -> None:
        self._name = name
        self._source = source
        self._progress = progress
        self._stop = stop
        self._done = self._total = 0
        self._moved = self._logged = time.monotonic()
        self._points: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="download-meter", daemon=True)

    def __enter__(self) -> Self:
        """The meter, at work."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._over.set()
        self._thread.join()

    def expect(self, total: int) -> None:
        """Bytes of the whole model; 0 where the hub does not say."""
        self._total = total

    def reach(self, done: int) -> None:
        """So many bytes are here.

        Raises:
            EngineFailedError: the download is to end.
        """
        if self._stop():
            raise EngineFailedError(f"fetching {self._name} was given up")
        if done > self._done:
            self._done, self._moved = done, time.monotonic()
        if self._progress is not None:
            self._progress(self._name, self._done, self._total)

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self._done

    def text(self) -> str:
        """How far it is: megabytes of megabytes, and the rate."""
        share = f" of {self._total / 1e6:,.0f}" if self._total else ""
        return f"{self._done / 1e6:,.0f}{share} MB, {self.rate / 1e6:.1f} MB/s"

    @property
    def rate(self) -> float:
        """Bytes per second of late."""
        now = time.monotonic()
        self._points = [p for p in self._points if now - p[0] <= _RATE_SECONDS]
        self._points.append((now, self._done))
        seconds = now - self._points[0][0]
        return (self._done - self._points[0][1]) / seconds if seconds else 0.0

    def _watch(self) -> None:
        is_still = False
        while not self._over.wait(_TICK):
            now = time.monotonic()
            if now - self._moved >= STANDSTILL_SECONDS:
                if not is_still:
                    _log.warning(
                        "the download of %s stands still: nothing came from %s for %.0f s; it goes "
                        "on by itself when the hub answers again (Ctrl-C keeps what is here)",
                        self._name, self._source, now - self._moved,
                    )  # fmt: skip
                is_still = True
            else:
                is_still = False
            if self._progress is None and now - self._logged >= LOG_EVERY:
                self._logged = now
                _log.info("fetching %s: %s", self._name, self.text())


def check_digest(file: Path, digest: str) -> None:
    """Make sure that `file` is what the hub sent.

    Args:
        file: What came.
        digest: Its SHA-256 (64 digits), or its Git blob's SHA-1 (40), as hubs name files by
            (https://huggingface.co/docs/huggingface_hub/guides/manage-cache); others say nothing.

    Raises:
        EngineFailedError: it is not; it is removed.
    """
    digest = digest.strip('"').lower()
    if len(digest) == 64:
        found = hashlib.sha256()
    elif len(digest) == 40:
        found = hashlib.sha1(b"blob %d\0" % file.stat().st_size)  # noqa: S324 - Git's own
    else:
        return
    with file.open("rb") as opened:
        while data := opened.read(2**20):
            found.update(data)
    if found.hexdigest() != digest:
        file.resolve().unlink()
        raise EngineFailedError(
            f"{file.name} came damaged (its checksum is another one) and is removed: run the same "
            "command again"
        )
