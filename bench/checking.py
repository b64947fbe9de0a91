"""`dataflow check` on many captions: seconds and memory by the number of rows.

The captions are made of a few hundred words by chance, so most of them differ; every fiftieth has a
fault. Memory is that of the main process; each further process takes about 70 MB.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.process import fresh, measured
from bench.report import Report

TITLE = "checking the captions of a Parquet file"

_WORDS = """
dog cat boat train tower bridge market lamp chair window garden street river child woman man bicycle
kite teapot violin lantern basket mirror ladder carpet fountain statue tram harbour
red blue small old wooden bright broken tall narrow striped wet golden dusty round empty quiet
beside behind under above near opposite inside
"""
_THINGS, _LOOKS, _PLACES = (
    [word for line in lines for word in line.split()]
    for lines in (_WORDS.splitlines()[:3], _WORDS.splitlines()[3:4], _WORDS.splitlines()[4:])
)
_FAULTS = (
    "I'm sorry, but I can't help with that.",
    "A dog." + " A dog." * 40,
    "<think>The user wants a caption.</think>A dog.",
    "",
    "A dog runs along the",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--rows", type=int, default=200_000, help="the most (default: 200000)")


def run(options: argparse.Namespace) -> Report:
    """A tenth of the rows, then all; once each."""
    report = Report("checking", TITLE, ("rows", "seconds", "CPU seconds", "peak MB"))
    most = 20_000 if options.short else options.rows
    program = Path(sys.executable).with_name("dataflow")
    for rows in (most // 10, most):
        command = [program, "check", _captions(rows), "--language", "en"]
        used = measured(command, check=False)
        if used.status != 3:
            raise RuntimeError(used.output)
        report.rows.append((rows, used.seconds, used.cpu, used.peak_mb))
    return report


def _captions(rows: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = fresh(f"captions-{rows}.parquet")
    texts_made = captions(rows)
    schema = pa.schema([("image", pa.string()), ("caption", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 10_000):
            numbers = range(start, min(rows, start + 10_000))
            texts = list(itertools.islice(texts_made, len(numbers)))
            names = [f"photos/{number}.jpg" for number in numbers]
            writer.write_table(pa.table({"image": names, "caption": texts}, schema=schema))
    return path


def captions(rows: int) -> Iterator[str]:
    """So many captions, the same ones each time."""
    rng = random.Random(1)
    return (_caption(number, rng) for number in range(rows))


def _caption(number: int, rng: random.Random) -> str:
    if number % 50 == 0:
        return rng.choice(_FAULTS)
    things = [f"a {rng.choice(_LOOKS)} {rng.choice(_THINGS)}" for _ in range(rng.randint(3, 12))]
    places = (rng.choice(_PLACES) for _ in things[1:])
    rest = " ".join(f"{place} {thing}" for place, thing in zip(places, things[1:], strict=True))
    return f"The picture shows {things[0]} {rest}."
