"""How many tokens a caption is to the text encoders that image generators read captions with.

CLIP cuts a caption off after 77 tokens, two of which are its own marks; T5 after what the trainer
sets, 256 or 512, one of which is its end mark; SigLIP after 64, its end mark among them.

CLIP's byte-pair encoding is counted exactly where its vocabulary is on the machine: the packages
`open_clip_torch` and `clip` bring it (https://github.com/openai/CLIP, `simple_tokenizer.py`; no
package is imported). T5 and SigLIP cut words by SentencePiece models of 32,000 pieces, which are
counted exactly where the Hugging Face cache holds the tokenizer of a model with them (`unigram`).
Everything else is an estimate; `docs/checks.md` tells its error beside the vocabularies.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import html
import importlib.util
import itertools
import os
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataflow.checks.unigram import UnigramTokenizer, read_unigram
from dataflow.core.errors import UsageError

ENCODERS = {"clip": 75, "t5": 511, "siglip": 63}
"""Name of an encoder → the tokens of a caption's own that it reads at most."""

_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 48_894  # of the file's lines; the rest CLIP does not use
_FIRST_IDEOGRAPH = "\u2e80"  # Unicode: CJK Radicals Supplement and what follows
_FIRST_GREEK, _FIRST_ARMENIAN = "\u0370", "\u0530"  # between them: Greek and Cyrillic
_CJK_SIGNS = ("\u3000", "\u303f")  # unknown to T5, unlike the wide forms of ASCII
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PARTS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts a text's tokens.

    Attributes:
        name: Of the encoder.
        count: A text → its tokens, without the encoder's own marks.
        is_exact: Whether a real tokenizer counts; otherwise it is an estimate.
    """

    name: str
    count: Callable[[str], int]
    is_exact: bool = False


@functools.cache
def counter_of(name: str) -> TokenCounter:
    """What counts the tokens of the encoder `name`.

    Raises:
        UsageError: there is no such encoder.
    """
    if name not in ENCODERS:
        raise UsageError(f"there is no text encoder {name!r}; there are {', '.join(ENCODERS)}")
    if name == "clip":
        path = _vocabulary()
        if path is None:
            return TokenCounter(name, estimated_clip)
        return TokenCounter(name, ClipTokenizer(path).count, is_exact=True)
    pieces = cached_pieces(name)
    count = estimated_pieces if pieces is None else pieces.count
    if name == "siglip":
        return TokenCounter(name, lambda text: count(siglip_text(text)), pieces is not None)
    return TokenCounter(name, count, pieces is not None)


def parse_limit(text: str) -> tuple[TokenCounter, int]:
    """The counter and the limit of ``clip:75``; ``clip`` alone stands for all that it reads.

    Raises:
        UsageError: it names no encoder or no number.
    """
    name, colon, number = text.strip().lower().partition(":")
    if colon and not (number.isdecimal() and int(number) > 0):
        raise UsageError(f"{text!r} is no limit of tokens; give one such as clip:75 or t5:256")
    counter = counter_of(name)
    return counter, int(number) if colon else ENCODERS[name]


class ClipTokenizer:
    """CLIP's byte-pair encoding, as far as counting goes.

    Args:
        path: The file of its merges, `bpe_simple_vocab_16e6.txt.gz`.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
        pairs = (tuple(line.split()) for line in lines[1 : 1 + _MERGES])
        self._ranks = {(first, second): rank for rank, (first, second) in enumerate(pairs)}
        self._letters = _letters_of_bytes()
        self._known: dict[str, int] = {}

    def count(self, text: str) -> int:
        """The tokens of `text`, without CLIP's marks for start and end."""
        plain = html.unescape(html.unescape(text)).lower()
        return sum(map(self._word, _PARTS.findall(plain)))

    def _word(self, word: str) -> int:
        found = self._known.get(word)
        if found is None:
            found = self._merged(word)
            if len(self._known) < 100_000:
                self._known[word] = found
        return found

    def _merged(self, word: str) -> int:
        parts = [self._letters[byte] for byte in word.encode("utf-8", "replace")]
        parts[-1] += "</w>"
        while len(parts) > 1:
            pairs = itertools.pairwise(parts)
            best = min(pairs, key=lambda pair: self._ranks.get(pair, _MERGES))
            if best not in self._ranks:
                break
            merged: list[str] = []
            for part in parts:
                is_pair = bool(merged) and (merged[-1], part) == best
                if is_pair:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return len(parts)


def _letters_of_bytes() -> dict[int, str]:
    """The sign that stands for each byte in the vocabulary: itself where it can be printed."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {
        byte: chr(256 + number) for number, byte in enumerate(others)
    }


def _vocabulary() -> Path | None:
    """CLIP's vocabulary in an installed package, which is not imported; None for none."""
    for package in ("open_clip", "clip"):
        found = importlib.util.find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            path = Path(folder, _VOCABULARY)
            if path.is_file():
                return path
    return None


def estimated_clip(text: str) -> int:
    """About how many tokens CLIP makes of `text`: common words are one, longer ones more."""
    total = 0.0
    for part in _PARTS.findall(text.lower()):
        if part.isascii():
            total += 1 + max(0, len(part) - 7) * 0.12 if part.isalpha() else 1
        elif part.isalpha():
            is_ideographs = part >= _FIRST_IDEOGRAPH
            total += len(part.encode("utf-8", "replace")) * (0.8 if is_ideographs else 0.6)
        else:
            total += len(part)
    return round(total)


def estimated_pieces(text: str) -> int:
    """About how many pieces T5's SentencePiece model makes of `text`.

    It knows words of English, German, French and Romanian; Cyrillic letters stand alone, and what
    it does not know, such as Han characters, is one piece up to the next sign, after the blank.
    """
    total = 0.0
    for match in _PARTS.finditer(text):
        part, start = match[0], match.start()
        if part.isascii() and part.isalpha():
            total += 1.1 + max(0, len(part) - 6) * 0.08
        elif not part.isalpha():
            total += sum(not _CJK_SIGNS[0] <= sign <= _CJK_SIGNS[1] for sign in part)
        elif part < _FIRST_GREEK:
            total += 1.5 + max(0, len(part) - 4) * 0.3
        elif part < _FIRST_ARMENIAN:
            total += len(part) * 0.85
        else:
            total += 2 if start == 0 or text[start - 1].isspace() else 1
    return round(total)


def siglip_text(text: str) -> str:
    """`text` as SigLIP's tokenizer cuts it: in lower case, without ASCII's punctuation.

    As `canonicalize_text` of `SiglipTokenizer` (https://github.com/huggingface/transformers).
    """
    return " ".join(text.lower().translate(_NO_PUNCTUATION).split())


def cached_pieces(name: str) -> UnigramTokenizer | None:
    """The SentencePiece model of the encoder `name` in the Hugging Face cache; None for none."""
    home = os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home, "hub"))
    for pattern in _CACHED[name]:
        for ending in ("spiece.model", "tokenizer.json"):
            for path in sorted(cache.glob(f"{pattern}/{ending}")):
                with contextlib.suppress(OSError):
                    found = read_unigram(path)
                    if found is not None:
                        return found
    return None


_CACHED = {
    "t5": (
        "models--*t5-*/snapshots/*",
        "models--*FLUX.1-*/snapshots/*/tokenizer_2",
        "models--stabilityai--stable-diffusion-3*/snapshots/*/tokenizer_3",
        "models--PixArt-*/snapshots/*/tokenizer",
    ),
    "siglip": ("models--google--siglip-*/snapshots/*", "models--timm--*-SigLIP-*/snapshots/*"),
}
"""Where models keep the tokenizer of an encoder, by the layout of the Hugging Face cache."""
