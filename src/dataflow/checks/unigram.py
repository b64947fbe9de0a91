"""How many pieces SentencePiece's unigram model makes of a text, as far as counting goes.

T5 and SigLIP read captions so. A model is read from ``spiece.model`` (a protocol buffer,
https://github.com/google/sentencepiece, `sentencepiece_model.proto`) or from ``tokenizer.json`` of
the package `tokenizers`; no package is needed. Of the normalisation, NFKC and blanks are done; the
handful of further rules in `nmt_nfkc` is not.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

_BLANK = "\u2581"  # how SentencePiece writes a blank
_UNKNOWN = 10.0  # below the worst piece: SentencePiece's kUnkPenalty
_NORMAL, _USER = 1, 4  # sentencepiece_model.proto: SentencePiece.Type


class UnigramTokenizer:
    """Counts pieces.

    Args:
        scores: Piece → its log probability.
    """

    def __init__(self, scores: Mapping[str, float]) -> None:
        self._scores = scores
        self._longest = max(map(len, scores), default=1)
        self._unknown = min(scores.values(), default=0.0) - _UNKNOWN

    def count(self, text: str) -> int:
        """The pieces of `text`, without an end mark; unknown letters that adjoin are one."""
        words = unicodedata.normalize("NFKC", text).split()
        return self._best(_BLANK + _BLANK.join(words)) if words else 0

    def _best(self, text: str) -> int:
        """The pieces of the most likely cut, by Viterbi's algorithm."""
        ends: list[tuple[float, int, bool]] = [(0.0, 0, False)]  # score, pieces, is unknown
        for end in range(1, len(text) + 1):
            score, pieces, was_unknown = ends[end - 1]
            best = (score + self._unknown, pieces + (not was_unknown), True)
            for start in range(max(0, end - self._longest), end):
                own = self._scores.get(text[start:end])
                if own is not None and ends[start][0] + own > best[0]:
                    best = (ends[start][0] + own, ends[start][1] + 1, False)
            ends.append(best)
        return ends[-1][1]


def read_unigram(path: Path) -> UnigramTokenizer | None:
    """The model in the file at `path`; None where it holds none of this kind.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        scores = _from_json(data) if path.suffix == ".json" else dict(_from_model(data))
    except (ValueError, KeyError, TypeError, IndexError, struct.error):
        return None
    return UnigramTokenizer(scores) if scores else None


def _from_json(data: bytes) -> dict[str, float]:
    found = json.loads(data)
    if found["model"].get("type", "Unigram") != "Unigram":
        return {}
    special = {one["content"] for one in found.get("added_tokens", ())}
    return {piece: score for piece, score in found["model"]["vocab"] if piece not in special}


def _from_model(data: bytes) -> Iterator[tuple[str, float]]:
    for field, piece in _fields(data):
        if field != 1 or not isinstance(piece, bytes):
            continue
        own = dict(_fields(piece))
        text, score, kind = own[1], own.get(2, b"\0\0\0\0"), own.get(3, _NORMAL)
        if kind in (_NORMAL, _USER) and isinstance(text, bytes) and isinstance(score, bytes):
            yield text.decode("utf-8"), struct.unpack("<f", score)[0]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protocol buffer's message.

    Raises:
        ValueError: it is none.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or at + size > len(data):
            raise ValueError("no protocol buffer")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
