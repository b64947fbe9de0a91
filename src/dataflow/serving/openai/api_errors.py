"""An HTTP reply that is no answer → our error: what its body says, and who must act."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataflow.core.errors import (
    BadRequestError,
    DataflowError,
    GarbledReplyError,
    OverloadedError,
    RateLimitedError,
    StopRunError,
    TryAgainError,
    WrongAddressError,
)
from dataflow.core.text import scrub, shown_url
from dataflow.serving.openai.error_rules import ERROR_RULES, ApiError, ErrorRule
from dataflow.serving.openai.provider_codes import status_meant
from dataflow.serving.openai.rate_limit_headers import read_reset

_TEXTUAL = (str, list, dict)
_LONGEST_INNER = 20_000  # characters of an error inside an error
_VERSION = re.compile(r"/v\d|/openai(/|$)")
_OTHER_ENDPOINT = re.compile(r"/(completions|responses|messages|models|generate)/chat/")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CODES = ("code", "type", "status", "reason")
_PROSE = ("message", "detail", "msg", "error_msg", "error_message", "errorMessage", "reason",
          "description", "title", "error_description")  # fmt: skip


def error_for(
    status: int,
    headers: Mapping[str, str],
    api_error: ApiError,
    *,
    secrets: Sequence[str | None] = (),
    path: str = "",
    shown_status: int | None = None,
) -> DataflowError:
    """The error for an HTTP reply that is no answer.

    Args:
        status: The HTTP status, 300 or above.
        headers: The reply's headers, their names in lower case.
        api_error: What its body says.
        secrets: Texts that must not appear in the message.
        path: The path that was asked, for the message.
        shown_status: The status to name in the message, where that is another.
    """
    if status < 400:
        return _redirect(status, headers, secrets).with_status(status)
    rule = next((rule for rule in ERROR_RULES if rule.matches(status, api_error)), None)
    error = rule.error if rule else OverloadedError if status >= 500 else BadRequestError
    reason = scrub(api_error.message, secrets=secrets) or "no reason given"
    shown_path = f" {path}" if path and issubclass(error, WrongAddressError) else ""
    cure = rule.cure if rule else ""
    if issubclass(error, WrongAddressError) and not cure:
        cure = _cure_of_address(path, api_error)
    message = f"HTTP {shown_status or status}{shown_path}: {reason}" + (
        f" – {cure}" if cure else ""
    )
    if issubclass(error, RateLimitedError):
        return _rate_limited(error, message, headers, api_error).with_status(status)
    if issubclass(error, TryAgainError):
        wait = read_reset(headers, api_error.body, api_error.message).seconds
        return error(message, retry_after=wait).with_status(status)
    if issubclass(error, StopRunError):
        is_vague = _is_vague(status, rule, api_error)
        return error(message, is_vague=is_vague).with_status(status)
    return error(message).with_status(status)


def _is_vague(status: int, rule: ErrorRule | None, api_error: ApiError) -> bool:
    """Whether the answer may be about this request alone.

    A firewall, a proxy or one replica of a gateway answers so, too, when it dislikes one request;
    and a server's prose may quote the row's own text, in which somebody asks about an "incorrect
    API key". Only the server's own codes are certain.
    """
    return status < 500 and rule is not None and not rule.matches_codes(api_error)


def _redirect(
    status: int, headers: Mapping[str, str], secrets: Sequence[str | None]
) -> DataflowError:
    location = headers.get("location", "")
    if not location:
        return WrongAddressError(
            f"the server answers a question with HTTP {status}: is the URL that of the API?",
            is_vague=True,
        )
    shown = location.partition("?")[0] if location.startswith("/") else shown_url(location)
    target = scrub(shown, secrets=secrets, limit=120)
    return WrongAddressError(
        f"the server sends us on to {target} (HTTP {status}), and a picture and a key are not "
        "sent to another address than yours: give the right URL",
        is_vague=True,
    )


def _cure_of_address(path: str, api_error: ApiError) -> str:
    if path and not _VERSION.search(path):
        return "nothing answers at this path: does the URL end in /v1?"
    if (other := _OTHER_ENDPOINT.search(path)) is not None:
        return f"the URL is to end in /v1, and not in /{other[1]}"
    if "/deployments/" in path:
        return (
            "Azure wants the deployment's name and ?api-version=… in the URL: are both there and "
            "right?"
        )
    if isinstance(api_error.body, dict) and len(api_error.message) > len("Not Found"):
        return ""  # the server's own reason is the better one
    return "nothing answers at this path: is the URL that of the API, and does it end in /v1?"


def _rate_limited(
    error: type[RateLimitedError], message: str, headers: Mapping[str, str], api_error: ApiError
) -> RateLimitedError:
    reset = read_reset(headers, api_error.body, api_error.message)
    until = None if reset.seconds is None else time.time() + reset.seconds
    return error(message, retry_after=reset.seconds, resets_at=until, quota=reset.quota)


def error_inside(
    parsed: Any, headers: Mapping[str, str], secrets: Sequence[str | None], path: str = ""
) -> DataflowError | None:
    """The error that a body or an event with status 200 holds, or None."""
    api_error = read_api_error(parsed)
    if api_error is None and (choice := first_choice(parsed)):
        api_error = read_api_error({"error": choice.get("error"), "choices": ()})
    if api_error is None:
        return None
    status = status_meant(api_error)
    if status is None or status == 400:
        known = any(
            (rule.words or rule.message) and rule.matches(400, api_error) for rule in ERROR_RULES
        )
        if known or status:
            return error_for(400, headers, api_error, secrets=secrets, path=path, shown_status=200)
        reason = scrub(api_error.message, secrets=secrets) or shown_body(parsed, secrets)
        return GarbledReplyError(f"an error instead of an answer: {reason}")
    shown = None if api_error.status else 200
    return error_for(status, headers, api_error, secrets=secrets, path=path, shown_status=shown)


def shown_body(parsed: Any, secrets: Sequence[str | None], limit: int = 160) -> str:
    """A body that is no answer, fit for a message."""
    import orjson

    try:
        text = orjson.dumps(parsed).decode()
    except (TypeError, UnicodeDecodeError):
        text = str(type(parsed))
    return scrub(text, secrets=secrets, limit=limit)


def first_choice(parsed: Any) -> dict[str, Any] | None:
    """The first choice of a completion or of an event, or None where there is none."""
    choices = parsed.get("choices") if isinstance(parsed, dict) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


_WRAPPERS = ("data", "result", "response", "output")


def unwrapped_completion(parsed: Any) -> Any:
    """The completion that a gateway has put below a name of its own, or `parsed` as it is.

    Cloudflare has it below ``result``, DashScope's own API below ``output``, with its ``usage``
    beside that, and home-made gateways below ``data``.
    """
    if not isinstance(parsed, dict) or parsed.get("choices"):
        return parsed
    for name in _WRAPPERS:
        inner = parsed.get(name)
        if isinstance(inner, dict) and first_choice(inner) is not None:
            beside = {key: parsed[key] for key in ("id", "model", "usage") if key in parsed}
            return {**beside, **inner}
    return parsed


def read_api_error(body: Any) -> ApiError | None:
    """The error that a JSON body holds, or None.

    Known shapes: ``{"error": {"message", "code", "type"}}``, ``{"error": "…"}``,
    ``{"message", "code"}``, ``{"detail": …}``, ``{"code", "msg"}`` and the first of a list of
    these.
    """
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    detail = body.get("detail")
    if isinstance(detail, dict) and "error" in detail:
        return read_api_error(detail)
    for name, inner in _ENVELOPES:
        if isinstance(envelope := body.get(name), dict) and inner in envelope:
            return _in_envelope(envelope, inner)
    error = body.get("error") or body.get("errors")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, str):
        more = _prose_in(body)
        message = f"{error}: {more}" if more and more != error else error
        return _unwrapped(ApiError(_words(body), message, _status(body), _param(body), body))
    if isinstance(error, dict) and any(error.values()):
        found = ApiError(_words(error), _prose_in(error), _status(error), _param(error), body)
        return _unwrapped(found, _raw_in(error))
    if "choices" not in body and any(isinstance(body.get(n), _TEXTUAL) for n in _PROSE):
        found = ApiError(_words(body), _prose_in(body), _status(body), _param(body), body)
        return _unwrapped(found)
    return None


_ENVELOPES = (("base_resp", "status_code"), ("Response", "Error"))
"""Objects that hold an error below a name of their own: MiniMax's
(https://platform.minimaxi.com/document/error-code) and Tencent Cloud's
(https://cloud.tencent.com/document/api/1729/101838)."""


def _in_envelope(envelope: Mapping[str, Any], inner: str) -> ApiError | None:
    found = envelope[inner]
    if isinstance(found, dict):
        words = {"code": found.get("Code"), "message": found.get("Message")}
        return read_api_error({"error": words})
    if not found:
        return None  # 0 is no error
    message = str(envelope.get("status_msg", ""))
    return ApiError("  ", message, body={"base_resp": dict(envelope)})


def _unwrapped(error: ApiError, raw: str = "") -> ApiError:
    """`error` with what a gateway has put into it as text: the error of the provider behind.

    Args:
        error: As it was read.
        raw: The provider's own answer, where the gateway repeats it.
    """
    inner = _error_in_text(raw) or _error_in_text(error.message)
    if inner is None:
        message = f"{error.message}: {raw[:1000]}" if raw else error.message
        return replace(error, message=message)
    return replace(
        error,
        words=f"{error.words}{inner.words}",
        message=inner.message or error.message,
        param=error.param if error.param and not error.param.isdigit() else inner.param,
    )


def _error_in_text(text: str) -> ApiError | None:
    """The error that a text holds as JSON, alone or behind a few words."""
    start = text.find("{", 0, 60)
    if start < 0 or len(text) > _LONGEST_INNER:
        return None
    try:
        parsed = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    return read_api_error(parsed)


def _raw_in(error: Mapping[str, Any]) -> str:
    """The provider's own answer behind a gateway (OpenRouter's ``metadata.raw``)."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return raw if isinstance(raw, str) else ""


def _words(error: Mapping[str, Any]) -> str:
    """Its codes, and those that are CamelCase in snake case, too, as the rules have them."""
    codes = " ".join(_codes(error))
    snake = _CAMEL.sub("_", codes).replace(".", " ")
    return f" {codes} {snake if snake != codes else ''} ".lower()


def _codes(error: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    for name in _CODES:
        value = error.get(name)
        if isinstance(value, str):
            yield value[:200]
    for name in ("innererror", "metadata", "error"):
        inner = error.get(name)
        if isinstance(inner, dict) and depth:
            yield from _codes(inner, depth - 1)


def _prose_in(error: Mapping[str, Any]) -> str:
    for name in _PROSE:
        value = error.get(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("msg")  # its "input" would be our own request again
        if isinstance(value, dict):
            value = _prose_in(value)
        if isinstance(value, str) and value:
            return value
    return ""


def _param(error: Mapping[str, Any]) -> str:
    param = error.get("param")
    if isinstance(param, str) and param.lower() != "none":
        return param[:200]
    for name in ("loc", "detail", "message"):
        value = error.get(name)
        if isinstance(value, dict) and (inner := _param(value)):
            return inner
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0].get("loc")
        if isinstance(value, str) and name == "loc":
            return value.replace(" -> ", ".").removeprefix("body.")[:200]
        if isinstance(value, list):
            parts = [str(part) for part in value[:6] if part != "body"]
            return ".".join(parts)[:200]
    return ""


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("code", "status", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    return None
