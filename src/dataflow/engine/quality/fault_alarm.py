"""The fault alarm: a broken engine is noticed while money can still be saved.

One picture in ten with a loop is the model's; nine of ten are the engine's (overflowing numbers, a
wrong chat template, a broken quantization). Then each further answer is paid for nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.core.errors import FaultAlarmError, UsageError
from dataflow.core.protocols.check import Verdict
from dataflow.core.text import scrub
from dataflow.engine.job import Job
from dataflow.engine.journal.records import AttemptRecord
from dataflow.engine.quality.reask import CHECK_FAILED, severity_of

LATEST = 32
"""Answers that are looked at."""

SHARE = 0.9
"""The share of them with one and the same fault that stops the run (`--fault-alarm`)."""

REMEMBERED = 10_000
"""Answers whose text is remembered, so that all that got the same are asked again."""

FIRST_BREAKDOWNS = 3
"""So many first answers over which the same check breaks down stop the run."""

LEAST_CHARACTERS = 40
"""A text that is shorter may well fit many pictures: "Yes.", "A cat."."""

EXAMPLES = 3
"""Answers that the message shows."""

_CAUSES = {
    "": "the engine is broken, not the pictures; mend or restart it",
    "refusal": "the model refuses whatever the picture; change the prompt or the model",
    "language": "the model does not keep to the language; change the prompt or the model",
    "schema": "the model does not keep to the schema; change the schema or the model",
    "echo": "the model repeats the question; check the chat template, or change the prompt",
}
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class _Seen:
    """One answer: its row's key, its pictures, its text, and what is wrong with it."""

    key: bytes
    pictures: int
    text: str
    kinds: frozenset[str]
    reason: str


class FaultAlarm:
    """Watches the answers of one run.

    Args:
        share: Of the latest answers, with one fault; None for no alarm.
        compares_texts: Whether one and the same text for different pictures is such a fault.

    Raises:
        UsageError: the share is not above 0 and at most 1.
    """

    def __init__(self, share: float | None = SHARE, *, compares_texts: bool = True) -> None:
        if share is not None and not 0 < share <= 1:
            raise UsageError(f"the fault alarm takes a share above 0 and up to 1, not {share:g}")
        self._share = share
        self._compares_texts = compares_texts
        self._texts: deque[tuple[int, bytes]] = deque(maxlen=REMEMBERED)
        self._one_text: int | None = None
        self._latest: deque[_Seen] = deque(maxlen=LATEST)
        self._has_passed = False
        self._had_sound = False

    def record(self, job: Job, answer: AttemptRecord) -> None:
        """Take in a job's latest answer.

        Once there was a sound one, only the first about each row tells of the engine: at the end of
        a run nothing is left but rows that were turned down before, and may well be again.

        Raises:
            FaultAlarmError: nearly all of the latest ones have the same fault.
        """
        if self._share is None or job.first_fresh is None:
            return
        if self._had_sound and len(job.answers) > job.first_fresh + 1:
            return
        seen = _Seen(
            job.key,
            hash(job.digests or job.references),
            " ".join(answer.text.split()),
            _grave_kinds(answer),
            answer.verdicts[0].reason if answer.verdicts else "",
        )
        self._had_sound = self._had_sound or not seen.kinds
        self._latest.append(seen)
        self._texts.append((hash(seen.text), seen.key))
        broken = {v.reason for v in answer.verdicts if v.kind == CHECK_FAILED}
        self._has_passed = self._has_passed or not broken
        if broken and not self._has_passed:
            self._look_for_breakdown(answer.verdicts)
        elif len(self._latest) == LATEST:
            self._look_for_fault()
            if self._compares_texts:
                self._look_for_one_text()

    @property
    def suspects(self) -> list[bytes]:
        """The keys of the latest answers that have a grave fault, or the one text for all."""
        grave = [seen.key for seen in self._latest if seen.kinds]
        return grave or [key for text, key in self._texts if text == self._one_text]

    def _look_for_breakdown(self, verdicts: Sequence[Verdict]) -> None:
        if len(self._latest) >= FIRST_BREAKDOWNS:
            reason = next(v.reason for v in verdicts if v.kind == CHECK_FAILED)
            raise FaultAlarmError(
                f"{reason}, and so it is for each of the first {len(self._latest)} answers. Mend "
                "the check, then run the same command again: the answers are kept, and are "
                "checked without being paid for again"
            )

    def _look_for_fault(self) -> None:
        counts = Counter(kind for seen in self._latest for kind in seen.kinds)
        kind, count = next(iter(counts.most_common(1)), ("", 0))
        if count >= (self._share or 1) * LATEST:
            examples = [seen for seen in self._latest if kind in seen.kinds]
            what = f"{count} of the latest {LATEST} answers have the same fault ({kind})"
            self._sound(what, examples, kind)

    def _look_for_one_text(self) -> None:
        texts = Counter(seen.text for seen in self._latest)
        text, _ = texts.most_common(1)[0]
        same = [seen for seen in self._latest if seen.text == text]
        pictures = len({seen.pictures for seen in same})
        if len(text) >= LEAST_CHARACTERS and pictures >= (self._share or 1) * LATEST:
            self._one_text = hash(text)
            self._sound(f"{pictures} different pictures got one and the same answer", same)

    def _sound(self, what: str, examples: Sequence[_Seen], kind: str = "") -> None:
        shown = dict.fromkeys(
            f"“{_short(seen.text)}”" if seen.text else f"nothing ({scrub(seen.reason)})"
            for seen in examples
        )
        quoted = "; ".join(list(shown)[:EXAMPLES])
        raise FaultAlarmError(
            f"{what}: {_CAUSES.get(kind, _CAUSES[''])}. It answers: {quoted}. Then run the same "
            "command again; these rows are asked again. If the answers are as you want them, turn "
            "this alarm off (--fault-alarm off, in Python fault_alarm=None)"
        )


def _grave_kinds(answer: AttemptRecord) -> frozenset[str]:
    """The kinds of its verdicts, where it is no caption, or one of which little can be used."""
    if severity_of(answer) < 3:
        return frozenset()
    return frozenset(verdict.kind for verdict in answer.verdicts)


def _short(text: str) -> str:
    text = scrub(text)
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} …"
