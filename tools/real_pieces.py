"""Pieces of real sentences that the classifier of the checks takes for faults, to learn from.

``python tools/real_pieces.py REAL.jsonl`` reads the texts that ``tools/real_texts.py`` wrote, those
that are not held out, and adds pieces of at most twelve words to ``tools/check_texts/pieces``. Run
it, then ``make classifier``, then both again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_grammar import FOLDER

from dataflow.checks.model.classifier import WEIGHTS, Classifier
from dataflow.checks.model.segments import edges

WORDS = 12
SIGNS = 40
"""Characters of a piece in scripts without blanks between words."""

DOUBTFUL = -0.5
MOST = 15_000
"""Pieces that one run adds."""


def pieces(sentence: str) -> list[str]:
    """The pieces of `sentence`, each beginning where the one before it ends."""
    words = sentence.split()
    if len(sentence) > 12 * len(words):
        return [sentence[at : at + SIGNS] for at in range(0, len(sentence), SIGNS)]
    return [" ".join(words[at : at + WORDS]) for at in range(0, len(words), WORDS)]


def main() -> int:
    """Add to the file."""
    score = Classifier(WEIGHTS.read_bytes())
    target = FOLDER / "pieces" / "real.txt"
    found = dict.fromkeys(target.read_text("utf-8").splitlines() if target.exists() else ())
    new: dict[str, float] = {}
    for line in Path(sys.argv[1]).read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["held"]:
            continue
        head, tail = edges(row["text"])
        for segment in (*head, *tail):
            if score(segment.text) > DOUBTFUL:
                for piece in pieces(segment.text[:160]):
                    value = score(piece)
                    if value > DOUBTFUL and piece.isprintable() and piece not in found:
                        new[piece] = value
    surest = sorted(new, key=lambda piece: (-new[piece], piece))
    found |= dict.fromkeys(surest[:MOST])
    target.parent.mkdir(exist_ok=True)
    lines = sorted(found, key=lambda piece: (crc32(piece.encode()), piece))
    target.write_text("".join(f"{piece}\n" for piece in lines), "utf-8")
    sys.stdout.write(f"{len(new)} new pieces, {len(lines)} in {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
