"""Estimate what captioning a dataset would cost, before a cent is spent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dataflow.app.options.commands.estimate import EstimateOptions
from dataflow.app.planning.plan import plan_of
from dataflow.app.reporter import SILENT, Reporter
from dataflow.billing.price import NoPrice, Price
from dataflow.billing.token_rules import TokenRule, token_rule_of
from dataflow.core.errors import UsageError
from dataflow.engine.estimate.dry_run import DryRun, dry_run
from dataflow.engine.estimate.estimate import Estimate, Terms
from dataflow.engine.estimate.estimate import estimate as estimated
from dataflow.engine.plan import Plan
from dataflow.engine.probe import probe
from dataflow.engine.reporting.progress import Progress

SIDES = (512, 768, 1024, 1536)
"""Longest sides, in pixels, whose costs are compared."""


@dataclass(frozen=True, slots=True, repr=False)
class EstimateResult:
    """What `estimate` found.

    Attributes:
        model: The model's name.
        family: The rule by which it counts tokens; None for an unknown model.
        price: What its tokens cost.
        found: What would be asked.
        expected: What that would use and cost.
        max_asks: How often one caption is asked for at most.
    """

    model: str
    family: TokenRule | None
    price: Price | NoPrice
    found: DryRun
    expected: Estimate
    max_asks: int = 1

    def __repr__(self) -> str:
        requests = self.found.requests
        return f"<EstimateResult: {requests:,} requests to {self.model}; see found and expected>"


def estimate(
    options: EstimateOptions, reporter: Reporter = SILENT, *, is_text: bool = False
) -> EstimateResult:
    """Estimate requests, tokens and cost of captioning a dataset.

    Nothing is sent to a model unless `options.probe` says so.

    Args:
        options: The run, and how closely to look.
        reporter: Who shows the work.
        is_text: Whether the rows are asked about as texts, without pictures.

    Raises:
        UsageError: The options are wrong or contradict each other.
        StopRunError: The dataset cannot be read, or the model cannot be asked.
    """
    if options.probe and options.restart:
        raise UsageError("--probe keeps answers for the run, and --restart would not use them")
    plan = plan_of(options, reporter, needs_key=options.probe > 0, is_text=is_text)
    family = _family(plan)
    terms = Terms(
        rule=family.rule if family else None,
        rule_error=family.error if family else 0.0,
        price=plan.price,
        max_tokens=options.max_tokens,
    )
    found = _look(plan, options.sample, options.probe, reporter)
    expected = estimated(found, terms, max_side=options.max_side, other_sides=SIDES)
    asks = plan.reject_policy.max_asks
    return EstimateResult(plan.serving.model, family, plan.price, found, expected, asks)


def _family(plan: Plan) -> TokenRule | None:
    """The model's rule; None for the built-in engine, which sets limits of its own."""
    if plan.serving.settings().get("engine") == "llamacpp":
        return None
    return token_rule_of(plan.serving.model)


def _look(plan: Plan, sample: int, asks: int, reporter: Reporter) -> DryRun:
    with reporter.watch(plan.progress):
        found = dry_run(plan, sample=sample)
    # the sample is of requests, and a row that makes several is in it several times
    readable = list(dict.fromkeys(a.index for a in found.open if a.problem is None))
    if not (asks and readable):
        return found
    progress = Progress()
    try:
        with reporter.watch(progress):
            probe(replace(plan, progress=progress), readable[:asks])
    finally:
        plan.serving.cleanup()
    with reporter.watch(plan.progress):
        return dry_run(plan, sample=sample)
