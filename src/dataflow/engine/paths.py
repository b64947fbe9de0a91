"""Where an output truly is, and what becomes of what stood there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from dataflow.core.errors import UsageError
from dataflow.core.side_files import ERRORS_ENDING, FOLDER_ENDING, RECORD_ENDING, refuse_link
from dataflow.remote.filesystem import copy
from dataflow.remote.path import AnyPath, RemotePath

_AnyPath = TypeVar("_AnyPath", Path, RemotePath)

LONGEST_NAME = 255
"""Bytes in the name of one file (``NAME_MAX`` of Linux and macOS)."""

_LONGEST_ENDING = len(".20260102-030405-99999.jsonl")


def resolved_path(path: Path) -> Path:
    """`path`, or the file that it is a symbolic link to, so that the link stays one.

    Raises:
        UsageError: the link leads round in a circle, or the names of the files beside the output
            would be too long.
    """
    _check_name(path)
    if not path.is_symlink():
        return path
    true = Path(os.path.realpath(path))
    if true.is_symlink():
        raise UsageError(f"{path} is a link that leads back to itself; choose another output")
    _check_name(true)
    return true


def _check_name(path: Path) -> None:
    longest = LONGEST_NAME - _LONGEST_ENDING
    size = len(os.fsencode(path.name))
    if size > longest:
        raise UsageError(
            f"the output's name has {size} bytes, and the files beside it are called like it, with "
            f"up to {_LONGEST_ENDING} more: choose a name of {longest} bytes at most"
        )


@dataclass(frozen=True, slots=True)
class SideFiles:
    """The files that belong to an output: its errors file beside it, the rest in one folder.

    Attributes:
        output: The output's path.
        tag: In the names of unfinished files, so that two programs do not share them.
        shard: The name of the shard whose files they are; empty for those of the whole run.
    """

    output: Path
    tag: str = ""
    shard: str = ""

    @property
    def errors(self) -> Path:
        """The rows that failed or were left out, one JSON object a line."""
        return self.output.with_name(self.output.name + ERRORS_ENDING)

    @property
    def record(self) -> Path:
        """How the captions were made, as JSON, once a run has ended."""
        return self.output.with_name(self.output.name + RECORD_ENDING)

    @property
    def folder(self) -> Path:
        """The folder of all the others."""
        whole = self.output.with_name(self.output.name + FOLDER_ENDING)
        return whole / "shards" / self.shard if self.shard else whole

    @property
    def shards(self) -> Path:
        """The folder of the shards' folders."""
        return self.output.with_name(self.output.name + FOLDER_ENDING) / "shards"

    @property
    def settings(self) -> Path:
        """What all shards of the run have in common."""
        return self.shards / "settings.json"

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.sqlite"

    @property
    def lock(self) -> Path:
        """Held while a run goes."""
        return self.folder / "lock"

    @property
    def part(self) -> Path:
        """The output, until it is whole."""
        return self.folder / f"output{self.tag}.part"

    @property
    def errors_part(self) -> Path:
        """The errors file, until it is whole."""
        return self.folder / f"errors{self.tag}.part"

    @property
    def batches(self) -> Path:
        """The folder of requests on their way into batches."""
        return self.folder / "batches"

    @property
    def originals(self) -> Path:
        """What stood in sidecars before a run changed them."""
        return self.folder / "originals"

    @property
    def faults(self) -> Path:
        """The captions in which `dataflow check --fix` found faults."""
        return self.folder / "faults.list"


def make_folder(path: Path) -> None:
    """Make the folder `path` where it is missing; it must not be a link.

    Raises:
        OutputError: it is a link.
        OSError: it cannot be made.
    """
    refuse_link(path)
    path.mkdir(parents=True, exist_ok=True)


def state_folder() -> Path:
    """Where programs keep what they need to go on (``XDG_STATE_HOME``), ours in it."""
    given = os.environ.get("XDG_STATE_HOME")
    return (Path(given) if given else Path("~/.local/state").expanduser()) / "dataflow"


def escaped_name(url: RemotePath, folder: Path | None = None) -> Path:
    """The path of this machine beside which everything lies that belongs to an output at a URL.

    Journal, lock, errors file and what is not finished. Each output has its own path, made of its
    URL.

    Args:
        url: The output.
        folder: Where such paths begin; None for `state_folder`.
    """
    parts = url.url.replace("://", "/").split("/")
    names = [_short(quote(part).replace("..", "%2E%2E")) or "%2F" for part in parts]
    return (folder or state_folder()).joinpath(*names)


def _short(name: str) -> str:
    """`name`, or where no file can be called so, its beginning and a digest of it."""
    if len(name) <= LONGEST_NAME - _LONGEST_ENDING:
        return name
    digest = blake2b(name.encode("utf-8"), digest_size=16).hexdigest()
    return f"{name[:100]}%~{digest}"  # what is quoted has no %~


def files_at(path: AnyPath) -> list[Any]:
    """The output of one file that is there."""
    return [path] if path.is_file() else []


def free_name(path: _AnyPath) -> _AnyPath:
    """A name beside `path` that is free: its own and the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    free = path.with_name(f"{path.name}.{stamp}")
    number = 1
    while free.exists():
        free = path.with_name(f"{path.name}.{stamp}-{number}")
        number += 1
    return free


def keep_former(file: AnyPath) -> AnyPath:
    """Keep `file` under a free name beside it, while something else takes its place.

    Returns:
        That name. Where the file system can do it, the file stays under its own name, too.

    Raises:
        OSError: the folder cannot be written.
    """
    if isinstance(file, RemotePath):
        kept = free_name(file)
        copy(file, kept)
        return kept
    aside = free_name(file)
    try:
        os.link(file, aside)
    except OSError:  # a file system without links
        file.rename(aside)
    return aside
