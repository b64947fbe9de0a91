"""Rows of a storage that hands over lists or DataFrames, read and written whole."""

from __future__ import annotations

import itertools
import json
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, OutputError, UsageError
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.core.raw_json import plain
from dataflow.core.text import error_text, scrub
from dataflow.formats.tables import rows_of, with_columns

_log = logging.getLogger("dataflow")


def read_rows(data: Any, storage: DataFlowStorage) -> list[Mapping[str, Any]]:
    """The rows that `storage.read` gave.

    Raises:
        InputError: it is no table, or two columns have one name.
    """
    try:
        return rows_of(data, f"{type(storage).__name__}.read('dict') must give")
    except UsageError as error:
        raise InputError(error.message) from None


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
        data: What `storage.read` gave; a DataFrame or other table comes back as one.
        rows: Its rows.
        is_kept: Which of them are written.
        added: What is added to each of those.
        names: The columns that are added.

    Raises:
        OutputError: `storage.write` raised; the answers are in its `answers` and in a file that
            the message names.
    """
    more = [{name: plain(value) for name, value in one.items()} for one in added]
    try:
        storage.write(with_columns(data, rows, is_kept, more, names=names))
    except Exception as error:
        raise _kept(error, storage, is_kept, more) from error
    except BaseException as error:
        _log.warning("%s", _kept(error, storage, is_kept, more))
        raise


def _kept(
    error: BaseException,
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
    said = scrub(error_text(error))
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
