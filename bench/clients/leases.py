"""What the process that runs a dataset does beside its workers, and what a merge does.

    python leases.py driver ROWS OUTPUT        captions the rows by workers that answer at once
    python leases.py fill ROWS OUTPUT SHARDS   writes the journals of so many finished shards
    python leases.py merge ROWS OUTPUT SHARDS  unites them

One JSON line: ``seconds`` of the work itself, without the start of the process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench.clients.fake_run import BATCH, TEXT, Engine, finished, plan_of
from dataflow.core.request import Reply, Usage
from dataflow.engine.journal.journal import Journal
from dataflow.engine.paths import SideFiles
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.runner import run
from dataflow.engine.selection.shard import Shard
from dataflow.engine.shards.merge import merge_journals
from dataflow.images.base.limits import Limits
from dataflow.serving.workers.messages import LeasedRequest, WorkerAnswers, WorkerSetup
from dataflow.serving.workers.serving import WorkerServing

REPLY = Reply(TEXT, "stop", Usage(400, 60), "fake")


class Answering:
    """A worker that answers at once, in this process."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[WorkerAnswers] = asyncio.Queue()

    async def start(self) -> WorkerAnswers:
        """It can work."""
        return WorkerAnswers()

    async def give(self, lease: Sequence[LeasedRequest]) -> None:
        """Answer all of it."""
        self._said.put_nowait(WorkerAnswers([(one.number, REPLY) for one in lease]))

    async def collect(self) -> WorkerAnswers:
        """What was answered."""
        return await self._said.get()

    async def close(self) -> None:
        """Nothing is held."""


class AnsweringLauncher:
    """Starts workers that answer at once."""

    def prepare(self) -> None:
        """Nothing is needed."""

    def launch(self, number: int, setup: WorkerSetup) -> Answering:
        """Another one."""
        return Answering()

    def close(self) -> None:
        """Nothing is shared."""


def drive(rows: Path, output: Path) -> None:
    """Caption the rows with two workers that answer at once."""
    engine = Engine(lambda *_: REPLY, max_workers=64)
    serving = WorkerServing(engine, AnsweringLauncher(), Limits(), fewest=2)
    run(plan_of(rows, output, serving))


async def fill(rows: Path, output: Path, count: int) -> None:
    """Write the journals that `count` finished shards would leave."""
    plan = plan_of(rows, output, Engine(lambda *_: REPLY))
    maker = JobMaker(plan)
    shards = [Shard(number, count) for number in range(1, count + 1)]
    journals = [Journal(SideFiles(output, shard=shard.name).journal) for shard in shards]
    reading = iter(plan.reader.rows())
    while batch := list(itertools.islice(reading, BATCH)):
        jobs = [(row.index, maker.jobs(row)) for row in batch]
        for shard, journal in zip(shards, journals, strict=True):
            own = [(index, found[0]) for index, found in jobs if shard.takes(found)]
            journal.plan([(index, 0, job.key, job.subject) for index, job in own], ())
            await journal.put(*(finished(job.key) for _, job in own))
    for journal in journals:
        journal.close()


def main() -> None:
    """Run as the arguments say."""
    what, rows, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    began = time.perf_counter()
    if what == "driver":
        drive(rows, output)
    elif what == "fill":
        asyncio.run(fill(rows, output, int(sys.argv[4])))
    else:
        with closing(Journal(SideFiles(output).journal)):
            pass
        merge_journals(output)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
