"""The endings by which files are recognised, and the names that follow from them."""

from __future__ import annotations

import os

from dataflow.core.side_files import ERRORS_ENDING
from dataflow.formats.base.compression import COMPRESSIONS

PICTURE_ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "gif", "bmp", "dib"),
        *("tif", "tiff", "heic", "heif", "hif", "avif", "avifs", "jxl", "psd"),
        *("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
        *("ppm", "pgm", "pbm", "pnm", "tga", "ico", "cur"),
    )
)
"""The endings, in lower case, by which a file is taken for a picture."""

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


def is_picture(name: str) -> bool:
    """Whether the file called `name` is taken for a picture by its ending."""
    return os.path.splitext(name)[1].lower() in PICTURE_ENDINGS  # noqa: PTH122 (names may be odd)


def is_shard(name: str) -> bool:
    """Whether the file called `name` is taken for a shard of WebDataset."""
    return name.lower().endswith(SHARD_ENDINGS) and not os.path.basename(name).startswith(".")  # noqa: PTH119


def is_parquet(name: str) -> bool:
    """Whether the file called `name` is taken for Parquet."""
    return name.lower().endswith(".parquet") and is_table(name)


def is_table(name: str) -> bool:
    """Whether the file called `name` is taken for one of several that are a dataset."""
    plain = os.path.basename(name)  # noqa: PTH119
    is_ours = plain.startswith(".") or plain.endswith(ERRORS_ENDING)
    return plain.lower().endswith(TABLE_ENDINGS) and not is_ours
