"""A dataset's value → the pictures it stands for."""

from __future__ import annotations

import ast
import base64
import binascii
import contextlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from dataflow.core.errors import BadRowError, PictureForbiddenError
from dataflow.core.picture import ImageRef, is_turn, turn_pictures
from dataflow.core.text import short_text, shown_url
from dataflow.images.base.path_guard import confined
from dataflow.images.decode.sniff import PICTURES, sniff
from dataflow.images.in_memory import encode_in_memory, is_array
from dataflow.images.url_reference import is_url, lacks_scheme, local_path, parse_url
from dataflow.remote.path import RemotePath, is_remote

_DATA_URI = re.compile(r"\s*data:(image/[\w.+-]+)?((?:;[^;,]*)*),", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_SHORTEST_BASE64 = 40  # a 1×1 GIF is 56 characters
_PYTHON_LIST = re.compile(r"\s*\[\s*(?:'[^'\\]*'\s*,?\s*)+\]\s*")
_NUMBERED = re.compile(r"(.+)#\d{1,3}", re.DOTALL)
_LONGEST_PATH = 4096  # PATH_MAX on Linux
_URL_KEYS = ("url", "src", "image_url")
_ACCEPTED = (
    'a path, a URL, a data URI, base64 text, bytes, {"bytes": …, "path": …}, {"url": …}, a Pillow '
    "image, an array, an open file, or a list of these"
)


def parse_reference(
    value: object, folders: Sequence[str], *, image_root: str | None = None
) -> list[ImageRef]:
    """The pictures that `value`, from a dataset's picture column, stands for, in order.

    Args:
        value: A path, a URL of the web or of a store (http, https, s3, gs, hf), a data URI, base64
            text of a picture, bytes, a mapping with ``bytes``, ``path`` or ``url`` (the first of
            these that it has), a Pillow image, an array of numbers, an open file, or a sequence of
            these, which may also stand as JSON text, or a conversation whose turns hold such;
            None, NaN and empty values stand for no picture. A list may also be written as Python
            does, which is what pandas puts into a cell. A path that leads to no file is tried
            once more without the blanks around it, with ``~`` expanded, ``%20`` decoded,
            backslashes as slashes, without the ``#0`` that numbers captions (Flickr8k), and with
            its accents in one character or in two.
        folders: Where a relative path is looked up; the first that has it wins. One at a URL is
            not asked: what is looked up there is taken to be there.
        image_root: Folder that paths may not leave, links and ``..`` resolved.

    Raises:
        BadRowError: the value is none of these, or a text or data URI does not hold a picture.
        PictureForbiddenError: another scheme, a URL with a password, or a path outside
            `image_root` or out of its bucket or server.
    """
    parser = _Parser(folders, image_root)
    if _is_nothing(value):
        return []
    if isinstance(value, str):
        value = parser.unpacked(value)
    items = _items(value)
    if items is None:
        return [parser.parse(value)]
    if items and all(map(is_turn, items)):
        items = turn_pictures(items)
    for number, item in enumerate(items, 1):
        if _is_nothing(item):
            raise BadRowError(f"picture {number} of {len(items)} is empty")
        if _items(item) is not None:
            raise BadRowError("the list of pictures holds a list; a flat list is expected")
    return [parser.parse(item) for item in items]


class _Parser:
    def __init__(self, folders: Sequence[str], image_root: str | None) -> None:
        self._folders = folders
        self._image_root = image_root

    def unpacked(self, text: str) -> object:
        """The list or mapping that `text` is as JSON, as CSV cells hold them; else `text`."""
        if text[0] in "[{" and not self._exists(text):
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(text)
            if _PYTHON_LIST.fullmatch(text):
                with contextlib.suppress(ValueError, SyntaxError):
                    return ast.literal_eval(text.strip())
        return text

    def parse(self, value: object) -> ImageRef:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _bytes_ref(bytes(value))
        if isinstance(value, os.PathLike):
            return self._path(os.fsdecode(value))
        if isinstance(value, Mapping):
            return self._mapping(value)
        encoded = encode_in_memory(value)
        if encoded is not None:
            return _bytes_ref(encoded.data, encoded.name)
        raise BadRowError(f"a picture cannot be a {type(value).__name__}; it can be {_ACCEPTED}")

    def _mapping(self, value: Mapping[Any, Any]) -> ImageRef:
        data, path = value.get("bytes"), value.get("path")
        if not _is_nothing(data):
            if isinstance(data, str):
                decoded = _from_base64(data)
                if decoded is None:
                    raise BadRowError('the text under "bytes" is not base64 of a picture')
                data = decoded
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise BadRowError(f'"bytes" of a picture cannot be a {type(data).__name__}')
            return _bytes_ref(bytes(data), _name_of(path))
        if isinstance(path, (str, os.PathLike)) and not _is_nothing(path):
            return self.parse(path)
        for key in _URL_KEYS:
            url = value.get(key)
            if isinstance(url, Mapping):  # {"image_url": {"url": …}}, as OpenAI's messages hold it
                url = url.get("url")
            if isinstance(url, str) and (is_url(url) or _is_data_uri(url)):
                return self._text(url)
        raise BadRowError('a picture given as a mapping needs "bytes", "path" or "url"')

    def _text(self, text: str) -> ImageRef:
        if _is_data_uri(text):
            return _data_uri(text)
        if is_url(text):
            url = text.strip()
            path = local_path(url)
            return parse_url(url) if path is None else self._path(path)
        if _looks_like_picture(text) and not self._exists(text):
            data = _from_base64(text)
            if data is not None:
                return _bytes_ref(data, f"base64 text, {len(data)} bytes")
        if len(text) > _LONGEST_PATH:
            raise BadRowError(f"a text of {len(text)} characters is no picture; give {_ACCEPTED}")
        if lacks_scheme(text.strip()) and not self._exists(text):
            name = shown_url(f"https:{text}").removeprefix("https:")
            raise BadRowError(f"{name}: is a URL without its scheme; put https: before it")
        return self._path(text)

    def _exists(self, text: str) -> bool:
        return len(text) <= _LONGEST_PATH and _is_there(self._locate(text))

    def _locate(self, path: str) -> str:
        # as text, not as Path: the name is opened exactly as it stands in the data
        for folder in self._folders:
            if is_remote(folder) and not os.path.isabs(path):  # noqa: PTH117
                return _below(folder, path)
            if _is_there(found := os.path.join(folder, path)):  # noqa: PTH118
                return found
        return os.path.join(self._folders[0], path) if self._folders else path  # noqa: PTH118

    def _path(self, path: str) -> ImageRef:
        name = short_text(path)
        try:
            valid = b"\0" not in os.fsencode(path)
        except UnicodeEncodeError:
            valid = False
        if not valid:
            raise BadRowError(f"{name}: no file can have this name")
        location = self._locate(path)
        if is_remote(location):
            return parse_url(location)
        if not _is_there(location):
            location = self._respelt(path) or location
        if self._image_root is not None:
            confined(location, self._image_root, name)
        return ImageRef("path", name, location)

    def _respelt(self, path: str) -> str | None:
        """Where a file is that lists name in another way; None where there is none either."""
        for spelling in _spellings(path):
            if spelling and "\0" not in spelling and _is_there(found := self._locate(spelling)):
                return found
        return None


def _spellings(path: str) -> Iterator[str]:
    bare = path.strip()
    if bare != path:
        yield bare
    if bare.startswith("~"):
        yield os.path.expanduser(bare)  # noqa: PTH111 - names may be odd
    if "%" in bare:
        yield unquote(bare)
    if "\\" in bare:
        slashed = bare.replace("\\", "/")
        yield slashed
        if "%" in slashed:
            yield unquote(slashed)
    if numbered := _NUMBERED.fullmatch(bare):
        yield numbered[1]
    if not bare.isascii():
        yield from (unicodedata.normalize(form, bare) for form in ("NFC", "NFD"))


def _is_data_uri(text: str) -> bool:
    return text[:64].lstrip()[:5].lower() == "data:"


def _is_there(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where this says no


def _is_nothing(value: object) -> bool:
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:  # pandas' missing values
        return True
    if isinstance(value, float):
        return value != value  # NaN, a missing value in a dataframe
    if isinstance(value, str):
        return not value or value.isspace()
    if isinstance(value, Mapping):
        return all(item is None for item in value.values())
    if isinstance(value, memoryview):
        return value.nbytes == 0
    return _sized(value) and len(value) == 0  # type: ignore[arg-type]


def _sized(value: object) -> bool:
    try:
        len(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _items(value: object) -> list[Any] | None:
    """The items of a list, tuple, array or other sequence; None for anything else."""
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping, os.PathLike)):
        return None
    if is_array(value) or hasattr(value, "read"):
        return None
    if not (_sized(value) and isinstance(value, Iterable) and hasattr(value, "__getitem__")):
        return None
    return list(value)


def _name_of(path: object) -> str:
    if not isinstance(path, str):
        return ""
    return shown_url(path) if is_url(path) else short_text(path)


def _bytes_ref(data: bytes, name: str = "") -> ImageRef:
    return ImageRef("bytes", name or f"{len(data)} bytes", data=data)


def _below(folder: str, path: str) -> str:
    """The URL of the file at `path` seen from the folder at a URL."""
    target = RemotePath(folder).joined(path)
    if target is None:
        raise PictureForbiddenError(
            f"{short_text(path)}: leads out of the bucket or server of {shown_url(folder)}"
        )
    return target.url


def _data_uri(text: str) -> ImageRef:
    head = _DATA_URI.match(text)
    if head is None:
        raise BadRowError("a data URI that does not begin with data:image/…")
    payload = text[head.end() :]
    if ";base64" in head[2].lower():
        data = _decoded(unquote_to_bytes(payload) if "%" in payload else payload)
    else:
        data = unquote_to_bytes(payload)
    if not data:
        raise BadRowError("a data URI whose base64 text is empty or broken")
    return _bytes_ref(data, f"data URI, {len(data)} bytes")


def _looks_like_picture(text: str) -> bool:
    """Whether `text` begins like base64 of a picture; costs the same for any length."""
    if len(text) < _SHORTEST_BASE64:
        return False
    start = "".join(text[:128].split())[:44]
    data = _decoded(start[: len(start) // 4 * 4])
    return data is not None and sniff(data) in PICTURES


def _from_base64(text: str) -> bytes | None:
    if not _looks_like_picture(text) or _BASE64.fullmatch(text) is None:
        return None
    return _decoded(text)


def _decoded(text: str | bytes) -> bytes | None:
    """What the base64 `text` holds, white space ignored and missing padding added."""
    if isinstance(text, str):
        text = text.encode("ascii", "replace")
    text = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
