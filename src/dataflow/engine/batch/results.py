"""The results of ended batches: fetched, read and kept, or left for the next run to read."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from dataflow.core.errors import (
    DataflowError,
    GarbledReplyError,
    RowError,
    StopRunError,
    TryAgainError,
)
from dataflow.core.protocols.batch import BatchApi, BatchState
from dataflow.engine.batch.custom_ids import key_of
from dataflow.engine.flow.retry import Retrier
from dataflow.engine.journal.batch_tables import Batch, BatchTables
from dataflow.engine.journal.codec import to_text

AT_ONCE = 500
"""Answers kept in one commit."""

LOST_WAITS = (1.0, 4.0)
"""Seconds before a whole batch's files are looked at again in which answers are missing."""

FILE_LOOKS = 4
"""So often a file is looked for that the server does not have."""

_log = logging.getLogger("dataflow")


class BatchResults:
    """Reads what ended batches answered.

    Args:
        api: The server.
        tables: Where answers are kept.
        retrier: Tries again what fails.
    """

    def __init__(self, api: BatchApi, tables: BatchTables, retrier: Retrier) -> None:
        self._api = api
        self._tables = tables
        self._persist = retrier.until_done
        self._looks: Counter[str] = Counter()

    async def collect(self, batch: Batch, state: BatchState) -> StopRunError | None:
        """Keep all that came of an ended batch; what it left unanswered is to be asked again.

        Returns:
            An answer that says that a person must act, where there is one.

        Raises:
            StopRunError: its files cannot be fetched, or no line in them can be read. Then it
                stays as it is: the next run reads it again, and nothing is bought twice.
        """
        stop: list[StopRunError] = []
        reading = ""

        async def read() -> None:
            nonlocal reading
            now = await self._api.state(state.id) or state
            for file in filter(None, (now.output_file, now.error_file)):
                reading = file
                stop.extend(await self._read_soon(batch, file))
            reading = ""

        await self._fetch(read, batch, lambda: reading)
        for wait in LOST_WAITS if state.status == "completed" else ():
            lost = self._tables.unanswered(batch)
            if not lost:
                break
            _log.warning("%d requests of batch %s are in no file; looking again", lost, batch.id)
            await asyncio.sleep(wait)
            await self._fetch(read, batch, lambda: reading)
        # what a whole batch left out is paid for at most once more
        kind = GarbledReplyError if state.status == "completed" else TryAgainError
        missing = kind(f"batch {batch.id} ended ({state.status}) without an answer to it")
        unanswered = self._tables.end(batch, to_text(missing))
        if unanswered and state.status != "completed":
            _log.warning(
                "batch %s: %s, %d of %d requests were not answered",
                batch.id, state.status, unanswered, batch.requests,
            )  # fmt: skip
        return stop[0] if stop else None

    async def _fetch(
        self, read: Callable[[], Awaitable[None]], batch: Batch, file: Callable[[], str]
    ) -> None:
        try:
            await self._persist(read)
        except (TryAgainError, RowError, StopRunError) as error:
            raise (_unread(batch, file(), error) if file() else error) from error

    async def _read_soon(self, batch: Batch, file: str) -> list[StopRunError]:
        """As `_read`; a file that is not there at a few looks is not waited for any longer."""
        self._looks[file] += 1
        try:
            return await self._read(batch, file)
        except GarbledReplyError as error:
            if self._looks[file] < FILE_LOOKS:
                raise
            raise StopRunError(error.message) from error

    async def _read(self, batch: Batch, file: str) -> list[StopRunError]:
        """Keep the answers in a file; returns those that say that a person must act.

        Raises:
            StopRunError: none of its lines can be read.
        """
        stop: list[StopRunError] = []
        garbled: list[tuple[bytes, str]] = []
        is_readable = False
        first: GarbledReplyError | None = None
        unknown = 0
        chunk: list[tuple[bytes, str]] = []
        async for custom_id, answer in self._api.answers(file):
            key = key_of(custom_id)
            if key is None:
                unknown += 1
                continue
            if isinstance(answer, GarbledReplyError) and not is_readable:
                garbled.append((key, to_text(answer)))
                first = first or answer
                continue
            is_readable = True
            chunk.append((key, to_text(answer)))
            if isinstance(answer, StopRunError) and not answer.is_vague and not stop:
                stop.append(answer)
            if len(chunk) == AT_ONCE:
                unknown += self._tables.keep(batch, chunk)
                chunk = []
        if first is not None and not is_readable:
            raise StopRunError(f"none of its {len(garbled)} lines can be read: {first.message}")
        unknown += self._tables.keep(batch, [*garbled, *chunk])
        if unknown:
            _log.warning("batch %s: %d answers to nothing that was asked", batch.id, unknown)
        return stop


def _unread(batch: Batch, file: str, error: DataflowError) -> StopRunError:
    """The error of a batch that was worked on, and whose answers cannot be had."""
    return StopRunError(
        f"batch {batch.id} has ended, and the answers to its {batch.requests:,} requests, in the "
        f"server's file {file}, cannot be had: {error.message}. Nothing is asked a second time: "
        "the same command reads the file again. If it is gone for good, --batch-cancel gives the "
        "requests back, and they are paid for once more"
    )
