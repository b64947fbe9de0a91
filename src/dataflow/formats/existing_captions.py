"""The captions that a dataset has already, in whatever shape its format holds them.

* A column of texts, or of lists of texts, each of which is a caption; in CSV such a list is JSON.
* A column of conversations, with ``from`` and ``value`` (LLaVA) or ``role`` and ``content``
  (OpenAI): what the model says is a caption, and what it was told before is its prompt.
* Files of the pictures' names beside the pictures of a folder (`sidecar.py`).
* The annotations of a COCO file.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.core.errors import UsageError
from dataflow.core.protocols.dataset import (
    ColumnSelectingReader,
    MultiFileReader,
    Reader,
    first_rows,
)
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.reading import as_input_errors
from dataflow.formats.base.split_output import parts_of
from dataflow.formats.detect import detect_format
from dataflow.formats.folder.pictures import FolderReader
from dataflow.formats.folder.sidecar import ENDINGS, SidecarFiles
from dataflow.formats.registry import open_reader
from dataflow.formats.text.csv_file import CsvReader
from dataflow.remote.path import to_path

USUAL = ("caption", "captions", "text", "conversations", "messages", "answer", "output")
"""The names that captions usually stand under; the first that is there is taken."""

_SHAPES = (("from", "value"), ("role", "content"))
_MODEL = ("gpt", "assistant")


class FoundCaption(NamedTuple):
    """A caption in a row.

    Attributes:
        text: Its text; empty where there is none.
        number: Which of the captions of its row and column it is, from 0.
        prompts: What its conversation asked; empty where there is none.
    """

    text: str
    number: int = 0
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaptionedDataset:
    """A dataset that has captions.

    Attributes:
        reader: The dataset.
        columns: Where its captions stand.
        names: The columns of its first rows.
        is_whole: Whether a caption may be a JSON value, so that a list of texts is one caption.
        sidecar: The ending of the files that hold them; None where they stand in the dataset.
    """

    reader: Reader
    columns: tuple[str, ...]
    names: frozenset[str] = frozenset()
    is_whole: bool = False
    sidecar: str | None = None

    def of(self, row: Row, column: str) -> list[FoundCaption]:
        """The captions of `row` in `column`; one empty caption where there is none."""
        return found_in(self.unpacked(row.fields.get(column)), is_whole=self.is_whole)

    def first_value(self, column: str) -> Any:
        """What stands in `column` in the first row that has something there; None without one."""
        rows = first_rows(self.reader)
        values = (self.unpacked(row.fields.get(column)) for row in rows)
        return next((value for value in values if value is not None), None)

    def unpacked(self, value: Any) -> Any:
        """`value`, or the list that it is in CSV, where every value is text."""
        reader = _files_of(self.reader)[0]
        if isinstance(reader, CsvReader) and isinstance(value, str) and value[:1] == "[":
            with contextlib.suppress(ValueError):
                return json.loads(value)
        return value


def found_in(value: Any, *, is_whole: bool = False) -> list[FoundCaption]:
    """The captions that `value` holds; one empty caption where it holds none.

    Args:
        value: What stands in a column.
        is_whole: Whether a list is one caption. What is no text is one as its JSON.
    """
    if value is None or isinstance(value, str):
        return [FoundCaption(value or "")]
    if is_talk(value):
        return list(_said(value)) or [FoundCaption("")]
    if not is_whole and isinstance(value, list) and all(_is_text(item) for item in value):
        return [FoundCaption(item or "", number) for number, item in enumerate(value)] or [
            FoundCaption("")
        ]
    return [FoundCaption(json.dumps(value, ensure_ascii=False, default=str))]


def with_caption(value: Any, number: int, text: str) -> Any:
    """`value` with `text` in the place of one of its captions; see `found_in`.

    Where captions are JSON values and `text` is one, it stands there as such.
    """
    if value is None or isinstance(value, str):
        return text
    if is_talk(value):
        return _retold(value, number, text)
    if isinstance(value, list) and all(_is_text(item) for item in value):
        return [*value[:number], text, *value[number + 1 :]]
    try:
        return json.loads(text)
    except ValueError:
        return text


def messages_before(value: Any, number: int) -> Any:
    """The conversation `value` up to where its answer `number`, from 0, comes."""
    positions = [position for position, turn in enumerate(value) if _is_models(turn)]
    return value[: positions[number]] if number < len(positions) else value


def is_talk(value: Any) -> bool:
    """Whether `value` is a conversation: a list of turns that say whose they are."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, Mapping) and _names_in(turn) is not None for turn in value)
    )


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _names_in(turn: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the turn calls its speaker and its words."""
    return next((names for names in _SHAPES if names[0] in turn and names[1] in turn), None)


def _is_models(turn: Mapping[str, Any]) -> bool:
    who, _ = _names_in(turn) or _SHAPES[0]
    return turn[who] in _MODEL


def _retold(turns: Sequence[Mapping[str, Any]], number: int, text: str) -> list[Any]:
    before = messages_before(turns, number)
    who, what = _names_in(turns[-1]) or _SHAPES[0]
    own = turns[len(before)] if len(before) < len(turns) else {who: _MODEL[what == "content"]}
    parts = [{"type": "text", "text": text}]
    said = {**own, what: parts if isinstance(own.get(what), list) else text}
    return [*before, said, *turns[len(before) + 1 :]]


def _said(turns: Sequence[Mapping[str, Any]]) -> Iterator[FoundCaption]:
    asked: list[str] = []
    number = 0
    for turn in turns:
        _, what = _names_in(turn) or _SHAPES[0]
        text = _words(turn[what])
        if _is_models(turn):
            yield FoundCaption(text, number, tuple(asked))
            number += 1
        else:
            asked.append(text)


def _words(content: Any) -> str:
    """The text of a turn: its words, or those of its parts."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def open_captions(
    path: str,
    *,
    columns: Sequence[str] = (),
    picture_key: str = "image",
    sidecar: str | None = None,
    is_whole: bool = False,
    has_files: bool = False,
) -> CaptionedDataset:
    """The dataset at `path` with the captions that it has. Rows that cannot be read are left out.

    Args:
        path: A dataset, also the name of one in parts; or a folder of pictures that have sidecars.
        columns: Where the captions stand; none for the first of `USUAL` that is there. Of a .json
            sidecar, the member that holds it.
        picture_key: The column with the pictures.
        sidecar: The ending of sidecars; None for the one that is there.
        is_whole: See `CaptionedDataset`.
        has_files: Whether the captions of a COCO file name their picture by its file, and not by
            its id.

    Raises:
        InputError: there is no such dataset.
        UsageError: it has no such columns, or no sidecars lie beside the pictures.
    """
    reader = _opened(path, picture_key, has_files=has_files)
    if isinstance(reader, FolderReader):
        ending = sidecar or _ending_beside(reader, path, picture_key)
        name = next(iter(columns), USUAL[0])
        beside = SidecarFiles(ending, "overwrite", name, field=name)
        reader = open_reader(path, picture_key=picture_key, skip_bad_rows=True, sidecars=beside)
        return CaptionedDataset(reader, (name,), is_whole=is_whole, sidecar=ending)
    if sidecar is not None:
        raise UsageError(f"{path_text(path)}: only a folder of pictures has sidecars")
    chosen, names = _chosen(reader, path, tuple(columns))
    _narrow(reader, (*chosen, picture_key))
    return CaptionedDataset(reader, chosen, frozenset(names), is_whole)


def _opened(path: str, picture_key: str, *, has_files: bool) -> Reader:
    if detect_format(path) == "coco":
        from dataflow.formats.coco.annotations import CocoCaptions

        return CocoCaptions(
            to_path(path), picture_key=picture_key, skip_bad_rows=True, has_files=has_files
        )
    at_path = to_path(path)
    with as_input_errors(at_path):
        parts = [] if at_path.exists() else parts_of(at_path)
    if parts:
        path = str(parts[0].with_name(parts[0].name.replace("-00000-of-", "-*-of-")))
    return open_reader(path, picture_key=picture_key, skip_bad_rows=True)


def _files_of(reader: Any) -> Sequence[Any]:
    """The readers of the dataset's files."""
    return reader.files if isinstance(reader, MultiFileReader) else [reader]


def _narrow(reader: Any, names: tuple[str, ...]) -> None:
    """Let no other columns be read than `names`, where a format can leave the others out."""
    for one in _files_of(reader):
        if isinstance(one, ColumnSelectingReader):
            one.columns = (*names, "key")  # by which img2dataset's pictures are found


def _ending_beside(pictures: FolderReader, path: str, picture_key: str) -> str:
    """The ending of most of the sidecars beside the first pictures."""
    found = dict.fromkeys(ENDINGS, 0)
    for row in first_rows(pictures):
        for ending in found:
            found[ending] += Path(SidecarFiles(ending).beside(row.fields[picture_key])).exists()
    best = max(found, key=found.__getitem__)
    if not found[best]:
        raise UsageError(
            f"{path_text(path)}: no {' or '.join(ENDINGS)} lies beside its pictures; name the "
            "dataset that has their captions"
        )
    return best


def _chosen(
    reader: Reader, path: str, asked: tuple[str, ...]
) -> tuple[tuple[str, ...], Iterable[str]]:
    """The columns with the captions, and all columns of the first rows.

    Raises:
        UsageError: none of the first rows has them.
    """
    wanted, there, names = asked or USUAL, set[str](), dict[str, None]()
    known = reader.column_names()
    if known is not None:
        names = dict.fromkeys(known)
        there = {name for name in wanted if name in names}
    else:
        for row in first_rows(reader):
            names |= dict.fromkeys(row.fields)
            there |= {name for name in wanted if name in row.fields}
            if there and (not asked or len(there) == len(asked)):
                break
    if not names:
        return asked or USUAL[:1], names  # no rows
    missing = [name for name in wanted if name not in there]
    if (asked and missing) or not there:
        raise UsageError(
            f"{path_text(path)}: no column {missing[0]!r}; name the captions' column with "
            f"--output-key ({', '.join(map(str, names))})"
        )
    return asked or tuple(name for name in USUAL if name in there)[:1], names
