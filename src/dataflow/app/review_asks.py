"""Captions asked for again from the review page: the options of a run made of those of the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.app.caption import caption
from dataflow.app.estimate import EstimateResult, estimate
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.estimate import EstimateOptions
from dataflow.app.options.commands.review import ReviewOptions
from dataflow.app.options.option import shared_values
from dataflow.app.planning.run_options import options_of_run
from dataflow.billing.price import NoPrice
from dataflow.core.errors import DataflowError
from dataflow.review.asks import AskRequest
from dataflow.serving.base.conversation import DEFAULT_QUESTION

ANSWER_TOKENS = 1024
"""The most tokens of an answer where a limit on money needs one and none was given."""


class PipelineAsker:
    """Asks by the options of `dataflow review`; see `review.asks.Asker`.

    Args:
        options: Those of the command line.
        journal: The journal of the dataset, whose latest run says what was asked.
    """

    def __init__(self, options: ReviewOptions, journal: Path) -> None:
        self._options = options
        run = _run_before(journal)
        self.prompt = options.prompt or (run and run.prompt) or DEFAULT_QUESTION
        self.model = options.model or options.vllm or ""

    @staticmethod
    def can_ask(options: ReviewOptions) -> bool:
        """Whether the command line names a model."""
        return any((options.model, options.vllm, options.api_url, options.endpoints))

    def price(self, source: Path, output: Path, question: AskRequest) -> str:
        """See `review.asks.Asker`."""
        return _in_words(estimate(EstimateOptions(**self._values(source, output, question))))

    def run(self, source: Path, output: Path, question: AskRequest) -> str:
        """See `review.asks.Asker`."""
        result = caption(CaptionOptions(**self._values(source, output, question)))
        summary = result.summary
        failed = sum(summary.failed.values())
        words = f"{summary.captioned:,} captioned"
        words += f", {failed:,} failed" if failed else ""
        words += f", {summary.open:,} open" if summary.open else ""
        tokens = (summary.usage.prompt_tokens or 0) + (summary.usage.completion_tokens or 0)
        words += f"; {tokens:,} tokens" if tokens else ""
        words += f", {summary.cost:.4f} US dollars" if summary.cost else ""
        return "; ".join([words, *(failure.message for failure in summary.failures)])

    def _values(self, source: Path, output: Path, question: AskRequest) -> Mapping[str, Any]:
        given = self._options
        values = {
            **shared_values(given, CaptionOptions),
            "source": str(source),
            "output": str(output),
            "output_key": "caption",
            "image_key": "image",
            "preset": None,
            "prompt": question.prompt,
        }
        values["vllm" if given.vllm else "model"] = question.model or None
        if question.max_cost is not None:
            values["max_cost"] = question.max_cost
        if values["max_cost"] is not None and values["max_tokens"] is None:
            values["max_tokens"] = ANSWER_TOKENS
        return values


def _run_before(journal: Path) -> CaptionOptions | None:
    try:
        return options_of_run(journal) if journal.exists() else None
    except DataflowError:
        return None  # what was asked before is only offered


def _in_words(result: EstimateResult) -> str:
    requests, cost, price = result.expected.requests, result.expected.bill.cost, result.price
    words = f"{round(requests.likely):,} requests to {result.model}"
    if result.found.done:
        words += f" ({result.found.done:,} are answered already)"
    if not requests.likely:
        return words
    if isinstance(price, NoPrice):
        return f"{words}; the price is not known: {price.reason}"
    if price.is_free:
        return f"{words}; free: {price.source}"
    if cost is None:
        return f"{words}; the cost cannot be told for this model"
    return f"{words}; about {cost.likely:.2g} US dollars ({cost.low:.2g} to {cost.high:.2g})"
