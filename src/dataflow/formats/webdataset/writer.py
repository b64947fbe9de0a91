"""Writing WebDataset: the members of a sample as they were, and the added columns as new ones.

``caption`` becomes the member ``.txt``, ``json.x`` the field ``x`` of ``.json``, any other text
``.x.txt``, any other value ``.x.json``. A value that is null makes no member, so that nobody takes
a failed row's silence for a caption. A member of that column that is there is replaced where it
stands. Rows that come from elsewhere make the picture's member and a ``.json`` of their fields.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, OutputError
from dataflow.core.raw_json import RawJson
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.json_rows import exact, row_object
from dataflow.formats.base.json_values import dump_bytes, utf8_safe
from dataflow.formats.base.read_limits import MAX_MEMBER
from dataflow.formats.base.reading import open_input
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.picture_paths import named_in
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.patterns.endings import PICTURE_ENDINGS
from dataflow.formats.webdataset.reader import CAPTION, JSON_FIELD, KEY, Sample
from dataflow.formats.webdataset.tar import Member, ending_for, new_member
from dataflow.remote.path import RemotePath, is_remote, is_url, to_path

_MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}


class WebDatasetWriter(FileWriter):
    """One shard being written.

    Args:
        file: The file.
        source: Tells whether pictures on the disk are put in, and where they are.

    Attributes:
        size: Bytes written so far.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._picture_key, self._folders = source.picture_key, source.picture_folders
        self.size = 0
        self._last: str | None = None

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one sample; see `core.dataset.Writer`."""
        try:
            blocks = list(
                _from_sample(row, row.raw, added)
                if isinstance(row.raw, Sample)
                else _new(self._with_picture(row), added)
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise OutputError(f"{row.source}: cannot be written as a sample: {error}") from error
        key = row.raw.key if isinstance(row.raw, Sample) else _key(row)
        if key == self._last:
            raise OutputError(
                f"{row.source}: has the key {path_text(key)} of the row before it, and readers "
                f"would take both for one sample; give each row its own, or leave them out "
                f"(--drop {KEY})"
            )
        self._last = key
        for block in blocks:
            self._file.write(block)
            self.size += len(block)

    def _with_picture(self, row: Row) -> Row:
        """`row` with the bytes of its picture, where these are to be in the shard."""
        if self._folders is None:
            return row
        names = named_in(row.fields.get(self._picture_key))
        if len(names) != 1:
            return row  # none, or bytes already; of several, only paths are kept
        data = _picture_bytes(row, names[0], self._folders)
        if data is None:
            return row
        fields = {**exact(row), self._picture_key: {"bytes": data, "path": names[0]}}
        if KEY not in fields:
            fields[KEY] = f"{row.index:09}"
        return Row(row.index, fields, row.source)

    def close(self) -> None:
        """Write the archive's end and finish the file."""
        self._file.write(ending_for(self.size))
        super().close()


def _picture_bytes(row: Row, name: str, folders: Sequence[str]) -> bytes | None:
    """The picture's bytes as they are; None where it cannot be read, as its row then says.

    Raises:
        OutputError: it is on the web, where nothing is fetched while the output is written.
    """
    if is_remote(name) or is_url(name):
        raise OutputError(
            f"{row.source}: the picture is at a URL, and --with-pictures takes pictures of this "
            "machine; run the same command again without it: nothing is asked twice"
        )
    for folder in folders:
        path = to_path(folder)
        found = path / name if isinstance(path, RemotePath) else Path(folder, name)
        try:
            with open_input(found) as file:
                return file.read(MAX_MEMBER)
        except (InputError, OSError):
            continue
    return None


def _from_sample(row: Row, sample: Sample, added: Mapping[str, Any]) -> Iterator[bytes]:
    """The members of a sample that came as one, each as it was or with its new value."""
    inner = {name: value for name, value in added.items() if _is_inner(name)}
    outer = {name: value for name, value in added.items() if name not in inner}
    own = [member for column, member in sample.members if column is not None]
    like = own[0].info if own else None
    last = max((n for n, pair in enumerate(sample.members) if pair[0] is not None), default=-1)
    if last < 0:
        yield from _added(sample.key, outer, inner, like)
    for number, (column, member) in enumerate(sample.members):
        if column == "json" and inner:
            data = _with_fields(row, member, inner)
            inner = {}
            yield new_member(member.info.name, data, member.info)
        elif column in outer:
            value = outer.pop(column)
            if value is not None:
                data = _data(member.info.name, value)
                yield new_member(member.info.name, data, member.info)
        else:
            yield member.raw
        if number == last:
            yield from _added(sample.key, outer, inner, like)


def _added(
    key: str, outer: Mapping[str, Any], inner: Mapping[str, Any], like: Any
) -> Iterator[bytes]:
    for column, value in outer.items():
        if value is not None:
            name = f"{key}.{_ending(column, value)}"
            yield new_member(name, _data(name, value), like)
    fields = {name.removeprefix(JSON_FIELD): value for name, value in inner.items()}
    if fields:
        yield new_member(f"{key}.json", dump_bytes(fields), like)


def _with_fields(row: Row, member: Member, inner: Mapping[str, Any]) -> bytes:
    """The JSON object of `member` with new fields; every byte of its others stays."""
    fields = row.fields["json"]
    if not isinstance(fields, dict):
        raise TypeError(f"{path_text(member.info.name)} holds no JSON object to add a field to")
    added = {name.removeprefix(JSON_FIELD): value for name, value in inner.items()}
    return row_object(Row(row.index, fields, row.source, member.data.strip()), added)


def _new(row: Row, added: Mapping[str, Any]) -> Iterator[bytes]:
    """The members of a sample made of a row that came from elsewhere."""
    key = _key(row)
    texts = {CAPTION: row.fields[CAPTION]} if isinstance(row.fields.get(CAPTION), str) else {}
    own, fields = exact(row), dict[str, Any]()
    names: set[str] = set()
    for column, value in row.fields.items():
        if column == KEY or column in texts or column in added:
            continue
        picture = _picture(column, value, is_first=not names)
        if picture is None:
            fields[column] = own[column]
            continue
        ending, data = picture
        names.add(ending)
        yield new_member(f"{key}.{ending}", data)
    inner = {name: value for name, value in added.items() if _is_inner(name)}
    outer = {**texts, **{name: value for name, value in added.items() if name not in inner}}
    if isinstance(row.fields.get("json"), dict) and [*fields] == ["json"]:
        fields = _object(row, fields["json"])  # a sample that went through another format
    fields |= {name.removeprefix(JSON_FIELD): value for name, value in inner.items()}
    if fields:
        yield new_member(f"{key}.json", dump_bytes(fields))
    yield from _added(key, outer, {}, None)


def _object(row: Row, found: Any) -> dict[str, Any]:
    """The members of an object that may be its own text."""
    if not isinstance(found, RawJson):
        return {**found}
    return {**exact(Row(row.index, found.value, row.source, found.text.encode("utf-8")))}


def _key(row: Row) -> str:
    """The row's key, or its number as img2dataset writes it."""
    given = row.fields.get(KEY)
    if given is None:
        return f"{row.index:09}"
    key = str(given)
    if not key or "." in os.path.basename(key) or "\0" in key:  # noqa: PTH119 (it is no path)
        raise ValueError(f"{KEY} {path_text(key)!r} can be no key: it is empty or holds a dot")
    return key


def _picture(column: str, value: Any, *, is_first: bool) -> tuple[str, bytes] | None:
    """The ending and contents of the member for a picture or other bytes; else None."""
    path = None
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        value, path = value["bytes"], value.get("path")
    if not isinstance(value, bytes):
        return None
    if f".{column.lower()}" in PICTURE_ENDINGS:
        return column.lower(), value
    ending = os.path.splitext(str(path or ""))[1].lower()  # noqa: PTH122 (names may be odd)
    if ending not in PICTURE_ENDINGS:
        known = (kind for magic, kind in _MAGIC.items() if value.startswith(magic))
        ending = "." + next(known, "bin")
    plain = is_first and ending != ".bin"
    return ending[1:] if plain else f"{column}{ending}", value


def _is_inner(column: str) -> bool:
    return column.startswith(JSON_FIELD) and column != JSON_FIELD


def _ending(column: str, value: Any) -> str:
    if column == CAPTION and isinstance(value, str):
        return "txt"
    return f"{column}.txt" if isinstance(value, str) else f"{column}.json"


def _data(name: str, value: Any) -> bytes:
    """The contents of the member called `name`; text for any but ``.json``."""
    is_text = isinstance(value, str) and not name.lower().endswith(".json")
    return utf8_safe(value).encode("utf-8") if is_text else dump_bytes(value)
