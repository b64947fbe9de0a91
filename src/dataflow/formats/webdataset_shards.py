"""A folder of WebDataset shards being written: each has the name of the shard it comes from.

A shard is written beside its place and moved there when it is whole, one after the other. What went
into it is noted in ``OUTPUT.shards``: when the same run is repeated, a shard that is finished is
not written again. Its captions are held meanwhile, in case that they turn out to be others.

Format of the notes: JSON Lines, ``{"shard": name, "size": bytes, "of": digest}``; the latest
counts.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dataflow.core.errors import OutputError, UsageError
from dataflow.core.row import Row
from dataflow.formats.compression import compression_of
from dataflow.formats.input_file import shown
from dataflow.formats.output_file import OutputFile
from dataflow.formats.plain_value import dump_bytes
from dataflow.formats.source import Source
from dataflow.formats.webdataset_file import Sample, WebDatasetReader
from dataflow.formats.webdataset_output import WebDatasetWriter


class ShardsWriter:
    """Writes each shard of the source anew into a folder.

    Args:
        part: Not needed: each shard is written beside its place.
        target: The folder; it is made.
        source: Where the rows come from, a WebDataset.

    Raises:
        UsageError: the source is no WebDataset, two of its shards have one name, or the folder is
            its own.
        OutputError: the folder cannot be made.
    """

    def __init__(self, part: Path, target: Path, source: Source) -> None:
        if not isinstance(source.reader, WebDatasetReader):
            raise UsageError(
                f"{shown(target)}: only a WebDataset is written as a folder of shards; write "
                f"{shown(target)}.tar, with --rows-per-file for several"
            )
        self._reader, self._source, self._target = source.reader, source, target
        self._names = _names_of(self._reader.shards, target)
        self._notes = _Notes(target.with_name(target.name + ".shards"))
        self._shard: _Shard | None = None
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{shown(target)}: cannot be made ({error.strerror})") from error

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one sample to the shard of its own; see `core.dataset.Writer`."""
        number = row.raw.shard if isinstance(row.raw, Sample) else -1
        if self._shard is None or self._shard.number != number:
            self._finish()
            self._shard = self._begin(number)
        self._shard.take(row, added)

    def close(self) -> None:
        """Finish the last shard."""
        self._finish()

    def move_in(self, target: Path) -> None:
        """Nothing is left to be moved: each shard went to its place when it was whole."""

    def abandon(self) -> None:
        """Remove the shard that is not whole; those that are stay, for the next run."""
        if self._shard is not None:
            self._shard.drop()
            self._shard = None
        with contextlib.suppress(OSError):
            self._target.rmdir()  # only where nothing is in it

    def _begin(self, number: int) -> _Shard:
        origin = self._reader.shards[number].stat()
        asked = repr((origin.st_size, origin.st_mtime_ns, self._source.choice, self._source.added))
        place = self._target / self._names[number]
        is_there = self._notes.has(place)
        shard = _Shard(number, place, self._source, asked)
        if not is_there:
            shard.open()
        return shard

    def _finish(self) -> None:
        shard, self._shard = self._shard, None
        if shard is None:
            return
        if shard.is_open:
            self._shard = shard  # until it is whole
            shard.close()
            self._shard = None
        elif self._notes.fits(shard.place, shard.digest):
            return
        else:
            shard.rewrite(self._reader)
        self._notes.add(shard.place, shard.digest)


class _Shard:
    """One shard: written as its rows come, or only compared while a finished one is there."""

    def __init__(self, number: int, place: Path, source: Source, asked: str) -> None:
        self.number = number
        self.place = place
        self._source = source
        self._hash = blake2b(asked.encode("utf-8", "backslashreplace"), digest_size=20)
        self._writer: WebDatasetWriter | None = None
        self._held: list[Mapping[str, Any]] = []

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def digest(self) -> str:
        """Tells what went into the shard from anything else."""
        return self._hash.hexdigest()

    def open(self) -> None:
        part = self.place.with_name(f".{self.place.name}.part")
        self._writer = WebDatasetWriter(OutputFile(part, compression_of(self.place)), self._source)

    def take(self, row: Row, added: Mapping[str, Any]) -> None:
        self._hash.update(dump_bytes([row.raw.key, added]))
        if self._writer is None:
            self._held.append(added)
        else:
            self._writer.write(row, added)

    def close(self) -> None:
        assert self._writer is not None  # noqa: S101 (for the type checker)
        self._writer.close()
        self._writer.move_in(self.place)
        self._writer = None

    def rewrite(self, reader: WebDatasetReader) -> None:
        """Write the shard with the captions that were held, reading its origin once more."""
        self.open()
        assert self._writer is not None  # noqa: S101 (for the type checker)
        try:
            for row, added in zip(reader.rows_of(self.number), self._held, strict=False):
                self._writer.write(self._source.choice.row(row), added)
            self.close()
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None


class _Notes:
    """What went into the shards that are finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[int, str]] = {}
        lines = path.read_bytes().splitlines() if path.is_file() else []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line cut by a kill
                note = json.loads(line)
                self._known[note["shard"]] = (note["size"], note["of"])

    def has(self, place: Path) -> bool:
        size, _ = self._known.get(place.name, (-1, ""))
        return place.is_file() and place.stat().st_size == size

    def fits(self, place: Path, digest: str) -> bool:
        return self.has(place) and self._known[place.name][1] == digest

    def add(self, place: Path, digest: str) -> None:
        size = place.stat().st_size
        self._known[place.name] = (size, digest)
        line = json.dumps({"shard": place.name, "size": size, "of": digest})
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{shown(self._path)}: cannot be written ({error.strerror})"
            ) from error


def _names_of(shards: list[Path], target: Path) -> list[str]:
    names = [shard.name for shard in shards]
    twice = {name for name in names if names.count(name) > 1} if len({*names}) < len(names) else ()
    if twice:
        raise UsageError(f"two shards are called {min(twice)}, and would be one in {target}")
    if any(shard.parent.resolve() == target.resolve() for shard in shards):
        raise UsageError(f"{shown(target)} is the folder of the input; choose another output")
    return names
