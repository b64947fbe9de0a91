"""Pickle: a pandas DataFrame or a list of dicts in, a list of dicts out.

Reading a pickle runs the code inside it: read only files that you made yourself. That is why this
format is never guessed from a file's ending; it must be asked for by name. The whole dataset is
held in memory.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.errors import InputError, MissingPackageError, OutputError
from dataflow.core.raw_json import plain
from dataflow.core.row import Row
from dataflow.formats.base.reading import FileReader, open_input
from dataflow.formats.base.writing import AtomicFile, FileWriter
from dataflow.formats.columns.writer_context import WriterContext

_UNREADABLE = (
    *(pickle.UnpicklingError, EOFError, OSError, MemoryError),
    *(ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError),
)


class PickleReader(FileReader):
    """The rows of a pickled DataFrame or list of dicts."""

    _data: Any = None

    def rows(self) -> Iterator[Row]:
        """The rows in order.

        Raises:
            InputError: the file is no pickle, or holds something else.
            MissingPackageError: the pickle needs a package that is not installed.
        """
        for index, fields in enumerate(self._records()):
            where = f"{self.name}, row {index}"
            if not isinstance(fields, dict):
                raise InputError(f"{where}: a row must be a dict, this is {type(fields).__name__}")
            yield Row(index=index, fields=fields, source=where)

    def count(self) -> int:
        """The number of rows.

        Raises:
            InputError: as for `rows`.
            MissingPackageError: as for `rows`.
        """
        return len(self._load())

    def column_names(self) -> list[str] | None:
        """The columns of a DataFrame; None for a list, whose dicts may differ.

        Raises:
            InputError: as for `rows`.
            MissingPackageError: as for `rows`.
        """
        data = self._load()
        return None if isinstance(data, list) else [str(name) for name in data.columns]

    def _records(self) -> Iterator[Any]:
        data, names = self._load(), self.column_names()
        if names is None:
            yield from data
            return
        for values in data.itertuples(index=False, name=None):
            yield dict(zip(names, values, strict=True))

    def _load(self) -> Any:
        if self._data is None:
            with open_input(self.path) as file:
                try:
                    data = pickle.load(file)  # noqa: S301 (the user asked for it by name)
                except ModuleNotFoundError as error:
                    raise _missing(self.name, error) from error
                except _UNREADABLE as error:
                    raise InputError(f"{self.name}: no readable pickle ({error})") from error
            if not isinstance(data, list) and not hasattr(data, "itertuples"):
                raise InputError(
                    f"{self.name}: the pickle holds a {type(data).__name__}; expected a DataFrame "
                    "or a list of dicts"
                )
            self._data = data
        return self._data


class PickleWriter(FileWriter):
    """Writes a list of dicts when it is closed; until then the rows are held in memory.

    Args:
        file: The file.
        source: Not needed.
    """

    def __init__(self, file: AtomicFile, source: WriterContext) -> None:
        super().__init__(file)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append `row` with `added` at its end."""
        values = {name: plain(value) for name, value in added.items()}
        self._rows.append({**row.fields, **values})

    def close(self) -> None:
        """Write the rows and finish the file.

        Raises:
            OutputError: a value cannot be pickled, or the disk is full or fails.
        """
        try:
            data = pickle.dumps(self._rows, protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise OutputError(f"{self._blamed()}: a value cannot be pickled: {error}") from error
        self._file.write(data)
        super().close()

    def _blamed(self) -> str:
        """The first row that cannot be pickled."""
        bad = (number for number, row in enumerate(self._rows) if not _can_be_pickled(row))
        return f"row {next(bad, len(self._rows))}"


def _can_be_pickled(row: dict[str, Any]) -> bool:
    try:
        pickle.dumps(row)
    except Exception:  # noqa: BLE001 - whatever it is, it is this row's
        return False
    return True


def _missing(name: str, error: ModuleNotFoundError) -> MissingPackageError:
    package = (error.name or "").partition(".")[0]
    cure = "'dataflow-caption[dataframe]'" if package == "pandas" else package
    return MissingPackageError(f"{name}: the pickle needs {package}: pip install {cure}")
