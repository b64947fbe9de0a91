"""A review from start to end: the dataset opened, its index made or taken, the page served."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.checks.suite import CaptionRequirements
from dataflow.core.errors import UsageError
from dataflow.engine.paths import SideFiles
from dataflow.formats.existing_captions import CaptionedDataset, open_captions
from dataflow.images.base.limits import Limits
from dataflow.review.asks import Asker, Asks
from dataflow.review.decisions import DecisionStore
from dataflow.review.follow import RunFollower
from dataflow.review.index import ReviewIndex
from dataflow.review.items import PlannedKeys, items_of
from dataflow.review.thumbnails import Thumbnails

if TYPE_CHECKING:
    from typing_extensions import Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSpec:
    """What is reviewed, and how.

    Attributes:
        path: A dataset with captions, or a folder of pictures with sidecars.
        columns: The captions' columns; none for those that captions usually stand under.
        picture_key: The column of pictures.
        sidecar: The ending of sidecars; None for the one that is there.
        author: Who decides; None for the name that this machine knows you by.
        host: The address to listen on.
        port: The port; 0 for any that is free.
        requirements: What captions have to be.
        limits: For pictures.
        asker: What captions are asked of again; None where no model is named.
    """

    path: str
    columns: tuple[str, ...] = ()
    picture_key: str = "image"
    sidecar: str | None = None
    author: str | None = None
    host: str = LOOPBACK
    port: int = 0
    requirements: CaptionRequirements = field(default_factory=CaptionRequirements)
    limits: Limits = field(default_factory=Limits)
    asker: Asker | None = None


class ReviewSession:
    """An opened review; a context manager.

    Args:
        spec: What is reviewed.
        on_progress: Called with the number of captions indexed so far.

    Raises:
        InputError: there is no such dataset.
        UsageError: it has no captions, or its index has no place on this machine.
    """

    def __init__(
        self, spec: ReviewSpec, *, on_progress: Callable[[int], None] = lambda _count: None
    ) -> None:
        self.spec = spec
        path = _local(spec.path)
        self._data: CaptionedDataset = open_captions(
            spec.path,
            columns=spec.columns,
            picture_key=spec.picture_key,
            sidecar=spec.sidecar,
            has_files=True,
        )
        self.files = files = SideFiles(path)
        self.index = ReviewIndex(files.folder / "review.sqlite")
        fingerprint = self._fingerprint()
        self.decisions = DecisionStore(
            files.journal, self.index, author=spec.author or getpass.getuser()
        )
        if not self.index.is_current(fingerprint):
            items = items_of(
                self._data,
                picture_key=spec.picture_key,
                requirements=spec.requirements,
                planned=PlannedKeys(self.decisions.planned()),
            )
            self.index.make(items, fingerprint, on_progress=on_progress)
        self.decisions.catch_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close journal and index."""
        self.decisions.close()
        self.index.close()

    @property
    def folders(self) -> list[str]:
        """Where relative paths of pictures are looked up."""
        return [self._data.reader.folder(), os.curdir]

    async def serve(self, on_ready: Callable[[str], None], *, until: asyncio.Event) -> None:
        """Serve the page until `until` is set.

        Args:
            on_ready: Called with the page's address once it can be opened.
            until: Ends the server.

        Raises:
            UsageError: the port is taken.
        """
        from aiohttp import web

        from dataflow.review.server.access import Access
        from dataflow.review.server.server import ReviewServer, Sources

        listening = _listen(self.spec.host, self.spec.port)
        port = listening.getsockname()[1]
        names = {self.spec.host, "localhost"} if self.spec.host == LOOPBACK else {self.spec.host}
        access = Access(frozenset(f"{name}:{port}" for name in names))
        sources = Sources(
            self.index,
            self.decisions,
            Thumbnails(self.folders, self.spec.limits),
            RunFollower(self.files.journal, self.index, self.spec.requirements),
            self._asks(),
        )
        server = ReviewServer(sources, access, title=Path(self.spec.path).name)
        runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.SockSite(runner, listening).start()
            on_ready(f"http://{self.spec.host}:{port}/?token={access.token}")
            await until.wait()
        finally:
            await runner.cleanup()

    def _asks(self) -> Asks | None:
        asker = self.spec.asker
        if asker is None:
            return None
        return Asks(self.files.folder / "asks", self.index, self.folders, asker)

    def _fingerprint(self) -> str:
        """What tells that the dataset or what is asked of captions is another by now."""
        files = [Path(str(part.path)) for part in getattr(self._data.reader, "files", ())]
        files = files or [_local(self.spec.path)]
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return repr((stats, self.spec.columns, self.spec.picture_key, self.spec.requirements))


def _local(path: str) -> Path:
    if "://" in path:
        raise UsageError(f"{path}: copy the dataset to this machine to review it")
    return Path(path)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} of {host} cannot be had: {error.strerror}; name another with --port"
        ) from error
    listening.listen(64)
    return listening
