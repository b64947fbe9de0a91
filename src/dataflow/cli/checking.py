"""The arguments of `dataflow check` → its report, shown."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from dataflow.checks.look import Caption, Fault, Look, Looker
from dataflow.checks.report import Report
from dataflow.cli.console import console
from dataflow.cli.show_report import as_json, show_report
from dataflow.cli.streams import need_stdout, put
from dataflow.cli.wanted import wanted_of
from dataflow.core.dataset import Reader
from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.formats.registry import open_reader

if TYPE_CHECKING:
    from dataflow.cli.check import CheckChoices


def checked(choices: CheckChoices) -> bool:
    """Check a dataset and show the report; returns whether a caption has a fault.

    Raises:
        UsageError: the arguments are wrong.
        StopRunError: the dataset cannot be read, or a package is missing.
    """
    if choices.json:
        need_stdout("--json")
    asked = wanted_of(choices, plain=True, most_alike=3, schema=_schema(choices.schema))
    prompts = () if choices.prompt is None else (choices.prompt,)
    key, image_key = choices.output_key, choices.image_key
    reader = _reader(choices.output, key, image_key)
    report = Report(most_alike=asked.most_alike, with_near=choices.near)
    looks = Looker(asked, prompts).all(
        captions_of(reader, key, image_key), processes=choices.processes or os.cpu_count() or 1
    )
    with _listing(choices.listed) as note:
        for look in _watched(looks, reader.count()):
            note(report.add(look))
    if choices.json:
        put([as_json(report)])
    else:
        show_report(report, console)
    return report.faulty > 0


def captions_of(reader: Reader, key: str, image_key: str) -> Iterator[Caption]:
    """The captions of a dataset in the column `key`; a value that is no text as its JSON.

    Raises:
        UsageError: a row lacks the column.
        InputError: the dataset cannot be read.
    """
    for row in reader.rows():
        if key not in row.fields:
            raise UsageError(
                f"{row.place}: no column {key!r}; name the captions' column with --output-key "
                f"({', '.join(map(str, row.fields))})"
            )
        picture = row.fields.get(image_key)
        yield Caption(
            row.index,
            row.place,
            _text(row.fields[key]),
            picture if isinstance(picture, str) else "",
        )


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _reader(path: str, key: str, image_key: str) -> Reader:
    try:
        return open_reader(path, picture_key=image_key, columns=(key, image_key))
    except InputError as error:
        # nothing has begun yet: what was named on the command line is wrong
        raise UsageError(error.message) from error


def _schema(path: str | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"--schema {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--schema {path} is no JSON: {error}") from error


@contextlib.contextmanager
def _listing(path: str | None) -> Iterator[Callable[[Iterable[Fault]], None]]:
    """What writes faults to `path`, a line each; nothing where there is no path."""
    if path is None:
        yield lambda _: None
        return
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            yield lambda faults: file.writelines(map(_line, faults))
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}; choose another file for --list") from error


def _line(fault: Fault) -> str:
    row, place, text, _ = fault.caption
    value = {"row": row, "place": place, "kind": fault.kind, "reason": fault.reason, "text": text}
    return json.dumps(value, ensure_ascii=False) + "\n"


def _watched(looks: Iterator[Look], total: int | None) -> Iterator[Look]:
    """`looks`, with a bar for a person who watches."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("checking", total=total)
        for look in looks:
            yield look
            bar.advance(task, len(look.captions))
