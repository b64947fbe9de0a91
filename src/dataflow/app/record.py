"""The record of a run: with what its captions were made, so that it can be told and repeated."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.config import RECORD_FORMAT
from dataflow.app.options.option import given_options
from dataflow.app.options.shell_command import command_line, has_secret
from dataflow.core.portable.files import replace_file
from dataflow.core.secrets import redact
from dataflow.core.side_files import open_new
from dataflow.core.text import path_text
from dataflow.core.version import __version__
from dataflow.engine.journal.read_only import open_read_only
from dataflow.engine.pipeline.reuse_check import settings_of
from dataflow.engine.plan import Plan
from dataflow.engine.provenance import digest_of, iso_date
from dataflow.engine.reporting.progress import Summary
from dataflow.remote.path import to_path

LARGEST_DIGESTED = 2_000_000_000
"""Bytes of an input whose SHA-256 is taken; a larger one is known by its size and time alone."""

OF_THE_DATA = frozenset({"source", "more", "output", "limit"})
OF_THE_MOMENT = frozenset(
    {"quiet", "show", "restart", "only", "yes", "retry_failed", "shard", "detach", "batch_cancel",
     "journal", "push_to_hub", "header"}
)  # fmt: skip


def write_record(plan: Plan, options: CaptionOptions, summary: Summary, started: float) -> Path:
    """Write the record of a finished run beside its output; returns its path.

    Args:
        plan: The run.
        options: What was asked for.
        summary: What came of it.
        started: When it began, in seconds since 1970.

    Raises:
        OSError: It cannot be written.
    """
    path = plan.output.files.record
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    text = json.dumps(record_of(plan, options, summary, started), indent=2, ensure_ascii=False)
    try:
        with open_new(part, "wb") as file:
            file.write((redact(text) + "\n").encode("utf-8", "backslashreplace"))
        replace_file(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def record_of(
    plan: Plan, options: CaptionOptions, summary: Summary, started: float
) -> dict[str, Any]:
    """The record, as JSON's own types. Nothing in it is a secret."""
    models, decisions = _from_journal(plan.output.files.journal)
    return {
        "format": RECORD_FORMAT,
        "dataflow": __version__,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "started": iso_date(started),
        "ended": iso_date(time.time()),
        "command": command_line("caption", options),
        "options": _kept(options),
        "input": [_file(name) for name in (options.source, *(options.more or ()))],
        "output": str(plan.output.place),
        "settings": settings_of(plan),
        "models": models,
        "prompts": {
            column: {"text": text, "digest": digest_of(text)}
            for column, text in plan.questions.items()
        },
        "presets": dict(plan.presets),
        "checks": [_name_of(check) for check in plan.checks],
        "counts": {
            "rows": summary.rows,
            "captioned": summary.captioned,
            "flagged": dict(summary.flagged),
            "failed": dict(summary.failed),
            "dropped": summary.dropped,
            "skipped": summary.skipped,
            "decided by people": decisions,
        },
        "latest run": {
            "requests": summary.requests,
            "tokens": asdict(summary.usage),
            "cost": None if summary.unpriced or summary.uncounted else float(summary.cost),
            "seconds": round(summary.seconds, 3),
        },
    }


def _kept(options: CaptionOptions) -> dict[str, Any]:
    left_out = OF_THE_DATA | OF_THE_MOMENT
    given = {one.name: getattr(options, one.name) for one in given_options(options)}
    return {
        name: value
        for name, value in given.items()
        if name not in left_out and not has_secret(value)
    }


def _file(name: str) -> dict[str, Any]:
    path = to_path(name)
    found: dict[str, Any] = {"name": path_text(path)}  # a URL without its query
    if not isinstance(path, Path) or not path.is_file():
        return found
    size = path.stat().st_size
    found["bytes"] = size
    if size <= LARGEST_DIGESTED:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
        found["sha256"] = digest.hexdigest()
    return found


def _from_journal(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Each model that answered, as the server named it, with its captions; and the decisions."""
    try:
        with closing(open_read_only(path)) as db:
            models: Sequence[tuple[str, int]] = db.execute(
                "SELECT model, count(*) FROM results WHERE caption NOT NULL GROUP BY model "
                "ORDER BY 2 DESC"
            ).fetchall()
            [decisions] = db.execute("SELECT count(*) FROM decisions").fetchone()
    except sqlite3.Error:
        return [], 0
    return [{"model": model, "captions": count} for model, count in models], int(decisions)


def _name_of(check: object) -> str:
    return str(getattr(check, "kind", None) or getattr(check, "__name__", type(check).__name__))
