"""What came back for a request and what it used, as JSON for the ledger, and back again."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson

from dataflow.core.errors import DataflowError, StopRunError, error_named
from dataflow.core.request import Reply, Usage

REPLY_BEGINS = '{"text":'
"""How the text of a reply begins, and that of no error."""


def to_text(answer: Reply | DataflowError) -> str:
    """The text that keeps `answer`."""
    value: dict[str, Any]
    if isinstance(answer, DataflowError):
        value = {"kind": answer.kind, "message": utf8(answer.message)}
        if answer.usage is not None:
            value["usage"] = asdict(answer.usage)
        if isinstance(answer, StopRunError) and answer.is_vague:
            value["is_vague"] = True
    else:
        value = {
            "text": utf8(answer.text),
            "finish_reason": answer.finish_reason,
            "usage": asdict(answer.usage),
            "model": answer.model,
        }
    return orjson.dumps(value).decode()


def from_text(text: str) -> Reply | DataflowError:
    """The answer that `to_text` made `text` of."""
    value = orjson.loads(text)
    if "usage" in value:
        value["usage"] = Usage(**value["usage"])
    return error_named(**value) if "kind" in value else Reply(**value)


def spent_to_text(usage: Usage, cost: Decimal | None) -> str | None:
    """The text that keeps what a request's attempts have used so far; None for nothing."""
    if usage == Usage() and not cost:
        return None
    return orjson.dumps([asdict(usage), None if cost is None else str(cost)]).decode()


def spent_from_text(text: str | None) -> tuple[Usage, Decimal | None]:
    """Tokens and US dollars of which `spent_to_text` made `text`."""
    if text is None:
        return Usage(), None
    usage, cost = orjson.loads(text)
    return Usage(**usage), None if cost is None else Decimal(cost)


def utf8(text: str) -> str:
    """`text` with lone surrogates, which no file can hold, spelled out as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
