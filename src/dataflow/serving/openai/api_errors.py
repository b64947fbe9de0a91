"""What a server complains of → the error that says who must act.

One table, `ERROR_RULES`, read from above: the first rule that fits names the error. The words are
those of OpenAI, Azure, DashScope, OpenRouter, Gemini, Moonshot, vLLM and llama.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    OutOfMoneyError,
    OverloadedError,
    PictureError,
    RateLimitedError,
    RefusedError,
    StopRunError,
    TooLongError,
    TryAgainError,
    UnknownModelError,
    WrongKeyError,
)
from dataflow.core.retry_after import read_retry_after
from dataflow.core.text import scrub


class MaxTokensNameError(BadRequestError):
    """The server knows ``max_tokens`` only under its newer name, ``max_completion_tokens``."""


@dataclass(frozen=True, slots=True)
class ApiError:
    """A server's error, as it stands in the reply's body.

    Attributes:
        words: Its codes and types, in lower case, with a space at both ends and between them.
        message: Its own prose.
        status: The HTTP status that the body itself names, if it does.
    """

    words: str
    message: str
    status: int | None = None


class _Rule(NamedTuple):
    error: type[DataflowError]
    statuses: frozenset[int] | None
    words: re.Pattern[str] | None
    message: re.Pattern[str] | None
    cure: str = ""

    def fits(self, status: int, complaint: ApiError) -> bool:
        if self.statuses is not None and status not in self.statuses:
            return False
        if self.words is None and self.message is None:
            return True
        return self.fits_codes(complaint) or bool(
            self.message and self.message.search(complaint.message[:4000])
        )

    def fits_codes(self, complaint: ApiError) -> bool:
        """Whether the server's own codes say so, and not only its prose."""
        return bool(self.words and self.words.search(complaint.words))


def _rule(
    error: type[DataflowError],
    *statuses: int,
    words: str = "",
    message: str = "",
    cure: str = "",
) -> _Rule:
    return _Rule(
        error,
        frozenset(statuses) or None,
        re.compile(words) if words else None,
        re.compile(message, re.IGNORECASE) if message else None,
        cure,
    )


ERROR_RULES = (
    _rule(
        RefusedError,
        words=r"content_policy|content_filter|responsibleaipolicy|data_?inspection_?failed"
        r"|content_moderation|safety_violation|sensitive_content",
        message=r"\b(input|prompt|image|content) was flagged|flagged as potentially violating"
        r"|inappropriate content|content management policy",
    ),
    _rule(
        OutOfMoneyError,
        402,
        cure="top up the account, then run the same command again",
    ),
    # DashScope sends insufficient_quota also for the tokens of one minute.
    _rule(RateLimitedError, 429, message=r"allocated quota exceeded"),
    _rule(
        OutOfMoneyError,
        400, 403, 429,
        words=r" insufficient_(quota|balance|funds)| arrearage | billing_|freetieronly"
        r"| exceeded_current_quota",
        message=r"insufficient balance|credit balance is too low|account is in good standing",
        cure="top up the account, then run the same command again",
    ),
    _rule(RateLimitedError, 429),
    _rule(
        UnknownModelError,
        400, 403, 404,
        words=r"model_?not_?found|unknown_model|invalid_model|model_not_exist",
        message=r"\bmodel\b['\"`\s:]{0,3}[\w./:@-]{0,200}['\"`\s]{0,3}(is |does )?not (exist|found)"
        r"|is not a valid model|no such model|unknown model",
        cure="is the model's name right at this server?",
    ),
    _rule(
        WrongKeyError,
        400, 403,
        words=r" (invalid|incorrect)_?api_?key ",
        message=r"(invalid|incorrect) api key|api key not valid",
        cure="is the key right, and is it the one of this server?",
    ),
    _rule(
        WrongKeyError,
        401, 403,
        cure="is the key right, and is it the one of this server?",
    ),
    _rule(
        StopRunError,
        400, 404, 422, 500, 501,
        message=r"image input is not supported|at most 0 image|not a multimodal model"
        r"|image_url is only supported by certain models|unknown variant `image_url`"
        r"|does not support (image|vision)",
        cure="the model cannot see pictures: choose one that can",
    ),
    _rule(TooLongError, 413),
    _rule(
        TooLongError,
        400, 422, 500,
        words=r"context_length|exceed_context|context_window|string_above_max_length",
        message=r"maximum context length|maximum model length|model's context length"
        r"|available context size|(prompt|input) is too long|range of input length"
        r"|input token count .{0,40}exceeds",
    ),
    _rule(
        PictureError,
        400, 415, 422, 500,
        words=r" (invalid|unsupported|empty)_(base64_)?image| image_(parse|too_(large|small))"
        r"|unsupported_image| invalid_base64",
        message=r"failed to (load|decode|process) (the )?image|cannot identify image"
        r"|(invalid|unsupported|corrupt(ed)?) (base64 )?image"
        r"|image (data|format) is (invalid|illegal)"
        r"|could not process image|image length and width do not meet|absolute aspect ratio"
        r"|bytes per data-uri",
    ),
    _rule(
        StopRunError,
        404, 405,
        cure="nothing answers at this path: does the URL end in /v1?",
    ),
    _rule(
        StopRunError,
        400, 422, 500, 501,
        message=r"response_format|json[_ ]schema|structured[_ ]output|guided_json"
        r"|(parse|compile|invalid|bad) grammar|grammar error",
        cure="ask with another schema, or tell it in the question: --schema-as prompt "
        '(in Python schema_as="prompt")',
    ),
    _rule(
        MaxTokensNameError,
        400, 422,
        message=r"max_completion_tokens.{0,20} instead",
    ),
    _rule(OverloadedError, 408, 409, 425),
)  # fmt: skip


def error_for(
    status: int,
    headers: Mapping[str, str],
    complaint: ApiError,
    *,
    secrets: Sequence[str | None] = (),
    place: str = "",
) -> DataflowError:
    """The error for an HTTP reply that is no answer.

    Args:
        status: The HTTP status, 300 or above.
        headers: The reply's headers, their names in lower case.
        complaint: What its body says.
        secrets: Texts that must not appear in the message.
        place: The path that was asked, for the message.
    """
    said = scrub(complaint.message, secrets=secrets) or "no reason given"
    if status < 400:
        target = scrub(headers.get("location", "nowhere"), secrets=secrets, limit=120)
        return StopRunError(
            f"the server sends us on to {target} (HTTP {status}), and a picture and a key are not "
            "sent where nobody told us to: give the right URL"
        )
    rule = next((rule for rule in ERROR_RULES if rule.fits(status, complaint)), None)
    error = rule.error if rule else OverloadedError if status >= 500 else BadRequestError
    path = f" {place}" if place and status in (404, 405) else ""
    cure = f" – {rule.cure}" if rule and rule.cure else ""
    message = f"HTTP {status}{path}: {said}{cure}"
    if issubclass(error, TryAgainError):
        return error(message, retry_after=read_retry_after(headers))
    # a firewall or a proxy answers so, too, when it dislikes one request; and a server's prose may
    # quote the row's own text, in which somebody asks about an "incorrect API key"
    is_vague = (
        status in (400, 403, 404, 405, 422) and rule is not None and not rule.fits_codes(complaint)
    )
    if issubclass(error, StopRunError):
        return error(message, is_vague=is_vague)
    return error(message)


def read_complaint(body: Any) -> ApiError | None:
    """The error that a JSON body holds, or None.

    Known shapes: ``{"error": {"message", "code", "type"}}``, ``{"error": "…"}``,
    ``{"message", "code"}``, ``{"detail": …}`` and the first of a list of these.
    """
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    error = body.get("error") or body.get("errors")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, str):
        return ApiError(_words(body), error, _status(body))
    if isinstance(error, dict):
        return ApiError(_words(error), _prose(error), _status(error))
    if "choices" not in body and ("message" in body or "detail" in body):
        return ApiError(_words(body), _prose(body), _status(body))
    return None


def _words(error: Mapping[str, Any]) -> str:
    return f" {' '.join(_codes(error))} ".lower()


def _codes(error: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    for name in ("code", "type", "status"):
        value = error.get(name)
        if isinstance(value, str):
            yield value[:200]
    for name in ("innererror", "metadata"):
        inner = error.get(name)
        if isinstance(inner, dict) and depth:
            yield from _codes(inner, depth - 1)


def _prose(error: Mapping[str, Any]) -> str:
    for name in ("message", "detail", "msg"):
        value = error.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("msg")  # its "input" would be our own request again
        if isinstance(value, str) and value:
            return value
    return ""


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    return None
