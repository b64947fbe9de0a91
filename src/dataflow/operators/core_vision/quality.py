"""What is asked of answers, and what becomes of those that a check rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dataflow.billing.price_list import price_for
from dataflow.checks.rules.empty import empty
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check
from dataflow.engine.quality.reject_policy import Fallback, RejectPolicy, rejects_named
from dataflow.operators.core_vision.options import OperatorOptions
from dataflow.operators.core_vision.preset import REFINE
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.serving.adapter import as_async_serving


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """What is asked of answers, and what becomes of those that a check rejects.

    Attributes:
        checks: Run over each answer, in this order.
        reject_policy: What becomes of an answer that one of them rejects.
    """

    checks: Sequence[Check] = (empty,)
    reject_policy: RejectPolicy = field(default_factory=RejectPolicy)


def quality_policy(options: OperatorOptions, prompts: Sequence[Prompt] = ()) -> QualityPolicy:
    """What an operator's options mean.

    Args:
        options: Their checks are made in addition to the one that there is an answer at all.
            Without checks, `on_reject` and `max_asks` have no effect.
        prompts: What is asked; some have checks of their own.

    Raises:
        UsageError: there is a fallback, and nothing that it would be asked for.
    """
    refine = [REFINE[name] for name in _refinements(options)]
    if options.checks is None and all(prompt.checks is None for prompt in prompts):
        if prompts and options.fallback is not None:
            raise UsageError("fallback gets the last ask of a rejected caption: give checks, too")
        policy = RejectPolicy(refine=refine, mark=None if refine else 0)
        return QualityPolicy(reject_policy=policy)
    # anybody's code cannot be told from what it was in the run before: it judges in every run
    rejects = rejects_named(options.on_reject, max_asks=options.max_asks, mark=None)
    policy = replace(rejects, refine=refine, fallback=_fallback(options))
    return QualityPolicy((empty, *(options.checks or ())), policy)


def with_own_quality(prompts: Sequence[Prompt], options: OperatorOptions) -> list[Prompt]:
    """`prompts`; those with checks and refinements of their own have those of `options` besides."""
    return [_with_own_quality(prompt, options) for prompt in prompts]


def _with_own_quality(prompt: Prompt, options: OperatorOptions) -> Prompt:
    checks, refine = prompt.checks, prompt.refine
    if checks is not None:
        checks = (*checks, *(options.checks or ()))
    if refine is not None:
        wanted = set(_refinements(options))
        first = [made for name, made in REFINE.items() if name in wanted or made in refine]
        refine = (*first, *(made for made in refine if made not in first))
    return replace(prompt, checks=checks, refine=refine)


def _refinements(options: OperatorOptions) -> list[str]:
    return [name for name in REFINE if getattr(options, name)]


def _fallback(options: OperatorOptions) -> Fallback | None:
    if options.fallback is None:
        return None
    serving = as_async_serving(options.fallback)
    return Fallback(serving, price_for(serving))
