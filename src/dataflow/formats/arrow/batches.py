"""Rows that stand in Arrow batches (https://arrow.apache.org): those of Parquet and Arrow files.

A row is a place in a batch; a value becomes a Python value only when it is asked for, so that the
pictures of rows that are done already cost nothing. A row keeps its whole batch alive.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import InputError
from dataflow.core.row import Row
from dataflow.formats.base.reading import FileReader


class ArrowFields(Mapping[str, Any]):
    """The values of one row, converted when asked for.

    Bytes stay bytes, structs become dicts, lists lists, timestamps `datetime`; see
    `pyarrow.Scalar.as_py`.
    """

    __slots__ = ("_at", "_batch", "_places")

    def __init__(self, batch: Any, at: int, places: Mapping[str, int]) -> None:
        self._batch = batch
        self._at = at
        self._places = places

    def __getitem__(self, name: str) -> Any:
        return _value(self._batch.column(self._places[name])[self._at])

    def __contains__(self, name: object) -> bool:
        return name in self._places  # without making the value

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True)
class ArrowRow:
    """A row in its exact form: position `at` in the `pyarrow.RecordBatch` `batch`.

    Attributes:
        batch: The batch.
        at: The position.
        narrowed: What `only` made of this batch, for the batch's other rows.
    """

    batch: Any
    at: int
    narrowed: dict[tuple[str, ...], Any]

    def only(self, names: list[str]) -> tuple[Mapping[str, Any], ArrowRow]:
        """The row without other columns than `names`; see `core.row.RawRow`."""
        key = tuple(names)
        if key not in self.narrowed:
            self.narrowed[key] = (self.batch.select(names), {}, places_of(names))
        batch, narrowed, places = self.narrowed[key]
        return ArrowFields(batch, self.at, places), ArrowRow(batch, self.at, narrowed)


def places_of(names: list[str]) -> dict[str, int]:
    """Each name's position among the columns."""
    return {name: number for number, name in enumerate(names)}


class ArrowBatchReader(FileReader):
    """The part of a reader that is the same for every file of Arrow batches."""

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: the file is not in its format, cut short or damaged; the message names the
                row where it is known.
        """
        index = 0
        for batch in self._batches():
            places = places_of(batch.schema.names)
            narrowed: dict[tuple[str, ...], Any] = {}
            for at in range(batch.num_rows):
                yield Row(
                    index=index,
                    fields=ArrowFields(batch, at, places),
                    source=f"{self.name}, row {index}",
                    raw=ArrowRow(batch, at, narrowed),
                )
                index += 1

    def column_names(self) -> list[str]:
        """The names of the top-level columns.

        Raises:
            InputError: the file is not in its format or cut short.
        """
        return list(self.schema().names)

    @abstractmethod
    def schema(self) -> Any:
        """The file's `pyarrow.Schema`, with its metadata.

        Raises:
            InputError: the file is not in its format or cut short, or names a column twice.
        """

    @abstractmethod
    def _batches(self) -> Iterator[Any]:
        """The `pyarrow.RecordBatch`es, each validated."""

    def _check_names(self, fields: Any) -> None:
        """Make sure that each of the fields, and each in them, has a name of its own.

        Raises:
            InputError: two have the same.
            UnicodeDecodeError: a name is not UTF-8.
        """
        names = [field.name for field in fields]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"{self.name}: two columns are named {twice[0]!r}; rename one")
        for field in fields:
            kind = field.type
            self._check_names([kind.field(number) for number in range(kind.num_fields)])


def _value(scalar: Any) -> Any:
    """The Python value of a `pyarrow.Scalar`."""
    try:
        return scalar.as_py()
    except ValueError:  # nanoseconds, which pandas' times have, and Python's have not
        import pyarrow as pa

        kind = scalar.type
        if pa.types.is_struct(kind):
            return {name: _value(item) for name, item in scalar.items()}
        if pa.types.is_map(kind):
            return [tuple(map(_value, entry.values())) for entry in scalar.values]
        if pa.types.is_nested(kind):
            return [_value(item) for item in scalar]
        text: str = scalar.cast(pa.string()).as_py()
        return text.replace(" ", "T", 1).replace("Z", "+00:00")  # as pandas writes them


def whole_batches(
    batches: Iterator[Any], done: int, damaged: Callable[[int, Exception], InputError]
) -> Iterator[Any]:
    """Each of `batches`, once it is known to be whole: its lengths, and that texts are UTF-8.

    Args:
        batches: Record batches, read as they are asked for.
        done: Rows before them.
        damaged: Makes the error for damage after so many rows.

    Raises:
        InputError: what `damaged` makes.
    """
    import pyarrow as pa

    while True:
        try:
            batch = next(batches, None)
            if batch is not None:
                batch.validate(full=True)
        except (OSError, MemoryError, pa.ArrowException) as error:
            raise damaged(done, error) from error
        if batch is None:
            return
        yield batch
        done += batch.num_rows


def first_line(error: BaseException) -> str:
    """What an Arrow error says, without the C++ lines that may follow."""
    return str(error).strip().split("\n", 1)[0]
