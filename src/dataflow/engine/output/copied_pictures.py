"""Pictures of an output that was copied or moved, known by their bytes.

A copy without times has other subjects than those that were written. The bytes are the same, and so
is the question about them; so a caption that a person changed in the copy finds its request.
"""

from __future__ import annotations

from dataflow.core.aio import run_to_end
from dataflow.core.errors import RowError
from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.pipeline import stages
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.plan import Plan
from dataflow.images.loader import Loader

MOST_UNKNOWN = 16
"""So many pictures that nothing was asked about, before any other: the output is another one."""


class CopiedPictures:
    """Finds the requests about pictures that lie elsewhere or have other times now.

    Args:
        plan: The run.
        journal: Of its output.
        maker: Makes the run's keys.
    """

    def __init__(self, plan: Plan, journal: Journal, maker: JobMaker) -> None:
        self._plan = plan
        self._maker = maker
        self._written = journal.written()
        self._unknown = 0
        self._is_known = False

    def key_of(self, job: Job) -> bytes | None:
        """The key of the request whose caption was written for these bytes; None for none."""
        if self._unknown >= MOST_UNKNOWN and not self._is_known:
            return None
        content_key = run_to_end(self._content_key(job)) if job.references else None
        key = None if content_key is None else self._written.by_content(content_key)
        self._is_known |= key is not None
        self._unknown += key is None
        return key

    async def _content_key(self, job: Job) -> bytes | None:
        async with Loader(self._plan.limits) as loader:
            try:
                if await stages.load([job], loader, self._maker) != [None]:
                    return None
                return self._maker.content_key(job)
            except RowError:
                return None
            finally:
                job.pictures = ()
