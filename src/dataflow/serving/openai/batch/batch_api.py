"""The file-based Batch API over the one HTTP client: files up, batches watched, files down.

The protocol is OpenAI's (https://platform.openai.com/docs/api-reference/batch and …/files). Files
go up from the disk and come down line by line, so that memory does not grow with them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from dataflow.core.errors import (
    DataflowError,
    GarbledReplyError,
    ParameterError,
    StopRunError,
    TryAgainError,
)
from dataflow.core.picture import Picture
from dataflow.core.protocols.batch import BatchResult, BatchState
from dataflow.core.request import Reply, Request
from dataflow.serving.openai.batch.batch_format import (
    ENDPOINT,
    METADATA_KEY,
    batch_of,
    read_batch,
    read_file_id,
    read_line,
    read_list,
    request_line,
)
from dataflow.serving.openai.client import ChatClient
from dataflow.serving.openai.exchanges import Upload
from dataflow.serving.openai.transport.reply_buffer import LONGEST_BODY

FILE_SECONDS = 6 * 3600.0
"""For one file up or down; a connection that stands still is noticed much earlier."""

PAGE = 100
"""Objects on one page of a list; the most that OpenAI gives."""

CLOCK_SECONDS = 3600.0
"""By so much the server's clock may differ from ours."""

_log = logging.getLogger("dataflow")


class OpenAIBatchApi:
    """The Batch API behind `client`; see `core.batch.OpenAIBatchApi`.

    Args:
        client: An open client.
        window: The time in which the server is to be done with a batch.
    """

    def __init__(self, client: ChatClient, window: str) -> None:
        self._client = client
        self._window = window
        self._sample: Request | None = None
        self.base_url = client.address.base_url

    def line(self, custom_id: str, request: Request, pictures: Sequence[Picture]) -> bytes:
        """The line that asks `request`.

        Raises:
            BadRowError: a text of it cannot be sent.
        """
        self._sample = request
        return request_line(custom_id, self._client.batch_body(request, pictures))

    async def upload(self, path: Path, name: str) -> str:
        """Send the file at `path` from the disk; returns the server's id of it."""
        fields = {"purpose": "batch"}
        return read_file_id(await self._call("POST", "/files", upload=Upload(path, name, fields)))

    async def find_files(self, name: str, size: int, since: float) -> list[str]:
        """The ids of the uploaded files of this name and size; the newest are listed first."""
        return [
            str(file.get("id"))
            async for file in self._list("/files", {"purpose": "batch"}, since)
            if file.get("filename") == name and file.get("bytes") == size
        ]

    async def remove_file(self, file: str) -> None:
        """Remove an uploaded file; one that is gone already is no error."""
        await self._client.http.call("DELETE", f"/files/{quote(file, safe='')}")

    async def create(self, file: str, token: str) -> BatchState:
        """Make a batch of an uploaded file."""
        wanted = {
            "input_file_id": file,
            "endpoint": ENDPOINT,
            "completion_window": self._window,
            "metadata": {METADATA_KEY: token},
        }
        body = orjson.dumps(wanted)
        # servers that know this header make the same batch only once; the others overlook it
        answer = await self._call("POST", "/batches", body, headers={"Idempotency-Key": token})
        return read_batch(answer, secrets=self._client.secrets)

    async def find(self, file: str, token: str, since: float) -> list[BatchState]:
        """The batches made of `file` or with `token`; the newest are listed first."""
        batches = [
            batch_of(value, self._client.secrets)
            async for value in self._list("/batches", {}, since)
        ]
        return [b for b in batches if b.input_file == file or b.token == token]

    async def state(self, batch: str) -> BatchState | None:
        """The batch as it is now; None where the server knows none of this id."""
        body = await self._client.http.call("GET", f"/batches/{quote(batch, safe='')}")
        return None if body is None else read_batch(body, secrets=self._client.secrets)

    async def cancel(self, batch: str) -> None:
        """Have the server stop; where it has stopped by itself already, nothing happens."""
        try:
            await self._client.http.call("POST", f"/batches/{quote(batch, safe='')}/cancel", b"{}")
        except TryAgainError:
            raise
        except DataflowError as error:
            _log.warning("batch %s was not cancelled: %s", batch, error.message)

    async def answers(self, file: str) -> AsyncIterator[BatchResult]:
        """What came of each request in a file; unreadable lines are left out, with a warning."""
        unreadable = 0
        async for line in self._lines(file):
            answer = read_line(line, secrets=self._client.secrets)
            if answer is None:
                unreadable += bool(line.strip())
            else:
                yield answer[0], self._adapted(answer[1])
        if unreadable:
            _log.warning("%d lines of the batch's file %s cannot be read", unreadable, file)

    def _adapted(self, answer: Reply | DataflowError) -> Reply | DataflowError:
        """`answer`, or that it is worth asking again, for the request is put otherwise from now."""
        if isinstance(answer, Reply):
            return answer
        try:
            if self._client.adapt(answer, self._sample):
                return TryAgainError(f"asked again in another form: {answer.message}")
        except ParameterError as error:
            # without a request of this run nobody knows whose the parameter is
            return answer if self._sample is None else error
        return answer

    async def _lines(self, file: str) -> AsyncIterator[bytes]:
        rest, is_too_long = b"", False
        path = f"/files/{quote(file, safe='')}/content"
        async for piece in self._client.http.stream_file(path, seconds=FILE_SECONDS):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield b"(the rest of too long a line)" if is_too_long else line
                is_too_long = False
            if len(rest) > LONGEST_BODY:
                rest, is_too_long = b"", True
        if rest:
            yield rest

    async def _list(
        self, path: str, query: Mapping[str, str], since: float
    ) -> AsyncIterator[dict[str, Any]]:
        """The objects of a list that were made after `since`, page by page."""
        after: str | None = ""
        asked: set[str] = set()
        while after is not None:
            if after in asked:
                raise GarbledReplyError(f"the server's list {path} goes round in a circle")
            asked.add(after)
            more = {"after": after} if after else {}
            body = await self._call("GET", path, query={**query, "limit": str(PAGE), **more})
            page, after = read_list(body)
            for item in page:
                created = item.get("created_at")
                if isinstance(created, (int, float)) and created < since - CLOCK_SECONDS:
                    return
                yield item

    async def _call(self, method: str, path: str, body: bytes | None = None, **more: Any) -> bytes:
        """As `ChatClient.call`, for what every server that takes batches has."""
        answer = await self._client.http.call(method, path, body, seconds=FILE_SECONDS, **more)
        if answer is None:
            raise StopRunError(
                f"{self.base_url}{path}: not found (HTTP 404) – does this server take batches?"
            )
        return answer
