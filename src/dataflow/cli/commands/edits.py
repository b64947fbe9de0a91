"""`dataflow edits`: what people changed in an output's captions."""

from __future__ import annotations

import time

from dataflow.app.options.commands.edits import EditsOptions
from dataflow.cli.shell.console import say
from dataflow.cli.shell.streams import put
from dataflow.core.text import short_text

EXAMPLES = (
    "dataflow edits captions.jsonl",
    "dataflow edits captions.jsonl --restore 3",
    "dataflow edits captions.jsonl --export edits.jsonl",
    "dataflow edits others.parquet --write edited.parquet",
    "dataflow edits photos/ --in-place",
)


def edits(options: EditsOptions) -> None:
    """List the captions of OUTPUT that people edited, accepted or rejected.

    A line each: number, time, who, what, picture, column, the person's words, and where the
    machine's caption is another one by now, that caption. With --write or --in-place, the dataset
    is written with the edits instead; a rejected caption is empty there.
    """
    from dataflow.app.edits import edits as found_edits

    if options.write is not None or options.in_place:
        from dataflow.app.quality.write_edits import write_edits

        written = write_edits(options)
        say(f"{written.count:,} captions with people's words are written: {written.place}")
        return
    found = found_edits(options)
    if options.restore is not None:
        say(f"Edit {options.restore} is taken back; the next run of the same command writes it.")
    if options.export is not None:
        say(f"{len(found)} edits are in {options.export}")
        return
    lines = []
    for edit in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(edit.decided_at))
        cells = [str(edit.number), when, edit.author, edit.kind, edit.picture or edit.source]
        cells += [edit.column, edit.text or ""]
        cells += [f"now: {edit.machine or '(no caption)'}"] if edit.is_conflict else []
        lines.append("\t".join(short_text(cell) for cell in cells))
    put(lines)
    if not found:
        say("Nobody edited a caption.")
