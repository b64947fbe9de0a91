"""Is the caption broken as characters?

Control characters break it (`control`), and text that was decoded wrongly or never decoded, and
tokens of many scripts in no order (`characters`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dataflow.checks.rules.text import clipped, escaped, without_quotations, words
from dataflow.core.protocols.check import CheckContext, Verdict

_FOLLOW_UP = "Plain text alone, in ordinary characters."

_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202d\u202e\ufff9-\ufffb]"
)
_EMBEDDING = re.compile(r"[\u202a-\u202c\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_TAGS = re.compile(r"(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]")

_BYTES = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_CONTINUATION = rf"\u0080-\u00bf{_BYTES}"
_PAIR = re.compile(rf"[\u00c2-\u00df][{_CONTINUATION}]")
_TRIPLE = re.compile(rf"[\u00e0-\u00ef][{_CONTINUATION}]{{2}}|\u00f0[{_CONTINUATION}]{{3}}")
_PUNCTUATION = "‘’“”…–—«»‹›„‚"
_BYTE_LEVEL = re.compile(
    r"[a-z.,;]Ġ[A-Za-z]|(?:^|\s)Ġ\w+\s*Ġ|ĠĠ|Ċ(?:Ċ|Ġ|\s|$)|\w▁\w|(?:^|\s)▁\w+\s*▁"
)

_SCRIPTS = {
    "Latin": "A-Za-zÀ-ɏ",
    "Greek": "\u0370-\u03ff",
    "Cyrillic": "\u0400-\u04ff",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Thai": "\u0e00-\u0e7f",
    "Hangul": "\uac00-\ud7af",
    "Han": "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff",
}
_SCRIPT = re.compile("|".join(f"(?P<{name}>[{letters}])" for name, letters in _SCRIPTS.items()))
_MANY_SCRIPTS = 4
_MIXED = re.compile(
    "|".join(
        f"[{_SCRIPTS['Latin']}][{letters}]|[{letters}][a-zÀ-ɏ]"
        for name, letters in _SCRIPTS.items()
        if name in {"Cyrillic", "Greek", "Hebrew", "Arabic", "Devanagari", "Bengali", "Tamil"}
    )
)
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{4,}", re.IGNORECASE)
_DIGRAPHS = re.compile(r"sch|ch|ck|th|ph|sh|tz|st|ng|gh|cz|sz|rz|zh", re.IGNORECASE)
"""Letters that are one sound in some language."""

_LEAST_GARBLED = 4
"""Words that nobody can say before a text is gibberish."""


def control(text: str, _context: CheckContext) -> Verdict | None:
    """A caption holds no control characters but tabs and line breaks.

    Direction marks are fine where the caption has letters of a script that needs them; overrides of
    the direction, escape sequences, NUL, lone surrogates and hidden tag characters never are.
    """
    found = _CONTROL.search(text) or _TAGS.search(text)
    if found is None and not _RIGHT_TO_LEFT.search(text):
        found = _EMBEDDING.search(text)
    if found is None:
        return None
    near = escaped(text[max(0, found.start() - 12) : found.end() + 12])
    reason = f"it holds the control character U+{ord(found[0]):04X}: “{clipped(near)}”"
    return Verdict("control", reason, _FOLLOW_UP)


def characters(text: str, _context: CheckContext) -> Verdict | None:
    """A caption's characters are those that were meant, and belong together."""
    for reason in _broken(text):
        return Verdict("characters", reason, _FOLLOW_UP)
    return None


def _broken(text: str) -> Iterator[str]:
    if text.isascii():
        if garbled := _garbled(text):
            yield f"words that are none: “{clipped(' '.join(garbled))}”"
        return
    if "\ufffd" in text:
        at = text.index("\ufffd")
        yield f"a character was lost (U+FFFD): “{clipped(text[max(0, at - 12) : at + 12])}”"
    if found := _BYTE_LEVEL.search(text):
        yield f"a tokenizer's signs are left in it: “{clipped(found[0].strip())}”"
    if wrong := _wrongly_decoded(text):
        yield f"UTF-8 was decoded as Latin-1: “{clipped(wrong)}”"
    plain = without_quotations(text)
    scripts = {found.lastgroup for found in _SCRIPT.finditer(plain)}
    if len(scripts) >= _MANY_SCRIPTS or len(_MIXED.findall(plain)) > 1:
        yield f"letters of many scripts in no order: {', '.join(sorted(map(str, scripts)))}"
    if garbled := _garbled(text):
        yield f"words that are none: “{clipped(' '.join(garbled))}”"


def _wrongly_decoded(text: str) -> str | None:
    """What shows that UTF-8 was taken for Latin-1 or Windows-1252; None where nothing does.

    A pair as “É»” comes in true French capitals between guillemets, so pairs that are not those of
    Latin letters, or end in a punctuation mark, must be several.
    """
    for found in _TRIPLE.finditer(text):
        if _decodes(found[0]):
            return found[0]
    pairs = [found[0] for found in _PAIR.finditer(text) if _decodes(found[0])]
    sure = [pair for pair in pairs if pair[0] in "ÂÃ" and pair[1] not in _PUNCTUATION + "\u00a0"]
    if sure or len(pairs) > 2:
        return (sure or pairs)[0]
    return None


def _decodes(part: str) -> bool:
    try:
        raw = b"".join(
            sign.encode("cp1252") if sign in _BYTES else sign.encode("latin-1") for sign in part
        )
        return raw.decode("utf-8").isprintable()
    except UnicodeError:
        return False


def _garbled(text: str) -> list[str]:
    """Words of Latin letters that nobody can say, where most of the long ones are such."""
    if len(_CONSONANTS.findall(text)) < _LEAST_GARBLED:
        return []
    parts = {part for part in words(text) if len(part) > 3 and part.isalpha() and part.isascii()}
    spoken = ((part, _DIGRAPHS.sub("s", part)) for part in sorted(parts) if not part.isupper())
    found = [(part, said) for part, said in spoken if _CONSONANTS.search(said)]
    strange = [part for part, said in found if len(_CONSONANTS.sub("", said)) <= len(said) // 2]
    return strange if len(strange) >= _LEAST_GARBLED and 2 * len(strange) > len(parts) else []
