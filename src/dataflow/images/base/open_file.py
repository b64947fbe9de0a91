"""Opens a picture's file without being fooled by what else a name can lead to."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import BinaryIO

from dataflow.core.errors import (
    PictureError,
    PictureMissingError,
    PictureTooLargeError,
    StopRunError,
)
from dataflow.core.picture import ImageRef
from dataflow.core.portable.file_flags import (
    BYTES,
    NO_LINK,
    NO_TERMINAL,
    NO_WAIT,
    NOT_INHERITED,
)
from dataflow.core.resources import lack_of
from dataflow.images.base.limits import MIB, Limits
from dataflow.images.base.path_guard import confined

SMALL = 4 * MIB
"""Bytes up to which an encoded picture is held in memory; a larger one is read as it is decoded."""

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_WAIT, _WAITS = 0.2, 15  # seconds, and how often
_FLAGS = os.O_RDONLY | NOT_INHERITED | NO_WAIT | NO_TERMINAL | BYTES


def open_file(ref: ImageRef, limits: Limits) -> bytes | BinaryIO:
    """The encoded picture of a path: its bytes where it is small, else its open file.

    Only regular files are opened: a FIFO would block, a device could do anything. That is checked
    before opening, since opening a device can act, and after, since the name may lead elsewhere by
    then; ``O_NONBLOCK`` covers the instant between.

    Raises:
        PictureMissingError: no such file.
        PictureForbiddenError: it lies outside the image root.
        PictureTooLargeError: it passes the limit on bytes.
        PictureError: it cannot be opened or is no regular file.
        StopRunError: the machine has no space to open it, also not after a while.
    """
    location, flags = ref.location, _FLAGS
    try:
        if limits.image_root is not None:
            location = confined(location, limits.image_root, ref.name)
            flags |= NO_LINK
        _check_regular(os.stat(location), ref)  # noqa: PTH116 - as open() takes it
        file = os.fdopen(_opened(location, flags), "rb")
    except OSError as error:
        raise _typed(error, ref) from None
    except ValueError:
        raise PictureError(f"{ref.name}: no file can have this name") from None
    try:
        status = os.fstat(file.fileno())
        _check_regular(status, ref)
        check_size(status.st_size, ref, limits)
        if status.st_size > SMALL:
            return file
        with file:
            return file.read(SMALL)
    except OSError as error:
        file.close()
        raise _typed(error, ref) from None
    except BaseException:
        file.close()
        raise


def check_size(size: int, ref: ImageRef, limits: Limits) -> None:
    """Refuse an encoded picture of no bytes, or of more than `limits` allow.

    Raises:
        PictureError: it is empty.
        PictureTooLargeError: it has more than `limits.max_picture_bytes`.
    """
    if size == 0:
        raise PictureError(f"{ref.name}: is empty")
    if size > limits.max_picture_bytes:
        raise PictureTooLargeError(
            f"{ref.name}: has over {limits.max_picture_bytes / MIB:.3g} MiB, the limit "
            "(--max-picture-bytes)"
        )


def _check_regular(status: os.stat_result, ref: ImageRef) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise PictureError(f"{ref.name}: is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(f"{ref.name}: is no regular file")


def _opened(location: str, flags: int) -> int:
    """An open file's number; where there is no space for it, others' files may soon be closed."""
    for _ in range(_WAITS):
        try:
            return os.open(location, flags)
        except OSError as error:  # noqa: PERF203 - that is the loop's purpose
            if lack_of(error) is None:
                raise
            time.sleep(_WAIT)
    return os.open(location, flags)


def _typed(error: OSError, ref: ImageRef) -> PictureError | StopRunError:
    lack = lack_of(error)
    if lack is not None:
        return lack
    if error.errno in _MISSING:
        return PictureMissingError(f"{ref.name}: no such file")
    return PictureError(f"{ref.name}: {error.strerror or 'cannot be read'}")
