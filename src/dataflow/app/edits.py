"""What people changed in an output's captions: listed, exported, taken back."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from dataflow.app.known_output import known_output
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.core.errors import OutputError
from dataflow.engine.edits import Edit, edits_of
from dataflow.engine.edits import restore as restore_edit


def edits(options: EditsOptions) -> list[Edit]:
    """The edits, accepted and rejected captions of an output, the oldest first.

    With `restore`, the one of that number is taken back first, and is no longer among them. The
    output itself changes with the next run of the same command.

    Args:
        options: The output, and what is done.

    Raises:
        UsageError: Nothing was written there, or there is no such edit.
        OutputError: The file of the export cannot be written.
        JournalError: The journal cannot be read or written.
    """
    output = known_output(options.output)
    if options.restore is not None:
        restore_edit(output, options.restore, options.author or getpass.getuser())
    found = edits_of(output)
    if options.export is not None:
        _export(found, Path(options.export))
    return found


def as_value(edit: Edit) -> dict[str, object]:
    """An edit as a JSON object; its time in ISO 8601, UTC."""
    when = datetime.fromtimestamp(edit.decided_at, timezone.utc).isoformat(timespec="seconds")
    return {**asdict(edit), "decided_at": when}


def _export(found: list[Edit], path: Path) -> None:
    lines = (json.dumps(as_value(edit), ensure_ascii=False) + "\n" for edit in found)
    try:
        path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; name another file with --export"
        ) from error
