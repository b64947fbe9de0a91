"""Does the caption stop in the middle?"""

from __future__ import annotations

import re

from dataflow.checks.rules.text import CJK, sentence_ends, without_quotations, words
from dataflow.core.protocols.check import Check, CheckContext, Verdict, makes_check

_MUCH = 8
"""In a text of this many words, or after a sentence, a likely word at the end is a sign too."""

_NEAR = 10
"""Words before the last that are looked at for what it belongs to."""

_INFINITIVE = 3
"""Words of the longest infinitive, as in "a place to sit and think in"."""

_SURE = {
    "en": "the a an and or of with which whose while because their its than whom from",
    "de": "der den dem des eine einen einem einer eines und oder von vom im zum zur neben deren",
    "fr": "le la les un une des du de et ou avec au aux sur dans à par pour ses leur dont l d",
    "es": "el la los las un una unos unas de del y o con en al sus su donde cuyo cuya",
}
"""Words at which no phrase ends."""

_LIKELY = {
    "en": "is are was were to at by for as that there into between near who where has have her "
    "holding wearing carrying featuring showing depicting containing including",
    "de": "das die in am hinter sich ist sind wird werden dass",
    "fr": "que qui est sont entre sans sous sa son près comme plus",
    "es": "que es son está están entre sobre hacia para por sin color muy como",
}
"""Words at which a caption hardly ever ends, though a title or a short phrase may."""

_PREFIXES = frozenset(["ein", "mit", "auf", "an", "vor", "unter", "über", "nach", "aus", "zu"])
"""German prepositions and articles that a verb may end with ("schläft ein"), and so a phrase."""

_ENGLISH = {
    # prepositions whose noun may stand before: "the sea he looks out to"
    "stranded": "of with from to at by for into near",
    "subject": "i you he she we they it someone somebody everyone everybody nobody",
    "article": "the a an this his her its their my our your",
    "asked": "what where who whom which that",
    # before a subject they begin a clause of its own: what follows has no noun before it
    "joining": "as and or but so if while when than since before after because until once how "
    "though although behind with says thinks",
    "is": "is are was were",
}
_STRANDED, _SUBJECTS, _ARTICLES, _ASKED, _JOINING, _IS = (
    frozenset(listed.split()) for listed in _ENGLISH.values()
)

_SURE_SETS = {language: frozenset(listed.split()) for language, listed in _SURE.items()}
_LIKELY_SETS = {language: frozenset(listed.split()) for language, listed in _LIKELY.items()}
_ANY = frozenset().union(*_SURE_SETS.values(), *_LIKELY_SETS.values(), _PREFIXES)

_OPEN_CJK = re.compile(
    rf"[{CJK}].*(?:[，、,；;：]|的|和|与|及|或|(?:拿|戴|穿|放|有|写|站|坐|摆|挂|抱|握)着|[のをがはとにへで]"
    r"|そして|また)\s*$"
)
_ENTRY = re.compile(
    r"[-*•·+>–—#@|]|--\w|\d{1,3}[.)、]\s?\S|https?:|www\."
    r"|[*_]{0,2}\w[\w/&_-]{0,20}(?: [\w/&_-]{1,20}){0,2}(?: ?\(\w{1,20}\))?[*_]{0,2}\s?[:：=|]\s?\S"
    r"|[*_]{0,2}\w[\w &]{0,30}[:：][*_]{2}|[^\s:：]{1,12}[:：]\S"
)
"""How a line begins that is an entry of a list, a field or an address."""

_BEGUN = 4
"""Words after the last whole sentence from which they are the beginning of another one."""

_SHORT = 8
"""Characters of the pieces of a list in Chinese or Japanese."""

_TAIL = 300
"""Characters at a text's end that are looked at."""

_CLOSED = re.compile(r"[.!?…。！？～~।॥۔؟։።][)\]\"'”’»」』）】*]*\s*$")
_OPEN_QUOTE = re.compile(r"(?:^|\s)\"[^\"\s][^\"]*$|[“„«「『][^”“»」』]*$|[(（\[][^)）\]]*$")
_PICTOGRAM = re.compile(r"[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d]+\s*$")


@makes_check
def cut_off(*, sentences: bool = False) -> Check:
    """A check that a caption is whole.

    It is cut off where the engine says so (finish reason ``"length"``), and where its end shows
    it: a comma, an article or a conjunction, a quotation or bracket that is not closed, an
    unfinished sentence after two whole ones. Words are known in English, German, French and
    Spanish, particles in Chinese and Japanese.

    Args:
        sentences: Whether sentences are asked for: then a text without a closing mark at its end
            is cut off.
    """

    def check(text: str, context: CheckContext) -> Verdict | None:
        if context.finish_reason == "length":
            return Verdict("cut_off", "the engine stopped at its token limit (`max_tokens`)")
        plain = text.rstrip()
        plain = plain[:-_TAIL] + _PICTOGRAM.sub("", plain[-_TAIL:]).rstrip()
        if not plain or _CLOSED.search(plain[-_TAIL:]):
            return None
        if sentences:
            return Verdict("cut_off", f"no sentence ends at its end: “{_tail(plain)}”")
        reason = _open_end(plain, ended_whole=context.finish_reason == "stop")
        return Verdict("cut_off", f"{reason}: “{_tail(plain)}”") if reason else None

    return check


def _open_end(text: str, *, ended_whole: bool) -> str | None:
    """Why the end of `text`, which has no closing mark, is none; None where it may be one.

    Args:
        text: The text, without blanks at its end.
        ended_whole: Whether the engine said that the text ends there.
    """
    shown = without_quotations(text)
    line = shown[-_TAIL:].rpartition("\n")[2]
    if _is_entry(line):
        return None
    if _OPEN_QUOTE.search(line) and not ended_whole:
        return "a quotation or bracket is not closed"
    if not re.search(r"[\w,，、；;：]$", shown):
        return None
    if _is_cjk_list(line):
        return None
    if _OPEN_CJK.search(line):
        return "it ends within a phrase"
    parts = words(shown)
    ends = sentence_ends(shown)
    if shown.endswith((",", ";")) and (ends or len(parts) >= _MUCH) and not _is_list(line):
        return "it ends with a comma"
    if parts and shown.endswith(parts[-1]) and _hangs(parts, len(ends)):
        return f"it ends with {parts[-1]!r}"
    if ended_whole or len(ends) < 2:
        return None
    return "it ends within a sentence" if _is_begun(shown[ends[-1] :]) else None


def _is_entry(line: str) -> bool:
    """Whether a line at the end of a text is an entry that needs no closing mark.

    Such are list items, “Tags: …”, hashtags, parameters (`--ar 3:2`), addresses, rows of tables.
    """
    rest = line.strip()
    last = re.split(r"(?<=[.!?。！？])\s*", rest)[-1]
    return _ENTRY.match(rest) is not None or _ENTRY.match(last) is not None


def _is_cjk_list(line: str) -> bool:
    """Whether a line of Chinese or Japanese is a list: short pieces between its commas."""
    if not re.search(f"[{CJK}]", line):
        return False
    pieces = re.split(r"[、，,/；;|\s]", line.rpartition("。")[2])
    return len(pieces) > 2 and all(0 < len(piece) <= _SHORT for piece in pieces)


def _is_begun(rest: str) -> bool:
    """Whether `rest`, which follows the last whole sentence, is the beginning of another one.

    A line of its own may be a verse, a title or an entry; a few words may be a signature.
    """
    line = rest.strip()
    parts = words(line)
    if len(parts) < _BEGUN or "\n" in line or _ENTRY.match(line) or "“…”" in line[-8:]:
        return False
    if rest.lstrip(" ").startswith("\n") and len(parts) < 2 * _BEGUN:
        return False
    is_titled = sum(part[:1].isupper() for part in parts) * 2 > len(parts)
    return (
        not is_titled
        and ":" not in line[-40:]
        and "：" not in line[-20:]
        and not (line.count(",") > 1 and _is_list(line))
    )


def _hangs(parts: tuple[str, ...], ends: int) -> bool:
    """Whether the last of `parts` is a word that wants another after it, in their language."""
    last = parts[-1]
    if last not in _ANY:  # capitals are names, titles, letters: "Vitamin A"
        return False
    heard = [part.lower() for part in parts[:-1]]
    if _stands_behind(heard[-_NEAR:], last):
        return False
    scores = {
        language: sum(part in _SURE_SETS[language] or part in listed for part in heard)
        for language, listed in _LIKELY_SETS.items()
    }
    best = max(scores.values())
    spoken = [language for language, score in scores.items() if score == best and best]
    if any(last in _SURE_SETS[language] for language in spoken):
        return True
    if ends and last in _PREFIXES and spoken == ["de"]:
        return True
    is_prose = ends > 0 or len(parts) >= _MUCH
    return is_prose and any(last in _LIKELY_SETS[language] for language in spoken)


def _stands_behind(heard: list[str], last: str) -> bool:
    """Whether `last` is rightly the last word in English, for what it wants has been said before.

    That is so in "the sea he looks out to", "a desk to work at" and "nobody knows who they are".
    """
    before = ["", "", *heard]
    if last in _IS:
        return bool(heard) and heard[-1] in _SUBJECTS and bool({*before[-3:-1]} & {*_ASKED, "how"})
    if last not in _STRANDED:
        return False
    for at in range(len(before) - 2, 1, -1):
        word, rest = before[at], before[at + 1 :]
        if word == "to" and len(rest) <= _INFINITIVE:
            return before[at - 2] in {"a", "an", "no"} or before[at - 1].endswith("thing")
        if word in _ARTICLES:
            return before[at - 1] in _ASKED and len(rest) > 1
        if word in _SUBJECTS:
            return before[at - 1] not in {"", *_JOINING}
    return False


def _is_list(text: str) -> bool:
    """Whether `text` is a list of tags: short pieces between commas, no sentence."""
    pieces = [piece for piece in text.split(",") if piece.strip()]
    return all(len(piece.split()) <= 3 for piece in pieces)


def _tail(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"…{line[-39:]}"
