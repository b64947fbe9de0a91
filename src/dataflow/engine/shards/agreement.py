"""What keeps the shards of a run alike, and apart from a run of the whole.

The first shard writes the run's settings by exclusive creation, which holds on network disks, too;
every other one compares its own.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import OutputError, UsageError
from dataflow.core.side_files import open_new
from dataflow.engine.locks.lease import living_holder
from dataflow.engine.paths import SideFiles, make_folder
from dataflow.engine.pipeline.reuse_check import changes_between, settings_of
from dataflow.engine.plan import Plan
from dataflow.engine.selection.shard import Shard, shards_in

_OF_MACHINE = {"journal", "output"}
"""Options that may differ: each machine has its own path to what they name."""


def check_shard(plan: Plan, shard: Shard) -> None:
    """Stop where a shard does not fit the others of its run.

    Raises:
        UsageError: its settings differ, or the run has another count of shards.
        OutputError: a run of the whole goes on, or the folder cannot be written.
    """
    files = SideFiles(plan.output.path)
    if (found := living_holder([files.lock])) is not None:
        raise OutputError(
            f"{found[1]} is writing {plan.output.path} as a whole; wait for it, or stop it"
        )
    ours = _described(plan, shard.count)
    theirs = _first_written(files.settings, ours)
    if theirs["shards"] != ours["shards"]:
        raise UsageError(
            f"{plan.output.path} was begun in {theirs['shards']} shards, and not in "
            f"{shard.count}: run dataflow merge {plan.output.path} first, then choose any count"
        )
    changes = changes_between(theirs["settings"], ours["settings"])
    if changes:
        raise UsageError(
            f"shard {shard} has other settings than the first one had: {'; '.join(changes)}. Give "
            "the same ones, or choose another output"
        )


def check_whole(path: Path) -> None:
    """Stop a run of the whole where shards hold answers that it would pay for again.

    Args:
        path: The output.

    Raises:
        UsageError: they do.
    """
    found = shards_in(SideFiles(path).shards)
    if found:
        raise UsageError(
            f"{path} was begun in {found[0].count} shards, whose answers are not in its journal "
            f"yet: run dataflow merge {path} first, then the same command"
        )


def _described(plan: Plan, count: int) -> dict[str, Any]:
    settings, options = settings_of(plan), json.loads(plan.options or "{}")
    more = {
        f"--{name.replace('_', '-')}": json.dumps(value)
        for name, value in options.items()
        if name not in settings and name not in _OF_MACHINE
    }
    return {"shards": count, "command": plan.command, "settings": settings | more}


def _first_written(path: Path, ours: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the first shard wrote at `path`: `ours`, where this one is it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        make_folder(path.parent)
        if not path.exists():
            with open_new(part) as file:
                file.write(json.dumps(ours, indent=2) + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(part, path)  # whole or not at all, and by one process alone
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"shards": int(found["shards"]), "settings": dict(found["settings"])}
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} cannot be read ({error}); if no shard runs, delete it and run again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
