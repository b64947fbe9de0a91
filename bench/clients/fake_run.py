"""The road with an engine that answers by itself, in this process.

    python fake_run.py ROWS OUTPUT         captions the rows
    python fake_run.py ROWS OUTPUT --fill  writes the journal of a finished run, asking nothing

One JSON line: ``requests``, and ``first``, the seconds to the first of them since the time in the
variable ``BENCH_BEGAN`` (of the monotonic clock).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dataflow.checks.rules.empty import empty
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import AsyncServing
from dataflow.core.request import Reply, Request, Usage
from dataflow.engine.columns import Column
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.pipeline.intake import JobMaker
from dataflow.engine.plan import Output, Plan, PlanFingerprint
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing

TEXT = "A wooden table by a window with a bowl of green apples on it and a grey cat on the chair."
BATCH = 1000


class Engine(FakeServing):
    """Answers at once, and notes when it was first asked."""

    first: float | None = None

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One answer, like any other."""
        self.first = self.first or time.monotonic()
        return await super().send(request, pictures)


def plan_of(rows: Path, output: Path, engine: AsyncServing) -> Plan:
    """What the command line makes of these arguments."""
    reader = open_reader(rows, picture_key="image")
    return Plan(
        reader=reader,
        requests_of=RowRequests(folders=[reader.folder(), os.curdir]),
        serving=engine,
        output=Output(output, [Column("caption")], writer_for(output, reader, ["caption"])),
        checks=[empty],
        fingerprint=PlanFingerprint(f"{rows.stat().st_mtime_ns}", reader.folder()),
    )


def finished(key: bytes) -> ResultRecord:
    """What the journal has of an answered request."""
    return ResultRecord(
        key,
        TEXT,
        is_final=True,
        finish_reason="stop",
        usage=Usage(400, 60),
        attempts=1,
        seconds=1.0,
        model="fake",
    )


async def fill(plan: Plan) -> None:
    """Write the journal that a finished run would leave."""
    maker = JobMaker(plan)
    journal = Journal(plan.output.files.journal)
    rows = iter(plan.reader.rows())
    while batch := [job.key for row in itertools.islice(rows, BATCH) for job in maker.jobs(row)]:
        entries = map(finished, batch)
        await asyncio.gather(*(journal.put(entry) for entry in entries))
    journal.close()


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fill", action="store_true")
    options = parser.parse_args()
    reply = Reply(TEXT, "stop", Usage(400, 60), "fake")
    engine = Engine(lambda *_: reply, max_workers=64)
    plan = plan_of(options.rows, options.output, engine)
    if options.fill:
        asyncio.run(fill(plan))
    else:
        run(plan)
    began = float(os.environ.get("BENCH_BEGAN", "0"))
    first = None if engine.first is None else engine.first - began
    sys.stdout.write(json.dumps({"requests": engine.asked, "first": first}) + "\n")


if __name__ == "__main__":
    main()
