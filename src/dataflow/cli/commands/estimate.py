"""`dataflow estimate`: what captioning a dataset would cost, before a cent is spent."""

from __future__ import annotations

from dataclasses import replace

from dataflow.app.plan import plan_of
from dataflow.billing.token_rules import TokenRule, token_rule_of
from dataflow.cli.display.estimate import Outlook, as_json, show_outlook
from dataflow.cli.display.run import showing
from dataflow.cli.options.estimate import EstimateOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.option_groups import takes
from dataflow.cli.shell.streams import need_stdout, put
from dataflow.core.errors import UsageError
from dataflow.engine.estimate.dry_run import DryRun, dry_run
from dataflow.engine.estimate.estimate import Terms
from dataflow.engine.estimate.estimate import estimate as estimated
from dataflow.engine.plan import Plan
from dataflow.engine.probe import probe as probed
from dataflow.engine.progress import Progress

SIDES = (512, 768, 1024, 1536)
"""Longest sides, in pixels, that are shown beside each other."""


@takes(EstimateOptions)
def estimate(choices: EstimateOptions) -> None:
    """Tell what captioning INPUT would cost.

    Takes every option of `dataflow caption`. Nothing is asked without --probe.
    """
    if choices.json:
        need_stdout("--json")
    if choices.probe and choices.fresh:
        raise UsageError("--probe keeps answers for the run, and --fresh would not use them")
    plan = plan_of(choices, needs_key=choices.probe > 0)
    family = _family(plan)
    terms = Terms(
        rule=family.rule if family else None,
        rule_error=family.error if family else 0.0,
        price=plan.price,
        max_tokens=choices.max_tokens,
    )
    found = _look(plan, choices.sample, choices.probe)
    told = estimated(found, terms, max_side=choices.max_side, other_sides=SIDES)
    asks = plan.reject_policy.max_asks
    outlook = Outlook(plan.serving.model, family, plan.price, found, told, asks)
    if choices.json:
        put([as_json(outlook)])
    else:
        show_outlook(outlook, console)


def _family(plan: Plan) -> TokenRule | None:
    """The model's; None for the embedded engine, which sets limits of its own to every model."""
    if plan.serving.settings().get("engine") == "llamacpp":
        return None
    return token_rule_of(plan.serving.model)


def _look(plan: Plan, sample: int, asks: int) -> DryRun:
    with showing(plan.progress, console):
        found = dry_run(plan, sample=sample)
    # the sample is of requests, and a row that makes several is in it several times
    readable = list(dict.fromkeys(a.index for a in found.open if a.problem is None))
    if not (asks and readable):
        return found
    progress = Progress()
    try:
        with showing(progress, console):
            probed(replace(plan, progress=progress), readable[:asks])
    finally:
        plan.serving.cleanup()
    with showing(plan.progress, console):
        return dry_run(plan, sample=sample)
