"""Options: how fast, how patiently and how safely a run works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class WholeRunOptions(Options):
    """How fast, how patiently and how safely a run of all rows works."""

    GROUP: ClassVar[str] = "Performance and recovery"

    concurrency: Annotated[
        int | None,
        Option(
            "How many requests are in flight at once.",
            hidden=("--max-workers", "--batch-size"),
            metavar="N",
            least=1,
            most=4096,
            default="found while the run works",
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Load pictures and ask in this many processes of this machine, where one is the limit: "
            "many cores, large pictures, a fast engine. A local engine is started once in each.",
            metavar="N",
            least=1,
            most=512,
            default="none: this process alone",
        ),
    ] = None
    ray: Annotated[
        bool | str,
        Option(
            "Load pictures and ask in actors of a Ray cluster: at this address, or the one that "
            "RAY_ADDRESS names. A local engine is started once in each.",
            metavar="ADDRESS",
        ),
    ] = False
    replicas: Annotated[
        str,
        Option(
            "With --ray, how many actors: a number, or LEAST..MOST, between which it follows what "
            "waits.",
            metavar="N|LEAST..MOST",
        ),
    ] = "1"
    rpm: Annotated[
        float | None,
        Option("The most requests per minute.", metavar="N", least=0.001, default="no limit"),
    ] = None
    tpm: Annotated[
        float | None,
        Option(
            "The most tokens per minute, input and output together.",
            metavar="N",
            least=1.0,
            default="no limit",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Option(
            "Seconds for one request and its whole answer.",
            metavar="SECONDS",
            least=1.0,
            default="an API: 600; a local engine: 1800",
        ),
    ] = None
    give_up_after: Annotated[
        float,
        Option(
            "Seconds that a server may be down before the run stops.", metavar="SECONDS", least=0.0
        ),
    ] = 600.0
    restart: Annotated[
        bool,
        Option(
            "Ask for every caption again; the former journal is set aside, not deleted.",
            hidden=("--fresh",),
        ),
    ] = False
    yes: Annotated[
        bool,
        Option(
            "Ask for captions again without confirmation where the earlier answers no longer fit.",
        ),
    ] = False
    retry_failed: Annotated[
        bool, Option("Ask again for the rows that failed in an earlier run.")
    ] = False
    fsync: Annotated[
        bool,
        Option(
            "Survive a power cut as well as a crash; slower.",
            hidden=("--durable",),
        ),
    ] = False
    fault_alarm: Annotated[
        float | str | None,
        Option(
            "Stop the run when this share of the latest answers has one and the same fault; off "
            "never stops it.",
            metavar="SHARE|off",
        ),
    ] = 0.9
    quiet: Annotated[
        bool,
        Option("Show no progress and no summary.", flags=("-q", "--quiet")),
    ] = False
    image_cache: Annotated[
        str | None,
        Option(
            "Keep pictures that are fetched by URL in this folder, so that another run does not "
            "fetch them again.",
            metavar="FOLDER",
        ),
    ] = None
    image_cache_max: Annotated[
        str | None,
        Option(
            "The largest size of that folder, such as 500MB (10^6 bytes) or 2GiB (2^30). Pictures "
            "that were not used for the longest time are deleted first.",
            metavar="SIZE",
            default="10GB",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RunOptions(WholeRunOptions):
    """The same, and which of the rows a run takes."""

    GROUP: ClassVar[str] = "Performance and recovery"

    only: Annotated[
        list[str] | None,
        Option(
            "Ask again only for these rows: a row's number as in the errors file, a picture's "
            "name, a pattern of names, or @FILE with one a line; give it several times for "
            "several. All other rows stay as they are.",
            metavar="ROW|NAME|PATTERN|@FILE",
        ),
    ] = None
    shard: Annotated[
        str | None,
        Option(
            "Take only this part of the rows, such as 3/8, into a journal of its own; auto asks "
            "Slurm, Kubernetes (auto/COUNT), or RANK and WORLD_SIZE. dataflow merge makes one "
            "output of all parts.",
            metavar="NUMBER/COUNT|auto",
        ),
    ] = None
