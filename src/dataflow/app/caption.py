"""Caption a dataset: options in, a result out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.output import captions_of, described, files_of
from dataflow.app.planning.plan import plan_of
from dataflow.app.reporter import SILENT, Reporter
from dataflow.app.run import run_plan
from dataflow.engine.columns import Column
from dataflow.engine.reporting.progress import Summary
from dataflow.remote.path import AnyPath


@dataclass(frozen=True, slots=True)
class CaptionResult:
    """What `caption` made.

    Attributes:
        summary: Counts, tokens, cost and time of the run.
        output: Where the captions are; the folder of the journal's name where they are sidecars.
        columns: The columns that were added.
        options: What was asked for.
    """

    summary: Summary
    output: AnyPath
    columns: Sequence[Column]
    options: CaptionOptions

    @property
    def is_complete(self) -> bool:
        """Whether every row has a caption that no check rejected."""
        summary = self.summary
        return not (summary.failed or summary.flagged or summary.dropped or summary.skipped)

    @property
    def errors(self) -> Path | None:
        """The file that lists the rows that failed or were flagged; None where there are none."""
        return self.summary.errors

    def captions(self) -> Iterator[tuple[str, str, str | None]]:
        """The picture or row, the column and the caption of each row, read from the output."""
        return captions_of(self.options, self.output, self.columns)


def caption(options: CaptionOptions, reporter: Reporter = SILENT) -> CaptionResult:
    """Caption a dataset; the same options again resume an earlier run.

    Args:
        options: What to caption, and how.
        reporter: Who shows the run.

    Raises:
        UsageError: The options are wrong or contradict each other.
        StopRunError: The run stopped, and a person must act; everything done is kept.
    """
    plan = plan_of(options, reporter)
    if options.push_to_hub:
        from dataflow.formats.hub.hf_push import check

        check(options.push_to_hub)
    if plan.output.url is not None:
        journal = plan.output.files.journal
        reporter.say(
            f"{plan.output.url}: the journal is {journal}; the same command resumes from it"
        )
    summary = run_plan(plan, reporter, lambda: described(options, plan.output.place))
    if options.push_to_hub:
        from dataflow.formats.hub.hf_push import push

        pushed = push(files_of(options, plan.output.path), options.push_to_hub)
        reporter.say(f"pushed to {pushed}")
    return CaptionResult(summary, plan.output.place, plan.output.columns, options)
