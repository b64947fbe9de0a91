"""Why a model stopped, by the words that providers have for it.

Only known good endings count as whole. OpenAI's words (https://platform.openai.com/docs/
api-reference/chat/object) are those of most servers; Gemini, Anthropic, Mistral, Cohere, Zhipu,
AWS, SGLang, TGI and Ollama pass their own through. Each of them writes words in its own case
(``MAX_TOKENS``, ``MaxTokens``, ``max-tokens``) and with its own prefix (``FinishReason.STOP``).
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


_WHOLE = re.compile(
    r"|stop|stop_(sequence|str|id|token|word|string|criteria)\w*|length_stop|matched_stop\w*"
    r"|eos\w*|end|ended|end_(of_)?(turn|text|sequence|message)|finish|finished|complete|completed"
    r"|completion|done|normal|null|none|success|(</s>|<\|\w{1,20}\|>|<end_of_turn>)"
)
_CUT = re.compile(
    r"length|context\w*|limit|incomplete|not_finished|pause_turn|truncated|compaction"
    r"|(model|max|token|output|hit|time|over)_\w*|\w+_(limit|limited|length|capped)"
    r"|timeout|(deadline|window|budget|quota)\w*|\w+_(exceeded|cancel(l?ed)?)|cancel(l?ed)?"
    r"|abort(ed)?|interrupt(ed)?|preempt(ed)?|disconnect(ed)?|insufficient_system_resource"
)
_FAILED = re.compile(
    r"error|(engine|internal|network|other|server|system|gpu)_error|malformed_\w+|failed|failure"
    r"|repetition(_\w+)?|oom|out_of_memory|load|unload"
)
_FILTERED = re.compile(
    r"filter|content_?block|safety|prohibited|b?locklist|blacklist|block_reason|^blocked|spii"
    r"|recitation|sensitive|guardrail|refus|^image_|moderat|policy|copyright|infring|censor|risk"
    r"|inspection|violation|unsafe|harm|jailbreak|toxic|offensive|nsfw|illegal|banned|forbidden"
    r"|disallowed|denied|model_armor|^language$"
)
_NOT_ENDED = re.compile(r"|null|none|nil|undefined|unspecified|in_progress")
_PREFIX = re.compile(r"^((finish|stop|done|end)_?)?reason[_.: ]*|^(finish|stop)[.:]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def ending_of(finish_reason: str | None) -> Ending:
    """What a server's finish reason means; no reason at all counts as whole."""
    word = _word_of(finish_reason)
    if _WHOLE.fullmatch(word):
        return Ending.WHOLE
    if _FILTERED.search(word):
        return Ending.FILTERED
    if _FAILED.fullmatch(word):
        return Ending.FAILED
    return Ending.CUT if _CUT.fullmatch(word) else Ending.UNKNOWN


def is_ended(finish_reason: str | None) -> bool:
    """Whether a piece of a stream ends the answer.

    Some servers write a word for none into each piece (KoboldCpp and DashScope ``"null"``, SGLang
    and Ollama ``""``), and a stream that breaks after one of these is not whole.
    """
    return _NOT_ENDED.fullmatch(_word_of(finish_reason)) is None


def stricter_reason(reason: str | None, native: str | None) -> str | None:
    """The finish reason, or the provider's own where that says that the answer is not whole.

    OpenRouter and LiteLLM pass the provider's word on as ``native_finish_reason``, and give
    ``"stop"`` for those that they do not know.
    """
    is_worse = ending_of(native) in {Ending.CUT, Ending.FILTERED}
    return native if is_worse and ending_of(reason) is Ending.WHOLE else reason


def _word_of(finish_reason: str | None) -> str:
    word = _CAMEL.sub("_", (finish_reason or "").strip()).lower()
    return _PREFIX.sub("", re.sub(r"[\s-]+", "_", word))


def plain_reason(finish_reason: str | None) -> str | None:
    """The reason as all servers of ours give it: ``"stop"``, ``"length"``; others as they are."""
    ending = ending_of(finish_reason)
    if finish_reason is None or ending is Ending.UNKNOWN:
        return finish_reason
    return "length" if ending is Ending.CUT else "stop"
