"""How far the estimates of text encoders' tokens are from their vocabularies, on 2,000 texts.

`python -m bench.encoder_tokens` measures each encoder whose vocabulary is there: CLIP's in
`open_clip_torch` or `clip`, or in a folder on PYTHONPATH that holds
`open_clip/bpe_simple_vocab_16e6.txt.gz`; those of T5 and SigLIP in the Hugging Face cache
(`hf download google-t5/t5-small tokenizer.json`). Nothing of it is imported. ``--t5 FILE`` names a
`tokenizer.json` or `spiece.model` outside the cache.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dataflow.checks.encoder_tokens import (
    counter_of,
    estimated_clip,
    estimated_pieces,
    siglip_text,
)
from dataflow.checks.unigram import read_unigram

TEXTS = Path(__file__).parents[1] / "tests" / "checks" / "texts.jsonl"
MOST = 2000


def main() -> None:
    """Print the errors of each encoder whose vocabulary is there."""
    rows = [json.loads(line) for line in TEXTS.read_text("utf-8").splitlines()]
    texts = [row for row in rows if 8 < len(row["text"]) < 5000][:MOST]
    named = {"t5": Path(sys.argv[2])} if sys.argv[1:2] == ["--t5"] else {}
    estimates = {
        "clip": estimated_clip,
        "t5": estimated_pieces,
        "siglip": lambda text: estimated_pieces(siglip_text(text)),
    }
    for name, estimate in estimates.items():
        real = counter_of(name).count if counter_of(name).is_exact else None
        if real is None and name in named and (model := read_unigram(named[name])) is not None:
            real = model.count
        sys.stdout.write(f"{name}: {len(texts):,} texts\n" if real else f"{name}: not there\n")
        if real is not None:
            print_errors(texts, real, estimate)


def print_errors(
    texts: Sequence[Mapping[str, str]], real: Callable[[str], int], estimate: Callable[[str], int]
) -> None:
    """Print the error by language: mean, mean of its size, and its 5 % and 95 % points."""
    errors: dict[str, list[float]] = defaultdict(list)
    for row in texts:
        count = real(row["text"])
        errors[row["language"]].append((estimate(row["text"]) - count) / max(1, count))
    for language, found in sorted(errors.items(), key=lambda item: -len(item[1])):
        found.sort()
        low, high = found[len(found) // 20], found[-1 - len(found) // 20]
        size = statistics.mean(map(abs, found))
        sys.stdout.write(
            f"{language}: {len(found):5,} texts, mean error {statistics.mean(found):+.1%}, "
            f"size {size:.1%}, nine of ten within {low:+.0%} and {high:+.0%}\n"
        )


if __name__ == "__main__":
    main()
