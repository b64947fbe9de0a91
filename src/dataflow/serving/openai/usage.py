"""The tokens that a reply says it cost, by the names that servers give them."""

from __future__ import annotations

from typing import Any

from dataflow.core.request import Usage

_READ, _WRITTEN = "prompt_tokens_details", "completion_tokens_details"


def usage_of(parsed: Any) -> Usage:
    """The token counts of a completion or an event, by the names that servers give them.

    OpenAI's (https://platform.openai.com/docs/api-reference/chat/object) are vLLM's, SGLang's and
    DashScope's too, and some gateways have Anthropic's (``input_tokens``); DeepSeek and Moonshot
    count cached tokens elsewhere, llama.cpp in its timings. Some servers (xAI, Gemini) leave the
    thoughts out of ``completion_tokens`` and have them in ``total_tokens`` only: what the total
    holds beyond the prompt was written, and is paid for.
    """
    if not isinstance(parsed, dict):
        return Usage()
    usage = _object(parsed.get("usage"))
    read, written = _object(usage.get(_READ)), _object(usage.get(_WRITTEN))
    timings = _object(parsed.get("timings"))
    prompt = _first_count(usage.get("prompt_tokens"), usage.get("input_tokens"))
    completion = _first_count(usage.get("completion_tokens"), usage.get("output_tokens"))
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


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_count(*values: Any) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if is_count else None
