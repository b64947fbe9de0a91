"""Datasets of the Hugging Face hub, read as a stream: ``hf:name[:config][:split]``.

Nothing is kept on the disk: the rows are fetched as they are read, each time they are read. They
keep their Arrow types and features; pictures that stand in files of their own come as bytes too.

The package datasets finds the files and their features, and reads all formats but Parquet. That is
read here: its scanner holds a whole file, and has threads that abort a process which ends before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, MissingPackageError, StopRunError, UsageError
from dataflow.formats.arrow.batches import ArrowBatchReader, first_line
from dataflow.formats.arrow.parquet_file import ParquetReader
from dataflow.remote.path import to_path

_TRAIN = "train"  # the split that is read where none is named, as DataFlow does
_BATCH_ROWS = 64  # rows in flight keep their whole batch alive


class HuggingFaceReader(ArrowBatchReader):
    """The rows of one split of a dataset on the hub.

    The address of the hub and the token are those of the hub's own library (``HF_ENDPOINT``,
    ``HF_TOKEN``, ``hf auth login``).

    Args:
        path: ``hf:name``, ``hf:name:split``, ``hf:name:config`` or ``hf:name:config:split``.
        picture_key: Not needed: the rows have their own column of pictures.
        skip_bad_rows: Nothing can be skipped: what cannot be fetched is an error.

    Raises:
        MissingPackageError: the package datasets is not installed.
        UsageError: there is no such dataset, it has several configs to choose from, or several
            splits of which none is called ``train``.
    """

    def __init__(
        self, path: Path, *, picture_key: str = "image", skip_bad_rows: bool = False
    ) -> None:
        super().__init__(path)
        hub, _, given = str(path).partition(":")
        self._repo, *self._choice = given.split(":")
        self._other_splits: list[str] = []
        if not self._repo or len(self._choice) > 2:
            raise UsageError(
                f"{self.name}: give {hub}:name, {hub}:name:split or {hub}:name:config:split"
            )
        _ = self._stream  # what is wrong with the name is told at once

    def count(self) -> int | None:
        """The number of rows, where the hub tells it, or the ends of Parquet files.

        Raises:
            InputError: a file cannot be had.
        """
        split = (self._stream.info.splits or {}).get(str(self._stream.split))
        if split is not None and split.num_examples:
            return int(split.num_examples)
        files = self._parquet()
        return sum(file.count() for file in files) if files else None

    def schema(self) -> Any:
        """The rows' `pyarrow.Schema`, with their features in its metadata."""
        return self._stream.features.arrow_schema

    def notices(self) -> list[str]:
        """That the split ``train`` is read though there are others; see `NoticeReader`."""
        if not self._other_splits:
            return []
        others = ", ".join(self._other_splits)
        return [f"{self.name}: the split {_TRAIN!r} is read; name another as :SPLIT ({others})"]

    def folder(self) -> str:
        """The working folder, for rows that name pictures by a path."""
        return "."

    @cached_property
    def _stream(self) -> Any:
        try:
            import datasets
        except ImportError:
            raise MissingPackageError(
                "datasets of the hub need the package datasets: pip install 'dataflow-caption[hf]'"
            ) from None
        try:
            location = self.location(self._repo)
            config, split = self._config_and_split(datasets, location)
            self._builder = datasets.load_dataset_builder(location, config)
            found = self._builder.as_streaming_dataset(split=split)
            if split is None:
                found = self._only_split(found)
            if found.features is None:
                found = found._resolve_features()
        except StopRunError:
            raise
        except Exception as error:
            raise self._not_had(error) from error
        return found

    def location(self, repo: str) -> str:
        """Where the dataset called `repo` is loaded from."""
        return repo

    def _config_and_split(self, datasets: Any, location: str) -> tuple[str | None, str | None]:
        if len(self._choice) != 1:
            return (self._choice[0], self._choice[1]) if self._choice else (None, None)
        configs = datasets.get_dataset_config_names(location)
        one = self._choice[0]
        return (one, None) if one in configs else (None, one)

    def _only_split(self, found: Any) -> Any:
        if len(found) == 1:
            return next(iter(found.values()))
        if _TRAIN not in found:
            raise UsageError(
                f"{self.name}: has several splits ({', '.join(found)}); add one, such as "
                f"{self.name}:{next(iter(found))}"
            )
        self._other_splits = [name for name in found if name != _TRAIN]
        return found[_TRAIN]

    def _not_had(self, error: Exception) -> UsageError:
        return UsageError(
            f"{self.name}: cannot be had from the hub ({first_line(error)}); check the name, the "
            "network, and for a private dataset the token"
        )

    def _batches(self) -> Iterator[Any]:
        from datasets.table import embed_table_storage, table_cast

        done = 0
        tables = self._tables()
        while True:
            try:
                table = next(tables, None)
                if table is None:
                    return
                whole = embed_table_storage(table_cast(table.combine_chunks(), self.schema()))
                batches = whole.cast(self.schema()).to_batches()
            except StopRunError:
                raise
            except Exception as error:
                raise InputError(
                    f"{self.name}, row {done} or soon after: cannot be fetched "
                    f"({first_line(error)}); run the same command again to go on"
                ) from error
            for batch in batches:
                yield batch
                done += batch.num_rows

    def _tables(self) -> Iterator[Any]:
        files = self._parquet()
        if files:
            for file in files:
                yield from file.tables()
            return
        # decoded pictures would be encoded anew, and no longer be the same
        raw = self._stream.decode(False).with_format("arrow")
        yield from raw.iter(batch_size=_BATCH_ROWS)

    def _parquet(self) -> list[ParquetReader]:
        """The readers of the split's files, where these are Parquet and read whole; else none."""
        config = self._builder.config
        is_part = getattr(config, "columns", None) or getattr(config, "filters", None)
        if type(config).__name__ != "ParquetConfig" or is_part:
            return []
        files = config.data_files.get(str(self._stream.split), ())
        return [ParquetReader(to_path(str(file))) for file in files]
