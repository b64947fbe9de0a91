"""A folder of WebDataset shards being written: each has the name of the shard it comes from.

A shard is written beside its place and moved there when it is whole, one after the other; of a
folder in a store it is written on this machine and put there. What went into it is noted in
``OUTPUT.shards``: when the same run is repeated, a shard that is finished is
not written again. Its captions are held meanwhile, in case that they turn out to be others.

Format of the notes: JSON Lines, ``{"shard": name, "size": bytes, "of": digest}``; the latest
counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from dataflow.core.errors import OutputError, UsageError
from dataflow.core.row import Row
from dataflow.core.side_files import open_append
from dataflow.core.text import path_text
from dataflow.formats.base.compression import compression_of
from dataflow.formats.base.json_values import dump_bytes
from dataflow.formats.base.writing import AtomicFile
from dataflow.formats.columns.writer_context import WriterContext
from dataflow.formats.webdataset.reader import Sample, WebDatasetReader
from dataflow.formats.webdataset.writer import WebDatasetWriter
from dataflow.remote.path import AnyPath, RemotePath


class ShardsWriter:
    """Writes each shard of the source anew into a folder.

    Args:
        part: Of this machine; beside it are the notes. Where `target` is not of this machine, each
            shard is written in a folder of this name.
        target: The folder; it is made.
        source: Where the rows come from, a WebDataset.

    Raises:
        UsageError: the source is no WebDataset, two of its shards have one name, or the folder is
            its own.
        OutputError: the folder cannot be made.
    """

    def __init__(self, part: Path, target: AnyPath, source: WriterContext) -> None:
        if not isinstance(source.reader, WebDatasetReader):
            raise UsageError(
                f"{path_text(target)}: only a WebDataset is written as a folder of shards; write "
                f"{path_text(target)}.tar, with --rows-per-file for several"
            )
        self._reader, self._source, self._target = source.reader, source, target
        self._names = _names_of(self._reader.shards, target)
        self._notes = _Notes(part.with_suffix(".shards"))
        self._shard: _Shard | None = None
        self._begun: set[int] = set()
        self._folder = target if isinstance(target, Path) else part
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path_text(self._folder)}: cannot be made ({error.strerror})"
            ) from error

    def write(self, row: Row, added: Mapping[str, Any]) -> None:
        """Append one sample to the shard of its own; see `core.dataset.Writer`."""
        number = row.raw.shard if isinstance(row.raw, Sample) else -1
        if self._shard is None or self._shard.number != number:
            self._finish()
            self._shard = self._begin(number)
        self._shard.take(row, added)

    def close(self) -> None:
        """Finish the last shard; one that was read and has no samples has none here, too."""
        self._finish()
        for number in range(self._reader.passed):
            if number not in self._begun:
                self._shard = self._begin(number)
                self._finish()

    def commit(self, target: AnyPath) -> None:
        """Nothing is left to be moved: each shard went to its place when it was whole."""
        if self._folder != target:
            shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        """Remove the shard that is not whole; those that are stay, for the next run."""
        if self._shard is not None:
            self._shard.drop()
            self._shard = None
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # only where nothing is in it

    def _begin(self, number: int) -> _Shard:
        self._begun.add(number)
        origin = _version(self._reader.shards[number])
        asked = repr((*origin, self._source.choice, self._source.added))
        path = self._target / self._names[number]
        is_there = self._notes.has(path)
        shard = _Shard(number, path, self._folder, self._source, asked)
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
        elif self._notes.fits(shard.path, shard.digest):
            return
        else:
            shard.rewrite(self._reader)
        self._notes.add(shard.path, shard.digest)


class _Shard:
    """One shard: written as its rows come, or only compared while a finished one is there."""

    def __init__(
        self, number: int, path: AnyPath, folder: Path, source: WriterContext, asked: str
    ) -> None:
        self.number = number
        self.path = path
        self._part = folder / f".{path.name}.part"
        self._source = source
        self._hash = blake2b(asked.encode("utf-8", "backslashreplace"), digest_size=20)
        self._writer: WebDatasetWriter | None = None
        self._waiting: list[Mapping[str, Any]] = []

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    @property
    def digest(self) -> str:
        """Tells what went into the shard from anything else."""
        return self._hash.hexdigest()

    def open(self) -> None:
        file = AtomicFile(self._part, compression_of(self.path))
        self._writer = WebDatasetWriter(file, self._source)

    def take(self, row: Row, added: Mapping[str, Any]) -> None:
        self._hash.update(dump_bytes([row.raw.key, added]))
        if self._writer is None:
            self._waiting.append(added)
        else:
            self._writer.write(row, added)

    def close(self) -> None:
        assert self._writer is not None  # noqa: S101 (for the type checker)
        self._writer.close()
        self._writer.commit(self.path)
        self._writer = None

    def rewrite(self, reader: WebDatasetReader) -> None:
        """Write the shard with the captions that were held, reading its origin once more."""
        self.open()
        assert self._writer is not None  # noqa: S101 (for the type checker)
        try:
            for row, added in zip(reader.rows_of(self.number), self._waiting, strict=False):
                self._writer.write(self._source.choice.row(row), added)
            self.close()
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.discard()
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

    def has(self, path: AnyPath) -> bool:
        size, _ = self._known.get(path.name, (-1, ""))
        return size >= 0 and path.is_file() and path.stat().st_size == size

    def fits(self, path: AnyPath, digest: str) -> bool:
        return self.has(path) and self._known[path.name][1] == digest

    def add(self, path: AnyPath, digest: str) -> None:
        size = path.stat().st_size
        self._known[path.name] = (size, digest)
        line = json.dumps({"shard": path.name, "size": size, "of": digest})
        try:
            with open_append(self._path) as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{path_text(self._path)}: cannot be written ({error.strerror})"
            ) from error


def _version(shard: AnyPath) -> tuple[int, object]:
    """Tells a shard from what it was before it changed: its size, and a time or a tag."""
    if isinstance(shard, RemotePath):
        remote = shard.stat()
        return remote.st_size, remote.version
    here = shard.stat()
    return here.st_size, here.st_mtime_ns


def _names_of(shards: list[Any], target: AnyPath) -> list[str]:
    names = [shard.name for shard in shards]
    twice = {name for name in names if names.count(name) > 1} if len({*names}) < len(names) else ()
    if twice:
        raise UsageError(f"two shards are called {min(twice)}, and would be one in {target}")
    if any(_true(shard.parent) == _true(target) for shard in shards):
        raise UsageError(f"{path_text(target)} is the folder of the input; choose another output")
    return names


def _true(folder: AnyPath) -> AnyPath:
    return folder if isinstance(folder, RemotePath) else folder.resolve()
