"""The texts that the classifier of the checks is trained with and measured on.

They stand in ``tools/check_texts/``, in ``LANGUAGE.txt`` and ``more/LANGUAGE.txt``: one grammar a
line, ``{one|two}`` for a choice, in sections for each form. What is in ``held/LANGUAGE.txt``, and a
line that begins with ``~``, is a wording family that is held out: the classifier is not trained
with it. Sound captions are made of ``[subject]``, ``[predicate]`` and ``[place]`` too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

FOLDER = Path(__file__).resolve().parent / "check_texts"
FORMS = ("lead_in", "lead_out", "thoughts", "refusal", "error", "leak")
LEAST = 16
"""Examples of each line that is not held out."""

PARTS = ("subject", "predicate", "place")

_CHOICE = re.compile(r"\{([^{}]*)\}")


class Sample(NamedTuple):
    """One text: its language, its form (``sound`` for a caption), and whether it is held out."""

    language: str
    form: str
    held: bool
    text: str


class Draw:
    """Pseudo-random numbers that are the same in every version of Python (Lehmer, MINSTD)."""

    def __init__(self, seed: int) -> None:
        self._state = seed or 1

    def below(self, most: int) -> int:
        """A number from 0 to `most` - 1."""
        self._state = self._state * 48271 % 2147483647
        return (self._state >> 4) % most


def grammars(part: str = "") -> Iterator[tuple[str, str, bool, str]]:
    """Language, form, whether it is held out, and grammar of each line of one folder, or of all."""
    for path in (*sorted(FOLDER.glob("*.txt")), *sorted(FOLDER.glob("*/*.txt"))):
        form = ""
        is_held = path.parent.name in {"held", "unseen"}
        if path.parent.name == "pieces" or part not in {"", path.parent.name}:
            continue
        for line in path.read_text("utf-8").splitlines():
            if re.fullmatch(r"\[\w+\]", line):
                form = line[1:-1]
            elif line.strip():
                held = is_held or line.startswith("~")
                yield path.stem, form, held, line.removeprefix("~").strip()


def pieces() -> Iterator[tuple[str, str]]:
    """Language and text of each piece of a sentence that no caption fault holds."""
    for path in sorted((FOLDER / "pieces").glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            yield path.stem, line


def expanded(grammar: str, draw: Draw) -> str:
    """One text of `grammar`."""

    def chosen(found: re.Match[str]) -> str:
        choices = found[1].split("|")
        return choices[draw.below(len(choices))]

    text = _CHOICE.sub(chosen, grammar)
    return re.sub(r"\s+([,.!?:;])", r"\1", re.sub(r"  +", " ", text)).strip()


def size(grammar: str) -> int:
    """The number of texts of `grammar`."""
    count = 1
    for found in _CHOICE.finditer(grammar):
        count *= found[1].count("|") + 1
    return count


def samples(each: int, captions: int, part: str = "") -> list[Sample]:
    """Texts of all grammars, or of those of one folder: at most `each` a line.

    To them come `captions` sound ones a language.
    """
    found: list[Sample] = []
    parts: dict[str, dict[str, list[str]]] = {}
    for language, form, held, grammar in grammars(part):
        if form in PARTS:
            listed = [part.strip() for part in grammar.split(";")]
            parts.setdefault(language, {}).setdefault(form, []).extend(listed)
            continue
        draw = Draw(crc32(grammar.encode()) % 2147483647)
        times = each if held else each * _often(size(grammar))
        own = dict.fromkeys(expanded(grammar, draw) for _ in range(min(times, 2 * size(grammar))))
        # each wording counts, however few texts its grammar makes
        often = 1 if held else max(1, LEAST // len(own))
        found += [Sample(language, form, held, text) for text in own] * often
    for language, listed in parts.items():
        draw = Draw(sum(map(ord, language)))
        for number in range(captions * (3 if language == "en" else 1)):
            text = _caption(language, listed, draw)
            found.append(Sample(language, "sound", number % 8 == 0, text))
    return found


def _often(texts: int) -> int:
    """How many times as many texts are made of a grammar of so many texts."""
    return 1 if texts < 500 else 2 if texts < 3000 else 4


def _caption(language: str, parts: dict[str, list[str]], draw: Draw) -> str:
    chosen = [parts[name][draw.below(len(parts[name]))] for name in PARTS]
    kind = draw.below(6)
    if kind == 0:
        chosen = chosen[:1]
    elif kind < 3:
        chosen = chosen[:2]
    if language in {"ko", "ja"} and len(chosen) == 3:
        chosen = [chosen[2], *chosen[:2]]
    text = ("" if language in {"zh", "ja", "th"} else " ").join(chosen)
    stop = "。" if language in {"zh", "ja"} else "।" if language == "hi" else "."
    return text.replace(" ，", "，") + (stop if kind % 2 and language != "th" else "")
