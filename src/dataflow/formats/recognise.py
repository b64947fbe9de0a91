"""What a dataset is where no file's ending tells it: a look at the folder, or at the name."""

from __future__ import annotations

import os
from pathlib import Path

from dataflow.core.errors import InputError
from dataflow.formats.compression import COMPRESSIONS, ending_of
from dataflow.formats.folder import is_picture
from dataflow.formats.input_file import UTF8_MARK, open_text, unreadable
from dataflow.formats.shard_names import is_several

SHARD_ENDINGS = (".tar", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz")
"""The endings of WebDataset's shards, in lower case."""

COCO_ENDINGS = (".json", *(f".json{packed}" for packed in COMPRESSIONS))
"""The endings that a COCO file may have, in lower case."""

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
    if is_shard(name) and is_several(name):
        return "webdataset"
    return "coco" if ending_of(name) in COCO_ENDINGS and _is_coco(name) else None


def is_shard(name: str) -> bool:
    """Whether the file called `name` is taken for a shard of WebDataset."""
    return name.lower().endswith(SHARD_ENDINGS) and not os.path.basename(name).startswith(".")  # noqa: PTH119


def is_parquet(name: str) -> bool:
    """Whether the file called `name` is taken for Parquet."""
    return name.lower().endswith(".parquet") and not name.startswith(".")


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
    kind = None
    if any(os.path.isfile(os.path.join(folder, name)) for name in _SAVED):  # noqa: PTH113, PTH118
        return "saved"
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    return None
                if is_shard(entry.name):
                    kind = "webdataset"
                elif kind is None and is_parquet(entry.name):
                    kind = "parquets"
    except OSError as error:
        raise unreadable(folder, error) from error
    return kind
