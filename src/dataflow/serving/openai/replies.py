"""An HTTP reply → a `Reply` or the error that it is.

Pure functions of status, headers and body, whatever bytes these hold. The format is OpenAI's chat
completion object (https://platform.openai.com/docs/api-reference/chat/object).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from dataflow.core.errors import (
    DataflowError,
    EmptyCaptionError,
    GarbledReplyError,
    OverloadedError,
    ReasoningOnlyError,
    RefusedError,
    ReplyTooLargeError,
)
from dataflow.core.request import Reply, Usage
from dataflow.core.secrets import redact
from dataflow.core.text import scrub
from dataflow.serving.openai.api_errors import (
    error_for,
    error_inside,
    first_choice,
    read_api_error,
    shown_body,
    unwrapped_completion,
)
from dataflow.serving.openai.error_rules import ApiError
from dataflow.serving.openai.finish_reasons import (
    Ending,
    ending_of,
    plain_reason,
    stricter_reason,
)
from dataflow.serving.openai.usage import usage_of

LONGEST_TEXT = 2**20
"""Characters; an answer that is longer is no caption."""

_CHARSET = re.compile(r"charset=[\"']?([\w.:-]{1,40})", re.IGNORECASE)
# those that decode in linear time; Python knows others that take minutes for a megabyte
_CHARSETS = frozenset({
    "utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be", "ascii",
    "us-ascii", "latin-1", "latin1", "iso-8859-1", "iso-8859-15", "windows-1252", "cp1252",
    "gb2312", "gbk", "gb18030",
})  # fmt: skip
_TAG = re.compile(r"<[^<>]*>")
_TEXT_PARTS = frozenset({"text", "output_text", None})
_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought")
_THINKING_CURE = (
    "turn thinking off, for example with --body chat_template_kwargs.enable_thinking=false, "
    "--body enable_thinking=false or --body reasoning_effort=low (in Python body={…})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyParts:
    """What a reply is made of, however it came: in one body or as a stream.

    Attributes:
        text: The answer.
        reasoning: The thoughts that came beside it, or their beginning.
        refusal: The model's refusal instead of an answer.
        finish_reason: As the server gave it.
        usage: Tokens.
        model: The model's name as the server gave it.
        id: The server's own name for this answer.
    """

    text: str
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    id: str = ""


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Sequence[str | None] = (),
    path: str = "",
) -> Reply:
    """The reply that an HTTP answer holds.

    Args:
        status: The HTTP status.
        headers: The answer's headers, in any case.
        body: The whole body, decoded from its transfer and content encodings.
        secrets: Texts that must not appear in an error's message, such as the API key.
        path: The path that was asked, for the message of a 404.

    Raises:
        RowError: the server rejects this row, or filtered its answer.
        TryAgainError: the server cannot answer now, or answered something else.
        StopRunError: no row can be answered until a person acts.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    body = _decompressed(body)
    parsed = unwrapped_completion(parse_json(body, headers))
    if not 200 <= status <= 299:
        api_error = read_api_error(parsed) or ApiError("  ", _page_text(body))
        raise attach(error_for(status, headers, api_error, secrets=secrets, path=path), api_error)
    if parsed is None:
        page = scrub(_page_text(body), secrets=secrets, limit=120)
        shown = f"HTTP {status}: " if status != 200 else ""
        raise GarbledReplyError(f"{shown}the reply is no JSON: {page or 'it is empty'}")
    try:
        return _read_completion(parsed, headers, secrets, path)
    except DataflowError as error:
        # an answer that was made is paid for, whatever is wrong with it
        raise error.billed(usage_of(parsed)) from None


def attach(error: DataflowError, api_error: ApiError | None) -> DataflowError:
    """`error` with the server's own words, to adapt the request to; see `api_error_of`.

    It is not kept: it is not scrubbed, and pickling leaves it out.
    """
    error.__dict__["_api_error"] = api_error
    return error


def api_error_of(error: DataflowError) -> ApiError | None:
    """The server's error that `error` is made of, or None."""
    found = error.__dict__.get("_api_error")
    return found if isinstance(found, ApiError) else None


def _read_completion(
    parsed: Any, headers: Mapping[str, str], secrets: Sequence[str | None], path: str
) -> Reply:
    if (error := error_inside(parsed, headers, secrets, path)) is not None:
        raise attach(error, read_api_error(parsed))
    choice = first_choice(parsed)
    if choice is None:
        raise_if_blocked(parsed, secrets)
        raise GarbledReplyError(f"the reply has no choices: {shown_body(parsed, secrets)}")
    message = message_of(choice)
    if message is None:
        raise GarbledReplyError(f"the reply's choice has no message: {shown_body(parsed, secrets)}")
    refusal = message.get("refusal")
    return make_reply(
        ReplyParts(
            text=text_of(message.get("content")),
            reasoning=reasoning_of(message),
            refusal=refusal if isinstance(refusal, str) else "",
            finish_reason=finish_reason_of(choice),
            usage=usage_of(parsed),
            model=model_of(parsed),
            id=id_of(parsed),
        ),
        secrets=secrets,
    )


def make_reply(parts: ReplyParts, *, secrets: Sequence[str | None] = ()) -> Reply:
    """The reply of these parts, without secrets; an ending that is not known stays by its name.

    Raises:
        RefusedError: the provider filtered the answer, or the model refused in its `refusal` field.
        EmptyCaptionError: all the tokens went before the answer began.
        ReasoningOnlyError: the answer is whole, and all of it came as reasoning.
        ReplyTooLargeError: the text is longer than any caption.
        OverloadedError: the engine gave up on its way.
    """
    reason = parts.finish_reason
    ending = ending_of(reason)
    shown = scrub(reason or "", secrets=secrets, limit=60)
    if len(parts.text) > LONGEST_TEXT:
        raise ReplyTooLargeError(
            f"the answer has {len(parts.text):,} characters, which is no caption: set --max-tokens"
        )
    if ending is Ending.FILTERED:
        raise RefusedError(f"the provider filtered the answer (finish reason: {shown})")
    if ending is Ending.FAILED:
        raise OverloadedError(f"the engine gave up on the answer (finish reason: {shown})")
    if not parts.text.strip():
        _raise_empty(parts, ending, shown, secrets)
    return Reply(
        _clean(parts.text, secrets),
        _clean(plain_reason(reason), secrets),
        parts.usage,
        _clean(parts.model, secrets),
        id=_clean(parts.id, secrets),
    )


def _raise_empty(
    parts: ReplyParts, ending: Ending, shown: str, secrets: Sequence[str | None]
) -> None:
    """Say why there is no text, where the reply tells."""
    if parts.refusal.strip():
        raise RefusedError(f"the model refused: {scrub(parts.refusal, secrets=secrets)}")
    has_thoughts = bool(parts.reasoning.strip() or parts.usage.reasoning_tokens)
    if ending is Ending.CUT and has_thoughts:
        raise EmptyCaptionError(
            f"the reply ended before its text began (finish reason: {shown}): a thinking model "
            f"spent all its tokens on thoughts; raise --max-tokens, or {_THINKING_CURE}"
        )
    if parts.reasoning.strip():
        raise ReasoningOnlyError(
            "the reply has no text, and its reasoning_content has: "
            f"“{scrub(parts.reasoning, secrets=secrets, limit=60)}”. The server takes the whole "
            f"answer for thoughts: {_THINKING_CURE}, or start the server without its reasoning "
            "parser"
        )
    if ending is Ending.CUT and parts.usage.completion_tokens == 0:
        raise EmptyCaptionError(
            f"the server wrote no token (finish reason: {shown}): question and picture fill the "
            "model's context, or --max-tokens leaves no room; send smaller pictures (--max-side)"
        )
    if ending is Ending.CUT:
        raise EmptyCaptionError(
            f"the reply ended before its text began (finish reason: {shown}): raise --max-tokens; "
            f"if the model thinks, {_THINKING_CURE}"
        )
    if ending is Ending.UNKNOWN:
        raise EmptyCaptionError(f"the reply has no text (finish reason: {shown})")


def raise_if_blocked(parsed: Any, secrets: Sequence[str | None]) -> None:
    """Raise where a reply without choices says that the question was blocked, as Gemini's do.

    https://ai.google.dev/api/generate-content#PromptFeedback; gateways pass it on in either case.

    Raises:
        RefusedError: it was blocked.
    """
    if not isinstance(parsed, dict):
        return
    for name in ("prompt_feedback", "promptFeedback"):
        feedback = parsed.get(name)
        if isinstance(feedback, dict):
            reason = feedback.get("block_reason") or feedback.get("blockReason")
            if isinstance(reason, str):
                shown = scrub(reason, secrets=secrets, limit=60)
                raise RefusedError(f"the provider blocked the question (block reason: {shown})")


def message_of(choice: Mapping[str, Any]) -> dict[str, Any] | None:
    """A choice's message, or what some servers have in its place; None where there is none.

    The latter is ``delta``, where a stream's only piece comes as a whole body, or ``text``, the
    field of the older completions API.
    """
    for name in ("message", "delta"):
        message = choice.get(name)
        if isinstance(message, dict):
            return message
    text = choice.get("text")
    return {"content": text} if isinstance(text, str) else None


def _clean(text: Any, secrets: Sequence[str | None]) -> Any:
    """A text of a good reply, in which only secrets that are no common words are looked for."""
    return redact(text, [s for s in secrets if s and len(s) >= 8]) if text else text


def text_of(content: Any) -> str:
    """A message's content, as text, as a part or as a list of these; "" where it has no text.

    Parts of other types, such as ``reasoning``, are no part of the answer.
    """
    if isinstance(content, str):
        return content
    parts = [content] if isinstance(content, dict) else content
    if not isinstance(parts, list):
        return ""
    texts = (
        part.get("text") if isinstance(part, dict) and part.get("type") in _TEXT_PARTS else part
        for part in parts
    )
    return "".join(text for text in texts if isinstance(text, str))


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The thoughts beside an answer, by the names that servers give them; "" where there are none.

    vLLM, SGLang, DashScope and DeepSeek have ``reasoning_content``, OpenRouter and newer vLLM
    ``reasoning``, Ollama ``thinking``; Mistral and others have parts of the content.
    """
    for name in _REASONING:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value
    content = message.get("content")
    if isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and part.get("type") not in _TEXT_PARTS:
                for value in (part.get("text"), part.get("thinking"), part.get("reasoning")):
                    found = value if isinstance(value, str) else text_of(value)
                    if found.strip():
                        return found
    return ""


def finish_reason_of(choice: Mapping[str, Any]) -> str | None:
    """Why the model stopped, or None."""
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    own = reason[:60] if isinstance(reason, str) else None
    return stricter_reason(own, native[:60]) if isinstance(native, str) else own


def model_of(parsed: Mapping[str, Any]) -> str:
    """The model's name as the server gives it, or ""."""
    model = parsed.get("model")
    return model[:200] if isinstance(model, str) else ""


def id_of(parsed: Mapping[str, Any]) -> str:
    """The server's name for this answer, or ""."""
    found = parsed.get("id")
    return found[:200] if isinstance(found, str) else ""


def parse_json(body: bytes, headers: Mapping[str, str]) -> Any:
    """The value of the JSON text `body`, or None where it is none (null is no answer either).

    What strict JSON forbids and servers send all the same is read: NaN (in ``logprobs``), half of
    a surrogate pair, another charset than UTF-8 where the headers name one that decodes fast.

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
    charset = named[1].lower() if named else "utf-8"
    if charset not in _CHARSETS:
        return None
    try:
        return json.loads(body.decode(charset))
    except (ValueError, LookupError, RecursionError):
        return None


def _decompressed(body: bytes) -> bytes:
    """`body`, unpacked where a server sends gzip and does not say so."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, 4 * LONGEST_TEXT)
    except zlib.error:
        return body


def _page_text(body: bytes) -> str:
    """The beginning of a body that is no JSON, without the marks of HTML."""
    return _TAG.sub(" ", body[:65_536].decode("utf-8", "replace"))
