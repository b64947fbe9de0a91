"""Names that stand for several files: ``{000..123}`` and ``{a,b}`` as in bash, and ``*``."""

from __future__ import annotations

import glob
import itertools
import os
import re
from pathlib import Path
from typing import Any

from dataflow.core.errors import InputError, UsageError
from dataflow.core.side_files import ERRORS_ENDING, FOLDER_ENDING
from dataflow.core.text import path_text
from dataflow.formats.patterns.glob_filter import split_pattern
from dataflow.remote.path import AnyPath, RemotePath

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 10_000_000  # files; more is a slip of the pen


def is_several(path: AnyPath) -> bool:
    """Whether `path` is a pattern and not a file or folder of that very name."""
    name = str(path)
    is_pattern = bool(split_pattern(name)[1]) or expanded_braces(name) != [name]
    return is_pattern and not _is_there(path)


def expanded_braces(name: str) -> list[str]:
    """Every name that `name` stands for: ``{08..10}`` is 08, 09, 10, and ``{a,b}`` a, b.

    Raises:
        InputError: they are too many to be meant.
    """
    pieces: list[list[str]] = []
    at = count = 0
    for found in _BRACES.finditer(name):
        words = _words(found[1])
        if words:
            pieces += [[name[at : found.start()]], words]
            at = found.end()
            count = max(1, count) * len(words)
            if count > _MOST:
                raise InputError(f"{path_text(name)}: stands for more than {_MOST:,} files")
    return ["".join(parts) for parts in itertools.product(*pieces, [name[at:]])]


def files_for(path: AnyPath) -> list[Any]:
    """The files that `path` stands for: braces in their order, those of ``*`` in `natural` order.

    Raises:
        UsageError: there are none, or one that braces name is missing.
    """
    files: list[Any] = []
    whole = path.url if isinstance(path, RemotePath) else str(path)  # with its signature
    names = [path] if _is_there(path) else [type(path)(one) for one in expanded_braces(whole)]
    for one in names:
        is_plain = not split_pattern(str(one))[1] or _is_there(one)
        found = [one] if is_plain else _fitting(one)
        if not found:
            raise UsageError(f"{path_text(one)}: no file fits this; check the spelling")
        files += found
    missing = next(iter(_missing(files)), None)
    if missing is not None:
        raise UsageError(f"{path_text(missing)}: no such file; {path_text(path)} stands for it too")
    return files


def natural(path: str | AnyPath) -> tuple[list[bytes | int], bytes]:
    """What sorts ``part-2`` before ``part-10``; everything but numbers bytewise."""
    name = os.fsencode(path)
    pieces = re.split(rb"(\d+)", name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], name


def _is_there(path: AnyPath) -> bool:
    return path.exists() if isinstance(path, RemotePath) else os.path.exists(path)  # noqa: PTH110


def common_folder(folders: list[Any]) -> str:
    """The folder that holds all `folders`."""
    if not isinstance(folders[0], RemotePath):
        return os.path.commonpath(folders) or os.curdir
    start = str(folders[0]).partition("://")[0]
    below = [str(folder).partition("://")[2] for folder in folders]
    return f"{start}://{os.path.commonpath(below)}"


def _fitting(pattern: AnyPath) -> list[Any]:
    """What fits `pattern`, less the lists of failures that lie beside our outputs."""
    found: list[Any] = pattern.glob() if isinstance(pattern, RemotePath) else _globbed(str(pattern))
    return sorted((path for path in found if not _belongs_to_output(path)), key=natural)


def _globbed(pattern: str) -> list[Path]:
    return [*map(Path, glob.glob(pattern, recursive=True))]  # noqa: PTH207


def _missing(files: list[Any]) -> list[Any]:
    """Those that are not there; a store is asked for each folder once."""
    if not files or not isinstance(files[0], RemotePath) or files[0].scheme == "http":
        return [file for file in files if not file.exists()]
    there = {file for folder in {file.parent for file in files} for file in folder.iterdir()}
    return [file for file in files if file not in there]


def _words(inside: str) -> list[str]:
    """What stands between two braces; nothing where they are no pattern."""
    span = _RANGE.fullmatch(inside)
    if span is None:
        return inside.split(",") if "," in inside else []
    first, last = int(span[1]), int(span[2])
    if abs(last - first) > _MOST:
        raise InputError(f"{{{inside}}}: stands for more than {_MOST:,} files")
    padded = any(len(word) > 1 and word.startswith("0") for word in span.groups())
    width = max(map(len, span.groups())) if padded else 0
    step = 1 if last >= first else -1
    return [str(number).zfill(width) for number in range(first, last + step, step)]


def _belongs_to_output(path: AnyPath) -> bool:
    """Whether `path` is an errors file, or lies in the folder beside an output."""
    if path.name.endswith(ERRORS_ENDING):
        return True
    return any(folder.endswith(FOLDER_ENDING) for folder in str(path).split("/")[:-1])
