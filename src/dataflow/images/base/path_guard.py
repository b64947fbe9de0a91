"""Paths in data that may not leave a folder."""

from __future__ import annotations

import os

from dataflow.core.errors import PictureForbiddenError


def confined(location: str, image_root: str, name: str) -> str:
    """The real path of `location`, all links and ``..`` resolved.

    Args:
        location: The path to open.
        image_root: The folder it has to lie in.
        name: The picture's name for the message.

    Raises:
        PictureForbiddenError: it lies elsewhere.
    """
    real = os.path.realpath(location)
    root = os.path.realpath(image_root)
    try:
        is_below = os.path.commonpath((real, root)) == root
    except ValueError:  # another drive
        is_below = False
    if not is_below:
        raise PictureForbiddenError(f"{name}: lies outside the image root")
    return real
