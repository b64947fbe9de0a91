"""What goes between the process that runs a dataset and its workers; all of it can be pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Reply, Request
from dataflow.images.base.limits import Limits


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker works with.

    Attributes:
        serving: Who is asked; a local engine is one of the worker's own.
        limits: For its pictures.
        learned: What was learned of the model so far; see `AsyncServing.learned`.
    """

    serving: AsyncServing
    limits: Limits
    learned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeasedRequest:
    """One request that a worker has.

    Attributes:
        number: By which its answer is known.
        request: What is asked; its pictures are references, or bytes where the data has no other.
    """

    number: int
    request: Request


@dataclass(frozen=True, slots=True)
class WorkerAnswers:
    """What a worker has to say; it says something every few seconds, be it nothing.

    Attributes:
        answers: What came of requests, each by its number: a reply, or the error.
        learned: What was learned of the model, where that is new.
        notes: What a person should know of the engine; see `AsyncServing.notes`.
        failure: Why the worker cannot work at all; None where it can.
    """

    answers: Sequence[tuple[int, Reply | Exception]] = ()
    learned: Mapping[str, Mapping[str, Any]] | None = None
    notes: Sequence[str] = ()
    failure: Exception | None = None
