"""What a judge of two captions is asked, and how its answer is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from dataflow.core.raw_json import parse_json
from dataflow.evaluate.pairs import Choice

PROMPT = """\
You see a picture and two descriptions of it. Decide which one describes this picture better.

Look at the picture first. Count what is wrong or invented in each description, then what matters
and is missing. A wrong statement weighs more than a missing one. Length, style and order do not
count.

Description 1:
{first}

Description 2:
{second}

Say in one or two sentences what decides. Then choose "first", "second", or "tie" where neither is
better.\
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "choice": {"type": "string", "enum": [choice.value for choice in Choice]},
    },
    "required": ["reason", "choice"],
    "additionalProperties": False,
}
_LAST_CHOICE = re.compile(r'"choice"\s*:\s*"(first|second|tie)"')


def judge_text(first: str, second: str, prompt: str = PROMPT) -> str:
    """The question about two captions, in the order in which they are shown."""
    parts = re.split(r"(\{first\}|\{second\})", prompt)
    return "".join({"{first}": first, "{second}": second}.get(part, part) for part in parts)


def read_choice(reply: str) -> tuple[Choice | None, str]:
    """What a judge chose, and its reason; None where it cannot be read."""
    try:
        given = parse_json(reply)
    except ValueError:
        found = _LAST_CHOICE.findall(reply)
        return (Choice(found[-1]) if len(set(found)) == 1 else None), reply.strip()
    if not isinstance(given, dict):
        return None, reply.strip()
    choice, reason = given.get("choice"), given.get("reason")
    known = {one.value: one for one in Choice}
    return known.get(choice) if isinstance(choice, str) else None, str(reason or "")


def judge_template(prompt: str = PROMPT, names: tuple[str, ...] = ("first", "second")) -> str:
    """`prompt` as a template of `str.format` in which only ``{name}`` of `names` is a field.

    Other braces, as in an example of JSON, stand for themselves.
    """
    escaped = prompt.replace("{", "{{").replace("}", "}}")
    for name in names:
        escaped = escaped.replace(f"{{{{{name}}}}}", f"{{{name}}}")
    return escaped


def judge_digest(
    model: str,
    prompt: str = PROMPT,
    *,
    schema: Mapping[str, Any] = SCHEMA,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """What tells one judge from another: results of different ones are never mixed.

    Args:
        model: Its name.
        prompt: What it is asked.
        schema: The form of its answers.
        settings: By what else its answers are determined, as JSON values.
    """
    made_of = json.dumps([model, prompt, schema, settings or {}], sort_keys=True, default=str)
    return blake2b(made_of.encode(), digest_size=8).hexdigest()
