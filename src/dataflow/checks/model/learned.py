"""A fault kind of one's own, learned from examples: a linear model over the same features.

It is a support vector machine, trained by stochastic gradient descent on the hinge loss with whole
numbers, so that the same examples make the same file everywhere. See ``dataflow check --learn``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.checks.model.features import BUCKETS, START, features, tokens
from dataflow.checks.model.segments import edges
from dataflow.checks.rules.text import clipped
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext, Verdict
from dataflow.core.text import path_text

LEAST = 8
"""Examples of each side that are needed."""

FOLDS = 10
"""Parts of the cross-validation."""

_FORMAT = 1
_EPOCHS = 30
_ONE = 1 << 20
_LEAST_WEIGHT = _ONE >> 10
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_NAMED = 3


class Accuracy(NamedTuple):
    """What cross-validation says of a learned kind: each example judged without it being learned.

    Attributes:
        found: Faulty examples that were found.
        faulty: Faulty examples.
        false: Sound examples that were taken for faulty.
        sound: Sound examples.
    """

    found: int
    faulty: int
    false: int
    sound: int


@dataclass(frozen=True)
class LearnedCheck:
    """A check that was learned from examples.

    Attributes:
        kind: The kind of its verdicts.
        digest: Of what was learned.
        weights: Feature → what it says for the fault.
        bias: What is said without any feature.
        accuracy: What cross-validation said when it was learned.
    """

    kind: str
    digest: str
    weights: dict[int, int] = field(repr=False)
    bias: int = field(repr=False)
    accuracy: Accuracy

    def __call__(self, text: str, _context: CheckContext) -> Verdict | None:
        """A verdict where `text` looks like the faulty examples."""
        listed = _features(text)
        if not listed or self._score(listed) <= 0:
            return None
        reason = f"it looks like your examples of {self.kind}: “{clipped(text)}”"
        if named := ", ".join(self._deciding(text)):
            reason = f"{reason}, by the words {named}"
        return Verdict(self.kind, reason, f"Avoid what is meant by {self.kind!r}.")

    def _score(self, listed: Sequence[int]) -> int:
        return _score(self.weights, self.bias, listed)

    def _deciding(self, text: str) -> list[str]:
        weighed: dict[str, int] = {}
        for segment in _segments(text):
            for token in tokens(segment)[1:-1]:
                weighed[token] = sum(self.weights.get(at, 0) for at in features(token)[1:-1])
        best = sorted(weighed, key=lambda token: -weighed[token])[:_MOST_NAMED]
        return [token for token in best if weighed[token] > 0]

    def save(self, path: Path) -> None:
        """Write it into a file of JSON.

        Raises:
            OSError: The file cannot be written.
        """
        value = {
            "format": _FORMAT,
            "kind": self.kind,
            "accuracy": self.accuracy._asdict(),
            "bias": self.bias,
            "weights": {str(at): weight for at, weight in sorted(self.weights.items())},
        }
        path.write_text(json.dumps(value) + "\n", "utf-8")


def read_learned(path: str) -> LearnedCheck:
    """The check that `LearnedCheck.save` wrote.

    Raises:
        UsageError: The file cannot be read, or it is none of that.
    """
    try:
        value: Any = json.loads(Path(path).read_text("utf-8"))
        weights = {int(at): int(weight) for at, weight in value["weights"].items()}
        accuracy = Accuracy(**value["accuracy"])
        known = value["format"] == _FORMAT and _NAME.fullmatch(value["kind"])
        bias = int(value["bias"])
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise UsageError(f"--check {path_text(path)}: {reason}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = None
    if not known:
        raise UsageError(
            f"--check {path_text(path)} is no file that dataflow check --learn has written"
        )
    return _check(value["kind"], weights, bias, accuracy)


def learn(kind: str, faulty: Sequence[str], sound: Sequence[str]) -> LearnedCheck:
    """Learn a kind of fault from examples.

    Args:
        kind: Its name: small letters, digits and underscores.
        faulty: Captions with the fault; `LEAST` or more that differ.
        sound: Captions without it; as many.

    Raises:
        UsageError: The name does not fit, there are too few examples, or one is on both sides.
    """
    if not _NAME.fullmatch(kind):
        raise UsageError(
            f"{kind!r} names no fault kind: use small letters, digits and underscores, "
            "and rename the file with the faulty captions"
        )
    faulty, sound = list(dict.fromkeys(faulty)), list(dict.fromkeys(sound))
    for name, those in (("faulty", faulty), ("sound", sound)):
        if len(those) < LEAST:
            raise UsageError(
                f"{len(those)} different {name} captions are too few to learn from: "
                f"give {LEAST} or more, better thirty"
            )
    if both := set(faulty) & set(sound):
        raise UsageError(f"“{clipped(min(both))}” is among the faulty and among the sound captions")
    examples = [(_features(text), 1) for text in faulty] + [(_features(text), -1) for text in sound]
    weights, bias = _trained(examples)
    return _check(kind, weights, bias, _cross_validated(examples))


def _check(kind: str, weights: dict[int, int], bias: int, accuracy: Accuracy) -> LearnedCheck:
    named = repr((kind, bias, sorted(weights.items()))).encode()
    return LearnedCheck(kind, blake2b(named, digest_size=8).hexdigest(), weights, bias, accuracy)


def _segments(text: str) -> Iterator[str]:
    head, tail = edges(text)
    for segment in (*head, *tail):
        yield segment.text


def _features(text: str) -> list[int]:
    """The features of a text, each once; signs of starts and ends alone say nothing."""
    found = {at for segment in _segments(text) for at in features(segment)}
    return sorted(found - set(features(START)))


def _score(weights: dict[int, int], bias: int, listed: Sequence[int]) -> int:
    """The score of features, as if there were as many in each text."""
    return bias + sum(weights.get(at, 0) for at in listed) // max(1, isqrt(len(listed)))


def _trained(examples: Sequence[tuple[list[int], int]]) -> tuple[dict[int, int], int]:
    weights: dict[int, int] = {}
    bias, state = 0, 4711
    counts = {sign: max(1, sum(own == sign for _, own in examples)) for sign in (1, -1)}
    order = list(range(len(examples)))
    for epoch in range(_EPOCHS):
        for at in range(len(order) - 1, 0, -1):
            state = state * 48271 % 2147483647  # Lehmer's generator, MINSTD
            other = state % (at + 1)
            order[at], order[other] = order[other], order[at]
        for number in order:
            listed, sign = examples[number]
            if _score(weights, bias, listed) * sign >= _ONE:
                continue
            # the smaller side counts as much as the larger one
            share = len(examples) * _ONE // (2 * counts[sign])
            step = sign * share // (4 + epoch)
            bias += step // 8
            for at in listed:
                weights[at] = weights.get(at, 0) + step // max(1, isqrt(len(listed)))
    return {at % BUCKETS: one for at, one in weights.items() if abs(one) >= _LEAST_WEIGHT}, bias


def _cross_validated(examples: Sequence[tuple[list[int], int]]) -> Accuracy:
    counts = {(sign, is_alarm): 0 for sign in (1, -1) for is_alarm in (True, False)}
    for fold in range(FOLDS):
        weights, bias = _trained([one for at, one in enumerate(examples) if at % FOLDS != fold])
        for listed, sign in examples[fold::FOLDS]:
            counts[sign, _score(weights, bias, listed) > 0] += 1
    faulty, sound = (counts[sign, True] + counts[sign, False] for sign in (1, -1))
    return Accuracy(counts[1, True], faulty, counts[-1, True], sound)
