"""How far a run in shards is: each of them, and all together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dataflow.core.request import Usage
from dataflow.engine.paths import SideFiles
from dataflow.engine.reporting.status import ShardLine, Status
from dataflow.engine.selection.shard import Shard


def status_of_shards(files: SideFiles, found: Sequence[tuple[Shard, Status]]) -> Status:
    """The sum of the shards' states.

    Args:
        files: Of the output.
        found: Each shard that has begun, and how far it is.
    """
    count = max(shard.count for shard, _ in found)
    states = dict(found)
    lines = [_line(Shard(n, count), states.get(Shard(n, count))) for n in range(1, count + 1)]
    each = [status for _, status in found]
    rows = max((status.rows or 0 for status in each), default=0) or None
    ended = [status.ended for status in each if status.ended is not None]
    begun = len(each) == count
    seen = sum(status.seen for status in each)
    return Status(
        state=_state(lines),
        holder=next((status.holder for status in each if status.holder), None),
        started=min(status.started for status in each),
        ended=max(ended) if len(ended) == count else None,
        rows=rows,
        presets=each[0].presets,
        adaptations=tuple(dict.fromkeys(note for one in each for note in one.adaptations)),
        seen=seen,
        wanted=sum(status.wanted for status in each),
        captioned=sum(status.captioned for status in each),
        flagged=_sum(status.flagged for status in each),
        failed=_sum(status.failed for status in each),
        to_ask=sum(status.to_ask for status in each),
        unseen=0 if begun and all(line.state == "done" for line in lines) else (rows or 0) - seen,
        usage=sum((status.usage for status in each), Usage()),
        cost=sum(status.cost for status in each),
        attempts=sum(status.attempts for status in each),
        asked_again=sum(status.asked_again for status in each),
        unpriced=sum(status.unpriced for status in each),
        shards=tuple(lines),
        retry=_retry(files.settings, lines),
    )


def _line(shard: Shard, status: Status | None) -> ShardLine:
    if status is None:
        return ShardLine(str(shard), "missing")
    return ShardLine(
        str(shard),
        status.state,
        status.holder,
        status.captioned + sum(status.flagged.values()),
        sum(status.failed.values()),
    )


def _state(lines: Sequence[ShardLine]) -> str:
    states = {line.state for line in lines}
    if states == {"done"}:
        return "done"
    return "running" if "running" in states else "shards"


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


def _retry(settings: Path, lines: Sequence[ShardLine]) -> str | None:
    """The command that runs again the shards that are missing, ended early or have failures."""
    again = [line.shard for line in lines if line.needs_run]
    if not again:
        return None
    try:
        command = json.loads(settings.read_text(encoding="utf-8")).get("command")
    except (OSError, ValueError):
        command = None
    command = command or "dataflow caption …"
    if len(again) == 1:
        return f"{command} --shard {again[0]}"
    return f"for shard in {' '.join(again)}; do {command} --shard $shard; done"
