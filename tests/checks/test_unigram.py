"""SentencePiece's unigram models, read and used without a package."""

from __future__ import annotations

import json
import struct

import pytest

from dataflow.checks.unigram import UnigramTokenizer, read_unigram

SCORES = {
    "\u2581": -4.0,
    "\u2581a": -1.0,
    "\u2581dog": -2.0,
    "\u2581do": -3.0,
    **dict.fromkeys("gs.", -3.0),
}


def model_file(name: str, scores: dict[str, float]) -> bytes:
    """A model of these pieces in the format of the file `name`."""
    if name.endswith(".json"):
        vocabulary = [["<unk>", 0.0], *scores.items()]
        special = [{"id": 0, "content": "<unk>"}]
        model = {"type": "Unigram", "unk_id": 0, "vocab": vocabulary}
        return json.dumps({"added_tokens": special, "model": model}).encode()
    pieces = [("<unk>", 0.0, 2), *((piece, score, 1) for piece, score in scores.items())]
    return b"".join(map(_field, (_piece(*one) for one in pieces))) + b"\x12\x02\x08\x01"


def _piece(text: str, score: float, kind: int) -> bytes:
    encoded = text.encode()
    return (
        b"\x0a"
        + bytes([len(encoded)])
        + encoded
        + b"\x15"
        + struct.pack("<f", score)
        + bytes([0x18, kind])
    )


def _field(data: bytes) -> bytes:
    return b"\x0a" + bytes([len(data)]) + data


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a dog", 2),
        ("a dogs", 3),
        ("  a \n dog. ", 3),
        ("a xyz", 3),  # what is unknown and adjoins is one piece
        ("a \uff44og", 2),  # NFKC
        ("", 0),
        (" ", 0),
    ],
)
def test_the_most_likely_cut_is_counted(text, pieces):
    assert UnigramTokenizer(SCORES).count(text) == pieces


@pytest.mark.parametrize("name", ["tokenizer.json", "spiece.model"])
def test_both_files_say_the_same(tmp_path, name):
    (tmp_path / name).write_bytes(model_file(name, SCORES))
    model = read_unigram(tmp_path / name)
    assert model is not None
    assert model.count("a dogs.") == 4


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"not JSON"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": {}}}'),
        ("spiece.model", b""),
        ("spiece.model", b"\xff\xff\xff"),
        ("spiece.model", b"\x0a\x7fshort"),
        ("spiece.model", b"version https://git-lfs.github.com/spec/v1\n"),
    ],
)
def test_what_is_no_model_of_this_kind_is_none(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert read_unigram(tmp_path / name) is None
