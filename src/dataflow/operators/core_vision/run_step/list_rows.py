"""Rows of a storage that hands over lists or DataFrames, read and written whole."""

from __future__ import annotations

import itertools
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, OutputError
from dataflow.core.protocols.dataset import Skipped
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.core.raw_json import plain
from dataflow.core.row import Row
from dataflow.core.text import scrub

_log = logging.getLogger("dataflow")


class ListRows:
    """Dicts in memory as a dataset; see `core.dataset.Reader`."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows
        self.skipped = Skipped()

    def rows(self) -> Iterator[Row]:
        """The rows in order."""
        for index, fields in enumerate(self._rows):
            yield Row(index, fields, f"row {index}")

    def count(self) -> int:
        """How many there are."""
        return len(self._rows)

    def column_names(self) -> None:
        """Not known without looking at every row."""

    def folder(self) -> str:
        """The working directory."""
        return "."


def rows_of(data: Any, storage: DataFlowStorage) -> list[dict[str, Any]]:
    """The rows that `storage.read` gave: a list of dicts or a DataFrame.

    Raises:
        InputError: it is neither, a row is no dict, or two columns have one name.
    """
    source = f"{type(storage).__name__}.read('dict')"
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        names = list(data.columns)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{source} gave two columns called {twice!r}; rename one")
        records: list[dict[str, Any]] = data.to_dict("records")
        return records
    if not isinstance(data, (list, tuple)):
        raise InputError(
            f"{source} gave {type(data).__name__}; a list of dicts or a DataFrame is needed"
        )
    for index, row in enumerate(data):
        if not isinstance(row, Mapping):
            raise InputError(f"{source}: row {index} is a {type(row).__name__}, not a dict")
    return list(data)


def write_or_save(
    storage: DataFlowStorage,
    data: Any,
    rows: Sequence[Mapping[str, Any]],
    is_kept: Sequence[bool],
    added: Sequence[Mapping[str, Any]],
    *,
    names: Sequence[str],
) -> None:
    """Write the rows with what is added to them; where `storage` cannot, keep the answers.

    Args:
        storage: Where they go.
        data: What `storage.read` gave: a DataFrame comes back as one.
        rows: Its rows.
        is_kept: Which of them are written.
        added: What is added to each of those.
        names: The columns that are added.

    Raises:
        OutputError: `storage.write` raised; the answers are in its `answers` and in a file that
            the message names.
    """
    more = [{name: plain(value) for name, value in one.items()} for one in added]
    kept = list(itertools.compress(rows, is_kept))
    try:
        if hasattr(data, "assign"):
            frame = data.iloc[: len(is_kept)]
            frame = frame if all(is_kept) else frame[list(is_kept)]
            storage.write(frame.assign(**{name: [one[name] for one in more] for name in names}))
        else:
            storage.write([{**row, **one} for row, one in zip(kept, more, strict=True)])
    except Exception as error:
        raise _kept(error, storage, is_kept, more) from error


def _kept(
    error: Exception,
    storage: DataFlowStorage,
    is_kept: Sequence[bool],
    added: Sequence[Mapping[str, Any]],
) -> OutputError:
    """What to raise in place of `error`: it holds the answers, and so does a file."""
    indexes = [index for index, keep in enumerate(is_kept) if keep]
    lines = [
        json.dumps({"row": index, **one}, ensure_ascii=False, default=str)
        for index, one in zip(indexes, added, strict=True)
    ]
    where = _saved("\n".join([*lines, ""]))
    said = scrub(f"{type(error).__name__}: {error}")
    answers = [next(iter(one.values()), None) for one in added]
    return OutputError(
        f"{type(storage).__name__}.write() failed: {said}. The {len(added):,} answers are in "
        f"{where or 'the answers of this error'}, and in the answers of this error"
    ).with_answers(None if answer is None else str(answer) for answer in answers)


def _saved(text: str) -> Path | None:
    """The file in which `text` is kept now: here, or where temporary files go."""
    name = f"dataflow_answers_{time.strftime('%Y%m%d_%H%M%S')}"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        for number in itertools.count():
            path = folder / f"{name}{f'_{number}' if number else ''}.jsonl"
            try:
                with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(text)
                return path
            except FileExistsError:
                continue
            except OSError as error:
                _log.warning("the answers cannot be kept in %s: %s", path, error)
                break
    return None
