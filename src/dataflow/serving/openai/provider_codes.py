"""Errors that come with HTTP 200 → the HTTP status that they stand for.

Gateways and several Chinese providers answer 200 whatever happens, and say in the body what went
wrong: by a word, by a number of their own, or in prose alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dataflow.serving.openai.error_rules import ApiError

_BAIDU = {
    1: 500, 2: 503, 3: 404, 4: 429, 6: 403, 13: 401, 14: 401, 15: 401, 17: 429, 18: 429, 19: 402,
    100: 401, 110: 401, 111: 401, 336000: 500, 336001: 400, 336002: 400, 336003: 400, 336004: 401,
    336005: 400, 336006: 400, 336100: 503, 336101: 400, 336103: 413, 336104: 400, 336200: 503,
    336501: 429, 336502: 429,
}  # fmt: skip
"""https://cloud.baidu.com/doc/WENXINWORKSHOP/s/tlmyncueh (2026-12)."""

_MINIMAX = {
    1000: 500, 1001: 503, 1002: 429, 1004: 401, 1008: 402, 1013: 500, 1024: 500, 1026: 400,
    1027: 400, 1033: 500, 1039: 413, 1041: 429, 1042: 400, 2013: 400, 2045: 429, 2049: 401,
    2056: 429,
}  # fmt: skip
"""https://platform.minimax.io/docs/api-reference/errorcode (2026-12)."""

_WORDS = {
    429: r"rate_limit|limit_?exceeded|resource_exhausted|insufficient_quota|throttl|too_many",
    503: r"overloaded|unavailable|timeout|busy",
    500: r"server_error|internal",
    401: r"authentication|invalid_api_key|auth_failure|unauthorized",
    403: r"permission",
    404: r"not_found",
    400: r"invalid_request|bad_?request|content_policy|content_filter|context_length"
    r"|exceed_context|invalid_parameter|missing_parameter",
}
_PROSE = {
    429: r"(rate|request|qps|rpm|tpm|concurren\w+) limit|too many requests|throttl|频繁|限流|并发",
    401: r"(token|key|signature|secret ?id).{0,30}(invalid|expired|not found|wrong|missing)"
    r"|(invalid|expired|wrong|missing).{0,20}(token|key|signature)\b|not authorized"
    r"|unauthorized|log ?in fail|auth(entication|orization)? ?fail|令牌|鉴权|未授权",
    503: r"busy|overload|(try|retry).{0,20}(again|later)|unavailable|time(d )?.?out|temporar"
    r"|internal (server )?error|system error|繁忙|稍后|超时|(系统|服务|内部)(错误|异常)",
    400: r"invalid|illegal|unsupported|not support|missing|required|parameter|argument|malformed"
    r"|too (long|large)|exceed|非法|无效|不支持|参数|错误",
}


def status_meant(error: ApiError) -> int | None:
    """The HTTP status that an error with HTTP 200 stands for; None where it does not say."""
    if error.status is not None:
        return error.status
    by_words = (s for s, words in _WORDS.items() if re.search(words, error.words))
    if (status := next(by_words, None) or _number_of(error.body)) is not None:
        return status
    message = error.message[:4000]
    found = (s for s, words in _PROSE.items() if re.search(words, message, re.IGNORECASE))
    return next(found, None)


def _number_of(body: Any) -> int | None:
    """The status that a provider's own number stands for."""
    if not isinstance(body, Mapping):
        return None
    envelope = body.get("base_resp")
    if isinstance(envelope, Mapping):
        return _looked_up(_MINIMAX, envelope.get("status_code"))
    return _looked_up(_BAIDU, body.get("error_code"))


def _looked_up(table: Mapping[int, int], code: Any) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 10:
        code = int(code)
    is_number = isinstance(code, int) and not isinstance(code, bool)
    return table.get(code) if is_number else None
