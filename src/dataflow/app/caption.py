"""Caption a dataset: options in, a result out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.output import captions_of, described, files_of, readers_of
from dataflow.app.planning.plan import plan_of
from dataflow.app.record import write_record
from dataflow.app.reporter import SILENT, Reporter
from dataflow.app.run import run_plan
from dataflow.core.errors import DataflowError
from dataflow.core.protocols.dataset import Reader
from dataflow.core.protocols.serving import AsyncServing
from dataflow.engine.columns import Column
from dataflow.engine.reporting.progress import Summary
from dataflow.formats.folder.sidecar import FIELD
from dataflow.images.base.limits import Limits
from dataflow.remote.path import AnyPath


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        return f"<CaptionResult: {self._summary_text()}>"

    def _summary_text(self) -> str:
        counts = self.summary
        where = described(self.options, self.output)
        numbers = {
            "captioned": counts.captioned,
            "flagged": sum(counts.flagged.values()),
            "failed": sum(counts.failed.values()),
            "rows dropped": counts.dropped,
            "rows skipped": counts.skipped,
        }
        said = [f"{number:,} {what}" for what, number in numbers.items() if number]
        return f"{', '.join(said) or 'no captions'}, {where}"

    def _repr_html_(self) -> str | None:
        """The first captions beside their pictures, as notebooks show them."""
        from dataflow.images.gallery import GalleryRow, gallery

        key = self.options.image_key
        wanted = {name for column in self.columns for name in column.holds} | {FIELD}
        try:
            readers = readers_of(self.options, self.output)
            rows = (
                GalleryRow(
                    row.fields.get(key), {n: v for n, v in row.fields.items() if n in wanted}
                )
                for reader in readers
                for row in reader.rows()
            )
            return gallery(
                rows,
                _picture_folders(self.options, readers),
                title=self._summary_text(),
                limits=Limits(image_root=self.options.image_root),
            )
        except DataflowError:
            return None  # the output has been moved or removed since: the plain form is shown


def _picture_folders(options: CaptionOptions, readers: Sequence[Reader]) -> list[str]:
    """Where relative paths of pictures in an output are looked up."""
    sources = [options.source] if isinstance(options.source, str) else list(options.source)
    own = [source if os.path.isdir(source) else os.path.dirname(source) for source in sources]  # noqa: PTH112, PTH120
    return [*(reader.folder() for reader in readers), *own, os.curdir]


def caption(
    options: CaptionOptions,
    reporter: Reporter = SILENT,
    *,
    serving: AsyncServing | None = None,
    is_text: bool = False,
) -> CaptionResult:
    """Caption a dataset; the same options again resume an earlier run.

    Args:
        options: What to caption, and how.
        reporter: Who shows the run.
        serving: What is asked instead of the engine that the options name.
        is_text: Whether the rows are asked about as texts, without pictures.

    Raises:
        UsageError: The options are wrong or contradict each other.
        StopRunError: The run stopped, and a person must act; everything done is kept.
    """
    plan = plan_of(options, reporter, serving=serving, is_text=is_text)
    if options.push_to_hub:
        from dataflow.formats.hub.hf_push import check

        check(options.push_to_hub)
    if plan.output.url is not None:
        journal = plan.output.files.journal
        reporter.say(
            f"{plan.output.url}: the journal is {journal}; the same command resumes from it"
        )
    if plan.output.journal_folder is not None:
        reporter.say(
            f"the journal is kept in {plan.output.journal_folder}, and a copy of it, renewed every "
            f"minute, is {plan.output.files.journal}"
        )
    started = time.time()
    summary = run_plan(plan, reporter, lambda: described(options, plan.output.place))
    if plan.output.shard is None:
        try:
            write_record(plan, options, summary, started)
        except OSError as error:
            reporter.say(
                f"the record of the run cannot be written: {error.filename}: {error.strerror}",
                is_warning=True,
            )
    if options.push_to_hub:
        from dataflow.formats.hub.hf_push import push

        pushed = push(files_of(options, plan.output.path), options.push_to_hub)
        reporter.say(f"pushed to {pushed}")
    return CaptionResult(summary, plan.output.place, plan.output.columns, options)
