"""What a dataset is where no file's ending tells it: a look at the folder, or at the name."""

from __future__ import annotations

import os
from pathlib import Path

from dataflow.core.errors import InputError
from dataflow.formats.compression import COMPRESSIONS, ending_of
from dataflow.formats.folder import is_picture
from dataflow.formats.input_file import UTF8_MARK, open_text, unreadable
from dataflow.formats.pick import Pick, split_pattern
from dataflow.formats.shard_names import ERRORS, expanded_braces, is_several

SHARD_ENDINGS = (".tar", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz")
"""The endings of WebDataset's shards, in lower case."""

COCO_ENDINGS = (".json", *(f".json{packed}" for packed in COMPRESSIONS))
"""The endings that a COCO file may have, in lower case."""

_TEXT_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")

TABLE_ENDINGS = (
    *(text + packed for text in _TEXT_ENDINGS for packed in ("", *COMPRESSIONS)),
    *(".parquet", ".arrow", ".ipc", ".arrows", ".feather"),
)
"""The endings of dataset files of which several may be one dataset, in lower case."""

_HEAD = 1 << 18  # bytes in which COCO's images are mentioned; info and licenses stand before them
_SAVED = ("state.json", "dataset_dict.json")  # of Hugging Face's save_to_disk


def kind_of(name: str) -> str | None:
    """The format's name in the registry; None where the ending tells, or for pictures.

    Raises:
        InputError: `name` is a folder that cannot be listed.
    """
    if name.startswith(("hf:", "ms:")):
        return name[:2]
    if os.path.isdir(name):  # noqa: PTH112 (the name is kept as given)
        return _kind_of_folder(name)
    if is_several(name):
        return _kind_of_pattern(name)
    return "coco" if ending_of(name) in COCO_ENDINGS and _is_coco(name) else None


def is_shard(name: str) -> bool:
    """Whether the file called `name` is taken for a shard of WebDataset."""
    return name.lower().endswith(SHARD_ENDINGS) and not os.path.basename(name).startswith(".")  # noqa: PTH119


def is_parquet(name: str) -> bool:
    """Whether the file called `name` is taken for Parquet."""
    return name.lower().endswith(".parquet") and is_table(name)


def is_table(name: str) -> bool:
    """Whether the file called `name` is taken for one of several that are a dataset."""
    plain = os.path.basename(name)  # noqa: PTH119
    is_ours = plain.startswith(".") or plain.endswith(ERRORS)
    return plain.lower().endswith(TABLE_ENDINGS) and not is_ours


def is_among(output: Path, source: str) -> bool:
    """Whether a file at `output` would be one of those that `source`, several files, stands for."""
    if os.path.isdir(source):  # noqa: PTH112 (the name is kept as given)
        return is_table(output.name) and output.parent.resolve() == Path(source).resolve()
    for name in expanded_braces(source):
        begin, below = split_pattern(name)
        if not below and Path(name).resolve() == output.resolve():
            return True
        path = os.path.relpath(output.resolve(), Path(begin).resolve())
        if below and not path.startswith(os.pardir) and Pick(below).takes(path):
            return True
    return False


def _kind_of_pattern(name: str) -> str | None:
    if is_shard(name):
        return "webdataset"
    names = expanded_braces(name)
    if all(map(is_parquet, names)):
        return "parquets"
    return "files" if any(map(is_table, names)) else None


def _is_coco(name: str) -> bool:
    """Whether a JSON file is an object that has images; a table would be an array."""
    try:
        with open_text(Path(name)) as file:
            head = file.read(_HEAD).removeprefix(UTF8_MARK).lstrip()
    except (InputError, OSError):
        return False  # its reader says what is wrong
    return head.startswith(b"{") and b'"images"' in head


def _kind_of_folder(folder: str) -> str | None:
    """Told by the names that lie in it; a picture among them makes it a folder of pictures."""
    if any(os.path.isfile(os.path.join(folder, name)) for name in _SAVED):  # noqa: PTH113, PTH118
        return "saved"
    kinds = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    return None
                kinds.add(_kind_of_entry(entry))
    except OSError as error:
        raise unreadable(folder, error) from error
    # what lies beside shards and Parquet is about them, as img2dataset's counts are
    found = [kind for kind in ("webdataset", "parquets", "files") if kind in kinds]
    if found == ["files"] and "folder" in kinds:
        return None  # pictures below, and a list of them
    return found[0] if found else None


def _kind_of_entry(entry: os.DirEntry[str]) -> str | None:
    if is_shard(entry.name):
        return "webdataset"
    if is_parquet(entry.name):
        return "parquets"
    if is_table(entry.name):
        return "files"
    return "folder" if entry.is_dir() and not entry.name.startswith(".") else None
