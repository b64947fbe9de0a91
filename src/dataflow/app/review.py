"""The review page served, and the report written."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

from dataflow.app.options.commands.review import ReportPageOptions, ReviewOptions
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.reporter import SILENT, Reporter
from dataflow.app.review_asks import PipelineAsker
from dataflow.app.write import write
from dataflow.core.aio import run_to_end
from dataflow.core.errors import OutputError
from dataflow.core.portable.files import replace_file
from dataflow.core.portable.signals import on_ending
from dataflow.core.side_files import open_new
from dataflow.engine.paths import SideFiles
from dataflow.images.base.limits import Limits
from dataflow.review.report import write_report
from dataflow.review.session import LOOPBACK, ReviewSession, ReviewSpec
from dataflow.review.thumbnails import Thumbnails


def review(
    options: ReviewOptions,
    reporter: Reporter = SILENT,
    *,
    on_ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve the review page until Ctrl-C.

    Args:
        options: What is reviewed, and where it is served.
        reporter: Who shows how the index comes along.
        on_ready: Called with the page's address once it can be opened.

    Raises:
        UsageError: The dataset has no captions, or the port is taken.
        InputError: There is no such dataset.
    """
    _write_running(options.dataset, reporter)
    spec = ReviewSpec(
        path=options.dataset,
        columns=tuple(options.output_key or ()),
        picture_key=options.image_key,
        sidecar=options.sidecar,
        author=options.author,
        host=options.host,
        port=options.port,
        limits=_limits(options),
        asker=_asker(options),
    )
    if spec.host != LOOPBACK:
        reporter.say(
            f"{spec.host} can be reached from your network: whoever has the address can edit",
            is_warning=True,
        )
    with reporter.count("captions indexed", None) as advance:
        session = ReviewSession(spec, on_progress=_steps(advance))
    with session:
        asyncio.run(_served(session, on_ready))


def report(options: ReportPageOptions, reporter: Reporter = SILENT) -> Path:
    """Write the report of a dataset's captions into one HTML file.

    Args:
        options: Which captions, and where the page goes.
        reporter: Who shows how the index comes along.

    Returns:
        The page.

    Raises:
        UsageError: The dataset has no captions.
        InputError: There is no such dataset.
        OutputError: The page cannot be written.
    """
    spec = ReviewSpec(
        path=options.dataset,
        columns=tuple(options.output_key or ()),
        picture_key=options.image_key,
        sidecar=options.sidecar,
        limits=_limits(options),
    )
    with reporter.count("captions indexed", None) as advance:
        session = ReviewSession(spec, on_progress=_steps(advance))
    with session:
        path = Path(options.output)
        part = path.with_name(path.name + ".part")
        try:
            run_to_end(_written(session, part, options))
            replace_file(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _asker(options: ReviewOptions) -> PipelineAsker | None:
    if not PipelineAsker.can_ask(options):
        return None
    return PipelineAsker(options, SideFiles(Path(options.dataset)).journal)


def _write_running(dataset: str, reporter: Reporter) -> None:
    """An output whose run goes, or was killed, is written as it is so far."""
    path = Path(dataset)
    if "://" not in dataset and not path.exists() and SideFiles(path).journal.exists():
        reporter.say(f"{dataset} is not written yet: it is written as it is so far")
        write(WriteOptions(output=dataset), reporter)


async def _written(session: ReviewSession, part: Path, options: ReportPageOptions) -> None:
    thumbnails = Thumbnails(session.folders, session.spec.limits)
    with open_new(part) as file:
        async with thumbnails:
            title = Path(options.dataset).name
            await write_report(file, session.index, thumbnails, title=title, seed=options.seed)


async def _served(session: ReviewSession, on_ready: Callable[[str], None]) -> None:
    until = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        on_ending(asyncio.get_running_loop(), until.set)
    await session.serve(on_ready, until=until)


def _limits(options: ReviewOptions | ReportPageOptions) -> Limits:
    root = options.image_root
    return Limits(
        image_root=None if root is None else os.fspath(root),
        allow_private_urls=options.allow_private_urls,
    )


def _steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Totals → steps."""
    last = 0

    def step(total: int) -> None:
        nonlocal last
        advance(total - last)
        last = total

    return step
