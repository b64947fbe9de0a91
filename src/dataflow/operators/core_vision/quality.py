"""What is asked of answers, and what becomes of those that a check rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflow.checks.rules.empty import empty
from dataflow.core.protocols.check import Check
from dataflow.engine.quality.reject_policy import RejectPolicy, rejects_named
from dataflow.operators.core_vision.prompts import Prompt


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """What is asked of answers, and what becomes of those that a check rejects.

    Attributes:
        checks: Run over each answer, in this order.
        reject_policy: What becomes of an answer that one of them rejects.
    """

    checks: Sequence[Check] = (empty,)
    reject_policy: RejectPolicy = field(default_factory=RejectPolicy)


def quality_policy(
    checks: Sequence[Check] | None,
    on_reject: str,
    max_asks: int,
    prompts: Sequence[Prompt] = (),
) -> QualityPolicy:
    """What an operator's arguments mean.

    Args:
        checks: A user's, in addition to the one that there is an answer at all; None for no other.
        on_reject: A name of `rejects.ON_REJECT`; without checks it has no effect.
        max_asks: Asks of one request in all.
        prompts: What is asked; some have checks of their own.

    Raises:
        UsageError: there is no such name, or `max_asks` is below 1.
    """
    # anybody's code cannot be told from what it was in the run before: it judges in every run
    rejects = rejects_named(on_reject, max_asks=max_asks, mark=None)
    if checks is None and all(prompt.checks is None for prompt in prompts):
        return QualityPolicy()
    return QualityPolicy((empty, *(checks or ())), rejects)


def with_checks(prompts: Sequence[Prompt], checks: Sequence[Check] | None) -> list[Prompt]:
    """`prompts`, of which those that have checks of their own have `checks` besides."""
    return [
        prompt
        if prompt.checks is None
        else replace(prompt, checks=(*prompt.checks, *(checks or ())))
        for prompt in prompts
    ]
