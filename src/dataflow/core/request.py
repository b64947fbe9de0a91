"""What is asked of an engine, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dataflow.core.picture import ImageRef

if TYPE_CHECKING:
    from dataflow.core.protocols.check import Check

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation: text and pictures in the order they are sent."""

    role: Role
    parts: tuple[str | ImageRef, ...]


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How one request is sent, beyond its sampling, where that is not as its serving sends all.

    Attributes:
        detail: In how much detail the model looks at the pictures (``"low"``, ``"high"`` …); empty
            for the serving's. It determines the answer.
        stream: Whether the reply comes in pieces; None for the serving's.
        headers: More HTTP headers, over the serving's, with the secrets they hold.
    """

    detail: str = ""
    stream: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One question to an engine.

    Attributes:
        turns: The conversation; the last turn is the user's.
        sampling: Settings that override the serving's own for this request, by their names in the
            OpenAI protocol (``temperature``, ``max_tokens``, ``seed`` …).
        droppable: The fields of `sampling` that this program added itself (by a preset, or because
            it asks again): where a model does not take one of them, it is not sent.
        sample_index: Which of several answers to the same question is wanted, from 0. It is sent to
            nobody; it makes them different requests, each with its own answer.
        checks: Run over its reply in place of the run's own; None for those. An answer that is JSON
            cannot be looked at as prose is.
        refine: Make of its reply the caption, one after the other, in place of the run's own; None
            for those. Neither these nor the checks determine the answer.
        send: How it is sent.
        pictures: Those of the turns, in the order in which they are sent.
    """

    turns: tuple[Turn, ...]
    sampling: Mapping[str, Any] = field(default_factory=dict)
    sample_index: int = 0
    droppable: frozenset[str] = frozenset()
    checks: Sequence[Check] | None = None
    refine: Sequence[Callable[[str], str]] | None = None
    send: SendOptions = field(default_factory=SendOptions)
    pictures: tuple[ImageRef, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = tuple(p for turn in self.turns for p in turn.parts if isinstance(p, ImageRef))
        object.__setattr__(self, "pictures", found)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the server counted them; None where it did not say.

    Attributes:
        prompt_tokens: Read: text and pictures.
        completion_tokens: Written, the thoughts included.
        cached_tokens: Those read that the server had in its cache.
        picture_tokens: Those read that stand for pictures.
        reasoning_tokens: Those written that are thoughts.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    picture_tokens: int | None = None
    reasoning_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        """Both together; None only where neither says."""
        return Usage(*map(_sum, self.counts(), other.counts()))

    def counts(self) -> tuple[int | None, ...]:
        """All of them, in the order above."""
        return (
            self.prompt_tokens, self.completion_tokens, self.cached_tokens, self.picture_tokens,
            self.reasoning_tokens,
        )  # fmt: skip


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """What a server says is left of its rate limit.

    Attributes:
        requests: Requests left; None where it did not say.
        requests_seconds: Seconds until they are filled up again; more than 0 where it said.
        tokens: Tokens left; None where it did not say.
        tokens_seconds: Seconds until they are filled up again; more than 0 where it said.
    """

    requests: float | None = None
    requests_seconds: float = 0.0
    tokens: float | None = None
    tokens_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer.

    Attributes:
        text: The answer as the model gave it.
        finish_reason: ``"stop"``, ``"length"`` … or None where the server did not say.
        usage: Tokens.
        model: The model's name as the server gave it, or empty.
        rate_limit: What the server says is left of its rate limit, or None.
        id: The server's own name for this one answer, or empty.
        endpoint: The address of the endpoint that answered, where there are several; or empty.
        picture_digests: Of each picture as it was sent, where the serving loaded them itself; see
            `RequestHasher.content_key`.
    """

    text: str
    finish_reason: str | None = None
    usage: Usage = Usage()
    model: str = ""
    rate_limit: RateLimitStatus | None = None
    id: str = ""
    endpoint: str = ""
    picture_digests: tuple[str, ...] = ()
