"""How far the estimate of CLIP's tokens is from its vocabulary, on 2,000 texts of the tests.

`python -m bench.encoder_tokens` needs `open_clip_torch` or `clip` installed, or a folder that holds
`open_clip/bpe_simple_vocab_16e6.txt.gz` on PYTHONPATH; nothing of it is imported.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from dataflow.checks.encoder_tokens import counter_of, estimated_clip

TEXTS = Path(__file__).parents[1] / "tests" / "checks" / "texts.jsonl"
MOST = 2000


def main() -> None:
    """Print the error by language: mean, mean of its size, and its 5 % and 95 % points."""
    real = counter_of("clip")
    if not real.is_exact:
        raise SystemExit(
            "CLIP's vocabulary is not installed: pip install --no-deps open_clip_torch"
        )
    errors: dict[str, list[float]] = defaultdict(list)
    rows = [json.loads(line) for line in TEXTS.read_text("utf-8").splitlines()]
    texts = [row for row in rows if 8 < len(row["text"]) < 5000][:MOST]
    for row in texts:
        count = real.count(row["text"])
        errors[row["language"]].append((estimated_clip(row["text"]) - count) / max(1, count))
    sys.stdout.write(f"{len(texts):,} texts\n")
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
