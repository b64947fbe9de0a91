"""Why a model stopped, by the words that providers have for it.

Only known good endings count as whole. OpenAI's words (https://platform.openai.com/docs/
api-reference/chat/object) are those of most servers; Gemini, Anthropic, Mistral, Zhipu, AWS, SGLang
and TGI pass their own through.
"""

from __future__ import annotations

import re
from enum import Enum


class Ending(Enum):
    """What a finish reason means for the text."""

    WHOLE = "whole"
    CUT = "cut"
    FILTERED = "filtered"
    FAILED = "failed"
    UNKNOWN = "unknown"


_WHOLE = frozenset({
    "", "stop", "end_turn", "eos", "eos_token", "stop_sequence", "stop_token", "end_of_turn", "end",
    "finish", "finished", "complete", "completed", "done", "finish_reason_stop", "null", "none",
    "eos_token_id", "stop_str", "length_stop", "normal",
})  # fmt: skip
_CUT = frozenset({
    "length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "abort",
    "max_length", "max_new_tokens", "token_limit", "context_length", "context_window_exceeded",
    "model_context_window_exceeded", "incomplete", "limit", "timeout", "time_limit", "cancelled",
    "canceled", "aborted", "interrupted", "truncated", "pause_turn", "insufficient_system_resource",
})  # fmt: skip
_FAILED = frozenset({
    "error", "engine_error", "internal_error", "network_error", "malformed_function_call",
    "repetition_truncation", "other_error", "failed", "server_error",
})  # fmt: skip
_FILTERED = re.compile(
    r"content_?filter|content_?block|safety|prohibited|blocklist|block_reason|^blocked|spii"
    r"|recitation|sensitive|guardrail|refus|^image_|moderat|policy|copyright|censor|risk"
    r"|inspection|violation|unsafe|harm|jailbreak"
)
_PREFIX = re.compile(r"^(finish_?reason|stop_?reason)[_.: ]*")


def ending_of(finish_reason: str | None) -> Ending:
    """What a server's finish reason means; no reason at all counts as whole."""
    word = re.sub(r"[\s-]+", "_", (finish_reason or "").strip().lower())
    word = _PREFIX.sub("", word)
    if word in _WHOLE:
        return Ending.WHOLE
    if word in _CUT:
        return Ending.CUT
    if word in _FAILED:
        return Ending.FAILED
    return Ending.FILTERED if _FILTERED.search(word) else Ending.UNKNOWN


def plain_reason(finish_reason: str | None) -> str | None:
    """The reason as all servers of ours give it: ``"stop"``, ``"length"``; others as they are."""
    ending = ending_of(finish_reason)
    if finish_reason is None or ending is Ending.UNKNOWN:
        return finish_reason
    return "length" if ending is Ending.CUT else "stop"
