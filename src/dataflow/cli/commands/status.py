"""`dataflow status`: how far the run of an output is."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dataflow.billing.price import dollars
from dataflow.cli.display.run import duration, tokens
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put
from dataflow.engine.status import Status, status_of
from dataflow.remote.path import to_path

_STATES = {
    "running": "under way",
    "done": "done",
    "interrupted": "ended by a signal",
    "crashed": "ended without a word: killed, or the machine went down",
    "limit": "stopped at its limit on money or tokens",
    "under_way": "waits for batches; the same command takes them in",
}
_TALLEST = 20  # characters of the longest bar


def status(
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="The output of a run, which need not be there yet.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON on stdout.")] = False,
) -> None:
    """Tell how far the run of OUTPUT is; also while it goes, and after a crash.

    OUTPUT is the file that `dataflow caption` writes; its journal beside it is read, and nothing
    else.
    """
    if as_json:
        need_stdout("--json")
    found = status_of(to_path(output))
    if as_json:
        put([json.dumps(asdict(found), indent=2)])
    else:
        show_status(found, console)


def show_status(found: Status, console: Console) -> None:
    """The status as a small table."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    state = _STATES.get(found.state, f"stopped: {found.state}")
    table.add_row("run", f"{state} ({found.holder})" if found.state == "running" else state)
    table.add_row("began", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started)))
    if found.presets:
        asked = ", ".join(f"{column}: {preset}" for column, preset in found.presets.items())
        table.add_row("presets", asked)
    table.add_row("rows", "being counted" if found.rows is None else f"{found.rows:,}")
    several = f" of {found.wanted:,} captions" if found.wanted > found.seen else ""
    table.add_row("captioned", f"{found.captioned:,}{several}")
    for kind, rows in found.flagged.items():
        table.add_row(f"flagged: {kind}", f"{rows:,}")
    for kind, rows in found.failed.items():
        table.add_row(f"failed: {kind}", f"{rows:,}")
    table.add_row("to ask", _to_ask(found))
    for line in found.batches:
        where = line.status or "not yet at the server"
        done = f"{line.done:,} of {line.requests:,} requests done"
        table.add_row(f"batch {line.id or ''}", f"{where}, {done}")
    if found.asked_again:
        table.add_row("asked again", f"{found.asked_again:,}")
    table.add_row("requests", f"{found.attempts:,}")
    table.add_row("tokens", tokens(found.usage))
    table.add_row("cost", _cost(found))
    most = max((part.answered for part in found.speed), default=0)
    for number, part in enumerate(found.speed):
        bar = "▇" * round(_TALLEST * part.answered / most) if most else ""
        rate = f"{part.answered / part.seconds:.1f} a second" if part.seconds else ""
        when = f"{duration(part.start)}: {rate}"
        table.add_row("" if number else "speed", f"{when:<28}{bar}")
    console.print(table, highlight=False, soft_wrap=True)


def _to_ask(found: Status) -> str:
    if not found.unseen:
        return f"{found.to_ask:,} requests"
    return f"{found.to_ask:,} requests, and those of {found.unseen:,} rows not looked at yet"


def _cost(found: Status) -> str:
    if found.attempts and found.unpriced == found.attempts:
        return "not known"
    if found.unpriced:
        return f"{dollars(found.cost)}, and that of {found.unpriced:,} answers is not known"
    return dollars(found.cost)
