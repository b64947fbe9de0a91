"""Pictures that rows hold and that a run does not send: the user hears of it before it is paid."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping

from dataflow.core.row import Row
from dataflow.formats.patterns.endings import PICTURE_ENDINGS
from dataflow.operators.core_vision.request_builder import RowRequests

_log = logging.getLogger("dataflow")

_ROWS = 20
_NAMES = frozenset({"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"})


def warn_of_unsent_pictures(rows: Iterable[Row], requests: RowRequests) -> None:
    """Log one warning where the first of `rows` have a picture column that `requests` leave out."""
    for row in itertools.islice(rows, _ROWS):
        for name, value in row.fields.items():
            if name != requests.prompt_key and _is_picture(name, value):
                _log.warning(
                    "the rows have pictures in %r, which are not sent: give "
                    "input_image_key=%r to send them",
                    name,
                    name,
                )
                return


def _is_picture(name: str, value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and _is_picture(name, value[0])
    if isinstance(value, (bytes, bytearray)):
        return True
    if isinstance(value, Mapping):
        return isinstance(value.get("bytes"), (bytes, bytearray))
    if not isinstance(value, str) or not value.strip():
        return False
    is_file = value.lower().endswith(tuple(PICTURE_ENDINGS)) and "\n" not in value
    return name.lower() in _NAMES or is_file or value.startswith("data:image/")
