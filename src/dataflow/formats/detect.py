"""What a dataset is where no file's ending tells it: a look at the folder, or at the name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dataflow.core.errors import InputError
from dataflow.core.text import path_text
from dataflow.formats.base.compression import ending_of
from dataflow.formats.base.reading import UTF8_MARK, as_input_errors, open_text, unreadable
from dataflow.formats.patterns.brace_patterns import expanded_braces, is_several
from dataflow.formats.patterns.endings import (
    COCO_ENDINGS,
    is_parquet,
    is_picture,
    is_shard,
    is_table,
)
from dataflow.formats.patterns.glob_filter import GlobFilter, split_pattern
from dataflow.remote.filesystem import names_in
from dataflow.remote.path import AnyPath, RemotePath, to_path

_HEAD = 1 << 18  # bytes in which COCO's images are mentioned; info and licenses stand before them
_SAVED = ("state.json", "dataset_dict.json")  # of Hugging Face's save_to_disk


def detect_format(name: str | AnyPath) -> str | None:
    """The format's name in the registry; None where the ending tells, or for pictures.

    Raises:
        InputError: `name` is a folder that cannot be listed, or a store does not answer.
    """
    path = to_path(name)
    text = str(path)
    if text.startswith(("hf:", "ms:")) and not isinstance(path, RemotePath):
        return text[:2]
    with as_input_errors(path):
        if isinstance(path, RemotePath) and ending_of(path):
            return _kind_of_file(path)
        return _kind_of_folder(path) if is_folder_at(path) else _kind_of_file(path)


def _kind_of_file(path: AnyPath) -> str | None:
    if is_several(path):
        return _kind_of_pattern(str(path))
    return "coco" if ending_of(path) in COCO_ENDINGS and _is_coco(path) else None


def is_folder_at(path: AnyPath) -> bool:
    """Whether there is a folder at `path`; a name that none can have is none."""
    if isinstance(path, RemotePath):
        return path.is_dir()
    return os.path.isdir(path)  # noqa: PTH112 - Path raises where this says no


def found_at(path: str | AnyPath) -> tuple[str, tuple[str, ...]]:
    """What is there, named as it was given, and the pattern below it where `path` is one.

    Raises:
        InputError: there is nothing.
    """
    at_path = to_path(path)
    name = at_path.url if isinstance(at_path, RemotePath) else os.fspath(path)
    below: tuple[str, ...] = ()
    is_web = isinstance(at_path, RemotePath) and at_path.scheme == "http"
    if not _is_there(name) and not is_web:
        name, below = split_pattern(name)
    if not _is_there(name):
        where = (
            "check the URL"
            if isinstance(at_path, RemotePath)
            else f"check the spelling (a relative path starts at {path_text(Path.cwd())})"
        )
        what = at_path if isinstance(at_path, RemotePath) else name
        raise InputError(f"{path_text(what)}: no such file or folder; {where}")
    return name, below


def _is_there(name: str) -> bool:
    path = to_path(name)
    return path.exists() if isinstance(path, RemotePath) else os.path.exists(name)  # noqa: PTH110


def is_among(output: AnyPath, source: str) -> bool:
    """Whether a file at `output` would be one of those that `source`, several files, stands for."""
    if isinstance(output, RemotePath):
        return _is_among_remote(output, to_path(source))
    if os.path.isdir(source):  # noqa: PTH112 (the name is kept as given)
        return _is_read(output.name) and output.parent.resolve() == Path(source).resolve()
    for name in expanded_braces(source):
        begin, below = split_pattern(name)
        if not below and Path(name).resolve() == output.resolve():
            return True
        path = os.path.relpath(output.resolve(), Path(begin).resolve())
        if below and not path.startswith(os.pardir) and GlobFilter(below).takes(path):
            return True
    return False


def _is_read(name: str) -> bool:
    return is_table(name) or is_shard(name)


def _is_among_remote(output: RemotePath, source: AnyPath) -> bool:
    if isinstance(source, Path):
        return False
    if source.is_dir():
        return _is_read(output.name) and output.parent == source
    for name in expanded_braces(str(source)):
        begin, below = split_pattern(name)
        path = str(output).removeprefix(begin)
        if path == "" or (below and path != str(output) and GlobFilter(below).takes(path)):
            return True
    return False


def _kind_of_pattern(name: str) -> str | None:
    if is_shard(name):
        return "webdataset"
    names = expanded_braces(name)
    if all(map(is_parquet, names)):
        return "parquets"
    return "files" if any(map(is_table, names)) else None


def _is_coco(path: AnyPath) -> bool:
    """Whether a JSON file is an object that has images; a table would be an array."""
    try:
        with open_text(path) as file:
            head = file.read(_HEAD).removeprefix(UTF8_MARK).lstrip()
    except (InputError, OSError):
        return False  # its reader says what is wrong
    return head.startswith(b"{") and b'"images"' in head


def _kind_of_folder(folder: AnyPath) -> str | None:
    """Told by the names that lie in it; a picture among them makes it a folder of pictures."""
    kinds = set()
    try:
        if any((folder / name).is_file() for name in _SAVED):
            return "saved"
        for name in _names_in(folder):
            if is_picture(name):
                return None
            kinds.add(_kind_of_entry(name))
    except OSError as error:
        raise unreadable(folder, error) from error
    # what lies beside shards and Parquet is about them, as img2dataset's counts are
    found = [kind for kind in ("webdataset", "parquets", "files") if kind in kinds]
    if found == ["files"] and "folder" in kinds:
        return None  # pictures below, and a list of them
    return found[0] if found else None


def _kind_of_entry(name: str) -> str | None:
    """What an entry of a folder says of it; a folder's name ends with ``/``."""
    if is_shard(name):
        return "webdataset"
    if is_parquet(name):
        return "parquets"
    if is_table(name):
        return "files"
    return "folder" if name.endswith("/") and not name.startswith(".") else None


def _names_in(folder: AnyPath) -> Iterator[str]:
    if isinstance(folder, RemotePath):
        yield from names_in(folder)
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            # a picture's name may be that of a link which leads nowhere
            yield entry.name if is_picture(entry.name) or not entry.is_dir() else f"{entry.name}/"
