"""Is the prompt repeated in the caption, or are instructions that nobody sees?"""

from __future__ import annotations

import functools
import itertools
import re

from dataflow.checks.model.findings import evidence, of_form
from dataflow.checks.rules.text import clipped, sentence_ends, without_quotations, words
from dataflow.core.protocols.check import CheckContext, Verdict

_LEAST_WORDS = 4
"""A sentence of the prompt that is shorter may be a caption's own; it is not looked for."""

_FOLLOW_UP = "Give the answer alone, without repeating the question."

_PICTURE = r"(?:image|picture|photo(?:graph)?|scene|caption)"
_INSTRUCTION = re.compile(
    rf"\s*(?:(?:question|prompt|instruction)s?\s*:"
    rf"|(?:please )?(?:describe|caption|summari[sz]e|(?:write|provide|generate|give|create)"
    rf"(?: me)? (?:an?|one|the))\b[^.!?:\n]{{0,60}}\b{_PICTURE}\b"
    rf"|what (?:is|are|do|does|can)\b[^.!?:\n]{{0,50}}\b{_PICTURE}\s*\?"
    r"|(?:bitte )?beschreib(?:e|en sie)\b[^.!?:\n]{0,40}\b(?:bild|foto|szene)"
    r"|(?:veuillez )?(?:décrire|décris|décrivez)\b[^.!?:\n]{0,40}(?:image|photo|scène)"
    r"|(?:por favor,? )?(?:describe|describa)\b[^.!?:\n]{0,30}\b(?:imagen|foto|escena)"
    r"|(?:请|麻烦)(?:你|您)?[^。！？：\n]{0,12}描述[^。！？：\n]{0,8}(?:图|照片|画面)"
    r"|(?:この)?(?:画像|写真)[^。！？\n]{0,14}(?:説明|描写|記述)して(?:ください|下さい))",
    re.IGNORECASE,
)


def echo(text: str, context: CheckContext) -> Verdict | None:
    """A caption that repeats a sentence of its prompt, or begins as prompts do, is none.

    A sentence counts from four words on (Han and kana: characters), and not in quotations.
    """
    plain = without_quotations(text)
    if found := _INSTRUCTION.match(plain):
        reason = f"it begins as a prompt does: “{clipped(found[0].strip())}”"
        return Verdict("echo", reason, _FOLLOW_UP)
    if leak := of_form(text, ("leak",)):
        reason = f"instructions are left in it: {evidence(leak)}"
        return Verdict("echo", reason, _FOLLOW_UP)
    if not context.prompts:
        return None
    said = _spaced(plain)
    for prompt in context.prompts:
        for sentence in _sentences(prompt):
            if sentence in said:
                reason = f"it repeats the prompt: “{clipped(sentence.strip())}”"
                return Verdict("echo", reason, _FOLLOW_UP)
    return None


@functools.lru_cache(maxsize=1024)
def _sentences(prompt: str) -> tuple[str, ...]:
    """The sentences of `prompt` that are looked for, as their words with blanks around."""
    plain = without_quotations(prompt)
    places = [0, *sentence_ends(prompt), len(plain)]
    parts = (plain[start:end] for start, end in itertools.pairwise(places))
    return tuple(_spaced(part) for part in parts if len(words(part)) >= _LEAST_WORDS)


def _spaced(text: str) -> str:
    return f" {' '.join(words(text)).casefold()} "
