"""The models that a server offers, and what they say about a name that it does not know.

The format is OpenAI's (https://platform.openai.com/docs/api-reference/models/list).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import orjson

from dataflow.core.errors import GarbledReplyError
from dataflow.core.text import scrub

SHOWN = 6
"""Models named in a message at most."""


def read_model_list(body: bytes) -> list[str]:
    """The names in a server's list of models.

    Raises:
        GarbledReplyError: it is no such list.
    """
    try:
        parsed = orjson.loads(body)
        listed = parsed if isinstance(parsed, list) else parsed["data"]
        return [str(model["id"]) for model in listed]
    except (ValueError, KeyError, TypeError):
        raise GarbledReplyError("the server's list of models is no such list") from None


def model_hint(model: str, known: Sequence[str]) -> str:
    """Which models there are, nearest names first; "" where `model` is among them, or none is."""
    bare = {name.rpartition("/")[2].lower() for name in known} | {name.lower() for name in known}
    if not known or model.lower() in bare or model.rpartition("/")[2].lower() in bare:
        return ""
    near = difflib.get_close_matches(model, known, SHOWN, 0.3)
    names = [*near, *(name for name in known if name not in near)][:SHOWN]
    more = f" and {len(known) - len(names):,} more" if len(known) > len(names) else ""
    return f"this server offers {scrub(', '.join(names), limit=300)}{more}"
