"""The checks that the arguments of `dataflow caption` ask for, and what becomes of rejects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dataflow.billing.price_list import price_for
from dataflow.checks.empty import empty
from dataflow.checks.refine import strip_lead_in, strip_thinking
from dataflow.checks.suite import Asked, checks_for
from dataflow.cli.choices.caption import Choices
from dataflow.cli.engines import fallback_of, is_batch
from dataflow.cli.wanted import wanted_of
from dataflow.core.check import Check
from dataflow.core.errors import UsageError
from dataflow.engine.rejects import Fallback, Rejects, mark_of, rejects_named
from dataflow.operators.core_vision.prompts import Prompt


def judging_of(
    choices: Choices, prompts: Sequence[Prompt], *, needs_key: bool
) -> tuple[list[Check], Rejects]:
    """The checks of a run, and what becomes of what they turn down.

    Args:
        choices: The arguments.
        prompts: What is asked.
        needs_key: Whether the fallback model's key must be there.

    Raises:
        UsageError: the arguments contradict each other.
        StopRunError: a check's package or the fallback model cannot be had.
    """
    asked = _asked(choices, prompts)
    found = {} if asked is None else checks_for(asked)
    mark = mark_of(
        asked, choices.on_reject.value, choices.max_asks, choices.strip_lead_in,
        choices.strip_thinking,
    )  # fmt: skip
    rejects = rejects_named(choices.on_reject.value, max_asks=choices.max_asks, mark=mark)
    steps = [(choices.strip_thinking, strip_thinking), (choices.strip_lead_in, strip_lead_in)]
    rejects = replace(
        rejects,
        refine=[refine for is_wanted, refine in steps if is_wanted],
        fallback=_fallback(choices, needs_key=needs_key),
    )
    return [*{"empty": empty, **found}.values()], rejects


def _asked(choices: Choices, prompts: Sequence[Prompt]) -> Asked | None:
    """What is asked of captions; None for nothing but that they are there."""
    if choices.no_checks:
        return None
    asked = wanted_of(choices, plain=False, most_alike=None)
    if any(prompt.template is not None for prompt in prompts):
        # what the question says about each picture, a true caption may say again
        asked = replace(asked, leave_out=asked.leave_out | {"echo"})
    return asked


def _fallback(choices: Choices, *, needs_key: bool) -> Fallback | None:
    serving = fallback_of(choices, needs_key=needs_key)
    if serving is None:
        return None
    if is_batch(choices) and not choices.batch_then_live:
        raise UsageError(
            "--fallback-model is asked one by one: with batches, give --batch-then-live"
        )
    return Fallback(serving, price_for(serving))
