"""How a request is asked again whose answers were turned down: what is changed, by what was wrong.

Everything here is a function of the request and its answers so far, so that a run that was killed
between two asks goes on with the very ask that would have come next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataflow.core.protocols.serving import AsyncServing, sampling_of
from dataflow.core.request import Request, Turn
from dataflow.engine.journal.records import AttemptRecord

NO_CAPTION = frozenset({"empty", "refusal", "error_text"})
"""Kinds of verdicts on texts that are no caption at all: they are never kept as one."""

UNUSABLE = frozenset({"loop", "echo", "language", "schema", "thoughts", "control", "characters"})
"""Kinds of verdicts on captions of which little can be used."""

UNFINISHED = frozenset({"cut_off"})
"""The kind of verdict on captions that lack their end; all other kinds are blemishes."""

CHECK_FAILED = "check_failed"
"""The kind of verdict where a check broke down over an answer: no other answer is asked for."""

WARMER = 0.3
"""Added to the temperature with each ask."""

WARMEST = 1.0
"""The temperature is not raised beyond it: above, small models lose their thread."""

NEXT_SEED = 1000
"""Added to the seed with each ask; several captions of a picture have the seeds in between."""

PENALTIES = {
    "repetition_penalty": (1.0, 0.1),
    "repeat_penalty": (1.0, 0.1),
    "frequency_penalty": (0.0, 0.5),
}
"""A penalty's neutral value, and what each answer with a loop adds to it. The first two multiply
(https://arxiv.org/abs/1909.05858, 4.1, has 1.2 as a good value), the third is subtracted
(https://platform.openai.com/docs/api-reference/chat/create, from -2 to 2)."""


_ADDED = 64  # tokens of all follow-ups together


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """What an engine can be told.

    Attributes:
        sampling: By what it samples where the request says nothing else.
        penalty: The field that makes said words less likely, one of `PENALTIES`, or empty.
        context: Tokens of a question and its answer that it does not refuse; None where that is
            not known.
    """

    sampling: Mapping[str, Any]
    penalty: str = ""
    context: int | None = None

    @staticmethod
    def by(serving: AsyncServing, request: Request) -> EngineCapabilities:
        """What `serving` can be told about `request`."""
        sampling = sampling_of(serving, request)
        most = sampling.get("max_model_len")
        return EngineCapabilities(
            sampling, serving.penalty, most if isinstance(most, int) else None
        )


def next_request(
    request: Request, answers: Sequence[AttemptRecord], takes: EngineCapabilities, *, max_asks: int
) -> tuple[Request, dict[str, Any]] | None:
    """The request for the next ask, and what is changed in it.

    Args:
        request: As it was asked first.
        answers: Those so far, in their order; each was turned down.
        takes: What the engine that is asked next can be told.
        max_asks: Asks in all.

    Returns:
        None where nothing more is to be asked.
    """
    is_broken = any(v.kind == CHECK_FAILED for answer in answers for v in answer.verdicts)
    if is_broken or len(answers) >= max_asks:
        return None
    changed = _sampling(answers, takes)
    turns = request.turns
    follow_ups = dict.fromkeys(v.follow_up for a in answers for v in a.verdicts if v.follow_up)
    if follow_ups:
        added = " ".join(follow_ups)
        turns = _followed_up(turns, added)
    sampling = {**request.sampling, **changed}
    droppable = request.droppable | changed.keys()
    if follow_ups:
        changed["follow_up"] = added
    return replace(request, turns=turns, sampling=sampling, droppable=droppable), changed


def _sampling(answers: Sequence[AttemptRecord], takes: EngineCapabilities) -> dict[str, Any]:
    """What is sampled otherwise.

    A field that was not given is not sent, for not all servers take it; at a server's own
    temperature another answer comes by itself.
    """
    kinds = [{verdict.kind for verdict in answer.verdicts} for answer in answers]
    asks, loops = len(answers), sum("loop" in found for found in kinds)
    short = sum(bool(found & {"cut_off", "empty"}) and "loop" not in found for found in kinds)
    given, changed = takes.sampling, dict[str, Any]()
    if (seed := _number(given.get("seed"))) is not None:
        changed["seed"] = int(seed) + NEXT_SEED * asks
    temperature = _number(given.get("temperature"))
    if temperature is not None and temperature < WARMEST:
        changed["temperature"] = round(min(WARMEST, temperature + WARMER * asks), 3)
    if loops and takes.penalty:
        neutral, step = PENALTIES[takes.penalty]
        changed[takes.penalty] = round(given.get(takes.penalty, neutral) + step * loops, 3)
    left_tokens = 2**31 if takes.context is None else takes.context - _read(answers[-1])
    for name in ("max_tokens", "max_completion_tokens"):
        if short and (tokens := _number(given.get(name))) is not None:
            changed[name] = max(tokens, min(tokens * 2**short, left_tokens))
    return changed


def _followed_up(turns: Sequence[Turn], added: str) -> tuple[Turn, ...]:
    """`turns` with `added` at the end of what the user says last."""
    place = max(n for n, turn in enumerate(turns) if turn.role == "user")
    parts = list(turns[place].parts)
    if parts and isinstance(parts[-1], str):
        parts[-1] = f"{parts[-1]}\n\n{added}"  # some chat templates put nothing between two parts
    else:
        parts.append(added)
    return (*turns[:place], replace(turns[place], parts=tuple(parts)), *turns[place + 1 :])


def best_of(answers: Iterable[AttemptRecord]) -> AttemptRecord | None:
    """The best answer: its gravest verdict is the least grave, then it has the fewest verdicts.

    Of equals the first is the best: it is the one that was asked for as the user asked.
    """
    return min(answers, key=lambda a: (severity_of(a), len(a.verdicts), a.ask), default=None)


def severity_of(answer: AttemptRecord) -> int:
    """How grave the gravest verdict on it is: 0 for none, 4 for what is no caption at all."""
    kinds = {verdict.kind for verdict in answer.verdicts}
    for gravity, those in ((4, NO_CAPTION), (3, UNUSABLE), (2, UNFINISHED)):
        if kinds & those:
            return gravity
    return 1 if kinds else 0


def _read(answer: AttemptRecord) -> int:
    """Tokens of the question, and some for what is added to it."""
    return (answer.usage.prompt_tokens or 0) + _ADDED


def _number(value: object) -> int | float | None:
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_one else None  # type: ignore[return-value]
