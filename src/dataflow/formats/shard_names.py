"""Names that stand for several files: ``{000..123}`` and ``{a,b}`` as in bash, and ``*``."""

from __future__ import annotations

import glob
import itertools
import os
import re
from pathlib import Path

from dataflow.core.errors import InputError
from dataflow.formats.input_file import shown
from dataflow.formats.pick import split_pattern

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
ERRORS = ".errors.jsonl"
"""What the names of the lists of failures end with."""

_MOST = 10_000_000  # files; more is a slip of the pen


def is_several(name: str) -> bool:
    """Whether `name` is a pattern and not a file or folder of that very name."""
    return not os.path.exists(name) and (  # noqa: PTH110 (the name is kept as given)
        bool(split_pattern(name)[1]) or expanded_braces(name) != [name]
    )


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
                raise InputError(f"{shown(name)}: stands for more than {_MOST:,} files")
    return ["".join(parts) for parts in itertools.product(*pieces, [name[at:]])]


def files_for(name: str) -> list[Path]:
    """The files that `name` stands for: braces in their order, those of ``*`` in `natural` order.

    Raises:
        InputError: there are none, or one that braces name is missing.
    """
    files: list[Path] = []
    for one in [name] if os.path.exists(name) else expanded_braces(name):  # noqa: PTH110
        if os.path.exists(one) or not split_pattern(one)[1]:  # noqa: PTH110
            found = [one]
        else:
            found = sorted(_found(one), key=natural)
        if not found:
            raise InputError(f"{shown(one)}: no file fits this; check the spelling")
        files += map(Path, found)
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None:
        raise InputError(f"{shown(missing)}: no such file; {shown(name)} stands for it too")
    return files


def natural(path: str | Path) -> tuple[list[bytes | int], bytes]:
    """What sorts ``part-2`` before ``part-10``; everything but numbers bytewise."""
    name = os.fsencode(path)
    pieces = re.split(rb"(\d+)", name)
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], name


def _found(pattern: str) -> list[str]:
    """What fits `pattern`, less the lists of failures that lie beside our outputs."""
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207
    return [name for name in names if not name.endswith(ERRORS)]


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
