"""An HTTP reply → a `Reply` or the error that it is.

Pure functions of status, headers and body, whatever bytes these hold. The format is OpenAI's chat
completion object (https://platform.openai.com/docs/api-reference/chat/object).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataflow.core.errors import (
    DataflowError,
    EmptyCaptionError,
    GarbledReplyError,
    OverloadedError,
    RefusedError,
)
from dataflow.core.request import Reply, Usage
from dataflow.core.text import scrub
from dataflow.serving.openai.api_errors import ApiError, error_for, read_complaint

_FILTERED = frozenset(
    {"content_filter", "safety", "prohibited_content", "blocklist", "spii", "image_safety"}
)
_READ, _WRITTEN = "prompt_tokens_details", "completion_tokens_details"
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_STATUS_OF = (
    ("rate_limit", 429),
    ("resource_exhausted", 429),
    ("insufficient_quota", 429),
    ("overloaded", 503),
    ("unavailable", 503),
    ("timeout", 503),
    ("server_error", 500),
    ("internal", 500),
    ("authentication", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("not_found", 404),
    ("invalid_request", 400),
    ("badrequest", 400),
    ("bad_request", 400),
    ("content_policy", 400),
    ("content_filter", 400),
    ("context_length", 400),
    ("exceed_context", 400),
)


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str | None] = (),
    place: str = "",
) -> Reply:
    """The reply that an HTTP answer holds.

    Args:
        status: The HTTP status.
        headers: The answer's headers, in any case.
        body: The whole body, decoded from its transfer and content encodings.
        secrets: Texts that must not appear in an error's message, such as the API key.
        place: The path that was asked, for the message of a 404.

    Raises:
        RowError: the server rejects this row, or filtered its answer.
        TryAgainError: the server cannot answer now, or answered something else.
        StopRunError: no row can be answered until a person acts.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    parsed = parse_json(body, headers)
    if not 200 <= status <= 299:
        complaint = read_complaint(parsed) or ApiError("  ", _page_text(body))
        raise error_for(status, headers, complaint, secrets=secrets, place=place)
    if parsed is None:
        said = scrub(_page_text(body), secrets=secrets, limit=120)
        raise GarbledReplyError(f"the reply is no JSON: {said or 'it is empty'}")
    try:
        return _read_completion(parsed, headers, secrets)
    except DataflowError as error:
        # an answer that was made is paid for, whatever is wrong with it
        raise error.billed(usage_of(parsed)) from None


def _read_completion(
    parsed: Any, headers: Mapping[str, str], secrets: Sequence[str | None]
) -> Reply:
    if (error := error_inside(parsed, headers, secrets)) is not None:
        raise error
    choice = first_choice(parsed)
    if choice is None:
        raise GarbledReplyError("the reply has no choices")
    message = choice.get("message")
    if not isinstance(message, dict):
        raise GarbledReplyError("the reply's choice has no message")
    refusal = message.get("refusal")
    return make_reply(
        text_of(message.get("content")),
        refusal=refusal if isinstance(refusal, str) else "",
        finish_reason=finish_reason_of(choice),
        usage=usage_of(parsed),
        model=model_of(parsed),
        name=name_of(parsed),
        secrets=secrets,
    )


def make_reply(
    text: str,
    *,
    refusal: str,
    finish_reason: str | None,
    usage: Usage,
    model: str,
    name: str = "",
    secrets: Sequence[str | None] = (),
) -> Reply:
    """The reply of these parts, however they came: in one body or as a stream.

    Raises:
        RefusedError: the provider filtered the answer, or the model's refusal stands in its place.
        EmptyCaptionError: all the tokens went before the answer began.
        OverloadedError: the engine gave up on its way.
    """
    if (finish_reason or "").lower() in _FILTERED:
        raise RefusedError(f"the provider filtered the answer (finish_reason {finish_reason})")
    if finish_reason == "error":
        raise OverloadedError("the engine gave up on the answer")
    if not text.strip():
        if refusal.strip():
            raise RefusedError(f"the model refused: {scrub(refusal, secrets=secrets)}")
        if finish_reason == "length":
            raise EmptyCaptionError(
                "the reply ended before its text began (finish_reason length): a thinking model "
                "spent all its tokens on thoughts; raise max_tokens or turn thinking off"
            )
    return Reply(text, finish_reason, usage, model, id=name)


def error_inside(
    parsed: Any, headers: Mapping[str, str], secrets: Sequence[str | None]
) -> DataflowError | None:
    """The error that a body or an event with status 200 holds, or None."""
    complaint = read_complaint(parsed)
    if complaint is None and (choice := first_choice(parsed)):
        complaint = read_complaint({"error": choice.get("error"), "choices": ()})
    if complaint is None:
        return None
    status = complaint.status or next(
        (status for word, status in _STATUS_OF if word in complaint.words), None
    )
    if status is None:
        said = scrub(complaint.message, secrets=secrets)
        return GarbledReplyError(f"an error in place of an answer: {said}")
    return error_for(status, headers, complaint, secrets=secrets)


def first_choice(parsed: Any) -> dict[str, Any] | None:
    """The first choice of a completion or of an event, or None where there is none."""
    choices = parsed.get("choices") if isinstance(parsed, dict) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def text_of(content: Any) -> str:
    """A message's content, given as text or as a list of parts; "" where it has no text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def finish_reason_of(choice: Mapping[str, Any]) -> str | None:
    """Why the model stopped, or None."""
    reason = choice.get("finish_reason")
    return reason[:60] if isinstance(reason, str) else None


def usage_of(parsed: Any) -> Usage:
    """The token counts of a completion or an event, by the names that servers give them.

    OpenAI's (https://platform.openai.com/docs/api-reference/chat/object) are vLLM's, SGLang's and
    DashScope's too; DeepSeek and Moonshot count cached tokens elsewhere, llama.cpp in its timings.
    Some servers (xAI, Gemini) leave the thoughts out of ``completion_tokens`` and have them in
    ``total_tokens`` only: what the total holds beyond the prompt was written, and is paid for.
    """
    if not isinstance(parsed, dict):
        return Usage()
    usage = _object(parsed.get("usage"))
    read, written = _object(usage.get(_READ)), _object(usage.get(_WRITTEN))
    timings = _object(parsed.get("timings"))
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    total = _count(usage.get("total_tokens"))
    if prompt is not None and completion is not None and total is not None:
        completion = max(completion, total - prompt)
    return Usage(
        prompt,
        completion,
        cached_tokens=_first_count(
            read.get("cached_tokens"),
            usage.get("prompt_cache_hit_tokens"),
            usage.get("cached_tokens"),
            timings.get("cache_n"),
        ),
        picture_tokens=_first_count(read.get("image_tokens"), usage.get("image_tokens")),
        reasoning_tokens=_first_count(
            written.get("reasoning_tokens"), usage.get("reasoning_tokens")
        ),
    )


def model_of(parsed: Mapping[str, Any]) -> str:
    """The model's name as the server gives it, or ""."""
    model = parsed.get("model")
    return model[:200] if isinstance(model, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_count(*values: Any) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else None


def name_of(parsed: Mapping[str, Any]) -> str:
    """The server's name for this answer, or ""."""
    name = parsed.get("id")
    return name[:200] if isinstance(name, str) else ""


def parse_json(body: bytes, headers: Mapping[str, str]) -> Any:
    """The value of the JSON text `body`, or None where it is none (null is no answer either).

    What strict JSON forbids and servers send all the same is read: NaN (in ``logprobs``), half of
    a surrogate pair, another charset than UTF-8 where the headers name it.

    Args:
        body: The text.
        headers: The answer's, their names in lower case.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    named = _CHARSET.search(headers.get("content-type", ""))
    try:
        return json.loads(body.decode(named[1] if named else "utf-8"))
    except (ValueError, LookupError, RecursionError):
        return None


def _page_text(body: bytes) -> str:
    """The beginning of a body that is no JSON, without the marks of HTML."""
    return _TAG.sub(" ", body[:65_536].decode("utf-8", "replace"))
