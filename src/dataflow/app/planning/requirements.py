"""Arguments → the checks of captions that they ask for."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.requirements import RequirementOptions
from dataflow.app.planning.engine import fallback_of, is_batch
from dataflow.app.planning.prices import fallback_price_of
from dataflow.checks.model.learned import read_learned
from dataflow.checks.rules.empty import empty
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check
from dataflow.engine.quality.reject_policy import (
    Fallback,
    Refine,
    RejectPolicy,
    mark_of,
    rejects_named,
)
from dataflow.operators.core_vision.preset import REFINE
from dataflow.operators.core_vision.prompts import Prompt

_LISTS = ("max_encoder_tokens", "forbid", "require", "forbid_pattern", "require_pattern")


def given_of(choices: RequirementOptions) -> dict[str, Any]:
    """The fields of `CaptionRequirements` of which the arguments say something."""
    default = RequirementOptions()
    said = wanted_of(choices, plain=True, max_duplicates=None)
    unsaid = wanted_of(default, plain=True, max_duplicates=None)
    given = {
        field.name: getattr(said, field.name)
        for field in fields(CaptionRequirements)
        if getattr(said, field.name) != getattr(unsaid, field.name)
    }
    if choices.markdown is False:
        given["plain"] = True
    return given


def wanted_of(
    choices: RequirementOptions,
    *,
    plain: bool,
    max_duplicates: int | None,
    schema: Mapping[str, Any] | None = None,
) -> CaptionRequirements:
    """What the arguments ask of captions.

    Args:
        choices: The arguments.
        plain: Whether Markdown is a fault where the arguments do not say.
        max_duplicates: How many pictures may have the same caption where the arguments do not say.
        schema: The JSON Schema of captions that are JSON.
    """
    own = {"schema", "plain", "max_duplicates", "disabled", "learned", *_LISTS}
    named = {field.name for field in fields(CaptionRequirements)} - own
    given: dict[str, Any] = {name: getattr(choices, name) for name in named}
    given |= {name: tuple(getattr(choices, name) or ()) for name in _LISTS}
    disabled = frozenset(choices.no_check or ())
    alike = max_duplicates if choices.max_duplicates is None else choices.max_duplicates
    return CaptionRequirements(
        **given,
        plain=plain if choices.markdown is None else not choices.markdown,
        max_duplicates=None if "repeated" in disabled else alike,
        disabled=disabled,
        schema=schema,
        learned=tuple(map(read_learned, choices.check or ())),
    )


def judging_of(
    choices: CaptionOptions, prompts: Sequence[Prompt], *, needs_key: bool
) -> tuple[list[Prompt], list[Check], RejectPolicy]:
    """The checks of a run, and what becomes of what they turn down.

    Args:
        choices: The arguments.
        prompts: What is asked.
        needs_key: Whether the fallback model's key must be there.

    Returns:
        `prompts`, where some have a preset or a schema with the checks of their own; the checks of
        the others; and what becomes of what they turn down.

    Raises:
        UsageError: the arguments contradict each other.
        StopRunError: a check's package or the fallback model cannot be had.
    """
    asked = _asked(choices, prompts)
    found = {} if asked is None else checks_for(asked)
    fallback = _fallback(choices, needs_key=needs_key)
    mark = mark_of(
        asked, choices.on_reject, choices.max_asks, choices.strip_lead_in,
        choices.strip_thinking, choices.strip_lead_out, choices.repair,
        *(one for one in map(_own, prompts) if any(one)),
        *(() if fallback is None else (fallback.serving.model,)),
    )  # fmt: skip
    rejects = rejects_named(choices.on_reject, max_asks=choices.max_asks, mark=mark)
    rejects = replace(rejects, refine=_steps(choices, ()), fallback=fallback)
    judged = [_judged(prompt, choices) for prompt in prompts]
    return judged, [*{"empty": empty, **found}.values()], rejects


def _own(prompt: Prompt) -> tuple[object, ...]:
    """What a prompt's own checks are made of."""
    return prompt.preset and (prompt.preset.checks, prompt.preset.steps), prompt.structure


def _judged(prompt: Prompt, choices: CaptionOptions) -> Prompt:
    """`prompt` with the checks and refinements of its own, over which the arguments win."""
    if prompt.structure is not None:
        asked = wanted_of(choices, plain=False, max_duplicates=None)
        found = {} if choices.no_checks else checks_for(asked)
        # an answer that is JSON is not looked at as prose
        more = [found[kind] for kind in ("length", "wording", "repeated") if kind in found]
        return replace(prompt, checks=(*prompt.structure.checks, *more))
    if prompt.preset is None:
        return prompt
    refine = _steps(choices, prompt.preset.steps)
    if choices.no_checks:
        return replace(prompt, checks=(empty,), refine=refine)
    given = given_of(choices)
    if prompt.template is not None:
        given["disabled"] = given.get("disabled", frozenset()) | {"echo"}
    return replace(prompt, checks=prompt.preset.made_checks(given), refine=refine)


def _steps(choices: CaptionOptions, names: Container[str]) -> list[Refine]:
    """The refinements that the arguments ask for, and those of `names`."""
    wanted = {
        "strip_thinking": choices.strip_thinking,
        "repair": choices.repair,
        "strip_lead_in": choices.strip_lead_in,
        "strip_lead_out": choices.strip_lead_out,
    }
    return [REFINE[name] for name, is_wanted in wanted.items() if is_wanted or name in names]


def _asked(choices: CaptionOptions, prompts: Sequence[Prompt]) -> CaptionRequirements | None:
    """What is asked of captions; None for nothing but that they are there."""
    if choices.no_checks:
        return None
    asked = wanted_of(choices, plain=False, max_duplicates=None)
    if any(prompt.template is not None for prompt in prompts):
        # what the question says about each picture, a true caption may say again
        asked = replace(asked, disabled=asked.disabled | {"echo"})
    return asked


def _fallback(choices: CaptionOptions, *, needs_key: bool) -> Fallback | None:
    serving = fallback_of(choices, needs_key=needs_key)
    if serving is None:
        return None
    if is_batch(choices) and not choices.batch_then_live:
        raise UsageError(
            "--fallback-model is asked one by one: with batches, give --batch-then-live"
        )
    return Fallback(serving, fallback_price_of(choices, serving))
