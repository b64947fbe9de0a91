"""What a dataset is where no file's ending tells it: a look at the folder, or at the name."""

from __future__ import annotations

import os

from dataflow.formats.folder import is_picture
from dataflow.formats.input_file import unreadable
from dataflow.formats.shard_names import is_several

SHARD_ENDINGS = (".tar", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz")
"""The endings of WebDataset's shards, in lower case."""


def kind_of(name: str) -> str | None:
    """The format's name in the registry; None where the ending tells, or for pictures.

    Raises:
        InputError: `name` is a folder that cannot be listed.
    """
    if os.path.isdir(name):  # noqa: PTH112 (the name is kept as given)
        return _kind_of_folder(name)
    return "webdataset" if is_shard(name) and is_several(name) else None


def is_shard(name: str) -> bool:
    """Whether the file called `name` is taken for a shard of WebDataset."""
    return name.lower().endswith(SHARD_ENDINGS) and not os.path.basename(name).startswith(".")  # noqa: PTH119


def _kind_of_folder(folder: str) -> str | None:
    """Told by the names that lie in it; a picture among them makes it a folder of pictures."""
    kind = None
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    return None
                if is_shard(entry.name):
                    kind = "webdataset"
    except OSError as error:
        raise unreadable(folder, error) from error
    return kind
