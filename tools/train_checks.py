"""Trains the classifier of the checks: ``python tools/train_checks.py`` writes its weights.

A linear support vector machine for each form against all others, and one for all forms against
captions, by stochastic gradient descent on the hinge loss. Nothing but additions and
multiplications of floats in a fixed order, so that the file is the same on each machine.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_grammar import Draw, Sample, samples

from dataflow.checks.model.classifier import LANES, WEIGHTS
from dataflow.checks.model.features import BUCKETS, features
from dataflow.checks.model.segments import LONGEST, edges

TEXTS = Path(__file__).resolve().parents[1] / "tests" / "checks" / "texts.jsonl"
EPOCHS = 9
RATE = 0.03
_NO_MARKS = str.maketrans("", "", ".:!?。！？：")
FAULT_COST = 2.0
"""What a fault that is not found costs; a caption that is taken for one costs 1."""


def labelled() -> list[Sample]:
    """The labelled texts of the tests that the checks were made with; only single sentences."""
    found = []
    for line in TEXTS.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["part"] != "tuned" or not isinstance(row["text"], str):
            continue
        form = {"refusal": "refusal", "error_text": "error"}.get(row["about"], "")
        if row["fault"] and not form:
            continue
        found.append(Sample(row["language"], form if row["fault"] else "sound", False, row["text"]))
    return found


def real(path: Path) -> list[Sample]:
    """The real texts of `path` that are not held out, as captions; see ``tools/real_texts.py``."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [Sample("", "sound", False, row["text"]) for row in rows if not row["held"]][::8]


def sentences(sample: Sample) -> list[list[int]]:
    """The features of each sentence of a sample."""
    head, tail = edges(sample.text)
    return [features(segment.text[:LONGEST]) for segment in (*head, *tail)]


def salads(every: Sequence[Sample], times: int) -> list[Sample]:
    """Words of all kinds of sentences of a language in no order: of these no single word tells.

    They are captions to the classifier, so that it looks for groups of words.
    """
    words: dict[str, list[str]] = {}
    for sample in every:
        parts = list(sample.text) if sample.language in {"zh", "ja"} else sample.text.split()
        words.setdefault(sample.language, []).extend(parts)
    found = []
    for language, listed in sorted(words.items()):
        draw = Draw(len(listed))
        between = "" if language in {"zh", "ja"} else " "
        for _ in range(times * (3 if language == "en" else 1)):
            count = 3 + draw.below(14)
            text = between.join(listed[draw.below(len(listed))] for _ in range(count))
            found.append(
                Sample(language, "sound", False, text.translate(_NO_MARKS) + ".?!:"[draw.below(4)])
            )
    return found


def train(examples: Sequence[tuple[list[int], int]]) -> list[list[float]]:
    """The weights of each lane.

    Args:
        examples: Features, and the lane of the form (0 for a caption).
    """
    weights = [[0.0] * BUCKETS for _ in LANES]
    biases = [-1.0] * len(LANES)
    order = list(range(len(examples)))
    draw = Draw(4711)
    for epoch in range(EPOCHS):
        for at in range(len(order) - 1, 0, -1):
            other = draw.below(at + 1)
            order[at], order[other] = order[other], order[at]
        rate = RATE / (1 + epoch)
        for number in order:
            listed, form = examples[number]
            # two fifths of the features at a time, so that no few of them decide
            start = draw.below(5)
            listed = listed[start::5] + listed[(start + 2) % 5 :: 5]
            for lane, own in enumerate(weights):
                if lane and not form:
                    break  # a caption teaches only what any form is
                is_own = form == lane if lane else form > 0
                score = sum(map(own.__getitem__, listed)) + biases[lane]
                if is_own and score < 1:
                    step = rate * FAULT_COST
                elif not is_own and score > -1:
                    step = -rate
                else:
                    continue
                step /= 1 + len(listed) / 20
                biases[lane] += step * 0.2
                for feature in listed:
                    own[feature] += step
    for lane, own in enumerate(weights):
        # each sentence has one sign for its start: the bias is its
        own[features("")[0]] += biases[lane]
    return weights


def packed(weights: Sequence[Sequence[float]]) -> tuple[bytes, float]:
    """The weights as bytes, 128 for 0, all lanes of a feature together; and what 1.0 is there."""
    highest = sorted(abs(one) for own in weights for one in own if one)
    scale = 127 / max(highest[int(len(highest) * 0.9995)], 1e-9)
    table = bytearray(BUCKETS * len(LANES))
    for lane, own in enumerate(weights):
        table[lane :: len(LANES)] = bytes(
            128 + max(-127, min(127, round(one * scale))) for one in own
        )
    return bytes(table), scale


def main() -> int:
    """Train and write."""
    began = time.monotonic()
    every = [sample for sample in samples(40, 500) if not sample.held]
    every += [one for one in labelled() for _ in range(8 if one.form == "sound" else 1)]
    every += salads(every, 100)
    every += real(Path(sys.argv[1]))
    examples = []
    for sample in every:
        form = LANES.index(sample.form) if sample.form in LANES else 0
        listed = sentences(sample)
        if sample.form in LANES and sample in labelled_set and len(listed) > 1:
            continue
        examples += [(one, form) for one in listed]
    sys.stdout.write(f"{len(every)} texts, {len(examples)} sentences\n")
    table, scale = packed(train(examples))
    WEIGHTS.write_bytes(round(scale).to_bytes(4, "little") + table)
    sys.stdout.write(f"{WEIGHTS} in {time.monotonic() - began:.0f} s\n")
    return 0


labelled_set = set(labelled())

if __name__ == "__main__":
    sys.exit(main())
