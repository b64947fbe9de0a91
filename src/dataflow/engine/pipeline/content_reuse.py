"""The same question about the same bytes has one answer, wherever the picture lies.

A request key names a picture by path, size and time of change, which costs no reading. Where a
dataset was moved, copied without its times or named through a link, these differ and the bytes do
not. So a picture that is loaded anyway is looked up by its bytes before anything is asked.
"""

from __future__ import annotations

from dataclasses import replace

from dataflow.engine.job import Job
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.plan import Plan


class ContentReuse:
    """Finds answers to the same questions about the same bytes.

    Args:
        plan: The run.
        journal: Of its output.
        maker: Makes the run's keys.
    """

    def __init__(self, plan: Plan, journal: Journal, maker: JobMaker) -> None:
        self._plan = plan
        self._journal = journal
        self._maker = maker

    async def find(self, job: Job) -> ResultRecord | None:
        """A copy of the answer for `job`, whose pictures are loaded; None where there is none.

        The job gets its content key, so that its own answer can be found later.

        Raises:
            JournalError: the journal cannot be read.
        """
        job.content_key = self._maker.content_key(job)
        has_nothing = not self._journal.had_answers or self._plan.only is not None
        if job.content_key is None or has_nothing or job.answers:
            return None
        found = await self._journal.find_same_content(
            job.content_key,
            job.key,
            retry_failed=self._plan.retry_failed,
            check_fingerprint=self._plan.reject_policy.mark,
        )
        return None if found is None else replace(found, key=job.key)
