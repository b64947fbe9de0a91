"""Before answers are bought again: what changed, how many rows it is about, and what they cost.

A journal whose answers fit almost none of the rows is a sign: a setting was changed, or the data is
another, or lies elsewhere. The first is said; for the rest the run stops before it spends.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from dataflow.core.aio import run_to_end
from dataflow.core.errors import RowError, UsageError
from dataflow.core.row import Row
from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.content_reuse import ContentReuse
from dataflow.engine.pipeline.intake import JobMaker, selected_rows
from dataflow.engine.plan import Plan
from dataflow.images.loader import Loader

FEWEST_ANSWERS = 20
"""A journal with fewer answers is not asked about: they cost less than the question."""

SAMPLE_ROWS = 500
"""Rows from the start that usually tell that the journal fits."""

SAMPLE_PICTURES = 16
"""Pictures that are loaded to see whether rows under other names hold the same bytes."""

_KEYS = 500

_log = logging.getLogger("dataflow")


def check_loss(plan: Plan, journal: Journal, stop: Callable[[], bool]) -> None:
    """Stop, or ask, before answers are paid again that a damaged journal lost.

    A few go on, and are told: they cost less than the question.

    Args:
        plan: The run.
        journal: Of its output.
        stop: Asked now and then; the check ends early where it says so.

    Raises:
        UsageError: requests have no answer, and nobody said yes.
    """
    loss = journal.loss()
    if loss is None or plan.only is not None:
        return
    left, known = _count_open(plan, journal, JobMaker(plan), stop)
    if stop():
        return
    if left:
        text = (
            f"the journal {journal.path} {loss}. {left:,} requests have no answer in it and would "
            f"be asked and paid{price_text(journal, left)}, some of them perhaps a second time"
        )
        if plan.assume_yes or (left < FEWEST_ANSWERS and left <= known / 10):
            _log.warning("%s", text)
        elif plan.confirm is None:
            raise UsageError(
                f"{text}; nothing was asked. Put a whole copy of the journal back, or go on with "
                "--yes (in a pipeline, which has no such option, remove the journal)"
            )
        elif not plan.confirm(f"{text}. Ask for them?"):
            raise UsageError(f"{text}; nothing was asked, as you decided")
    journal.accept_loss()


def check_reuse(plan: Plan, journal: Journal, stop: Callable[[], bool]) -> None:
    """Stop, or ask, before most of what a journal holds is paid again.

    Args:
        plan: The run.
        journal: Of its output; the settings of this run are kept in it.
        stop: Asked now and then; the check ends early where it says so.

    Raises:
        UsageError: most answers fit no row, no setting explains it, and nobody said yes.
    """
    settings, maker = settings_of(plan), JobMaker(plan)
    former = journal.former_settings()
    is_asked_anyway = plan.only is not None or not journal.had_answers
    answered = 0 if is_asked_anyway else journal.answered()
    if answered >= FEWEST_ANSWERS and not _fits(plan, journal, maker, answered, stop):
        open_jobs, known = _open_jobs(plan, journal, maker, stop)
        if not stop() and known < answered / 2 and open_jobs:
            changes = changes_between(former, settings)
            _decide(plan, journal, maker, answered, known, open_jobs, changes)
    journal.note_settings(settings)


def settings_of(plan: Plan) -> dict[str, str]:
    """What determines the answers, by name, for people."""
    found = {name: _text(value) for name, value in plan.serving.settings().items()}
    found["max_side"] = str(plan.limits.max_side)
    return found | {f"question for {column}": text for column, text in plan.questions.items()}


def changes_between(former: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """The settings that differ, each in a few words; empty where none does or none is known."""
    if former is None:
        return []
    return [
        f"{name}: {_short(former.get(name))} → {_short(now.get(name))}"
        for name in sorted({*former, *now})
        if former.get(name) != now.get(name)
    ]


def _short(value: str | None) -> str:
    if value is None:
        return "not set"
    text = " ".join(value.split())
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _fits(
    plan: Plan, journal: Journal, maker: JobMaker, answered: int, stop: Callable[[], bool]
) -> bool:
    """Whether the first rows show that the journal's answers fit."""
    with closing(selected_rows(plan)) as rows:
        sample = itertools.islice(rows, SAMPLE_ROWS)
        keys = {job.key for row in sample if not stop() for job in maker.jobs(row)}
    return 2 * _known(journal, list(keys)) >= min(len(keys), answered)


def _known(journal: Journal, keys: list[bytes]) -> int:
    return len(journal.known(keys, check_fingerprint=0))


def _open_jobs(
    plan: Plan, journal: Journal, maker: JobMaker, stop: Callable[[], bool]
) -> tuple[list[Job], int]:
    """Every job without an answer, without its pictures, and how many have one."""
    known, jobs = 0, []
    with closing(selected_rows(plan)) as rows:
        for group in _groups(plan, rows, maker, stop):
            keys = journal.known(list(group), check_fingerprint=0)
            known += len(keys)
            jobs += [job for key, job in group.items() if key not in keys]
    return jobs, known


def _count_open(
    plan: Plan, journal: Journal, maker: JobMaker, stop: Callable[[], bool]
) -> tuple[int, int]:
    """How many requests have no answer, and how many have one."""
    left = known = 0
    with closing(selected_rows(plan)) as rows:
        for group in _groups(plan, rows, maker, stop):
            found = _known(journal, [key for key, job in group.items() if job.error is None])
            known += found
            left += sum(job.error is None for job in group.values()) - found
    return left, known


def _groups(
    plan: Plan, rows: Iterator[Row], maker: JobMaker, stop: Callable[[], bool]
) -> Iterator[dict[bytes, Job]]:
    """The jobs of the rows that the run takes, by key, many at a time."""
    group: dict[bytes, Job] = {}
    shard = plan.output.shard
    for row in rows:
        if stop():
            return
        jobs = maker.jobs(row)
        if shard is None or shard.takes(jobs):
            group |= {job.key: job for job in jobs}
        if len(group) >= _KEYS:
            yield group
            group = {}
    yield group


def _decide(
    plan: Plan,
    journal: Journal,
    maker: JobMaker,
    answered: int,
    known: int,
    open_jobs: list[Job],
    changes: list[str],
) -> None:
    if not changes and run_to_end(_are_copies(plan, journal, maker, open_jobs)):
        _log.warning(
            "%d answers were given when these pictures had other paths or times; the bytes are "
            "compared, and nothing is asked again for the same ones",
            answered - known,
        )
        return
    why = f" ({'; '.join(changes)})" if changes else ""
    text = (
        f"{answered:,} answers are in the journal, and {known:,} of them fit the rows as they are "
        f"now{why}: {len(open_jobs):,} requests would be asked and paid"
        f"{price_text(journal, len(open_jobs))}"
    )
    if plan.assume_yes:
        _log.warning("%s", text)
    elif plan.confirm is not None:
        if not plan.confirm(f"{text}. Ask for them?"):
            raise UsageError(f"{text}; nothing was asked, as you decided")
    elif changes:
        _log.warning("%s", text)
    else:
        raise UsageError(
            f"{text}, though no setting changed; nothing was asked. Are these the pictures of the "
            "former run? Name them as before, choose another output, or go on with --yes"
        )


async def _are_copies(plan: Plan, journal: Journal, maker: JobMaker, jobs: list[Job]) -> bool:
    """Whether most of a sample of pictures are known by their bytes."""
    step = max(1, len(jobs) // SAMPLE_PICTURES)
    sample = [job for job in jobs[::step] if job.references][:SAMPLE_PICTURES]
    reuse, found = ContentReuse(plan, journal, maker), 0
    async with Loader(plan.limits) as loader:
        for job in sample:
            try:
                problems = await stages.load([job], loader, maker)
            except RowError:
                continue
            found += problems == [None] and await reuse.find(job) is not None
            job.pictures = ()
    return bool(sample) and 2 * found >= len(sample)


def price_text(journal: Journal, requests: int) -> str:
    """About what so many answers cost, by what the former ones did; nothing where unknown."""
    cost, tokens = journal.mean_cost()
    if cost:
        return f", for about ${cost * requests:,.2f} by what the former answers cost"
    return f", for about {round(tokens * requests):,} tokens" if tokens else ""
