"""A person as the judge of a comparison: pairs in a drawn order, decisions kept at once."""

from __future__ import annotations

import asyncio
import getpass
import itertools
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dataflow.app.evaluation.joining import JoinedRow
from dataflow.core.errors import OutputError
from dataflow.core.side_files import open_append
from dataflow.evaluate.pairs import Choice, needs_judge

QUESTION = "A person sees the picture and both captions in a drawn order, and not whose they are."

PairKey = tuple[str, int, int]
"""The picture's name and the numbers of the two datasets, in the order in which they are shown."""


def blind_pairs(rows: Sequence[JoinedRow], *, seed: int) -> list[tuple[JoinedRow, int, int]]:
    """Every pair of different captions once, in a drawn order and with drawn sides."""
    rng = random.Random(f"blind {seed}")
    found = []
    for row in rows:
        for one, other in itertools.combinations(range(len(row.texts)), 2):
            if needs_judge((row.texts[one] or None, row.texts[other] or None)):
                first, second = rng.sample((one, other), 2)
                found.append((row, first, second))
    rng.shuffle(found)
    return found


def read_decisions(path: Path) -> dict[PairKey, Choice]:
    """What a person has decided so far; of several decisions about a pair the latest counts."""
    found: dict[PairKey, Choice] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return found
    for line in text.splitlines():
        decision = _decision(line)
        if decision is not None:
            found[decision[0]] = decision[1]
    return found


def _decision(line: str) -> tuple[PairKey, Choice] | None:
    """A decision; None for the last line, where the machine went down while it was written."""
    try:
        row = json.loads(line)
        return (row["name"], row["first"], row["second"]), Choice(row["choice"])
    except (ValueError, KeyError, TypeError):
        return None


def as_both_orders(decisions: Mapping[PairKey, Choice]) -> Iterator[tuple[PairKey, Choice]]:
    """The decisions as a judge of both orders gives them: a person contradicts nobody."""
    swapped = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST, Choice.TIE: Choice.TIE}
    for (name, first, second), choice in decisions.items():
        yield (name, first, second), choice
        yield (name, second, first), swapped[choice]


def ask_person(
    rows: Sequence[JoinedRow],
    path: Path,
    *,
    seed: int,
    on_ready: Callable[[str], None],
    port: int = 0,
) -> dict[PairKey, Choice]:
    """Have a person decide pairs on a page until all are decided, or Ctrl-C.

    Args:
        rows: The captions.
        path: Where decisions are kept; those that are there already are not asked again.
        seed: Of the order.
        on_ready: Called with the page's address.
        port: The page's port; 0 for any that is free.

    Raises:
        OutputError: A decision cannot be kept.
    """
    from dataflow.review.blind import BlindPage, BlindPair

    pairs = blind_pairs(rows, seed=seed)
    known = read_decisions(path)
    keys = [(row.name, first, second) for row, first, second in pairs]
    shown = [BlindPair(row.picture, row.texts[a], row.texts[b]) for row, a, b in pairs]
    author = getpass.getuser()

    def keep(number: int, choice: str) -> None:
        name, first, second = keys[number]
        line = json.dumps({
            "name": name, "first": first, "second": second, "choice": choice,
            "author": author, "time": round(time.time(), 3),
        })  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_append(path) as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error

    async def serve() -> None:
        ended = asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
        choices = [known[key].value if key in known else "" for key in keys]
        await BlindPage(shown, choices, keep).serve(on_ready, until=ended, port=port)

    if any(key not in known for key in keys):
        asyncio.run(serve())
    decided = read_decisions(path)
    return {key: decided[key] for key in keys if key in decided}
