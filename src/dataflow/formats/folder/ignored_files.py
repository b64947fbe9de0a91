"""Files below a folder that are no pictures to caption, by named rules.

Each rule is a list of names that one program is known to make:

* thumbnails: Synology's ``@eaDir``, QNAP's ``.@__thumb``, ``.thumbnails`` (freedesktop.org), and
  folders called ``.thumbs``;
* recycle bins: ``$RECYCLE.BIN``, ``RECYCLER``, ``#recycle`` (Synology), ``@Recycle`` (QNAP),
  ``.Trash``, ``.Trash-1000`` and ``lost+found``; snapshots: ``#snapshot``,
  ``@Recently-Snapshot``, ``.zfs``;
* files of an archive from macOS: ``__MACOSX``, ``._a.jpg`` (AppleDouble), ``.AppleDouble``;
* masks beside the pictures that they belong to: OneTrainer's ``a-masklabel.png`` and
  ``a-condlabel.png``, and ``a_mask.png``, ``a-mask.png``, ``a.mask.png``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from dataflow.formats.patterns.endings import is_picture

THUMBNAILS = "thumbnails"
RECYCLED = "recycle bins and snapshots"
MACOS = "files of macOS (__MACOSX, ._*)"
HIDDEN = "hidden files and folders"
MASKS = "masks beside their pictures"
UNKNOWN = "files that are no pictures"
LINKED = "linked folders that lead back to one that is read already"
UNLISTED = "files without a picture's ending in a store"

_FOLDERS = {
    "@eadir": THUMBNAILS,
    ".@__thumb": THUMBNAILS,
    ".thumbnails": THUMBNAILS,
    ".thumbs": THUMBNAILS,
    "$recycle.bin": RECYCLED,
    "recycler": RECYCLED,
    "#recycle": RECYCLED,
    "@recycle": RECYCLED,
    "#snapshot": RECYCLED,
    "@recently-snapshot": RECYCLED,
    ".zfs": RECYCLED,
    "lost+found": RECYCLED,
    "system volume information": RECYCLED,
    "__macosx": MACOS,
    ".appledouble": MACOS,
}
_MASK_MARKS = ("-masklabel", "-condlabel", "_mask", "-mask", ".mask")
_TEXTS = frozenset(
    f".{name}"
    for name in (
        *("txt", "caption", "captions", "cap", "tags", "json", "jsonl", "ndjson", "csv", "tsv"),
        *("md", "html", "htm", "xml", "yaml", "yml", "toml", "ini", "cfg", "log", "url", "lnk"),
        *("db", "sqlite", "journal", "lock", "part", "errors", "py", "sh", "bat", "ipynb", "npz"),
    )
)
_OTHERS = frozenset(
    f".{name}"
    for name in (
        *("mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg", "mpeg", "wmv", "flv", "3gp"),
        *("mp3", "wav", "flac", "ogg", "m4a", "aac", "zip", "rar", "7z", "tar", "gz", "bz2"),
        *("xz", "zst", "tgz", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "svg", "ai"),
        *("eps", "parquet", "arrow", "feather", "pt", "pth", "ckpt", "safetensors", "gguf"),
        *("npy", "pkl", "pickle", "bin", "exe", "dll", "so", "dmg", "iso", "cr2", "cr3", "nef"),
        *("arw", "dng", "orf", "rw2", "raf", "xmp", "aae", "thm"),
    )
)


def ignored_folder(name: str) -> str | None:
    """The rule by which the folder called `name` is left out; None where it is read."""
    low = name.lower()
    if low in _FOLDERS:
        return _FOLDERS[low]
    if low.startswith(".trash"):
        return RECYCLED
    return HIDDEN if name.startswith(".") else None


def ignored_file(name: str) -> str | None:
    """The rule by which the picture file called `name` is left out; None where it is taken."""
    if name.startswith("._"):
        return MACOS
    return HIDDEN if name.startswith(".") else None


def is_mask(name: str, names: Collection[str]) -> bool:
    """Whether the picture `name` is the mask of another one.

    Args:
        name: The picture's.
        names: The names of all pictures in its folder, without their endings.
    """
    stem = os.path.splitext(name)[0]  # noqa: PTH122 (names may be odd)
    low = stem.lower()
    return any(
        low.endswith(mark) and stem[: -len(mark)] in names
        for mark in _MASK_MARKS
        if len(low) > len(mark)
    )


def other_kind(name: str) -> str | None:
    """The ending of a file that is known to be no picture; empty for text; None for unknown."""
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 (names may be odd)
    if ending in _TEXTS or name.lower() in {"thumbs.db", "desktop.ini"}:
        return ""
    return ending if ending in _OTHERS else None


def may_be_picture(name: str, head: Callable[[], bytes]) -> bool:
    """Whether a file is a picture: by its ending, else by its first bytes.

    Args:
        name: The file's.
        head: Reads the first bytes; only called where the name does not tell.
    """
    return is_picture(name) or (other_kind(name) is None and is_picture_head(head()))


_STARTS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS"),
    *(b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
HEAD_BYTES = 16
"""Bytes that `is_picture_head` looks at."""


def is_picture_head(head: bytes) -> bool:
    """Whether a file that begins with `head` is a picture.

    The signatures are those of JPEG, PNG, GIF, TIFF, PSD, JPEG XL, JPEG 2000, WebP (RIFF), BMP,
    and HEIF and AVIF (ISO 14496-12 brands).
    """
    if head.startswith(_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return True
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
