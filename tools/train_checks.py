"""Trains the classifier of the checks: ``make classifier`` writes its weights.

A linear support vector machine for each form against all others, and one for all forms against
captions, by stochastic gradient descent on the hinge loss. All arithmetic is that of whole numbers,
so the file is the same on each machine and with each version of Python and numpy. It learns from
what lies in ``tools/check_texts`` and from the labelled texts of the tests.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_grammar import Draw, Sample, pieces, samples

from dataflow.checks.model.classifier import LANES, WEIGHTS
from dataflow.checks.model.features import BUCKETS, features
from dataflow.checks.model.segments import LONGEST, edges

TEXTS = Path(__file__).resolve().parents[1] / "tests" / "checks" / "texts.jsonl"
EPOCHS = 8
ONE = 1 << 20
"""What a score of 1.0 is in whole numbers."""

RATE = ONE * 3 // 100
_ENDS = ".?!:"
_NO_MARKS = str.maketrans("", "", ".:!?。！？：")
FAULT_COST = 2
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
            # a word or two before a colon name a thing as often as they announce a caption
            count = 3 + draw.below(14) if draw.below(4) else 1 + draw.below(2)
            text = between.join(listed[draw.below(len(listed))] for _ in range(count))
            end = _ENDS[draw.below(4)] if count > 2 else ":"
            found.append(Sample(language, "sound", False, text.translate(_NO_MARKS) + end))
    return found


def train(examples: Sequence[tuple[list[int], int]]) -> npt.NDArray[np.int64]:
    """The weights: a row for each feature, a column for each lane.

    Args:
        examples: Features, and the lane of the form (0 for a caption).
    """
    weights = np.zeros((BUCKETS, len(LANES)), np.int64)
    biases = np.full(len(LANES), -ONE, np.int64)
    order = list(range(len(examples)))
    draw = Draw(4711)
    listed = [np.array(one, np.int64) for one, _ in examples]
    signs = np.full((len(LANES), len(LANES)), -1, np.int64)  # a row for each form
    for form in range(1, len(LANES)):
        signs[form, [0, form]] = 1
    signs[0, 1:] = 0  # a caption teaches only what any form is
    costs = np.where(signs > 0, FAULT_COST, np.abs(signs))
    for epoch in range(EPOCHS):
        for at in range(len(order) - 1, 0, -1):
            other = draw.below(at + 1)
            order[at], order[other] = order[other], order[at]
        rate = RATE // (1 + epoch)
        for number in order:
            # two fifths of the features at a time, so that no few of them decide
            start, whole, form = draw.below(5), listed[number], examples[number][1]
            part = np.concatenate((whole[start::5], whole[(start + 2) % 5 :: 5]))
            sign = signs[form]
            scores = (weights[part].sum(axis=0) + biases) * sign
            if (scores >= ONE)[sign != 0].all():
                continue
            step = np.where(scores < ONE, sign * costs[form] * rate, 0) * 20 // (20 + len(part))
            biases += step // 5
            weights[part] += step
    # each sentence has one sign for its start: the bias is its
    weights[features("")[0]] += biases
    return weights


def packed(weights: npt.NDArray[np.int64]) -> tuple[bytes, int]:
    """The weights as signed bytes, first those of any form; and what 1.0 is there."""
    sizes = np.sort(np.abs(weights[weights != 0]))
    most = int(sizes[len(sizes) * 9995 // 10000])
    small = np.clip((weights * 127 + most // 2) // most, -127, 127).astype(np.int8)
    return small[:, 0].tobytes() + small[:, 1:].tobytes(), 127 * ONE // most


def examples() -> Iterator[tuple[list[int], int]]:
    """What is learned from: the features of a sentence, and its lane."""
    every = [sample for sample in samples(40, 400) if not sample.held]
    own = labelled()
    sound = [one for one in own if one.form == "sound"]
    every += salads(every, 100)
    every += [Sample(language, "sound", False, text) for language, text in pieces()]
    for sample in every + sound * 16:
        form = LANES.index(sample.form) if sample.form in LANES else 0
        for one in sentences(sample):
            yield one, form
    for sample in own:
        found = sentences(sample)
        if sample.form in LANES and len(found) == 1:
            yield found[0], LANES.index(sample.form)


def main() -> int:
    """Train and write."""
    began = time.monotonic()
    learned = list(examples())
    sys.stdout.write(f"{len(learned)} sentences\n")
    table, scale = packed(train(learned))
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS
    target.write_bytes(scale.to_bytes(4, "little") + table)
    sys.stdout.write(f"{target} in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
