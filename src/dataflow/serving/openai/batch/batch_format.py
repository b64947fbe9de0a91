"""The lines of a batch's files, and the objects of the Batch API → our words.

Pure functions of bytes. The formats are OpenAI's (https://platform.openai.com/docs/api-reference/
batch); DashScope's are the same, and vLLM's `run-batch` reads and writes the same lines. What a
line holds is a request's body and reply as everywhere else: `request_body.py` and `replies.py` know
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataflow.core.errors import (
    DataflowError,
    GarbledReplyError,
    RateLimitedError,
    TryAgainError,
)
from dataflow.core.protocols.batch import BatchResult, BatchState
from dataflow.core.request import Reply
from dataflow.core.text import scrub
from dataflow.serving.openai.api_errors import error_for, error_inside, read_api_error
from dataflow.serving.openai.error_rules import ApiError
from dataflow.serving.openai.replies import attach, read_answer

ENDPOINT = "/v1/chat/completions"
"""What every line asks, and the batch is made for."""

METADATA_KEY = "dataflow_batch"
"""The name under which our token stands in a batch's metadata."""

_NEVER_ASKED = re.compile(r"batch_(expired|cancelled|canceled)")
_TOO_MUCH = re.compile(r"token_limit_exceeded|enqueued token", re.IGNORECASE)


def request_line(custom_id: str, body: bytes) -> bytes:
    """The line that asks `body`, a chat completion's JSON, under the name `custom_id`."""
    head = orjson.dumps({"custom_id": custom_id, "method": "POST", "url": ENDPOINT})
    return b'%b,"body":%b}\n' % (head[:-1], body)


def read_line(line: bytes, *, secrets: Sequence[str | None] = ()) -> BatchResult | None:
    """A line of an output or error file → the request's custom id and what came of it.

    Args:
        line: Without its line break.
        secrets: Texts that must not appear in an error's message.

    Returns:
        None where the line is no JSON or names no request.
    """
    try:
        value = orjson.loads(line)
    except ValueError:
        return None
    custom_id = value.get("custom_id") if isinstance(value, dict) else None
    if not isinstance(custom_id, str):
        return None
    try:
        return custom_id, _reply_in(value, secrets)
    except DataflowError as error:
        return custom_id, error


def _reply_in(value: Mapping[str, Any], secrets: Sequence[str | None]) -> Reply:
    response, error = value.get("response"), value.get("error")
    response = response if isinstance(response, dict) else {}
    body, status = response.get("body"), response.get("status_code")
    status = status if isinstance(status, int) else 200
    if body is not None:
        return read_answer(status, {}, orjson.dumps(body), secrets=secrets)
    wrapped = error if isinstance(error, dict) and "error" in error else {"error": error}
    api_error = read_api_error(wrapped)
    if api_error is None:
        raise GarbledReplyError("the batch's line holds neither a reply nor an error")
    if _NEVER_ASKED.search(api_error.words):
        raise TryAgainError(f"not answered: {scrub(api_error.message, secrets=secrets)}")
    if status >= 400:
        raise attach(error_for(status, {}, api_error, secrets=secrets), api_error)
    raise error_inside(wrapped, {}, secrets) or GarbledReplyError("an error without words")


def read_batch(body: bytes, *, secrets: Sequence[str | None] = ()) -> BatchState:
    """The batch that an answer's body tells of.

    Raises:
        GarbledReplyError: it tells of none.
    """
    return batch_of(_object(body), secrets)


def batch_of(value: Mapping[str, Any], secrets: Sequence[str | None] = ()) -> BatchState:
    """A parsed batch object → `BatchState`.

    Raises:
        GarbledReplyError: it is none.
    """
    identity, status = _text(value, "id"), _text(value, "status")
    if not identity or not status:
        raise GarbledReplyError("the reply tells of no batch")
    counts, metadata = value.get("request_counts"), value.get("metadata")
    created = value.get("created_at")
    return BatchState(
        id=identity,
        status="cancelled" if status == "canceled" else status,
        token=_text(metadata, METADATA_KEY),
        input_file=_text(value, "input_file_id"),
        # some servers write an empty name where there is no file
        output_file=_text(value, "output_file_id") or None,
        error_file=_text(value, "error_file_id") or None,
        done=_number(counts, "completed") + _number(counts, "failed"),
        created=float(created) if isinstance(created, (int, float)) else 0.0,
        error=_why_failed(value, secrets) if status == "failed" else None,
    )


def _why_failed(value: Mapping[str, Any], secrets: Sequence[str | None]) -> DataflowError:
    errors = value.get("errors")
    api_error = read_api_error(
        {"error": errors.get("data") if isinstance(errors, dict) else errors}
    )
    api_error = api_error or ApiError("  ", "")
    if _TOO_MUCH.search(api_error.words) or _TOO_MUCH.search(api_error.message):
        return RateLimitedError(scrub(api_error.message, secrets=secrets))
    return error_for(400, {}, api_error, secrets=secrets)


def read_list(body: bytes) -> tuple[list[dict[str, Any]], str | None]:
    """The objects on one page of a list, and after which of them the next page begins, if any.

    Raises:
        GarbledReplyError: it is no list.
    """
    value = _object(body)
    data = value.get("data")
    if not isinstance(data, list):
        raise GarbledReplyError("the reply is no list")
    found = [item for item in data if isinstance(item, dict)]
    last = _text(value, "last_id") or (_text(found[-1], "id") if found else "")
    return found, last if found and last and value.get("has_more") is True else None


def read_file_id(body: bytes) -> str:
    """The id of the file that was uploaded.

    Raises:
        GarbledReplyError: the reply names none.
    """
    identity = _text(_object(body), "id")
    if not identity:
        raise GarbledReplyError("the reply names no file")
    return identity


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise GarbledReplyError("the reply is no JSON object")
    return value


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and len(found) <= 500 else ""


def _number(value: Any, name: str) -> int:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, int) and found > 0 else 0
