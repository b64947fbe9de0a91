"""WebDataset (https://github.com/webdataset/webdataset): tar archives whose members make samples.

Members that follow each other and share a name up to the first dot of its last part are one sample,
a row: ``0001.jpg``, ``0001.txt`` and ``0001.json`` have the key ``0001``. Names with dots of their
own, such as ``2024.05.17.png``, need the last dot instead, which a person must choose: by the
specification they are one sample. A column is a member:

* ``__key__`` is the key;
* the picture column (``image`` unless named otherwise) is the first picture; where the column that
  was asked for ends like a picture (``jpg``, ``seg.png``), each picture has its own ending's name;
* ``caption`` is the member ``.txt``, as img2dataset writes it and open_clip reads it;
* ``x`` is ``.x.txt``, or ``.x.json`` parsed, where both are not there;
* every other member goes by its ending. ``json.x`` is the field ``x`` of the member ``.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import InputError, UsageError
from dataflow.core.protocols.dataset import Skipped
from dataflow.core.raw_json import RawJson
from dataflow.core.row import Row
from dataflow.core.text import path_text
from dataflow.formats.base.compression import DamagedError, compression_of, decompressed
from dataflow.formats.base.reading import not_utf8, open_input, unreadable, wrong_at
from dataflow.formats.patterns.brace_patterns import files_for, natural
from dataflow.formats.patterns.endings import PICTURE_ENDINGS, is_shard
from dataflow.formats.webdataset.tar import Member, members_of
from dataflow.remote.path import AnyPath

KEY = "__key__"
"""The column with a sample's key."""

CAPTION = "caption"
"""The column that is the member ``.txt``."""

JSON_FIELD = "json."
"""What the name of a column that is a field of the member ``.json`` begins with."""

FIRST_DOT, LAST_DOT = "first-dot", "last-dot"
"""Where a sample's key may end in a member's name."""

_NAMES = {
    FIRST_DOT: re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL),
    LAST_DOT: re.compile(r"((?:.*/)?[^/]*[^/.][^/]*)\.([^./]*)", re.DOTALL),
}
_DOTTED_NUMBER = re.compile(r"(?:.*\.)?[^.]*\d[^.]*\.[^.]+", re.DOTALL)
_MOST_KEYS = 1 << 20  # of one shard that are remembered, to notice members that do not follow
SCATTERED = "samples whose members do not follow each other: a row of its own for each part"
"""Why a sample is counted in `Skipped.passed_over` though it is a row."""

NAMELESS = "members of a tar whose names are not KEY.ENDING"
"""Why a file in a shard is in no sample."""

_META = re.compile(r"(?:.*/)?__[^/]*__(?:/.*)?", re.DOTALL)
_BYTES = frozenset(
    (
        *("npy", "npz", "pt", "pth", "pkl", "pickle", "pyd", "ten", "tb", "bin", "safetensors"),
        *("mp3", "wav", "flac", "ogg", "m4a", "mp4", "avi", "mov", "webm", "mkv", "gz", "zip"),
    )
)


class SampleFields(dict[str, Any]):
    """A sample's values by column; the fields of its ``.json`` are there as ``json.x``, too."""

    def __missing__(self, name: str) -> Any:
        return self._inner()[name.removeprefix(JSON_FIELD)]

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        is_inner = isinstance(name, str) and name.startswith(JSON_FIELD)
        return is_inner and str(name).removeprefix(JSON_FIELD) in self._inner()

    def get(self, name: str, default: Any = None) -> Any:
        """The value of the column, or `default`."""
        return self[name] if name in self else default  # noqa: SIM401 (that would be this)

    def _inner(self) -> Mapping[str, Any]:
        found = super().get("json")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample in its exact form.

    Attributes:
        shard: Its shard's number, from 0.
        key: Its key.
        fields: Its values.
        members: Its members and those that belong to no sample and stand next to it, each with
            its column; None for the latter.
    """

    shard: int
    key: str
    fields: Mapping[str, Any]
    members: tuple[tuple[str | None, Member], ...]

    def texts(self) -> dict[str, RawJson]:
        """The values that came as JSON, in their own text; see `json_text.exact`."""
        return {
            column: RawJson.of(member.data.decode("utf-8"))
            for column, member in self.members
            if column is not None and member.info.name.lower().endswith(".json")
        }

    def only(self, names: list[str]) -> tuple[Mapping[str, Any], Sample]:
        """The sample without other columns than `names`; see `core.row.RawRow`."""
        fields = SampleFields({name: self.fields[name] for name in names})
        members = tuple(pair for pair in self.members if pair[0] is None or pair[0] in names)
        return fields, Sample(self.shard, self.key, fields, members)


class WebDatasetReader:
    """The samples of one shard, or of many in their order.

    Args:
        path: A shard; a folder of shards, in their natural order; or a pattern, ``{000..123}.tar``.
        picture_key: The column that is the first picture.
        skip_bad_rows: Leave out each sample that cannot be read, and the rest of a shard that is
            damaged, and note it in `skipped`; otherwise it is an error.
        wds_key: Where a sample's key ends in a member's name, `FIRST_DOT` or `LAST_DOT`; None for
            the first, and an error where that throws pictures together.

    Attributes:
        passed: Of so many shards the latest call of `rows` has given every sample so far.

    Raises:
        InputError: there are no shards.
        UsageError: `wds_key` is unknown.
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        picture_key: str = "image",
        skip_bad_rows: bool = False,
        wds_key: str | None = None,
    ) -> None:
        if wds_key not in (None, FIRST_DOT, LAST_DOT):
            raise UsageError(f"--wds-key is {FIRST_DOT} or {LAST_DOT}, not {wds_key!r}")
        self._wds_key = wds_key
        self.skipped = Skipped()
        self.passed = 0
        self.shards = shards_in(path) if path.is_dir() else files_for(path)
        self._path = path
        self._picture_key = picture_key
        self._skip_bad_rows = skip_bad_rows

    def rows(self) -> Iterator[Row]:
        """The samples in order.

        Raises:
            InputError: a shard is no tar archive, cut short or damaged, or a sample cannot be read
                and is not to be skipped; the message names the shard and the byte or the sample.
            UsageError: names with dots make one sample of several pictures, and `wds_key` says
                nothing.
        """
        self.skipped = Skipped()
        self.passed = 0
        on_bad_row = self.skipped.add if self._skip_bad_rows else _raised
        index = 0
        for shard in range(len(self.shards)):
            for row in self.rows_of(shard, index, on_bad_row):
                yield row
                index = row.index + 1
            self.passed = shard + 1
        if not index and (count := self.skipped.passed_over.get(NAMELESS, 0)):
            name = path_text(self.shards[0])
            raise InputError(
                f"{name}: holds no sample, but {count:,} files whose names are not KEY.ENDING, "
                "such as 0001.jpg; rename them, or unpack them and caption the folder"
            )

    def rows_of(
        self, shard: int, index: int = 0, on_bad_row: Callable[[InputError], None] | None = None
    ) -> Iterator[Row]:
        """The samples of one shard.

        Args:
            shard: Its number, from 0.
            index: That of its first row.
            on_bad_row: What each bad sample's error is handed to; without it, such are left out.
        """
        name = path_text(self.shards[shard])
        on_bad_row = on_bad_row or Skipped().add
        keys: set[int] = set()
        try:
            for group in _groups(self._members(shard), self._wds_key or FIRST_DOT):
                self._note_key(keys, group.key)
                try:
                    row = self._row(shard, index, name, group)
                except InputError as error:
                    on_bad_row(error)
                    continue
                if row is not None:
                    yield row
                    index += 1
        except InputError as error:
            on_bad_row(error)

    def _note_key(self, keys: set[int], key: str) -> None:
        """Count a sample whose key another one of its shard has: parts that do not follow."""
        number = hash(key)
        if key and number in keys:
            self.skipped.pass_over(SCATTERED)
        elif len(keys) < _MOST_KEYS:
            keys.add(number)

    def count(self) -> int | None:
        """None: counting samples would mean reading the shards."""
        return None

    def column_names(self) -> list[str] | None:
        """None: only the samples know their members."""
        return None

    def folder(self) -> str:
        """The folder that holds the shards."""
        return str(self.shards[0].parent)

    def _members(self, shard: int) -> Iterator[Member]:
        path = self.shards[shard]
        with open_input(path) as file:
            compression = compression_of(path)
            try:
                stream = decompressed(file, compression) if compression else file
            except DamagedError as error:
                raise unreadable(path, error) from error
            yield from members_of(stream, path_text(path))

    def _row(self, shard: int, index: int, name: str, group: _Group) -> Row | None:
        for ending, member in zip(group.endings, group.members, strict=True):
            if ending is None and member.info.isreg() and not _META.fullmatch(member.info.name):
                self.skipped.pass_over(NAMELESS)
        if not group.key:
            return None
        where = f"{name}, sample {path_text(group.key)}"
        self._check_dots(group, where)
        columns = self._columns(group, where)
        fields = SampleFields({KEY: group.key})
        for column, ending, member in zip(columns, group.endings, group.members, strict=True):
            if column is not None and ending is not None:
                fields[column] = _value(member, _last(ending), where)
        members = tuple(zip(columns, group.members, strict=True))
        return Row(index, fields, where, Sample(shard, group.key, fields, members))

    def _check_dots(self, group: _Group, where: str) -> None:
        """Stop where several pictures with dotted numbers in their names are one sample."""
        if self._wds_key is not None:
            return
        names = [
            member.info.name
            for ending, member in zip(group.endings, group.members, strict=True)
            if ending and _last(ending) in PICTURE_ENDINGS and _DOTTED_NUMBER.fullmatch(ending)
        ]
        if len(names) > 1:
            raise UsageError(
                f"{where}: {len(names)} pictures, such as {path_text(names[0])} and "
                f"{path_text(names[1])}, are one sample, because a WebDataset's key ends at the "
                f"first dot of the file's name; if each is a sample, give --wds-key {LAST_DOT}, "
                f"if they belong together, --wds-key {FIRST_DOT}"
            )

    def _columns(self, group: _Group, where: str) -> list[str | None]:
        """Each member's column; None for what belongs to no sample."""
        endings = group.endings
        own_names = f".{self._picture_key.rpartition('.')[2].lower()}" in PICTURE_ENDINGS
        picture = None if own_names or self._picture_key in endings else _first_picture(endings)
        columns: list[str | None] = []
        for number, ending in enumerate(endings):
            column = self._picture_key if number == picture else _column(ending)
            if column in columns or column == KEY:
                column = ending  # two members would share a column: this one goes by its ending
            if column is not None and (column in columns or column == KEY):
                raise wrong_at(where, f"two members are called .{path_text(column)}; rename one")
            columns.append(column)
        return columns


def shards_in(folder: AnyPath) -> list[AnyPath]:
    """The shards that lie in `folder`, in their natural order.

    Raises:
        InputError: there are none.
    """
    try:
        shards: list[Any] = [path for path in folder.iterdir() if is_shard(path.name)]
    except OSError as error:
        raise unreadable(folder, error) from error
    if not shards:
        raise InputError(f"{path_text(folder)}: no .tar or .tar.gz lies in this folder")
    return sorted(shards, key=natural)


def parted(name: str, rule: str = FIRST_DOT) -> tuple[str, str]:
    """The key and the ending of a member's name; empty where it can be of no sample.

    Args:
        name: The name.
        rule: `FIRST_DOT` or `LAST_DOT`.
    """
    found = _NAMES[rule].fullmatch(name)
    return (found[1], found[2].lower()) if found else ("", "")


@dataclass(slots=True)
class _Group:
    """Members of one sample, each with its ending; None for what belongs to no sample."""

    key: str
    members: list[Member]
    endings: list[str | None]


def _groups(members: Iterator[Member], rule: str) -> Iterator[_Group]:
    """Members by their key; what belongs to no sample goes with the sample before it, or after."""
    group = _Group("", [], [])
    for member in members:
        key, ending = _part_of(member, rule)
        if key and group.key and key != group.key:
            yield group
            group = _Group("", [], [])
        group.key = group.key or key
        group.members.append(member)
        group.endings.append(ending if key else None)
    yield group


def _part_of(member: Member, rule: str) -> tuple[str, str]:
    """Key and ending; empty for folders, hidden files and ``__meta__``, which are of no sample."""
    name = member.info.name
    if not member.info.isreg() or _META.fullmatch(name):
        return "", ""
    key, ending = parted(name, rule)
    return (key, ending) if ending else ("", "")


def _first_picture(endings: list[str | None]) -> int | None:
    for number, ending in enumerate(endings):
        if ending is not None and _last(ending) in PICTURE_ENDINGS:
            return number
    return None


def _column(ending: str | None) -> str | None:
    if ending == "txt":
        return CAPTION
    if ending is None or ending == "json":
        return ending
    return ending.removesuffix(".txt").removesuffix(".json") or ending


def _last(ending: str) -> str:
    return "." + ending.rpartition(".")[2]


def _value(member: Member, last: str, where: str) -> Any:
    data = member.data
    if last in PICTURE_ENDINGS:
        return {"bytes": data, "path": member.info.name}
    if last == ".json":
        return _parsed(data, f"{where}, {path_text(member.info.name)}")
    if last[1:] in _BYTES:
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if last == ".txt":
            raise not_utf8(f"{where}, {path_text(member.info.name)}") from None
        return data


def _parsed(data: bytes, where: str) -> Any:
    from dataflow.formats.base.json_rows import parse

    try:
        return parse(data.strip())
    except UnicodeDecodeError as error:
        raise not_utf8(where) from error
    except json.JSONDecodeError as error:
        raise wrong_at(where, f"invalid JSON ({error.msg})") from error


def _raised(error: InputError) -> None:
    raise error
