"""Captions of the same pictures from several datasets, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataflow.app.evaluation.opening import (
    EvaluatedDataset,
    PictureFiles,
    file_name,
    open_evaluated,
    picture_name,
    text_of,
)
from dataflow.core.errors import InputError, UsageError
from dataflow.core.picture import ImageRef
from dataflow.core.row import Row

BY_FILE = "by the pictures' files"
BY_NAME = "by the names of the pictures' files"
_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class JoinedRow:
    """The captions of one picture.

    Attributes:
        name: By what the picture is known.
        picture: The picture as a row can name it, a path or a URL; empty where its bytes stand in
            the dataset, see `keep_pictures`.
        texts: A caption of each dataset, in their order; empty where it has none.
        facet: The group that the picture belongs to; empty where there are no groups.
    """

    name: str
    picture: str
    texts: tuple[str, ...]
    facet: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """Datasets joined.

    Attributes:
        rows: The pictures that all of them have, in the order of the first.
        by: How they were joined, in words.
        missing: Dataset → pictures that another has and it lacks.
        nameless: Dataset → rows that name no picture and are left out.
        repeated: Dataset → rows whose picture an earlier row has and that are left out.
    """

    rows: Sequence[JoinedRow]
    by: str
    missing: Mapping[str, int]
    nameless: Mapping[str, int]
    repeated: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A caption of one dataset, with its picture."""

    picture: str
    file_name: str
    text: str
    facet: str


@dataclass(slots=True)
class _Table:
    """One dataset by the names of its pictures."""

    rows: dict[str, _Cell] = field(default_factory=dict)
    nameless: int = 0
    repeated: int = 0

    def by_file_name(self) -> _Table | None:
        """The same by the names of the files; None where one lacks its name or two share one."""
        rows = {cell.file_name: cell for cell in self.rows.values()}
        if "" in rows or len(rows) < len(self.rows):
            return None
        return _Table(rows, self.nameless, self.repeated)


def join_captions(
    paths: Sequence[str],
    *,
    output_key: str | None,
    image_key: str,
    column: str | None,
    facet: str | None,
) -> Join:
    """The captions of each picture that all datasets have.

    Args:
        paths: The datasets.
        output_key: The column with the captions; None for a usual one.
        image_key: The column with the pictures.
        column: By what they are joined; None for the pictures' files.
        facet: A column of the first dataset that says to which group a picture belongs.

    Raises:
        UsageError: A dataset has no captions, or no picture is in all of them.
    """
    tables = []
    for number, path in enumerate(paths):
        own_facet = facet if number == 0 else None
        opened = open_evaluated(path, output_key=output_key, image_key=image_key)
        tables.append(_table(path, opened, column, own_facet))
    by = BY_FILE if column is None else f"by the column {column!r}"
    if column is None and not _common(tables):
        renamed = [table.by_file_name() for table in tables]
        if all(renamed) and _common(found := [one for one in renamed if one is not None]):
            tables, by = found, BY_NAME
    if not _common(tables):
        raise UsageError(_nothing_common(paths, tables, by))
    return _joined(paths, tables, by)


def keep_pictures(
    rows: Sequence[JoinedRow],
    path: str,
    *,
    image_key: str,
    output_key: str | None,
    column: str | None,
    by: str,
    pictures: PictureFiles,
) -> Sequence[JoinedRow]:
    """`rows`, each with a picture that a row can name.

    Args:
        rows: Joined rows.
        path: The first dataset, in which their pictures stand.
        image_key: As for `join_captions`.
        output_key: Likewise.
        column: Likewise.
        by: How the datasets were joined, `Join.by`.
        pictures: Where pictures are kept that have no file and no URL.

    Raises:
        OutputError: A picture cannot be kept.
    """
    wanted = {row.name for row in rows if not row.picture}
    if not wanted:
        return rows
    opened = open_evaluated(path, output_key=output_key, image_key=image_key)
    found: dict[str, str] = {}
    for row in opened.data.reader.rows():
        name, ref = _name_of(opened, row, column)
        if ref is not None and by == BY_NAME:
            name = file_name(ref)
        if ref is not None and name in wanted and name not in found:
            found[name] = pictures.named(ref)
    return [replace(row, picture=row.picture or found[row.name]) for row in rows]


def _common(tables: Sequence[_Table]) -> set[str]:
    return set.intersection(*(set(table.rows) for table in tables))


def _joined(paths: Sequence[str], tables: Sequence[_Table], by: str) -> Join:
    everywhere = _common(tables)
    anywhere = set().union(*(table.rows for table in tables))
    first = tables[0].rows
    return Join(
        rows=[
            JoinedRow(
                name, cell.picture, tuple(table.rows[name].text for table in tables), cell.facet
            )
            for name, cell in first.items()
            if name in everywhere
        ],
        by=by,
        missing={
            path: len(anywhere) - len(table.rows) for path, table in zip(paths, tables, strict=True)
        },
        nameless={path: table.nameless for path, table in zip(paths, tables, strict=True)},
        repeated={path: table.repeated for path, table in zip(paths, tables, strict=True)},
    )


def _table(
    path: str,
    opened: EvaluatedDataset,
    column: str | None,
    facet: str | None,
) -> _Table:
    table = _Table()
    try:
        for row in opened.data.reader.rows():
            name, ref = _name_of(opened, row, column)
            if ref is None or not name:
                table.nameless += 1
            elif name in table.rows:
                table.repeated += 1
            else:
                picture = "" if ref.kind == "bytes" else picture_name(ref)
                group = text_of(row.fields, facet)
                table.rows[name] = _Cell(picture, file_name(ref), opened.caption(row), group)
    except InputError as error:
        raise UsageError(f"{path}: {error.message}") from error
    return table


def _name_of(opened: EvaluatedDataset, row: Row, column: str | None) -> tuple[str, ImageRef | None]:
    """By what a row is joined, and its picture; None where it has none or several."""
    refs = opened.references(row)
    ref = refs[0] if len(refs) == 1 else None
    if column is not None:
        return text_of(row.fields, column), ref
    return ("" if ref is None else picture_name(ref)), ref


def _nothing_common(paths: Sequence[str], tables: Sequence[_Table], by: str) -> str:
    shown = [
        f"{Path(path).name} has {next(iter(table.rows), 'no row that names one picture')}"
        for path, table in zip(paths, tables, strict=True)
    ]
    return (
        f"no picture is in all datasets, joined {by}: {'; '.join(shown[:_MOST_SHOWN])}; name a "
        "column that they share with --join"
    )
