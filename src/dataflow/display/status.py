"""How far a run is, as a small table or as JSON."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from rich.console import Console

from dataflow.billing.price import dollars
from dataflow.display.plain import say, say_rows
from dataflow.display.units import duration, tokens
from dataflow.engine.reporting.status import ShardLine, Status

_STATES = {
    "running": "under way",
    "done": "done",
    "interrupted": "ended by a signal",
    "crashed": "ended without a word: killed, or the machine went down",
    "limit": "stopped at its limit on money or tokens",
    "shards": "shards are to be run again",
    "under_way": "waits for batches; the same command takes them in",
}
_TALLEST = 20  # characters of the longest bar


def as_json(found: Status) -> str:
    """One JSON object."""
    return json.dumps(asdict(found), indent=2)


def show_status(found: Status, console: Console) -> None:
    """The status as a small table."""
    rows = list[tuple[str, str]]()
    state = _STATES.get(found.state, f"stopped: {found.state}")
    rows.append(("run", f"{state} ({found.holder})" if found.state == "running" else state))
    rows.append(("began", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started))))
    if found.presets:
        asked = ", ".join(f"{column}: {preset}" for column, preset in found.presets.items())
        rows.append(("presets", asked))
    rows += [("" if n else "adapted", note) for n, note in enumerate(found.adaptations)]
    rows.append(("rows", "being counted" if found.rows is None else f"{found.rows:,}"))
    rows.append(("captioned", _captioned(found)))
    for kind, count in found.flagged.items():
        rows.append((f"flagged: {kind}", f"{count:,}"))
    for kind, count in found.failed.items():
        rows.append((f"failed: {kind}", f"{count:,}"))
    rows.append(("to ask", _to_ask(found)))
    rows += _time_left(found)
    for line in found.batches:
        where = line.status or "not yet at the server"
        done = f"{line.done:,} of {line.requests:,} requests done"
        rows.append((f"batch {line.id or ''}", f"{where}, {done}"))
    if found.asked_again:
        rows.append(("asked again", f"{found.asked_again:,}"))
    rows.append(("requests", f"{found.attempts:,}"))
    rows.append(("tokens", tokens(found.usage)))
    rows.append(("cost", _cost(found)))
    for shard in found.shards:
        rows.append((f"shard {shard.shard}", _shard(shard)))
    most = max((part.answered for part in found.speed), default=0)
    for number, part in enumerate(found.speed):
        bar = "▇" * round(_TALLEST * part.answered / most) if most else ""
        rate = f"{part.answered / part.seconds:.1f} a second" if part.seconds else ""
        when = f"{duration(part.start)}: {rate}"
        rows.append(("" if number else "speed", f"{when:<28}{bar}"))
    say_rows(console, rows)
    if found.retry:
        say(console, f"Next, for the shards that are not done: {found.retry}")
    elif found.shards and found.state == "done":
        say(console, "Next: dataflow merge, which makes one output of all shards")


def _shard(line: ShardLine) -> str:
    if line.state == "missing":
        return "has not begun"
    state = _STATES.get(line.state, f"stopped: {line.state}")
    holder = f" ({line.holder})" if line.state == "running" else ""
    failed = f", {line.failed:,} failed" if line.failed else ""
    return f"{state}{holder}: {line.captioned:,} captions{failed}"


def _time_left(found: Status) -> list[tuple[str, str]]:
    left = found.seconds_left if found.state == "running" else None
    return [] if left is None else [("time left", f"about {duration(left)}, at the latest speed")]


def _captioned(found: Status) -> str:
    """How many captions are there, of how many, in percent."""
    if not found.total:
        return f"{found.captioned:,}"
    done = found.captioned + sum(found.flagged.values())
    return f"{found.captioned:,} of {found.total:,} captions ({100 * done // found.total} %)"


def _to_ask(found: Status) -> str:
    if not found.unseen:
        return f"{found.to_ask:,} requests"
    return f"{found.to_ask:,} requests, and those of {found.unseen:,} rows not looked at yet"


def _cost(found: Status) -> str:
    if found.unpriced and not found.cost:
        return "not known"
    if found.unpriced:
        return f"{dollars(found.cost)}, and that of {found.unpriced:,} answers is not known"
    return dollars(found.cost)
